/* rows - a table that is printed as it comes, or the same rows as JSON Lines: however many rows
 * there are, one is in memory.
 *
 * Unlike `output`, which measures a whole answer first, the columns here have a width of their own;
 * what is wider pushes the rest of its line aside. A command adds the cells of a row in the order
 * of the columns and never looks at the format. A program without memory ends with a message.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/types.h"
#include "options.h"

struct row_column {
    const char *key;   /* in JSON; NULL: not there */
    const char *title; /* on a terminal; NULL: not there */
    int width;         /* negative: to the left */
};

struct rows {
    enum output_format format;
    const char *type; /* what a row is; in JSON its first field */
    const struct row_column *columns;
    int count;
    int at;
    struct buf line; /* owned */
};

/* Columns are borrowed. */
void rows_init(struct rows *rows, enum output_format format, const char *type,
               const struct row_column *columns, int count);
void rows_release(struct rows *rows);
/* The line of titles; nothing in JSON. */
void rows_titles(struct rows *rows);

void rows_start(struct rows *rows);
void rows_number(struct rows *rows, int64_t number);
/* Null if not `has`. */
void rows_number_if(struct rows *rows, bool has, int64_t number);
void rows_bool(struct rows *rows, bool value);
void rows_text(struct rows *rows, struct view text);   /* data NULL: null, "-" */
void rows_string(struct rows *rows, const char *text); /* NULL: null, "-" */
void rows_null(struct rows *rows);
/* Milliseconds as ISO 8601 in UTC; -1 is null. */
void rows_time(struct rows *rows, time_ms_t ms);
/* For a field of JSON that is no column: the buffer to append the value to; NULL in text. */
struct buf *rows_field(struct rows *rows, const char *key);
/* The end of the row; it is printed. */
void rows_end(struct rows *rows);

enum { TIME_TEXT_MAX = 32 };
/* "2026-01-31T12:00:00.123Z"; "-" for -1; the bare number where no calendar reaches. */
const char *time_text(time_ms_t ms, char out[TIME_TEXT_MAX]);
/* The other way round; also plain milliseconds. */
bool time_parse(const char *text, time_ms_t *out);

/* Stops the program when an append had no memory. */
void must(err_t err);
/* stdout gets a large buffer; `| head` ends the program quietly. Before the first output. */
void stdout_prepare(void);
void stdout_write(struct view bytes);
void stdout_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* After the last output. */
void stdout_finish(void);
