/* conn - one accepted connection: frames in, replies out, in order, bounded.
 *
 * A connection belongs to one loop for life; every function here is for that loop's thread.
 * Reading: as much as the socket has in one call, into a buffer shared by the loop's connections; a
 * frame that is not whole yet moves to a buffer of its own that grows with the bytes received,
 * never with the length announced. All whole frames of one read are one burst: frame() for each,
 * then burst_end(), so that the service can join work that belongs together. Replies leave in the
 * order in which conn_expect() was called. Slices are sent with sendfile after their residency was
 * checked; cold ones are first read ahead by a worker, so a loop never waits for a disk.
 *
 * Back-pressure: reading stops while the connection is held, while more than a bound of reply bytes
 * wait to be sent, or while the broker's budget of frame bytes is used up; it goes on by itself.
 *
 * A conn stays valid while somebody holds a reference, also after it was closed: replies are then
 * dropped. A reply that is expected holds one; whoever called conn_expect() calls conn_reply() in
 * any case, and only then done().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "chain.h"
#include "loop.h"

struct conn;

/* The service behind a listener: what the connection calls. All on the connection's loop. */
struct conn_service {
    void *arg;
    /* A new connection; what it returns is conn_user(). */
    void *(*opened)(void *arg, struct conn *conn);
    /* One whole frame without its length prefix; the bytes are borrowed, and may be written to,
     * until burst_end() returns or, if the service calls conn_hold() or conn_close() in it, until
     * frame() returns. */
    void (*frame)(void *arg, struct conn *conn, struct view frame);
    void (*burst_end)(void *arg, struct conn *conn);
    /* The socket is gone; no more frames. Called once. */
    void (*closed)(void *arg, struct conn *conn);
};

struct reply {
    struct list link;
    struct chain chain;
    bool is_ready;
    /* Called once, after conn_reply() and never inside it: all bytes are in the socket (delivered),
     * or the connection is gone. May free the embedder. */
    void (*done)(struct reply *reply, bool delivered);
};

/* Takes the next place in the order of replies. */
void conn_expect(struct conn *conn, struct reply *reply);
/* The chain is complete (length prefix included); sent as soon as all before it are, in this turn
 * of the loop. An empty chain takes its place and sends nothing. */
void conn_reply(struct conn *conn, struct reply *reply);

/* No further frame is delivered until conn_release_hold(); counted. */
void conn_hold(struct conn *conn);
/* Inside frame(), on a held connection: this frame was not looked at, and comes again when the
 * holds are over. Until then its bytes are the connection's, and count in the budget. */
void conn_put_back(struct conn *conn);
void conn_release_hold(struct conn *conn);

/* Closes soon (never inside the caller's stack); `why` goes to the log at debug level, NULL:
 * silently. Replies that are ready are sent first if `after_replies`, and the peer is given a
 * moment to read them. */
void conn_close(struct conn *conn, const char *why, bool after_replies);

void conn_ref(struct conn *conn);
void conn_unref(struct conn *conn);
bool conn_is_open(const struct conn *conn);
void *conn_user(const struct conn *conn);
struct loop *conn_loop(const struct conn *conn);
const char *conn_peer(const struct conn *conn);     /* "127.0.0.1:4711", for diagnostics */
const char *conn_listener(const struct conn *conn); /* the listener's name, "PLAINTEXT" */
/* Host and port of ours that the client reached. */
const char *conn_local_host(const struct conn *conn);
int conn_local_port(const struct conn *conn);
