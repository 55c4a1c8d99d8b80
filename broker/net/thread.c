/* A thread inherits the signal mask of its creator, so the mask is set before and put back after:
 * no signal can slip into the new thread. */
#include "thread.h"

#include <signal.h>

static void block_foreign_signals(sigset_t *before)
{
    static const int own[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&blocked, own[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, before);
}

err_t thread_start(pthread_t *out, const char *name, void *(*main)(void *arg), void *arg)
{
    sigset_t before;
    block_foreign_signals(&before);
    int failed = pthread_create(out, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) return ERR_LIMIT;
    pthread_setname_np(*out, name);
    return OK;
}
