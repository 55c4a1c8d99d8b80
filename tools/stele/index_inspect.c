/* stele index-inspect: the entries of offset and time indexes, and whether the log agrees. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "entries.h"
#include "rows.h"
#include "segment_file.h"

enum { PATHS_MAX = 4096 };

struct inspect {
    enum output_format format;
    int files;
};

static const struct row_column columns[] = {
    {"file", NULL, 0},
    {"entry", "ENTRY", 8},
    {"offset", "OFFSET", 12},
    {"position", "POSITION", 10},
    {"base_offset", "BATCH", 12},
    {"agrees", "AGREES", -6},
};

static int inspect_offsets(struct inspect *in, const struct place *place, const struct file *file)
{
    static struct entries entries;
    struct segment_file segment;
    struct file log = {.kind = FILE_SEGMENT, .base_offset = file->base_offset};
    struct rows rows;
    struct entry entry;
    int code = EXIT_OK;
    if (asprintf(&log.path, "%s/%020" PRId64 ".log", place->dir, file->base_offset) < 0)
        must(ERR_NOMEM);
    if (entries_open(&entries, file) != OK) return EXIT_UNREACHABLE;
    if (segment_file_open(&segment, place, &log, SCAN_HEADERS) != OK) {
        entries_close(&entries);
        return EXIT_UNREACHABLE;
    }
    if (in->format == FORMAT_TEXT)
        stdout_printf("%s%s: %s, %" PRId64 " entries\n", in->files++ ? "\n" : "", file->path,
                      file_kind_name(file->kind), entries.count);
    rows_init(&rows, in->format, "offset-entry", columns, COUNT_OF(columns));
    rows_titles(&rows);
    while (entries_next(&entries, &entry) == OK) {
        struct batch_header header = {0};
        segment_scan_seek(&segment.scan, MAX(entry.position, 0), segment.scan.end);
        err_t err = entry.position < 0 ? ERR_RANGE : segment_scan_next(&segment.scan, &header);
        bool agrees = err == OK && header.base_offset <= entry.offset;
        if (!agrees) code = EXIT_FOUND;
        rows_start(&rows);
        rows_string(&rows, file->path);
        rows_number(&rows, entry.index);
        rows_number(&rows, entry.offset);
        rows_number(&rows, entry.position);
        if (err == OK)
            rows_number(&rows, header.base_offset);
        else
            rows_null(&rows);
        rows_bool(&rows, agrees);
        rows_end(&rows);
    }
    rows_release(&rows);
    segment_file_close(&segment);
    entries_close(&entries);
    free(log.path);
    return code;
}

static int inspect_place(void *arg, const struct place *place)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < place->count; i++) {
        const struct file *file = &place->files[i];
        if (file->kind != FILE_OFFSET_INDEX || (file->is_aside && place->kind != PLACE_FILE))
            continue;
        int one = inspect_offsets(arg, place, file);
        code = MAX(code, one);
    }
    return code;
}

struct arguments {
    struct common_options common;
    const char *paths[PATHS_MAX];
    int path_count;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &a->common; return 0;
    case ARGP_KEY_ARG:
        if (a->path_count == PATHS_MAX) argp_error(state, "at most %d paths", PATHS_MAX);
        a->paths[a->path_count++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "which file or directory?"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&format_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        NULL, parse, "PATH...", "Shows the entries of offset indexes.", children, NULL, NULL};
    static struct arguments a;
    common_options_init(&a.common);
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &a);
    stdout_prepare();
    struct inspect in = {.format = a.common.format};
    int code = EXIT_OK;
    for (int i = 0; i < a.path_count; i++) {
        int one = files_walk(a.paths[i], inspect_place, &in);
        code = MAX(code, one);
    }
    stdout_finish();
    return code;
}

const struct command command_index_inspect = {
    .name = "index-inspect",
    .summary = "show the entries of indexes, and whether the log agrees",
    .examples =
        "  stele index-inspect stele-data/orders-0\n"
        "  stele index-inspect --format json stele-data/orders-0/00000000000000000000.index\n",
    .run = run,
};
