/* task - a piece of work to be run once, somewhere else: on a loop, or on a worker. Embedded in
 * what it works on, so that handing it over never allocates. In at most one queue at a time; owned
 * by its embedder. */
#pragma once

#include "base/list.h"

struct task {
    struct list link;               /* of the queue that holds it */
    void (*run)(struct task *task); /* may free the embedder */
};
