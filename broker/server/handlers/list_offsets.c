/* ListOffsets: the offset that stands at a time, or at one of the places with a name.
 *
 * Latest, earliest and the like are answered at once; a search by time reads records, so a request
 * with one in it is answered by a worker. Nothing at or above the high watermark (the last stable
 * offset for readers of committed data) is ever named.
 *
 * Version 0 knew lists of offsets, of which it wanted the newest `max_num_offsets` before a time.
 * It gets one: exact for earliest and latest, and the record at or after the time otherwise.
 */
#include "broker.h"
#include "handlers.h"

enum { VERSION_OFFSET = 1, VERSION_EPOCH = 4 };
enum {
    AT_LATEST = -1,
    AT_EARLIEST = -2,
    AT_MAX_TIMESTAMP = -3,
    AT_EARLIEST_LOCAL = -4,
    AT_LATEST_TIERED = -5,
    AT_EARLIEST_UNTIERED = -6,
};

struct place {
    koffset_t offset;
    time_ms_t timestamp;
    leader_epoch_t leader_epoch;
};

static const struct place NOWHERE = {-1, -1, -1};

static err_t by_time(struct log *log, time_ms_t timestamp, koffset_t limit, struct place *out)
{
    struct log_timestamp_match match = {.offset = -1, .timestamp = -1, .leader_epoch = -1};
    err_t err = timestamp == AT_MAX_TIMESTAMP ? log_find_max_timestamp(log, &match)
                                              : log_find_timestamp(log, timestamp, limit, &match);
    if (err == ERR_NOT_FOUND || (!err && (match.offset < 0 || match.offset >= limit))) {
        *out = NOWHERE;
        return OK;
    }
    *out = (struct place){match.offset, match.timestamp, match.leader_epoch};
    return err;
}

static err_t look_up(struct partition *p, const struct list_offsets_request *body,
                     const struct list_offsets_request_partition *in, struct place *out)
{
    TRY(partition_check_leader(p, in->current_leader_epoch));
    struct partition_view view = partition_describe(p);
    struct log *log = partition_log(p);
    if (!log) return ERR_FAILED;
    koffset_t limit = body->isolation_level ? view.last_stable : view.high_watermark;
    *out = NOWHERE;
    switch (in->timestamp) {
    case AT_LATEST: *out = (struct place){limit, -1, view.leader_epoch}; return OK;
    case AT_EARLIEST:
    case AT_EARLIEST_LOCAL:
        *out = (struct place){view.log.start, -1, log_epoch_of(log, view.log.start)};
        return OK;
    case AT_LATEST_TIERED: return OK; /* nothing is tiered */
    case AT_EARLIEST_UNTIERED:
        *out = (struct place){view.log.start, -1, log_epoch_of(log, view.log.start)};
        return OK;
    default:
        if (in->timestamp < AT_EARLIEST_UNTIERED) return ERR_UNSUPPORTED;
        return by_time(log, in->timestamp, limit, out);
    }
}

static void fill(struct request *rq, struct view topic,
                 const struct list_offsets_request_partition *in,
                 struct list_offsets_response_partition *out)
{
    out->partition_index = in->partition_index;
    struct place place = NOWHERE;
    struct partition *p = partition_table_find(rq->broker->partitions, topic, in->partition_index);
    enum kafka_error error = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (p) {
        err_t err = look_up(p, rq->body, in, &place);
        error = err == ERR_UNSUPPORTED ? KAFKA_ERR_UNSUPPORTED_VERSION : kafka_error_of(err);
        partition_unref(p);
    }
    out->error_code = (int16_t)kafka_error_for(API_LIST_OFFSETS, request_version(rq), error);
    if (error) place = NOWHERE;
    if (request_version(rq) >= VERSION_EPOCH) out->leader_epoch = place.leader_epoch;
    if (request_version(rq) >= VERSION_OFFSET) {
        out->offset = place.offset;
        out->timestamp = place.timestamp;
        return;
    }
    if (place.offset < 0 || in->max_num_offsets < 1) return;
    out->old_style_offsets = arena_alloc(&rq->arena, sizeof *out->old_style_offsets);
    if (!out->old_style_offsets) return;
    out->old_style_offsets[0] = place.offset;
    out->old_style_offsets_count = 1;
}

/* Into rq->state; NULL there: no memory. */
static void fill_all(struct request *rq)
{
    const struct list_offsets_request *body = rq->body;
    struct list_offsets_response *response = CODEC_NEW(&rq->arena, list_offsets_response, 1);
    rq->state = NULL;
    if (!response) return;
    response->topics = CODEC_NEW(&rq->arena, list_offsets_response_topic,
                                 (size_t)body->topics_count);
    if (!response->topics) return;
    response->topics_count = body->topics_count;
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct list_offsets_request_topic *in = &body->topics[i];
        struct list_offsets_response_topic *out = &response->topics[i];
        out->name = in->name;
        out->partitions = CODEC_NEW(&rq->arena, list_offsets_response_partition,
                                    (size_t)in->partitions_count);
        if (!out->partitions) return;
        out->partitions_count = in->partitions_count;
        for (int32_t k = 0; k < in->partitions_count; k++)
            fill(rq, in->name, &in->partitions[k], &out->partitions[k]);
    }
    rq->state = response;
}

static void reply(struct request *rq)
{
    if (rq->state)
        request_reply(rq, rq->state);
    else
        request_refuse(rq, "no memory for its reply");
}

static bool may_read_disk(const struct list_offsets_request *body)
{
    for (int32_t i = 0; i < body->topics_count; i++)
        for (int32_t k = 0; k < body->topics[i].partitions_count; k++) {
            int64_t timestamp = body->topics[i].partitions[k].timestamp;
            if (timestamp >= 0 || timestamp == AT_MAX_TIMESTAMP) return true;
        }
    return false;
}

void handle_list_offsets(struct request *rq)
{
    if (may_read_disk(rq->body)) {
        request_offload(rq, fill_all, reply);
        return;
    }
    fill_all(rq);
    reply(rq);
}
