/* entries - the entries of an index file as they lie there, whatever they are worth.
 *
 * The storage layer refuses an index that is not sound and makes it anew; here the unsound ones are
 * what matters. Reads ahead in blocks, so going through a file in order or at random costs little.
 * One thread. A zeroed struct may be closed.
 */
#pragma once

#include "base/bytes.h"
#include "files.h"

struct entry {
    int64_t index;       /* its number in the file */
    koffset_t offset;    /* offset index, time index; the marker's in a transaction index */
    int64_t position;    /* offset index */
    time_ms_t timestamp; /* time index */
    int16_t version;     /* transaction index, as all below */
    producer_id_t producer_id;
    koffset_t first_offset;
    koffset_t last_stable_offset;
};

enum { ENTRIES_WINDOW = 16 * 1024 };

struct entries {
    int fd; /* 0: not open */
    enum file_kind kind;
    koffset_t base_offset;
    int64_t size_bytes; /* of the file */
    int entry_bytes;
    int64_t count;      /* without zeros and garbage at the end */
    int64_t zero_bytes; /* at the end: room that was reserved and never written */
    int trailing_bytes; /* not a whole entry */
    int64_t next;
    int64_t window_start;
    size_t window_len;
    uint8_t window[ENTRIES_WINDOW];
};

/* ERR_NOT_FOUND; any other error has been complained about. */
err_t entries_open(struct entries *e, const struct file *file);
void entries_close(struct entries *e);
/* OK, ERR_NOT_FOUND behind the last, ERR_IO. */
err_t entries_get(struct entries *e, int64_t index, struct entry *out);
err_t entries_next(struct entries *e, struct entry *out);
