/* log_dump - what the parts of `stele log-dump` share: the options, and one function a kind of
 * file. Private to log_dump*.c. */
#pragma once

#include "files.h"
#include "record/batch.h"
#include "rows.h"

enum decoder {
    DECODER_AUTO,
    DECODER_NONE,
    DECODER_OFFSETS,
    DECODER_TRANSACTIONS,
    DECODER_METADATA
};

struct dump_options {
    enum output_format format;
    bool with_records;
    koffset_t from;         /* batches that end below are left out */
    int64_t max_count;      /* of batches, or of records if those are shown */
    int64_t max_bytes;      /* of each segment */
    size_t value_max_bytes; /* shown of each key, value and header */
    enum decoder decoder;
};

struct dump {
    const struct dump_options *options;
    int64_t left; /* batches or records that may still be shown */
    int files;    /* shown so far */
};

/* Each returns an exit code. */
int dump_segment(struct dump *dump, const struct place *place, const struct file *file);

/* The line that names the file, in text. */
void dump_heading(struct dump *dump, const struct place *place, const struct file *file);
