/* Nothing so long that it cannot be held in the head. */
#include "checks.h"

enum { FUNCTION_MAX = 70, SOURCE_MAX = 1000, HEADER_MAX = 300 };

void check_lengths(const struct source *s, const struct functions *functions, struct findings *f)
{
    int max = s->kind == SOURCE_HEADER ? HEADER_MAX : SOURCE_MAX;
    if ((int)s->line_count > max)
        findings_add(f, s->path, 0, "file-length", NULL, "%zu lines, at most %d", s->line_count,
                     max);
    for (size_t i = 0; i < functions->count; i++) {
        const struct function *fn = &functions->all[i];
        if (fn->length <= FUNCTION_MAX) continue;
        findings_add(f, s->path, fn->first, "function-length", NULL, "%.*s(): %d lines, at most %d",
                     fn->name_len, fn->name, fn->length, FUNCTION_MAX);
    }
}
