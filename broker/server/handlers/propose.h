/* propose - a request that changes metadata: hands a decision to the proposer, comes back to the
 * loop with the outcome.
 *
 * The request is kept and its connection held meanwhile. decide() runs on the proposer's thread
 * with the newest image and may use the request's body and arena: nobody else touches them until
 * then() runs, back on the request's loop.
 */
#pragma once

#include "metadata/proposer.h"
#include "request.h"

struct propose {
    struct request *request;
    void *response; /* of the handler, in the request's arena */
    const struct image
        *image; /* in then(): the one that holds the change; borrowed. NULL after an error */
    err_t err;  /* in then() */
    /* Fills the response, adds records to the change. An error stands for the whole request. */
    err_t (*decide)(struct propose *propose, const struct image *image, struct change *change);
    /* Replies. */
    void (*then)(struct propose *propose);
    /* private */
    struct proposal proposal;
    struct task task;
};

/* A zeroed one in the request's arena, the request kept and held; NULL: the request has been
 * refused. */
struct propose *propose_new(struct request *rq);
/* With decide, then and response set. */
void propose_submit(struct propose *propose);
