/* records - which message is inside of a record, and the few bytes that say so.
 *
 * Kafka keeps state as messages in records: the cluster's metadata, committed offsets, the
 * transaction log, control records. Each family is a record set (enum record_set of
 * protocol/messages.h), each type in it has an id (enum record_id). Two framings exist:
 *
 *   metadata  value: uvarint frame version (1), uvarint type id, uvarint version, message
 *   others    key: int16 version, message     value: int16 version, message
 *
 * In the offsets and transaction sets the version that the key begins with is the type's id, of the
 * key and of its value. The embedded set holds what is packed into bytes fields of other messages
 * (subscription and assignment of a consumer, principal of an envelope), framed like the others.
 * Control records have their type in the key (RECORD_SET_CONTROL_KEY), which is the id of their
 * value: enum control_type of record/control.h. The values have the version as the message's own
 * first field, so read it ahead and skip nothing.
 *
 * Views borrow from the input. No state, any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "protocol/messages.h"

struct record_type {
    uint8_t set; /* enum record_set */
    int16_t id_min;
    int16_t id_max;
    const struct message *message;
};

/* The message of a type; NULL when there is none with this id. */
const struct message *record_find(enum record_set set, int id);
/* Every type of every set. */
const struct record_type *record_all(size_t *count);

/* The head of a metadata record. ERR_UNSUPPORTED for another frame version; ERR_SHORT. */
err_t record_frame_decode(struct reader *r, uint32_t *id, uint32_t *version);
err_t record_frame_encode(uint32_t id, uint32_t version, struct buf *out);
