/* stele topic list, stele topic describe: what there is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/uuid.h"
#include "nearest.h"
#include "output.h"
#include "protocol/codec.h"
#include "protocol/kafka_error.h"
#include "topic.h"

#define TEXT(v) (int)(v).len, (const char *)(v).data

enum { RESOURCE_TOPIC = 2, SOURCE_TOPIC = 1, AT_START = -2, AT_END = -1 };

/* ---- asking ---- */

static int compare_topics(const void *a, const void *b)
{
    const struct metadata_response_topic *x = a, *y = b;
    size_t len = MIN(x->name.len, y->name.len);
    int order = len ? memcmp(x->name.data, y->name.data, len) : 0;
    return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

struct asked {
    const char *const *names;
    int count; /* 0: all */
};

/* In order of name. The names outlive later calls. */
static err_t ask_metadata(struct link *link, struct arena *arena, const struct asked *asked,
                          struct metadata_response *response)
{
    int count = asked->count;
    struct metadata_request request;
    CODEC_DEFAULT(metadata_request, &request);
    request.allow_auto_topic_creation = false;
    request.topics_count = -1;
    if (count) {
        request.topics = topic_need(CODEC_NEW(arena, metadata_request_topic, (size_t)count));
        request.topics_count = count;
        for (int i = 0; i < count; i++) request.topics[i].name = view_str(asked->names[i]);
    }
    TRY(link_call(link, API_METADATA, &request, arena, response));
    for (int32_t i = 0; i < response->topics_count; i++) {
        struct view *name = &response->topics[i].name;
        name->data = topic_need(arena_strndup(arena, name->data, name->len));
    }
    if (response->topics_count > 0)
        qsort(response->topics, (size_t)response->topics_count, sizeof *response->topics,
              compare_topics);
    return OK;
}

/* Start or end of each partition; -1 where it cannot be told. */
static bool ask_offsets(struct topic_session *s, const struct metadata_response_topic *topic,
                        int64_t timestamp, int64_t *offsets)
{
    struct list_offsets_request request;
    struct list_offsets_response response;
    size_t count = (size_t)MAX(topic->partitions_count, 0);
    CODEC_DEFAULT(list_offsets_request, &request);
    request.topics = topic_need(CODEC_NEW(&s->arena, list_offsets_request_topic, 1));
    request.topics_count = 1;
    request.topics->name = topic->name;
    request.topics->partitions = topic_need(
        CODEC_NEW(&s->arena, list_offsets_request_partition, count));
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

/* ---- unknown ones ---- */

void topic_complain_unknown(struct link *link, struct arena *arena, struct view name)
{
    struct metadata_response all;
    const char *wanted = topic_need(arena_strndup(arena, name.data, name.len));
    const char *near = NULL;
    if (ask_metadata(link, arena, &(struct asked){0}, &all) == OK && all.topics_count > 0) {
        size_t count = (size_t)all.topics_count;
        const char **names = topic_need(arena_calloc(arena, count, sizeof *names));
        /* They are copies, each with a NUL behind it. */
        for (size_t i = 0; i < count; i++) names[i] = (const char *)all.topics[i].name.data;
        near = nearest(wanted, names, count);
    }
    complain(EXIT_FOUND, "there is no topic '%s'%s%s%s", wanted, near ? ", did you mean '" : "",
             near ? near : "", near ? "'?" : "");
}

/* ---- list ---- */

int topic_list(struct topic_session *s)
{
    static const struct column columns[] = {{"TOPIC", COLUMN_TEXT},
                                            {"PARTITIONS", COLUMN_NUMBER},
                                            {"REPLICATION", COLUMN_NUMBER},
                                            {"INTERNAL", COLUMN_BOOL}};
    const struct topic_options *o = s->options;
    struct metadata_response response;
    int code = EXIT_OK;
    if (ask_metadata(s->link, &s->arena, &(struct asked){o->names, o->name_count}, &response) != OK)
        return complain_call(s->link, "topic list");
    struct output *out = output_new(o->common.format, columns, 4);
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct metadata_response_topic *t = &response.topics[i];
        if (t->error_code) {
            topic_complain_unknown(s->link, &s->arena, t->name);
            code = EXIT_FOUND;
            continue;
        }
        if (t->is_internal && !o->with_internal) continue;
        output_text(out, t->name);
        output_number(out, t->partitions_count);
        output_number(out, t->partitions_count > 0 ? t->partitions[0].replica_nodes_count : 0);
        output_bool(out, t->is_internal);
    }
    if (output_is_empty(out) && code == EXIT_OK && o->common.format == FORMAT_TEXT)
        complain(EXIT_OK, "%s has no topics", link_address(s->link));
    output_finish(out);
    return code;
}

/* ---- describe ---- */

static int by_partition(const void *a, const void *b)
{
    int32_t x = ((const struct metadata_response_partition *)a)->partition_index;
    int32_t y = ((const struct metadata_response_partition *)b)->partition_index;
    return (x > y) - (x < y);
}

/* What was set on the topic, and its durability in any case. */
static void print_settings(struct topic_session *s, struct view topic)
{
    struct describe_configs_request request;
    struct describe_configs_request_resource resource;
    struct describe_configs_response response;
    CODEC_DEFAULT(describe_configs_request, &request);
    CODEC_DEFAULT(describe_configs_request_resource, &resource);
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = topic;
    resource.configuration_keys_count = -1;
    request.resources = &resource;
    request.resources_count = 1;
    if (link_call(s->link, API_DESCRIBE_CONFIGS, &request, &s->arena, &response) != OK ||
        response.results_count != 1)
        return;
    const struct describe_configs_response_result *r = response.results;
    int shown = 0;
    for (int32_t c = 0; c < r->configs_count; c++) {
        const struct describe_configs_response_config *config = &r->configs[c];
        bool is_durability = view_eq(config->name, view_str("durability"));
        if (config->config_source != SOURCE_TOPIC && !is_durability) continue;
        printf("%s%.*s=%.*s", shown++ ? ", " : "settings: ", TEXT(config->name),
               TEXT(config->value));
    }
    if (shown) putchar('\n');
}

static void print_head(struct topic_session *s, const struct metadata_response_topic *t)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(t->topic_id, id);
    printf("%.*s: %" PRId32 " partition%s, replication factor %" PRId32, TEXT(t->name),
           t->partitions_count, t->partitions_count == 1 ? "" : "s",
           t->partitions_count > 0 ? t->partitions[0].replica_nodes_count : 0);
    if (!uuid_is_zero(t->topic_id)) printf(", id %s", id);
    putchar('\n');
    print_settings(s, t->name);
    putchar('\n');
}

static const struct column columns[] = {{"TOPIC", COLUMN_TEXT},    {"PARTITION", COLUMN_NUMBER},
                                        {"LEADER", COLUMN_NUMBER}, {"EPOCH", COLUMN_NUMBER},
                                        {"REPLICAS", COLUMN_TEXT}, {"IN-SYNC", COLUMN_TEXT},
                                        {"START", COLUMN_NUMBER},  {"END", COLUMN_NUMBER}};

/* Rows; the name of the topic only where `with_name`. */
static bool add_rows(struct topic_session *s, const struct metadata_response_topic *t,
                     bool with_name, struct output *out)
{
    size_t count = (size_t)MAX(t->partitions_count, 0);
    int64_t *starts = topic_need(arena_calloc(&s->arena, count, sizeof *starts)),
            *ends = topic_need(arena_calloc(&s->arena, count, sizeof *ends));
    if (count) qsort(t->partitions, count, sizeof *t->partitions, by_partition);
    if (!ask_offsets(s, t, AT_START, starts) || !ask_offsets(s, t, AT_END, ends)) return false;
    for (size_t i = 0; i < count; i++) {
        const struct metadata_response_partition *p = &t->partitions[i];
        if (with_name) output_text(out, t->name);
        output_number(out, p->partition_index);
        output_number(out, p->leader_id);
        output_number(out, p->leader_epoch);
        output_numbers(out, p->replica_nodes, p->replica_nodes_count);
        output_numbers(out, p->isr_nodes, p->isr_nodes_count);
        output_number(out, starts[i]);
        output_number(out, ends[i]);
    }
    return true;
}

/* One table a topic, a line between them. */
static bool describe_for_people(struct topic_session *s, const struct metadata_response_topic *t,
                                bool is_first)
{
    struct output *out = output_new(FORMAT_TEXT, columns + 1, COUNT_OF(columns) - 1);
    if (!is_first) putchar('\n');
    print_head(s, t);
    bool ok = add_rows(s, t, false, out);
    output_finish(out);
    return ok;
}

int topic_describe(struct topic_session *s)
{
    const struct topic_options *o = s->options;
    bool is_json = o->common.format == FORMAT_JSON;
    struct metadata_response response;
    int code = EXIT_OK, shown = 0;
    if (ask_metadata(s->link, &s->arena, &(struct asked){o->names, o->name_count}, &response) != OK)
        return complain_call(s->link, "topic describe");
    struct output *out = is_json ? output_new(FORMAT_JSON, columns, COUNT_OF(columns)) : NULL;
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct metadata_response_topic *t = &response.topics[i];
        if (t->error_code) {
            if (o->if_exists) continue;
            topic_complain_unknown(s->link, &s->arena, t->name);
            code = EXIT_FOUND;
            continue;
        }
        if (t->is_internal && !o->with_internal && !o->name_count) continue;
        bool ok = is_json ? add_rows(s, t, true, out) : describe_for_people(s, t, shown++ == 0);
        if (!ok) return complain_call(s->link, "topic describe");
    }
    if (out) output_finish(out);
    return code;
}
