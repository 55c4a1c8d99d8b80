/* Damage is kept as ranges: of offsets, for what must not be served, and of bytes in one segment,
 * for scans to jump over. Ranges are found by recovery (and by a reader who meets an impossible
 * header) and kept in the file `damage`, because a clean restart scans nothing:
 *
 *   0
 *   <count>
 *   <from> <to> <segment base> <position> <end position>
 *
 * They vanish with the segment they lie in, or when a truncation takes them away. Apache Kafka's
 * broker ignores the file.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "file_error.h"
#include "log_internal.h"
#include "text_lines.h"

enum { DAMAGE_VERSION = 0, DAMAGE_MAX = 10000, DAMAGE_FILE_MAX_BYTES = 1 << 20 };

static const char damage_name[] = "damage";

/* ---- questions ---- */

bool log_is_damaged_at(const struct log *log, koffset_t offset)
{
    for (size_t i = 0; i < log->damage_count; i++) {
        if (offset >= log->damage[i].from && offset < log->damage[i].to) return true;
    }
    return false;
}

int64_t log_damage_position(const struct log *log, const struct segment *segment, int64_t position)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < log->damage_count; i++) {
        const struct log_damage *d = &log->damage[i];
        if (d->segment_base == segment->base_offset && d->position >= position) {
            first = MIN(first, d->position);
        }
    }
    return first;
}

void log_cut_before_damage(const struct log *log, const struct segment *segment,
                           koffset_t *end_offset, int64_t *position)
{
    for (size_t i = log->damage_count; i-- > 0;) {
        const struct log_damage *d = &log->damage[i];
        if (d->segment_base != segment->base_offset) continue;
        if (d->to <= *end_offset && d->from < *end_offset) continue;
        *end_offset = MIN(*end_offset, d->from);
        *position = MIN(*position, d->position);
    }
}

/* Where to go on when damage starts at `position`; -1: it does not. */
static int64_t damage_end(struct log *log, const struct segment *segment, int64_t position)
{
    int64_t end = -1;
    mutex_lock(&log->lock);
    for (size_t i = 0; i < log->damage_count; i++) {
        const struct log_damage *d = &log->damage[i];
        if (d->segment_base == segment->base_offset && d->position == position) {
            end = d->end_position;
        }
    }
    mutex_unlock(&log->lock);
    return end;
}

err_t log_next_batch(struct log *log, const struct segment *segment, struct segment_scan *scan,
                     struct batch_header *out)
{
    if (log->damage_count > 0) {
        int64_t end = damage_end(log, segment, scan->next);
        if (end >= 0) segment_scan_seek(scan, MIN(end, scan->end), scan->end);
    }
    return segment_scan_next(scan, out);
}

/* ---- changes ---- */

err_t log_add_damage(struct log *log, struct log_damage damage)
{
    CHECK(damage.from <= damage.to && damage.position <= damage.end_position);
    if (log->damage_count == DAMAGE_MAX) return ERR_LIMIT;
    struct log_damage *grown = realloc(log->damage, (log->damage_count + 1) * sizeof *grown);
    if (!grown) return ERR_NOMEM;
    log->damage = grown;
    grown[log->damage_count++] = damage;
    return OK;
}

/* Whoever scans a segment has to pass its damage, also what lies below the log's start or hides no
 * offsets: only what is no longer in the files is forgotten. */
static bool is_gone(const struct log *log, const struct log_damage *d)
{
    const struct segment *last = log_active(log);
    if (d->segment_base != last->base_offset) {
        return d->segment_base < log->segments[0]->base_offset ||
               d->segment_base > last->base_offset;
    }
    return d->from >= log->end_offset && d->position >= last->size_bytes;
}

bool log_drop_damage(struct log *log)
{
    size_t kept = 0;
    bool has_changed = false;
    for (size_t i = 0; i < log->damage_count; i++) {
        struct log_damage d = log->damage[i];
        bool is_kept = !is_gone(log, &d);
        has_changed |= !is_kept || d.to > log->end_offset;
        d.to = MIN(d.to, log->end_offset);
        if (is_kept) log->damage[kept++] = d;
    }
    log->damage_count = kept;
    return has_changed;
}

err_t log_resync(struct segment_scan *scan, koffset_t min_offset, struct batch_header *out)
{
    struct segment_search search = {min_offset, INT64_MAX, INT64_MAX};
    return segment_scan_resync(scan, &search, out);
}

/* ---- the file ---- */

static err_t parse_line(struct view line, struct log_damage *out)
{
    struct view words[5];
    int64_t n[5];
    if (line_split(line, words, 5) != 5) return ERR_CORRUPT;
    for (int i = 0; i < 5; i++) {
        if (!word_to_int(words[i], 0, INT64_MAX, &n[i])) return ERR_CORRUPT;
    }
    *out = (struct log_damage){n[0], n[1], n[2], n[3], n[4]};
    return out->from <= out->to && out->position <= out->end_position ? OK : ERR_CORRUPT;
}

static err_t parse(struct log *log, struct view text)
{
    struct text_lines lines = text_lines_of(text);
    struct view line;
    int64_t count;
    TRY(text_lines_head(&lines, DAMAGE_VERSION, &count));
    while (text_lines_next(&lines, &line)) {
        struct log_damage damage;
        if (line.len == 0) continue;
        TRY(parse_line(line, &damage));
        TRY(log_add_damage(log, damage));
    }
    return (int64_t)log->damage_count == count ? OK : ERR_CORRUPT;
}

err_t log_load_damage(struct log *log)
{
    char path[PATH_MAX];
    struct buf text = {0};
    log_file_path(log, damage_name, path);
    err_t err = os_read_file(log_os(log), path, DAMAGE_FILE_MAX_BYTES, &text);
    if (err == OK) err = parse(log, buf_view(&text));
    buf_release(&text);
    if (err == ERR_CORRUPT) {
        diag(DIAG_ERROR, "log", "list of damaged ranges is itself damaged, ignored file=%s", path);
        log->damage_count = 0;
    }
    return err == ERR_NOT_FOUND || err == ERR_CORRUPT ? OK : err;
}

err_t log_store_damage(struct log *log)
{
    char path[PATH_MAX];
    struct buf text = {0};
    mutex_lock(&log->lock);
    err_t err = buf_printf(&text, "%d\n%zu\n", DAMAGE_VERSION, (size_t)log->damage_count);
    for (size_t i = 0; err == OK && i < log->damage_count; i++) {
        const struct log_damage *d = &log->damage[i];
        err = buf_printf(&text, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
                         d->from, d->to, d->segment_base, d->position, d->end_position);
    }
    mutex_unlock(&log->lock);
    log_file_path(log, damage_name, path);
    if (err == OK) err = os_replace_file(log_os(log), path, text.data, text.len);
    buf_release(&text);
    return err;
}

err_t log_store_damage_if_changed(struct log *log)
{
    mutex_lock(&log->lock);
    bool is_due = log->damage_changed;
    log->damage_changed = false;
    mutex_unlock(&log->lock);
    err_t err = is_due ? log_store_damage(log) : OK;
    if (err == OK) return OK;
    mutex_lock(&log->lock);
    log->damage_changed = true;
    mutex_unlock(&log->lock);
    return err;
}
