/* arena - memory that dies all at once, with a limit.
 *
 * A request's decoded fields live in its arena. Allocation is a pointer bump; there is no free of
 * one piece. The limit bounds what one request may take: beyond it allocation returns NULL, which
 * callers turn into ERR_NOMEM or ERR_LIMIT. A zeroed struct is a valid empty arena without a limit.
 * One owner, not thread-safe.
 */
#pragma once

#include <stddef.h>

#include "bytes.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunk; /* newest first */
    size_t used_bytes;         /* handed out, over all chunks */
    size_t limit_bytes;        /* 0: none */
};

void arena_init(struct arena *a, size_t limit_bytes);
/* Frees everything; the arena may be used again. */
void arena_release(struct arena *a);
/* Forgets everything but keeps one chunk for the next use. */
void arena_clear(struct arena *a);

/* `size` zeroed bytes aligned for any type, or NULL. A size of 0 gives a valid pointer. */
MUST_USE void *arena_alloc(struct arena *a, size_t size);
/* The same for `count` elements; NULL also when the product overflows. */
MUST_USE void *arena_calloc(struct arena *a, size_t count, size_t size);
/* A copy with a terminating NUL (not counted). */
MUST_USE char *arena_strndup(struct arena *a, const void *data, size_t len);
/* printf into the arena; NULL when it does not fit. */
MUST_USE char *arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
