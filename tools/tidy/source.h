/* source - one text file, cut into lines, with the C code in it separated from what is said about
 * it.
 *
 * `code` is the text again, byte for byte at the same place, with comments and the insides of
 * string and character constants replaced by blanks: words found in it are words of the program.
 * Memory is the arena's. One thread.
 */
#pragma once

#include "base/arena.h"
#include "layer.h"

enum source_kind {
    SOURCE_C,
    SOURCE_HEADER,
    SOURCE_SCRIPT, /* shell, Python, JavaScript */
    SOURCE_BUILD,  /* CMake, make */
    SOURCE_PROSE,  /* documents, lists, data as text */
    SOURCE_OTHER,  /* not looked at */
};

struct line {
    const char *text; /* NUL-terminated */
    const char *code; /* the same length; C only, else equal to text */
    size_t len;
    bool has_comment;
};

struct source {
    const char *path; /* below the root */
    enum source_kind kind;
    const struct layer *layer; /* NULL outside of all layers */
    struct line *lines;
    size_t line_count;
    size_t comment_lines, code_lines; /* of C; a line with both is code */
};

enum source_kind source_kind_of(const char *path);
static inline bool source_is_c(const struct source *s)
{
    return s->kind == SOURCE_C || s->kind == SOURCE_HEADER;
}

/* ERR_UNSUPPORTED for a file that is not text. */
err_t source_load(struct source *s, struct arena *arena, const char *root, const char *path);

/* Where `word` stands in the line's code as a whole identifier, or NULL. */
const char *code_find_word(const struct line *line, const char *word);
/* The same at or after `from`. */
const char *code_find_word_from(const char *from, const char *start, const char *word);
