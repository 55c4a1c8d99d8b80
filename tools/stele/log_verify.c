/* stele log-verify: reads all batches of logs and says what is wrong. */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "rows.h"
#include "segment_file.h"

enum { PATHS_MAX = 4096 };

struct arguments {
    struct common_options common;
    const char *paths[PATHS_MAX];
    int path_count;
};

struct verify {
    enum output_format format;
    int64_t segments, batches, records, bytes, damaged;
};

static void found(struct verify *v, const struct file *file, int64_t position, const char *what)
{
    v->damaged++;
    stdout_printf("%s: byte %" PRId64 ": %s\n", file->path, position, what);
}

static int verify_segment(struct verify *v, const struct place *place, const struct file *file)
{
    struct segment_file s;
    struct batch_header h;
    koffset_t next = file->base_offset;
    err_t err;
    if (segment_file_open(&s, place, file, SCAN_ALL) != OK) return EXIT_UNREACHABLE;
    while ((err = segment_scan_next(&s.scan, &h)) == OK) {
        if (segment_scan_check_crc(&s.scan, &h) != OK) found(v, file, s.scan.pos, "bad checksum");
        if (h.base_offset < next) found(v, file, s.scan.pos, "offsets go back");
        next = batch_last_offset(&h) + 1;
        v->batches++;
        v->records += h.record_count;
    }
    if (err != ERR_NOT_FOUND && segment_file_end(&s, err) != SEGMENT_END_WRITING)
        found(v, file, s.scan.next, "no whole batch");
    v->segments++;
    v->bytes += s.scan.end;
    segment_file_close(&s);
    return EXIT_OK;
}

static int verify_place(void *arg, const struct place *place)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < place->count; i++) {
        const struct file *file = &place->files[i];
        if (file->kind != FILE_SEGMENT || (file->is_aside && place->kind != PLACE_FILE)) continue;
        int one = verify_segment(arg, place, file);
        code = MAX(code, one);
    }
    return code;
}

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
        NULL, parse, "PATH...", "Checks every batch of log segments.", children, NULL, NULL};
    static struct arguments a;
    common_options_init(&a.common);
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &a);
    stdout_prepare();
    struct verify v = {.format = a.common.format};
    int code = EXIT_OK;
    for (int i = 0; i < a.path_count; i++) {
        int one = files_walk(a.paths[i], verify_place, &v);
        code = MAX(code, one);
    }
    stdout_printf("%s: %" PRId64 " segments, %" PRId64 " bytes, %" PRId64 " batches, %" PRId64
                  " records, %" PRId64 " damaged places\n",
                  v.damaged ? "DAMAGED" : "clean", v.segments, v.bytes, v.batches, v.records,
                  v.damaged);
    stdout_finish();
    return code ? code : v.damaged ? EXIT_FOUND : EXIT_OK;
}

const struct command command_log_verify = {
    .name = "log-verify",
    .summary = "check log files, offline",
    .examples = "  stele log-verify stele-data\n"
                "  stele log-verify stele-data/orders-0\n",
    .run = run,
};
