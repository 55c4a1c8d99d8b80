/* schemac OUT_DIR SCHEMA...: writes OUT_DIR/messages.h and OUT_DIR/messages.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "schemac.h"

static struct schema schema; /* one run, one schema; keeps everything reachable until exit */

static void write_file(const char *dir, const char *name,
                       void (*emit)(const struct schema *, FILE *))
{
    char *path = must_printf("%s/%s", dir, name);
    FILE *out = fopen(path, "we");
    if (!out) {
        fprintf(stderr, "schemac: cannot write %s: %s\n", path, strerror(errno));
        exit(1);
    }
    emit(&schema, out);
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        fprintf(stderr, "schemac: cannot write %s: %s\n", path, strerror(errno));
        exit(1);
    }
    free(path);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: schemac OUT_DIR SCHEMA...\n", stderr);
        return 2;
    }
    for (int i = 2; i < argc; i++) parse_file(&schema, argv[i]);
    check_schema(&schema);
    write_file(argv[1], "messages.h", emit_header);
    write_file(argv[1], "messages.c", emit_tables);
    return 0;
}
