/* tidy - the style page as a program.
 *
 *   tidy [--quiet] ROOT
 *
 * Reads every text file below ROOT except what builds and tools leave behind, prints one line a
 * broken rule (path:line: what [rule]) and then the report, and exits 1 if there was any.
 * Exceptions are listed with their reason in tools/tidy/allow.txt.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/os.h"
#include "checks.h"
#include "report.h"

static const char *const allow_path = "tools/tidy/allow.txt";

struct tidy {
    const char *root;
    struct arena arena;
    struct findings findings;
    struct census census;
    struct report report;
    size_t files;
};

/* One directory while it is being listed. */
struct listing {
    struct tidy *t;
    const char *path; /* below the root; "" is the root */
};

static bool is_skipped(const char *path, const char *name)
{
    static const char *const names[] = {".git", "node_modules", "__pycache__", "stele-data"};
    if (path[0] == 0 && strncmp(name, "build", 5) == 0) return true;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static void visit_file(struct tidy *t, const char *path)
{
    struct source s;
    if (source_kind_of(path) == SOURCE_OTHER) return;
    err_t err = source_load(&s, &t->arena, t->root, path);
    if (err != OK) {
        findings_add(&t->findings, path, 0, "unreadable", NULL, "%s", err_name(err));
        return;
    }
    t->files++;
    check_text(&s, &t->findings);
    if (s.kind == SOURCE_BUILD) check_declared_layers(&s, &t->findings);
    if (!source_is_c(&s)) return;
    struct functions functions = functions_find(&s, &t->arena);
    check_lengths(&s, &functions, &t->findings);
    check_includes(&s, &t->census, &t->findings);
    check_calls(&s, &t->findings);
    report_add(&t->report, &s, &functions);
}

static void visit_entry(void *arg, const char *name)
{
    const struct listing *in = arg;
    struct tidy *t = in->t;
    struct os_stat st;
    if (is_skipped(in->path, name)) return;
    char *path = arena_printf(&t->arena, "%s%s%s", in->path, in->path[0] ? "/" : "", name);
    char *full = arena_printf(&t->arena, "%s/%s", t->root, path);
    CHECK(path && full);
    if (os_real()->stat(os_real(), full, &st) < 0) return;
    if (!st.is_dir) {
        visit_file(t, path);
        return;
    }
    struct listing below = {t, path};
    os_real()->list(os_real(), full, visit_entry, &below);
}

int main(int argc, char **argv)
{
    bool is_quiet = argc > 1 && strcmp(argv[1], "--quiet") == 0;
    if (argc != 2 + is_quiet) {
        fprintf(stderr, "usage: tidy [--quiet] ROOT\n");
        return 2;
    }
    struct tidy t = {.root = argv[1 + is_quiet]};
    struct listing top = {&t, ""};
    findings_init(&t.findings, &t.arena);
    findings_load_allowed(&t.findings, t.root, allow_path);
    report_init(&t.report);
    int r = os_real()->list(os_real(), t.root, visit_entry, &top);
    int status = 2;
    if (r < 0 || t.files == 0) {
        fprintf(stderr, "tidy: nothing to read in %s\n", t.root);
        goto done;
    }
    size_t found = findings_print(&t.findings);
    if (!is_quiet) report_print(&t.report);
    printf("tidy: %zu files, %zu findings\n", t.files, found);
    status = found ? 1 : 0;
done:
    report_release(&t.report);
    arena_release(&t.arena);
    return status;
}
