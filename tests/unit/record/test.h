/* What every test of this layer starts with: cmocka and its prerequisites, and assertions on err_t
 * that say which error came. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static inline void assert_err_at(err_t got, err_t want, const char *file, int line)
{
    if (got == want) return;
    print_error("got \"%s\", not \"%s\"\n", err_name(got), err_name(want));
    _fail(file, line);
}
#define assert_err(expr, want) assert_err_at((expr), (want), __FILE__, __LINE__)
#define assert_ok(expr)        assert_err(expr, OK)
