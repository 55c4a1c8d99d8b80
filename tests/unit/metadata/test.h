/* What every test of this layer starts with: cmocka and its prerequisites, and assertions on err_t
 * that say which error came. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/uuid.h"

static inline void assert_err_at(err_t got, err_t want, const char *file, int line)
{
    if (got == want) return;
    print_error("got \"%s\", not \"%s\"\n", err_name(got), err_name(want));
    _fail(file, line);
}
#define assert_err(expr, want) assert_err_at((expr), (want), __FILE__, __LINE__)
#define assert_ok(expr)        assert_err(expr, OK)

/* An id that tells itself apart by one number. */
static inline struct uuid test_id(uint32_t n)
{
    struct uuid id = {{0x40}};
    be32_put(id.bytes + 12, n);
    return id;
}

/* Counts the diagnostics, and keeps the last. */
struct heard {
    int count;
    char last[512];
};

static inline void hear(void *arg, enum diag_level level, const char *line)
{
    struct heard *heard = arg;
    if (level < DIAG_WARN) return;
    heard->count++;
    snprintf(heard->last, sizeof(heard->last), "%s", line);
}
