/* One line a message, formatted on the stack and written with one call; too long ones are cut,
 * marked with "...". */
#include "diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { LINE_MAX_BYTES = 2048 };

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
static const char *const level_words[] = {"debug", "info", "warn", "error"};

static _Atomic int min_level = DIAG_INFO;
static diag_sink_fn sink;
static void *sink_arg;

void diag_set_level(enum diag_level level) { min_level = (int)level; }
bool diag_enabled(enum diag_level level) { return (int)level >= min_level; }

bool diag_parse_level(const char *name, enum diag_level *out)
{
    for (size_t i = 0; i < COUNT_OF(level_words); i++) {
        if (strcmp(name, level_words[i]) != 0) continue;
        *out = (enum diag_level)i;
        return true;
    }
    return false;
}

void diag_set_sink(diag_sink_fn fn, void *arg)
{
    sink = fn;
    sink_arg = arg;
}

static size_t put_time(char *line, size_t cap)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(line, cap, "%Y-%m-%dT%H:%M:%S", &tm);
    return n + (size_t)snprintf(line + n, cap - n, ".%03ldZ ", now.tv_nsec / 1000000);
}

/* Text from outside may hold line breaks; a message is one line all the same. */
static void flatten(char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ') line[i] = ' ';
}

/* The line without a newline; its length, below LINE_MAX_BYTES. */
static size_t format_line(char *line, enum diag_level level, const char *component,
                          const char *format, va_list args)
{
    size_t n = put_time(line, LINE_MAX_BYTES);
    int head = snprintf(line + n, LINE_MAX_BYTES - n, "%-5s %.64s: ", level_names[level],
                        component);
    n += head < 0 ? 0 : (size_t)head;
    int more = vsnprintf(line + n, LINE_MAX_BYTES - n, format, args);
    n += more < 0 ? 0 : (size_t)more;
    if (n >= LINE_MAX_BYTES) {
        memcpy(line + LINE_MAX_BYTES - 4, "...", 4);
        n = LINE_MAX_BYTES - 1;
    }
    flatten(line, n);
    return n;
}

void diag(enum diag_level level, const char *component, const char *format, ...)
{
    if (!diag_enabled(level)) return;
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    size_t n = format_line(line, level, component, format, args);
    va_end(args);
    if (sink) {
        sink(sink_arg, level, line);
        return;
    }
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0) return; /* nowhere left to complain */
}
