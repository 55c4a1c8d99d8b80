/* A marker's batch holds one record, of which only four fields vary, so it is written straight into
 * its 78 bytes:
 *
 *   61 header | 1 length | 1 attributes | 1 time delta | 1 offset delta
 *   | 1 + 4 key: version 0, type | 1 + 6 value: version 0, coordinator epoch | 1 header count
 */
#include "control.h"

#include "base/check.h"
#include "batch_write.h"
#include "record.h"
#include "varint.h"

enum { MARKER_VALUE_SIZE = 6, MARKER_BODY_SIZE = 16 };

const char *control_type_name(enum control_type type)
{
    switch (type) {
    case CONTROL_ABORT: return "abort";
    case CONTROL_COMMIT: return "commit";
    case CONTROL_LEADER_CHANGE: return "leader-change";
    case CONTROL_SNAPSHOT_HEADER: return "snapshot-header";
    case CONTROL_SNAPSHOT_FOOTER: return "snapshot-footer";
    case CONTROL_KRAFT_VERSION: return "kraft-version";
    case CONTROL_KRAFT_VOTERS: return "kraft-voters";
    case CONTROL_UNKNOWN: return "unknown";
    }
    return "unknown";
}

void control_key_put(uint8_t key[CONTROL_KEY_SIZE], enum control_type type)
{
    CHECK(type != CONTROL_UNKNOWN);
    be16_put(key, 0);
    be16_put(key + 2, (uint16_t)type);
}

err_t control_key_parse(struct view key, enum control_type *out)
{
    struct reader r = reader_of(key);
    int16_t version = read_i16(&r);
    int16_t type = read_i16(&r);
    if (r.bad || version < 0) return ERR_CORRUPT;
    *out = type >= 0 && type <= CONTROL_KRAFT_VOTERS ? (enum control_type)type : CONTROL_UNKNOWN;
    return OK;
}

void control_marker_build(const struct control_marker *marker,
                          uint8_t out[CONTROL_MARKER_BATCH_SIZE])
{
    uint8_t *at = put_varint(out + BATCH_HEADER_SIZE, MARKER_BODY_SIZE);
    memset(at, 0, 3); /* attributes, both deltas */
    at = put_varint(at + 3, CONTROL_KEY_SIZE);
    control_key_put(at, marker->is_commit ? CONTROL_COMMIT : CONTROL_ABORT);
    at = put_varint(at + CONTROL_KEY_SIZE, MARKER_VALUE_SIZE);
    be16_put(at, 0);
    be32_put(at + 2, (uint32_t)marker->coordinator_epoch);
    at = put_varint(at + MARKER_VALUE_SIZE, 0);
    CHECK(at == out + CONTROL_MARKER_BATCH_SIZE);
    batch_seal(out, &(struct batch_header){
                        .base_offset = marker->offset,
                        .size_bytes = CONTROL_MARKER_BATCH_SIZE,
                        .leader_epoch = marker->leader_epoch,
                        .attributes = BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL,
                        .base_timestamp = marker->timestamp,
                        .max_timestamp = marker->timestamp,
                        .producer_id = marker->producer_id,
                        .producer_epoch = marker->producer_epoch,
                        .base_sequence = NO_SEQUENCE,
                        .record_count = 1,
                    });
}

/* The first record of a control batch. They are small, compressed or not. */
static err_t first_record(struct view batch, struct record_iter *it, struct record *out,
                          struct buf *scratch)
{
    enum { DECOMPRESSED_MAX = 1 << 20 };
    TRY(record_iter_init(it, batch, scratch, DECOMPRESSED_MAX));
    if (!batch_is_control(&it->header)) return ERR_NOT_FOUND;
    return record_iter_next(it, out);
}

static err_t marker_of(const struct batch_header *h, const struct record *record,
                       struct control_marker *out)
{
    enum control_type type;
    TRY(control_key_parse(record->key, &type));
    if (type != CONTROL_ABORT && type != CONTROL_COMMIT) return ERR_NOT_FOUND;
    struct reader r = reader_of(record->value);
    int16_t version = read_i16(&r);
    int32_t coordinator_epoch = read_i32(&r);
    if (r.bad || version < 0) return ERR_CORRUPT;
    *out = (struct control_marker){
        .is_commit = type == CONTROL_COMMIT,
        .producer_id = h->producer_id,
        .producer_epoch = h->producer_epoch,
        .coordinator_epoch = coordinator_epoch,
        .offset = record->offset,
        .leader_epoch = h->leader_epoch,
        .timestamp = record->timestamp,
    };
    return OK;
}

err_t control_marker_parse(struct view batch, struct control_marker *out)
{
    struct buf scratch = {0};
    struct record_iter it;
    struct record record;
    err_t err = first_record(batch, &it, &record, &scratch);
    if (err == OK) err = marker_of(&it.header, &record, out);
    buf_release(&scratch);
    return err;
}
