/* The door from a loop to libuv, for the files of this folder only. */
#pragma once

#include <uv.h>

#include "loop.h"

uv_loop_t *loop_uv(struct loop *loop);
/* Runs the tasks in the mailbox of a loop that does not run (any more), as if it did; true: there
 * were some. */
bool loop_run_leftovers(struct loop *loop);
/* Milliseconds of the same clock as loop_now_ns(), as of the last wake-up; costs nothing. */
static inline int64_t loop_coarse_ms(struct loop *loop) { return (int64_t)uv_now(loop_uv(loop)); }
