/* The ranks a thread holds are a bit set; a lock may be taken when no bit at or above its own is
 * set. */
#include "mutex.h"

#include "check.h"

#ifdef STELE_DEBUG
#include <stdint.h>

static _Thread_local uint64_t held[2];

static void rank_take(enum mutex_rank rank)
{
    uint64_t above = rank < 64 ? held[0] >> rank | held[1] : held[1] >> (rank - 64);
    CHECK(above == 0);
    held[rank / 64] |= UINT64_C(1) << (rank % 64);
}
static void rank_drop(enum mutex_rank rank) { held[rank / 64] &= ~(UINT64_C(1) << (rank % 64)); }
static int rank_is_held(enum mutex_rank rank) { return (int)(held[rank / 64] >> (rank % 64) & 1); }
#else
static void rank_take(enum mutex_rank rank) { (void)rank; }
static void rank_drop(enum mutex_rank rank) { (void)rank; }
static int rank_is_held(enum mutex_rank rank)
{
    (void)rank;
    return 1;
}
#endif

void mutex_init(struct mutex *m, enum mutex_rank rank)
{
    CHECK(pthread_mutex_init(&m->lock, NULL) == 0);
    m->rank = rank;
}

void mutex_destroy(struct mutex *m) { CHECK(pthread_mutex_destroy(&m->lock) == 0); }

void mutex_lock(struct mutex *m)
{
    rank_take(m->rank);
    CHECK(pthread_mutex_lock(&m->lock) == 0);
}

void mutex_unlock(struct mutex *m)
{
    enum mutex_rank rank = m->rank; /* whoever waits for the lock may free it at once */
    CHECK(pthread_mutex_unlock(&m->lock) == 0);
    rank_drop(rank);
}

void mutex_assert_held(const struct mutex *m) { CHECK(rank_is_held(m->rank)); }
