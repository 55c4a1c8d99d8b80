/* From the socket to whole frames.
 *
 * One read a readiness, as large as the socket has bytes for:
 *
 *   nothing kept, or little   kept bytes + socket -> the shard's scratch buffer; frames are
 *                             delivered where they lie; the rest is kept
 *   much of a frame kept      socket -> its missing bytes behind what is kept, and what follows it
 *                             -> scratch, in the same call
 *
 * So a byte is copied at most once on its way to the service, and only if it belongs to a frame
 * that was not whole. What is kept lies in a buffer of the connection that grows with the bytes
 * received: up to FIRST_BYTES are reserved at once (address space, not memory, until bytes come),
 * then it doubles.
 *
 * While a large frame is incomplete, the socket's low-water mark keeps the kernel from waking us
 * for every few segments; it is put back as soon as it is not needed, since a mark left set would
 * hide the next small frame for ever.
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/diag.h"
#include "conn_internal.h"

enum {
    /* Kept bytes below it are moved to the scratch buffer rather than read behind. */
    FEW_BYTES = 4096,
    FIRST_BYTES = 2 << 20,
    /* A frame that misses less wakes us as it likes. */
    MARK_MIN = 64 << 10,
    MARK_MAX = 256 << 10,
};

/* ---- the budget ---- */

/* Tells the budget what is kept now. */
static void recount(struct conn *conn)
{
    size_t kept = conn->in.end - conn->in.start;
    if (kept == conn->in.counted) return;
    int64_t delta = (int64_t)kept - (int64_t)conn->in.counted;
    conn->in.counted = kept;
    struct server_shared *shared = conn->shard->shared;
    if (budget_add(&shared->budget, delta)) shard_wake_waiting(shared);
}

static void drop_overdraft(struct conn *conn)
{
    struct shard *shard = conn->shard;
    struct budget *budget = &shard->shared->budget;
    if (atomic_load_explicit(&budget->overdraft, memory_order_relaxed) != conn) return;
    timer_stop(shard->loop, &shard->overdraft_timer);
    if (budget_drop_overdraft(budget, conn)) shard_wake_waiting(shard->shared);
}

enum admission { ADMIT, ADMIT_TIGHT /* only what the frame misses */, ADMIT_NOT };

static enum admission admit(struct conn *conn)
{
    struct budget *budget = &conn->shard->shared->budget;
    if (!budget_is_over(budget)) return ADMIT;
    /* Announced before looking again: whoever gives bytes back from here on wakes us. */
    atomic_fetch_add(&budget->waiting, 1);
    if (budget_is_over(budget) && !budget_take_overdraft(budget, conn)) {
        list_push_back(&conn->shard->waiting, &conn->waiting);
        return ADMIT_NOT;
    }
    atomic_fetch_sub(&budget->waiting, 1);
    if (atomic_load_explicit(&budget->overdraft, memory_order_relaxed) != conn) return ADMIT;
    if (!timer_is_started(&conn->shard->overdraft_timer)) shard_watch_overdraft(conn->shard);
    return ADMIT_TIGHT;
}

/* ---- frames ---- */

static void refuse(struct conn *conn, int32_t size)
{
    diag(DIAG_WARN, "net", "frame length not allowed, closing peer=%s bytes=%d max=%lld",
         conn->peer_text, size, (long long)conn->shard->shared->options.max_frame_bytes);
    conn_close(conn, NULL, true);
}

static bool may_deliver(const struct conn *conn)
{
    return conn->state == CONN_OPEN && conn->holds == 0 && !conn->is_crowded;
}

/* Delivers the whole frames at the start of [data, data + len); returns the bytes they took. */
static size_t deliver(struct conn *conn, const uint8_t *data, size_t len)
{
    const struct conn_service *service = conn->origin->service;
    int64_t max = conn->shard->shared->options.max_frame_bytes;
    size_t at = 0;
    while (len - at >= CONN_PREFIX_BYTES && may_deliver(conn)) {
        uint32_t size = be32_get(data + at);
        if (size > max) {
            refuse(conn, (int32_t)size);
            break;
        }
        if (len - at - CONN_PREFIX_BYTES < size) break;
        struct view frame = {data + at + CONN_PREFIX_BYTES, size};
        conn->burst++;
        service->frame(service->arg, conn, frame);
        if (conn->is_put_back) break;
        at += CONN_PREFIX_BYTES + size;
    }
    conn->is_put_back = false;
    return at;
}

static void end_burst(struct conn *conn)
{
    if (!conn->burst) return;
    shard_count_up(&conn->shard->frames, conn->burst);
    conn->burst = 0;
    const struct conn_service *service = conn->origin->service;
    service->burst_end(service->arg, conn);
    drop_overdraft(conn);
}

/* ---- what is kept ---- */

/* The bytes of the first frame in `data`, prefix included; 0: too few bytes to know. */
static size_t frame_total(const uint8_t *data, size_t len)
{
    return len < CONN_PREFIX_BYTES ? 0 : CONN_PREFIX_BYTES + (size_t)be32_get(data);
}

/* The bytes that the kept frame still misses; 0: not known, or there is none. */
static size_t frame_missing(const struct conn_input *in)
{
    size_t len = in->end - in->start;
    size_t total = len ? frame_total(in->buf.data + in->start, len) : 0;
    return total > len ? total - len : 0;
}

static void set_low_water_mark(struct conn *conn)
{
    if (!conn->transport->has_low_water_mark || conn->state != CONN_OPEN) return;
    size_t missing = frame_missing(&conn->in);
    int mark = missing < MARK_MIN ? 1 : (int)MIN(missing, (size_t)MARK_MAX);
    if (mark == conn->low_water_mark) return;
    conn->low_water_mark = mark;
    setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark);
}

static void empty_input(struct conn *conn)
{
    frame_pool_put(&conn->shard->pool, &conn->in.buf);
    conn->in.start = conn->in.end = 0;
}

/* Keeps bytes that could not be delivered; nothing is kept before. */
static void keep(struct conn *conn, const uint8_t *data, size_t len)
{
    if (!len || conn->state != CONN_OPEN) return;
    size_t first = MIN(frame_total(data, len), (size_t)FIRST_BYTES);
    if (frame_pool_get(&conn->shard->pool, MAX(len, first), &conn->in.buf) != OK) {
        conn_close(conn, "no memory for a frame", false);
        return;
    }
    memcpy(conn->in.buf.data, data, len);
    conn->in.end = len;
}

/* After anything that moved the input's ends. */
static void settle(struct conn *conn)
{
    recount(conn);
    set_low_water_mark(conn);
}

void conn_release_input(struct conn *conn)
{
    struct shard *shard = conn->shard;
    if (!list_is_empty(&conn->waiting)) {
        list_remove(&conn->waiting);
        atomic_fetch_sub(&shard->shared->budget.waiting, 1);
    }
    empty_input(conn);
    recount(conn);
    drop_overdraft(conn);
}

bool conn_deliver_waiting(struct conn *conn)
{
    struct conn_input *in = &conn->in;
    if (in->end - in->start < CONN_PREFIX_BYTES || !may_deliver(conn)) return false;
    size_t taken = deliver(conn, in->buf.data + in->start, in->end - in->start);
    end_burst(conn);
    if (!taken) return false;
    in->start += taken;
    if (in->start == in->end) empty_input(conn);
    settle(conn);
    return true;
}

/* ---- reading ---- */

/* Debug: whoever kept a view beyond its time reads rubbish. */
static void spoil(uint8_t *data, size_t len)
{
#ifdef STELE_DEBUG
    memset(data, 0xdd, len);
#else
    (void)data;
    (void)len;
#endif
}

static ssize_t receive(struct conn *conn, const struct iovec *iov, int count)
{
    ssize_t n = conn->transport->read(conn->fd, iov, count);
    if (n > 0) {
        shard_count_up(&conn->shard->bytes_in, n);
        conn_note_activity(conn);
    } else if (n == 0) {
        conn->is_ended = true;
        conn_close(conn, NULL, true);
    } else if (n != -EAGAIN) {
        conn_close(conn, strerror((int)-n), false);
    }
    return n;
}

static void read_to_scratch(struct conn *conn, bool is_tight)
{
    struct conn_input *in = &conn->in;
    uint8_t *scratch = conn->shard->scratch;
    size_t kept = in->end - in->start;
    size_t room = SCRATCH_BYTES - kept;
    if (is_tight) {
        size_t missing = frame_missing(in);
        room = MIN(room, missing ? missing : (size_t)FEW_BYTES);
    }
    ssize_t n = receive(conn, &(struct iovec){scratch + kept, room}, 1);
    if (n <= 0) return;
    if (kept) {
        memcpy(scratch, in->buf.data + in->start, kept);
        empty_input(conn);
    }
    size_t len = kept + (size_t)n;
    size_t taken = deliver(conn, scratch, len);
    end_burst(conn);
    keep(conn, scratch + taken, len - taken);
    spoil(scratch, len);
}

/* Room for more of the kept frame, which starts at the front of the buffer. */
static err_t grow_input(struct conn *conn, size_t total)
{
    struct conn_input *in = &conn->in;
    if (in->start) {
        memmove(in->buf.data, in->buf.data + in->start, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
    }
    if (in->end < in->buf.cap) return OK;
    size_t cap = MIN(2 * in->buf.cap, total);
    return frame_pool_grow(&conn->shard->pool, &in->buf, in->end, cap);
}

/* The kept frame is whole and was put back: what came with its end stays behind it. */
static void keep_behind(struct conn *conn, const uint8_t *data, size_t len)
{
    struct conn_input *in = &conn->in;
    if (!len) return;
    if (in->buf.cap - in->end < len &&
        frame_pool_grow(&conn->shard->pool, &in->buf, in->end, in->end + len) != OK) {
        conn_close(conn, "no memory for a frame", false);
        return;
    }
    memcpy(in->buf.data + in->end, data, len);
    in->end += len;
}

static void read_behind_kept(struct conn *conn, bool is_tight)
{
    struct conn_input *in = &conn->in;
    uint8_t *scratch = conn->shard->scratch;
    size_t total = frame_total(in->buf.data + in->start, in->end - in->start);
    if (grow_input(conn, total) != OK) {
        conn_close(conn, "no memory for a frame", false);
        return;
    }
    size_t room = MIN(in->buf.cap, total) - in->end;
    bool is_last = in->end + room == total;
    struct iovec iov[2] = {{in->buf.data + in->end, room}, {scratch, SCRATCH_BYTES}};
    ssize_t n = receive(conn, iov, is_last && !is_tight ? 2 : 1);
    if (n <= 0) return;
    size_t own = MIN((size_t)n, room);
    size_t behind = (size_t)n - own;
    in->end += own;
    if (in->end < total) return;
    size_t taken = 0, delivered = deliver(conn, in->buf.data, total);
    if (delivered) taken = deliver(conn, scratch, behind);
    end_burst(conn);
    if (!delivered && conn->state == CONN_OPEN) {
        keep_behind(conn, scratch, behind);
        return;
    }
    spoil(in->buf.data, total);
    empty_input(conn);
    keep(conn, scratch + taken, behind - taken);
    spoil(scratch, behind);
}

void conn_discard_input(struct conn *conn)
{
    struct iovec iov = {conn->shard->scratch, SCRATCH_BYTES};
    ssize_t n = conn->transport->read(conn->fd, &iov, 1);
    if (n <= 0 && n != -EAGAIN) conn_close(conn, NULL, false);
}

void conn_read(struct conn *conn)
{
    conn_deliver_waiting(conn);
    if (!conn_wants_read(conn)) return;
    enum admission admission = admit(conn);
    if (admission == ADMIT_NOT) return;
    if (conn->in.end - conn->in.start < FEW_BYTES) {
        read_to_scratch(conn, admission == ADMIT_TIGHT);
    } else {
        read_behind_kept(conn, admission == ADMIT_TIGHT);
    }
    settle(conn);
}
