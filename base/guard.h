/* guard - runs a function that reads mapped files, so that a page that cannot be read is an error
 * and not the end of the process.
 *
 * The kernel answers a failing page-in, or a touch behind the end of a file that was cut, with
 * SIGBUS. Inside guard_run() that signal ends `fn` at once and becomes ERR_IO; outside it does what
 * it always did. `fn` may be left at any load from a mapping: it must hold no lock and own nothing
 * at that point. Any thread; calls may nest. The signal's handler is installed at the first call.
 */
#pragma once

#include "err.h"

/* What fn returned, or ERR_IO when it was left by SIGBUS. */
err_t guard_run(err_t (*fn)(void *arg), void *arg);
