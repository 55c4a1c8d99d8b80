/* index_check - walks over an index and over the batches of its log side by side, and says of each
 * entry whether the log agrees.
 *
 * The caller passes every batch in order; fn hears of each entry once, in order. Batches that are
 * damaged are left out by the caller: entries that point to them have no batch. One thread.
 */
#pragma once

#include "entries.h"
#include "record/batch.h"

enum entry_verdict {
    ENTRY_AGREES,
    ENTRY_OF_APPEND, /* names the last offset of several batches appended at once: as good */
    ENTRY_NO_ORDER,  /* does not rise from the one before, or stands in the way of the next */
    ENTRY_NO_BATCH,  /* no batch begins there, or none holds the offset */
    ENTRY_OTHER_OFFSET,
    ENTRY_OTHER_TIME, /* the batch's newest record, or one before it, is of another time */
    ENTRY_NO_ABORT,   /* no abort marker of that producer */
    ENTRY_BEYOND,     /* behind the end of the log */
    ENTRY_VERDICT__COUNT
};

struct index_batch {
    struct batch_header header;
    int64_t position;
    bool is_abort; /* a control batch with an abort marker */
};

struct index_check {
    struct entries entries;
    void (*fn)(void *arg, const struct entry *entry, enum entry_verdict verdict,
               const struct index_batch *batch); /* batch NULL: none; NULL: nobody listens */
    void *arg;
    struct entry entry; /* to be judged next */
    bool has_entry;
    struct entry good;        /* the last one in order */
    struct index_batch begun; /* where the entry points to, when it may be one of an append */
    bool has_begun;
    time_ms_t newest; /* of the batches so far */
    /* what came of it */
    int64_t wrong;
    int64_t gap_max_bytes; /* offset index: between the positions of neighbours */
    struct entry last;     /* of those that agree */
};

static inline bool verdict_is_good(enum entry_verdict v) { return v <= ENTRY_OF_APPEND; }
/* "agrees", "no batch begins there" */
const char *entry_verdict_text(enum entry_verdict verdict);

/* Errors of entries_open(). Before the first batch: fn, arg. */
err_t index_check_open(struct index_check *c, const struct file *file);
void index_check_batch(struct index_check *c, const struct index_batch *batch);
/* No more batches: what is left lies beyond. */
void index_check_finish(struct index_check *c);
void index_check_close(struct index_check *c);
