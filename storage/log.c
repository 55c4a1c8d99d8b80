/* Opening, closing and asking; what a log does is in the files named after the verbs:
 *
 *   log_append.c    batches in                      log_read.c       slices out
 *   log_roll.c      the next segment                log_search.c     offsets by timestamp
 *   log_flush.c     fdatasync, epoch file           log_truncate.c   truncate, reset, start offset
 *   log_recover.c   from files to a log             log_retention.c  whole segments go, and the log
 *   log_load.c      which files there are           log_snapshot.c   producer state's files
 *   log_damage.c    ranges that are not served      log_txn.c        producers, aborted
 * transactions
 *
 * States: open -> FAILED (log_fail: a write or flush left the disk in an unknown state) -> closed.
 * A failed log refuses every change and serves what lies below the flushed offset; on close it
 * writes nothing, so that the next open recovers it.
 */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "file_error.h"
#include "log_internal.h"

enum { LOG_PATH_MAX = PATH_MAX - 64 }; /* room for the names of files */

void log_check(const struct log *log)
{
    mutex_assert_held(&log->lock);
    CHECK(log->segment_count > 0);
    CHECK(log->start_offset <= log->end_offset);
    CHECK(log->flushed_offset <= log->end_offset);
    CHECK(log_active(log)->base_offset <= log->end_offset);
    DCHECK(log_active(log)->end_offset == log->end_offset);
}

void log_fail(struct log *log, err_t err, const char *what)
{
    mutex_assert_held(&log->lock);
    if (log->is_failed) return;
    log->is_failed = true;
    diag(DIAG_ERROR, "log",
         "log failed, no more writes log=%s while=\"%s\" error=\"%s\" flushed=%lld", log->path,
         what, err_name(err), (long long)log->flushed_offset);
}

void log_file_path(const struct log *log, const char *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/%s", log->path, name);
    CHECK(n > 0 && n < PATH_MAX);
}

/* ---- the row of segments ---- */

size_t log_segment_index(const struct log *log, koffset_t offset)
{
    size_t low = 0, high = log->segment_count;
    if (log_active(log)->base_offset <= offset) return high - 1;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (log->segments[mid]->base_offset <= offset) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

struct segment *log_new_segment(struct log *log, koffset_t base_offset)
{
    struct segment_options options = {log->env, log->handles, log->path};
    struct segment *segment = segment_new(&options, base_offset);
    uint64_t chance = 0;
    if (log->config.segment_jitter_ms > 0) {
        log->env->random->fill(log->env->random, &chance, sizeof chance);
        segment->roll_jitter_ms = (int64_t)(chance % (uint64_t)log->config.segment_jitter_ms);
    }
    return segment;
}

err_t log_create_files(struct log *log, struct segment *segment)
{
    struct log_config config = log_get_config(log);
    TRY(segment_create(segment));
    if (config.preallocate) segment_preallocate(segment, config.segment_bytes);
    return OK;
}

err_t log_push_segment(struct log *log, struct segment *segment)
{
    CHECK(log->segment_count == 0 || log_active(log)->base_offset < segment->base_offset);
    if (log->segment_count == log->segment_cap) {
        size_t cap = log->segment_cap ? log->segment_cap * 2 : 2;
        struct segment **segments = realloc(log->segments, cap * sizeof *segments);
        if (!segments) return ERR_NOMEM;
        log->segments = segments;
        log->segment_cap = cap;
    }
    if (log->segment_count > 0) {
        struct segment *before = log_active(log);
        segment->log_position = log_position(before, before->size_bytes);
    }
    log->segments[log->segment_count++] = segment;
    return OK;
}

void log_count_sizes(struct log *log)
{
    log->size_bytes = log->unflushed_bytes = 0;
    for (size_t i = 0; i < log->segment_count; i++) {
        log->size_bytes += log->segments[i]->size_bytes;
        log->unflushed_bytes += log->segments[i]->size_bytes - log->segments[i]->flushed_bytes;
    }
}

/* ---- open and close ---- */

void log_free(struct log *log)
{
    for (size_t i = 0; i < log->segment_count; i++) segment_unref(log->segments[i]);
    for (size_t i = 0; i < log->removed_count; i++) segment_unref(log->removed[i].segment);
    free(log->segments);
    free(log->removed);
    free(log->damage);
    free(log->snapshots);
    epoch_cache_release(&log->epochs);
    producer_state_free(log->producers);
    producer_state_free(log->staged);
    mutex_destroy(&log->work);
    mutex_destroy(&log->flush);
    mutex_destroy(&log->lock);
    free(log->path);
    free(log);
}

static struct log *log_new(const struct log_options *options)
{
    struct log *log = calloc(1, sizeof *log);
    CHECK(log);
    log->env = options->env;
    log->handles = options->handles;
    log->config = options->config;
    log->path = strdup(options->path);
    log->producers = producer_state_new();
    CHECK(log->path && log->producers);
    mutex_init(&log->work, RANK_LOG_WORK);
    mutex_init(&log->flush, RANK_LOG_FLUSH);
    mutex_init(&log->lock, RANK_LOG);
    return log;
}

/* Creates the directory if it is missing. */
static err_t open_directory(struct log *log)
{
    const struct os *os = log_os(log);
    int r = os->mkdir(os, log->path);
    if (r == 0) {
        log->parent_changed = true;
        return OK;
    }
    if (err_from_errno(-r) == ERR_EXISTS) return OK;
    if (err_from_errno(-r) != ERR_NOT_FOUND) return file_error(r, "create", log->path);
    log->parent_changed = true;
    return os_make_dirs(os, log->path);
}

err_t log_open(const struct log_options *options, struct log **out)
{
    *out = NULL;
    if (strlen(options->path) > LOG_PATH_MAX) return ERR_INVALID;
    struct log *log = log_new(options);
    err_t err = open_directory(log);
    if (err == OK) err = log_recover(log, options);
    if (err != OK) {
        log_free(log);
        return err;
    }
    mutex_lock(&log->lock);
    log_check(log);
    mutex_unlock(&log->lock);
    *out = log;
    return OK;
}

/* An index that was caught lying is made anew by the next open. */
static void drop_bad_indexes(struct log *log)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->is_index_bad) (void)!segment_unlink_index(log->segments[i]);
    }
}

/* What a clean restart wants: complete indexes, no reserved blocks, the producers' state. */
static err_t write_leftovers(struct log *log)
{
    struct buf snapshot = {0};
    struct segment *active = log_active(log);
    mutex_lock(&log->lock);
    err_t err = log->is_failed ? ERR_FAILED : segment_write_indexes(active);
    if (err == OK) err = producer_state_encode(log->producers, &snapshot);
    mutex_unlock(&log->lock);
    drop_bad_indexes(log);
    if (err == OK) err = segment_trim(active);
    if (err == OK) err = log_write_epochs(log);
    if (err == OK && log_newest_snapshot(log) != log->end_offset) {
        log_write_snapshot(log, log->end_offset, log_position(active, active->size_bytes),
                           buf_view(&snapshot));
    }
    buf_release(&snapshot);
    return err;
}

err_t log_close(struct log *log, bool flush)
{
    if (!log) return OK;
    koffset_t flushed_to;
    mutex_lock(&log->work);
    err_t err = write_leftovers(log);
    mutex_unlock(&log->work);
    err_t flushed = flush ? log_flush_files(log, true, &flushed_to) : OK;
    log_free(log);
    return err != OK ? err : flushed;
}

/* ---- questions ---- */

/* The lock is not part of a log's value. */
static struct log *unconst(const struct log *log) { return (struct log *)log; }

struct log_offsets log_offsets(const struct log *log)
{
    struct log *l = unconst(log);
    mutex_lock(&l->lock);
    struct log_offsets offsets = {
        .start = l->start_offset,
        .end = l->end_offset,
        .flushed = l->flushed_offset,
        .first_unstable = producer_state_first_unstable(l->producers),
        .size_bytes = l->size_bytes,
        .unflushed_bytes = l->unflushed_bytes,
        .last_leader_epoch = epoch_cache_latest(&l->epochs),
        .is_failed = l->is_failed,
        .is_damaged = l->damage_count > 0,
    };
    mutex_unlock(&l->lock);
    return offsets;
}

err_t log_epoch_end(struct log *log, leader_epoch_t epoch, leader_epoch_t *found_epoch,
                    koffset_t *end_offset)
{
    mutex_lock(&log->lock);
    err_t err = epoch_cache_end(&log->epochs, epoch, log->end_offset, found_epoch, end_offset);
    mutex_unlock(&log->lock);
    return err;
}

leader_epoch_t log_epoch_of(struct log *log, koffset_t offset)
{
    mutex_lock(&log->lock);
    leader_epoch_t epoch = epoch_cache_at(&log->epochs, offset);
    mutex_unlock(&log->lock);
    return epoch;
}

void log_set_config(struct log *log, const struct log_config *config)
{
    mutex_lock(&log->lock);
    log->config = *config;
    mutex_unlock(&log->lock);
}

struct log_config log_get_config(const struct log *log)
{
    struct log *l = unconst(log);
    mutex_lock(&l->lock);
    struct log_config config = l->config;
    mutex_unlock(&l->lock);
    return config;
}

const char *log_path(const struct log *log) { return log->path; }

struct uuid log_topic_id(const struct log *log)
{
    struct log *l = unconst(log);
    mutex_lock(&l->lock);
    struct uuid id = l->topic_id;
    mutex_unlock(&l->lock);
    return id;
}

err_t log_set_topic_id(struct log *log, struct uuid id)
{
    struct uuid there = log_topic_id(log);
    if (uuid_eq(there, id)) return OK;
    if (!uuid_is_zero(there)) return ERR_EXISTS;
    char path[PATH_MAX], text[64], name[UUID_TEXT_LEN + 1];
    uuid_format(id, name);
    int len = snprintf(text, sizeof text, "version: 0\ntopic_id: %s\n", name);
    log_file_path(log, "partition.metadata", path);
    TRY(os_replace_file(log_os(log), path, text, (size_t)len));
    mutex_lock(&log->lock);
    log->topic_id = id;
    mutex_unlock(&log->lock);
    return OK;
}
