/* make_data - a small data directory with a bit of everything, the same bytes every time, but for
 * what compression makes of some batches.
 *
 *   orders-0               segments 0, 12 and 20: keys, headers, nulls, binary values, an
 * idempotent producer, a committed and an aborted transaction, two leader epochs codecs-0 a batch
 * of each codec
 *   __consumer_offsets-0, __transaction_state-0, __cluster_metadata-0
 *   meta.properties, checkpoints, the mark of a clean stop
 */
#pragma once

#include "lib/temp_dir.h"

struct data {
    struct temp_dir dir;
};

void data_make(struct data *data);
void data_remove(struct data *data);

/* ---- changing files, relative to the directory ---- */
/* Inverts the bits of `mask` in one byte. */
void data_flip(const struct data *data, const char *file, long position, unsigned char mask);
/* Makes the checksum of the batch at `position` right again. */
void data_seal(const struct data *data, const char *file, long position);
/* Cuts or grows (with zeros) to `size`; less than 0: by so much off the end. */
void data_resize(const struct data *data, const char *file, long size);
void data_write(const struct data *data, const char *file, const void *bytes, unsigned long len);
void data_unlink(const struct data *data, const char *file);
long data_size(const struct data *data, const char *file);
