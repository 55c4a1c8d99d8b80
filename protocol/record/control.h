/* control - the records that brokers write for themselves: transaction markers and quorum records.
 *
 * A control record's key is a version and a type; the value depends on the type. Markers are made
 * and read here; the values of the others are messages of the protocol layer. Unknown types are to
 * be ignored by whoever reads them. Pure, any thread.
 */
#pragma once

#include "base/bytes.h"
#include "batch.h"

enum control_type {
    CONTROL_ABORT = 0,
    CONTROL_COMMIT = 1,
    CONTROL_LEADER_CHANGE = 2,
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_KRAFT_VOTERS = 6,
    CONTROL_UNKNOWN = -1,
};

enum { CONTROL_KEY_SIZE = 4, CONTROL_MARKER_BATCH_SIZE = 78 };

const char *control_type_name(enum control_type type);
void control_key_put(uint8_t key[CONTROL_KEY_SIZE], enum control_type type);
/* ERR_CORRUPT: shorter than a key, or a negative version. A type we do not know is CONTROL_UNKNOWN.
 */
err_t control_key_parse(struct view key, enum control_type *out);

/* The end of a producer's transaction. */
struct control_marker {
    bool is_commit;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    int64_t offset;
    int32_t leader_epoch;
    int64_t timestamp;
};

/* The batch of one marker, complete. */
void control_marker_build(const struct control_marker *marker,
                          uint8_t out[CONTROL_MARKER_BATCH_SIZE]);
/* ERR_NOT_FOUND: a batch, but not of a marker; ERR_CORRUPT, ERR_SHORT as for any batch. */
err_t control_marker_parse(struct view batch, struct control_marker *out);
