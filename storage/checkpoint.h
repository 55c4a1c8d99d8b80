/* checkpoint - the text files that hold one offset a partition: recovery points, high watermarks,
 * log starts.
 *
 * Format (Kafka's): line 1 "0", line 2 the count, then "topic partition offset" a line; replaced
 * atomically.
 */
#pragma once

#include "base/bytes.h"
#include "base/map.h"
#include "base/os.h"
#include "base/types.h"

struct buf;

struct checkpoint {
    struct map offsets; /* "topic partition" -> boxed offset, private to checkpoint.c */
};

void checkpoint_release(struct checkpoint *cp);
/* false: no entry. */
bool checkpoint_get(const struct checkpoint *cp, const char *topic, int32_t partition,
                    koffset_t *out);
err_t checkpoint_set(struct checkpoint *cp, const char *topic, int32_t partition, koffset_t offset);
void checkpoint_remove(struct checkpoint *cp, const char *topic, int32_t partition);
size_t checkpoint_count(const struct checkpoint *cp);
/* A missing file is an empty checkpoint; ERR_CORRUPT leaves it empty and names the line in a
 * diagnostic. */
err_t checkpoint_load(struct checkpoint *cp, const struct os *os, const char *path);
err_t checkpoint_store(const struct checkpoint *cp, const struct os *os, const char *path);

/* The same without files. Entries appear in the order in which they were set first. */
err_t checkpoint_encode(const struct checkpoint *cp, struct buf *out);
err_t checkpoint_decode(struct checkpoint *cp, struct view text);
