/* Chunks double from 4 KiB to 1 MiB; a request larger than a chunk gets a chunk of its own. */
#include "arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_MIN = 4096, CHUNK_MAX = 1 << 20, ALIGN = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    size_t used;
    _Alignas(ALIGN) uint8_t data[];
};

void arena_init(struct arena *a, size_t limit_bytes)
{
    *a = (struct arena){.limit_bytes = limit_bytes};
}

static void chunks_free(struct arena_chunk *c)
{
    while (c) {
        struct arena_chunk *next = c->next;
        free(c);
        c = next;
    }
}

void arena_release(struct arena *a)
{
    chunks_free(a->chunk);
    a->chunk = NULL;
    a->used_bytes = 0;
}

void arena_clear(struct arena *a)
{
    a->used_bytes = 0;
    if (!a->chunk) return;
    chunks_free(a->chunk->next);
    a->chunk->next = NULL;
    a->chunk->used = 0;
    if (a->chunk->size > CHUNK_MAX) arena_release(a);
}

static size_t next_size(size_t size) { return size * 2 < CHUNK_MAX ? size * 2 : CHUNK_MAX; }

static size_t left_bytes(const struct arena *a)
{
    return a->used_bytes < a->limit_bytes ? a->limit_bytes - a->used_bytes : 0;
}

static struct arena_chunk *chunk_add(struct arena *a, size_t size)
{
    size_t want = a->chunk ? next_size(a->chunk->size) : CHUNK_MIN;
    if (want < size) want = size;
    struct arena_chunk *c = malloc(sizeof *c + want);
    if (!c) return NULL;
    *c = (struct arena_chunk){.next = a->chunk, .size = want};
    a->chunk = c;
    return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2) return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (a->limit_bytes && size > left_bytes(a)) return NULL;
    struct arena_chunk *c = a->chunk;
    if (!c || c->size - c->used < size) c = chunk_add(a, size);
    if (!c) return NULL;
    void *p = c->data + c->used;
    c->used += size;
    a->used_bytes += size;
    return memset(p, 0, size);
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) return NULL;
    return arena_alloc(a, total);
}

char *arena_strndup(struct arena *a, const void *data, size_t len)
{
    char *p = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;
    if (p && len) memcpy(p, data, len);
    return p;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) return NULL;
    char *p = arena_alloc(a, (size_t)len + 1);
    if (!p) return NULL;
    va_start(args, format);
    vsnprintf(p, (size_t)len + 1, format, args);
    va_end(args);
    return p;
}
