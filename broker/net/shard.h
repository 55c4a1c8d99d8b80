/* shard - one loop's share of the server: its connections, their order of activity, its buffers.
 *
 * Created with the server, used on the loop's thread only, except for the atomic counters. All
 * shards point at one `server_shared`.
 */
#pragma once

#include <stdatomic.h>

#include "address.h"
#include "budget.h"
#include "frame_pool.h"
#include "server.h"

enum {
    /* What one call reads at most into the shared buffer: about what a socket holds. Only what was
     * ever used of it takes memory. */
    SCRATCH_BYTES = 4 << 20,
    /* Warm buffers that all loops together may keep, and one at least. */
    RETAINED_BYTES = 16 << 20,
    RETAINED_BYTES_MIN = 4 << 20,
    /* Sent on one connection before the others have their turn. */
    FLUSH_BYTES_MAX = 4 << 20,
    /* How long the peer may take to close a connection that we have ended. */
    LINGER_MS = 1000,
    /* How long the overdraft may take when others wait for it. */
    OVERDRAFT_MS = 2000,
};

/* What all loops share. */
struct server_shared {
    struct server_options options;
    struct budget budget;
    struct address_counts addresses;
    atomic_int connections;
    struct shard *shards;
    int shard_count;
};

struct shard {
    struct server_shared *shared;
    struct loop *loop; /* owned by the server */
    uint8_t *scratch;  /* SCRATCH_BYTES, contents valid within one callback only */
    struct frame_pool pool;
    struct list by_activity; /* of conn.activity, least recent first: all open connections */
    struct list dirty;       /* of conn.dirty: to be attended to in this turn */
    struct list waiting;     /* of conn.waiting: the budget is used up */
    struct list lingering;   /* of conn.lingering, first to be given up first */
    struct task dirty_task;
    struct task budget_task;
    int64_t activity_step_ms; /* how exactly the order of activity is kept */
    struct timer idle_timer;
    struct timer linger_timer;
    struct timer overdraft_timer;
    atomic_bool is_budget_posted;
    /* Sockets whose handles are not closed yet, and reads in flight: what the loop waits for
     * before it ends. */
    int handles;
    int cold_reads;
    bool is_stopping;
    void (*quiet)(struct shard *shard); /* not NULL while stopping: nothing of the above is left */
    atomic_int connections;             /* assigned, for the choice of the next one's loop */
    _Atomic int64_t frames, bytes_in, bytes_out, closed_idle, cold_count;
};

err_t shard_init(struct shard *shard, struct server_shared *shared, struct loop *loop);
void shard_release(struct shard *shard);
/* Closes what is idle longer than allowed, and watches until the next is. */
void shard_watch_idle(struct shard *shard);
/* One of ours has the overdraft: it must not take too long. */
void shard_watch_overdraft(struct shard *shard);
/* Closes what lingered long enough, and watches until the next has. */
void shard_watch_lingering(struct shard *shard);
/* Calls quiet() if it is time. */
void shard_check_quiet(struct shard *shard);
/* Lets the connections that wait for the budget, on all loops, try again. Any thread. */
void shard_wake_waiting(struct server_shared *shared);
/* Closes all connections: those with replies after these are sent, if `after_replies`. */
void shard_close_all(struct shard *shard, bool after_replies);

/* Written by one thread, read by any: no locked instruction is needed. */
static inline void shard_count_up(_Atomic int64_t *counter, int64_t n)
{
    int64_t before = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, before + n, memory_order_relaxed);
}
