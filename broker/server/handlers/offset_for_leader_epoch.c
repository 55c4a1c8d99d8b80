/* OffsetForLeaderEpoch: where an epoch ended, so that a reader can find out whether its log and
 * ours have parted (KIP-101, KIP-320). Answered from memory. */
#include "broker.h"
#include "handlers.h"

enum { NO_EPOCH = -1, NO_OFFSET = -1 };

static void fill(struct request *rq, struct view topic,
                 const struct offset_for_leader_epoch_request_partition *in,
                 struct offset_for_leader_epoch_response_partition *out)
{
    out->partition = in->partition;
    out->leader_epoch = NO_EPOCH;
    out->end_offset = NO_OFFSET;
    struct partition *p = partition_table_find(rq->broker->partitions, topic, in->partition);
    if (!p) {
        out->error_code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    err_t err = partition_check_leader(p, in->current_leader_epoch);
    struct log *log = partition_log(p);
    leader_epoch_t found = NO_EPOCH;
    koffset_t end = NO_OFFSET;
    if (!err) err = log ? log_epoch_end(log, in->leader_epoch, &found, &end) : ERR_FAILED;
    if (!err) {
        out->leader_epoch = found;
        out->end_offset = end;
    } else if (err != ERR_NOT_FOUND) { /* an unknown epoch is no error: -1 says it */
        out->error_code = (int16_t)kafka_error_for(API_OFFSET_FOR_LEADER_EPOCH, request_version(rq),
                                                   kafka_error_of(err));
    }
    partition_unref(p);
}

void handle_offset_for_leader_epoch(struct request *rq)
{
    const struct offset_for_leader_epoch_request *body = rq->body;
    struct offset_for_leader_epoch_response response;
    CODEC_DEFAULT(offset_for_leader_epoch_response, &response);
    response.topics = CODEC_NEW(&rq->arena, offset_for_leader_epoch_response_topic,
                                (size_t)body->topics_count);
    bool has_memory = response.topics != NULL;
    for (int32_t i = 0; has_memory && i < body->topics_count; i++) {
        const struct offset_for_leader_epoch_request_topic *in = &body->topics[i];
        struct offset_for_leader_epoch_response_topic *out = &response.topics[i];
        response.topics_count++;
        out->topic = in->topic;
        out->partitions = CODEC_NEW(&rq->arena, offset_for_leader_epoch_response_partition,
                                    (size_t)in->partitions_count);
        has_memory = out->partitions != NULL;
        for (int32_t k = 0; has_memory && k < in->partitions_count; k++) {
            fill(rq, in->topic, &in->partitions[k], &out->partitions[k]);
            out->partitions_count++;
        }
    }
    if (has_memory)
        request_reply(rq, &response);
    else
        request_refuse(rq, "no memory for its reply");
}
