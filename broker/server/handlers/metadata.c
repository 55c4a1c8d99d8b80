/* Metadata: who is there, which topics, and who leads their partitions.
 *
 * What is asked differs by version: null or (in version 0) an empty list means every topic; a topic
 * is named, or from version 10 on given by its id. Topics that do not exist are made first where
 * that is wanted and allowed: the request waits for the proposal, so that the client gets the topic
 * at once and not LEADER_NOT_AVAILABLE. Everything is taken from one image.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/map.h"
#include "broker.h"
#include "endpoint.h"
#include "handlers.h"
#include "propose.h"
#include "topic_decisions.h"

enum {
    VERSION_NULL_IS_ALL = 1,
    VERSION_AUTO_CREATION_FLAG = 4,
    VERSION_IDS = 10,
    VERSION_NULL_NAMES = 12,
    REPLY_BYTES_MAX = 64 << 20, /* of the reply's structs, beside what the request took */
    /* Every operation that there is on a topic (KIP-430): read, write, create, delete, alter,
     * describe, describe and alter configs. */
    TOPIC_OPERATIONS = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11,
    CLUSTER_OPERATIONS = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12,
};

struct answer {
    struct request *rq;
    const struct metadata_request *body;
    const struct image *image;
    struct metadata_response response;
};

/* ---- brokers ---- */

static err_t fill_brokers(struct answer *a)
{
    struct request *rq = a->rq;
    size_t count = image_broker_count(a->image);
    a->response.brokers = CODEC_NEW(&rq->arena, metadata_response_broker, count);
    if (!a->response.brokers) return ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct image_broker *broker = image_broker_at(a->image, i);
        struct broker_endpoint at;
        if (broker->is_fenced ||
            !broker_endpoint_for(rq->conn, rq->broker->settings->node_id, broker, &at))
            continue;
        struct metadata_response_broker *out = &a->response.brokers[a->response.brokers_count++];
        out->node_id = broker->id;
        out->host = view_str(at.host);
        out->port = at.port;
        if (broker->rack) out->rack = view_str(broker->rack);
    }
    return OK;
}

/* ---- topics ---- */

static bool is_alive(const struct image *image, int32_t node_id)
{
    const struct image_broker *broker = image_broker(image, node_id);
    return broker && !broker->is_fenced;
}

static err_t fill_partition(struct answer *a, const struct image_partition *partition,
                            struct metadata_response_partition *out)
{
    const struct image_broker *leader = image_broker(a->image, partition->leader);
    struct broker_endpoint at;
    enum kafka_error error = KAFKA_ERR_NONE;
    if (!leader || leader->is_fenced)
        error = KAFKA_ERR_LEADER_NOT_AVAILABLE;
    else if (!broker_endpoint_for(a->rq->conn, a->rq->broker->settings->node_id, leader, &at))
        error = KAFKA_ERR_LISTENER_NOT_FOUND;
    out->error_code = (int16_t)kafka_error_for(API_METADATA, request_version(a->rq), error);
    out->leader_id = error ? -1 : partition->leader;
    out->leader_epoch = partition->leader_epoch;
    /* The image outlives the encoding, which only reads. */
    out->replica_nodes = (int32_t *)partition->replicas;
    out->replica_nodes_count = partition->replica_count;
    out->isr_nodes = (int32_t *)partition->isr;
    out->isr_nodes_count = partition->isr_count;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        if (is_alive(a->image, partition->replicas[i])) continue;
        if (!out->offline_replicas)
            out->offline_replicas = arena_calloc(&a->rq->arena, (size_t)partition->replica_count,
                                                 sizeof *out->offline_replicas);
        if (!out->offline_replicas) return ERR_NOMEM;
        out->offline_replicas[out->offline_replicas_count++] = partition->replicas[i];
    }
    return OK;
}

static err_t fill_topic(struct answer *a, const struct image_topic *topic,
                        struct metadata_response_topic *out)
{
    out->name = view_str(topic->name);
    out->topic_id = topic->id;
    out->is_internal = topic->is_internal;
    if (a->body->include_topic_authorized_operations)
        out->topic_authorized_operations = TOPIC_OPERATIONS;
    out->partitions = CODEC_NEW(&a->rq->arena, metadata_response_partition,
                                (size_t)topic->partition_count);
    if (!out->partitions) return ERR_NOMEM;
    out->partitions_count = topic->partition_count;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        out->partitions[i].partition_index = i;
        TRY(fill_partition(a, &topic->partitions[i], &out->partitions[i]));
    }
    return OK;
}

static err_t fill_all_topics(struct answer *a)
{
    size_t count = image_topic_count(a->image);
    a->response.topics = CODEC_NEW(&a->rq->arena, metadata_response_topic, count);
    if (!a->response.topics) return ERR_NOMEM;
    a->response.topics_count = (int32_t)count;
    for (size_t i = 0; i < count; i++)
        TRY(fill_topic(a, image_topic_at(a->image, i), &a->response.topics[i]));
    return OK;
}

/* Asked for by name or id; a topic that is not there gets the error that says why. */
static err_t fill_asked_topic(struct answer *a, const struct metadata_request_topic *asked,
                              struct metadata_response_topic *out)
{
    struct request *rq = a->rq;
    bool is_named = asked->name.data != NULL;
    const struct image_topic *topic = is_named ? image_topic(a->image, asked->name)
                                               : image_topic_by_id(a->image, asked->topic_id);
    if (topic) return fill_topic(a, topic, out);
    out->name = asked->name;
    out->topic_id = asked->topic_id;
    if (is_named) {
        struct verdict verdict = topic_name_judge(asked->name, NULL);
        out->error_code = verdict_is_ok(verdict) ? KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION
                                                 : (int16_t)verdict.code;
        return OK;
    }
    bool may_be_null = request_version(rq) >= VERSION_NULL_NAMES;
    if (!may_be_null) out->name = view_str("");
    out->error_code = may_be_null ? KAFKA_ERR_UNKNOWN_TOPIC_ID : KAFKA_ERR_INVALID_REQUEST;
    return OK;
}

static struct view topic_key(const struct metadata_request_topic *asked)
{
    if (asked->name.data) return asked->name;
    return view_of(asked->topic_id.bytes, sizeof asked->topic_id.bytes);
}

/* By key, and in the order in which they were asked for. */
static int by_key(const void *a, const void *b)
{
    const struct metadata_request_topic *x = *(struct metadata_request_topic *const *)a;
    const struct metadata_request_topic *y = *(struct metadata_request_topic *const *)b;
    struct view kx = topic_key(x), ky = topic_key(y);
    int order = memcmp(kx.data, ky.data, MIN(kx.len, ky.len));
    if (order) return order;
    if (kx.len != ky.len) return kx.len < ky.len ? -1 : 1;
    return (x > y) - (x < y);
}

/* What was asked for, without repetition, in its order: the same topic is answered once, however
 * often it is named. */
static err_t find_distinct(struct request *rq, const struct metadata_request_topic ***out,
                           size_t *out_count)
{
    const struct metadata_request *body = rq->body;
    size_t count = (size_t)body->topics_count, distinct = 0;
    const struct metadata_request_topic **topics = arena_calloc(
        &rq->arena, count, sizeof(struct metadata_request_topic *));
    bool *is_repeated = arena_calloc(&rq->arena, count, sizeof *is_repeated);
    if (!topics || !is_repeated) return ERR_NOMEM;
    for (size_t i = 0; i < count; i++) topics[i] = &body->topics[i];
    qsort(topics, count, sizeof(struct metadata_request_topic *), by_key);
    for (size_t i = 1; i < count; i++)
        if (view_eq(topic_key(topics[i]), topic_key(topics[i - 1])))
            is_repeated[topics[i] - body->topics] = true;
    for (size_t i = 0; i < count; i++)
        if (!is_repeated[i]) topics[distinct++] = &body->topics[i];
    *out = topics;
    *out_count = distinct;
    return OK;
}

static err_t fill_asked_topics(struct answer *a)
{
    const struct metadata_request_topic **topics;
    size_t count;
    TRY(find_distinct(a->rq, &topics, &count));
    a->response.topics = CODEC_NEW(&a->rq->arena, metadata_response_topic, count);
    if (!a->response.topics) return ERR_NOMEM;
    a->response.topics_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) TRY(fill_asked_topic(a, topics[i], &a->response.topics[i]));
    return OK;
}

static bool wants_all(const struct request *rq)
{
    const struct metadata_request *body = rq->body;
    if (request_version(rq) < VERSION_NULL_IS_ALL) return body->topics_count <= 0;
    return body->topics_count < 0;
}

static void reply(struct request *rq, const struct image *image)
{
    struct answer a = {.rq = rq, .body = rq->body, .image = image};
    rq->arena.limit_bytes = rq->arena.used_bytes + (size_t)REPLY_BYTES_MAX;
    CODEC_DEFAULT(metadata_response, &a.response);
    a.response.cluster_id = view_str(rq->broker->cluster_id);
    a.response.controller_id = rq->broker->settings->node_id;
    if (a.body->include_cluster_authorized_operations)
        a.response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    err_t err = fill_brokers(&a);
    if (!err) err = wants_all(rq) ? fill_all_topics(&a) : fill_asked_topics(&a);
    if (err)
        request_refuse(rq, "no memory for its reply");
    else
        request_reply(rq, &a.response);
}

/* ---- making topics ---- */

static bool may_create(const struct image *image, const struct metadata_request_topic *asked)
{
    return asked->name.data && !image_topic(image, asked->name) &&
           !topic_name_is_internal(asked->name) &&
           verdict_is_ok(topic_name_judge(asked->name, NULL));
}

static bool wants_topics(struct request *rq, const struct image *image)
{
    const struct metadata_request *body = rq->body;
    if (!rq->broker->settings->auto_create_topics_enable || wants_all(rq)) return false;
    if (request_version(rq) >= VERSION_AUTO_CREATION_FLAG && !body->allow_auto_topic_creation)
        return false;
    for (int32_t i = 0; i < body->topics_count; i++)
        if (may_create(image, &body->topics[i])) return true;
    return false;
}

/* With the newest image; those that cannot be made are answered as unknown. */
static err_t decide_topics(struct propose *propose, const struct image *image,
                           struct change *change)
{
    struct request *rq = propose->request;
    const struct metadata_request *body = rq->body;
    int64_t pending = 0;
    struct topic_decision d = {
        .image = image,
        .settings = rq->broker->settings,
        .random = rq->broker->env->random,
        .arena = &rq->arena,
        .change = change,
        .pending_partitions = &pending,
    };
    struct map seen = {0};
    err_t err = OK;
    for (int32_t i = 0; !err && i < body->topics_count; i++) {
        const struct metadata_request_topic *asked = &body->topics[i];
        void *before = NULL;
        if (!may_create(image, asked)) continue;
        err = map_put(&seen, asked->name, (void *)asked, &before);
        if (err || before) continue;
        struct topic_spec spec = {.name = asked->name, .partitions = -1, .replication_factor = -1};
        struct topic_created created;
        struct verdict verdict = topic_create_decide(&d, &spec, &created);
        if (verdict.code == KAFKA_ERR_UNKNOWN_SERVER_ERROR) err = ERR_NOMEM;
    }
    map_release(&seen);
    return err;
}

static void topics_made(struct propose *propose)
{
    struct request *rq = propose->request;
    if (propose->image) {
        reply(rq, propose->image);
        return;
    }
    /* They are unknown, still; the reason is in the broker's log. */
    struct image *image = proposer_image(rq->broker->proposer);
    reply(rq, image);
    image_unref(image);
}

void handle_metadata(struct request *rq)
{
    struct image *image = proposer_image(rq->broker->proposer);
    if (!wants_topics(rq, image)) {
        reply(rq, image);
        image_unref(image);
        return;
    }
    image_unref(image);
    struct propose *propose = propose_new(rq);
    if (!propose) return;
    propose->decide = decide_topics;
    propose->then = topics_made;
    propose_submit(propose);
}
