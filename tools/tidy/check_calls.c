/* Calls that nobody makes, calls that only the seams make, and warnings that are switched off. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "checks.h"

struct ban {
    const char *call;
    const char *instead;
};

static const struct ban banned[] = {
    {"strcpy", "a view, or snprintf"},
    {"strcat", "buf_printf"},
    {"strncpy", "a view, or snprintf"},
    {"strncat", "buf_printf"},
    {"sprintf", "snprintf, buf_printf"},
    {"vsprintf", "vsnprintf"},
    {"gets", "fgets"},
    {"atoi", "a parser that sees errors"},
    {"atol", "a parser that sees errors"},
    {"atoll", "a parser that sees errors"},
    {"atof", "a parser that sees errors"},
    {"rand", "struct random"},
    {"srand", "struct random"},
    {"random", "struct random"},
    {"alloca", "an arena"},
    {"strtok", "strtok_r"},
    {"system", "nothing: no shells"},
    {"popen", "nothing: no shells"},
    {"tmpnam", "mkstemp"},
    {"mktemp", "mkstemp"},
    {"localtime", "gmtime_r"},
    {"gmtime", "gmtime_r"},
    {"ctime", "strftime"},
    {"asctime", "strftime"},
    {"assert", "CHECK or DCHECK"},
    {"sleep", "a timer"},
    {"usleep", "a timer"},
    {"setjmp", "err_t"},
    {"longjmp", "err_t"},
};

/* Files, time and chance come through struct env wherever a simulation has to be able to stand in
 * their place. */
static const char *const seam_calls[] = {
    "open",         "openat",    "creat",  "pread",     "pwrite", "pwritev",       "preadv",
    "fsync",        "fdatasync", "rename", "ftruncate", "unlink", "unlinkat",      "mkdir",
    "rmdir",        "opendir",   "fopen",  "mmap",      "time",   "clock_gettime", "getrandom",
    "gettimeofday", "nanosleep", "stat",   "fstat",     "flock",  "fallocate",     "statvfs",
};
static const char *const seam_layers = " storage metadata replication group txn controller ";

/* Split, so that this file does not hold what it looks for. */
static const char *const silencers[] = {"diagnostic ign"
                                        "ored",
                                        "NO"
                                        "LINT"};

/* A call by name: not a member, not a declaration's name after a type. */
static bool is_call(const struct line *line, const char *at, size_t len)
{
    if (at[len] != '(') return false;
    if (at > line->code && (at[-1] == '.' || at[-1] == '*')) return false;
    return !(at > line->code + 1 && at[-1] == '>' && at[-2] == '-');
}

static bool calls(const struct line *line, const char *name)
{
    const char *at = line->code;
    for (; (at = code_find_word_from(at, line->code, name)); at++)
        if (is_call(line, at, strlen(name))) return true;
    return false;
}

static bool is_behind_seam(const struct layer *layer)
{
    char name[64];
    if (!layer) return false;
    snprintf(name, sizeof name, " %s ", layer->name);
    return strstr(seam_layers, name) != NULL;
}

static bool is_test(const struct source *s)
{
    return s->layer && strcmp(s->layer->name, "tests") == 0;
}

/* Tests may start programs and wait; they may not copy without bounds either. */
static bool is_fine_in_tests(const char *call)
{
    static const char *const fine[] = {"system", "popen", "sleep", "usleep", "setjmp", "longjmp"};
    for (size_t i = 0; i < COUNT_OF(fine); i++)
        if (strcmp(fine[i], call) == 0) return true;
    return false;
}

static void check_line(const struct source *s, int at, struct findings *f)
{
    const struct line *line = &s->lines[at - 1];
    for (size_t i = 0; i < COUNT_OF(banned); i++) {
        if (!calls(line, banned[i].call)) continue;
        if (is_test(s) && is_fine_in_tests(banned[i].call)) continue;
        findings_add(f, s->path, at, "banned-call", banned[i].call, "%s(): use %s", banned[i].call,
                     banned[i].instead);
    }
    for (size_t i = 0; i < COUNT_OF(seam_calls) && is_behind_seam(s->layer); i++)
        if (calls(line, seam_calls[i]))
            findings_add(f, s->path, at, "seam", seam_calls[i], "%s(): goes through struct env",
                         seam_calls[i]);
    if (strstr(line->code, silencers[0]) || strstr(line->text, silencers[1]))
        findings_add(f, s->path, at, "silenced-warning", NULL, "mend the cause instead");
}

void check_calls(const struct source *s, struct findings *f)
{
    for (size_t i = 1; i <= s->line_count; i++) check_line(s, (int)i, f);
}
