/* change - a list of metadata records that become one batch: applied as a whole or not at all.
 *
 * Built by a proposal's decide() on the proposer's thread; records are Kafka's
 * (protocol/messages.h, metadata records), so that the metadata log is readable by Kafka's tools.
 * image_apply() is pure: image + change -> next image.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "image.h"

struct message; /* protocol/codec.h: a table that describes a struct */

struct change_record {
    int16_t type; /* metadata record type ("apiKey") */
    int16_t version;
    const void *data; /* the generated struct, in the change's arena */
    struct change_record *next;
};

struct change {
    struct arena arena;
    struct change_record *first, *last;
    size_t count;
};

void change_init(struct change *change);
void change_release(struct change *change);
/* Adds a record; returns the zeroed struct (defaults set) to be filled in, or NULL without memory.
 */
void *change_add(struct change *change, int16_t type);

/* Kafka's framing of a metadata record's value: frame version, type, version (unsigned varints),
 * body. */
err_t change_encode_record(const struct change_record *record, struct buf *out);
err_t change_decode_record(struct view value, struct change *into);

/* The next image; `offset` is that of the batch's last record. Records that contradict the image:
 * ERR_INVALID, and a diagnostic; unknown record types are skipped if they are ignorable, else
 * ERR_UNSUPPORTED. */
err_t image_apply(const struct image *image, const struct change *change, koffset_t offset,
                  struct image **out);
