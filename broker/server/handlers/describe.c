/* DescribeProducers and DescribeTopicPartitions. */
#include <stdlib.h>

#include "base/check.h"
#include "broker.h"
#include "handlers.h"
#include "storage/producer_state.h"

/* ---- DescribeProducers ---- */

enum { PRODUCERS_MAX = 10000 }; /* in the answer, of one partition */

struct producers {
    struct describe_producers_response_active_producer *out;
    int32_t count, cap;
};

static void count_producer(void *arg, const struct producer_entry *e)
{
    (void)e;
    struct producers *p = arg;
    if (p->cap < PRODUCERS_MAX) p->cap++;
}

static void add_producer(void *arg, const struct producer_entry *e)
{
    struct producers *p = arg;
    if (p->count == p->cap) return; /* came between the two walks */
    struct describe_producers_response_active_producer *out = &p->out[p->count++];
    out->producer_id = e->id;
    out->producer_epoch = e->epoch;
    out->last_sequence = e->batch_count ? e->batches[e->batch_count - 1].last_sequence : -1;
    out->last_timestamp = e->last_timestamp;
    out->coordinator_epoch = e->coordinator_epoch;
    out->current_txn_start_offset = e->txn_first_offset;
}

static bool describe_partition_producers(struct request *rq, struct view topic,
                                         struct describe_producers_response_partition *out)
{
    struct partition *p = partition_table_find(rq->broker->partitions, topic, out->partition_index);
    struct log *log = p ? partition_log(p) : NULL;
    struct producers producers = {0};
    bool ok = true;
    if (!p)
        out->error_code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    else if (!log)
        out->error_code = KAFKA_ERR_KAFKA_STORAGE_ERROR;
    else {
        log_each_producer(log, count_producer, &producers);
        producers.out = CODEC_NEW(&rq->arena, describe_producers_response_active_producer,
                                  (size_t)producers.cap);
        ok = producers.out != NULL;
        if (ok) log_each_producer(log, add_producer, &producers);
        out->active_producers = producers.out;
        out->active_producers_count = producers.count;
    }
    partition_unref(p);
    return ok;
}

static bool describe_topic_producers(struct request *rq,
                                     const struct describe_producers_request_topic *in,
                                     struct describe_producers_response_topic *out)
{
    int32_t count = MAX(in->partition_indexes_count, 0);
    out->name = in->name;
    out->partitions = CODEC_NEW(&rq->arena, describe_producers_response_partition, (size_t)count);
    if (!out->partitions) return false;
    out->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->partitions[i].partition_index = in->partition_indexes[i];
        if (!describe_partition_producers(rq, in->name, &out->partitions[i])) return false;
    }
    return true;
}

void handle_describe_producers(struct request *rq)
{
    const struct describe_producers_request *body = rq->body;
    struct describe_producers_response response;
    CODEC_DEFAULT(describe_producers_response, &response);
    int32_t count = MAX(body->topics_count, 0);
    response.topics = CODEC_NEW(&rq->arena, describe_producers_response_topic, (size_t)count);
    bool ok = response.topics != NULL;
    response.topics_count = count;
    for (int32_t t = 0; t < count && ok; t++)
        ok = describe_topic_producers(rq, &body->topics[t], &response.topics[t]);
    if (ok)
        request_reply(rq, &response);
    else
        request_refuse(rq, "out of memory for one request");
}

/* ---- DescribeTopicPartitions: pages through topics in order of name (KIP-966) ---- */

enum { PARTITIONS_MAX = 2000, TOPIC_OPERATIONS_UNASKED = INT32_MIN };

struct page {
    struct request *request;
    const struct image *image;
    struct describe_topic_partitions_response *response;
    int32_t left; /* partitions that still fit */
};

static int by_name(const void *a, const void *b)
{
    const struct describe_topic_partitions_request_topic *x = a, *y = b;
    size_t len = MIN(x->name.len, y->name.len);
    int order = len ? memcmp(x->name.data, y->name.data, len) : 0;
    return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static void describe_partition(const struct image_partition *in, int32_t index,
                               struct describe_topic_partitions_response_partition *out)
{
    out->partition_index = index;
    out->leader_id = in->leader;
    out->leader_epoch = in->leader_epoch;
    out->error_code = in->leader < 0 ? KAFKA_ERR_LEADER_NOT_AVAILABLE : KAFKA_ERR_NONE;
    /* The codec only reads them, and the image outlives the encoding. */
    out->replica_nodes = (int32_t *)in->replicas;
    out->replica_nodes_count = in->replica_count;
    out->isr_nodes = (int32_t *)in->isr;
    out->isr_nodes_count = in->isr_count;
    /* Null would be allowed, but the Java admin client does not expect it. */
    out->eligible_leader_replicas_count = out->last_known_elr_count = 0;
}

/* From partition `first` on, as many as fit; sets the cursor when something is left. */
static bool describe_topic(struct page *page, const struct image_topic *topic, int32_t first,
                           struct describe_topic_partitions_response_topic *out)
{
    struct arena *arena = &page->request->arena;
    int32_t count = MIN(MAX(topic->partition_count - first, 0), page->left);
    out->topic_id = topic->id;
    out->is_internal = topic->is_internal;
    out->topic_authorized_operations = TOPIC_OPERATIONS_UNASKED;
    out->partitions = CODEC_NEW(arena, describe_topic_partitions_response_partition, (size_t)count);
    if (!out->partitions) return false;
    out->partitions_count = count;
    for (int32_t i = 0; i < count; i++)
        describe_partition(&topic->partitions[first + i], first + i, &out->partitions[i]);
    page->left -= count;
    if (first + count >= topic->partition_count) return true;
    page->response->next_cursor = CODEC_NEW(arena, describe_topic_partitions_response_cursor, 1);
    if (!page->response->next_cursor) return false;
    page->response->next_cursor->topic_name = out->name;
    page->response->next_cursor->partition_index = first + count;
    return true;
}

/* The names asked for, or all of the image's, from the cursor's on, in order. */
static struct describe_topic_partitions_request_topic *wanted_topics(struct page *page,
                                                                     int32_t *count)
{
    const struct describe_topic_partitions_request *body = page->request->body;
    bool all = body->topics_count <= 0;
    size_t total = all ? image_topic_count(page->image) : (size_t)body->topics_count;
    struct describe_topic_partitions_request_topic *names = arena_calloc(&page->request->arena,
                                                                         total, sizeof *names);
    *count = 0;
    if (!names) return NULL;
    for (size_t i = 0; i < total; i++) {
        struct describe_topic_partitions_request_topic one = {
            all ? view_str(image_topic_at(page->image, i)->name) : body->topics[i].name};
        struct describe_topic_partitions_request_topic from = {
            body->cursor ? body->cursor->topic_name : (struct view){0}};
        if (!body->cursor || by_name(&one, &from) >= 0) names[(*count)++] = one;
    }
    qsort(names, (size_t)*count, sizeof *names, by_name);
    return names;
}

static bool describe_page(struct page *page)
{
    const struct describe_topic_partitions_request *body = page->request->body;
    struct describe_topic_partitions_response *response = page->response;
    int32_t count;
    struct describe_topic_partitions_request_topic *names = wanted_topics(page, &count);
    if (!names) return false;
    response->topics = CODEC_NEW(&page->request->arena, describe_topic_partitions_response_topic,
                                 (size_t)count);
    if (!response->topics) return false;
    for (int32_t i = 0; i < count && !response->next_cursor; i++) {
        struct describe_topic_partitions_response_topic *out =
            &response->topics[response->topics_count++];
        const struct image_topic *topic = image_topic(page->image, names[i].name);
        out->name = names[i].name;
        bool is_cursor = body->cursor && view_eq(body->cursor->topic_name, names[i].name);
        if (!topic)
            out->error_code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        else if (!describe_topic(page, topic, is_cursor ? MAX(body->cursor->partition_index, 0) : 0,
                                 out))
            return false;
    }
    return true;
}

void handle_describe_topic_partitions(struct request *rq)
{
    const struct describe_topic_partitions_request *body = rq->body;
    struct describe_topic_partitions_response response;
    CODEC_DEFAULT(describe_topic_partitions_response, &response);
    struct image *image = proposer_image(rq->broker->proposer);
    struct page page = {rq, image, &response,
                        MIN(MAX(body->response_partition_limit, 1), PARTITIONS_MAX)};
    if (describe_page(&page))
        request_reply(rq, &response);
    else
        request_refuse(rq, "out of memory for one request");
    image_unref(image);
}
