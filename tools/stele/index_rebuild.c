/* stele index-rebuild: makes the indexes of segments anew from the log.
 *
 * The rule is the broker's: a batch gets an entry when more than the interval has been written
 * since the last one; a time entry goes with it if time has moved on, and one comes at the end. An
 * index has a few megabytes at most, so it is put together in memory, compared with what is there,
 * and put in its place as a whole (temporary file, rename) if it differs. Bad batches are passed
 * over, as a broker does that knows them to be damaged.
 *
 * For aborted transactions one has to know what was open before: over a whole directory the
 * producers are followed from its first segment on; for a segment alone its snapshot tells, and
 * without one the transaction index is left as it is.
 *
 * The data directory's lock is held meanwhile, so that no broker starts. */
#include "index_rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/check.h"
#include "offline.h"
#include "segment_file.h"
#include "storage/producer_state.h"

enum { KEY_DRY_RUN = 0x300, KEY_INTERVAL, INTERVAL_DEFAULT = 4096, SMALL_FILE_MAX_BYTES = 1 << 30 };

struct rebuild {
    struct offline_options offline;
    bool is_dry_run;
    int64_t interval_bytes;
    char *locked_dir; /* owned: the data directory whose lock we hold */
    int lock_fd, lock_error;
    char *refused_dir; /* owned: the one that a broker has open, of which we have told */
    struct rows rows;
    bool has_titles;
};

/* ---- the lock ---- */

static void unlock(struct rebuild *r)
{
    if (r->lock_fd >= 0) close(r->lock_fd);
    r->lock_fd = -1;
    free(r->locked_dir);
    r->locked_dir = NULL;
}

/* Both kinds: Stele's and the one that Java takes. A directory without a lock file was never a
 * broker's. */
static bool lock(struct rebuild *r, const char *data_dir)
{
    char path[PATH_MAX];
    struct flock java = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (r->locked_dir && strcmp(r->locked_dir, data_dir) == 0) return true;
    unlock(r);
    r->locked_dir = strdup(data_dir);
    if (!r->locked_dir) must(ERR_NOMEM);
    if (snprintf(path, sizeof path, "%s/.lock", data_dir) >= (int)sizeof path) return true;
    r->lock_fd = open(path, O_RDWR | O_CLOEXEC);
    if (r->lock_fd < 0 && errno == ENOENT) return true;
    if (r->lock_fd >= 0 && flock(r->lock_fd, LOCK_EX | LOCK_NB) == 0 &&
        fcntl(r->lock_fd, F_SETLK, &java) == 0)
        return true;
    r->lock_error = errno;
    unlock(r);
    return false;
}

static int refuse(struct rebuild *r, const char *data_dir)
{
    bool is_told = r->refused_dir && strcmp(r->refused_dir, data_dir) == 0;
    if (is_told) return EXIT_BROKEN;
    free(r->refused_dir);
    r->refused_dir = strdup(data_dir);
    if (!r->refused_dir) must(ERR_NOMEM);
    return complain(EXIT_BROKEN, "%s/.lock: %s", data_dir,
                    r->lock_error == EAGAIN || r->lock_error == EACCES
                        ? "a broker has this data directory open"
                        : strerror(r->lock_error));
}

/* ---- one file ---- */

static const struct row_column columns[] = {
    {"file", "FILE", -48},     {"entries_before", "BEFORE", 8},    {"entries", "NOW", 8},
    {"changed", "CHANGED", 8}, {"first_change", "FROM-ENTRY", 10}, {"action", "ACTION", -14},
};

/* Entries that are other, missing or too many; *first: the first of them. */
static int64_t count_changes(struct view before, struct view now, size_t entry_bytes,
                             int64_t *first)
{
    int64_t changed = 0;
    size_t longest = MAX(before.len, now.len);
    *first = -1;
    for (size_t at = 0; at < longest; at += entry_bytes) {
        bool is_same = at + entry_bytes <= before.len && at + entry_bytes <= now.len &&
                       memcmp(before.data + at, now.data + at, entry_bytes) == 0;
        if (is_same) continue;
        if (changed++ == 0) *first = (int64_t)(at / entry_bytes);
    }
    return changed;
}

static int replace(struct rebuild *r, const struct file *log, enum file_kind kind, struct view now)
{
    static const size_t entry_bytes[] = {
        [FILE_OFFSET_INDEX] = 8, [FILE_TIME_INDEX] = 12, [FILE_TXN_INDEX] = 34};
    struct buf before = {0};
    char *path = sibling_path(log, kind);
    int64_t first;
    err_t err = os_read_file(os_real(), path, SMALL_FILE_MAX_BYTES, &before);
    bool is_missing = err == ERR_NOT_FOUND;
    int64_t changed = count_changes(buf_view(&before), now, entry_bytes[kind], &first);
    bool is_wanted = changed > 0 || (is_missing && kind != FILE_TXN_INDEX);
    const char *action = !is_wanted      ? "unchanged"
                         : r->is_dry_run ? (is_missing ? "would be made" : "would change")
                                         : (is_missing ? "made" : "rebuilt");
    err = is_wanted && !r->is_dry_run ? os_replace_file(os_real(), path, now.data, now.len) : OK;
    if (err == OK && (!is_missing || is_wanted)) {
        if (!r->has_titles) rows_titles(&r->rows);
        r->has_titles = true;
        rows_start(&r->rows);
        rows_string(&r->rows, path);
        rows_number_if(&r->rows, !is_missing, (int64_t)(before.len / entry_bytes[kind]));
        rows_number(&r->rows, (int64_t)(now.len / entry_bytes[kind]));
        rows_number(&r->rows, changed);
        rows_number_if(&r->rows, first >= 0, first);
        rows_string(&r->rows, action);
        rows_end(&r->rows);
    }
    int code = err == OK ? EXIT_OK : complain(EXIT_BROKEN, "%s: %s", path, err_name(err));
    buf_release(&before);
    free(path);
    return code;
}

/* ---- one segment ---- */

/* False: the bytes behind are no batches. */
static bool add_batches(struct segment_file *s, koffset_t limit, struct fresh_index *fresh,
                        int *code)
{
    struct batch_header h;
    struct view whole = {0};
    for (;;) {
        err_t err = segment_scan_next(&s->scan, &h);
        if (err == ERR_NOT_FOUND) return true;
        if (err == ERR_IO || err == ERR_NOMEM) return false;
        int64_t start = err == OK ? s->scan.pos : s->scan.next;
        if (err == OK && fresh_index_fits(fresh, &h, limit) &&
            segment_scan_check_crc(&s->scan, &h) == OK) {
            bool is_marker = batch_is_control(&h) && h.size_bytes < MARKER_MAX_BYTES;
            if (is_marker && segment_scan_batch(&s->scan, &h, &whole) != OK) return false;
            fresh_index_add(fresh, &h, start, is_marker ? whole : (struct view){0});
            continue;
        }
        int64_t end = segment_file_resync(s, start, fresh->end, limit, &h);
        *code = complain(EXIT_FOUND, "%s: byte %" PRId64 ": %" PRId64 " bytes are no good batches",
                         s->file->path, start, end - start);
    }
}

static int rebuild_segment(struct rebuild *r, const struct place *place, const struct file *file,
                           struct producer_state *producers)
{
    struct segment_file s;
    struct fresh_index fresh = {.base_offset = file->base_offset,
                                .end = file->base_offset,
                                .interval_bytes = r->interval_bytes,
                                .producers = producers,
                                .newest = {-1, file->base_offset},
                                .newest_written = -1};
    int code = EXIT_OK;
    err_t err = segment_file_open(&s, place, file, SCAN_ALL);
    if (err != OK) return segment_file_failed(place, err);
    if (!add_batches(&s, segment_end(place, file->base_offset), &fresh, &code)) {
        code = complain(EXIT_BROKEN, "%s: byte %" PRId64 ": cannot be read", file->path,
                        s.scan.next);
    } else {
        fresh_index_finish(&fresh);
        int one = replace(r, file, FILE_OFFSET_INDEX, buf_view(&fresh.offsets));
        code = MAX(code, one);
        one = replace(r, file, FILE_TIME_INDEX, buf_view(&fresh.times));
        code = MAX(code, one);
        if (producers) one = replace(r, file, FILE_TXN_INDEX, buf_view(&fresh.txns));
        code = MAX(code, one);
    }
    fresh_index_release(&fresh);
    segment_file_close(&s);
    return code;
}

/* Who was at work when the segment began; false: nobody has written that down. */
static bool load_producers(const struct file *file, struct producer_state *state)
{
    struct buf bytes = {0};
    char *path = sibling_path(file, FILE_PRODUCERS);
    bool is_there = os_read_file(os_real(), path, SMALL_FILE_MAX_BYTES, &bytes) == OK &&
                    producer_state_decode(state, buf_view(&bytes)) == OK;
    if (!is_there) producer_state_clear(state);
    buf_release(&bytes);
    free(path);
    return is_there;
}

static int rebuild_alone(struct rebuild *r, const struct place *place)
{
    struct producer_state *producers = producer_state_new();
    const struct file *file = place->files;
    if (!producers) must(ERR_NOMEM);
    bool is_known = load_producers(file, producers);
    int code = rebuild_segment(r, place, file, is_known ? producers : NULL);
    if (!is_known)
        complain(EXIT_OK,
                 "%s: without a producer snapshot its transaction index is left as it is; name the "
                 "directory to have it made anew, too",
                 file->path);
    producer_state_free(producers);
    return code;
}

static int rebuild_log(struct rebuild *r, const struct place *place)
{
    struct producer_state *producers = producer_state_new();
    bool is_first = true;
    int code = EXIT_OK;
    if (!producers) must(ERR_NOMEM);
    for (size_t i = 0; i < place->count; i++) {
        const struct file *file = &place->files[i];
        if (file->kind != FILE_SEGMENT || file->is_aside) continue;
        if (is_first) load_producers(file, producers);
        is_first = false;
        int one = rebuild_segment(r, place, file, producers);
        code = MAX(code, one);
    }
    producer_state_free(producers);
    return code;
}

static int rebuild_place(void *arg, const struct place *place)
{
    struct rebuild *r = arg;
    if (place->kind == PLACE_DATA) return EXIT_OK;
    if (place->kind == PLACE_FILE && place->files->kind != FILE_SEGMENT)
        return complain(EXIT_UNREACHABLE,
                        "%s: by its name this is no segment; indexes are made from those",
                        place->files->path);
    if (!r->is_dry_run && !lock(r, place->data_dir)) return refuse(r, place->data_dir);
    return place->kind == PLACE_FILE ? rebuild_alone(r, place) : rebuild_log(r, place);
}

/* ---- the command ---- */

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct rebuild *r = state->input;
    long long n;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &r->offline; return 0;
    case KEY_DRY_RUN: r->is_dry_run = true; return 0;
    case KEY_INTERVAL:
        if (!parse_long(arg, 0, INT32_MAX, &n))
            argp_error(state, "--interval-bytes is a number from 0 on, not '%s'", arg);
        r->interval_bytes = n;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"dry-run", KEY_DRY_RUN, NULL, 0, "Say what would change, change nothing", 0},
    {"interval-bytes", KEY_INTERVAL, "N", 0, "The topic's index.interval.bytes (default: 4096)", 0},
    {0},
};

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&offline_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "PATH...",
        "Makes the offset, time and transaction indexes of segments anew, and says what changed. A "
        "path is a segment, a partition's directory or a data directory; no broker may have it "
        "open.",
        children,
        NULL,
        NULL};
    struct rebuild r = {.interval_bytes = INTERVAL_DEFAULT, .lock_fd = -1};
    offline_parse(&argp, argc, argv, &r);
    stdout_prepare();
    rows_init(&r.rows, r.offline.common.format, "index", columns, COUNT_OF(columns));
    int code = offline_walk(&r.offline, rebuild_place, &r);
    rows_release(&r.rows);
    unlock(&r);
    free(r.refused_dir);
    stdout_finish();
    offline_release(&r.offline);
    return code;
}

const struct command command_index_rebuild = {
    .name = "index-rebuild",
    .summary = "make indexes anew from the log; the broker must be stopped",
    .examples = "  stele index-rebuild --dry-run stele-data/orders-0\n"
                "  stele index-rebuild stele-data\n"
                "  stele index-rebuild stele-data/orders-0/00000000000000005000.log\n",
    .run = run,
};
