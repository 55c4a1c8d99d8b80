/* log_scan - walks over batches that lie one behind the other, as in a fetch response or a segment.
 *
 * Looks at headers only. Borrows the bytes; the state may be copied. Not thread-safe, no sharing.
 */
#pragma once

#include "batch.h"

struct log_scan {
    struct view bytes;
    size_t pos; /* where the next batch starts; after an error, where the bad one does */
};

static inline struct log_scan log_scan_of(struct view bytes) { return (struct log_scan){bytes, 0}; }

/* OK: the next whole batch and its header. ERR_NOT_FOUND: the bytes end where a batch ends.
 * ERR_SHORT: they end inside of one. ERR_CORRUPT, ERR_UNSUPPORTED: what follows is not a batch of
 * this magic. Errors repeat. */
err_t log_scan_next(struct log_scan *scan, struct view *batch, struct batch_header *header);
