/* log_dump - what the parts of `stele log-dump` share: the options, and one function a kind of
 * file. Private to log_dump*.c. */
#pragma once

#include "decode.h"
#include "files.h"
#include "record/batch.h"
#include "rows.h"

struct dump_options {
    enum output_format format;
    bool with_records;
    koffset_t from;         /* what lies below is left out */
    int64_t max_count;      /* of batches, or of records if those are shown */
    int64_t max_bytes;      /* of each segment */
    size_t value_max_bytes; /* shown of each key, value and header */
    bool has_decoder;       /* else it follows from the directory's name */
    enum decoder decoder;
};

struct dump {
    const struct dump_options *options;
    int64_t left; /* batches or records that may still be shown */
    int files;    /* shown so far */
};

/* The line that names the file, in text. */
void dump_heading(struct dump *dump, const struct file *file);

/* Each returns an exit code. */
int dump_segment(struct dump *dump, const struct place *place, const struct file *file);
int dump_index(struct dump *dump, const struct file *file);
int dump_producers(struct dump *dump, const struct file *file);
/* Checkpoints, leader epochs, damaged ranges: lines of words. */
int dump_lines(struct dump *dump, const struct file *file);
/* Files that are text already. */
int dump_text(struct dump *dump, const struct file *file);

/* The records of one batch, into the row of the batch (JSON) or as lines of their own (text).
 * OK; ERR_CORRUPT and others: the records end early, which `out` says. */
struct dump_records {
    struct dump *dump;
    enum decoder decoder;
    struct buf scratch; /* owned: decompressed records */
    struct buf line;    /* owned */
};
void dump_records_release(struct dump_records *r);
err_t dump_records_of(struct dump_records *r, struct view batch, struct rows *row);
