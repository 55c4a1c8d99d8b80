/* Produce: from batches in a frame to offsets in a reply.
 *
 *   handle_produce --> prepare: look up, check, patch     (no lock is held)
 *                        |--> the loop's run --> partition_append --> appended --> reply
 *                        |                                              `--> parked: reply later
 *                        `--> a worker recompresses --> prepare again --> the run
 *
 * Happy path: every batch is checked where it lies in the read buffer, added to the run, appended
 * with its neighbours in one write, and answered.
 * Parking: writes that wait for a flush or a roll end on another thread; each counts the request
 * down, and the last one brings it back to its loop. Meanwhile the request keeps its reply with
 * copies of the topics' names, not its frame. When the client's time-out comes first, what is not
 * done is answered with REQUEST_TIMED_OUT; the memory stays until the partitions let go of it.
 * acks=0: nothing is answered; an error closes the connection, so that the client looks for the
 * leader again. Transactions are refused: a transactional id with
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which ends every client's attempts at once, and a
 * transactional batch without one with INVALID_TXN_STATE.
 */
#include <limits.h>
#include <stdlib.h>

#include "base/check.h"
#include "broker.h"
#include "dispatch.h"
#include "handlers.h"
#include "record/builder.h"

enum {
    VERSION_BATCHES = 3,      /* the first one with record batches */
    VERSION_ZSTD = 7,         /* the first one whose clients know zstd */
    VERSION_MESSAGES = 8,     /* the first one with a text beside the error */
    UNPACKED_MIN = 32 << 20,  /* any batch that has to be looked into may unpack to this */
    UNPACKED_MAX = 256 << 20, /* and none to more than this */
    PARKED_MAX = 8 << 20,     /* bytes of one connection's batches that wait before it is held */
};

struct produce;

struct produce_write {
    struct partition_write write;
    struct produce *produce;
    struct produce_response_partition *out;
    struct produce_write *next;
    int target;
    time_ms_t append_time; /* NO_TIMESTAMP: records have their own */
    atomic_bool is_over;   /* a parked one: the result is there */
};

struct produce {
    struct request *rq;
    struct produce_response response;
    int16_t acks;
    int32_t timeout_ms;
    struct produce_write *first, **last;
    int write_count;
    size_t bytes;
    const enum kafka_error *recompressed; /* the next partition's outcome */
    bool wants_recompression, is_recompressed;
    atomic_int pending; /* writes that are not over, and one for the loop */
    struct waiter waiter;
    struct timer timer;
    int64_t parked_bytes; /* as counted while it waits */
};

/* ---- checking ---- */

static void set_error(struct produce_response_partition *out, const struct request *rq,
                      enum kafka_error error)
{
    out->error_code = (int16_t)kafka_error_for(API_PRODUCE, request_version(rq), error);
    out->base_offset = -1;
    if (request_version(rq) < VERSION_MESSAGES) return;
    if (error == KAFKA_ERR_INVALID_RECORD)
        out->error_message = view_str("A record of the batch is not allowed in this topic, or the "
                                      "batch is not well formed.");
    if (error == KAFKA_ERR_INVALID_TIMESTAMP)
        out->error_message = view_str("A record's timestamp is outside of what the topic allows.");
    if (error == KAFKA_ERR_MESSAGE_TOO_LARGE)
        out->error_message = view_str("The batch is larger than max.message.bytes.");
}

/* What is wrong with the request as a whole. */
static enum kafka_error check_request(const struct request *rq, const struct produce_request *body)
{
    if (body->acks < -1 || body->acks > 1) return KAFKA_ERR_INVALID_REQUIRED_ACKS;
    if (request_version(rq) < VERSION_BATCHES) return KAFKA_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT;
    if (body->transactional_id.data) return KAFKA_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return KAFKA_ERR_NONE;
}

/* Clients bound what they pack by max.message.bytes, so four times that is plenty, and a bomb is no
 * more than that. */
static size_t unpacked_max(const struct topic_config *config)
{
    size_t plenty = (size_t)config->max_message_bytes * 4;
    return MIN(MAX(plenty, (size_t)UNPACKED_MIN), (size_t)UNPACKED_MAX);
}

/* Bytes that are no whole batch, and formats of before, are the request's fault (Kafka judges them
 * before the checksum); what claims to be a format of the future is corrupt. */
static enum kafka_error error_of_batch(err_t err, struct view whole)
{
    int64_t size = batch_size_peek(whole);
    bool is_whole = size < 0 || (size > 0 && (size_t)size <= whole.len);
    uint8_t magic = whole.len > BATCH_MAGIC ? whole.data[BATCH_MAGIC] : BATCH_MAGIC_V2;
    if (err == ERR_CORRUPT && (!is_whole || magic < BATCH_MAGIC_V2))
        return KAFKA_ERR_INVALID_RECORD;
    if (err != ERR_UNSUPPORTED) return kafka_error_of(err);
    if (magic == BATCH_MAGIC_V2) return KAFKA_ERR_UNSUPPORTED_COMPRESSION_TYPE;
    return magic < BATCH_MAGIC_V2 ? KAFKA_ERR_INVALID_RECORD : KAFKA_ERR_CORRUPT_MESSAGE;
}

static enum kafka_error check_batch(const struct request *rq, struct produce_run *run,
                                    const struct topic_config *config, struct produce_write *write)
{
    struct batch_header *header = &write->write.batch.header;
    struct batch_limits limits = {
        .max_message_bytes = (size_t)config->max_message_bytes,
        .now_ms = run->now_ms,
        .before_max_ms = config->is_log_append_time ? INT64_MAX : config->timestamp_before_max_ms,
        .after_max_ms = config->is_log_append_time ? INT64_MAX : config->timestamp_after_max_ms,
        .is_compacted = config->log.is_compacted,
        .walk_compressed = config->validate_records,
        .decompressed_max_bytes = unpacked_max(config),
        .scratch = &run->scratch,
    };
    struct view whole = view_of(write->write.batch.data, header->size_bytes);
    err_t err = batch_check_produced(whole, &limits, header);
    if (err) return error_of_batch(err, whole);
    if (batch_is_transactional(header)) return KAFKA_ERR_INVALID_TXN_STATE;
    if (batch_codec(header) == CODEC_ZSTD && request_version(rq) < VERSION_ZSTD)
        return KAFKA_ERR_UNSUPPORTED_COMPRESSION_TYPE;
    return KAFKA_ERR_NONE;
}

/* The times that the topic wants, into the batch. Not before it is certain that the batch will not
 * be checked again: append time is what no client may send. */
static void set_times(const struct topic_config *config, time_ms_t now, struct produce_write *write)
{
    struct log_append *batch = &write->write.batch;
    write->append_time = NO_TIMESTAMP;
    if (!config->is_log_append_time) {
        batch_set_max_timestamp(batch->data, batch->header.max_timestamp);
        return;
    }
    write->append_time = now;
    batch_set_log_append_time(batch->data, now);
    CHECK(batch_header_parse(view_of(batch->data, batch->header.size_bytes), &batch->header) == OK);
}

static bool has_enough_replicas(const struct produce *produce, const struct run_target *target)
{
    if (produce->acks != -1 || target->config.min_insync_replicas <= 1) return true;
    return partition_describe(target->partition).isr_count >= target->config.min_insync_replicas;
}

static void write_done(struct partition_write *partition_write);

/* One partition of the request: an error into its place in the reply, or a write. */
static enum kafka_error prepare_batch(struct produce *produce, struct view records, int target,
                                      struct produce_response_partition *out)
{
    struct request *rq = produce->rq;
    struct produce_run *run = &rq->client->context->run;
    const struct run_target *to = &run->targets[target];
    if (!records.data || records.len == 0) return KAFKA_ERR_INVALID_RECORD;
    if (!has_enough_replicas(produce, to)) return KAFKA_ERR_NOT_ENOUGH_REPLICAS;
    struct produce_write *write = arena_alloc(&rq->arena, sizeof *write);
    if (!write) return KAFKA_ERR_KAFKA_STORAGE_ERROR;
    write->produce = produce;
    write->out = out;
    write->target = target;
    write->write.done = write_done;
    write->write.waits_for_commit = produce->acks == -1;
    write->write.batch.data = (uint8_t *)records.data; /* the frame may be written to */
    write->write.batch.header.size_bytes = records.len;
    enum kafka_error error = check_batch(rq, run, &to->config, write);
    if (error) return error;
    int codec = to->config.compression;
    if (codec >= 0 && codec != (int)batch_codec(&write->write.batch.header)) {
        produce->wants_recompression = true;
        /* The second time: the topic was altered in between. The client tries again. */
        return produce->is_recompressed ? KAFKA_ERR_NOT_LEADER_OR_FOLLOWER : KAFKA_ERR_NONE;
    }
    *produce->last = write;
    produce->last = &write->next;
    produce->write_count++;
    produce->bytes += records.len;
    return KAFKA_ERR_NONE;
}

static int find_target(struct request *rq, const struct produce_request_topic *topic, int32_t index)
{
    struct run_key key = {.name = topic->name, .id = topic->topic_id, .index = index};
    if (request_version(rq) >= 13) key.name.data = NULL;
    return produce_run_target(&rq->client->context->run, &key);
}

/* The answer for a partition that is not here. */
static enum kafka_error why_unknown(struct request *rq, const struct produce_request_topic *topic)
{
    if (request_version(rq) < 13) return KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    struct image *image = proposer_image(rq->broker->proposer);
    bool is_known = image_topic_by_id(image, topic->topic_id) != NULL;
    image_unref(image);
    return is_known ? KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_ERR_UNKNOWN_TOPIC_ID;
}

static err_t prepare_topic(struct produce *produce, const struct produce_request_topic *topic,
                           struct produce_response_topic *out, enum kafka_error for_all)
{
    struct request *rq = produce->rq;
    out->name = topic->name;
    out->topic_id = topic->topic_id;
    int32_t count = topic->partition_data_count;
    out->partition_responses = CODEC_NEW(&rq->arena, produce_response_partition, (size_t)count);
    if (!out->partition_responses) return ERR_NOMEM;
    out->partition_responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct produce_request_partition *in = &topic->partition_data[i];
        struct produce_response_partition *place = &out->partition_responses[i];
        place->index = in->index;
        enum kafka_error error = for_all;
        if (produce->is_recompressed) error = *produce->recompressed++;
        int target = error ? -1 : find_target(rq, topic, in->index);
        if (!error && target < 0) error = why_unknown(rq, topic);
        if (!error) error = prepare_batch(produce, in->records.data, target, place);
        if (error) set_error(place, rq, error);
    }
    return OK;
}

/* Everything that can be done without the logs. */
static err_t prepare(struct produce *produce, const struct produce_request *body)
{
    struct request *rq = produce->rq;
    struct produce_run *run = &rq->client->context->run;
    if (!run->now_ms) run->now_ms = env_wall_ms(rq->broker->env);
    CODEC_DEFAULT(produce_response, &produce->response);
    size_t count = (size_t)MAX(body->topic_data_count, 0);
    produce->response.responses = CODEC_NEW(&rq->arena, produce_response_topic, count);
    if (!produce->response.responses) return ERR_NOMEM;
    produce->response.responses_count = (int32_t)count;
    enum kafka_error for_all = check_request(rq, body);
    for (size_t i = 0; i < count; i++)
        TRY(prepare_topic(produce, &body->topic_data[i], &produce->response.responses[i], for_all));
    return OK;
}

/* ---- answering ---- */

static void fill(struct produce_write *write)
{
    struct produce_response_partition *out = write->out;
    const struct log_append *batch = &write->write.batch;
    if (batch->err) {
        set_error(out, write->produce->rq, kafka_error_of(batch->err));
        return;
    }
    out->base_offset = batch->base_offset;
    out->log_append_time_ms = write->append_time;
    out->log_start_offset = write->write.log_start;
}

static bool has_error(const struct produce *produce)
{
    for (int32_t i = 0; i < produce->response.responses_count; i++) {
        const struct produce_response_topic *topic = &produce->response.responses[i];
        for (int32_t k = 0; k < topic->partition_responses_count; k++)
            if (topic->partition_responses[k].error_code) return true;
    }
    return false;
}

/* What waits takes memory: the reply's, and perhaps a copy of the batches. */
static void count_parked(struct produce *produce)
{
    struct request *rq = produce->rq;
    produce->parked_bytes = (int64_t)(produce->bytes + rq->arena.used_bytes);
    rq->client->parked_bytes += produce->bytes;
    atomic_fetch_add(&rq->broker->parked_bytes, produce->parked_bytes);
}

static void uncount(struct produce *produce)
{
    struct request *rq = produce->rq;
    if (!produce->parked_bytes) return;
    rq->client->parked_bytes -= produce->bytes;
    atomic_fetch_sub(&rq->broker->parked_bytes, produce->parked_bytes);
    produce->parked_bytes = 0;
}

static void answer(struct produce *produce)
{
    struct request *rq = produce->rq;
    if (timer_is_started(&produce->timer)) timer_stop(rq->client->context->loop, &produce->timer);
    uncount(produce);
    if (produce->acks != 0)
        request_reply(rq, &produce->response);
    else if (has_error(produce))
        request_refuse(rq, "a Produce with acks=0 has failed");
    else
        request_no_reply(rq);
}

/* ---- waiting ---- */

/* A parked write is over; on any thread. */
static void write_done(struct partition_write *partition_write)
{
    struct produce_write *write = CONTAINER_OF(partition_write, struct produce_write, write);
    struct produce *produce = write->produce;
    atomic_store_explicit(&write->is_over, true, memory_order_release);
    if (atomic_fetch_sub(&produce->pending, 1) == 1) waiter_fire(&produce->waiter);
}

static void all_over(struct task *task)
{
    struct waiter *waiter = CONTAINER_OF(task, struct waiter, task);
    struct produce *produce = CONTAINER_OF(waiter, struct produce, waiter);
    struct request *rq = produce->rq;
    if (!rq->is_answered) {
        for (struct produce_write *w = produce->first; w; w = w->next)
            if (w->write.is_parked) fill(w);
        answer(produce);
    }
    request_unref(rq);
}

static void timed_out(struct timer *timer)
{
    struct produce *produce = CONTAINER_OF(timer, struct produce, timer);
    for (struct produce_write *w = produce->first; w; w = w->next) {
        if (!w->write.is_parked) continue;
        if (atomic_load_explicit(&w->is_over, memory_order_acquire))
            fill(w);
        else
            set_error(w->out, produce->rq, KAFKA_ERR_REQUEST_TIMED_OUT);
    }
    answer(produce);
}

static void connection_gone(struct request *rq)
{
    struct produce *produce = rq->state;
    if (timer_is_started(&produce->timer)) timer_stop(rq->client->context->loop, &produce->timer);
    uncount(produce);
    request_no_reply(rq);
}

/* The reply survives the frame. */
static err_t copy_names(struct produce *produce)
{
    struct request *rq = produce->rq;
    for (int32_t i = 0; i < produce->response.responses_count; i++) {
        struct view *name = &produce->response.responses[i].name;
        if (!name->data) continue;
        char *copy = arena_strndup(&rq->arena, name->data, name->len);
        if (!copy) return ERR_NOMEM;
        name->data = (const uint8_t *)copy;
    }
    return OK;
}

static void park(struct produce *produce)
{
    struct request *rq = produce->rq;
    struct client *client = rq->client;
    if (copy_names(produce) != OK) {
        request_refuse(rq, "no memory to let it wait");
        return;
    }
    request_park(rq);
    rq->cancel = connection_gone;
    produce->timer.fire = timed_out;
    int64_t timeout_ns = (int64_t)MAX(produce->timeout_ms, 0) * 1000000;
    timer_start(client->context->loop, &produce->timer,
                loop_now_ns(client->context->loop) + timeout_ns);
    count_parked(produce);
    if (client->parked_bytes > PARKED_MAX || !request_may_park(rq)) request_hold(rq);
}

/* After the run: every write is over or parked. */
static void appended(struct request *rq)
{
    struct produce *produce = rq->state;
    int parked = 0;
    for (struct produce_write *w = produce->first; w; w = w->next) {
        if (w->write.is_parked)
            parked++;
        else
            fill(w);
    }
    if (parked == 0) {
        answer(produce);
        return;
    }
    request_ref(rq); /* of the partitions, until all_over() */
    park(produce);
    int over = produce->write_count - parked + 1;
    if (atomic_fetch_sub(&produce->pending, over) == over) waiter_fire(&produce->waiter);
}

static err_t enqueue(struct produce *produce)
{
    struct produce_run *run = &produce->rq->client->context->run;
    TRY(produce_run_reserve(run, (size_t)produce->write_count));
    atomic_init(&produce->pending, produce->write_count + 1);
    waiter_init(&produce->waiter, produce->rq->client->context->loop, all_over);
    for (struct produce_write *w = produce->first; w; w = w->next) {
        set_times(&run->targets[w->target].config, run->now_ms, w);
        produce_run_add(run, w->target, &w->write);
    }
    produce_run_tell(run, produce->rq, appended);
    return OK;
}

/* ---- recompressing ---- */

/* On a worker: one batch into the codec of its topic. */
static enum kafka_error recompress_one(struct request *rq, const struct topic_config *config,
                                       struct view *records, struct buf scratch[2])
{
    struct batch_header header;
    struct batch_limits limits = {
        .max_message_bytes = (size_t)config->max_message_bytes,
        .before_max_ms = INT64_MAX,
        .after_max_ms = INT64_MAX,
        .decompressed_max_bytes = unpacked_max(config),
        .scratch = &scratch[0],
    };
    err_t err = batch_check_produced(*records, &limits, &header);
    if (err) return error_of_batch(err, *records);
    if (config->compression < 0 || config->compression == (int)batch_codec(&header))
        return KAFKA_ERR_NONE;
    struct recompress_options options = {
        .codec = (enum codec)config->compression,
        .level = config->compression_level,
        .decompressed_max_bytes = unpacked_max(config),
    };
    buf_clear(&scratch[1]);
    err = batch_recompress(*records, &options, &scratch[0], &scratch[1]);
    void *bytes = err ? NULL : arena_alloc(&rq->arena, scratch[1].len);
    if (!err && !bytes) err = ERR_NOMEM;
    if (err) return kafka_error_of(err);
    memcpy(bytes, scratch[1].data, scratch[1].len);
    *records = view_of(bytes, scratch[1].len);
    return KAFKA_ERR_NONE;
}

static struct partition *find_partition(struct request *rq,
                                        const struct produce_request_topic *topic, int32_t index)
{
    if (request_version(rq) >= 13)
        return partition_table_find_by_id(rq->broker->partitions, topic->topic_id, index);
    return partition_table_find(rq->broker->partitions, topic->name, index);
}

static size_t partition_total(const struct produce_request *body)
{
    size_t total = 0;
    for (int32_t i = 0; i < body->topic_data_count; i++)
        total += (size_t)MAX(body->topic_data[i].partition_data_count, 0);
    return total;
}

static void recompress_all(struct request *rq)
{
    struct produce_request *body = rq->body;
    struct buf scratch[2] = {0};
    enum kafka_error *errors = arena_calloc(&rq->arena, partition_total(body) + 1, sizeof *errors);
    rq->state = errors;
    for (int32_t i = 0; errors && i < body->topic_data_count; i++) {
        struct produce_request_topic *topic = &body->topic_data[i];
        for (int32_t k = 0; k < topic->partition_data_count; k++, errors++) {
            struct partition *p = find_partition(rq, topic, topic->partition_data[k].index);
            if (!p) continue; /* found out again afterwards */
            struct topic_config config = partition_config(p);
            partition_unref(p);
            *errors = recompress_one(rq, &config, &topic->partition_data[k].records.data, scratch);
        }
    }
    buf_release(&scratch[0]);
    buf_release(&scratch[1]);
}

static void start(struct request *rq, const enum kafka_error *errors);

static void recompressed(struct request *rq)
{
    struct produce_run *run = &rq->client->context->run;
    if (!rq->state) {
        request_refuse(rq, "no memory to recompress it");
        return;
    }
    start(rq, rq->state);
    produce_run_flush(run);
}

/* ---- the handler ---- */

static void start(struct request *rq, const enum kafka_error *errors)
{
    struct produce_request *body = rq->body;
    struct produce *produce = arena_alloc(&rq->arena, sizeof *produce);
    if (!produce) {
        request_refuse(rq, "no memory for its writes");
        return;
    }
    produce->rq = rq;
    produce->acks = body->acks;
    produce->timeout_ms = body->timeout_ms;
    produce->last = &produce->first;
    produce->recompressed = errors;
    produce->is_recompressed = errors != NULL;
    rq->state = produce;
    if (prepare(produce, body) != OK) {
        request_refuse(rq, "no memory for its reply");
        return;
    }
    if (produce->wants_recompression && !errors) {
        /* What came before goes first; the connection is held until this one is answered. */
        produce_run_flush(&rq->client->context->run);
        request_offload(rq, recompress_all, recompressed);
        return;
    }
    if (enqueue(produce) != OK) request_refuse(rq, "no memory for its writes");
}

void handle_produce(struct request *rq) { start(rq, NULL); }
