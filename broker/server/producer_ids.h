/* producer_ids - hands out ids for idempotent producers, each once in the life of the cluster.
 *
 * Ids come in blocks of 1000 from the metadata, so that a crash wastes some but repeats none. The
 * next block is asked for before the last one is used up; those who come when there is none wait.
 * Thread-safe (RANK_LEAF inside); the proposer's thread brings the blocks.
 */
#pragma once

#include "base/list.h"
#include "base/types.h"
#include "metadata/proposer.h"

struct producer_ids;

struct producer_ids_options {
    struct proposer *proposer;
    int32_t node_id;
    int64_t broker_epoch;
};

/* NULL without memory. */
struct producer_ids *producer_ids_new(const struct producer_ids_options *options);
/* After the proposer was closed. NULL is allowed. */
void producer_ids_free(struct producer_ids *ids);

/* One who waits for an id. */
struct producer_id_wait {
    struct list link;
    producer_id_t id;                            /* -1: there is none to be had now */
    void (*done)(struct producer_id_wait *wait); /* on the proposer's thread */
};
/* True: wait->id is there. False: done() will be called. */
bool producer_ids_take(struct producer_ids *ids, struct producer_id_wait *wait);
