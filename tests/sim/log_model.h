/* log_model - what a log has to contain: every batch with its bytes, in order, and what was
 * promised.
 *
 * Items up to `acked` were acknowledged; those behind it were under way when a call failed: they
 * may or may not be in the log. Items below the start are kept, since a crash may bring deleted
 * segments back, and transactions that began there may be open.
 */
#pragma once

#include "base/bytes.h"
#include "base/types.h"
#include "record/batch.h"

enum model_kind { ITEM_DATA, ITEM_COMMIT, ITEM_ABORT };

struct model_item {
    struct batch_header header;
    koffset_t last_offset;
    enum model_kind kind;
    time_ms_t first_timestamp; /* of the first record; those behind it are one ms apart */
    uint8_t *bytes;            /* owned; header.size_bytes of them, as they have to be on disk */
};

struct log_model {
    struct model_item *items; /* owned, ascending offsets */
    size_t count, cap;
    size_t acked;
    koffset_t start;          /* first readable */
    koffset_t end;            /* behind the last acknowledged */
    koffset_t flushed;        /* what the log has promised to keep through a power loss */
    koffset_t start_promised; /* by a start checkpoint that is on disk */
    koffset_t start_maybe;    /* where a call that failed may have moved the start */
    koffset_t start_highest;  /* ever: what lies below may have lost its leader epochs */
    koffset_t end_maybe;      /* where a call that failed may have cut; INT64_MAX: none did */
};

void log_model_release(struct log_model *model);
/* Copies the batch; `is_acked` ones may not come behind others. */
void log_model_add(struct log_model *model, const struct model_item *item, bool is_acked);
/* Forgets what is under way: it did not happen. */
void log_model_drop_pending(struct log_model *model);
/* The log ends here now; everything below is acknowledged. */
void log_model_cut(struct log_model *model, koffset_t end);

/* Index of the first item that ends above `offset`; count: none. */
size_t log_model_find(const struct log_model *model, koffset_t offset);
/* The newest acknowledged data batch of a producer; NULL: none is known. */
const struct model_item *log_model_last_of(const struct log_model *model, producer_id_t id);
/* First offset, at or above `from`, of the producer's open transaction; -1: none. */
koffset_t log_model_open_txn(const struct log_model *model, producer_id_t id, koffset_t from);
/* The first record with that time or a later one; -1: none. */
koffset_t log_model_find_timestamp(const struct log_model *model, time_ms_t timestamp);
