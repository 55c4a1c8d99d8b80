/* cmocka_base - cmocka with the headers it wants before itself, and what several tests here share.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"

#define assert_err(expr, err) assert_int_equal((int)(expr), (int)(err))
#define assert_ok(expr)       assert_err(expr, OK)

enum { ENDED_BY_SANITIZER = -1 };

/* The signal that ends a child which runs fn(arg); 0 when it returns. */
static inline int signal_that_ends(void (*fn)(void *arg), void *arg)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        if (!freopen("/dev/null", "w", stderr)) _exit(0);
        fn(arg);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) return WTERMSIG(status);
    return WEXITSTATUS(status) ? ENDED_BY_SANITIZER : 0;
}
