/* Whole segments leave at the front. A segment goes when all of it lies below the start offset, or
 * when retention.ms or retention.bytes (of a topic that deletes) want it; never one that reaches
 * the limit, which is the high watermark. An active segment that has to go is rolled first.
 *
 * On the way out: out of the row under `lock`, so that no new reader finds it; renamed to .deleted,
 * so that a restart does not either; unlinked by log_reap() after file.delete.delay.ms, when the
 * last slice is gone. Who reads it meanwhile holds its descriptor.
 *
 * Failure modes: a failed rename leaves the old names: a restart would bring the records back,
 * which is harmless as long as no later segment is gone, so nothing more is dropped before it
 * succeeds. A failed unlink is tried again with the next call.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "file_error.h"
#include "log_internal.h"

/* ---- which ---- */

static bool is_expired(const struct log *log, struct segment *segment, time_ms_t now_ms)
{
    if (!log->config.is_deleted || log->config.retention_ms < 0 || segment->size_bytes == 0) {
        return false;
    }
    time_ms_t newest = segment_max_timestamp(segment);
    if (newest < 0) newest = segment->created_ms;
    return now_ms - newest > log->config.retention_ms;
}

/* Whether the first segment of the row has to go. Under `lock`. */
static bool is_due(const struct log *log, time_ms_t now_ms, koffset_t limit_offset)
{
    struct segment *first = log->segments[0];
    if (first->end_offset > limit_offset) return false;
    if (first->end_offset <= log->start_offset && first->is_sealed) return true;
    if (is_expired(log, first, now_ms)) return true;
    return log->config.is_deleted && log->config.retention_bytes >= 0 && first->size_bytes > 0 &&
           log->size_bytes - first->size_bytes >= log->config.retention_bytes;
}

/* ---- out of the row ---- */

static err_t remember(struct log *log, struct segment *segment, time_ms_t due_ms)
{
    struct log_removed *grown = realloc(log->removed, (log->removed_count + 1) * sizeof *grown);
    if (!grown) return ERR_NOMEM;
    log->removed = grown;
    grown[log->removed_count++] = (struct log_removed){segment, due_ms, false};
    return OK;
}

/* Under `lock`. */
static err_t detach_first(struct log *log, time_ms_t now_ms)
{
    struct segment *first = log->segments[0];
    CHECK(log->segment_count > 1);
    TRY(remember(log, first, now_ms + log->config.file_delete_delay_ms));
    segment_note_flushed(first, first->size_bytes); /* nobody waits for it any more */
    log->segment_count--;
    memmove(log->segments, log->segments + 1, log->segment_count * sizeof *log->segments);
    log->start_offset = MAX(log->start_offset, log->segments[0]->base_offset);
    log->epochs_changed |= epoch_cache_truncate_start(&log->epochs, log->start_offset);
    log->damage_changed |= log_drop_damage(log);
    log_count_sizes(log);
    return OK;
}

/* Renames the oldest that has its old name still, if there is one. */
static err_t rename_removed(struct log *log)
{
    struct segment *segment = NULL;
    mutex_lock(&log->lock);
    for (size_t i = 0; i < log->removed_count && !segment; i++) {
        if (!log->removed[i].is_renamed) segment = log->removed[i].segment;
    }
    mutex_unlock(&log->lock);
    if (!segment) return OK;
    TRY(segment_rename(segment, "", ".deleted"));
    mutex_lock(&log->lock);
    for (size_t i = 0; i < log->removed_count; i++) {
        if (log->removed[i].segment == segment) log->removed[i].is_renamed = true;
    }
    mutex_unlock(&log->lock);
    return OK;
}

enum step { STEP_DONE, STEP_ROLL, STEP_DROPPED };

/* One segment, if one is due. */
static err_t drop_one(struct log *log, time_ms_t now_ms, koffset_t limit_offset, enum step *step)
{
    struct segment *first = NULL;
    err_t err = OK;
    *step = STEP_DONE;
    mutex_lock(&log->lock);
    if (log->is_failed) {
        err = ERR_FAILED;
    } else if (is_due(log, now_ms, limit_offset)) {
        *step = log->segment_count == 1 ? STEP_ROLL : STEP_DROPPED;
        first = log->segments[0];
        if (*step == STEP_DROPPED) err = detach_first(log, now_ms);
    }
    mutex_unlock(&log->lock);
    if (err == OK && *step == STEP_DROPPED) {
        diag(DIAG_INFO, "log", "segment dropped log=%s segment=%lld bytes=%lld", log->path,
             (long long)first->base_offset, (long long)first->size_bytes);
        err = rename_removed(log);
    }
    return err;
}

err_t log_apply_retention(struct log *log, time_ms_t now_ms, koffset_t limit_offset, int *dropped)
{
    err_t err = OK;
    *dropped = 0;
    mutex_lock(&log->work);
    err = rename_removed(log); /* one that failed before: no gaps */
    for (enum step step = STEP_DROPPED; err == OK && step != STEP_DONE;) {
        err = drop_one(log, now_ms, limit_offset, &step);
        if (err == OK && step == STEP_ROLL) err = log_roll_to(log, log->end_offset);
        if (err == OK && step == STEP_DROPPED) ++*dropped;
    }
    if (*dropped > 0) {
        (void)!log_drop_snapshots(log, log->segments[0]->base_offset, INT64_MAX); /* harmless */
    }
    mutex_unlock(&log->work);
    return err;
}

/* ---- out of the directory ---- */

/* Takes one that is due out of the list; NULL: none. *next_ms: when the first of the others is. */
static struct segment *pop_due(struct log *log, time_ms_t now_ms, bool *is_renamed,
                               time_ms_t *next_ms)
{
    struct segment *due = NULL;
    *next_ms = -1;
    mutex_lock(&log->lock);
    for (size_t i = 0; i < log->removed_count; i++) {
        struct log_removed *r = &log->removed[i];
        bool is_ready = r->due_ms <= now_ms;
        if (is_ready && !due && !handle_is_pinned(&r->segment->file)) {
            due = r->segment;
            *is_renamed = r->is_renamed;
            *r = log->removed[--log->removed_count];
            i--;
            continue;
        }
        time_ms_t when = is_ready ? now_ms + 1000 : r->due_ms;
        if (*next_ms < 0 || when < *next_ms) *next_ms = when;
    }
    mutex_unlock(&log->lock);
    return due;
}

/* One that could not be unlinked waits for the next call. */
static void put_back(struct log *log, struct segment *segment, bool is_renamed, time_ms_t due_ms)
{
    mutex_lock(&log->lock);
    err_t err = remember(log, segment, due_ms);
    if (err == OK) log->removed[log->removed_count - 1].is_renamed = is_renamed;
    mutex_unlock(&log->lock);
    if (err != OK) segment_unref(segment); /* the next start unlinks it */
}

err_t log_reap(struct log *log, time_ms_t now_ms, time_ms_t *next_ms)
{
    struct segment *segment;
    bool is_renamed = false;
    err_t err = OK;
    mutex_lock(&log->work);
    while (err == OK && (segment = pop_due(log, now_ms, &is_renamed, next_ms))) {
        err = segment_unlink(segment, ".deleted");
        if (err == OK && !is_renamed) err = segment_unlink(segment, "");
        if (err == OK)
            segment_unref(segment);
        else
            put_back(log, segment, is_renamed, now_ms + 1000);
    }
    if (err != OK) *next_ms = now_ms + 1000;
    mutex_unlock(&log->work);
    return err;
}

/* ---- the whole log ---- */

enum { NAME_MAX_BYTES = 255, HEX_LEN = 32 };

/* <topic>-<partition>.<32 hex>-delete beside the old name; a long topic is cut. */
static void deleted_path(const struct log *log, char out[PATH_MAX])
{
    static const char ending[] = "-delete";
    struct uuid id = uuid_random(log->env->random);
    char hex[HEX_LEN + 1];
    for (int i = 0; i < 16; i++) snprintf(hex + 2 * i, 3, "%02x", id.bytes[i]);
    const char *slash = strrchr(log->path, '/');
    const char *name = slash ? slash + 1 : log->path;
    const char *dash = strrchr(name, '-');
    int topic = dash ? (int)(dash - name) : (int)strlen(name);
    int fixed = (int)strlen(name) - topic + 1 + HEX_LEN + (int)strlen(ending);
    topic = MIN(topic, NAME_MAX_BYTES - fixed);
    int n = snprintf(out, PATH_MAX, "%.*s%.*s%s.%s%s", (int)(name - log->path), log->path, topic,
                     name, dash ? dash : "", hex, ending);
    CHECK(n > 0 && n < PATH_MAX);
}

struct names {
    struct buf bytes; /* each with its NUL */
    err_t err;
};

static void note_name(void *arg, const char *name)
{
    struct names *names = arg;
    if (names->err == OK) names->err = buf_append(&names->bytes, name, strlen(name) + 1);
}

static err_t unlink_names(const struct log *log, const char *dir, const struct names *names)
{
    for (size_t at = 0; at < names->bytes.len;) {
        const char *name = (const char *)names->bytes.data + at;
        char path[PATH_MAX];
        int n = snprintf(path, sizeof path, "%s/%s", dir, name);
        CHECK(n > 0 && n < PATH_MAX);
        int r = log_os(log)->unlink(log_os(log), path);
        if (r < 0) return file_error(r, "unlink", path);
        at += strlen(name) + 1;
    }
    return OK;
}

static err_t remove_directory(const struct log *log, const char *path)
{
    struct names names = {0};
    int r = log_os(log)->list(log_os(log), path, note_name, &names);
    err_t err = r < 0 ? file_error(r, "list", path) : names.err;
    if (err == OK) err = unlink_names(log, path, &names);
    buf_release(&names.bytes);
    TRY(err);
    r = log_os(log)->rmdir(log_os(log), path);
    return r < 0 ? file_error(r, "remove", path) : OK;
}

err_t log_delete(struct log *log)
{
    char path[PATH_MAX];
    deleted_path(log, path);
    mutex_lock(&log->work);
    mutex_lock(&log->flush);
    int r = log_os(log)->rename(log_os(log), log->path, path);
    err_t err = r < 0 ? file_error(r, "rename", log->path) : remove_directory(log, path);
    mutex_unlock(&log->flush);
    mutex_unlock(&log->work);
    log_free(log);
    return err;
}
