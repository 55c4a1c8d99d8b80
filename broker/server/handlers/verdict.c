/* See verdict.h. */
#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_MAX = 512 };

struct verdict verdict_fail(struct arena *arena, enum kafka_error code, const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    if (!arena) return (struct verdict){code, {0}};
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = arena_strndup(arena, text, strlen(text));
    return (struct verdict){code, copy ? view_str(copy) : (struct view){0}};
}
