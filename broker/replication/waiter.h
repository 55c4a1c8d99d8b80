/* waiter - a request that waits for something to happen to partitions, and is told on its own loop.
 *
 * Two uses. A write waits until its partition's high watermark passes it (or its turn comes after a
 * roll). A fetch watches many partitions and is told that one of them has news; it then looks again
 * by itself. A waiter fires at most once: whoever comes first (a partition, a timer through
 * waiter_cancel) takes it. Partitions collect what they complete under their lock and fire after
 * it, by posting to the waiter's loop.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "net/loop.h"

struct waiter {
    struct task task; /* posted to `loop` when fired; set run before use */
    struct loop *loop;
    atomic_bool fired;
};

void waiter_init(struct waiter *waiter, struct loop *loop, void (*run)(struct task *task));
/* Posts the task, unless somebody did before: true for the one who did. Any thread. */
bool waiter_fire(struct waiter *waiter);
/* Takes the waiter without posting: true when it had not been fired (and now never will be). */
bool waiter_cancel(struct waiter *waiter);
/* Posts the task of a waiter that was taken with waiter_cancel(): firing in two steps, the second
 * under no lock. Until the task has run, the owner may not free a waiter that others have taken. */
void waiter_post(struct waiter *waiter);
