/* finding - one place that breaks a rule, and the list of places that may.
 *
 * A finding is kept unless the allow-list names its file and its rule (or the exact word found); an
 * entry of that list that allows nothing any more is a finding itself. Strings are copied into the
 * arena given at the start. One thread.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"

struct finding {
    const char *path;
    int line; /* from 1; 0: the file as a whole */
    const char *rule;
    const char *message;
};

/* A line of the allow-list: PATH RULE-OR-WORD REASON... */
struct allowance {
    const char *path;
    const char *what;
    int line;
    int uses;
};

struct findings {
    struct arena *arena; /* borrowed */
    struct finding *all;
    size_t count, cap;
    struct allowance *allowed;
    size_t allowed_count;
    const char *allow_path;
};

void findings_init(struct findings *f, struct arena *arena);
/* Reads the allow-list; a missing file is an empty list, a line without a reason is a finding. */
void findings_load_allowed(struct findings *f, const char *root, const char *path);

/* `word` is what was found, or NULL; the allow-list may name it instead of the rule. */
void findings_add(struct findings *f, const char *path, int line, const char *rule,
                  const char *word, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Adds what the allow-list no longer needs, sorts, prints one line each; the number of findings. */
size_t findings_print(struct findings *f);
