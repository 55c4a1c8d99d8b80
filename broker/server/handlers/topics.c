/* CreateTopics, CreatePartitions, DeleteTopics: decode, propose, answer. What is allowed is in
 * topic_decisions.c.
 *
 * One request is one proposal and so one batch of metadata: its topics appear together. A topic
 * that is refused does not hold up the others. Topics named twice in one request are refused, both
 * of them.
 */
#include "base/check.h"
#include "base/map.h"
#include "broker.h"
#include "handlers.h"
#include "propose.h"
#include "topic_decisions.h"

static struct topic_decision decision_of(struct propose *p, const struct image *image,
                                         struct change *change, int64_t *pending)
{
    const struct broker *broker = p->request->broker;
    return (struct topic_decision){
        image, broker->settings, broker->env->random, &p->request->arena, change, pending};
}

/* Out of memory half-way: the whole change has to go. */
static bool is_fatal(struct verdict v) { return v.code == KAFKA_ERR_UNKNOWN_SERVER_ERROR; }

static struct verdict duplicate_verdict(struct request *rq, struct view name)
{
    return verdict_fail(&rq->arena, KAFKA_ERR_INVALID_REQUEST,
                        "Topic '%.*s' is named twice in the request.", (int)name.len,
                        (const char *)name.data);
}

/* Counts how often each name occurs: NULL without memory. The map's values are the counts. */
static bool count_name(struct map *seen, struct view name)
{
    uintptr_t n = (uintptr_t)map_get(seen, name);
    return map_put(seen, name, (void *)(n + 1), NULL) == OK;
}
static bool is_duplicate(const struct map *seen, struct view name)
{
    return (uintptr_t)map_get(seen, name) > 1;
}

/* ---- CreateTopics ---- */

static struct topic_spec *spec_of(struct arena *arena, const struct create_topics_request_topic *t)
{
    struct topic_spec *spec = arena_alloc(arena, sizeof *spec);
    int32_t assignments = MAX(t->assignments_count, 0), settings = MAX(t->configs_count, 0);
    struct topic_assignment *a = arena_calloc(arena, (size_t)assignments, sizeof *a);
    struct topic_setting *s = arena_calloc(arena, (size_t)settings, sizeof *s);
    if (!spec || !a || !s) return NULL;
    for (int32_t i = 0; i < assignments; i++)
        a[i] = (struct topic_assignment){t->assignments[i].partition_index,
                                         t->assignments[i].broker_ids,
                                         t->assignments[i].broker_ids_count};
    for (int32_t i = 0; i < settings; i++)
        s[i] = (struct topic_setting){t->configs[i].name, t->configs[i].value};
    *spec = (struct topic_spec){t->name, t->num_partitions, t->replication_factor, a, assignments,
                                s,       settings};
    return spec;
}

static err_t create_one(const struct topic_decision *d, const struct create_topics_request_topic *t,
                        struct create_topics_response_topic *out)
{
    struct topic_spec *spec = spec_of(d->arena, t);
    if (!spec) return ERR_NOMEM;
    struct topic_created made;
    struct verdict v = topic_create_decide(d, spec, &made);
    if (is_fatal(v)) return ERR_NOMEM;
    out->error_code = (int16_t)v.code;
    out->error_message = v.message;
    if (!verdict_is_ok(v)) return OK;
    out->topic_id = made.id;
    out->num_partitions = made.partitions;
    out->replication_factor = made.replication_factor;
    return OK;
}

static err_t create_decide(struct propose *p, const struct image *image, struct change *change)
{
    const struct create_topics_request *body = p->request->body;
    struct create_topics_response *response = p->response;
    int64_t pending = 0;
    struct topic_decision d = decision_of(p, image, body->validate_only ? NULL : change, &pending);
    struct map seen = {0};
    err_t err = OK;
    for (int32_t i = 0; i < body->topics_count && err == OK; i++)
        if (!count_name(&seen, body->topics[i].name)) err = ERR_NOMEM;
    for (int32_t i = 0; i < body->topics_count && err == OK; i++) {
        struct create_topics_response_topic *out = &response->topics[i];
        out->name = body->topics[i].name;
        if (is_duplicate(&seen, out->name)) {
            struct verdict v = duplicate_verdict(p->request, out->name);
            out->error_code = (int16_t)v.code;
            out->error_message = v.message;
            continue;
        }
        err = create_one(&d, &body->topics[i], out);
    }
    map_release(&seen);
    return err;
}

/* The new topic's settings, as KIP-525 wants them in the answer. */
static void describe_created(struct request *rq, const struct image *image,
                             struct create_topics_response_topic *out)
{
    struct broker_defaults defaults = broker_settings_defaults(rq->broker->settings);
    size_t count = topic_setting_table.count;
    struct create_topics_response_config *configs = CODEC_NEW(&rq->arena,
                                                              create_topics_response_config, count);
    if (!configs) return;
    for (size_t i = 0; i < count; i++) {
        struct setting_info info;
        topic_setting_describe(image, out->name, &defaults, i, &info);
        const char *value = info.value == info.text
                                ? arena_strndup(&rq->arena, info.text, strlen(info.text))
                                : info.value;
        configs[i].name = view_str(info.setting->name);
        configs[i].value = value ? view_str(value) : (struct view){0};
        configs[i].read_only = info.is_read_only;
        configs[i].config_source = (int8_t)info.source;
        configs[i].is_sensitive = info.is_sensitive;
    }
    out->configs = configs;
    out->configs_count = (int32_t)count;
}

static void create_reply(struct propose *p)
{
    struct request *rq = p->request;
    struct create_topics_response *response = p->response;
    for (int32_t i = 0; i < response->topics_count; i++) {
        struct create_topics_response_topic *t = &response->topics[i];
        if (p->err != OK) {
            t->name = ((const struct create_topics_request *)rq->body)->topics[i].name;
            t->error_code = (int16_t)kafka_error_of(p->err);
        } else if (t->error_code == KAFKA_ERR_NONE && request_version(rq) >= 5) {
            describe_created(rq, p->image, t);
        }
    }
    request_reply(rq, response);
}

void handle_create_topics(struct request *rq)
{
    struct propose *p = propose_new(rq);
    if (!p) return;
    const struct create_topics_request *body = rq->body;
    struct create_topics_response *response = CODEC_NEW(&rq->arena, create_topics_response, 1);
    int32_t count = MAX(body->topics_count, 0);
    if (response)
        response->topics = CODEC_NEW(&rq->arena, create_topics_response_topic, (size_t)count);
    if (!response || !response->topics) {
        request_refuse(rq, "out of memory for one request");
        return;
    }
    response->topics_count = count;
    p->response = response;
    p->decide = create_decide;
    p->then = create_reply;
    propose_submit(p);
}

/* ---- CreatePartitions ---- */

static err_t grow_one(const struct topic_decision *d,
                      const struct create_partitions_request_topic *t, struct verdict *out)
{
    const struct image_topic *topic = image_topic(d->image, t->name);
    if (!topic) {
        *out = verdict_fail(d->arena, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                            "There is no topic '%.*s'.", (int)t->name.len,
                            (const char *)t->name.data);
        return OK;
    }
    struct topic_assignment *a = NULL;
    if (t->assignments_count >= 0) {
        a = arena_calloc(d->arena, (size_t)t->assignments_count, sizeof *a);
        if (!a) return ERR_NOMEM;
        for (int32_t i = 0; i < t->assignments_count; i++)
            a[i] = (struct topic_assignment){topic->partition_count + i,
                                             t->assignments[i].broker_ids,
                                             t->assignments[i].broker_ids_count};
    }
    *out = topic_grow_decide(d, topic, t->count, a, t->assignments_count);
    return is_fatal(*out) ? ERR_NOMEM : OK;
}

static err_t grow_decide(struct propose *p, const struct image *image, struct change *change)
{
    const struct create_partitions_request *body = p->request->body;
    struct create_partitions_response *response = p->response;
    int64_t pending = 0;
    struct topic_decision d = decision_of(p, image, body->validate_only ? NULL : change, &pending);
    struct map seen = {0};
    err_t err = OK;
    for (int32_t i = 0; i < body->topics_count && err == OK; i++)
        if (!count_name(&seen, body->topics[i].name)) err = ERR_NOMEM;
    for (int32_t i = 0; i < body->topics_count && err == OK; i++) {
        struct view name = body->topics[i].name;
        struct verdict v = verdict_ok();
        if (is_duplicate(&seen, name))
            v = duplicate_verdict(p->request, name);
        else
            err = grow_one(&d, &body->topics[i], &v);
        response->results[i].name = name;
        response->results[i].error_code = (int16_t)v.code;
        response->results[i].error_message = v.message;
    }
    map_release(&seen);
    return err;
}

static void grow_reply(struct propose *p)
{
    const struct create_partitions_request *body = p->request->body;
    struct create_partitions_response *response = p->response;
    for (int32_t i = 0; i < response->results_count && p->err != OK; i++) {
        response->results[i].name = body->topics[i].name;
        response->results[i].error_code = (int16_t)kafka_error_of(p->err);
    }
    request_reply(p->request, response);
}

void handle_create_partitions(struct request *rq)
{
    struct propose *p = propose_new(rq);
    if (!p) return;
    const struct create_partitions_request *body = rq->body;
    struct create_partitions_response *response = CODEC_NEW(&rq->arena, create_partitions_response,
                                                            1);
    int32_t count = MAX(body->topics_count, 0);
    if (response)
        response->results = CODEC_NEW(&rq->arena, create_partitions_response_result, (size_t)count);
    if (!response || !response->results) {
        request_refuse(rq, "out of memory for one request");
        return;
    }
    response->results_count = count;
    p->response = response;
    p->decide = grow_decide;
    p->then = grow_reply;
    propose_submit(p);
}

/* ---- DeleteTopics ---- */

/* Versions 0-5 name topics in a list of strings, later ones by name or id. */
static int32_t delete_count(const struct request *rq)
{
    const struct delete_topics_request *body = rq->body;
    return MAX(request_version(rq) >= 6 ? body->topics_count : body->topic_names_count, 0);
}

static struct verdict delete_find(struct propose *p, const struct image *image, int32_t i,
                                  const struct image_topic **topic)
{
    const struct delete_topics_request *body = p->request->body;
    struct delete_topics_response_result *out =
        &((struct delete_topics_response *)p->response)->responses[i];
    struct arena *arena = &p->request->arena;
    bool by_list = request_version(p->request) < 6;
    out->name = by_list ? body->topic_names[i] : body->topics[i].name;
    struct uuid id = by_list ? (struct uuid){{0}} : body->topics[i].topic_id;
    out->topic_id = id;
    if (out->name.data && !uuid_is_zero(id))
        return verdict_fail(arena, KAFKA_ERR_INVALID_REQUEST,
                            "A topic is deleted by its name or by its id, not by both.");
    if (!out->name.data && uuid_is_zero(id))
        return verdict_fail(arena, KAFKA_ERR_INVALID_REQUEST,
                            "Neither the name nor the id of the topic is given.");
    *topic = out->name.data ? image_topic(image, out->name) : image_topic_by_id(image, id);
    if (*topic) {
        char *name = arena_strndup(arena, (*topic)->name, strlen((*topic)->name));
        if (name) out->name = view_str(name);
        out->topic_id = (*topic)->id;
        return verdict_ok();
    }
    if (!out->name.data)
        return verdict_fail(arena, KAFKA_ERR_UNKNOWN_TOPIC_ID, "There is no topic with this id.");
    return verdict_fail(arena, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "There is no topic '%.*s'.",
                        (int)out->name.len, (const char *)out->name.data);
}

static err_t delete_decide(struct propose *p, const struct image *image, struct change *change)
{
    struct delete_topics_response *response = p->response;
    int64_t pending = 0;
    struct topic_decision d = decision_of(p, image, change, &pending);
    struct map seen = {0};
    err_t err = OK;
    for (int32_t i = 0; i < response->responses_count && err == OK; i++) {
        const struct image_topic *topic = NULL;
        struct verdict v = delete_find(p, image, i, &topic);
        if (verdict_is_ok(v) && map_get(&seen, view_of(topic->id.bytes, sizeof topic->id.bytes)))
            v = duplicate_verdict(p->request, view_str(topic->name));
        else if (verdict_is_ok(v)) {
            v = topic_delete_decide(&d, topic);
            err = is_fatal(v)
                      ? ERR_NOMEM
                      : map_put(&seen, view_of(topic->id.bytes, sizeof topic->id.bytes), p, NULL);
        }
        response->responses[i].error_code = (int16_t)v.code;
        response->responses[i].error_message = v.message;
    }
    map_release(&seen);
    return err;
}

static void delete_reply(struct propose *p)
{
    struct delete_topics_response *response = p->response;
    for (int32_t i = 0; i < response->responses_count && p->err != OK; i++)
        response->responses[i].error_code = (int16_t)kafka_error_of(p->err);
    request_reply(p->request, response);
}

void handle_delete_topics(struct request *rq)
{
    struct propose *p = propose_new(rq);
    if (!p) return;
    struct delete_topics_response *response = CODEC_NEW(&rq->arena, delete_topics_response, 1);
    int32_t count = delete_count(rq);
    if (response)
        response->responses = CODEC_NEW(&rq->arena, delete_topics_response_result, (size_t)count);
    if (!response || !response->responses) {
        request_refuse(rq, "out of memory for one request");
        return;
    }
    response->responses_count = count;
    for (int32_t i = 0; i < count; i++)
        response->responses[i].name = view_str(""); /* never null in old versions */
    p->response = response;
    p->decide = delete_decide;
    p->then = delete_reply;
    propose_submit(p);
}
