/* stele index-inspect: the entries of offset, time and transaction indexes beside what the log says
 * of them, and what an index is worth as a whole: how far it reaches and how far apart its entries
 * are. Only headers of batches are read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "index_check.h"
#include "index_lookup.h"
#include "offline.h"
#include "record/control.h"
#include "rows.h"
#include "segment_file.h"

enum { KEY_LOOKUP = 0x300, KEY_LOOKUP_TIME, KEY_SUMMARY };

struct arguments {
    struct offline_options offline;
    bool has_lookup, has_lookup_time, summary_only;
    koffset_t lookup;
    time_ms_t lookup_time;
    int files;
};

/* ---- arguments ---- */

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    long long n;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &a->offline; return 0;
    case KEY_SUMMARY: a->summary_only = true; return 0;
    case KEY_LOOKUP:
        if (!parse_long(arg, 0, INT64_MAX, &n))
            argp_error(state, "--lookup is an offset, not '%s'", arg);
        a->lookup = n;
        a->has_lookup = true;
        return 0;
    case KEY_LOOKUP_TIME:
        if (!time_parse(arg, &a->lookup_time))
            argp_error(state,
                       "--lookup-time is in milliseconds or like 2026-01-31T12:00:00Z, "
                       "not '%s'",
                       arg);
        a->has_lookup_time = true;
        return 0;
    case ARGP_KEY_END:
        if (a->has_lookup && a->has_lookup_time)
            argp_error(state, "--lookup or --lookup-time, not both");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"lookup", KEY_LOOKUP, "OFFSET", 0, "Show how this offset is found, instead", 0},
    {"lookup-time", KEY_LOOKUP_TIME, "MS|TIME", 0,
     "Show how the first record at or after this time is found, instead", 0},
    {"summary", KEY_SUMMARY, NULL, 0, "One line a file, no entries", 0},
    {0},
};

/* ---- rows ---- */

static const struct row_column offset_columns[] = {
    {"file", NULL, 0},
    {"entry", "ENTRY", 7},
    {"offset", "OFFSET", 12},
    {"position", "POSITION", 10},
    {"distance_bytes", "DISTANCE", 8},
    {"batch_base_offset", "BATCH-FIRST", 12},
    {"batch_last_offset", "BATCH-LAST", 12},
    {"batch_size_bytes", "BATCH-SIZE", 10},
    {"agrees", NULL, 0},
    {"verdict", "THE LOG", -8},
};
static const struct row_column time_columns[] = {
    {"file", NULL, 0},
    {"entry", "ENTRY", 7},
    {"timestamp", "TIMESTAMP", 13},
    {"time", "TIME", -24},
    {"offset", "OFFSET", 12},
    {"batch_base_offset", "BATCH-FIRST", 12},
    {"batch_last_offset", "BATCH-LAST", 12},
    {"batch_max_timestamp", "BATCH-TIME", 13},
    {"agrees", NULL, 0},
    {"verdict", "THE LOG", -8},
};
static const struct row_column txn_columns[] = {
    {"file", NULL, 0},
    {"entry", "ENTRY", 7},
    {"producer_id", "PRODUCER", 10},
    {"first_offset", "FIRST", 12},
    {"last_offset", "LAST", 12},
    {"last_stable_offset", "LAST-STABLE", 12},
    {"agrees", NULL, 0},
    {"verdict", "THE LOG", -8},
};
static const struct row_column summary_columns[] = {
    {"file", NULL, 0},           {"kind", NULL, 0},
    {"size_bytes", NULL, 0},     {"entries", NULL, 0},
    {"wrong", NULL, 0},          {"is_in_order", NULL, 0},
    {"mean_bytes", NULL, 0},     {"max_bytes", NULL, 0},
    {"last_offset", NULL, 0},    {"last_position", NULL, 0},
    {"last_timestamp", NULL, 0}, {"log_end_offset", NULL, 0},
    {"log_size_bytes", NULL, 0}, {"log_max_timestamp", NULL, 0},
    {"zero_bytes", NULL, 0},     {"trailing_bytes", NULL, 0},
};

/* One index being shown. */
struct showing {
    struct arguments *a;
    const struct file *file;
    struct rows rows;
    struct index_check check;
    int64_t before; /* position of the entry before */
    bool has_log, is_in_order;
    koffset_t log_end;
    int64_t log_bytes;
};

/* Three columns; the third one is the size or the time. */
static void batch_cells(struct rows *rows, enum file_kind kind, const struct index_batch *b)
{
    static const struct index_batch none;
    const struct batch_header *h = b ? &b->header : &none.header;
    rows_number_if(rows, b, h->base_offset);
    rows_number_if(rows, b, batch_last_offset(h));
    rows_number_if(rows, b, kind == FILE_TIME_INDEX ? h->max_timestamp : (int64_t)h->size_bytes);
}

static void entry_cells(struct showing *s, const struct entry *e, const struct index_batch *b)
{
    struct rows *rows = &s->rows;
    switch (s->file->kind) {
    case FILE_OFFSET_INDEX:
        rows_number(rows, e->offset);
        rows_number(rows, e->position);
        rows_number(rows, e->position - s->before);
        batch_cells(rows, s->file->kind, b);
        break;
    case FILE_TIME_INDEX:
        rows_number(rows, e->timestamp);
        rows_time(rows, e->timestamp);
        rows_number(rows, e->offset);
        batch_cells(rows, s->file->kind, b);
        break;
    default:
        rows_number(rows, e->producer_id);
        rows_number(rows, e->first_offset);
        rows_number(rows, e->offset);
        rows_number(rows, e->last_stable_offset);
        break;
    }
}

static void show_entry(void *arg, const struct entry *e, enum entry_verdict verdict,
                       const struct index_batch *batch)
{
    struct showing *s = arg;
    if (verdict == ENTRY_NO_ORDER) s->is_in_order = false;
    if (!s->a->summary_only) {
        rows_start(&s->rows);
        rows_string(&s->rows, s->file->path);
        rows_number(&s->rows, e->index);
        entry_cells(s, e, batch);
        rows_bool(&s->rows, s->has_log && verdict_is_good(verdict));
        rows_string(&s->rows, s->has_log ? entry_verdict_text(verdict) : "is not there");
        rows_end(&s->rows);
    }
    s->before = e->position;
}

/* ---- the summary ---- */

static int64_t mean_gap(const struct index_check *c)
{
    return c->last.index < 0 ? 0 : c->last.position / (c->last.index + 1);
}

static void summary_json(const struct showing *s)
{
    const struct index_check *c = &s->check;
    bool is_offsets = s->file->kind == FILE_OFFSET_INDEX;
    struct rows rows;
    rows_init(&rows, FORMAT_JSON, "summary", summary_columns, COUNT_OF(summary_columns));
    rows_start(&rows);
    rows_string(&rows, s->file->path);
    rows_string(&rows, file_kind_name(s->file->kind));
    rows_number(&rows, c->entries.size_bytes);
    rows_number(&rows, c->entries.count);
    rows_number(&rows, c->wrong);
    rows_bool(&rows, s->is_in_order);
    rows_number_if(&rows, is_offsets && c->last.index >= 0, mean_gap(c));
    rows_number_if(&rows, is_offsets && c->last.index >= 0, c->gap_max_bytes);
    rows_number_if(&rows, c->last.index >= 0, c->last.offset);
    rows_number_if(&rows, c->last.index >= 0 && is_offsets, c->last.position);
    rows_number_if(&rows, c->last.timestamp > 0, c->last.timestamp);
    rows_number(&rows, s->log_end);
    rows_number(&rows, s->log_bytes);
    rows_number_if(&rows, c->newest >= 0, c->newest);
    rows_number(&rows, c->entries.zero_bytes);
    rows_number(&rows, c->entries.trailing_bytes);
    rows_end(&rows);
    rows_release(&rows);
}

static void summary_text(const struct showing *s)
{
    const struct index_check *c = &s->check;
    char last[TIME_TEXT_MAX], newest[TIME_TEXT_MAX];
    if (s->a->summary_only)
        stdout_printf("%s: %" PRId64 " entries, ", s->file->path, c->entries.count);
    else
        stdout_printf("  ");
    stdout_printf("%s", s->is_in_order ? "in order" : "NOT IN ORDER");
    if (!s->has_log)
        stdout_printf(", its log is not there");
    else if (c->wrong)
        stdout_printf(", %" PRId64 " WRONG", c->wrong);
    else
        stdout_printf(", the log agrees");
    if (s->file->kind == FILE_OFFSET_INDEX && c->last.index >= 0)
        stdout_printf(", %" PRId64 " bytes apart (at most %" PRId64 ")", mean_gap(c),
                      c->gap_max_bytes);
    if (s->file->kind == FILE_OFFSET_INDEX && s->has_log)
        stdout_printf(", reaches byte %" PRId64 " of %" PRId64 ", offset %" PRId64 " of %" PRId64,
                      c->last.position, s->log_bytes, MAX(c->last.offset, s->file->base_offset),
                      s->log_end);
    if (s->file->kind == FILE_TIME_INDEX && s->has_log)
        stdout_printf(", reaches %s of %s", time_text(c->last.timestamp, last),
                      time_text(c->newest, newest));
    if (c->entries.zero_bytes)
        stdout_printf(", %" PRId64 " zeros at the end", c->entries.zero_bytes);
    if (c->entries.trailing_bytes)
        stdout_printf(", %d bytes at the end are no entry", c->entries.trailing_bytes);
    stdout_printf("\n");
}

/* ---- one index ---- */

static bool is_abort(struct segment_scan *scan, const struct batch_header *header)
{
    enum { MARKER_MAX_BYTES = 1 << 16 };
    struct control_marker marker;
    struct view whole;
    return batch_is_control(header) && header->size_bytes <= MARKER_MAX_BYTES &&
           segment_scan_batch(scan, header, &whole) == OK &&
           control_marker_parse(whole, &marker) == OK && !marker.is_commit;
}

/* All batches; bad bytes between them are passed over, log-verify tells of them. */
static void walk_log(struct showing *s, struct segment_file *segment)
{
    struct segment_scan *scan = &segment->scan;
    struct index_batch batch;
    struct batch_header next;
    err_t err;
    while ((err = segment_scan_next(scan, &batch.header)) != ERR_NOT_FOUND && err != ERR_IO) {
        if (err != OK || batch.header.base_offset < s->log_end) {
            int64_t bad = err == OK ? scan->pos : scan->next;
            segment_file_resync(segment, bad, s->log_end, INT64_MAX, &next);
            continue;
        }
        batch.position = scan->pos;
        batch.is_abort = s->file->kind == FILE_TXN_INDEX && is_abort(scan, &batch.header);
        koffset_t last = batch_last_offset(&batch.header);
        s->log_end = last == INT64_MAX ? last : last + 1;
        s->log_bytes = scan->next;
        index_check_batch(&s->check, &batch);
    }
}

static void show_rows_init(struct showing *s)
{
    enum output_format format = s->a->offline.common.format;
    if (s->file->kind == FILE_OFFSET_INDEX)
        rows_init(&s->rows, format, "offset-entry", offset_columns, COUNT_OF(offset_columns));
    else if (s->file->kind == FILE_TIME_INDEX)
        rows_init(&s->rows, format, "time-entry", time_columns, COUNT_OF(time_columns));
    else
        rows_init(&s->rows, format, "aborted-transaction", txn_columns, COUNT_OF(txn_columns));
    if (format == FORMAT_JSON || s->a->summary_only) return;
    stdout_printf("%s%s: %s, %" PRId64 " entries, %" PRId64 " bytes\n", s->a->files++ ? "\n" : "",
                  s->file->path, file_kind_name(s->file->kind), s->check.entries.count,
                  s->check.entries.size_bytes);
    rows_titles(&s->rows);
}

/* The index is opened before the log: of a log that grows it then knows no more than we do. */
static int inspect(struct arguments *a, const struct place *place, const struct file *file)
{
    struct showing s = {.a = a, .file = file, .is_in_order = true, .log_end = file->base_offset};
    struct segment_file segment;
    char *path = sibling_path(file, FILE_SEGMENT);
    struct file log = {.path = path, .kind = FILE_SEGMENT, .base_offset = file->base_offset};
    s.check.fn = show_entry;
    s.check.arg = &s;
    err_t err = index_check_open(&s.check, file);
    int code = segment_file_failed(place, err);
    if (err != OK) goto done;
    s.has_log = segment_file_open(&segment, place, &log, SCAN_HEADERS) == OK;
    show_rows_init(&s);
    if (s.has_log) walk_log(&s, &segment);
    index_check_finish(&s.check);
    a->offline.common.format == FORMAT_JSON ? summary_json(&s) : summary_text(&s);
    if (s.has_log) segment_file_close(&segment);
    code = !s.has_log || s.check.wrong || s.check.entries.trailing_bytes ? EXIT_FOUND : EXIT_OK;
    index_check_close(&s.check);
    rows_release(&s.rows);
done:
    free(path);
    return code;
}

static bool is_index(const struct file *file)
{
    return file->kind == FILE_OFFSET_INDEX || file->kind == FILE_TIME_INDEX ||
           file->kind == FILE_TXN_INDEX;
}

static int inspect_place(void *arg, const struct place *place)
{
    struct arguments *a = arg;
    int code = EXIT_OK;
    if (place->kind == PLACE_DATA) return EXIT_OK;
    if (a->has_lookup) return index_lookup_offset(place, a->offline.common.format, a->lookup);
    if (a->has_lookup_time)
        return index_lookup_time(place, a->offline.common.format, a->lookup_time);
    if (place->kind == PLACE_FILE && !is_index(place->files))
        return complain(EXIT_UNREACHABLE, "%s: by its name this is no index", place->files->path);
    for (size_t i = 0; i < place->count; i++) {
        const struct file *file = &place->files[i];
        if (!is_index(file) || (file->is_aside && place->kind != PLACE_FILE)) continue;
        int one = inspect(a, place, file);
        code = MAX(code, one);
    }
    return code;
}

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&offline_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "PATH...",
        "Shows the entries of indexes and whether the log agrees. A path is an index file, a "
        "partition's directory or a data directory.",
        children,
        NULL,
        NULL};
    struct arguments a = {0};
    offline_parse(&argp, argc, argv, &a);
    stdout_prepare();
    int code = offline_walk(&a.offline, inspect_place, &a);
    stdout_finish();
    offline_release(&a.offline);
    return code;
}

const struct command command_index_inspect = {
    .name = "index-inspect",
    .summary = "show the entries of indexes, and whether the log agrees",
    .examples = "  stele index-inspect stele-data/orders-0\n"
                "  stele index-inspect --summary stele-data\n"
                "  stele index-inspect --lookup 123456 stele-data/orders-0\n"
                "  stele index-inspect --lookup-time 2026-01-31T12:00:00Z stele-data/orders-0\n"
                "  stele index-inspect --format json stele-data/orders-0\n",
    .run = run,
};
