/* stele log-verify: everything a log consists of, against itself and each other.
 *
 * A data directory's checkpoints come first, so that a log that grows meanwhile is never behind
 * them. Of a partition first the segments are read, in order and with their indexes, then the small
 * files, then ends are compared. What was set aside (.deleted, .cleaned, .swap) and logs that wait
 * to be deleted are left out. */
#include "log_verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/env.h"
#include "offline.h"

enum { KEY_QUICK = 0x300 };

struct arguments {
    struct offline_options offline;
    struct verify verify;
};

/* ---- findings ---- */

static const struct row_column columns[] = {
    {"severity", NULL, 0},   {"kind", NULL, 0},   {"file", NULL, 0}, {"position", NULL, 0},
    {"size_bytes", NULL, 0}, {"offset", NULL, 0}, {"what", NULL, 0}, {"recovery", NULL, 0},
};

static void report_json(const struct finding *f, const char *what)
{
    struct rows rows;
    rows_init(&rows, FORMAT_JSON, "finding", columns, COUNT_OF(columns));
    rows_start(&rows);
    rows_string(&rows, f->is_note ? "note" : "damage");
    rows_string(&rows, f->kind);
    rows_string(&rows, f->path);
    rows_number_if(&rows, f->position >= 0, f->position);
    rows_number_if(&rows, f->bytes > 0, f->bytes);
    rows_number_if(&rows, f->offset >= 0, f->offset);
    rows_string(&rows, what);
    rows_string(&rows, f->recovery);
    rows_end(&rows);
    rows_release(&rows);
}

static void report_text(const struct finding *f, const char *what)
{
    stdout_printf("%s  %s", f->is_note ? "note  " : "DAMAGE", f->path);
    if (f->position >= 0) stdout_printf("  byte %" PRId64, f->position);
    if (f->bytes > 0) stdout_printf(" (%" PRId64 " bytes)", f->bytes);
    if (f->offset >= 0) stdout_printf("  offset %" PRId64, f->offset);
    stdout_printf(": %s\n", what);
    if (f->recovery) stdout_printf("        recovery: %s\n", f->recovery);
}

static void clear_progress(const struct verify *v)
{
    if (v->has_progress && v->told_ns) fputs("\r\033[K", stderr);
}

void verify_report(struct verify *v, const struct finding *finding, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    clear_progress(v);
    if (v->format == FORMAT_JSON)
        report_json(finding, what);
    else
        report_text(finding, what);
    if (finding->is_note)
        v->notes++;
    else
        v->damage++;
}

/* ---- progress ---- */

void verify_tell_progress(struct verify *v, int64_t bytes)
{
    enum { TELL_EVERY_NS = 200 * 1000 * 1000 };
    v->bytes += bytes;
    if (!v->has_progress) return;
    int64_t now = env_mono_ns(env_real()), run = now - v->started_ns;
    if (now - v->told_ns < TELL_EVERY_NS || run < TELL_EVERY_NS) return;
    v->told_ns = now;
    fprintf(stderr, "\r\033[K%.1f of %.1f MB, %.0f MB/s, %" PRId64 " damaged places",
            (double)v->bytes / 1e6, (double)v->total_bytes / 1e6,
            (double)v->bytes / 1e6 / ((double)run / 1e9), v->damage);
}

static int add_sizes(void *arg, const struct place *place)
{
    struct verify *v = arg;
    for (size_t i = 0; i < place->count; i++) {
        if (place->files[i].kind == FILE_SEGMENT && !place->files[i].is_aside)
            v->total_bytes += place->files[i].size_bytes;
    }
    return EXIT_OK;
}

/* ---- places ---- */

static int verify_small(struct log_state *log, const struct file *file)
{
    return file->kind == FILE_METADATA_SNAPSHOT ? verify_metadata_snapshot(log, file)
                                                : verify_small_file(log, file);
}

/* A file that was named. */
static int verify_one(struct log_state *log)
{
    const struct file *file = log->place->files;
    log->is_alone = true;
    switch (file->kind) {
    case FILE_SEGMENT:
    case FILE_OFFSET_INDEX:
    case FILE_TIME_INDEX:
    case FILE_TXN_INDEX: return verify_segment(log, file);
    case FILE_TORN:
    case FILE_OTHER:
        return complain(EXIT_UNREACHABLE, "%s: by its name this is nothing that could be checked",
                        file->path);
    default: return verify_small(log, file);
    }
}

/* Snapshots come after segments in the order of files, so that the end is known by then. */
static int verify_log(struct log_state *log)
{
    const struct place *place = log->place;
    int code = EXIT_OK;
    for (size_t i = 0; i < place->count; i++) {
        if (place->files[i].kind != FILE_SEGMENT || place->files[i].is_aside) continue;
        int one = verify_segment(log, &place->files[i]);
        code = MAX(code, one);
    }
    for (size_t i = 0; i < place->count; i++) {
        if (place->files[i].is_aside) continue;
        int one = verify_small(log, &place->files[i]);
        code = MAX(code, one);
    }
    verify_ends(log);
    return code;
}

static bool is_leaving(const struct place *place)
{
    const char *suffix = place->kind == PLACE_PARTITION ? place->entry.suffix : NULL;
    return suffix && strcmp(suffix, "delete") == 0;
}

static int verify_place(void *arg, const struct place *place)
{
    struct verify *v = arg;
    struct log_state log;
    int code;
    if (is_leaving(place)) return EXIT_OK;
    verify_load_data_dir(v, place->data_dir);
    log_state_init(&log, v, place);
    if (place->kind == PLACE_FILE) {
        code = verify_one(&log);
    } else if (place->kind == PLACE_PARTITION) {
        code = verify_log(&log);
    } else {
        code = EXIT_OK;
        for (size_t i = 0; i < place->count; i++) {
            int one = place->files[i].is_aside ? EXIT_OK : verify_small(&log, &place->files[i]);
            code = MAX(code, one);
        }
    }
    log_state_release(&log);
    return code;
}

/* ---- the command ---- */

static const struct row_column summary_columns[] = {
    {"is_clean", NULL, 0}, {"damage", NULL, 0},  {"notes", NULL, 0},
    {"segments", NULL, 0}, {"bytes", NULL, 0},   {"batches", NULL, 0},
    {"records", NULL, 0},  {"indexes", NULL, 0}, {"other_files", NULL, 0},
};

static void summary_json(const struct verify *v)
{
    struct rows rows;
    rows_init(&rows, FORMAT_JSON, "summary", summary_columns, COUNT_OF(summary_columns));
    rows_start(&rows);
    rows_bool(&rows, v->damage == 0);
    rows_number(&rows, v->damage);
    rows_number(&rows, v->notes);
    rows_number(&rows, v->segments);
    rows_number(&rows, v->bytes);
    rows_number(&rows, v->batches);
    rows_number(&rows, v->records);
    rows_number(&rows, v->indexes);
    rows_number(&rows, v->others);
    rows_end(&rows);
    rows_release(&rows);
}

/* `is_complete`: everything that was named could be read; "clean" is said of nothing else. */
static void summary(struct verify *v, bool is_complete)
{
    clear_progress(v);
    if (v->format == FORMAT_JSON) {
        summary_json(v);
    } else {
        if (v->damage)
            stdout_printf("DAMAGED: %" PRId64 " %s in ", v->damage,
                          v->damage == 1 ? "place" : "places");
        else
            stdout_printf(is_complete ? "clean: " : "no damage in what could be read: ");
        stdout_printf("%" PRId64 " segments with %" PRId64 " bytes, %" PRId64 " batches, %" PRId64
                      " records; %" PRId64 " indexes, %" PRId64 " other files\n",
                      v->segments, v->bytes, v->batches, v->records, v->indexes, v->others);
    }
    stdout_finish();
    int64_t run = env_mono_ns(env_real()) - v->started_ns;
    if (v->has_progress && v->bytes > 0)
        fprintf(stderr, "%.2f s, %.0f MB/s\n", (double)run / 1e9,
                (double)v->bytes / 1e6 / ((double)run / 1e9));
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &a->offline; return 0;
    case KEY_QUICK: a->verify.is_quick = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"quick", KEY_QUICK, NULL, 0, "Checksums and order only, do not look into the records", 0},
    {0},
};

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&offline_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "PATH...",
        "Checks every batch and record, every index against its log, snapshots, checkpoints and "
        "the other files of a log, and says for each damaged place what recovery would do. Changes "
        "nothing; a broker may be running. A path is a file, a partition's directory or a data "
        "directory.",
        children,
        NULL,
        NULL};
    struct arguments a = {0};
    offline_parse(&argp, argc, argv, &a);
    struct verify *v = &a.verify;
    v->format = a.offline.common.format;
    v->has_progress = isatty(STDERR_FILENO);
    v->started_ns = env_mono_ns(env_real());
    stdout_prepare();
    if (v->has_progress) offline_walk(&a.offline, add_sizes, v);
    int code = offline_walk(&a.offline, verify_place, v);
    summary(v, code == EXIT_OK);
    for (int i = 0; i < CHECKPOINTS; i++) checkpoint_release(&v->checkpoints[i]);
    free(v->data_dir);
    offline_release(&a.offline);
    return code ? code : v->damage ? EXIT_FOUND : EXIT_OK;
}

const struct command command_log_verify = {
    .name = "log-verify",
    .summary = "check log files, offline or beside a running broker",
    .examples =
        "  stele log-verify stele-data\n"
        "  stele log-verify stele-data/orders-0 && echo all is well\n"
        "  stele log-verify --quick /var/lib/kafka/data\n"
        "  stele log-verify --format json stele-data | jq 'select(.severity==\"damage\")'\n",
    .run = run,
};
