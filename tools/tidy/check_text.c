/* What can be seen without understanding the language. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "checks.h"

/* Scripts get more columns: a pipeline cut into pieces is not easier to read. Below HEADLESS_LINES
 * a .c file may leave it to its header to say what it is. */
enum { COLUMNS_MAX = 100, SCRIPT_COLUMNS_MAX = 120, HEADLESS_LINES = 100 };

/* Characters, not bytes: continuation bytes of UTF-8 do not count. */
static int columns(const struct line *line)
{
    int n = 0;
    for (size_t i = 0; i < line->len; i++) n += ((unsigned char)line->text[i] & 0xc0) != 0x80;
    return n;
}

static int columns_max(const struct source *s)
{
    if (source_is_c(s)) return COLUMNS_MAX;
    return s->kind == SOURCE_SCRIPT ? SCRIPT_COLUMNS_MAX : INT_MAX;
}

static bool is_makefile(const struct source *s)
{
    size_t len = strlen(s->path);
    return len >= 8 && strcmp(s->path + len - 8, "Makefile") == 0;
}

static void check_blanks(const struct source *s, int at, struct findings *f)
{
    const struct line *line = &s->lines[at - 1];
    if (line->len && strchr(" \t\r", line->text[line->len - 1]))
        findings_add(f, s->path, at, "trailing-blank", NULL, "blank at the end of the line");
    if (s->kind != SOURCE_PROSE && !is_makefile(s) && strchr(line->text, '\t'))
        findings_add(f, s->path, at, "tab", NULL, "tab: four spaces instead");
    if (columns(line) > columns_max(s) && !strstr(line->text, "://"))
        findings_add(f, s->path, at, "columns", NULL, "%d columns, at most %d", columns(line),
                     columns_max(s));
}

/* Split in the middle, so that this file does not hold what it looks for. */
static void check_words(const struct source *s, int at, struct findings *f)
{
    static const char *const marks[] = {"TO"
                                        "DO",
                                        "FIX"
                                        "ME",
                                        "XX"
                                        "X",
                                        "HA"
                                        "CK"};
    static const char *const paths[] = {"/ho"
                                        "me/",
                                        "/ro"
                                        "ot/",
                                        "/wo"
                                        "rk/",
                                        "/Us"
                                        "ers/"};
    static const char *const hosts[] = {"deb.deb"
                                        "ian",
                                        "security.deb"
                                        "ian",
                                        "regist"
                                        "ry.",
                                        "npm"
                                        "js.",
                                        "py"
                                        "pi.",
                                        "python"
                                        "hosted",
                                        "node"
                                        "source.",
                                        "artifac"
                                        "tory",
                                        "mirr"
                                        "or."};
    const struct line *line = &s->lines[at - 1];
    for (size_t i = 0; i < COUNT_OF(marks) && s->kind != SOURCE_PROSE; i++)
        if (code_find_word_from(line->text, line->text, marks[i]))
            findings_add(f, s->path, at, "mark", marks[i],
                         "%s: do it, or file it where somebody will see it", marks[i]);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        const char *hit = strstr(line->text, paths[i]);
        if (hit && (hit == line->text || strchr(" \t\"'`=(:", hit[-1])))
            findings_add(f, s->path, at, "machine-path", NULL, "a path of one machine: %s", hit);
    }
    const char *url = strstr(line->text, "://");
    for (size_t i = 0; i < COUNT_OF(hosts) && url; i++)
        if (strstr(url, hosts[i]))
            findings_add(f, s->path, at, "package-host", NULL, "names a package host: %s", url + 3);
}

static void check_frame(const struct source *s, struct findings *f)
{
    if (s->line_count == 0) return;
    const char *first = s->lines[0].text;
    bool needs_head = s->kind == SOURCE_HEADER || s->kind == SOURCE_SCRIPT ||
                      (s->kind == SOURCE_C && s->line_count >= HEADLESS_LINES);
    if (needs_head && !strchr(source_is_c(s) ? "/" : "#/\"'", first[0]))
        findings_add(f, s->path, 1, "head-comment", NULL, "open with a comment: what, and why so");
    if (s->lines[s->line_count - 1].len == 0)
        findings_add(f, s->path, (int)s->line_count, "last-line", NULL, "the last line is empty");
    if (s->kind != SOURCE_HEADER) return;
    for (size_t i = 0; i < s->line_count; i++)
        if (strcmp(s->lines[i].text, "#pragma once") == 0) return;
    findings_add(f, s->path, 1, "pragma-once", NULL, "#pragma once is missing");
}

void check_text(const struct source *s, struct findings *f)
{
    for (size_t i = 1; i <= s->line_count; i++) {
        check_blanks(s, (int)i, f);
        check_words(s, (int)i, f);
    }
    check_frame(s, f);
}
