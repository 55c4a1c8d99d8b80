/* A request's end, its parking, and its trips to a worker.
 *
 *   handler --> request_reply --> encoded into rq->out --> conn (the reply borrows rq->out)
 *                                                           `--> done --> recycled
 *
 * The reply is the connection's until its bytes are gone; the request's memory goes with the last
 * of its references, which is usually that one. Nothing is allocated on this way once a request
 * object has served before: the arena keeps a chunk, the buffer its memory.
 */
#include "request.h"

#include "base/check.h"
#include "base/diag.h"
#include "broker.h"
#include "dispatch.h"
#include "protocol/frame.h"

enum {
    PARKED_BYTES_MAX = 24 << 20,  /* of parked requests together; beyond it they wait no more */
    ARENA_KEPT_BYTES = 16 << 10,  /* of an answered request */
    LARGE_REPLY_BYTES = 64 << 10, /* in work until it is sent */
};

void request_ref(struct request *rq) { rq->refs++; }

void request_unref(struct request *rq)
{
    CHECK(rq->refs > 0);
    if (--rq->refs == 0) dispatch_recycle(rq);
}

void request_count_work(struct request *rq, int64_t bytes)
{
    int64_t delta = bytes - rq->work_bytes;
    rq->work_bytes = bytes;
    if (delta) dispatch_count_work(rq->client, delta);
}

/* Called by the connection when the reply's bytes are in the socket, or never will be. */
static void reply_done(struct reply *reply, bool delivered)
{
    struct request *rq = CONTAINER_OF(reply, struct request, reply);
    (void)delivered;
    chain_release(&rq->reply.chain);
    request_count_work(rq, 0);
    request_unref(rq);
}

/* Hands over whatever is in the chain; an empty one means that nothing is sent. */
static void end(struct request *rq)
{
    struct client *client = rq->client;
    CHECK(!rq->is_answered);
    rq->is_answered = true;
    rq->cancel = NULL;
    rq->reply.done = reply_done;
    client->open_count--;
    if (rq->holds_conn) {
        rq->holds_conn = false;
        client->holds--;
        conn_release_hold(rq->conn);
    }
    client->refs++; /* it may go with the request */
    /* The reply may have to wait for a slow reader, and needs nothing but its bytes. */
    if (rq->refs == 2 && rq->arena.used_bytes > ARENA_KEPT_BYTES) arena_release(&rq->arena);
    size_t reply_bytes = rq->out.cap + rq->holes.count * 2 * sizeof(struct chain_piece);
    bool is_large = reply_bytes >= LARGE_REPLY_BYTES && chain_left(&rq->reply.chain) > 0;
    request_count_work(rq, is_large ? (int64_t)reply_bytes : 0);
    if (is_large) dispatch_watch_reply(rq);
    conn_reply(rq->conn, &rq->reply);
    request_unref(rq); /* the handler's */
    dispatch_answered(client);
}

void request_no_reply(struct request *rq) { end(rq); }

void request_refuse(struct request *rq, const char *why)
{
    diag(DIAG_WARN, "dispatch", "request refused, closing: %s peer=%s api=%s version=%d", why,
         conn_peer(rq->conn), rq->header.api ? rq->header.api->name : "?", request_version(rq));
    conn_close(rq->conn, NULL, true);
    end(rq);
}

static size_t hole_bytes(const struct codec_holes *holes)
{
    size_t total = 0;
    for (size_t i = 0; i < holes->count; i++) total += holes->items[i].file_bytes;
    return total;
}

static err_t encode(struct request *rq, const void *response)
{
    const struct request_header *h = &rq->header;
    size_t start;
    buf_clear(&rq->out);
    rq->holes.count = 0;
    TRY(frame_begin(&rq->out, &start));
    TRY(response_header_encode(h->api, h->api_version, h->correlation_id, &rq->out));
    TRY(codec_encode(h->api->response, h->api_version, response, &rq->out, &rq->holes));
    return frame_end(&rq->out, start, hole_bytes(&rq->holes));
}

/* The encoded bytes and the slices between them, as pieces of the reply. Slices that were taken
 * over are empty afterwards. */
static err_t fill_chain(struct request *rq)
{
    size_t at = 0;
    err_t err = OK;
    for (size_t i = 0; i < rq->holes.count; i++) {
        struct codec_hole *hole = &rq->holes.items[i];
        struct view before = view_of(rq->out.data + at, hole->position - at);
        if (before.len && !err) err = chain_add_static(&rq->reply.chain, before);
        at = hole->position;
        struct slice *slice = hole->file;
        if (err) continue;
        err = chain_add_slice(&rq->reply.chain, slice);
        *slice = (struct slice){0};
    }
    struct view rest = view_of(rq->out.data + at, rq->out.len - at);
    if (rest.len && !err) err = chain_add_static(&rq->reply.chain, rest);
    return err;
}

void request_reply_with_slices(struct request *rq, const void *response)
{
    err_t err = encode(rq, response);
    if (!err) err = fill_chain(rq);
    if (!err) {
        end(rq);
        return;
    }
    chain_release(&rq->reply.chain);
    diag(DIAG_ERROR, "dispatch", "response cannot be sent, closing: %s peer=%s api=%s version=%d",
         err_name(err), conn_peer(rq->conn), rq->header.api->name, request_version(rq));
    conn_close(rq->conn, NULL, true);
    end(rq);
}

void request_reply(struct request *rq, const void *response)
{
    request_reply_with_slices(rq, response);
}

void request_reply_encoded(struct request *rq, struct view body)
{
    size_t start;
    buf_clear(&rq->out);
    rq->holes.count = 0;
    err_t err = frame_begin(&rq->out, &start);
    if (!err)
        err = response_header_encode(rq->header.api, request_version(rq), rq->header.correlation_id,
                                     &rq->out);
    if (!err) err = buf_append(&rq->out, body.data, body.len);
    if (!err) err = frame_end(&rq->out, start, 0);
    if (!err) err = fill_chain(rq);
    if (err) conn_close(rq->conn, "no memory for a response", true);
    end(rq);
}

/* ---- parking ---- */

err_t request_decode(struct request *rq)
{
    struct reader r = reader_of(rq->frame);
    TRY(request_header_decode(&r, &rq->header));
    const struct message *m = rq->header.api->request;
    rq->body = arena_alloc(&rq->arena, m->root->size);
    if (!rq->body) return ERR_NOMEM;
    return codec_decode(m, rq->header.api_version, &r, &rq->arena, rq->body);
}

void request_park(struct request *rq)
{
    if (rq->is_kept) return;
    rq->frame = (struct view){NULL, 0};
    rq->header.client_id = (struct view){NULL, 0};
    rq->body = NULL;
}

err_t request_keep(struct request *rq)
{
    if (rq->is_kept) return OK;
    buf_clear(&rq->kept);
    err_t err = buf_append(&rq->kept, rq->frame.data, rq->frame.len);
    if (!err) {
        rq->frame = buf_view(&rq->kept);
        rq->is_kept = true;
        err = request_decode(rq);
        /* What it has by now, and about as much again for what it will have to say. */
        request_count_work(rq, (int64_t)(rq->kept.len + 2 * rq->arena.used_bytes));
    }
    if (err) request_refuse(rq, "no memory to keep it");
    return err;
}

void request_hold(struct request *rq)
{
    if (rq->holds_conn) return;
    rq->holds_conn = true;
    rq->client->holds++;
    conn_hold(rq->conn);
}

bool request_may_park(struct request *rq)
{
    return atomic_load_explicit(&rq->broker->parked_bytes, memory_order_relaxed) < PARKED_BYTES_MAX;
}

/* ---- to a worker and back ---- */

static void back_run(struct task *task)
{
    struct request *rq = CONTAINER_OF(task, struct request, task);
    rq->then(rq);
}

static void work_run(struct task *task)
{
    struct request *rq = CONTAINER_OF(task, struct request, task);
    struct loop *loop = rq->client->context->loop;
    rq->work(rq);
    rq->task.run = back_run;
    loop_post(loop, &rq->task);
}

void request_offload(struct request *rq, void (*fn)(struct request *rq),
                     void (*then)(struct request *rq))
{
    if (request_keep(rq) != OK) return;
    request_hold(rq);
    rq->work = fn;
    rq->then = then;
    rq->task.run = work_run;
    worker_submit(rq->broker->admin, &rq->task);
}

void request_post(struct request *rq, void (*then)(struct request *rq))
{
    rq->then = then;
    rq->task.run = back_run;
    loop_post(rq->client->context->loop, &rq->task);
}

bool request_is_allowed(const struct request *rq, int operation, int resource_type,
                        struct view resource)
{
    (void)rq;
    (void)operation;
    (void)resource_type;
    (void)resource;
    return true;
}
