/* request - one Kafka request from its frame to its reply: what every handler gets.
 *
 * Lives from dispatch to the moment its reply is sent (or its connection gone); owned by its
 * connection's loop, touched on that thread only. Decoded fields live in the request's arena and
 * borrow the frame's bytes, which are gone when the handler returns without having replied, unless
 * it called request_keep(): then the whole frame is copied first.
 *
 * A handler ends in one of three ways: request_reply() at once; later, on the loop, after
 * request_keep() or request_park(); or request_no_reply() (acks=0). A request that is parked is
 * always ended by its handler, also when its connection is gone: then the reply goes nowhere. Those
 * who wait for something that may never come set `cancel`.
 */
#pragma once

#include "base/arena.h"
#include "net/conn.h"
#include "protocol/api.h"
#include "protocol/codec.h"
#include "protocol/header.h"
#include "protocol/kafka_error.h"
#include "protocol/messages.h"

struct broker;
struct client;
struct slice;

struct principal {
    const char *name; /* "User:ANONYMOUS" */
};

struct request {
    struct broker *broker;
    struct conn *conn; /* referenced */
    struct reply reply;
    struct request_header header;
    struct arena arena;
    struct principal principal;
    struct view frame; /* the whole frame; borrowed, or owned after request_keep() */
    bool is_kept;
    bool holds_conn;
    int64_t started_ns;
    void *body;  /* the decoded request struct of header.api->request */
    void *state; /* the handler's own, in the arena: what it has so far */
    /* Set by a handler that waits: called once when the connection is gone, to end the request. */
    void (*cancel)(struct request *rq);

    /* ---- of request.c and dispatch.c ---- */
    struct client *client; /* the connection's side of dispatch */
    struct list link;      /* of the client's requests, or of the free ones */
    int refs;              /* one of the handler, one of the reply, those of request_ref() */
    struct list unsent;    /* of the context's large replies */
    bool is_answered;
    int64_t answered_ns;
    int64_t work_bytes; /* as counted while it is kept, and while a large reply waits */
    struct buf out;     /* the encoded reply; its memory serves the next request */
    struct buf kept;    /* the copy of the frame */
    struct codec_holes holes;
    struct task task;
    void (*work)(struct request *rq);
    void (*then)(struct request *rq);
};

/* Called with the decoded body. */
typedef void (*handler_fn)(struct request *request);

/* ---- what handlers use ---- */
static inline int request_version(const struct request *rq) { return rq->header.api_version; }

/* Encodes `response` (a struct of header.api->response, in any memory) and hands it to the
 * connection; the request is gone afterwards. A response that cannot be encoded closes the
 * connection and says so. */
void request_reply(struct request *rq, const void *response);
/* The same for responses with records in files: each `file` of a records_field is a struct slice *,
 * whose reference goes over to the reply: it is empty afterwards. What is not empty stays with the
 * caller, who needs a request_ref() to look. */
void request_reply_with_slices(struct request *rq, const void *response);
/* A body that is encoded already. */
void request_reply_encoded(struct request *rq, struct view body);
void request_no_reply(struct request *rq);
/* Closes the connection: what Kafka does where the protocol has no error. */
void request_refuse(struct request *rq, const char *why);
/* The request outlives the handler; copies the frame and moves every view in the body along
 * (decodes again). Does not stop later frames: see request_hold(). ERR_NOMEM: the request has been
 * refused. */
err_t request_keep(struct request *rq);
/* The same for a handler that has copied by itself what it needs of the frame: body and frame are
 * gone, the arena stays. */
void request_park(struct request *rq);
/* Keeps the memory of a request for somebody who may look at it after it was answered. */
void request_ref(struct request *rq);
void request_unref(struct request *rq);
/* No later frame of this connection is looked at before this one is answered (everything but
 * Produce behind Produce). */
void request_hold(struct request *rq);

/* Runs fn on the broker's admin worker, then `then` back on the loop. Implies keep and hold. */
void request_offload(struct request *rq, void (*fn)(struct request *rq),
                     void (*then)(struct request *rq));

/* Runs `then` on the request's loop; any thread. One trip at a time. */
void request_post(struct request *rq, void (*then)(struct request *rq));
/* False when the memory of waiting requests is used up: answer now with what there is. */
bool request_may_park(struct request *rq);
/* Sets what the request counts as being in work. */
void request_count_work(struct request *rq, int64_t bytes);
/* Header and body from rq->frame, into the arena. */
err_t request_decode(struct request *rq);

/* May the principal do this? Says yes until there are ACLs. */
bool request_is_allowed(const struct request *rq, int operation, int resource_type,
                        struct view resource);

/* The one place where our errors become Kafka's. */
enum kafka_error kafka_error_of(err_t err);
/* What to say instead where a version of an API is older than the error. */
enum kafka_error kafka_error_for(enum api_key api, int version, enum kafka_error error);
