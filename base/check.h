/* check - assertions about ourselves, never about input.
 *
 * CHECK stays on in every build: a log that stops is better than a log that lies. DCHECK is for hot
 * paths and costly invariants and is on in debug and sanitizer builds only.
 */
#pragma once

#include <stddef.h>

_Noreturn void check_failed(const char *file, int line, const char *expr);

#define CHECK(cond) \
    (__builtin_expect(!(cond), 0) ? check_failed(__FILE__, __LINE__, #cond) : (void)0)

#ifdef STELE_DEBUG
#define DCHECK(cond) CHECK(cond)
#else
#define DCHECK(cond) ((void)sizeof(!(cond)))
#endif

#define COUNT_OF(array)                 (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#ifndef MIN /* some system headers bring their own */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif
