/* function - where the functions of a C file begin and end, and how much they assert.
 *
 * Trusts the formatter: a definition starts in the first column; its body is opened by a brace
 * alone in the first column and closed the same way, or the whole function stands on one line.
 */
#pragma once

#include "source.h"

struct function {
    int first, last;  /* lines, from 1; of the signature and of the closing brace */
    int length;       /* lines from signature to brace */
    const char *name; /* not NUL-terminated */
    int name_len;
    int checks; /* CHECK and DCHECK in it */
};

struct functions {
    struct function *all;
    size_t count;
};

/* In the arena; the names point into the source. */
struct functions functions_find(const struct source *s, struct arena *arena);
