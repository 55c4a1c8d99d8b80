/* text_lines - walks over the lines of Kafka's checkpoint files: version, count, then words with
 * single spaces between them.
 *
 * Borrows the text, allocates nothing.
 */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

struct text_lines {
    struct view rest;
    int number; /* of the line returned last, from 1 */
};

static inline struct text_lines text_lines_of(struct view text)
{
    return (struct text_lines){text, 0};
}

/* The next line without its newline (a carriage return before it goes, too); false at the end. */
bool text_lines_next(struct text_lines *lines, struct view *out);
/* True when nothing but empty lines is left. */
bool text_lines_at_end(const struct text_lines *lines);
/* The first two lines: exactly `version`, then a count. ERR_CORRUPT. */
err_t text_lines_head(struct text_lines *lines, int version, int64_t *count);

/* Splits at single spaces; returns the number of words, `max` + 1 if there are more. */
int line_split(struct view line, struct view *words, int max);
/* A decimal number within [min, max], no sign but '-', no blanks. */
bool word_to_int(struct view word, int64_t min, int64_t max, int64_t *out);
