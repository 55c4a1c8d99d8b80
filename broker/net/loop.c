/* One turn of the loop:
 *
 *   expired timers -> before_sleep(): mailbox, arm the alarm -> sleep in epoll -> descriptors ->
 * ...
 *
 * The mailbox is one list under a mutex that is held for a few instructions. Everything that a
 * descriptor's callback posts to its own loop is run by the before_sleep() that follows, so such a
 * post needs no wake-up; a post from another thread pays for one only if the list was empty, since
 * whoever made it non-empty either woke the loop or is the loop. Tasks posted by tasks run in the
 * same way; after ROUNDS of them the loop looks at its descriptors without sleeping (stay_awake).
 *
 * The alarm is libuv's only timer here, armed to the earliest deadline once a turn, and only when
 * that changed. libuv counts milliseconds: deadlines are rounded up, so that none fires early.
 *
 * On close: loop_free() runs the tasks that came after the stop, since their owners count on it.
 */
#include "loop_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/mutex.h"
#include "thread.h"
#include "timer_heap.h"

enum { ROUNDS = 2, NS_PER_MS = 1000000 };

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t alarm;
    uv_prepare_t before_sleep;
    uv_idle_t stay_awake;
    struct timer_heap timers;
    int64_t armed_ns; /* what the alarm is set to; INT64_MAX: not set */
    int64_t now_ns;   /* 0: to be read in this turn */
    struct mutex mail_lock;
    struct list mail;     /* of task.link; under mail_lock */
    atomic_bool has_mail; /* the list is not empty; written under mail_lock */
    atomic_bool is_stopping;
    struct task stop_task;
    pthread_t thread;
    bool has_thread;
    char name[16];
};

static _Thread_local struct loop *current;

uv_loop_t *loop_uv(struct loop *loop) { return &loop->uv; }
struct loop *loop_current(void) { return current; }
bool loop_is_current(const struct loop *loop) { return current == loop; }

/* ---- mailbox ---- */

void loop_post(struct loop *loop, struct task *task)
{
    mutex_lock(&loop->mail_lock);
    bool was_empty = list_is_empty(&loop->mail);
    list_push_back(&loop->mail, &task->link);
    atomic_store_explicit(&loop->has_mail, true, memory_order_relaxed);
    mutex_unlock(&loop->mail_lock);
    if (was_empty && current != loop) CHECK(uv_async_send(&loop->wake) == 0);
}

static bool has_mail(const struct loop *loop)
{
    return atomic_load_explicit(&loop->has_mail, memory_order_relaxed);
}

/* Runs what is in the mailbox now, not what that adds to it. */
static void run_mail(struct loop *loop)
{
    struct list batch;
    list_init(&batch);
    mutex_lock(&loop->mail_lock);
    list_splice_back(&batch, &loop->mail);
    atomic_store_explicit(&loop->has_mail, false, memory_order_relaxed);
    mutex_unlock(&loop->mail_lock);
    while (!list_is_empty(&batch)) {
        struct task *task = CONTAINER_OF(batch.next, struct task, link);
        list_remove(&task->link);
        task->run(task);
    }
}

/* ---- time ---- */

int64_t loop_now_ns(const struct loop *loop)
{
    struct loop *self = (struct loop *)loop; /* the cached time is not part of the loop's state */
    if (!self->now_ns) self->now_ns = (int64_t)uv_hrtime();
    return self->now_ns;
}

void timer_start(struct loop *loop, struct timer *timer, int64_t deadline_ns)
{
    DCHECK(timer->fire);
    DCHECK(current == loop || !loop->has_thread);
    timer_heap_put(&loop->timers, timer, deadline_ns);
}

void timer_stop(struct loop *loop, struct timer *timer)
{
    DCHECK(current == loop || !loop->has_thread);
    timer_heap_remove(&loop->timers, timer);
}

static void alarm_rings(uv_timer_t *alarm)
{
    struct loop *loop = alarm->data;
    loop->armed_ns = INT64_MAX;
    loop->now_ns = 0;
    int64_t now = loop_now_ns(loop);
    /* Bounded by the timers there are now: one that starts itself again without end must not keep
     * the loop from its connections. */
    for (size_t left = loop->timers.count; left; left--) {
        struct timer *timer = timer_heap_first(&loop->timers);
        if (!timer || timer->deadline_ns > now) break;
        timer_heap_remove(&loop->timers, timer);
        timer->fire(timer);
    }
}

static void arm(struct loop *loop)
{
    const struct timer *first = timer_heap_first(&loop->timers);
    int64_t deadline = first ? first->deadline_ns : INT64_MAX;
    if (deadline == loop->armed_ns) return;
    loop->armed_ns = deadline;
    if (!first) {
        uv_timer_stop(&loop->alarm);
        return;
    }
    int64_t at_ms = deadline / NS_PER_MS + (deadline % NS_PER_MS > 0);
    int64_t wait_ms = at_ms - loop_coarse_ms(loop);
    uv_timer_start(&loop->alarm, alarm_rings, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

/* ---- a turn ---- */

static void nothing(uv_idle_t *idle) { (void)idle; }
static void woken(uv_async_t *async) { (void)async; }

static void before_sleep(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    for (int i = 0; i < ROUNDS && has_mail(loop); i++) run_mail(loop);
    if (has_mail(loop)) {
        uv_idle_start(&loop->stay_awake, nothing);
    } else {
        uv_idle_stop(&loop->stay_awake);
    }
    arm(loop);
    loop->now_ns = 0;
}

/* sendfile() has no MSG_NOSIGNAL. It stays blocked in a thread that once ran a loop. */
static void block_sigpipe(void)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
}

void loop_run(struct loop *loop)
{
    struct loop *outer = current;
    current = loop;
    block_sigpipe();
    CHECK(uv_prepare_start(&loop->before_sleep, before_sleep) == 0);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_prepare_stop(&loop->before_sleep);
    current = outer;
}

static void stop_now(struct task *task)
{
    uv_stop(&CONTAINER_OF(task, struct loop, stop_task)->uv);
}

void loop_stop(struct loop *loop)
{
    if (!atomic_exchange(&loop->is_stopping, true)) loop_post(loop, &loop->stop_task);
}

/* ---- lifecycle ---- */

static void *thread_main(void *arg)
{
    loop_run(arg);
    return NULL;
}

err_t loop_start(struct loop *loop)
{
    CHECK(!loop->has_thread);
    loop->has_thread = true;
    err_t err = thread_start(&loop->thread, loop->name, thread_main, loop);
    if (err != OK) loop->has_thread = false;
    return err;
}

void loop_join(struct loop *loop)
{
    if (!loop->has_thread) return;
    CHECK(pthread_join(loop->thread, NULL) == 0);
    loop->has_thread = false;
}

err_t loop_new(const char *name, struct loop **out)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop) return ERR_NOMEM;
    int failed = uv_loop_init(&loop->uv);
    if (failed) {
        diag(DIAG_ERROR, "net", "no event loop: %s", uv_strerror(failed));
        free(loop);
        return err_from_errno(-failed);
    }
    CHECK(uv_async_init(&loop->uv, &loop->wake, woken) == 0);
    CHECK(uv_timer_init(&loop->uv, &loop->alarm) == 0);
    CHECK(uv_prepare_init(&loop->uv, &loop->before_sleep) == 0);
    CHECK(uv_idle_init(&loop->uv, &loop->stay_awake) == 0);
    loop->alarm.data = loop->before_sleep.data = loop;
    loop->armed_ns = INT64_MAX;
    mutex_init(&loop->mail_lock, RANK_LEAF);
    list_init(&loop->mail);
    loop->stop_task = (struct task){.run = stop_now};
    snprintf(loop->name, sizeof loop->name, "%s", name);
    *out = loop;
    return OK;
}

bool loop_run_leftovers(struct loop *loop)
{
    CHECK(!loop->has_thread);
    if (!has_mail(loop)) return false;
    struct loop *outer = current;
    current = loop;
    run_mail(loop);
    current = outer;
    return true;
}

void loop_free(struct loop *loop)
{
    if (!loop) return;
    CHECK(!loop->has_thread);
    while (loop_run_leftovers(loop)) {
    }
    CHECK(loop->timers.count == 0);
    struct loop *outer = current;
    current = loop;
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    uv_close((uv_handle_t *)&loop->before_sleep, NULL);
    uv_close((uv_handle_t *)&loop->stay_awake, NULL);
    /* A pending uv_stop() ends one run at once. */
    for (int i = 0; i < 2; i++) uv_run(&loop->uv, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop->uv) == 0);
    current = outer;
    timer_heap_release(&loop->timers);
    mutex_destroy(&loop->mail_lock);
    free(loop);
}
