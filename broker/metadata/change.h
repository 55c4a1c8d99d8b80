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
/* Forgets the records, keeps memory for the next ones. */
void change_clear(struct change *change);
/* Adds a record; returns the zeroed struct (defaults set) to be filled in, or NULL without memory.
 */
void *change_add(struct change *change, int16_t type);

/* Kafka's framing of a metadata record's value: frame version, type, version (unsigned varints),
 * body. */
err_t change_encode_record(const struct change_record *record, struct buf *out);
/* ERR_UNSUPPORTED: a type or version that we do not know (reported). */
err_t change_decode_record(struct view value, struct change *into);

/* The offset that the next record added will have: for a registration, whose epoch it is. */
koffset_t change_next_offset(const struct change *change, const struct image *image);

/* The next image; `offset` is that of the batch's last record. Records that contradict the image:
 * ERR_INVALID, and a diagnostic. Records of others' concern (quotas, access rules, ...) change
 * nothing. */
err_t image_apply(const struct image *image, const struct change *change, koffset_t offset,
                  struct image **out);
