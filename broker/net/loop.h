/* loop - an event loop: one thread, its connections, its timers, and a mailbox through which others
 * talk to it.
 *
 * Everything that a loop owns is touched on its thread only. The mailbox is the one way in:
 * loop_post() from any thread, tasks run in order of posting; a wake-up is paid only when the loop
 * was asleep. One timer of the system serves all of a loop's timers, armed to the earliest
 * deadline: an idle loop never ticks. Time is monotonic. Behind this header is libuv; tests/sim has
 * another implementation with a virtual clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "task.h"

struct loop;

/* `name` (at most 15 bytes) names the thread; copied. */
err_t loop_new(const char *name, struct loop **out);
/* Starts the thread. */
err_t loop_start(struct loop *loop);
/* Runs on the calling thread until loop_stop(). */
void loop_run(struct loop *loop);
/* Any thread; the loop ends after the tasks posted before. */
void loop_stop(struct loop *loop);
/* Waits for the thread of loop_start(). */
void loop_join(struct loop *loop);
/* Only when stopped and without connections and timers. NULL is allowed. */
void loop_free(struct loop *loop);

void loop_post(struct loop *loop, struct task *task);
bool loop_is_current(const struct loop *loop);
/* The loop whose thread this is, or NULL. */
struct loop *loop_current(void);
/* Monotonic, read once per turn of the loop: cheap, good for deadlines, not for measuring. */
int64_t loop_now_ns(const struct loop *loop);

/* ---- timers: loop thread only ---- */
struct timer {
    int64_t deadline_ns;
    size_t heap_index; /* 0: not started (the heap is 1-based) */
    void (*fire)(
        struct timer *timer); /* the timer is stopped before; may start it again or free it */
};

/* Starts, or moves, the timer. `fire` must be set. */
void timer_start(struct loop *loop, struct timer *timer, int64_t deadline_ns);
void timer_stop(struct loop *loop, struct timer *timer);
static inline bool timer_is_started(const struct timer *timer) { return timer->heap_index != 0; }
