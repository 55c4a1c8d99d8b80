/* The lock excludes, and debug builds stop at the first lock taken against the order. */
#include "cmocka_base.h"

#include <signal.h>

#include "base/mutex.h"

enum { THREADS = 4, ROUNDS = 20000 };

struct counter {
    struct mutex mutex;
    int value;
};

static void *count_up(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        mutex_lock(&c->mutex);
        mutex_assert_held(&c->mutex);
        c->value++;
        mutex_unlock(&c->mutex);
    }
    return NULL;
}

static void mutex_lock__several_threads__exclude_each_other(void **state)
{
    (void)state;
    struct counter c = {.value = 0};
    pthread_t threads[THREADS];
    mutex_init(&c.mutex, RANK_LEAF);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &c), 0);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(c.value, THREADS * ROUNDS);
    mutex_destroy(&c.mutex);
}

/* Takes two locks of the given ranks, one inside the other. */
static void lock_both(void *arg)
{
    const enum mutex_rank *ranks = arg;
    struct mutex outer, inner;
    mutex_init(&outer, ranks[0]);
    mutex_init(&inner, ranks[1]);
    mutex_lock(&outer);
    mutex_lock(&inner);
    mutex_unlock(&inner);
    mutex_unlock(&outer);
    mutex_lock(&inner); /* both are free again, so this order is fine now */
    mutex_unlock(&inner);
    mutex_lock(&outer);
    mutex_unlock(&outer);
    mutex_destroy(&inner);
    mutex_destroy(&outer);
}

static int end_of_locking(enum mutex_rank outer, enum mutex_rank inner)
{
    enum mutex_rank ranks[] = {outer, inner};
    return signal_that_ends(lock_both, ranks);
}

static void mutex_lock__rising_ranks__fine(void **state)
{
    (void)state;
    static const enum mutex_rank order[] = {RANK_GROUP, RANK_TOPICS,  RANK_PARTITION,
                                            RANK_LOG,   RANK_SEGMENT, RANK_HANDLE_CACHE,
                                            RANK_LEAF};
    for (size_t i = 0; i + 1 < COUNT_OF(order); i++)
        assert_int_equal(end_of_locking(order[i], order[i + 1]), 0);
    assert_int_equal(end_of_locking(RANK_GROUP, RANK_LEAF), 0);
}

#ifdef STELE_DEBUG
static void mutex_lock__against_the_order__stops(void **state)
{
    (void)state;
    assert_int_equal(end_of_locking(RANK_LOG, RANK_PARTITION), SIGABRT);
    assert_int_equal(end_of_locking(RANK_LEAF, RANK_GROUP), SIGABRT);
    assert_int_equal(end_of_locking(RANK_LEAF, RANK_HANDLE_CACHE), SIGABRT);
    assert_int_equal(end_of_locking(RANK_SEGMENT, RANK_LOG), SIGABRT);
    assert_int_equal(end_of_locking(RANK_LOG, RANK_LOG), SIGABRT);
    assert_int_equal(end_of_locking(RANK_LEAF, RANK_LEAF), SIGABRT);
}

static void assert_held(void *arg)
{
    (void)arg;
    struct mutex m;
    mutex_init(&m, RANK_LOG);
    mutex_assert_held(&m);
}

static void mutex_assert_held__not_held__stops(void **state)
{
    (void)state;
    assert_int_equal(signal_that_ends(assert_held, NULL), SIGABRT);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutex_lock__several_threads__exclude_each_other),
        cmocka_unit_test(mutex_lock__rising_ranks__fine),
#ifdef STELE_DEBUG
        cmocka_unit_test(mutex_lock__against_the_order__stops),
        cmocka_unit_test(mutex_assert_held__not_held__stops),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
