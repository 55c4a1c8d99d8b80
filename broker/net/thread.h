/* thread - starts a named thread of the broker that takes no signals.
 *
 * Signals sent to the process are the main thread's business. Those that a thread causes itself
 * (SIGBUS, SIGSEGV, ...) stay open: storage turns a failing page-in of a mapping into an error.
 */
#pragma once

#include <pthread.h>

#include "base/err.h"

/* `name`: at most 15 bytes. ERR_LIMIT when the system has no thread left. */
err_t thread_start(pthread_t *out, const char *name, void *(*main)(void *arg), void *arg);
