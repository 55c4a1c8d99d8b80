/* Walks over the lines' code; the brace that opens a body leads back to its signature. */
#include "function.h"

#include <ctype.h>
#include <string.h>

#include "base/check.h"

static size_t signature_start(const struct source *s, size_t brace)
{
    size_t at = brace;
    while (at > 0) {
        const struct line *above = &s->lines[at - 1];
        const char *code = above->code;
        size_t len = strlen(code);
        while (len && code[len - 1] == ' ') len--;
        if (len == 0 || code[0] == '#' || code[0] == '}') break;
        if (code[len - 1] == ';' || code[len - 1] == '}') break;
        at--;
    }
    return at;
}

static bool is_name_char(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* The last word before the first parenthesis that is not an attribute's. */
static void find_name(const struct source *s, struct function *fn)
{
    const char *end = NULL;
    for (int i = fn->first; i <= fn->last && !end; i++) {
        const char *code = s->lines[i - 1].code;
        const char *from = strstr(code, "__attribute__");
        const char *closed = from ? strstr(from, "))") : NULL;
        end = strchr(closed ? closed + 2 : code, '(');
        if (!end) continue;
        const char *start = end;
        while (start > code && is_name_char(start[-1])) start--;
        if (start == end) end = NULL;
        fn->name = start;
        fn->name_len = end ? (int)(end - start) : 0;
    }
}

static int count_checks(const struct source *s, const struct function *fn)
{
    int n = 0;
    for (int i = fn->first; i <= fn->last; i++) {
        const char *code = s->lines[i - 1].code;
        for (const char *at = code; (at = strstr(at, "CHECK(")); at++) n++;
    }
    return n;
}

/* "static int f(void) { return 1; }": a definition on one line. */
static bool is_one_line(const struct line *line)
{
    const char *code = line->code;
    size_t len = strlen(code);
    while (len && code[len - 1] == ' ') len--;
    if (len < 4 || code[len - 1] != '}' || !(isalpha((unsigned char)code[0]) || code[0] == '_'))
        return false;
    const char *body = strstr(code, ") {");
    return body && !memchr(code, '=', (size_t)(body - code));
}

static void add(struct functions *found, const struct source *s, size_t first, size_t last)
{
    struct function *fn = &found->all[found->count++];
    *fn = (struct function){.first = (int)first + 1, .last = (int)last + 1};
    fn->length = fn->last - fn->first + 1;
    fn->checks = count_checks(s, fn);
    find_name(s, fn);
}

struct functions functions_find(const struct source *s, struct arena *arena)
{
    struct functions found = {arena_calloc(arena, s->line_count + 1, sizeof(struct function)), 0};
    CHECK(found.all);
    for (size_t i = 0; i < s->line_count; i++) {
        if (is_one_line(&s->lines[i])) {
            add(&found, s, i, i);
            continue;
        }
        if (strcmp(s->lines[i].code, "{") != 0) continue;
        size_t first = signature_start(s, i);
        size_t last = i;
        while (last + 1 < s->line_count && s->lines[last].code[0] != '}') last++;
        add(&found, s, first, last);
        i = last;
    }
    return found;
}
