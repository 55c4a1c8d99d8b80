/* DescribeConfigs, AlterConfigs, IncrementalAlterConfigs. What is allowed is in config_decisions.c.
 */
#include <stdio.h>

#include "base/check.h"
#include "broker.h"
#include "config_decisions.h"
#include "handlers.h"
#include "propose.h"

/* ---- DescribeConfigs ---- */

struct describe {
    struct request *request;
    const struct image *image;
    const struct broker_settings *settings; /* with the dynamic values of the image */
    const struct describe_configs_request *body;
};

static bool is_asked(const struct describe_configs_request_resource *r, const char *name)
{
    if (r->configuration_keys_count < 0) return true;
    for (int32_t i = 0; i < r->configuration_keys_count; i++)
        if (view_eq(r->configuration_keys[i], view_str(name))) return true;
    return r->configuration_keys_count == 0; /* some clients mean "all" by an empty list */
}

/* Config types on the wire (KIP-569). */
static int8_t wire_type(enum setting_type type)
{
    static const int8_t types[] = {
        [SETTING_BOOL] = 1,   [SETTING_STRING] = 2, [SETTING_INT] = 3,     [SETTING_LONG] = 5,
        [SETTING_DOUBLE] = 6, [SETTING_LIST] = 7,   [SETTING_PASSWORD] = 9};
    return types[type];
}

/* A null when there is none; values that sit in the info's own text are copied. */
static struct view text_of(struct arena *arena, const struct setting_info *info, const char *value)
{
    if (!value) return (struct view){0};
    if (value != info->text) return view_str(value);
    char *copy = arena_strndup(arena, value, strlen(value));
    return copy ? view_str(copy) : (struct view){0};
}

static bool add_synonyms(const struct describe *d, const struct setting_info *info,
                         struct describe_configs_response_config *out)
{
    struct arena *arena = &d->request->arena;
    out->synonyms = CODEC_NEW(arena, describe_configs_response_synonym, info->synonym_count);
    if (!out->synonyms) return false;
    for (size_t i = 0; i < info->synonym_count; i++) {
        out->synonyms[i].name = view_str(info->synonyms[i].name);
        out->synonyms[i].value = text_of(arena, info,
                                         info->is_sensitive ? NULL : info->synonyms[i].value);
        out->synonyms[i].source = (int8_t)info->synonyms[i].source;
    }
    out->synonyms_count = (int32_t)info->synonym_count;
    return true;
}

static bool add_config(const struct describe *d, const struct setting_info *info,
                       struct describe_configs_response_config *out)
{
    out->name = view_str(info->setting->name);
    out->value = text_of(&d->request->arena, info, info->value);
    out->read_only = info->is_read_only;
    /* Later versions say it by the source alone. */
    if (request_version(d->request) == 0) out->is_default = info->is_default;
    out->config_source = (int8_t)info->source;
    out->is_sensitive = info->is_sensitive;
    out->config_type = wire_type(info->setting->type);
    if (d->body->include_documentation) out->documentation = view_str(info->setting->meaning);
    return !d->body->include_synonyms || add_synonyms(d, info, out);
}

/* The default of all brokers has only what was set there. */
static bool is_left_out(const struct describe_configs_request_resource *r,
                        const struct setting_info *info)
{
    if (!is_asked(r, info->setting->name)) return true;
    return r->resource_type == CONFIG_BROKER && r->resource_name.len == 0 &&
           info->source != SOURCE_DYNAMIC_DEFAULT_BROKER;
}

static bool describe_resource(const struct describe *d,
                              const struct describe_configs_request_resource *r,
                              struct describe_configs_response_result *out)
{
    bool is_topic = r->resource_type == CONFIG_TOPIC;
    size_t total = is_topic ? topic_setting_table.count : broker_setting_table.count;
    struct broker_defaults defaults = broker_settings_defaults(d->settings);
    out->configs = CODEC_NEW(&d->request->arena, describe_configs_response_config, total);
    if (!out->configs) return false;
    for (size_t i = 0; i < total; i++) {
        struct setting_info info;
        if (is_topic)
            topic_setting_describe(d->image, r->resource_name, &defaults, i, &info);
        else
            broker_setting_describe(d->settings, i, &info);
        if (is_left_out(r, &info)) continue;
        if (!add_config(d, &info, &out->configs[out->configs_count++])) return false;
    }
    return true;
}

static struct verdict describe_judge(const struct describe *d,
                                     const struct describe_configs_request_resource *r)
{
    struct verdict v = config_resource_judge(d->image, &d->request->arena, r->resource_type,
                                             r->resource_name);
    if (!verdict_is_ok(v) || r->resource_type != CONFIG_BROKER || r->resource_name.len == 0)
        return v;
    char own[16];
    snprintf(own, sizeof own, "%d", d->settings->node_id);
    if (view_eq(r->resource_name, view_str(own))) return v;
    return verdict_fail(&d->request->arena, KAFKA_ERR_INVALID_REQUEST,
                        "Ask broker %.*s itself; this is broker %s.", (int)r->resource_name.len,
                        (const char *)r->resource_name.data, own);
}

static bool describe_all(const struct describe *d, struct describe_configs_response *response)
{
    int32_t count = MAX(d->body->resources_count, 0);
    response->results = CODEC_NEW(&d->request->arena, describe_configs_response_result,
                                  (size_t)count);
    if (!response->results) return false;
    response->results_count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct describe_configs_request_resource *r = &d->body->resources[i];
        struct describe_configs_response_result *out = &response->results[i];
        struct verdict v = describe_judge(d, r);
        out->resource_type = r->resource_type;
        out->resource_name = r->resource_name;
        out->error_code = (int16_t)v.code;
        out->error_message = v.message;
        if (verdict_is_ok(v) && !describe_resource(d, r, out)) return false;
    }
    return true;
}

void handle_describe_configs(struct request *rq)
{
    struct image *image = proposer_image(rq->broker->proposer);
    struct broker_settings *settings = NULL;
    struct describe_configs_response response;
    CODEC_DEFAULT(describe_configs_response, &response);
    bool ok = broker_settings_overlay(rq->broker->settings, image, &settings) == OK;
    if (ok) {
        struct describe d = {rq, image, settings, rq->body};
        ok = describe_all(&d, &response);
    }
    if (ok)
        request_reply(rq, &response);
    else
        request_refuse(rq, "out of memory for one request");
    broker_settings_unref(settings);
    image_unref(image);
}

/* ---- both kinds of alter ---- */

struct alter_resource {
    int8_t type;
    struct view name;
    struct config_change *changes;
    int32_t count;
    struct verdict verdict;
};

struct alter {
    struct alter_resource *resources;
    int32_t count;
    bool validate_only;
    bool replaces_all;
};

struct effective {
    const struct image *image;
    const struct broker_settings *settings; /* with the dynamic values of the image */
};

/* The value in force, which APPEND and SUBTRACT start from. */
static const char *effective_value(void *arg, int resource_type, struct view resource,
                                   const char *name)
{
    const struct effective *e = arg;
    const char *own = image_config(e->image, (enum config_resource_type)resource_type, resource,
                                   view_str(name));
    if (own) return own;
    if (resource_type == CONFIG_BROKER) return broker_settings_get(e->settings, name);
    const struct setting *s = setting_find(&topic_setting_table, view_str(name));
    const char *inherited = s && s->synonym ? broker_settings_get(e->settings, s->synonym) : NULL;
    return inherited ? inherited : s ? s->default_value : NULL;
}

static bool is_named_twice(const struct alter *a, int32_t i)
{
    for (int32_t j = 0; j < a->count; j++)
        if (j != i && a->resources[j].type == a->resources[i].type &&
            view_eq(a->resources[j].name, a->resources[i].name))
            return true;
    return false;
}

static err_t alter_decide(struct propose *p, const struct image *image, struct change *change)
{
    struct alter *a = p->response;
    struct request *rq = p->request;
    struct broker_settings *settings;
    TRY(broker_settings_overlay(rq->broker->settings, image, &settings));
    struct effective effective = {image, settings};
    err_t err = OK;
    struct config_decision d = {image,           &rq->arena, a->validate_only ? NULL : change,
                                effective_value, &effective, rq->broker->settings->node_id};
    for (int32_t i = 0; i < a->count && err == OK; i++) {
        struct alter_resource *r = &a->resources[i];
        if (is_named_twice(a, i))
            r->verdict = verdict_fail(&rq->arena, KAFKA_ERR_INVALID_REQUEST,
                                      "'%.*s' is named twice in the request.", (int)r->name.len,
                                      (const char *)r->name.data);
        else
            r->verdict = config_alter_decide(&d, r->type, r->name, r->changes, r->count,
                                             a->replaces_all);
        if (r->verdict.code == KAFKA_ERR_UNKNOWN_SERVER_ERROR) err = ERR_NOMEM;
    }
    broker_settings_unref(settings);
    return err;
}

static void settle(struct propose *p)
{
    struct alter *a = p->response;
    for (int32_t i = 0; i < a->count && p->err != OK; i++)
        a->resources[i].verdict = verdict_fail(&p->request->arena, kafka_error_of(p->err),
                                               "The change could not be committed: %s.",
                                               err_name(p->err));
}

enum { RESOURCES_MAX = 2000 };

/* NULL: the request has been refused. */
static struct alter *alter_begin(struct request *rq, int32_t count, bool replaces_all)
{
    struct alter *a = arena_alloc(&rq->arena, sizeof *a);
    if (!a || count > RESOURCES_MAX ||
        !(a->resources = arena_calloc(&rq->arena, (size_t)MAX(count, 0), sizeof *a->resources))) {
        request_refuse(rq, "too many resources in one request");
        return NULL;
    }
    a->count = MAX(count, 0);
    a->replaces_all = replaces_all;
    return a;
}

static bool alter_resource_init(struct request *rq, struct alter_resource *r, int8_t type,
                                struct view name, int32_t count)
{
    *r = (struct alter_resource){.type = type, .name = name, .count = MAX(count, 0)};
    r->changes = arena_calloc(&rq->arena, (size_t)r->count, sizeof *r->changes);
    return r->changes != NULL;
}

/* ---- AlterConfigs ---- */

static void alter_reply(struct propose *p)
{
    struct alter *a = p->response;
    struct alter_configs_response response;
    CODEC_DEFAULT(alter_configs_response, &response);
    settle(p);
    response.responses = CODEC_NEW(&p->request->arena, alter_configs_response_resource,
                                   (size_t)a->count);
    if (!response.responses) {
        request_refuse(p->request, "out of memory for one request");
        return;
    }
    response.responses_count = a->count;
    for (int32_t i = 0; i < a->count; i++) {
        response.responses[i].resource_type = a->resources[i].type;
        response.responses[i].resource_name = a->resources[i].name;
        response.responses[i].error_code = (int16_t)a->resources[i].verdict.code;
        response.responses[i].error_message = a->resources[i].verdict.message;
    }
    request_reply(p->request, &response);
}

void handle_alter_configs(struct request *rq)
{
    struct propose *p = propose_new(rq);
    if (!p) return;
    const struct alter_configs_request *body = rq->body;
    struct alter *a = alter_begin(rq, body->resources_count, true);
    if (!a) return;
    a->validate_only = body->validate_only;
    for (int32_t i = 0; i < a->count; i++) {
        const struct alter_configs_request_resource *r = &body->resources[i];
        if (!alter_resource_init(rq, &a->resources[i], r->resource_type, r->resource_name,
                                 r->configs_count)) {
            request_refuse(rq, "out of memory for one request");
            return;
        }
        for (int32_t j = 0; j < r->configs_count; j++)
            a->resources[i].changes[j] = (struct config_change){
                r->configs[j].name, r->configs[j].value,
                r->configs[j].value.data ? CONFIG_SET : CONFIG_DELETE};
    }
    p->response = a;
    p->decide = alter_decide;
    p->then = alter_reply;
    propose_submit(p);
}

/* ---- IncrementalAlterConfigs ---- */

static void incremental_reply(struct propose *p)
{
    struct alter *a = p->response;
    struct incremental_alter_configs_response response;
    CODEC_DEFAULT(incremental_alter_configs_response, &response);
    settle(p);
    response.responses = CODEC_NEW(&p->request->arena, incremental_alter_configs_response_resource,
                                   (size_t)a->count);
    if (!response.responses) {
        request_refuse(p->request, "out of memory for one request");
        return;
    }
    response.responses_count = a->count;
    for (int32_t i = 0; i < a->count; i++) {
        response.responses[i].resource_type = a->resources[i].type;
        response.responses[i].resource_name = a->resources[i].name;
        response.responses[i].error_code = (int16_t)a->resources[i].verdict.code;
        response.responses[i].error_message = a->resources[i].verdict.message;
    }
    request_reply(p->request, &response);
}

void handle_incremental_alter_configs(struct request *rq)
{
    struct propose *p = propose_new(rq);
    if (!p) return;
    const struct incremental_alter_configs_request *body = rq->body;
    struct alter *a = alter_begin(rq, body->resources_count, false);
    if (!a) return;
    a->validate_only = body->validate_only;
    for (int32_t i = 0; i < a->count; i++) {
        const struct incremental_alter_configs_request_resource *r = &body->resources[i];
        if (!alter_resource_init(rq, &a->resources[i], r->resource_type, r->resource_name,
                                 r->configs_count)) {
            request_refuse(rq, "out of memory for one request");
            return;
        }
        for (int32_t j = 0; j < r->configs_count; j++) {
            if (r->configs[j].config_operation < CONFIG_SET ||
                r->configs[j].config_operation > CONFIG_SUBTRACT) {
                request_refuse(rq, "unknown config operation");
                return;
            }
            a->resources[i].changes[j] = (struct config_change){
                r->configs[j].name, r->configs[j].value,
                (enum config_operation)r->configs[j].config_operation};
        }
    }
    p->response = a;
    p->decide = alter_decide;
    p->then = incremental_reply;
    propose_submit(p);
}
