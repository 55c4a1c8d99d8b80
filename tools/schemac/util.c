#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

void fail_at(struct place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: error: ", place.file, place.line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void *must(void *p)
{
    if (!p) {
        fputs("schemac: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

void *must_calloc(unsigned long size) { return must(calloc(1, size)); }

char *must_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) text = NULL;
    va_end(args);
    return must(text);
}
