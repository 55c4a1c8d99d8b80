/* diag - what the program tells its operator: one line an event, on stderr.
 *
 *   2026-01-31T12:00:00.123Z WARN  log: torn tail cut topic=orders partition=3 bytes=812
 *
 * The message comes first, in words; facts follow as key=value. Lines are written whole (one
 * write), from any thread; control characters become blanks, so that no peer can forge a line.
 * These are messages to people and to log collectors; the *log* is always a partition's log.
 */
#pragma once

#include <stdbool.h>

enum diag_level { DIAG_DEBUG, DIAG_INFO, DIAG_WARN, DIAG_ERROR };

/* `component` is the speaking module's name. */
void diag(enum diag_level level, const char *component, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Lines below the level are dropped; the default is DIAG_INFO. */
void diag_set_level(enum diag_level level);
bool diag_enabled(enum diag_level level);
/* "debug", "info", "warn", "error"; false for anything else. */
bool diag_parse_level(const char *name, enum diag_level *out);

/* Tests may take the lines instead of stderr; NULL restores it. The line has no newline and is
 * borrowed for the call. */
typedef void (*diag_sink_fn)(void *arg, enum diag_level level, const char *line);
void diag_set_sink(diag_sink_fn fn, void *arg);
