/* One atomic flag decides who has the waiter. The one who turned it may post the task, now or after
 * it has let go of its locks; everybody else keeps away from a waiter that was taken, because its
 * owner frees it as soon as the task has run. */
#include "waiter.h"

void waiter_init(struct waiter *waiter, struct loop *loop, void (*run)(struct task *task))
{
    list_init(&waiter->task.link);
    waiter->task.run = run;
    waiter->loop = loop;
    atomic_init(&waiter->fired, false);
}

bool waiter_cancel(struct waiter *waiter)
{
    return !atomic_exchange_explicit(&waiter->fired, true, memory_order_acq_rel);
}

void waiter_post(struct waiter *waiter) { loop_post(waiter->loop, &waiter->task); }

bool waiter_fire(struct waiter *waiter)
{
    if (!waiter_cancel(waiter)) return false;
    waiter_post(waiter);
    return true;
}
