/* output - a table on a terminal, or the same rows as JSON: a command fills it in once and never
 * looks at the format.
 *
 * Cells are text; a column is marked as number, text or flag, so that JSON has the right types.
 * Nulls are "-" in text.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "options.h"

enum column_kind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_BOOL };

struct column {
    const char *title; /* "PARTITIONS": the heading; its lower case with '_' is the JSON key */
    enum column_kind kind;
};

struct output;

/* Columns are borrowed for the output's life. Never fails: without memory the program ends with a
 * message. */
struct output *output_new(enum output_format format, const struct column *columns, int count);
/* One cell after the other, row by row. */
void output_text(struct output *out, struct view text);   /* data NULL: null */
void output_string(struct output *out, const char *text); /* NULL: null */
void output_number(struct output *out, int64_t number);
void output_bool(struct output *out, bool value);
/* A list of numbers: [1,2,3] in JSON, 1,2,3 in text. */
void output_numbers(struct output *out, const int32_t *numbers, int32_t count);
bool output_is_empty(const struct output *out);
/* Prints all rows and frees. JSON: an array of objects. */
void output_finish(struct output *out);
