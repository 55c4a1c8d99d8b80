/* DescribeCluster and DescribeLogDirs. */
#include "base/check.h"
#include "base/os.h"
#include "broker.h"
#include "endpoint.h"
#include "handlers.h"

enum { ENDPOINT_BROKERS = 1, CLUSTER_OPERATIONS_UNASKED = INT32_MIN };

/* What this resource allows: create, alter, describe, cluster action, describe/alter configs,
 * idempotent write. */
enum { CLUSTER_OPERATIONS = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12 };

static bool add_brokers(struct request *rq, const struct image *image,
                        struct describe_cluster_response *response)
{
    const struct describe_cluster_request *body = rq->body;
    size_t count = image_broker_count(image);
    response->brokers = CODEC_NEW(&rq->arena, describe_cluster_response_broker, count);
    if (!response->brokers) return false;
    for (size_t i = 0; i < count; i++) {
        const struct image_broker *b = image_broker_at(image, i);
        if (b->is_fenced && !body->include_fenced_brokers) continue;
        struct broker_endpoint endpoint;
        if (!broker_endpoint_for(rq->conn, rq->broker->settings->node_id, b, &endpoint)) continue;
        struct describe_cluster_response_broker *out =
            &response->brokers[response->brokers_count++];
        char *host = arena_strndup(&rq->arena, endpoint.host, strlen(endpoint.host));
        if (!host) return false;
        out->broker_id = b->id;
        out->host = view_str(host);
        out->port = endpoint.port;
        out->rack = b->rack ? view_str(b->rack) : (struct view){0};
        out->is_fenced = b->is_fenced;
    }
    return true;
}

void handle_describe_cluster(struct request *rq)
{
    const struct describe_cluster_request *body = rq->body;
    struct describe_cluster_response response;
    CODEC_DEFAULT(describe_cluster_response, &response);
    if (body->endpoint_type != ENDPOINT_BROKERS) {
        response.error_code = KAFKA_ERR_UNSUPPORTED_ENDPOINT_TYPE;
        response.error_message = view_str("This listener serves brokers: endpoint type 1.");
        request_reply(rq, &response);
        return;
    }
    struct image *image = proposer_image(rq->broker->proposer);
    response.endpoint_type = ENDPOINT_BROKERS;
    response.cluster_id = view_str(rq->broker->cluster_id);
    response.controller_id = rq->broker->settings->node_id;
    response.cluster_authorized_operations = body->include_cluster_authorized_operations
                                                 ? CLUSTER_OPERATIONS
                                                 : CLUSTER_OPERATIONS_UNASKED;
    if (add_brokers(rq, image, &response))
        request_reply(rq, &response);
    else
        request_refuse(rq, "out of memory for one request");
    image_unref(image);
}

/* ---- DescribeLogDirs: counts what is there, then fills it in; asks the file system, so on the
 * admin worker ---- */

struct log_dir_walk {
    struct request *request;
    struct log_dir *dir;
    struct describe_log_dirs_response_result *out;
    struct describe_log_dirs_response_topic *topic; /* the last one */
    size_t total; /* partitions of the broker: bound of each array */
    bool failed;
};

static bool is_wanted(const struct describe_log_dirs_request *body, const char *topic,
                      int32_t index)
{
    if (body->topics_count < 0) return true;
    for (int32_t t = 0; t < body->topics_count; t++) {
        if (!view_eq(body->topics[t].topic, view_str(topic))) continue;
        for (int32_t i = 0; i < body->topics[t].partitions_count; i++)
            if (body->topics[t].partitions[i] == index) return true;
    }
    return false;
}

/* Partitions come in order of topic, so a new topic is always the next entry. */
static bool begin_topic(struct log_dir_walk *w, const char *name)
{
    if (w->topic && view_eq(w->topic->name, view_str(name))) return true;
    struct arena *arena = &w->request->arena;
    if (!w->out->topics)
        w->out->topics = CODEC_NEW(arena, describe_log_dirs_response_topic, w->total);
    char *copy = arena_strndup(arena, name, strlen(name));
    if (!w->out->topics || !copy) return false;
    w->topic = &w->out->topics[w->out->topics_count++];
    w->topic->name = view_str(copy);
    return true;
}

/* Room for one more; doubles, since the topic's number of partitions here is not known. */
static struct describe_log_dirs_response_partition *next_partition(struct log_dir_walk *w)
{
    int32_t n = w->topic->partitions_count;
    if ((n & (n - 1)) == 0) {
        struct describe_log_dirs_response_partition *more = CODEC_NEW(
            &w->request->arena, describe_log_dirs_response_partition, (size_t)MAX(n * 2, 1));
        if (!more) return NULL;
        if (n) memcpy(more, w->topic->partitions, (size_t)n * sizeof *more);
        w->topic->partitions = more;
    }
    return &w->topic->partitions[w->topic->partitions_count++];
}

static void walk_partition(void *arg, struct partition *p)
{
    struct log_dir_walk *w = arg;
    if (w->failed || partition_table_dir(w->request->broker->partitions, p) != w->dir) return;
    if (!is_wanted(w->request->body, partition_topic(p), partition_index(p))) return;
    struct describe_log_dirs_response_partition *out = begin_topic(w, partition_topic(p))
                                                           ? next_partition(w)
                                                           : NULL;
    if (!out) {
        w->failed = true;
        return;
    }
    struct partition_view view = partition_describe(p);
    out->partition_index = partition_index(p);
    out->partition_size = view.log.size_bytes;
    out->offset_lag = MAX(view.high_watermark - view.log.end, 0);
}

static void describe_dirs(struct request *rq)
{
    struct broker *broker = rq->broker;
    struct describe_log_dirs_response *response = rq->state;
    for (int i = 0; i < broker->dir_count; i++) {
        struct describe_log_dirs_response_result *out = &response->results[i];
        struct os_space space;
        out->log_dir = view_str(log_dir_path(broker->dirs[i]));
        if (log_dir_is_failed(broker->dirs[i])) {
            out->error_code = KAFKA_ERR_KAFKA_STORAGE_ERROR;
            continue;
        }
        if (broker->env->os->space(broker->env->os, log_dir_path(broker->dirs[i]), &space) >= 0) {
            out->total_bytes = space.total_bytes;
            out->usable_bytes = space.free_bytes;
        }
        struct log_dir_walk walk = {
            rq, broker->dirs[i], out, NULL, partition_table_count(broker->partitions), false};
        partition_table_each(broker->partitions, walk_partition, &walk);
        if (walk.failed) out->error_code = KAFKA_ERR_UNKNOWN_SERVER_ERROR;
    }
}

static void reply_dirs(struct request *rq) { request_reply(rq, rq->state); }

void handle_describe_log_dirs(struct request *rq)
{
    if (request_keep(rq) != OK) return;
    struct describe_log_dirs_response *response = CODEC_NEW(&rq->arena, describe_log_dirs_response,
                                                            1);
    if (response)
        response->results = CODEC_NEW(&rq->arena, describe_log_dirs_response_result,
                                      (size_t)rq->broker->dir_count);
    if (!response || !response->results) {
        request_refuse(rq, "out of memory for one request");
        return;
    }
    response->results_count = rq->broker->dir_count;
    rq->state = response;
    request_offload(rq, describe_dirs, reply_dirs);
}
