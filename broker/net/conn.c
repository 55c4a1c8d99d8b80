/* Life of a connection, and what it waits for.
 *
 * Happy path: the listener accepts (conn_new), the loop it was given to opens it (conn_start),
 * events and the shard's dirty list drive conn_attend() until conn_close() or an error; finish()
 * gives the socket back and tells the service; the memory goes with the last reference.
 *
 * References: one of the poll handle until libuv let go of it, one of each reply that is expected,
 * one of the dirty list, one of a cold read, and those that the service takes.
 *
 * Interest: the poll handle is told only when it has to wait for something new, since each change
 * costs system calls. Reading is switched off lazily, when the socket is readable and nobody wants
 * it: most holds are over before the next bytes come.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "conn_internal.h"

/* ---- references, the dirty list ---- */

void conn_ref(struct conn *conn) { conn->refs++; }

void conn_unref(struct conn *conn)
{
    CHECK(conn->refs > 0);
    if (--conn->refs > 0) return;
    CHECK(conn->state == CONN_CLOSED && !conn->has_handle);
    free(conn->window);
    free(conn);
}

void conn_touch(struct conn *conn)
{
    struct shard *shard = conn->shard;
    if (!list_is_empty(&conn->dirty)) return;
    conn_ref(conn);
    if (list_is_empty(&shard->dirty)) loop_post(shard->loop, &shard->dirty_task);
    list_push_back(&shard->dirty, &conn->dirty);
}

static void touch_unless_busy(struct conn *conn)
{
    if (!conn->is_busy) conn_touch(conn);
}

/* ---- interest ---- */

bool conn_wants_read(const struct conn *conn)
{
    if (conn->state == CONN_LINGERING) return true;
    return conn->state == CONN_OPEN && conn->holds == 0 && !conn->is_crowded &&
           list_is_empty(&conn->waiting);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = poll->data;
    if (status < 0) { /* libuv has stopped the handle */
        conn->events = 0;
        conn_close(conn, "connection lost", false);
        return;
    }
    conn->is_busy = true;
    if (events & UV_WRITABLE) conn->is_blocked = false;
    if (events & UV_READABLE) {
        if (conn->state == CONN_LINGERING) {
            conn_discard_input(conn);
        } else if (conn_wants_read(conn)) {
            conn_read(conn);
        } else {
            conn->is_unheard = true;
        }
    }
    conn->is_busy = false;
    conn_attend(conn);
}

static void update_interest(struct conn *conn)
{
    uint8_t events = conn->is_unheard ? 0 : conn->events & UV_READABLE;
    if (conn_wants_read(conn)) events = UV_READABLE;
    if (conn->is_blocked) events |= UV_WRITABLE;
    conn->is_unheard = false;
    if (events == conn->events) return;
    conn->events = events;
    if (events) {
        CHECK(uv_poll_start(&conn->poll, events, on_event) == 0);
    } else {
        uv_poll_stop(&conn->poll);
    }
}

void conn_note_activity(struct conn *conn)
{
    int64_t now = loop_coarse_ms(conn->shard->loop);
    if (now - conn->active_ms < conn->shard->activity_step_ms) return;
    conn->active_ms = now;
    list_remove(&conn->activity);
    list_push_back(&conn->shard->by_activity, &conn->activity);
}

/* ---- life ---- */

static void start_task_run(struct task *task)
{
    conn_start(CONTAINER_OF(task, struct conn, start_task));
}

err_t conn_new(struct shard *shard, const struct conn_origin *origin, int fd,
               const union address *peer, struct conn **out)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (!conn) return ERR_NOMEM;
    conn->shard = shard;
    conn->origin = origin;
    conn->transport = &transport_tcp;
    conn->fd = fd;
    conn->refs = 1;
    conn->low_water_mark = 1;
    conn->peer = *peer;
    address_text(peer, conn->peer_text);
    list_init(&conn->activity);
    list_init(&conn->dirty);
    list_init(&conn->waiting);
    list_init(&conn->lingering);
    list_init(&conn->replies);
    conn->start_task = (struct task){.run = start_task_run};
    atomic_fetch_add_explicit(&shard->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shard->shared->connections, 1, memory_order_relaxed);
    *out = conn;
    return OK;
}

static void handle_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    struct shard *shard = conn->shard;
    conn->has_handle = false;
    conn_unref(conn);
    shard->handles--;
    shard_check_quiet(shard);
}

/* The socket is given back; what follows is for those who still hold references. */
static void give_back(struct conn *conn)
{
    struct shard *shard = conn->shard;
    conn->state = CONN_CLOSED;
    close(conn->fd);
    conn->fd = -1;
    address_counts_remove(&shard->shared->addresses, &conn->peer);
    atomic_fetch_sub_explicit(&shard->connections, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&shard->shared->connections, 1, memory_order_relaxed);
}

void conn_start(struct conn *conn)
{
    struct shard *shard = conn->shard;
    if (shard->is_stopping || uv_poll_init(loop_uv(shard->loop), &conn->poll, conn->fd) != 0) {
        give_back(conn);
        conn_unref(conn);
        return;
    }
    conn->poll.data = conn;
    conn->has_handle = true;
    shard->handles++;
    conn->active_ms = loop_coarse_ms(shard->loop);
    list_push_back(&shard->by_activity, &conn->activity);
    if (!timer_is_started(&shard->idle_timer)) shard_watch_idle(shard);
    const struct conn_service *service = conn->origin->service;
    conn->is_busy = true;
    conn->user = service->opened(service->arg, conn);
    conn->is_busy = false;
    conn_attend(conn);
}

/* All replies are in the socket. */
static void end_draining(struct conn *conn)
{
    struct shard *shard = conn->shard;
    conn->state = CONN_DOOMED;
    if (conn->is_ended) return;
    shutdown(conn->fd, SHUT_WR);
    conn_discard_input(conn);
    if (shard->quiet) return; /* the server stops: nobody is waited for */
    conn->state = CONN_LINGERING;
    conn_release_input(conn);
    conn->linger_until_ms = loop_coarse_ms(shard->loop) + LINGER_MS;
    list_push_back(&shard->lingering, &conn->lingering);
    if (!timer_is_started(&shard->linger_timer)) shard_watch_lingering(shard);
}

static void finish(struct conn *conn)
{
    struct shard *shard = conn->shard;
    conn_release_input(conn);
    list_remove(&conn->lingering);
    list_remove(&conn->activity);
    if (list_is_empty(&shard->lingering)) timer_stop(shard->loop, &shard->linger_timer);
    if (list_is_empty(&shard->by_activity)) timer_stop(shard->loop, &shard->idle_timer);
    uv_close((uv_handle_t *)&conn->poll, handle_closed);
    give_back(conn);
    conn_drop_replies(conn);
    conn->origin->service->closed(conn->origin->service->arg, conn);
}

void conn_attend(struct conn *conn)
{
    conn_ref(conn);
    conn->is_busy = true;
    if (conn->state <= CONN_DRAINING) conn_flush(conn);
    if (conn_deliver_waiting(conn)) conn_touch(conn);
    if (conn->state == CONN_DRAINING && !conn_has_ready(conn)) end_draining(conn);
    conn->is_busy = false;
    switch (conn->state) {
    case CONN_OPEN:
    case CONN_DRAINING:
    case CONN_LINGERING: update_interest(conn); break;
    case CONN_DOOMED: finish(conn); break;
    case CONN_CLOSED: conn_drop_replies(conn); break;
    }
    conn_unref(conn);
}

/* ---- for the service ---- */

void conn_close(struct conn *conn, const char *why, bool after_replies)
{
    if (conn->state >= CONN_DOOMED || (after_replies && conn->state != CONN_OPEN)) return;
    if (why && conn->state == CONN_OPEN) {
        diag(DIAG_DEBUG, "net", "closing: %s peer=%s", why, conn->peer_text);
    }
    conn->state = after_replies ? CONN_DRAINING : CONN_DOOMED;
    touch_unless_busy(conn);
}

void conn_hold(struct conn *conn) { conn->holds++; }

void conn_put_back(struct conn *conn)
{
    CHECK(conn->holds > 0);
    conn->is_put_back = true;
}

void conn_release_hold(struct conn *conn)
{
    CHECK(conn->holds > 0);
    if (--conn->holds == 0) touch_unless_busy(conn);
}

void conn_expect(struct conn *conn, struct reply *reply)
{
    conn_ref(conn);
    reply->is_ready = false;
    list_push_back(&conn->replies, &reply->link);
    if (++conn->expected >= CONN_EXPECTED_MAX) conn->is_crowded = true;
}

void conn_reply(struct conn *conn, struct reply *reply)
{
    DCHECK(loop_is_current(conn->shard->loop));
    CHECK(!reply->is_ready);
    reply->is_ready = true;
    conn->ready_bytes += (int64_t)chain_left(&reply->chain);
    int64_t max = conn->shard->shared->options.max_reply_bytes;
    if (max > 0 && conn->ready_bytes > max) conn->is_crowded = true;
    if (conn->state == CONN_CLOSED || conn->replies.next == &reply->link) touch_unless_busy(conn);
}

bool conn_is_open(const struct conn *conn) { return conn->state == CONN_OPEN; }
void *conn_user(const struct conn *conn) { return conn->user; }
struct loop *conn_loop(const struct conn *conn) { return conn->shard->loop; }
const char *conn_peer(const struct conn *conn) { return conn->peer_text; }
const char *conn_listener(const struct conn *conn) { return conn->origin->name; }

static void ask_local_address(const struct conn *conn)
{
    struct conn *self = (struct conn *)conn; /* a cache, not state */
    socklen_t len = sizeof self->local;
    if (getsockname(conn->fd, &self->local.any, &len) != 0) self->local.any.sa_family = AF_UNSPEC;
    address_host(&self->local, self->local_host);
}

const char *conn_local_host(const struct conn *conn)
{
    if (!conn->local_host[0]) ask_local_address(conn);
    return conn->local_host;
}

int conn_local_port(const struct conn *conn)
{
    if (!conn->local_host[0]) ask_local_address(conn);
    return address_port(&conn->local);
}
