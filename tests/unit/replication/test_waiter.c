/* A waiter is taken once, whoever comes first. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "replication/waiter.h"

enum { ROUNDS = 2000 };

struct shared {
    struct waiter waiter;
    struct loop *loop;
    atomic_int runs;
    sem_t ran;
};

static void run(struct task *task)
{
    struct waiter *waiter = CONTAINER_OF(task, struct waiter, task);
    struct shared *shared = CONTAINER_OF(waiter, struct shared, waiter);
    atomic_fetch_add(&shared->runs, 1);
    sem_post(&shared->ran);
}

static int setup(void **state)
{
    static struct shared shared;
    shared = (struct shared){0};
    assert_int_equal(sem_init(&shared.ran, 0, 0), 0);
    assert_int_equal(loop_new("test", &shared.loop), OK);
    assert_int_equal(loop_start(shared.loop), OK);
    waiter_init(&shared.waiter, shared.loop, run);
    *state = &shared;
    return 0;
}

static int teardown(void **state)
{
    struct shared *shared = *state;
    loop_stop(shared->loop);
    loop_join(shared->loop);
    loop_free(shared->loop);
    sem_destroy(&shared->ran);
    return 0;
}

static void wait_for_run(struct shared *shared)
{
    while (sem_wait(&shared->ran) != 0) continue;
}

static void fire__twice__runs_once(void **state)
{
    struct shared *shared = *state;
    assert_true(waiter_fire(&shared->waiter));
    assert_false(waiter_fire(&shared->waiter));
    wait_for_run(shared);
    assert_int_equal(shared->runs, 1);
}

static void cancel__before_fire__never_runs(void **state)
{
    struct shared *shared = *state;
    assert_true(waiter_cancel(&shared->waiter));
    assert_false(waiter_fire(&shared->waiter));
    assert_int_equal(shared->runs, 0);
}

static void post__after_cancel__runs(void **state)
{
    struct shared *shared = *state;
    assert_true(waiter_cancel(&shared->waiter));
    waiter_post(&shared->waiter);
    wait_for_run(shared);
    assert_int_equal(shared->runs, 1);
}

static void *fire_it(void *arg)
{
    struct shared *shared = arg;
    return waiter_fire(&shared->waiter) ? shared : NULL;
}

static void fire_and_cancel__at_once__exactly_one_wins(void **state)
{
    struct shared *shared = *state;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        void *fired;
        waiter_init(&shared->waiter, shared->loop, run);
        int runs_before = shared->runs;
        assert_int_equal(pthread_create(&thread, NULL, fire_it, shared), 0);
        bool cancelled = waiter_cancel(&shared->waiter);
        pthread_join(thread, &fired);
        assert_int_equal(cancelled, fired == NULL);
        if (fired) wait_for_run(shared);
        assert_int_equal(shared->runs, runs_before + (fired != NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fire__twice__runs_once, setup, teardown),
        cmocka_unit_test_setup_teardown(cancel__before_fire__never_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(post__after_cancel__runs, setup, teardown),
        cmocka_unit_test_setup_teardown(fire_and_cancel__at_once__exactly_one_wins, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
