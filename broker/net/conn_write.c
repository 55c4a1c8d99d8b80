/* From ready replies to the socket.
 *
 * Memory of all replies that are ready and next in order is gathered into one call. A large slice
 * goes with sendfile, and the call before it says that more follows, so that a reply's head and its
 * records share packets. A small slice is cheaper copied: it is read into the scratch buffer and
 * gathered with the memory around it.
 *
 * The loop must not wait for a disk. A slice that is not hot is looked up in the page cache a
 * CHECK_STEP at a time; what is not there is fetched by a worker (conn_cold.c) while the connection
 * sends nothing. If it is gone again by then, the worker reads it into memory of ours, the window.
 *
 * A send that took less than it was given has filled the socket: no second one is made to hear
 * EAGAIN. After FLUSH_BYTES_MAX the other connections have their turn.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "conn_internal.h"
#include "residency.h"

enum {
    GATHER_PIECES = 64,
    /* Slices below it are copied. */
    COPY_MAX = 32 << 10,
    /* All copies of one call. */
    COPY_TOTAL_MAX = 256 << 10,
    CHECK_STEP = 1 << 20,
    /* What is read into memory for a slice that went cold twice. */
    WINDOW_BYTES = 128 << 10,
};

struct gathered {
    struct iovec iov[GATHER_PIECES];
    int count;
    size_t bytes;
    size_t copied; /* bytes of the scratch buffer in use */
    bool more;     /* something that cannot be gathered follows at once */
};

/* ---- replies ---- */

static struct reply *first_ready(const struct conn *conn)
{
    if (list_is_empty(&conn->replies)) return NULL;
    struct reply *reply = CONTAINER_OF(conn->replies.next, struct reply, link);
    return reply->is_ready ? reply : NULL;
}

bool conn_has_ready(const struct conn *conn) { return first_ready(conn) != NULL; }

static void finish_reply(struct conn *conn, struct reply *reply, bool delivered)
{
    list_remove(&reply->link);
    conn->expected--;
    conn->ready_bytes -= (int64_t)chain_left(&reply->chain);
    chain_release(&reply->chain);
    reply->done(reply, delivered);
    conn_unref(conn); /* conn_expect() took it */
}

void conn_drop_replies(struct conn *conn)
{
    conn_ref(conn);
    LIST_EACH_SAFE (link, &conn->replies) {
        struct reply *reply = CONTAINER_OF(link, struct reply, link);
        if (reply->is_ready) finish_reply(conn, reply, false);
    }
    conn_unref(conn);
}

/* `n` bytes of the replies in order are in the socket. */
static void account(struct conn *conn, size_t n)
{
    shard_count_up(&conn->shard->bytes_out, (int64_t)n);
    conn_note_activity(conn);
    conn->ready_bytes -= (int64_t)n;
    while (n) {
        struct reply *reply = first_ready(conn);
        size_t part = MIN(n, chain_left(&reply->chain));
        chain_advance(&reply->chain, part);
        n -= part;
        if (chain_left(&reply->chain) == 0) finish_reply(conn, reply, true);
    }
}

/* The place in the current slice moved on. */
static void pass_slice(struct conn *conn, size_t n)
{
    conn->resident -= MIN(n, conn->resident);
    conn->was_cold = false;
    if (!conn->window) return;
    conn->window_sent += n;
    if (conn->window_sent < conn->window_len) return;
    free(conn->window);
    conn->window = NULL;
}

/* ---- memory ---- */

static void add_memory(struct gathered *g, const void *data, size_t len)
{
    g->iov[g->count++] = (struct iovec){(void *)data, len};
    g->bytes += len;
}

static bool is_checked(const struct conn *conn, const struct slice *slice)
{
    return !slice->is_hot && conn->shard->shared->options.cold_readers;
}

static void report_short_file(struct conn *conn, int64_t pos, size_t len)
{
    diag(DIAG_ERROR, "net", "file ends before the slice, closing peer=%s pos=%lld bytes=%zu",
         conn->peer_text, (long long)pos, len);
    conn_close(conn, NULL, false);
}

/* Copies a slice, or a part of it; false: gathering ends here. */
static bool copy_slice(struct conn *conn, struct gathered *g, const struct slice *slice,
                       size_t skip)
{
    size_t left = slice->len - skip;
    g->more = true;
    if (conn->transport->send_file && left >= COPY_MAX) return false;
    size_t want = MIN(left, COPY_TOTAL_MAX - g->copied);
    if (want == 0) return false;
    uint8_t *to = conn->shard->scratch + g->copied;
    int64_t pos = slice->pos + (int64_t)skip;
    bool checked = is_checked(conn, slice);
    ssize_t n = checked ? residency_read(slice->file->fd, to, want, pos)
                        : pread(slice->file->fd, to, want, pos);
    if (n <= 0) {
        if (g->count) return false; /* what is before it goes first */
        if (checked) {
            conn_read_cold(conn, slice, pos,
                           want); /* finds out, too, what is wrong with the file */
        } else {
            report_short_file(conn, pos, want);
        }
        return false;
    }
    add_memory(g, to, (size_t)n);
    g->copied += (size_t)n;
    g->more = (size_t)n < left;
    return !g->more;
}

static bool gather_chain(struct conn *conn, struct gathered *g, struct chain *chain)
{
    for (uint32_t i = chain->first; i < chain->count; i++) {
        if (g->count == GATHER_PIECES) {
            g->more = true;
            return false;
        }
        const struct chain_piece *piece = chain_piece(chain, i);
        size_t skip = i == chain->first ? chain->first_sent : 0;
        if (piece->kind != CHAIN_SLICE) {
            add_memory(g, piece->mem.data + skip, piece->mem.len - skip);
        } else if (!copy_slice(conn, g, &piece->slice, skip)) {
            return false;
        }
    }
    return true;
}

static void gather(struct conn *conn, struct gathered *g)
{
    LIST_EACH (link, &conn->replies) {
        struct reply *reply = CONTAINER_OF(link, struct reply, link);
        if (!reply->is_ready || !gather_chain(conn, g, &reply->chain)) return;
        g->more = false;
    }
}

static ssize_t write_out(struct conn *conn, const struct iovec *iov, int count, size_t bytes,
                         bool more)
{
    ssize_t n = conn->transport->write(conn->fd, iov, count, more);
    if (n == -EAGAIN || (n >= 0 && (size_t)n < bytes)) conn->is_blocked = true;
    return n;
}

static ssize_t send_memory(struct conn *conn)
{
    struct gathered g;
    g.count = 0;
    g.bytes = g.copied = 0;
    g.more = false;
    gather(conn, &g);
    if (g.count == 0) return -EAGAIN; /* a worker reads for us */
    ssize_t n = write_out(conn, g.iov, g.count, g.bytes, g.more);
    if (n > 0 && g.copied) pass_slice(conn, 0);
    return n;
}

static ssize_t send_window(struct conn *conn)
{
    struct iovec iov = {conn->window + conn->window_sent, conn->window_len - conn->window_sent};
    ssize_t n = write_out(conn, &iov, 1, iov.iov_len, false);
    if (n > 0) pass_slice(conn, (size_t)n);
    return n;
}

/* ---- slices ---- */

static ssize_t send_slice(struct conn *conn, const struct slice *slice, size_t skip, size_t max)
{
    int64_t pos = slice->pos + (int64_t)skip;
    size_t len = slice->len - skip;
    if (is_checked(conn, slice)) {
        len = MIN(len, (size_t)CHECK_STEP);
        if (!conn->resident && !residency_check(slice->file->fd, pos, len)) {
            conn_read_cold(conn, slice, pos, conn->was_cold ? MIN(len, WINDOW_BYTES) : len);
            return -EAGAIN;
        }
        if (!conn->resident) conn->resident = len;
        len = MIN(len, conn->resident);
    }
    len = MIN(len, max);
    ssize_t n = conn->transport->send_file(conn->fd, slice->file->fd, pos, len);
    if (n == 0) {
        report_short_file(conn, pos, len);
        return -EAGAIN;
    }
    if (n == -EAGAIN || (n > 0 && (size_t)n < len)) conn->is_blocked = true;
    if (n > 0) pass_slice(conn, (size_t)n);
    return n;
}

static bool goes_by_file(const struct conn *conn, const struct chain_piece *piece, size_t skip)
{
    return piece->kind == CHAIN_SLICE && conn->transport->send_file &&
           piece->slice.len - skip >= COPY_MAX;
}

/* One system call's worth of what is next; -EAGAIN: not now. */
static ssize_t send_next(struct conn *conn, struct chain *chain, size_t max)
{
    if (conn->window) return send_window(conn);
    struct chain_piece *piece = chain_piece(chain, chain->first);
    if (!goes_by_file(conn, piece, chain->first_sent)) return send_memory(conn);
    return send_slice(conn, &piece->slice, chain->first_sent, max);
}

static void relieve(struct conn *conn)
{
    int64_t max = conn->shard->shared->options.max_reply_bytes;
    if (conn->expected <= CONN_EXPECTED_MAX / 2 && (max <= 0 || conn->ready_bytes <= max / 2)) {
        conn->is_crowded = false;
    }
}

void conn_flush(struct conn *conn)
{
    size_t sent = 0;
    struct reply *reply;
    while (!conn->is_blocked && !conn->cold && conn->state <= CONN_DRAINING &&
           (reply = first_ready(conn))) {
        if (chain_left(&reply->chain) == 0) {
            finish_reply(conn, reply, true);
            continue;
        }
        if (sent >= FLUSH_BYTES_MAX) {
            conn_touch(conn);
            break;
        }
        ssize_t n = send_next(conn, &reply->chain, FLUSH_BYTES_MAX - sent);
        if (n == -EAGAIN) break;
        if (n < 0) {
            conn_close(conn, strerror((int)-n), false);
            break;
        }
        sent += (size_t)n;
        account(conn, (size_t)n);
    }
    if (conn->is_crowded) relieve(conn);
}
