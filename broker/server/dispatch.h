/* dispatch - from a connection's frames to handlers: headers, versions, order, memory.
 *
 * The service behind every Kafka listener. All of it runs on the connection's loop. Each loop has a
 * context with what its requests share: recycled request objects and the run of Produce requests
 * that is being gathered. Frames are handled in the order they came; a frame that has to wait for
 * an earlier one is copied and the connection held.
 */
#pragma once

#include "net/conn.h"
#include "produce_run.h"
#include "request.h"

struct broker;
struct dispatch;

/* One context a loop of broker->server. */
err_t dispatch_new(struct broker *broker, struct dispatch **out);
/* The loops have ended, and the workers are drained. NULL is allowed. */
void dispatch_free(struct dispatch *dispatch);
const struct conn_service *dispatch_service(struct dispatch *dispatch);

/* ---- for request.c and the handlers of produce ---- */

struct loop_context {
    struct dispatch *dispatch;
    struct loop *loop;
    struct produce_run run;
    struct list clients;
    struct list free; /* requests */
    size_t free_count;
    /* Large requests take long: one a turn of the loop, so that small ones of others go between. */
    bool has_had_large;
    struct list later; /* clients, one reference each, their connections held */
    struct timer turn;
    /* Answered requests with large replies, oldest first: those who do not take theirs have to go
     * when there is too much in work. */
    struct list unsent;
    struct timer reaper;
};

/* One connection. */
struct client {
    struct list link;
    struct loop_context *context;
    struct conn *conn;
    struct list requests;     /* from their first byte to their memory's end, in order */
    int open_count;           /* of those, without an answer */
    int holds;                /* on the connection, by its requests */
    size_t parked_bytes;      /* of batches whose writes wait */
    struct request *deferred; /* the newest, which waits for all others; the connection is held */
    int refs;                 /* one of the connection, one of each request */
    bool is_closed;
    struct list queued; /* of those whose frame was put back */
    struct task wake_task;
};

/* The memory of requests that are kept, and of large replies on their way, over all connections.
 * While it is above a bound, large frames (but for Produce, which has bounds of its own) stay with
 * the net layer, whose budget they count in. */
void dispatch_count_work(struct client *client, int64_t bytes);
/* A large reply is on its way. */
void dispatch_watch_reply(struct request *rq);
/* A request was answered: what waited for it may go on. */
void dispatch_answered(struct client *client);
/* Back into the context's stock. */
void dispatch_recycle(struct request *rq);
