/* report - numbers that are worth watching and not worth failing for.
 *
 * Filler comments and asserts for the count's sake are worse than a gap.
 */
#pragma once

#include "function.h"

enum { REPORT_LARGEST = 5 };

struct layer_numbers {
    size_t files, code_lines, comment_lines, functions, checks;
    struct {
        int *all; /* of every function; malloc'ed */
        size_t cap;
    } lengths;
};

struct report {
    struct layer_numbers *layers; /* as layer_at() */
    struct {
        char path[200];
        size_t lines;
    } largest[REPORT_LARGEST];
};

void report_init(struct report *r);
void report_release(struct report *r);
void report_add(struct report *r, const struct source *s, const struct functions *functions);
void report_print(struct report *r);
