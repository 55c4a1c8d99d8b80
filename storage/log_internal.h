/* log_internal - what the files of the log share. Private to log*.c.
 *
 * Locks, in this order:
 *   work   what changes the row of segments: roll, truncate, reset, retention, reap, close.
 *   flush  one flush at a time; truncation takes it too, so that no flush counts bytes that are
 *          being cut.
 *   lock   everything below, for short.
 * While is_changing is set (under `work`), appends are sent away with ERR_AGAIN; then the end of
 * the log stands still without `lock`.
 *
 * Readers take a reference on a segment and a pin on its descriptor under `lock`, and look into it
 * without. `generation` changes with each truncation: who met a surprise looks there first.
 */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "base/mutex.h"
#include "base/os.h"
#include "epoch_cache.h"
#include "handle.h"
#include "log.h"
#include "producer_state.h"
#include "segment.h"
#include "segment_scan.h"

enum { LOG_HINTS = 8, LOG_SNAPSHOTS_KEPT = 2 };

/* A place worth remembering: an offset within [low, high] is likely to be in the batch that starts
 * at `position`, whose last offset is `high`. An exact one (low == high) needs no look: a batch
 * with that base offset starts there, or will. */
struct log_hint {
    koffset_t segment_base;
    koffset_t low, high;
    int64_t position;
    bool is_exact;
};

/* Bytes that are not what they should be. */
struct log_damage {
    koffset_t from, to; /* offsets that are not served */
    koffset_t segment_base;
    int64_t position, end_position; /* in that segment's file; both its size: bytes are missing */
};

/* A segment taken out of the row, whose files wait to be unlinked. */
struct log_removed {
    struct segment *segment; /* one reference */
    time_ms_t due_ms;
    bool is_renamed; /* its files end in .deleted */
};

struct log {
    const struct env *env;
    struct handle_cache *handles;
    char *path; /* owned */
    struct mutex work, flush, lock;

    /* guarded by `lock`, as is all that follows */
    struct log_config config;
    struct segment **segments; /* owned, ascending; at least one */
    size_t segment_count, segment_cap;
    koffset_t start_offset, end_offset, flushed_offset;
    int64_t size_bytes; /* of all segments */
    int64_t unflushed_bytes;
    bool is_failed;
    bool is_changing;
    uint64_t generation;

    koffset_t roll_offset; /* where the next segment begins at least */
    bool wants_roll;       /* an append was sent away because the segment is full */
    int roll_claims;       /* appends sent away whose log_roll() has not come yet */

    struct epoch_cache epochs;
    bool epochs_changed;              /* since leader-epoch-checkpoint was written */
    struct producer_state *producers; /* owned */
    struct producer_state *staged; /* owned; producers of the append at work; NULL until needed */
    koffset_t *snapshots;          /* owned, ascending: the offsets of those there are */
    size_t snapshot_count;
    int64_t snapshot_position; /* log position at the newest one */

    struct log_hint hints[LOG_HINTS];
    int next_hint;
    int64_t opened_position; /* log position at open: nothing below is known to be hot */
    struct log_damage *damage;
    _Atomic size_t damage_count; /* changed under `lock` */
    bool damage_changed;         /* since the file `damage` was written */
    struct log_removed *removed;
    size_t removed_count;
    uint64_t dir_changes; /* counts files made; */
    uint64_t dir_synced;  /* those up to here have a durable name */
    bool parent_changed;  /* the directory itself was made */
    bool has_note;        /* of a truncation; at open and under `work` */
    struct uuid topic_id;
};

static inline const struct os *log_os(const struct log *log) { return log->env->os; }
static inline struct segment *log_active(const struct log *log)
{
    return log->segments[log->segment_count - 1];
}
/* Bytes that have ever been before `position` of the segment; for telling how recent it is. */
static inline int64_t log_position(const struct segment *segment, int64_t position)
{
    return segment->log_position + position;
}

/* ---- log.c ---- */
/* The invariants of log.h, under `lock`. */
void log_check(const struct log *log);
/* Nothing more is written; the first call says why. Under `lock`. */
void log_fail(struct log *log, err_t err, const char *what);
/* <path>/<name> */
void log_file_path(const struct log *log, const char *name, char out[PATH_MAX]);
/* Index of the segment that holds `offset` or would: the last one with base <= offset. Under
 * `lock`; offset >= first base. */
size_t log_segment_index(const struct log *log, koffset_t offset);
err_t log_push_segment(struct log *log, struct segment *segment);
/* The files of a new segment. Not under `lock`. */
err_t log_create_files(struct log *log, struct segment *segment);
struct segment *log_new_segment(struct log *log, koffset_t base_offset);
void log_count_sizes(struct log *log);
void log_free(struct log *log);

/* ---- log_append.c: what an appended batch changes; also for replay ---- */
err_t log_note_epoch(struct log *log, const struct batch_header *header);
/* Control batches need their bytes, `whole`; an abort lands in the segment's transaction index. */
err_t log_note_producer(struct producer_state *state, struct segment *segment,
                        const struct batch_header *header, struct view whole);

/* ---- log_roll.c ---- */
/* The active segment is sealed and a new one begins at `base_offset`. Under `work`, not `lock`. */
err_t log_roll_to(struct log *log, koffset_t base_offset);

/* ---- log_flush.c ---- */
err_t log_write_epochs(struct log *log);
err_t log_sync_directory(struct log *log);
/* And its own name in the parent, if that is new. Not under `lock`. */
err_t log_sync_names(struct log *log);
/* log_flush() and, with `all`, the indexes of the active segment too. */
err_t log_flush_files(struct log *log, bool all, koffset_t *flushed_to);

/* ---- log_snapshot.c: the producer state's files ---- */
/* Writes the state as of `offset`, where the log is at `position`; `bytes` is its encoding. All but
 * the newest ones go. Not under `lock`. Failing has been told: it costs time after a crash. */
void log_write_snapshot(struct log *log, koffset_t offset, int64_t position, struct view bytes);
err_t log_note_snapshot(struct log *log, koffset_t offset);
koffset_t log_newest_snapshot(const struct log *log); /* -1: none */
/* Unlinks those beyond `offset` and below `start`; all with (1, 0). */
err_t log_drop_snapshots(struct log *log, koffset_t start, koffset_t offset);
/* Makes `state` that of `to`, from the newest good snapshot at or below `from` and the batches
 * after it. Not under `lock`, with nobody appending. */
err_t log_rebuild_producers(struct log *log, struct producer_state *state, koffset_t from,
                            koffset_t to);
/* What the producers of a snapshot at `offset` wrote before their last batch, as far as it may be
 * sent again (log_recall.c). Not under `lock`, with nobody appending. */
err_t log_recall_batches(struct log *log, struct producer_state *state, koffset_t offset);
/* Reads all headers for the epochs they name. At open only. */
err_t log_rebuild_epochs(struct log *log);

/* ---- log_damage.c ---- */
/* segment_scan_next() over what is known to be damaged. Not under `lock`. */
err_t log_next_batch(struct log *log, const struct segment *segment, struct segment_scan *scan,
                     struct batch_header *out);
/* Whether `offset` is not served. Under `lock`. */
bool log_is_damaged_at(const struct log *log, koffset_t offset);
/* Where the first damage at or behind `position` starts; INT64_MAX: none. Under `lock`. */
int64_t log_damage_position(const struct log *log, const struct segment *segment, int64_t position);
/* Lowers end and position of a cut, so that no damage is left that lies at or behind the end.
 * Under `lock`. */
void log_cut_before_damage(const struct log *log, const struct segment *segment,
                           koffset_t *end_offset, int64_t *position);
/* Under `lock`, or at open. */
err_t log_add_damage(struct log *log, struct log_damage damage);
/* Forgets what is not in the row of segments any more; whether there was any. Under `lock`, or at
 * open. */
bool log_drop_damage(struct log *log);
/* Looks for the next good batch behind a bad one at scan->next: OK, its header, and scan->next is
 * where it starts; ERR_NOT_FOUND: there is none. */
err_t log_resync(struct segment_scan *scan, koffset_t min_offset, struct batch_header *out);
err_t log_load_damage(struct log *log);
err_t log_store_damage(struct log *log);
err_t log_store_damage_if_changed(struct log *log);

/* ---- log_read.c ---- */
void log_add_hint(struct log *log, struct log_hint hint);
void log_clear_hints(struct log *log);

/* ---- log_load.c ---- */
/* Finds the files, resolves what a crash left behind, fills segments (in memory only), snapshots,
 * topic id. *epochs: what leader-epoch-checkpoint says, ERR_NOT_FOUND when it is missing. */
err_t log_load(struct log *log, err_t *epochs);

/* ---- log_torn.c ---- */
/* Cuts the segment at `position` and takes those behind it out of the row; the bytes are kept in
 * side files, up to a bound. At open only. */
err_t log_cut_tail(struct log *log, size_t segment_index, int64_t position, int64_t file_size);

/* ---- log_truncate.c ---- */
/* A recovery point from before a truncation promises too much; becomes what it promises since. */
err_t log_correct_recovery_point(const struct log *log, koffset_t *recovery_point);
void log_drop_truncation_note(struct log *log);

/* ---- log_recover.c ---- */
err_t log_recover(struct log *log, const struct log_options *options);
