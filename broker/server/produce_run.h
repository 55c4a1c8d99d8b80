/* produce_run - the Produce requests of one burst, gathered so that each partition is written to
 * once.
 *
 * One per loop, touched on its thread only; empty between bursts. Writes are added in the order of
 * their requests; a flush sorts them by partition (each partition's stay in order), hands every
 * partition all of its writes in one call, and then tells each request. Partitions are held by
 * reference from their first mention to the flush. The memory is kept from run to run.
 */
#pragma once

#include "replication/partition_table.h"

struct request;

/* A partition that this run has looked up, with the settings that hold for its writes. */
struct run_target {
    struct partition *partition;
    struct topic_config config;
    size_t first, count; /* its writes, during a flush */
};

struct run_write {
    struct partition_write *write;
    uint32_t target;
};

struct produce_run {
    struct partition_table *table;
    struct run_target *targets;
    size_t target_count, target_cap;
    uint32_t *slots; /* targets by partition, open addressing, plus one */
    size_t slot_count;
    struct run_write *writes;
    size_t write_count, write_cap;
    struct partition_write **sorted; /* writes by target */
    size_t sorted_cap;
    struct run_request {
        struct request *rq;
        void (*appended)(struct request *rq);
    } * requests;
    size_t request_count, request_cap;
    struct buf scratch; /* for looking into compressed batches */
    time_ms_t now_ms;   /* of this run; 0: not asked for yet */
};

void produce_run_init(struct produce_run *run, struct partition_table *table);
/* Gives everything back; writes that were not flushed are forgotten. */
void produce_run_release(struct produce_run *run);

/* Looks a partition up, by name or, if that is null, by id. -1: there is none here (or no memory).
 * The number is good until the flush. */
struct run_key {
    struct view name;
    struct uuid id;
    int32_t index;
};
int produce_run_target(struct produce_run *run, const struct run_key *key);

/* Makes room for so many writes and one request; the next two need it. ERR_NOMEM. */
err_t produce_run_reserve(struct produce_run *run, size_t writes);
/* The write lives until it is done. */
void produce_run_add(struct produce_run *run, int target, struct partition_write *write);
/* appended(rq) is called at the end of the next flush, in order. */
void produce_run_tell(struct produce_run *run, struct request *rq,
                      void (*appended)(struct request *rq));

/* Appends everything and tells everybody. What they do may add to the run again; that is for the
 * next flush. */
void produce_run_flush(struct produce_run *run);
