/* What a partition directory holds, and what a crash left half done in it.
 *
 *   <20 digits>.log .index .timeindex .txnindex .snapshot
 *   ....deleted    on its way out: unlinked
 *   ....cleaned    the unfinished result of a compaction: unlinked
 *   ....swap       the finished result, about to take the place of the segments whose offsets it
 *                  covers: those are unlinked, then it is renamed. Results are renamed from
 * .cleaned to .swap in descending order, so a .swap at or above a .cleaned is unfinished too.
 *   ....torn-<n>   bytes that a recovery has cut off: kept for people
 *   ....tmp        a file that was being replaced: unlinked
 *
 * An index without its log is unlinked; a log without an index is recovery's matter. Everything
 * else is left alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "file_error.h"
#include "log_internal.h"
#include "text_lines.h"

enum { DIGITS = 20, METADATA_MAX_BYTES = 4096, EPOCHS_MAX_BYTES = 1 << 24, SUFFIX_MAX_BYTES = 32 };

enum file_kind { FILE_LOG, FILE_INDEX, FILE_TIMEINDEX, FILE_TXNINDEX, FILE_SNAPSHOT, FILE_OTHER };
enum file_state { STATE_LIVE, STATE_CLEANED, STATE_SWAP };

static const char *const kind_suffixes[] = {".log", ".index", ".timeindex", ".txnindex",
                                            ".snapshot"};

struct found_file {
    koffset_t base_offset;
    enum file_kind kind;
    enum file_state state;
};

struct listing {
    struct log *log;
    struct found_file *files; /* owned; by base offset, then kind */
    size_t count, cap;
    struct buf doomed; /* names to unlink, each with its NUL */
    bool has_metadata, has_epochs, has_damage;
    err_t err;
};

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);
    return n >= s && strcmp(name + n - s, suffix) == 0;
}

/* "00000000000000000042.log.swap" -> 42, FILE_LOG, STATE_SWAP. */
static bool parse_name(const char *name, struct found_file *out)
{
    uint64_t offset = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') return false;
        if (__builtin_mul_overflow(offset, 10u, &offset)) return false;
        if (__builtin_add_overflow(offset, (uint64_t)(name[i] - '0'), &offset)) return false;
    }
    if (offset > INT64_MAX) return false;
    *out = (struct found_file){(koffset_t)offset, FILE_OTHER, STATE_LIVE};
    const char *rest = name + DIGITS;
    for (size_t k = 0; k < COUNT_OF(kind_suffixes); k++) {
        size_t len = strlen(kind_suffixes[k]);
        if (strncmp(rest, kind_suffixes[k], len) != 0) continue;
        const char *state = rest + len;
        if (*state == 0)
            out->state = STATE_LIVE;
        else if (strcmp(state, ".cleaned") == 0)
            out->state = STATE_CLEANED;
        else if (strcmp(state, ".swap") == 0)
            out->state = STATE_SWAP;
        else
            continue;
        out->kind = (enum file_kind)k;
        return true;
    }
    return true;
}

static err_t doom(struct listing *l, const char *name)
{
    return buf_append(&l->doomed, name, strlen(name) + 1);
}

static err_t add(struct listing *l, const char *name, struct found_file file)
{
    if (file.state == STATE_CLEANED) TRY(doom(l, name)); /* and remembered, for the .swap rule */
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct found_file *grown = realloc(l->files, cap * sizeof *grown);
        if (!grown) return ERR_NOMEM;
        l->files = grown;
        l->cap = cap;
    }
    l->files[l->count++] = file;
    return OK;
}

static void see(void *arg, const char *name)
{
    struct listing *l = arg;
    struct found_file file;
    if (l->err != OK) return;
    if (strcmp(name, "partition.metadata") == 0) l->has_metadata = true;
    if (strcmp(name, "leader-epoch-checkpoint") == 0) l->has_epochs = true;
    if (strcmp(name, "damage") == 0) l->has_damage = true;
    if (strcmp(name, "last-truncation") == 0) l->log->has_note = true;
    if (has_suffix(name, ".deleted") || has_suffix(name, ".tmp")) {
        l->err = doom(l, name);
    } else if (parse_name(name, &file) && file.kind != FILE_OTHER) {
        l->err = add(l, name, file);
    }
}

static int by_offset(const void *a, const void *b)
{
    const struct found_file *x = a, *y = b;
    if (x->base_offset != y->base_offset) return x->base_offset < y->base_offset ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

static void path_of(const struct log *log, const struct found_file *file, const char *more,
                    char out[PATH_MAX])
{
    char suffix[SUFFIX_MAX_BYTES];
    int n = snprintf(suffix, sizeof suffix, "%s%s", kind_suffixes[file->kind], more);
    CHECK(n > 0 && n < SUFFIX_MAX_BYTES);
    file_name_path(&(struct file_name){log->path, file->base_offset, suffix}, out);
}

static err_t unlink_path(struct log *log, const char *path)
{
    int r = log_os(log)->unlink(log_os(log), path);
    if (r >= 0) return OK;
    err_t err = file_error(r, "unlink", path);
    return err == ERR_NOT_FOUND ? OK : err;
}

static err_t unlink_doomed(struct listing *l)
{
    for (size_t at = 0; at < l->doomed.len;) {
        const char *name = (const char *)l->doomed.data + at;
        char path[PATH_MAX];
        log_file_path(l->log, name, path);
        TRY(unlink_path(l->log, path));
        at += strlen(name) + 1;
    }
    return OK;
}

/* ---- .swap ---- */

/* The first offset behind the finished result of a compaction. */
static err_t swap_end(struct log *log, const struct found_file *file, koffset_t *end)
{
    char path[PATH_MAX];
    struct os_stat st;
    struct batch_header header;
    struct segment_scan scan;
    path_of(log, file, ".swap", path);
    int fd = log_os(log)->open(log_os(log), path, OS_READ);
    if (fd < 0) return file_error(fd, "open", path);
    int r = log_os(log)->fstat(log_os(log), fd, &st);
    segment_scan_init(&scan, log_os(log), fd, SCAN_HEADERS);
    *end = file->base_offset;
    err_t err = r < 0 ? file_error(r, "stat", path) : OK;
    if (err == OK) segment_scan_seek(&scan, 0, st.size_bytes);
    while (err == OK && (err = segment_scan_next(&scan, &header)) == OK) {
        *end = batch_last_offset(&header) + 1;
    }
    segment_scan_release(&scan);
    log_os(log)->close(log_os(log), fd);
    return err == ERR_NOT_FOUND ? OK : err;
}

/* Unlinks live files whose segment starts within [from, to). */
static err_t unlink_covered(struct listing *l, koffset_t from, koffset_t to)
{
    for (size_t i = 0; i < l->count; i++) {
        struct found_file *f = &l->files[i];
        if (f->state != STATE_LIVE || f->kind == FILE_SNAPSHOT) continue;
        if (f->base_offset < from || f->base_offset >= to) continue;
        char path[PATH_MAX];
        path_of(l->log, f, "", path);
        TRY(unlink_path(l->log, path));
        f->kind = FILE_OTHER;
    }
    return OK;
}

static err_t finish_swap(struct log *log, struct found_file *f)
{
    char from[PATH_MAX], to[PATH_MAX];
    path_of(log, f, ".swap", from);
    path_of(log, f, "", to);
    int r = log_os(log)->rename(log_os(log), from, to);
    if (r < 0) return file_error(r, "rename", from);
    f->state = STATE_LIVE;
    return OK;
}

static err_t resolve_swaps(struct listing *l)
{
    koffset_t first_cleaned = INT64_MAX;
    for (size_t i = 0; i < l->count; i++) {
        if (l->files[i].state == STATE_CLEANED) {
            first_cleaned = MIN(first_cleaned, l->files[i].base_offset);
        }
    }
    /* First what the results replace, then the results: a crash between finds them again. */
    for (size_t i = 0; i < l->count; i++) {
        struct found_file *f = &l->files[i];
        koffset_t end = 0;
        if (f->state != STATE_SWAP || f->kind != FILE_LOG || f->base_offset >= first_cleaned) {
            continue;
        }
        TRY(swap_end(l->log, f, &end));
        TRY(unlink_covered(l, f->base_offset, MAX(end, f->base_offset + 1)));
    }
    for (size_t i = 0; i < l->count; i++) {
        struct found_file *f = &l->files[i];
        if (f->state != STATE_SWAP) continue;
        if (f->base_offset < first_cleaned) {
            TRY(finish_swap(l->log, f));
            continue;
        }
        char path[PATH_MAX];
        path_of(l->log, f, ".swap", path);
        TRY(unlink_path(l->log, path));
        f->kind = FILE_OTHER;
    }
    return OK;
}

/* ---- into the log ---- */

static err_t take_segments(struct listing *l)
{
    struct log *log = l->log;
    for (size_t i = 0; i < l->count; i++) {
        struct found_file *f = &l->files[i];
        if (f->state != STATE_LIVE || f->kind == FILE_OTHER) continue;
        struct segment *newest = log->segment_count ? log_active(log) : NULL;
        bool has_log = newest && newest->base_offset == f->base_offset;
        if (f->kind == FILE_LOG) {
            struct segment *segment = log_new_segment(log, f->base_offset);
            err_t err = log_push_segment(log, segment);
            if (err != OK) segment_unref(segment);
            TRY(err);
        } else if (f->kind == FILE_SNAPSHOT) {
            TRY(log_note_snapshot(log, f->base_offset));
        } else if (!has_log) {
            char path[PATH_MAX];
            path_of(log, f, "", path);
            TRY(unlink_path(log, path));
        } else if (f->kind == FILE_TXNINDEX) {
            newest->has_txn_file = true;
        }
    }
    return OK;
}

/* What follows `key` on its line; data NULL: another line. */
static struct view value_of(struct view line, const char *key)
{
    size_t len = strlen(key);
    if (line.len < len || memcmp(line.data, key, len) != 0) return (struct view){0};
    return view_of(line.data + len, line.len - len);
}

static err_t refuse_newer(const char *path)
{
    diag(DIAG_ERROR, "log", "file of a newer format file=%s", path);
    return ERR_UNSUPPORTED;
}

static err_t parse_metadata(struct log *log, struct view text, const char *path)
{
    struct text_lines lines = text_lines_of(text);
    struct view line;
    int64_t version;
    while (text_lines_next(&lines, &line)) {
        struct view value = value_of(line, "version: ");
        if (value.data && word_to_int(value, 1, INT32_MAX, &version)) return refuse_newer(path);
        value = value_of(line, "topic_id: ");
        if (value.data && uuid_parse(value, &log->topic_id) != OK) {
            diag(DIAG_WARN, "log", "topic id is not readable, ignored file=%s", path);
        }
    }
    return OK;
}

static err_t load_topic_id(struct log *log)
{
    char path[PATH_MAX];
    struct buf text = {0};
    log_file_path(log, "partition.metadata", path);
    err_t err = os_read_file(log_os(log), path, METADATA_MAX_BYTES, &text);
    if (err == OK) err = parse_metadata(log, buf_view(&text), path);
    buf_release(&text);
    return err;
}

/* *result says what came of it; a file of a newer format stops the open. */
static err_t load_epochs(struct log *log, err_t *result)
{
    char path[PATH_MAX];
    struct buf text = {0};
    struct view line;
    int64_t version;
    log_file_path(log, "leader-epoch-checkpoint", path);
    err_t err = os_read_file(log_os(log), path, EPOCHS_MAX_BYTES, &text);
    *result = err == OK ? epoch_cache_decode(&log->epochs, buf_view(&text)) : err;
    struct text_lines lines = text_lines_of(buf_view(&text));
    bool is_newer = err == OK && text_lines_next(&lines, &line) &&
                    word_to_int(line, 1, INT32_MAX, &version);
    buf_release(&text);
    return is_newer ? refuse_newer(path) : OK;
}

static err_t load(struct listing *l, err_t *epochs)
{
    struct log *log = l->log;
    int r = log_os(log)->list(log_os(log), log->path, see, l);
    if (r < 0) return file_error(r, "list", log->path);
    TRY(l->err);
    if (l->count > 0) qsort(l->files, l->count, sizeof *l->files, by_offset);
    TRY(unlink_doomed(l));
    TRY(resolve_swaps(l));
    if (l->count > 0) qsort(l->files, l->count, sizeof *l->files, by_offset);
    TRY(take_segments(l));
    if (l->has_metadata) TRY(load_topic_id(log));
    if (l->has_damage) TRY(log_load_damage(log));
    *epochs = ERR_NOT_FOUND;
    return l->has_epochs ? load_epochs(log, epochs) : OK;
}

err_t log_load(struct log *log, err_t *epochs)
{
    struct listing l = {.log = log};
    err_t err = load(&l, epochs);
    free(l.files);
    buf_release(&l.doomed);
    return err;
}
