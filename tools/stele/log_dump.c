/* stele log-dump: the batches and records of segments, and the small files beside them, as text.
 *
 * Directories stand for their segments; the other files are shown when they are named. */
#include "log_dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { PATHS_MAX = 4096, VALUE_BYTES_DEFAULT = 256 };
enum { KEY_RECORDS = 0x300, KEY_OFFSET, KEY_MAX, KEY_MAX_BYTES };

struct arguments {
    struct common_options common;
    struct dump_options dump;
    const char *paths[PATHS_MAX];
    int path_count;
};

static int64_t parse_count(const char *option, const char *arg, struct argp_state *state)
{
    long long n;
    if (!parse_long(arg, 0, INT64_MAX, &n))
        argp_error(state, "%s is a number from 0 on, not '%s'", option, arg);
    return n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &a->common; return 0;
    case KEY_OFFSET: a->dump.from = parse_count("--offset", arg, state); return 0;
    case KEY_MAX: a->dump.max_count = parse_count("--max", arg, state); return 0;
    case KEY_MAX_BYTES: a->dump.max_bytes = parse_count("--max-bytes", arg, state); return 0;
    case ARGP_KEY_ARG:
        if (a->path_count == PATHS_MAX) argp_error(state, "at most %d paths", PATHS_MAX);
        a->paths[a->path_count++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "which file or directory?"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"offset", KEY_OFFSET, "N", 0, "Begin at this offset", 0},
    {"max", KEY_MAX, "N", 0, "Show at most so many batches", 0},
    {"max-bytes", KEY_MAX_BYTES, "N", 0, "Read at most so many bytes of each segment", 0},
    {0},
};

/* ---- dispatch ---- */

void dump_heading(struct dump *dump, const struct place *place, const struct file *file)
{
    (void)place;
    if (dump->options->format == FORMAT_JSON) return;
    stdout_printf("%s%s: %s, %" PRId64 " bytes\n", dump->files++ ? "\n" : "", file->path,
                  file_kind_name(file->kind), file->size_bytes);
}

static int dump_file(struct dump *dump, const struct place *place, const struct file *file)
{
    switch (file->kind) {
    case FILE_SEGMENT:
    case FILE_METADATA_SNAPSHOT:
    case FILE_TORN: return dump_segment(dump, place, file);
    default:
        return complain(EXIT_UNREACHABLE, "%s: log-dump does not know this kind of file",
                        file->path);
    }
}

/* The segment that follows begins at or below the first offset asked for. */
static bool is_before(const struct dump *dump, const struct place *place, size_t index)
{
    for (size_t i = index + 1; i < place->count; i++) {
        const struct file *next = &place->files[i];
        if (next->kind == FILE_SEGMENT && !next->is_aside)
            return next->base_offset <= dump->options->from;
    }
    return false;
}

static int dump_place(void *arg, const struct place *place)
{
    struct dump *dump = arg;
    int code = EXIT_OK;
    if (place->kind == PLACE_FILE) return dump_file(dump, place, place->files);
    for (size_t i = 0; i < place->count && dump->left > 0; i++) {
        const struct file *file = &place->files[i];
        if (file->kind != FILE_SEGMENT || file->is_aside || is_before(dump, place, i)) continue;
        int one = dump_file(dump, place, file);
        code = MAX(code, one);
    }
    return code;
}

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&format_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "PATH...",
        "Shows the batches of log segments. A path is a file, a partition's directory or a data "
        "directory.",
        children,
        NULL,
        NULL};
    static struct arguments a;
    a.dump = (struct dump_options){
        .max_count = INT64_MAX, .max_bytes = INT64_MAX, .value_max_bytes = VALUE_BYTES_DEFAULT};
    common_options_init(&a.common);
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &a);
    a.dump.format = a.common.format;
    stdout_prepare();
    struct dump dump = {.options = &a.dump, .left = a.dump.max_count};
    int code = EXIT_OK;
    for (int i = 0; i < a.path_count && dump.left > 0; i++) {
        int one = files_walk(a.paths[i], dump_place, &dump);
        code = MAX(code, one);
    }
    stdout_finish();
    return code;
}

const struct command command_log_dump = {
    .name = "log-dump",
    .summary = "show the batches and records of log files",
    .examples = "  stele log-dump stele-data/orders-0\n"
                "  stele log-dump --offset 5000 --max 10 --format json stele-data/orders-0\n"
                "  stele log-dump stele-data/orders-0/00000000000000000000.log\n",
    .run = run,
};
