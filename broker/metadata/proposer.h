/* proposer - the only way to change metadata: propose, wait until it is committed, see it in the
 * image.
 *
 * A proposal carries a pure decide() that looks at the newest image and adds records to a change:
 * nothing can come between its look and its change. The change is one batch in
 * __cluster_metadata-0, always flushed before anybody hears of it; then the next image is built,
 * applied by the subscribers (which create and delete logs), published, and done() is called. A
 * single broker's proposer is its own log (proposer_local.c); a replicated quorum takes its place
 * behind this header.
 *
 * decide(), subscribers and done() run on the proposer's one thread, in order. From there one talks
 * to loops with loop_post(). After a crash a proposal is there as a whole or not at all.
 */
#pragma once

#include "base/env.h"
#include "base/list.h"
#include "change.h"
#include "image.h"

struct proposer;
struct log;

struct proposal {
    struct list link;
    /* Adds records, or nothing (then nothing is written and done(OK) follows). An error ends the
     * proposal with it. */
    err_t (*decide)(struct proposal *proposal, const struct image *image, struct change *change);
    /* OK: committed and published, `image` is the one that holds it. ERR_NOT_LEADER: ask another
     * node. ERR_TIMEOUT, ERR_IO: may or may not have happened. Otherwise it did not happen. May
     * free the embedder. */
    void (*done)(struct proposal *proposal, err_t err, const struct image *image);
};

/* Told of each new image before it is published; `change` is NULL the first time, after loading. */
struct proposer_subscriber {
    void *arg;
    void (*apply)(void *arg, const struct image *before, const struct image *after,
                  const struct change *change);
};

struct proposer_local_options {
    const struct env *env;
    struct log *log; /* of __cluster_metadata-0; owned by the caller, outlives the proposer */
    const char *cluster_id;
    int32_t node_id;
    struct proposer_subscriber subscriber;
};

/* Reads the log into the first image (a bad batch in the middle: ERR_CORRUPT with one clear line),
 * tells the subscriber, starts the thread. */
err_t proposer_open_local(const struct proposer_local_options *options, struct proposer **out);
/* Finishes what was submitted, ends the thread. NULL is allowed. */
void proposer_close(struct proposer *proposer);
/* Any thread, until proposer_close() is called (done() may submit even then). `proposal` is the
 * proposer's until done(). After a failure of the disk every proposal ends with ERR_FAILED. */
void proposer_submit(struct proposer *proposer, struct proposal *proposal);
/* The newest published image, with a reference for the caller. Any thread; cheap. */
struct image *proposer_image(struct proposer *proposer);
