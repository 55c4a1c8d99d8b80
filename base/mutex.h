/* mutex - a lock with a rank, so that the lock order is written down once and checked.
 *
 * A thread takes locks in rising rank only; two of the same rank are never held together. Debug and
 * sanitizer builds stop at the first violation. The ranks below are the whole order of the program.
 */
#pragma once

#include <pthread.h>

enum mutex_rank {
    RANK_GROUP = 10,        /* one consumer group */
    RANK_TOPICS = 20,       /* the table of partitions */
    RANK_PARTITION = 30,    /* one partition: leadership, waiters, high watermark */
    RANK_LOG_WORK = 34,     /* one log: what changes its row of segments, on workers */
    RANK_LOG_FLUSH = 36,    /* one log: one flush at a time */
    RANK_LOG = 40,          /* one log: append state and the list of segments */
    RANK_SEGMENT = 50,      /* one segment: its handles */
    RANK_HANDLE_CACHE = 60, /* open files and mappings */
    RANK_LEAF = 90,         /* queues, counters: nothing is taken while it is held */
};

struct mutex {
    pthread_mutex_t lock;
    enum mutex_rank rank;
};

void mutex_init(struct mutex *m, enum mutex_rank rank);
void mutex_destroy(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
/* Debug: stops unless the calling thread holds a lock of this rank. */
void mutex_assert_held(const struct mutex *m);
