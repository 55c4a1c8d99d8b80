/* stele topic create|list|describe|alter|delete. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/uuid.h"
#include "options.h"
#include "output.h"
#include "protocol/codec.h"
#include "protocol/kafka_error.h"

enum { NAMES_MAX = 1000, CONFIGS_MAX = 64 };
enum { KEY_IF_EXISTS = 0x200, KEY_IF_NOT_EXISTS, KEY_VALIDATE, KEY_INTERNAL };

enum verb { VERB_CREATE, VERB_LIST, VERB_DESCRIBE, VERB_ALTER, VERB_DELETE, VERB__COUNT };
static const char *const verb_names[VERB__COUNT] = {"create", "list", "describe", "alter",
                                                    "delete"};

struct topic_options {
    struct common_options common;
    enum verb verb;
    const char *names[NAMES_MAX];
    int name_count;
    int partitions;  /* -1: not said */
    int replication; /* -1: not said */
    const char *configs[CONFIGS_MAX];
    int config_count;
    bool if_exists, if_not_exists, validate_only, with_internal;
};

/* ---- arguments ---- */

static void parse_number(const char *what, const char *arg, int max, struct argp_state *state,
                         int *out)
{
    long long n;
    if (!parse_long(arg, 1, max, &n))
        argp_error(state, "%s is a number from 1 to %d, not '%s'", what, max, arg);
    *out = (int)n;
}

static void parse_config(char *arg, struct argp_state *state, struct topic_options *o)
{
    if (!strchr(arg, '=')) argp_error(state, "--config takes KEY=VALUE, not '%s'", arg);
    if (o->config_count == CONFIGS_MAX) argp_error(state, "at most %d --config", CONFIGS_MAX);
    o->configs[o->config_count++] = arg;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct topic_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 'p': parse_number("--partitions", arg, 1000000, state, &o->partitions); return 0;
    case 'r': parse_number("--replication-factor", arg, 32767, state, &o->replication); return 0;
    case 'c': parse_config(arg, state, o); return 0;
    case KEY_IF_EXISTS: o->if_exists = true; return 0;
    case KEY_IF_NOT_EXISTS: o->if_not_exists = true; return 0;
    case KEY_VALIDATE: o->validate_only = true; return 0;
    case KEY_INTERNAL: o->with_internal = true; return 0;
    case ARGP_KEY_ARG:
        if (o->name_count == NAMES_MAX) argp_error(state, "at most %d topics", NAMES_MAX);
        o->names[o->name_count++] = arg;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"partitions", 'p', "N", 0,
     "create: how many (default: the broker's num.partitions); alter: how many in all", 0},
    {"replication-factor", 'r', "N", 0,
     "create: replicas of each partition (default: the broker's)", 0},
    {"config", 'c', "KEY=VALUE", 0, "create: a setting of the topic; may be repeated", 0},
    {"if-not-exists", KEY_IF_NOT_EXISTS, NULL, 0, "create: an existing topic is no error", 0},
    {"if-exists", KEY_IF_EXISTS, NULL, 0, "delete, describe: a missing topic is no error", 0},
    {"validate-only", KEY_VALIDATE, NULL, 0,
     "create, alter: say whether it would work, change nothing", 0},
    {"internal", KEY_INTERNAL, NULL, 0, "list: internal topics too", 0},
    {0},
};

/* ---- what the answers have in common ---- */

/* One row of the outcome of create, alter and delete. */
static int print_outcome(struct output *out, struct view name, int16_t code, struct view message,
                         bool ignore)
{
    bool ok = code == KAFKA_ERR_NONE || ignore;
    output_text(out, name);
    output_string(out, code == KAFKA_ERR_NONE ? "ok" : kafka_error_name(code));
    if (message.data)
        output_text(out, message);
    else
        output_string(out, code == KAFKA_ERR_NONE ? NULL : kafka_error_text(code));
    return ok ? EXIT_OK : EXIT_FOUND;
}

static const struct column outcome_columns[] = {
    {"TOPIC", COLUMN_TEXT}, {"RESULT", COLUMN_TEXT}, {"MESSAGE", COLUMN_TEXT}};

struct session {
    const struct topic_options *options;
    struct link *link;
    struct arena arena;
};

static void *need(void *p)
{
    if (!p) exit(complain(EXIT_BROKEN, "out of memory"));
    return p;
}

/* ---- create ---- */

static int print_created(struct session *s, const struct create_topics_response *response)
{
    static const struct column columns[] = {
        {"TOPIC", COLUMN_TEXT},        {"RESULT", COLUMN_TEXT},        {"MESSAGE", COLUMN_TEXT},
        {"PARTITIONS", COLUMN_NUMBER}, {"REPLICATION", COLUMN_NUMBER}, {"ID", COLUMN_TEXT}};
    struct output *out = output_new(s->options->common.format, columns, 6);
    int code = EXIT_OK;
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct create_topics_response_topic *t = &response->topics[i];
        bool ignore = s->options->if_not_exists && t->error_code == KAFKA_ERR_TOPIC_ALREADY_EXISTS;
        int one = print_outcome(out, t->name, t->error_code, t->error_message, ignore);
        code = MAX(code, one);
        char id[UUID_TEXT_LEN + 1];
        uuid_format(t->topic_id, id);
        if (t->num_partitions > 0)
            output_number(out, t->num_partitions);
        else
            output_string(out, NULL);
        if (t->replication_factor > 0)
            output_number(out, t->replication_factor);
        else
            output_string(out, NULL);
        output_string(out, uuid_is_zero(t->topic_id) ? NULL : id);
    }
    output_finish(out);
    return code;
}

static int run_create(struct session *s)
{
    const struct topic_options *o = s->options;
    struct create_topics_request request;
    struct create_topics_response response;
    CODEC_DEFAULT(create_topics_request, &request);
    request.timeout_ms = o->common.timeout_ms;
    request.validate_only = o->validate_only;
    request.topics = need(CODEC_NEW(&s->arena, create_topics_request_topic, (size_t)o->name_count));
    request.topics_count = o->name_count;
    struct create_topics_request_config *configs = need(
        CODEC_NEW(&s->arena, create_topics_request_config, (size_t)o->config_count));
    for (int i = 0; i < o->config_count; i++) {
        const char *equals = strchr(o->configs[i], '=');
        configs[i].name = view_of(o->configs[i], (size_t)(equals - o->configs[i]));
        configs[i].value = view_str(equals + 1);
    }
    for (int i = 0; i < o->name_count; i++) {
        request.topics[i].name = view_str(o->names[i]);
        request.topics[i].num_partitions = o->partitions;
        request.topics[i].replication_factor = (int16_t)o->replication;
        request.topics[i].configs = configs;
        request.topics[i].configs_count = o->config_count;
    }
    if (link_call(s->link, API_CREATE_TOPICS, &request, &s->arena, &response) != OK)
        return complain_call(s->link, "topic create");
    return print_created(s, &response);
}

/* ---- list, describe ---- */

/* Names NULL: all topics. */
static err_t ask_metadata(struct session *s, struct metadata_response *response)
{
    const struct topic_options *o = s->options;
    struct metadata_request request;
    CODEC_DEFAULT(metadata_request, &request);
    request.allow_auto_topic_creation = false;
    request.topics_count = -1;
    if (o->name_count) {
        request.topics = need(CODEC_NEW(&s->arena, metadata_request_topic, (size_t)o->name_count));
        request.topics_count = o->name_count;
        for (int i = 0; i < o->name_count; i++) request.topics[i].name = view_str(o->names[i]);
    }
    return link_call(s->link, API_METADATA, &request, &s->arena, response);
}

static int compare_topics(const void *a, const void *b)
{
    const struct metadata_response_topic *x = a, *y = b;
    size_t len = MIN(x->name.len, y->name.len);
    int order = len ? memcmp(x->name.data, y->name.data, len) : 0;
    return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static int run_list(struct session *s)
{
    static const struct column columns[] = {{"TOPIC", COLUMN_TEXT},
                                            {"PARTITIONS", COLUMN_NUMBER},
                                            {"REPLICATION", COLUMN_NUMBER},
                                            {"INTERNAL", COLUMN_BOOL}};
    struct metadata_response response;
    if (ask_metadata(s, &response) != OK) return complain_call(s->link, "topic list");
    qsort(response.topics, (size_t)MAX(response.topics_count, 0), sizeof *response.topics,
          compare_topics);
    struct output *out = output_new(s->options->common.format, columns, 4);
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct metadata_response_topic *t = &response.topics[i];
        if (t->is_internal && !s->options->with_internal) continue;
        output_text(out, t->name);
        output_number(out, t->partitions_count);
        output_number(out, t->partitions_count > 0 ? t->partitions[0].replica_nodes_count : 0);
        output_bool(out, t->is_internal);
    }
    output_finish(out);
    return EXIT_OK;
}

/* Start (-2) or end (-1) of each partition; -1 where it cannot be told. */
static bool ask_offsets(struct session *s, const struct metadata_response_topic *topic,
                        int64_t timestamp, int64_t *offsets)
{
    struct list_offsets_request request;
    struct list_offsets_response response;
    size_t count = (size_t)MAX(topic->partitions_count, 0);
    CODEC_DEFAULT(list_offsets_request, &request);
    request.replica_id = -1;
    request.topics = need(CODEC_NEW(&s->arena, list_offsets_request_topic, 1));
    request.topics_count = 1;
    request.topics->name = topic->name;
    request.topics->partitions = need(CODEC_NEW(&s->arena, list_offsets_request_partition, count));
    request.topics->partitions_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        request.topics->partitions[i].partition_index = topic->partitions[i].partition_index;
        request.topics->partitions[i].timestamp = timestamp;
        offsets[i] = -1;
    }
    if (link_call(s->link, API_LIST_OFFSETS, &request, &s->arena, &response) != OK) return false;
    for (int32_t t = 0; t < response.topics_count; t++)
        for (int32_t i = 0; i < response.topics[t].partitions_count && (size_t)i < count; i++)
            if (response.topics[t].partitions[i].error_code == KAFKA_ERR_NONE)
                offsets[i] = response.topics[t].partitions[i].offset;
    return true;
}

static int by_partition(const void *a, const void *b)
{
    return ((const struct metadata_response_partition *)a)->partition_index -
           ((const struct metadata_response_partition *)b)->partition_index;
}

/* A copy of the answer that outlives the next call. */
static void own_names(struct session *s, struct metadata_response *response)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        struct view *name = &response->topics[i].name;
        name->data = need(arena_strndup(&s->arena, name->data, name->len));
    }
}

static int describe_one(struct session *s, const struct metadata_response_topic *t,
                        struct output *out)
{
    size_t count = (size_t)MAX(t->partitions_count, 0);
    int64_t *starts = need(arena_calloc(&s->arena, count, sizeof *starts)),
            *ends = need(arena_calloc(&s->arena, count, sizeof *ends));
    qsort(t->partitions, count, sizeof *t->partitions, by_partition);
    if (!ask_offsets(s, t, -2, starts) || !ask_offsets(s, t, -1, ends))
        return complain_call(s->link, "topic describe");
    for (size_t i = 0; i < count; i++) {
        const struct metadata_response_partition *p = &t->partitions[i];
        output_text(out, t->name);
        output_number(out, p->partition_index);
        output_number(out, p->leader_id);
        output_number(out, p->leader_epoch);
        output_numbers(out, p->replica_nodes, p->replica_nodes_count);
        output_numbers(out, p->isr_nodes, p->isr_nodes_count);
        output_number(out, starts[i]);
        output_number(out, ends[i]);
    }
    return EXIT_OK;
}

/* What was set on the topics, for people only: in JSON `config describe` has it. */
static void print_settings(struct session *s, const struct metadata_response *topics)
{
    struct describe_configs_request request;
    struct describe_configs_response response;
    size_t count = (size_t)MAX(topics->topics_count, 0);
    CODEC_DEFAULT(describe_configs_request, &request);
    request.resources = need(CODEC_NEW(&s->arena, describe_configs_request_resource, count));
    for (size_t i = 0; i < count; i++) {
        if (topics->topics[i].error_code) continue;
        struct describe_configs_request_resource *r = &request.resources[request.resources_count++];
        r->resource_type = 2;
        r->resource_name = topics->topics[i].name;
        r->configuration_keys_count = -1;
    }
    if (!request.resources_count ||
        link_call(s->link, API_DESCRIBE_CONFIGS, &request, &s->arena, &response) != OK)
        return;
    for (int32_t i = 0; i < response.results_count; i++) {
        const struct describe_configs_response_result *r = &response.results[i];
        printf("%.*s: ", (int)r->resource_name.len, (const char *)r->resource_name.data);
        int shown = 0;
        for (int32_t c = 0; c < r->configs_count; c++) {
            const struct describe_configs_response_config *config = &r->configs[c];
            bool is_durability = view_eq(config->name, view_str("durability"));
            if (config->config_source != 1 && !is_durability) continue; /* 1: set on the topic */
            printf("%s%.*s=%.*s", shown++ ? ", " : "", (int)config->name.len,
                   (const char *)config->name.data, (int)config->value.len,
                   (const char *)config->value.data);
        }
        puts(shown ? "" : "no settings of its own");
    }
    putchar('\n');
}

static int run_describe(struct session *s)
{
    static const struct column columns[] = {{"TOPIC", COLUMN_TEXT},    {"PARTITION", COLUMN_NUMBER},
                                            {"LEADER", COLUMN_NUMBER}, {"EPOCH", COLUMN_NUMBER},
                                            {"REPLICAS", COLUMN_TEXT}, {"IN-SYNC", COLUMN_TEXT},
                                            {"START", COLUMN_NUMBER},  {"END", COLUMN_NUMBER}};
    struct metadata_response response;
    int code = EXIT_OK;
    if (ask_metadata(s, &response) != OK) return complain_call(s->link, "topic describe");
    own_names(s, &response);
    qsort(response.topics, (size_t)MAX(response.topics_count, 0), sizeof *response.topics,
          compare_topics);
    if (s->options->common.format == FORMAT_TEXT) print_settings(s, &response);
    struct output *out = output_new(s->options->common.format, columns, 8);
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct metadata_response_topic *t = &response.topics[i];
        int one = t->error_code ? EXIT_OK : describe_one(s, t, out);
        code = MAX(code, one);
        if (t->error_code == KAFKA_ERR_NONE) continue;
        if (!s->options->if_exists)
            code = complain(EXIT_FOUND, "%.*s: %s", (int)t->name.len, (const char *)t->name.data,
                            kafka_error_text(t->error_code));
    }
    output_finish(out);
    return code;
}

/* ---- alter, delete ---- */

static int run_alter(struct session *s)
{
    const struct topic_options *o = s->options;
    struct create_partitions_request request;
    struct create_partitions_response response;
    if (o->partitions < 0)
        return complain(
            EXIT_USAGE,
            "topic alter needs --partitions N; settings are altered with 'stele config alter'");
    CODEC_DEFAULT(create_partitions_request, &request);
    request.timeout_ms = o->common.timeout_ms;
    request.validate_only = o->validate_only;
    request.topics = need(
        CODEC_NEW(&s->arena, create_partitions_request_topic, (size_t)o->name_count));
    request.topics_count = o->name_count;
    for (int i = 0; i < o->name_count; i++) {
        request.topics[i].name = view_str(o->names[i]);
        request.topics[i].count = o->partitions;
        request.topics[i].assignments_count = -1;
    }
    if (link_call(s->link, API_CREATE_PARTITIONS, &request, &s->arena, &response) != OK)
        return complain_call(s->link, "topic alter");
    struct output *out = output_new(o->common.format, outcome_columns, 3);
    int code = EXIT_OK;
    for (int32_t i = 0; i < response.results_count; i++) {
        int one = print_outcome(out, response.results[i].name, response.results[i].error_code,
                                response.results[i].error_message, false);
        code = MAX(code, one);
    }
    output_finish(out);
    return code;
}

static int run_delete(struct session *s)
{
    const struct topic_options *o = s->options;
    struct delete_topics_request request;
    struct delete_topics_response response;
    CODEC_DEFAULT(delete_topics_request, &request);
    request.timeout_ms = o->common.timeout_ms;
    if (link_version(s->link, API_DELETE_TOPICS) >= 6) {
        request.topics = need(
            CODEC_NEW(&s->arena, delete_topics_request_topic, (size_t)o->name_count));
        request.topics_count = o->name_count;
        for (int i = 0; i < o->name_count; i++) request.topics[i].name = view_str(o->names[i]);
    } else {
        request.topic_names = need(
            arena_calloc(&s->arena, (size_t)o->name_count, sizeof *request.topic_names));
        request.topic_names_count = o->name_count;
        for (int i = 0; i < o->name_count; i++) request.topic_names[i] = view_str(o->names[i]);
    }
    if (link_call(s->link, API_DELETE_TOPICS, &request, &s->arena, &response) != OK)
        return complain_call(s->link, "topic delete");
    struct output *out = output_new(o->common.format, outcome_columns, 3);
    int code = EXIT_OK;
    for (int32_t i = 0; i < response.responses_count; i++) {
        const struct delete_topics_response_result *r = &response.responses[i];
        bool ignore = o->if_exists && r->error_code == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        int one = print_outcome(out, r->name, r->error_code, r->error_message, ignore);
        code = MAX(code, one);
    }
    output_finish(out);
    return code;
}

/* ---- the command ---- */

static bool find_verb(const char *name, enum verb *out)
{
    for (int v = 0; v < VERB__COUNT; v++) {
        if (strcmp(name, verb_names[v]) != 0) continue;
        *out = (enum verb)v;
        return true;
    }
    return false;
}

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options,
                                     parse,
                                     "create|list|describe|alter|delete [TOPIC...]",
                                     "Creates, lists, describes, grows and deletes topics.",
                                     children,
                                     NULL,
                                     NULL};
    static int (*const runs[])(struct session *) = {run_create, run_list, run_describe, run_alter,
                                                    run_delete};
    static struct topic_options o = {.partitions = -1, .replication = -1};
    common_options_init(&o.common);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (o.name_count == 0 || !find_verb(o.names[0], &o.verb))
        return complain(EXIT_USAGE,
                        "topic is followed by create, list, describe, alter or delete%s%s; see "
                        "'stele help topic'",
                        o.name_count ? ", not " : "", o.name_count ? o.names[0] : "");
    memmove(o.names, o.names + 1, (size_t)--o.name_count * sizeof o.names[0]);
    if (o.name_count == 0 && o.verb != VERB_LIST && o.verb != VERB_DESCRIBE)
        return complain(EXIT_USAGE, "topic %s: which topic?", verb_names[o.verb]);
    struct session s = {.options = &o, .link = common_link(&o.common)};
    if (!s.link) return EXIT_UNREACHABLE;
    int code = runs[o.verb](&s);
    arena_release(&s.arena);
    link_close(s.link);
    return code;
}

const struct command command_topic = {
    .name = "topic",
    .summary = "create, list, describe, grow and delete topics",
    .examples = "  stele topic create orders --partitions 6\n"
                "  stele topic create audit --config durability=fsync --config retention.ms=-1\n"
                "  stele topic list\n"
                "  stele topic describe orders --format json\n"
                "  stele topic alter orders --partitions 12\n"
                "  stele topic delete orders\n",
    .run = run,
};
