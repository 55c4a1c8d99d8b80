/* Order of tasks, timers against the clock, and what a loop leaves alone: signals, and the CPU when
 * idle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "loop.h"

enum { POSTS = 5000, POSTERS = 4, MS = 1000000 };

static struct loop *make_loop(void)
{
    struct loop *loop;
    assert_int_equal(loop_new("test", &loop), OK);
    return loop;
}

static void stop_and_free(struct loop *loop)
{
    loop_stop(loop);
    loop_join(loop);
    loop_free(loop);
}

/* ---- posting ---- */

struct numbered {
    struct task task;
    int poster, number;
};

static int last_seen[POSTERS];
static int seen;

static void see(struct task *task)
{
    struct numbered *numbered = CONTAINER_OF(task, struct numbered, task);
    CHECK(numbered->number == last_seen[numbered->poster] + 1);
    last_seen[numbered->poster]++;
    seen++;
    free(numbered);
}

struct poster {
    pthread_t thread;
    struct loop *loop;
    int index;
};

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (int i = 1; i <= POSTS; i++) {
        struct numbered *numbered = malloc(sizeof *numbered);
        *numbered = (struct numbered){{.run = see}, poster->index, i};
        loop_post(poster->loop, &numbered->task);
    }
    return NULL;
}

static void post__from_many_threads__runs_all_in_each_ones_order(void **state)
{
    (void)state;
    struct loop *loop = make_loop();
    struct poster posters[POSTERS];
    memset(last_seen, 0, sizeof last_seen);
    seen = 0;
    assert_int_equal(loop_start(loop), OK);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.loop = loop, .index = i};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    for (int i = 0; i < POSTERS; i++) pthread_join(posters[i].thread, NULL);
    loop_stop(loop); /* only after what was posted before */
    loop_join(loop);
    assert_int_equal(seen, POSTS * POSTERS);
    loop_free(loop);
}

struct chain_task {
    struct task task;
    struct loop *loop;
    int left;
};

static void post_again(struct task *task)
{
    struct chain_task *chain = CONTAINER_OF(task, struct chain_task, task);
    CHECK(loop_is_current(chain->loop) && loop_current() == chain->loop);
    if (--chain->left > 0) {
        loop_post(chain->loop, task);
    } else {
        loop_stop(chain->loop);
    }
}

static void post__from_its_own_task__runs_without_being_woken(void **state)
{
    (void)state;
    struct loop *loop = make_loop();
    struct chain_task chain = {{.run = post_again}, loop, 1000};
    loop_post(loop, &chain.task);
    assert_null(loop_current());
    loop_run(loop);
    assert_null(loop_current());
    assert_int_equal(chain.left, 0);
    loop_free(loop);
}

static void note(struct task *task) { (void)task, seen++; }

static void post__after_the_end__runs_when_freed(void **state)
{
    (void)state;
    struct loop *loop = make_loop();
    struct task task = {.run = note};
    seen = 0;
    assert_int_equal(loop_start(loop), OK);
    loop_stop(loop);
    loop_stop(loop); /* twice is fine */
    loop_join(loop);
    loop_post(loop, &task);
    assert_int_equal(seen, 0);
    loop_free(loop);
    assert_int_equal(seen, 1);
}

/* ---- timers ---- */

struct ring {
    struct timer timer;
    struct loop *loop;
    int64_t start_ns, rang_ns;
    int order;
};

static int rings;

static void ring_fires(struct timer *timer)
{
    struct ring *ring = CONTAINER_OF(timer, struct ring, timer);
    CHECK(!timer_is_started(timer));
    ring->rang_ns = loop_now_ns(ring->loop);
    ring->order = ++rings;
}

static void last_ring_fires(struct timer *timer)
{
    ring_fires(timer);
    loop_stop(CONTAINER_OF(timer, struct ring, timer)->loop);
}

static struct ring make_ring(struct loop *loop)
{
    return (struct ring){.timer = {.fire = ring_fires}, .loop = loop};
}

static void timer__several__fire_in_order_and_never_early(void **state)
{
    (void)state;
    struct loop *loop = make_loop();
    struct ring a = make_ring(loop), b = make_ring(loop), c = make_ring(loop), d = make_ring(loop);
    rings = 0;
    int64_t now = loop_now_ns(loop);
    d.timer.fire = last_ring_fires;
    timer_start(loop, &d.timer, now + 30 * MS);
    timer_start(loop, &b.timer, now + 10 * MS + 1);
    timer_start(loop, &a.timer, now - 5); /* the past: at once */
    timer_start(loop, &c.timer, now + 5 * MS);
    timer_start(loop, &c.timer, now + 20 * MS); /* moved */
    loop_run(loop);
    assert_int_equal(a.order, 1);
    assert_int_equal(b.order, 2);
    assert_int_equal(c.order, 3);
    assert_int_equal(d.order, 4);
    assert_true(b.rang_ns >= now + 10 * MS + 1);
    assert_true(c.rang_ns >= now + 20 * MS);
    assert_true(d.rang_ns >= now + 30 * MS);
    loop_free(loop);
}

static void timer__stopped__does_not_fire(void **state)
{
    (void)state;
    struct loop *loop = make_loop();
    struct ring a = make_ring(loop), b = make_ring(loop);
    rings = 0;
    b.timer.fire = last_ring_fires;
    int64_t now = loop_now_ns(loop);
    timer_start(loop, &a.timer, now + MS);
    timer_start(loop, &b.timer, now + 5 * MS);
    timer_stop(loop, &a.timer);
    timer_stop(loop, &a.timer);
    loop_run(loop);
    assert_int_equal(rings, 1);
    assert_int_equal(a.order, 0);
    loop_free(loop);
}

static void restart_fires(struct timer *timer)
{
    struct ring *ring = CONTAINER_OF(timer, struct ring, timer);
    if (++rings < 100) {
        timer_start(ring->loop, timer, loop_now_ns(ring->loop)); /* due at once, again and again */
    } else {
        loop_stop(ring->loop);
    }
}

static void timer__restarted_for_now_while_firing__lets_others_run(void **state)
{
    (void)state;
    struct loop *loop = make_loop();
    struct ring ring = make_ring(loop);
    struct task task = {.run = note};
    ring.timer.fire = restart_fires;
    rings = seen = 0;
    timer_start(loop, &ring.timer, 0);
    loop_post(loop, &task);
    loop_run(loop);
    assert_int_equal(rings, 100);
    assert_int_equal(seen, 1);
    loop_free(loop);
}

/* ---- threads ---- */

struct look {
    struct task task;
    struct loop *loop;
    char name[16];
    bool term_is_blocked, bus_is_blocked, pipe_is_blocked;
    sem_t done;
};

static void look_around(struct task *task)
{
    struct look *look = CONTAINER_OF(task, struct look, task);
    sigset_t blocked;
    pthread_getname_np(pthread_self(), look->name, sizeof look->name);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    look->term_is_blocked = sigismember(&blocked, SIGTERM);
    look->pipe_is_blocked = sigismember(&blocked, SIGPIPE);
    look->bus_is_blocked = sigismember(&blocked, SIGBUS);
    sem_post(&look->done);
}

static void start__thread__is_named_and_leaves_signals_to_others(void **state)
{
    (void)state;
    struct loop *loop = make_loop();
    struct look look = {.task = {.run = look_around}, .loop = loop};
    sem_init(&look.done, 0, 0);
    assert_int_equal(loop_start(loop), OK);
    loop_post(loop, &look.task);
    sem_wait(&look.done);
    assert_string_equal(look.name, "test");
    assert_true(look.term_is_blocked);
    assert_true(look.pipe_is_blocked);
    assert_false(look.bus_is_blocked);
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_false(sigismember(&blocked, SIGTERM));
    stop_and_free(loop);
    sem_destroy(&look.done);
}

struct cpu_task {
    struct task task;
    sem_t done;
    int64_t cpu_ns;
};

static void read_cpu(struct task *task)
{
    struct cpu_task *cpu = CONTAINER_OF(task, struct cpu_task, task);
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    cpu->cpu_ns = t.tv_sec * 1000000000 + t.tv_nsec;
    sem_post(&cpu->done);
}

static int64_t thread_cpu_ns(struct loop *loop)
{
    struct cpu_task cpu = {.task = {.run = read_cpu}};
    sem_init(&cpu.done, 0, 0);
    loop_post(loop, &cpu.task);
    sem_wait(&cpu.done);
    sem_destroy(&cpu.done);
    return cpu.cpu_ns;
}

/* A loop that spins would use all of the time. */
static void idle__with_a_far_timer__uses_no_cpu(void **state)
{
    (void)state;
    struct loop *loop = make_loop();
    struct ring ring = make_ring(loop);
    timer_start(loop, &ring.timer, loop_now_ns(loop) + (int64_t)3600 * 1000 * MS);
    assert_int_equal(loop_start(loop), OK);
    int64_t before = thread_cpu_ns(loop);
    nanosleep(&(struct timespec){.tv_nsec = 200 * MS}, NULL);
    assert_true(thread_cpu_ns(loop) - before < 100 * MS);
    loop_stop(loop);
    loop_join(loop);
    timer_stop(loop, &ring.timer);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(post__from_many_threads__runs_all_in_each_ones_order),
        cmocka_unit_test(post__from_its_own_task__runs_without_being_woken),
        cmocka_unit_test(post__after_the_end__runs_when_freed),
        cmocka_unit_test(timer__several__fire_in_order_and_never_early),
        cmocka_unit_test(timer__stopped__does_not_fire),
        cmocka_unit_test(timer__restarted_for_now_while_firing__lets_others_run),
        cmocka_unit_test(start__thread__is_named_and_leaves_signals_to_others),
        cmocka_unit_test(idle__with_a_far_timer__uses_no_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
