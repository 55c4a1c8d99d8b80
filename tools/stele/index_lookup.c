/* Offset: the segment by its name, the greatest index entry at or below, then batches from there.
 *
 * Time: the first segment whose newest time is late enough; in its time index the greatest entry
 * below: everything up to that offset is older. From there on batches are read until one holds a
 * record that is not. */
#include "index_lookup.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "entries.h"
#include "record/record.h"
#include "segment_file.h"

enum { DECOMPRESSED_MAX_BYTES = 256 << 20 };

static const struct row_column columns[] = {
    {"asked", "ASKED", 13},
    {"segment", "SEGMENT", -24},
    {"time_entry_timestamp", "TIME-ENTRY", 13},
    {"time_entry_offset", "UP-TO", 10},
    {"entry_offset", "ENTRY", 10},
    {"entry_position", "ENTRY-AT", 10},
    {"scanned_batches", "SCANNED", 7},
    {"scanned_bytes", "BYTES", 9},
    {"batch_base_offset", "BATCH-FIRST", 11},
    {"batch_last_offset", "BATCH-LAST", 11},
    {"batch_position", "BATCH-AT", 10},
    {"found_offset", "FOUND", 10},
    {"found_timestamp", "TIMESTAMP", 13},
};

struct lookup {
    const struct place *place;
    enum output_format format;
    bool is_time;
    int64_t asked;
    struct entry time_entry, entry; /* index -1: none */
    int64_t scanned_batches, scanned_bytes;
    bool has_batch, has_record;
    struct batch_header batch;
    int64_t position;
    koffset_t found_offset;
    time_ms_t found_timestamp;
};

/* ---- indexes ---- */

static bool is_below(enum file_kind kind, const struct entry *e, int64_t key)
{
    return kind == FILE_TIME_INDEX ? e->timestamp < key : e->offset <= key;
}

/* The last entry below the key (or at it, for offsets). A missing index has none. */
static void search(const struct file *log, enum file_kind kind, int64_t key, struct entry *out)
{
    struct entries entries;
    struct entry e;
    *out = (struct entry){.index = -1, .offset = log->base_offset, .timestamp = -1};
    char *path = sibling_path(log, kind);
    struct file file = {.path = path,
                        .name = path + (log->name - log->path),
                        .kind = kind,
                        .base_offset = log->base_offset};
    bool is_open = entries_open(&entries, &file) == OK;
    int64_t low = 0, high = is_open ? entries.count : 0;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (entries_get(&entries, middle, &e) == OK && is_below(kind, &e, key)) {
            *out = e;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (is_open) entries_close(&entries);
    free(path);
}

/* ---- the log ---- */

/* The first record that is not older. */
static bool find_record(struct lookup *l, struct segment_scan *scan)
{
    struct buf scratch = {0};
    struct record_iter it;
    struct record record;
    struct view whole;
    err_t err = segment_scan_batch(scan, &l->batch, &whole);
    if (err == OK) err = record_iter_init(&it, whole, &scratch, DECOMPRESSED_MAX_BYTES);
    while (err == OK && !l->has_record && (err = record_iter_next(&it, &record)) == OK) {
        if (record.timestamp < l->asked) continue;
        l->has_record = true;
        l->found_offset = record.offset;
        l->found_timestamp = record.timestamp;
    }
    buf_release(&scratch);
    return l->has_record;
}

static bool is_wanted(struct lookup *l, struct segment_scan *scan)
{
    if (!l->is_time) return batch_last_offset(&l->batch) >= l->asked;
    return l->batch.max_timestamp >= l->asked && find_record(l, scan);
}

static int scan_log(struct lookup *l, const struct file *log)
{
    struct segment_file segment;
    err_t err = segment_file_open(&segment, l->place, log, SCAN_HEADERS);
    if (err != OK) return segment_file_failed(l->place, err);
    segment_scan_seek(&segment.scan, MAX(l->entry.position, 0), segment.scan.end);
    while ((err = segment_scan_next(&segment.scan, &l->batch)) == OK) {
        l->scanned_batches++;
        l->scanned_bytes += (int64_t)l->batch.size_bytes;
        l->position = segment.scan.pos;
        l->has_batch = is_wanted(l, &segment.scan);
        if (l->has_batch) break;
    }
    segment_file_close(&segment);
    if (l->has_batch || err == ERR_NOT_FOUND) return EXIT_OK;
    return complain(EXIT_FOUND, "%s: byte %" PRId64 ": no whole batch: %s", log->path,
                    segment.scan.next, err_name(err));
}

/* ---- the answer ---- */

static void show(const struct lookup *l, const struct file *log)
{
    struct rows rows;
    bool has_entry = l->entry.index >= 0, has_time = l->time_entry.index >= 0;
    rows_init(&rows, l->format, "lookup", columns, COUNT_OF(columns));
    rows_titles(&rows);
    rows_start(&rows);
    rows_number(&rows, l->asked);
    rows_string(&rows, l->format == FORMAT_JSON ? log->path : log->name);
    rows_number_if(&rows, l->is_time && has_time, l->time_entry.timestamp);
    rows_number_if(&rows, l->is_time && has_time, l->time_entry.offset);
    rows_number_if(&rows, has_entry, l->entry.offset);
    rows_number_if(&rows, has_entry, l->entry.position);
    rows_number(&rows, l->scanned_batches);
    rows_number(&rows, l->scanned_bytes);
    rows_number_if(&rows, l->has_batch, l->batch.base_offset);
    rows_number_if(&rows, l->has_batch, batch_last_offset(&l->batch));
    rows_number_if(&rows, l->has_batch, l->position);
    rows_number_if(&rows, l->has_record, l->found_offset);
    rows_number_if(&rows, l->has_record, l->found_timestamp);
    rows_end(&rows);
    rows_release(&rows);
}

static int look_into(struct lookup *l, const struct file *log)
{
    koffset_t offset = l->asked;
    l->time_entry.index = -1;
    if (l->is_time) {
        search(log, FILE_TIME_INDEX, l->asked, &l->time_entry);
        offset = l->time_entry.offset;
    }
    search(log, FILE_OFFSET_INDEX, offset, &l->entry);
    return scan_log(l, log);
}

static int not_found(const struct lookup *l)
{
    return complain(EXIT_FOUND, "%s: nothing there at or after %" PRId64, l->place->dir, l->asked);
}

/* The segments of the place; a file stands for its segment. */
static int look_up(struct lookup *l)
{
    const struct place *place = l->place;
    for (size_t i = 0; i < place->count; i++) {
        struct file log = place->files[i];
        bool is_named = place->kind == PLACE_FILE && log.base_offset >= 0;
        if (!is_named && (log.kind != FILE_SEGMENT || log.is_aside)) continue;
        koffset_t end = segment_end(place, log.base_offset);
        if (!l->is_time && l->asked >= end) continue;
        char *path = sibling_path(&log, FILE_SEGMENT);
        log.path = path;
        log.name = path + (log.name - place->files[i].path);
        log.kind = FILE_SEGMENT;
        int code = look_into(l, &log);
        bool is_over = l->has_batch || code != EXIT_OK;
        if (l->has_batch) show(l, &log);
        free(path);
        if (is_over) return code;
    }
    return not_found(l);
}

int index_lookup_offset(const struct place *place, enum output_format format, koffset_t offset)
{
    struct lookup l = {.place = place, .format = format, .asked = offset};
    return look_up(&l);
}

int index_lookup_time(const struct place *place, enum output_format format, time_ms_t timestamp)
{
    struct lookup l = {.place = place, .format = format, .is_time = true, .asked = timestamp};
    return look_up(&l);
}
