/* Findings grow in a plain array and are sorted once, so that output does not depend on the order
 * in which the file system lists files. */
#include "finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/os.h"

enum { ALLOW_FILE_MAX_BYTES = 1 << 20 };

void findings_init(struct findings *f, struct arena *arena)
{
    *f = (struct findings){.arena = arena};
}

static char *copy(struct findings *f, const char *text)
{
    char *p = arena_strndup(f->arena, text, strlen(text));
    CHECK(p);
    return p;
}

static void store(struct findings *f, struct finding finding)
{
    if (f->count == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 64;
        struct finding *all = arena_calloc(f->arena, cap, sizeof *all);
        CHECK(all);
        if (f->count) memcpy(all, f->all, f->count * sizeof *all);
        f->all = all;
        f->cap = cap;
    }
    f->all[f->count++] = finding;
}

static bool is_allowed(struct findings *f, const char *path, const char *rule, const char *word)
{
    for (size_t i = 0; i < f->allowed_count; i++) {
        struct allowance *a = &f->allowed[i];
        if (strcmp(a->path, path) != 0) continue;
        if (strcmp(a->what, rule) != 0 && (!word || strcmp(a->what, word) != 0)) continue;
        a->uses++;
        return true;
    }
    return false;
}

void findings_add(struct findings *f, const char *path, int line, const char *rule,
                  const char *word, const char *format, ...)
{
    if (is_allowed(f, path, rule, word)) return;
    char message[256];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    store(f, (struct finding){copy(f, path), line, rule, copy(f, message)});
}

/* ---- the allow-list ---- */

static void parse_allowance(struct findings *f, char *text, int line)
{
    char *save = NULL;
    char *path = strtok_r(text, " \t", &save);
    if (!path || path[0] == '#') return;
    char *what = strtok_r(NULL, " \t", &save);
    char *reason = strtok_r(NULL, "", &save);
    if (!what || !reason) {
        findings_add(f, f->allow_path, line, "allow-list", NULL, "want: PATH RULE REASON");
        return;
    }
    f->allowed[f->allowed_count++] = (struct allowance){copy(f, path), copy(f, what), line, 0};
}

static size_t count_lines(const struct buf *text)
{
    size_t n = 1;
    for (size_t i = 0; i < text->len; i++) n += text->data[i] == '\n';
    return n;
}

void findings_load_allowed(struct findings *f, const char *root, const char *path)
{
    struct buf text = {0};
    char *full = arena_printf(f->arena, "%s/%s", root, path);
    CHECK(full);
    f->allow_path = copy(f, path);
    if (os_read_file(os_real(), full, ALLOW_FILE_MAX_BYTES, &text) != OK) goto done;
    f->allowed = arena_calloc(f->arena, count_lines(&text), sizeof *f->allowed);
    CHECK(f->allowed && buf_append_u8(&text, 0) == OK);
    int line = 1;
    char *save = NULL;
    for (char *at = (char *)text.data; at; at = save, line++) {
        save = strchr(at, '\n');
        if (save) *save++ = 0;
        parse_allowance(f, at, line);
    }
done:
    buf_release(&text);
}

/* ---- output ---- */

static int by_place(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    if (order == 0) order = (x->line > y->line) - (x->line < y->line);
    return order ? order : strcmp(x->message, y->message);
}

size_t findings_print(struct findings *f)
{
    for (size_t i = 0; i < f->allowed_count; i++) {
        const struct allowance *a = &f->allowed[i];
        if (a->uses) continue;
        findings_add(f, f->allow_path, a->line, "allow-list", NULL, "%s: %s is not needed any more",
                     a->path, a->what);
    }
    if (f->count) qsort(f->all, f->count, sizeof *f->all, by_place);
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *x = &f->all[i];
        printf("%s:%d: %s [%s]\n", x->path, x->line, x->message, x->rule);
    }
    return f->count;
}
