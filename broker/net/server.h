/* server - the loops, the listeners and the bounds that all connections share.
 *
 * One listening socket a listener, served by the first loop; accepted connections go to the loop
 * with the fewest. (SO_REUSEPORT would let a second broker share the port unnoticed.) When
 * descriptors run out, accepting pauses and resumes; connections over a limit are closed at once,
 * with one diagnostic a second.
 */
#pragma once

#include "conn.h"
#include "worker.h"

struct server;

struct server_options {
    int loops;                  /* 1..64 */
    int64_t max_frame_bytes;    /* socket.request.max.bytes */
    int64_t max_buffered_bytes; /* frame bytes over all connections: queued.max.request.bytes */
    int64_t max_reply_bytes;    /* waiting to be sent on one connection before it stops reading */
    int max_connections;        /* max.connections */
    int max_connections_per_ip; /* max.connections.per.ip */
    int64_t idle_timeout_ms;    /* connections.max.idle.ms; -1: never */
    int send_buffer_bytes;      /* socket.send.buffer.bytes; -1: the system's */
    int receive_buffer_bytes;
    int backlog;                      /* socket.listen.backlog.size */
    struct worker_pool *cold_readers; /* borrowed */
};

struct server_listener {
    const char *name; /* "PLAINTEXT"; copied */
    const char *host; /* "" or "0.0.0.0" or "::": all; copied */
    int port;         /* in: 0 = any; out: the bound one */
};

struct server_stats {
    int connections;
    int64_t connections_accepted, connections_refused, connections_closed_idle;
    int64_t buffered_bytes, frames, bytes_in, bytes_out;
    int64_t cold_reads; /* times that bytes to be sent had to be fetched from disk first */
};

err_t server_new(const struct server_options *options, struct server **out);
/* Binds and listens but does not accept yet. ERR_BUSY: the port is taken; a diagnostic names the
 * address. */
err_t server_listen(struct server *server, struct server_listener *listener,
                    const struct conn_service *service);
/* Starts the loops and accepts. */
err_t server_start(struct server *server);
/* Stops accepting and reading, sends what is ready for at most `grace_ms`, closes everything, ends
 * the loops. */
void server_stop(struct server *server, int64_t grace_ms);
/* Runs, in place, what was posted to the loops and has not run: before what it works on is freed.
 * After the stop. */
void server_run_leftovers(struct server *server);
/* Runs leftovers first. NULL is allowed. */
void server_free(struct server *server);

int server_loop_count(const struct server *server);
struct loop *server_loop(struct server *server, int index);
struct server_stats server_stats(const struct server *server);
