/* Fetch: from offsets to slices of segment files, now or when there is enough.
 *
 *   handle_fetch --> what is wanted (request or session) --> attempt: read every partition
 *        enough, an error, or no time to wait --> reply
 *        else --> watch every partition, attempt again --> wait
 *   a partition has news --> attempt, watch again          time is over --> attempt --> reply
 *
 * Happy path: one pass over the partitions, slices into the reply, no bytes seen.
 * Waiting: the second attempt, with the watches set, closes the gap between looking and watching.
 * Each attempt starts from nothing: slices of the one before are given back. While it waits, a
 * request has copies of the topics' names and a reference on itself for the waiter, who may have
 * posted its task already when a timer or the end of the connection is quicker.
 * Sizes (KIP-74): the first partition with data gives at least one whole batch; everything after
 * it stays within the limits. Sessions: see fetch_sessions.h; a partition that gave data goes to
 * the end of its session's order, so that a full reply does not starve the rest.
 */
#include <limits.h>
#include <stdlib.h>

#include "base/check.h"
#include "broker.h"
#include "dispatch.h"
#include "fetch_sessions.h"
#include "handlers.h"

enum { VERSION_SESSIONS = 7, VERSION_ZSTD = 10, VERSION_IDS = 13 };

struct fetch_item {
    struct fetch_want want;
    struct session_partition *cached; /* NULL: no session, or a new one */
    struct fetch_response_partition result;
    struct slice slice;
    struct partition_watch watch;
};

struct fetch {
    struct request *rq;
    struct fetch_item *items;
    size_t count;
    struct fetch_session *session; /* in use; NULL: none, or none yet */
    bool is_incremental;
    bool wants_session;
    bool uses_ids;
    bool read_committed;
    bool is_expired;
    bool has_error; /* found by the newest attempt: reply at once */
    size_t bytes;   /* the same: of all slices */
    size_t min_bytes, max_bytes;
    int32_t max_wait_ms;
    int64_t parked_bytes;
    struct waiter waiter;
    bool is_armed; /* the waiter holds a reference on the request */
    struct timer timer;
};

/* ---- what is wanted ---- */

static size_t partition_total(const struct fetch_request *body)
{
    size_t total = 0;
    for (int32_t i = 0; i < body->topics_count; i++)
        total += (size_t)MAX(body->topics[i].partitions_count, 0);
    return total;
}

static struct fetch_want want_of(const struct fetch *fetch, const struct fetch_request_topic *topic,
                                 const struct fetch_request_partition *partition)
{
    return (struct fetch_want){
        .topic = fetch->uses_ids ? (struct view){NULL, 0} : topic->topic,
        .topic_id = topic->topic_id,
        .index = partition->partition,
        .max_bytes = partition->partition_max_bytes,
        .offset = partition->fetch_offset,
        .current_leader_epoch = partition->current_leader_epoch,
        .last_fetched_epoch = partition->last_fetched_epoch,
    };
}

static err_t items_of_request(struct fetch *fetch, const struct fetch_request *body)
{
    fetch->items = arena_calloc(&fetch->rq->arena, partition_total(body), sizeof *fetch->items);
    if (!fetch->items) return ERR_NOMEM;
    for (int32_t i = 0; i < body->topics_count; i++)
        for (int32_t k = 0; k < body->topics[i].partitions_count; k++)
            fetch->items[fetch->count++].want = want_of(fetch, &body->topics[i],
                                                        &body->topics[i].partitions[k]);
    return OK;
}

static err_t items_of_session(struct fetch *fetch)
{
    struct fetch_session *session = fetch->session;
    fetch->items = arena_calloc(&fetch->rq->arena, session->count, sizeof *fetch->items);
    if (!fetch->items) return ERR_NOMEM;
    LIST_EACH (link, &session->partitions) {
        struct fetch_item *item = &fetch->items[fetch->count++];
        item->cached = CONTAINER_OF(link, struct session_partition, link);
        item->want = item->cached->want;
    }
    return OK;
}

/* What the request adds, alters and takes away. */
static enum kafka_error update_session(struct fetch *fetch, const struct fetch_request *body)
{
    struct fetch_sessions *sessions = fetch->rq->broker->sessions;
    for (int32_t i = 0; i < body->forgotten_topics_data_count; i++) {
        const struct fetch_request_forgotten_topic *topic = &body->forgotten_topics_data[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            struct fetch_want key = {.topic_id = topic->topic_id, .index = topic->partitions[k]};
            if (!fetch->uses_ids) key.topic = topic->topic;
            fetch_session_forget(sessions, fetch->session, &key);
        }
    }
    for (int32_t i = 0; i < body->topics_count; i++)
        for (int32_t k = 0; k < body->topics[i].partitions_count; k++) {
            struct fetch_want want = want_of(fetch, &body->topics[i],
                                             &body->topics[i].partitions[k]);
            if (!fetch_session_set(sessions, fetch->session, &want))
                return KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND; /* the client starts a new one */
        }
    return KAFKA_ERR_NONE;
}

/* Which session the request speaks of (KIP-227). */
static enum kafka_error choose_session(struct fetch *fetch, const struct fetch_request *body)
{
    struct fetch_sessions *sessions = fetch->rq->broker->sessions;
    if (request_version(fetch->rq) < VERSION_SESSIONS) return KAFKA_ERR_NONE;
    if (body->session_epoch == FETCH_EPOCH_INITIAL || body->session_epoch == FETCH_EPOCH_FINAL) {
        if (body->session_id != FETCH_SESSION_NONE)
            fetch_sessions_close(sessions, body->session_id);
        fetch->wants_session = body->session_epoch == FETCH_EPOCH_INITIAL;
        return KAFKA_ERR_NONE;
    }
    enum kafka_error error = fetch_sessions_acquire(sessions, body->session_id, body->session_epoch,
                                                    fetch->uses_ids, &fetch->session);
    if (error) return error;
    fetch->is_incremental = true;
    error = update_session(fetch, body);
    if (!error) return KAFKA_ERR_NONE;
    fetch_sessions_close(sessions, body->session_id);
    fetch_sessions_release(sessions, fetch->session);
    fetch->session = NULL;
    return error;
}

/* ---- one attempt ---- */

static void set_error(struct fetch *fetch, struct fetch_item *item, enum kafka_error error)
{
    struct fetch_response_partition *result = &item->result;
    result->error_code = (int16_t)kafka_error_for(API_FETCH, request_version(fetch->rq), error);
    result->high_watermark = result->last_stable_offset = result->log_start_offset = -1;
    fetch->has_error = true;
}

static enum kafka_error why_unknown(const struct fetch *fetch, const struct fetch_item *item)
{
    if (!fetch->uses_ids) return KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    struct image *image = proposer_image(fetch->rq->broker->proposer);
    bool is_known = image_topic_by_id(image, item->want.topic_id) != NULL;
    image_unref(image);
    return is_known ? KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_ERR_UNKNOWN_TOPIC_ID;
}

/* Whether the client's log and ours part before its offset; then the result says where. */
static err_t check_divergence(struct fetch *fetch, struct fetch_item *item, struct partition *p,
                              bool *diverges)
{
    leader_epoch_t asked = item->want.last_fetched_epoch;
    *diverges = false;
    if (asked < 0) return OK;
    TRY(partition_check_leader(p, item->want.current_leader_epoch));
    struct log *log = partition_log(p);
    leader_epoch_t found = -1;
    koffset_t end = -1;
    err_t err = log ? log_epoch_end(log, asked, &found, &end) : ERR_FAILED;
    /* A leader that has written nothing yet knows of no epoch, and cannot contradict. */
    if (err == ERR_NOT_FOUND && log_offsets(log).last_leader_epoch < 0) return OK;
    if (err) return err == ERR_NOT_FOUND ? ERR_RANGE : err;
    if (found == asked && end >= item->want.offset) return OK;
    item->result.diverging_epoch.epoch = found;
    item->result.diverging_epoch.end_offset = end;
    fetch->has_error = true; /* nothing to wait for */
    *diverges = true;
    return OK;
}

static void take_aborted(struct fetch *fetch, struct fetch_item *item,
                         const struct partition_fetched *got)
{
    struct fetch_response_partition *result = &item->result;
    result->aborted_transactions_count = -1; /* null */
    if (!fetch->read_committed) return;
    result->aborted_transactions = CODEC_NEW(&fetch->rq->arena, fetch_response_aborted_transaction,
                                             got->aborted_count);
    result->aborted_transactions_count = 0;
    if (!result->aborted_transactions) {
        slice_release(&item->slice); /* without the list the records mean something else */
        return;
    }
    for (size_t i = 0; i < got->aborted_count; i++) {
        result->aborted_transactions[i].producer_id = got->aborted[i].producer_id;
        result->aborted_transactions[i].first_offset = got->aborted[i].first_offset;
    }
    result->aborted_transactions_count = (int32_t)got->aborted_count;
}

static void describe_only(struct fetch_item *item, struct partition *p)
{
    struct partition_view view = partition_describe(p);
    item->result.high_watermark = view.high_watermark;
    item->result.last_stable_offset = view.last_stable;
    item->result.log_start_offset = view.log.start;
}

/* Clients of before version 10 cannot read zstd, and Kafka says so where the topic is all zstd. */
static bool is_unreadable(const struct fetch *fetch, struct partition *p)
{
    return request_version(fetch->rq) < VERSION_ZSTD &&
           partition_config(p).compression == CODEC_ZSTD;
}

static void read_item(struct fetch *fetch, struct fetch_item *item, struct partition *p)
{
    size_t left = fetch->max_bytes > fetch->bytes ? fetch->max_bytes - fetch->bytes : 0;
    struct partition_fetch what = {
        .offset = item->want.offset,
        .current_leader_epoch = item->want.current_leader_epoch,
        .max_bytes = MIN((size_t)MAX(item->want.max_bytes, 0), left),
        .at_least_one = fetch->bytes == 0,
        .read_committed = fetch->read_committed,
    };
    struct partition_fetched got;
    bool diverges;
    if (is_unreadable(fetch, p)) {
        set_error(fetch, item, KAFKA_ERR_UNSUPPORTED_COMPRESSION_TYPE);
        return;
    }
    err_t err = check_divergence(fetch, item, p, &diverges);
    if (!err && diverges) {
        describe_only(item, p);
        return;
    }
    if (!err) {
        partition_read(p, &what, &got);
        err = got.err;
    }
    if (err) {
        set_error(fetch, item, kafka_error_of(err));
        return;
    }
    item->slice = got.slice;
    item->result.high_watermark = got.high_watermark;
    item->result.last_stable_offset = got.last_stable;
    item->result.log_start_offset = got.log_start;
    take_aborted(fetch, item, &got);
    free(got.aborted);
    fetch->bytes += item->slice.len;
}

static void release_slices(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) slice_release(&fetch->items[i].slice);
}

static struct partition *find(const struct fetch *fetch, const struct fetch_item *item)
{
    struct partition_table *table = fetch->rq->broker->partitions;
    return fetch->uses_ids
               ? partition_table_find_by_id(table, item->want.topic_id, item->want.index)
               : partition_table_find(table, item->want.topic, item->want.index);
}

/* Reads everything anew. True: there is nothing left to wait for. */
static bool attempt(struct fetch *fetch)
{
    release_slices(fetch);
    fetch->bytes = 0;
    fetch->has_error = false;
    for (size_t i = 0; i < fetch->count; i++) {
        struct fetch_item *item = &fetch->items[i];
        CODEC_DEFAULT(fetch_response_partition, &item->result);
        item->result.partition_index = item->want.index;
        item->result.aborted_transactions_count = -1;
        struct partition *p = find(fetch, item);
        if (p)
            read_item(fetch, item, p);
        else
            set_error(fetch, item, why_unknown(fetch, item));
        partition_unref(p);
    }
    return fetch->bytes >= fetch->min_bytes || fetch->has_error || fetch->is_expired ||
           fetch->max_wait_ms <= 0 || fetch->count == 0;
}

/* ---- the reply ---- */

/* Is there anything in it that the client of a session does not know? */
static bool is_news(const struct fetch_item *item)
{
    const struct fetch_response_partition *r = &item->result;
    const struct fetch_told *told = &item->cached->told;
    return item->slice.len > 0 || r->error_code != 0 || r->diverging_epoch.epoch >= 0 ||
           r->high_watermark != told->high_watermark ||
           r->last_stable_offset != told->last_stable || r->log_start_offset != told->log_start;
}

static void note_told(struct session_partition *cached, const struct fetch_response_partition *r)
{
    /* After an error anything is news again. */
    cached->told = (struct fetch_told){-1, -1, -1};
    if (r->error_code) return;
    cached->told = (struct fetch_told){r->high_watermark, r->last_stable_offset,
                                       r->log_start_offset};
}

static bool is_same_want(const struct fetch *fetch, const struct fetch_want *a,
                         const struct fetch_want *b)
{
    return fetch->uses_ids ? uuid_eq(a->topic_id, b->topic_id) : view_eq(a->topic, b->topic);
}

static bool is_same_topic(const struct fetch *fetch, const struct fetch_response_topic *topic,
                          const struct fetch_want *want)
{
    struct fetch_want told = {.topic = topic->topic, .topic_id = topic->topic_id};
    return is_same_want(fetch, &told, want);
}

/* At most so many entries has the reply: one a run of items of the same topic. */
static size_t topic_count(const struct fetch *fetch)
{
    size_t count = 0;
    for (size_t i = 0; i < fetch->count; i++)
        count += i == 0 || fetch->is_incremental ||
                 !is_same_want(fetch, &fetch->items[i - 1].want, &fetch->items[i].want);
    return count;
}

/* The items that are to be told, grouped by topic where they stand side by side. */
static err_t fill_response(struct fetch *fetch, struct fetch_response *response)
{
    struct arena *arena = &fetch->rq->arena;
    struct fetch_response_partition *results = CODEC_NEW(arena, fetch_response_partition,
                                                         fetch->count);
    response->responses = CODEC_NEW(arena, fetch_response_topic, topic_count(fetch));
    if (!results || !response->responses) return ERR_NOMEM;
    struct fetch_response_topic *topic = NULL;
    for (size_t i = 0; i < fetch->count; i++) {
        struct fetch_item *item = &fetch->items[i];
        if (fetch->is_incremental && !is_news(item)) continue;
        item->result.records.data = view_of("", 0);
        if (item->slice.len > 0) {
            item->result.records.file = &item->slice;
            item->result.records.file_bytes = item->slice.len;
        }
        if (!topic || !is_same_topic(fetch, topic, &item->want)) {
            topic = &response->responses[response->responses_count++];
            topic->topic = item->want.topic;
            topic->topic_id = item->want.topic_id;
            topic->partitions = results;
        }
        *results++ = item->result;
        topic->partitions_count++;
    }
    return OK;
}

/* Remembers what the client is being told; a new session begins here. */
static void update_told(struct fetch *fetch)
{
    struct fetch_sessions *sessions = fetch->rq->broker->sessions;
    if (fetch->wants_session && fetch->count > 0)
        fetch->session = fetch_sessions_create(sessions, fetch->uses_ids);
    if (!fetch->session) return;
    for (size_t i = 0; i < fetch->count; i++) {
        struct fetch_item *item = &fetch->items[i];
        if (!item->cached) item->cached = fetch_session_set(sessions, fetch->session, &item->want);
        if (!item->cached) {
            fetch_sessions_close(sessions, fetch->session->id);
            break;
        }
        if (fetch->is_incremental && !is_news(item)) continue;
        note_told(item->cached, &item->result);
        if (item->slice.len > 0) fetch_session_rotate(fetch->session, item->cached);
    }
}

static void disarm(struct fetch *fetch);

static void answer(struct fetch *fetch)
{
    struct request *rq = fetch->rq;
    struct fetch_response response;
    disarm(fetch);
    CODEC_DEFAULT(fetch_response, &response);
    err_t err = fill_response(fetch, &response);
    if (!err) update_told(fetch);
    if (fetch->session) {
        int32_t id = fetch->session->id;
        if (fetch_sessions_release(rq->broker->sessions, fetch->session)) response.session_id = id;
        fetch->session = NULL;
    }
    request_ref(rq);
    if (err)
        request_refuse(rq, "no memory for its reply");
    else
        request_reply_with_slices(rq, &response);
    release_slices(fetch); /* those that found no way into the reply */
    request_unref(rq);
}

/* ---- waiting ---- */

static void news_run(struct task *task);

static void unwatch_all(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) partition_unwatch(&fetch->items[i].watch);
}

static void arm(struct fetch *fetch)
{
    struct request *rq = fetch->rq;
    waiter_init(&fetch->waiter, rq->client->context->loop, news_run);
    fetch->is_armed = true;
    request_ref(rq);
    for (size_t i = 0; i < fetch->count; i++) {
        struct partition *p = find(fetch, &fetch->items[i]);
        if (p) partition_watch(p, &fetch->items[i].watch, &fetch->waiter);
        partition_unref(p);
    }
}

/* Timer, watches and waiter are no more, except for a task that is on its way: it finds that the
 * request is not armed, and gives its reference back. */
static void disarm(struct fetch *fetch)
{
    struct request *rq = fetch->rq;
    if (timer_is_started(&fetch->timer)) timer_stop(rq->client->context->loop, &fetch->timer);
    if (fetch->parked_bytes) atomic_fetch_sub(&rq->broker->parked_bytes, fetch->parked_bytes);
    fetch->parked_bytes = 0;
    if (!fetch->is_armed) return;
    unwatch_all(fetch);
    fetch->is_armed = false;
    if (waiter_cancel(&fetch->waiter)) request_unref(rq);
}

static void news_run(struct task *task)
{
    struct waiter *waiter = CONTAINER_OF(task, struct waiter, task);
    struct fetch *fetch = CONTAINER_OF(waiter, struct fetch, waiter);
    struct request *rq = fetch->rq;
    if (fetch->is_armed) {
        unwatch_all(fetch);
        fetch->is_armed = false;
        arm(fetch);
        if (attempt(fetch)) answer(fetch);
    }
    request_unref(rq);
}

static void expired(struct timer *timer)
{
    struct fetch *fetch = CONTAINER_OF(timer, struct fetch, timer);
    fetch->is_expired = true;
    attempt(fetch);
    answer(fetch);
}

static void connection_gone(struct request *rq)
{
    struct fetch *fetch = rq->state;
    disarm(fetch);
    release_slices(fetch);
    if (fetch->session) fetch_sessions_release(rq->broker->sessions, fetch->session);
    fetch->session = NULL;
    request_no_reply(rq);
}

/* Names of the request's own, since the frame goes. */
static err_t copy_names(struct fetch *fetch)
{
    struct view last = {NULL, 0}, copied = {NULL, 0};
    if (fetch->uses_ids || fetch->is_incremental) return OK; /* none, or the session's */
    for (size_t i = 0; i < fetch->count; i++) {
        struct view *name = &fetch->items[i].want.topic;
        if (name->data != last.data) {
            char *copy = arena_strndup(&fetch->rq->arena, name->data, name->len);
            if (!copy) return ERR_NOMEM;
            last = *name;
            copied = view_of(copy, name->len);
        }
        *name = copied;
    }
    return OK;
}

static void wait_for_news(struct fetch *fetch)
{
    struct request *rq = fetch->rq;
    struct loop *loop = rq->client->context->loop;
    if (!request_may_park(rq) || copy_names(fetch) != OK) {
        answer(fetch);
        return;
    }
    request_park(rq);
    request_hold(rq);
    rq->cancel = connection_gone;
    fetch->parked_bytes = (int64_t)rq->arena.used_bytes;
    atomic_fetch_add(&rq->broker->parked_bytes, fetch->parked_bytes);
    fetch->timer.fire = expired;
    timer_start(loop, &fetch->timer, loop_now_ns(loop) + (int64_t)fetch->max_wait_ms * 1000000);
    arm(fetch);
    if (attempt(fetch)) answer(fetch);
}

/* ---- the handler ---- */

static void reply_with_error(struct request *rq, enum kafka_error error)
{
    struct fetch_response response;
    CODEC_DEFAULT(fetch_response, &response);
    response.error_code = (int16_t)error;
    request_reply(rq, &response);
}

static void set_limits(struct fetch *fetch, const struct fetch_request *body)
{
    size_t most = (size_t)fetch->rq->broker->settings->fetch_max_bytes;
    fetch->max_bytes = MIN((size_t)MAX(body->max_bytes, 0), most);
    fetch->min_bytes = MIN((size_t)MAX(body->min_bytes, 0), fetch->max_bytes);
    fetch->max_wait_ms = body->max_wait_ms;
    fetch->read_committed = body->isolation_level != 0;
    fetch->uses_ids = request_version(fetch->rq) >= VERSION_IDS;
}

void handle_fetch(struct request *rq)
{
    const struct fetch_request *body = rq->body;
    struct fetch *fetch = arena_alloc(&rq->arena, sizeof *fetch);
    if (!fetch) {
        request_refuse(rq, "no memory for its partitions");
        return;
    }
    rq->state = fetch;
    fetch->rq = rq;
    set_limits(fetch, body);
    enum kafka_error error = choose_session(fetch, body);
    if (error) {
        reply_with_error(rq, error);
        return;
    }
    err_t err = fetch->session ? items_of_session(fetch) : items_of_request(fetch, body);
    if (err) {
        if (fetch->session) fetch_sessions_release(rq->broker->sessions, fetch->session);
        request_refuse(rq, "no memory for its partitions");
        return;
    }
    if (attempt(fetch))
        answer(fetch);
    else
        wait_for_news(fetch);
}
