/* files - what the offline commands are pointed at: a file, a partition's directory, a data
 * directory; of Stele or Apache Kafka, they are the same.
 *
 * A walk goes over one path and calls back with places: a single file, or the files of one
 * directory in the order of their offsets. Everything in a place is borrowed for the call. Nothing
 * is opened or changed. One thread.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/types.h"
#include "command.h"
#include "storage/log_dir.h"

enum file_kind {
    FILE_SEGMENT,
    FILE_OFFSET_INDEX,
    FILE_TIME_INDEX,
    FILE_TXN_INDEX,
    FILE_PRODUCERS,         /* .snapshot */
    FILE_METADATA_SNAPSHOT, /* <offset>-<epoch>.checkpoint: batches, as in a segment */
    FILE_TORN,              /* .torn-<n>: bytes that a recovery has cut off */
    FILE_EPOCHS,
    FILE_PARTITION_METADATA,
    FILE_DAMAGE,
    FILE_CHECKPOINT,
    FILE_META_PROPERTIES,
    FILE_QUORUM_STATE,
    FILE_OTHER,
    FILE_KIND__COUNT
};

struct file {
    char *path;       /* owned by the walk */
    const char *name; /* the end of path */
    enum file_kind kind;
    koffset_t base_offset; /* that its name begins with; -1: none */
    int64_t size_bytes;
    bool is_aside; /* .deleted, .cleaned, .swap, .tmp: not part of the log */
};

enum place_kind { PLACE_FILE, PLACE_PARTITION, PLACE_DATA };

struct place {
    enum place_kind kind;
    const char *dir;            /* where the files are */
    const char *data_dir;       /* that holds the partition's directory, or is it */
    struct log_dir_entry entry; /* topic is "" when the directory's name is none of a partition */
    struct file *files;         /* by base offset, then kind; those without one at the end */
    size_t count;
};

/* Calls fn for the path's place, and for a data directory for each of its partitions, too. fn
 * returns an exit code; the result is the largest one, or EXIT_UNREACHABLE after a complaint. */
int files_walk(const char *path, int (*fn)(void *arg, const struct place *place), void *arg);

const char *file_kind_name(enum file_kind kind); /* "segment", "offset index" */
enum file_kind file_kind_of(const char *name, koffset_t *base_offset, bool *is_aside);
/* The path of the file of this kind that belongs to the same segment; malloc'ed. */
char *sibling_path(const struct file *file, enum file_kind kind);
/* The file of this kind and base offset in the place; NULL: none. */
const struct file *place_find(const struct place *place, enum file_kind kind,
                              koffset_t base_offset);
/* The segment with the highest offsets, the only one that grows. */
bool place_is_last_segment(const struct place *place, const struct file *file);
/* Where the segment behind the one with this base offset begins; INT64_MAX: there is none. */
koffset_t segment_end(const struct place *place, koffset_t base_offset);
/* Whether a process holds the data directory's lock, as far as one may know. */
bool data_dir_is_locked(const char *data_dir);
