/* DeleteRecords: moves the start of partitions forward (KIP-107). Touches files, so it runs on the
 * admin worker. */
#include "base/check.h"
#include "broker.h"
#include "handlers.h"

static void delete_one(struct broker *broker, struct view topic,
                       const struct delete_records_request_partition *in,
                       struct delete_records_response_partition *out)
{
    out->partition_index = in->partition_index;
    out->low_watermark = -1;
    struct partition *p = partition_table_find(broker->partitions, topic, in->partition_index);
    if (!p) {
        out->error_code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    koffset_t start = -1;
    err_t err = in->offset < -1 ? ERR_RANGE : partition_delete_records(p, in->offset, &start);
    if (err == OK) out->low_watermark = start;
    out->error_code = (int16_t)kafka_error_of(err);
    partition_unref(p);
}

static void on_worker(struct request *rq)
{
    const struct delete_records_request *body = rq->body;
    struct delete_records_response *response = rq->state;
    for (int32_t t = 0; t < body->topics_count; t++)
        for (int32_t i = 0; i < body->topics[t].partitions_count; i++)
            delete_one(rq->broker, body->topics[t].name, &body->topics[t].partitions[i],
                       &response->topics[t].partitions[i]);
}

static void on_loop(struct request *rq) { request_reply(rq, rq->state); }

/* The response's shape, before any work. */
static struct delete_records_response *shape(struct request *rq)
{
    const struct delete_records_request *body = rq->body;
    struct delete_records_response *response = CODEC_NEW(&rq->arena, delete_records_response, 1);
    int32_t count = MAX(body->topics_count, 0);
    if (!response ||
        !(response->topics = CODEC_NEW(&rq->arena, delete_records_response_topic, (size_t)count)))
        return NULL;
    response->topics_count = count;
    for (int32_t t = 0; t < count; t++) {
        struct delete_records_response_topic *out = &response->topics[t];
        int32_t partitions = MAX(body->topics[t].partitions_count, 0);
        out->name = body->topics[t].name;
        out->partitions = CODEC_NEW(&rq->arena, delete_records_response_partition,
                                    (size_t)partitions);
        if (!out->partitions) return NULL;
        out->partitions_count = partitions;
    }
    return response;
}

void handle_delete_records(struct request *rq)
{
    if (request_keep(rq) != OK) return;
    rq->state = shape(rq);
    if (!rq->state) {
        request_refuse(rq, "out of memory for one request");
        return;
    }
    request_offload(rq, on_worker, on_loop);
}
