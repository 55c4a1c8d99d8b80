/* Order, growth by need, and nobody forgotten at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "worker.h"

enum { TASKS = 3000 };

struct job {
    struct task task;
    struct worker_pool *pool;
    sem_t *gate;
    int number;
};

static atomic_int done_count;
static int order[TASKS];

static void run_numbered(struct task *task)
{
    struct job *job = CONTAINER_OF(task, struct job, task);
    order[atomic_fetch_add(&done_count, 1)] = job->number;
}

static struct worker_pool *make_pool(int threads)
{
    struct worker_pool *pool;
    assert_int_equal(worker_pool_new("work", threads, &pool), OK);
    atomic_store(&done_count, 0);
    return pool;
}

static void submit__to_one_thread__runs_in_order(void **state)
{
    (void)state;
    struct worker_pool *pool = make_pool(1);
    static struct job jobs[TASKS];
    for (int i = 0; i < TASKS; i++) {
        jobs[i] = (struct job){.task = {.run = run_numbered}, .number = i};
        worker_submit(pool, &jobs[i].task);
    }
    worker_drain(pool);
    assert_int_equal(done_count, TASKS);
    for (int i = 0; i < TASKS; i++) assert_int_equal(order[i], i);
    worker_pool_free(pool);
}

static void run_behind_gate(struct task *task)
{
    struct job *job = CONTAINER_OF(task, struct job, task);
    atomic_fetch_add(&done_count, 1);
    sem_wait(job->gate);
}

/* All of them block at once, so as many threads must have been started. */
static void submit__while_all_are_busy__starts_another_thread(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    struct worker_pool *pool = make_pool(THREADS);
    struct job jobs[THREADS];
    sem_t gate;
    sem_init(&gate, 0, 0);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.task = {.run = run_behind_gate}, .gate = &gate};
        worker_submit(pool, &jobs[i].task);
    }
    while (atomic_load(&done_count) < THREADS) {
    }
    for (int i = 0; i < THREADS; i++) sem_post(&gate);
    worker_drain(pool);
    worker_pool_free(pool);
    sem_destroy(&gate);
}

static void run_counted(struct task *task) { atomic_fetch_add(&done_count, 1), (void)task; }

static void drain__after_each_task__finds_it_done(void **state)
{
    (void)state;
    struct worker_pool *pool = make_pool(4);
    worker_drain(pool); /* nothing to wait for */
    for (int round = 1; round <= 500; round++) {
        struct task task = {.run = run_counted};
        worker_submit(pool, &task);
        worker_drain(pool);
        assert_int_equal(done_count, round);
    }
    worker_pool_free(pool);
}

static void run_and_submit(struct task *task)
{
    struct job *job = CONTAINER_OF(task, struct job, task);
    atomic_fetch_add(&done_count, 1);
    if (--job->number > 0) worker_submit(job->pool, task);
}

static void free__tasks_that_submit_tasks__runs_them_all(void **state)
{
    (void)state;
    struct worker_pool *pool = make_pool(3);
    struct job jobs[10];
    for (int i = 0; i < 10; i++) {
        jobs[i] = (struct job){.task = {.run = run_and_submit}, .pool = pool, .number = 50};
        worker_submit(pool, &jobs[i].task);
    }
    worker_pool_free(pool);
    assert_int_equal(done_count, 500);
}

static char thread_name[16];
static int term_is_blocked;

static void look_around(struct task *task)
{
    (void)task;
    sigset_t blocked;
    pthread_getname_np(pthread_self(), thread_name, sizeof thread_name);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    term_is_blocked = sigismember(&blocked, SIGTERM);
}

static void thread__of_a_pool__is_named_and_takes_no_signals(void **state)
{
    (void)state;
    struct worker_pool *pool = make_pool(1);
    struct task task = {.run = look_around};
    worker_submit(pool, &task);
    worker_drain(pool);
    assert_string_equal(thread_name, "work0");
    assert_int_equal(term_is_blocked, 1);
    worker_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submit__to_one_thread__runs_in_order),
        cmocka_unit_test(submit__while_all_are_busy__starts_another_thread),
        cmocka_unit_test(drain__after_each_task__finds_it_done),
        cmocka_unit_test(free__tasks_that_submit_tasks__runs_them_all),
        cmocka_unit_test(thread__of_a_pool__is_named_and_takes_no_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
