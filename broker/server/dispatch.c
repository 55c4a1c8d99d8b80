/* From a frame to its handler.
 *
 * Happy path: header, version, a request object, its place in the order of replies, the body, the
 * handler. Produce requests are gathered in the loop's run until the burst is over or a frame of
 * another kind comes; then the run appends them, one write a partition, and answers.
 * Waiting: a frame behind a Produce that waits for its commit is copied and handled when everything
 * before it is answered, except another Produce; the connection is held meanwhile. Handlers that
 * wait hold it themselves.
 * Refusal: malformed headers and bodies, unknown keys and versions close the connection after what
 * was answered before, with one line for the operator.
 * Closing: requests that wait for something that may never come are cancelled; the others come to
 * their end, and their replies are dropped.
 */
#include "dispatch.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/mutex.h"
#include "broker.h"
#include "versions.h"

enum {
    FREE_MAX = 128,                /* recycled requests a loop */
    KEEP_BYTES = 16 << 10,         /* memory that a recycled request may keep */
    ARENA_BYTES_MIN = 1 << 20,     /* what any request may take */
    ARENA_BYTES_MAX = 64 << 20,    /* and the largest */
    ARENA_BYTES_A_FRAME_BYTE = 32, /* between them */
    WORK_BYTES_MAX = 16 << 20,     /* in work; then large frames wait */
    LARGE_FRAME = 8 << 10,
    WORK_BYTES_A_FRAME_BYTE = 16, /* in work, as long as it is not known better */
};

struct dispatch {
    struct broker *broker;
    struct conn_service service;
    _Atomic int64_t work_bytes;
    struct mutex queue_lock; /* RANK_LEAF */
    struct list queue;       /* clients, one reference each, their connections held */
    struct loop_context *contexts;
    int count;
};

/* So long may a large reply lie unread while memory is short; looked at every second. */
static const int64_t UNSENT_NS = INT64_C(20) * 1000000000, REAP_NS = 1000000000;

static const struct principal anonymous = {"User:ANONYMOUS"};

/* ---- requests ---- */

static struct request *take_request(struct client *client, struct view frame)
{
    struct loop_context *context = client->context;
    struct request *rq;
    if (list_is_empty(&context->free)) {
        rq = calloc(1, sizeof *rq);
        if (!rq) return NULL;
        list_init(&rq->link);
        list_init(&rq->unsent);
    } else {
        rq = CONTAINER_OF(context->free.next, struct request, link);
        list_remove(&rq->link);
        context->free_count--;
    }
    size_t bytes = frame.len * ARENA_BYTES_A_FRAME_BYTE;
    rq->arena.limit_bytes = MIN(MAX(bytes, (size_t)ARENA_BYTES_MIN), (size_t)ARENA_BYTES_MAX);
    rq->broker = context->dispatch->broker;
    rq->client = client;
    rq->conn = client->conn;
    rq->frame = frame;
    rq->principal = anonymous;
    rq->refs = 2; /* the handler's and the reply's */
    client->refs++;
    return rq;
}

static void client_unref(struct client *client)
{
    if (--client->refs > 0) return;
    CHECK(client->is_closed && list_is_empty(&client->requests));
    list_remove(&client->link);
    free(client);
}

static void free_request(struct request *rq)
{
    arena_release(&rq->arena);
    buf_release(&rq->out);
    buf_release(&rq->kept);
    codec_holes_release(&rq->holes);
    free(rq);
}

static void keep_small(struct buf *buf)
{
    if (buf->cap > KEEP_BYTES) buf_release(buf);
    buf_clear(buf);
}

void dispatch_recycle(struct request *rq)
{
    struct client *client = rq->client;
    struct loop_context *context = client->context;
    list_remove(&rq->link);
    list_remove(&rq->unsent);
    if (context->free_count >= FREE_MAX) {
        free_request(rq);
    } else {
        if (rq->arena.used_bytes > KEEP_BYTES)
            arena_release(&rq->arena);
        else
            arena_clear(&rq->arena);
        keep_small(&rq->out);
        keep_small(&rq->kept);
        struct request fresh = {
            .arena = rq->arena, .out = rq->out, .kept = rq->kept, .holes = rq->holes};
        *rq = fresh;
        list_init(&rq->unsent);
        list_push_front(&context->free, &rq->link);
        context->free_count++;
    }
    client_unref(client);
}

/* ---- refusing ---- */

/* For frames that never became a request with a handler. */
static void refuse(struct request *rq, const char *why)
{
    diag(DIAG_WARN, "dispatch", "%s, closing the connection peer=%s key=%d version=%d", why,
         conn_peer(rq->conn), rq->header.api_key, rq->header.api_version);
    conn_close(rq->conn, NULL, true);
    dispatch_recycle(rq);
}

static const char *malformed(err_t err)
{
    switch (err) {
    case ERR_LIMIT: return "request has too many elements";
    case ERR_NOMEM: return "request needs too much memory";
    default: return "malformed request";
    }
}

/* ---- handling ---- */

static void run_handler(struct request *rq, const struct api_offer *offer)
{
    err_t err = request_decode(rq);
    if (err) {
        request_refuse(rq, malformed(err));
        return;
    }
    offer->handler(rq);
}

/* Until everything before it is answered. */
static void defer(struct request *rq)
{
    struct client *client = rq->client;
    CHECK(!client->deferred);
    if (buf_append(&rq->kept, rq->frame.data, rq->frame.len) != OK) {
        request_refuse(rq, "no memory to let it wait");
        return;
    }
    rq->frame = buf_view(&rq->kept);
    rq->is_kept = true;
    client->deferred = rq;
    request_hold(rq);
}

void dispatch_answered(struct client *client)
{
    struct request *rq = client->deferred;
    if (rq && client->open_count == 1) {
        client->deferred = NULL;
        if (client->is_closed)
            request_no_reply(rq);
        else
            run_handler(rq, versions_find(rq->header.api_key));
    }
    client_unref(client);
}

/* ---- work in progress ---- */

static bool is_overworked(const struct dispatch *dispatch)
{
    return atomic_load(&dispatch->work_bytes) > WORK_BYTES_MAX;
}

static void wake_run(struct task *task);

/* Lets the first of the queue try again; from any loop. */
static void wake_next(struct dispatch *dispatch)
{
    mutex_lock(&dispatch->queue_lock);
    struct client *client = NULL;
    if (!list_is_empty(&dispatch->queue)) {
        client = CONTAINER_OF(dispatch->queue.next, struct client, queued);
        list_remove(&client->queued);
    }
    mutex_unlock(&dispatch->queue_lock);
    if (client) loop_post(client->context->loop, &client->wake_task);
}

/* Its frame comes again, and is judged again. The next one is woken as well: this one may be
 * closed, or need no memory; whoever finds too much in work queues up again. */
static void wake_run(struct task *task)
{
    struct client *client = CONTAINER_OF(task, struct client, wake_task);
    struct dispatch *dispatch = client->context->dispatch;
    conn_release_hold(client->conn);
    conn_unref(client->conn);
    client_unref(client);
    if (!is_overworked(dispatch)) wake_next(dispatch);
}

void dispatch_count_work(struct client *client, int64_t bytes)
{
    struct dispatch *dispatch = client->context->dispatch;
    atomic_fetch_add(&dispatch->work_bytes, bytes);
    if (bytes < 0 && !is_overworked(dispatch)) wake_next(dispatch);
}

/* The frame stays where it is, until somebody takes the client from the list and wakes it. */
static void hold_back(struct client *client, struct list *list)
{
    conn_hold(client->conn);
    conn_put_back(client->conn);
    conn_ref(client->conn);
    client->refs++;
    client->wake_task.run = wake_run;
    list_push_back(list, &client->queued);
}

static void queue_up(struct dispatch *dispatch, struct client *client)
{
    mutex_lock(&dispatch->queue_lock);
    hold_back(client, &dispatch->queue);
    mutex_unlock(&dispatch->queue_lock);
    /* The last of the others may have ended in between. */
    if (!is_overworked(dispatch)) wake_next(dispatch);
}

/* The next turn of the loop: one of those that had to wait. */
static void next_turn(struct timer *timer)
{
    struct loop_context *context = CONTAINER_OF(timer, struct loop_context, turn);
    context->has_had_large = false;
    if (list_is_empty(&context->later)) return;
    struct client *client = CONTAINER_OF(context->later.next, struct client, queued);
    list_remove(&client->queued);
    timer_start(context->loop, timer, loop_now_ns(context->loop));
    conn_release_hold(client->conn);
    conn_unref(client->conn);
    client_unref(client);
}

/* True: a large frame has to wait, because there is much in work or another one had this turn. */
static bool has_to_wait(struct client *client, struct view frame)
{
    struct loop_context *context = client->context;
    if (frame.len < LARGE_FRAME) return false;
    int16_t key = (int16_t)be16_get(frame.data);
    if (key == API_PRODUCE) return false;
    if (is_overworked(context->dispatch)) {
        queue_up(context->dispatch, client);
        return true;
    }
    if (context->has_had_large) {
        hold_back(client, &context->later);
        return true;
    }
    context->has_had_large = true;
    timer_start(context->loop, &context->turn, loop_now_ns(context->loop));
    return false;
}

/* ---- replies that nobody takes ---- */

static void reap(struct timer *timer)
{
    struct loop_context *context = CONTAINER_OF(timer, struct loop_context, reaper);
    int64_t now = loop_now_ns(context->loop);
    LIST_EACH (link, &context->unsent) {
        struct request *rq = CONTAINER_OF(link, struct request, unsent);
        if (!is_overworked(context->dispatch) || now - rq->answered_ns < UNSENT_NS) break;
        if (!conn_is_open(rq->conn)) continue;
        diag(DIAG_WARN, "dispatch",
             "a large reply is not being read while memory is short, closing peer=%s api=%s",
             conn_peer(rq->conn), rq->header.api->name);
        conn_close(rq->conn, NULL, false);
    }
    if (!list_is_empty(&context->unsent)) timer_start(context->loop, timer, now + REAP_NS);
}

void dispatch_watch_reply(struct request *rq)
{
    struct loop_context *context = rq->client->context;
    rq->answered_ns = loop_now_ns(context->loop);
    list_push_back(&context->unsent, &rq->unsent);
    if (timer_is_started(&context->reaper)) return;
    timer_start(context->loop, &context->reaper, rq->answered_ns + REAP_NS);
}

/* A place in the order of replies. */
static void open_request(struct request *rq)
{
    struct client *client = rq->client;
    conn_expect(rq->conn, &rq->reply);
    list_push_back(&client->requests, &rq->link);
    client->open_count++;
}

static void handle(struct client *client, struct view frame)
{
    struct request *rq = take_request(client, frame);
    if (!rq) {
        conn_close(client->conn, "no memory for a request", true);
        return;
    }
    struct reader r = reader_of(frame);
    err_t err = request_header_decode(&r, &rq->header);
    if (err && err != ERR_UNSUPPORTED) {
        refuse(rq, "malformed request header");
        return;
    }
    int version = rq->header.api_version;
    bool is_produce = rq->header.api_key == API_PRODUCE;
    if (!is_produce) produce_run_flush(&client->context->run);
    const struct api_offer *offer = versions_find(rq->header.api_key);
    bool is_offered = offer && version >= offer->version_min && version <= offer->version_max;
    if (!err && !is_offered && rq->header.api_key == API_API_VERSIONS) {
        open_request(rq);
        offer->handler(rq); /* knows what to say, and does not need the body */
        return;
    }
    if (err || !is_offered) {
        refuse(rq, offer ? "unknown version of an API" : "unknown API");
        return;
    }
    open_request(rq);
    if (!is_produce && frame.len >= LARGE_FRAME)
        request_count_work(rq, (int64_t)frame.len * WORK_BYTES_A_FRAME_BYTE);
    if (!is_produce && client->open_count > 1)
        defer(rq);
    else
        run_handler(rq, offer);
}

/* ---- the service ---- */

static struct loop_context *context_of(struct dispatch *dispatch, const struct loop *loop)
{
    for (int i = 0; i < dispatch->count; i++)
        if (dispatch->contexts[i].loop == loop) return &dispatch->contexts[i];
    CHECK(!"a connection on a loop of another server");
    return NULL;
}

static void *on_opened(void *arg, struct conn *conn)
{
    struct dispatch *dispatch = arg;
    struct client *client = calloc(1, sizeof *client);
    if (!client) {
        conn_close(conn, "no memory for a connection", false);
        return NULL;
    }
    client->context = context_of(dispatch, conn_loop(conn));
    client->conn = conn;
    client->refs = 1;
    list_init(&client->requests);
    list_init(&client->queued);
    list_push_back(&client->context->clients, &client->link);
    return client;
}

static void on_frame(void *arg, struct conn *conn, struct view frame)
{
    (void)arg;
    struct client *client = conn_user(conn);
    if (!client) return;
    client->refs++;
    bool is_put_back = has_to_wait(client, frame);
    if (!is_put_back) handle(client, frame);
    /* The bytes of a burst go when this returns, if the connection is held or closed. */
    if (is_put_back || client->holds || !conn_is_open(conn))
        produce_run_flush(&client->context->run);
    client_unref(client);
}

static void on_burst_end(void *arg, struct conn *conn)
{
    (void)arg;
    struct client *client = conn_user(conn);
    if (client) produce_run_flush(&client->context->run);
}

/* A cancelled request may free others on its way: the walk starts again after each. */
static void cancel_all(struct client *client)
{
    for (bool again = true; again;) {
        again = false;
        LIST_EACH (link, &client->requests) {
            struct request *rq = CONTAINER_OF(link, struct request, link);
            if (!rq->cancel) continue;
            void (*cancel)(struct request *) = rq->cancel;
            rq->cancel = NULL;
            cancel(rq);
            again = true;
            break;
        }
    }
}

static void on_closed(void *arg, struct conn *conn)
{
    (void)arg;
    struct client *client = conn_user(conn);
    if (!client) return;
    client->is_closed = true;
    cancel_all(client);
    if (client->deferred && client->open_count == 1) {
        client->refs++;
        dispatch_answered(client);
    }
    client_unref(client);
}

/* ---- life ---- */

err_t dispatch_new(struct broker *broker, struct dispatch **out)
{
    struct dispatch *dispatch = calloc(1, sizeof *dispatch);
    if (!dispatch) return ERR_NOMEM;
    dispatch->broker = broker;
    mutex_init(&dispatch->queue_lock, RANK_LEAF);
    list_init(&dispatch->queue);
    dispatch->count = server_loop_count(broker->server);
    dispatch->contexts = calloc((size_t)dispatch->count, sizeof *dispatch->contexts);
    if (!dispatch->contexts) {
        free(dispatch);
        return ERR_NOMEM;
    }
    for (int i = 0; i < dispatch->count; i++) {
        struct loop_context *context = &dispatch->contexts[i];
        context->dispatch = dispatch;
        context->loop = server_loop(broker->server, i);
        produce_run_init(&context->run, broker->partitions);
        list_init(&context->clients);
        list_init(&context->free);
        list_init(&context->later);
        context->turn.fire = next_turn;
        list_init(&context->unsent);
        context->reaper.fire = reap;
    }
    dispatch->service = (struct conn_service){
        .arg = dispatch,
        .opened = on_opened,
        .frame = on_frame,
        .burst_end = on_burst_end,
        .closed = on_closed,
    };
    *out = dispatch;
    return OK;
}

/* Requests that were on a worker or with a partition when the loops ended: nobody is left to bring
 * them back. */
static void drop_client(struct client *client)
{
    LIST_EACH_SAFE (link, &client->requests) {
        struct request *rq = CONTAINER_OF(link, struct request, link);
        list_remove(link);
        chain_release(&rq->reply.chain);
        free_request(rq);
    }
    list_remove(&client->link);
    free(client);
}

void dispatch_free(struct dispatch *dispatch)
{
    if (!dispatch) return;
    for (int i = 0; i < dispatch->count; i++) {
        struct loop_context *context = &dispatch->contexts[i];
        timer_stop(context->loop, &context->turn);
        timer_stop(context->loop, &context->reaper);
        LIST_EACH_SAFE (link, &context->clients) {
            drop_client(CONTAINER_OF(link, struct client, link));
        }
        LIST_EACH_SAFE (free_link, &context->free) {
            free_request(CONTAINER_OF(free_link, struct request, link));
        }
        produce_run_release(&context->run);
    }
    mutex_destroy(&dispatch->queue_lock);
    free(dispatch->contexts);
    free(dispatch);
}

const struct conn_service *dispatch_service(struct dispatch *dispatch)
{
    return &dispatch->service;
}
