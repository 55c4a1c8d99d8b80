/* log_verify - what the parts of `stele log-verify` share. Private to log_verify*.c.
 *
 * A finding is one place that is not as it should be: damage, which makes the exit code, or a note.
 * Each names its file, the byte and the offset if there are any, and what the next start of a
 * broker would do about it. */
#pragma once

#include "files.h"
#include "index_check.h"
#include "rows.h"
#include "storage/checkpoint.h"
#include "storage/epoch_cache.h"
#include "storage/producer_state.h"

enum { CHECKPOINTS = 3 }; /* recovery point, high watermark, start: enum checkpoint_kind */

struct verify {
    enum output_format format;
    bool is_quick; /* checksums, but not the records */
    struct rows rows;
    /* what the data directory says; of the one last asked for */
    char *data_dir; /* owned */
    struct checkpoint checkpoints[CHECKPOINTS];
    bool is_live, is_clean;
    /* counted */
    int64_t segments, bytes, batches, records, indexes, others;
    int64_t damage, notes;
    /* progress */
    bool has_progress;
    int64_t total_bytes, started_ns, told_ns;
};

struct finding {
    bool is_note;
    const char *kind; /* one word for programs: "checksum" */
    const char *path;
    int64_t position; /* -1: the file as a whole, as far as there is none */
    int64_t bytes;    /* 0: unknown */
    koffset_t offset; /* -1: none */
    const char *recovery;
};
/* The words say what is wrong. */
void verify_report(struct verify *v, const struct finding *finding, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- one log ---- */

struct log_state {
    struct verify *v;
    const struct place *place;
    bool is_alone; /* one file was named: what the others would tell is not known */
    bool has_recovery_point;
    koffset_t recovery_point;
    koffset_t floor; /* what lies below must be there */
    koffset_t end;   /* behind the last batch so far */
    bool has_batches;
    struct producer_state *producers; /* owned */
    struct epoch_cache epochs;        /* owned; of leader-epoch-checkpoint */
    bool has_epochs;
    leader_epoch_t last_epoch;
    int epoch_findings;
};

void log_state_init(struct log_state *log, struct verify *v, const struct place *place);
void log_state_release(struct log_state *log);
/* Whether a recovery behind a crash would read this offset anew. */
static inline bool log_state_is_read_anew(const struct log_state *log, koffset_t offset)
{
    return !log->v->is_clean && offset >= log->recovery_point;
}

/* Batches of one segment, and its indexes on the way. Returns an exit code. */
int verify_segment(struct log_state *log, const struct file *file);
/* Batches only, of a metadata snapshot. */
int verify_metadata_snapshot(struct log_state *log, const struct file *file);
void verify_tell_progress(struct verify *v, int64_t bytes);

/* ---- indexes of a segment, fed with its batches ---- */

enum { INDEX_KINDS = 3 };

struct segment_indexes {
    struct log_state *log;
    const struct file *segment;
    bool is_last; /* of the log: the one that grows */
    struct index_check checks[INDEX_KINDS];
    const struct file *files[INDEX_KINDS]; /* NULL: not there, or not asked for */
    int reported[INDEX_KINDS];
    int64_t end;  /* byte behind the last batch */
    bool was_bad; /* some batch of the segment */
    /* A damaged range, from the last good batch on: entries that point there are no news. */
    int64_t bad_from, bad_to;
    koffset_t bad_offset_from, bad_offset_to;
};

/* Opens those that are there; `only` NULL: all of the segment. */
int segment_indexes_open(struct segment_indexes *x, struct log_state *log,
                         const struct file *segment, const struct file *only);
void segment_indexes_batch(struct segment_indexes *x, const struct index_batch *batch);
void segment_indexes_bad(struct segment_indexes *x, int64_t from, int64_t to, koffset_t offset_from,
                         koffset_t offset_to);
/* An aborted transaction that the log tells of. */
void segment_indexes_aborted(struct segment_indexes *x, const struct completed_txn *txn);
void segment_indexes_close(struct segment_indexes *x);
/* Closes without a judgement. */
void segment_indexes_drop(struct segment_indexes *x);

/* ---- the files beside ---- */

/* Nothing for kinds that have no contents to check. */
int verify_small_file(struct log_state *log, const struct file *file);
/* The log's end against the checkpoints and the epochs; after its segments. */
void verify_ends(struct log_state *log);
/* Fills data_dir and what follows it. */
void verify_load_data_dir(struct verify *v, const char *data_dir);
