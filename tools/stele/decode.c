/* Keys and values begin with a version; in the offsets and transaction topics the key's version is
 * the type of both (protocol/records.h has the framings). */
#include "decode.h"

#include "base/arena.h"
#include "base/check.h"
#include "protocol/codec.h"
#include "protocol/records.h"
#include "protocol/text.h"
#include "rows.h"

enum { DECODED_MAX_BYTES = 64 << 20 };

static const char *const names[] = {
    [DECODER_NONE] = "none",
    [DECODER_OFFSETS] = "offsets",
    [DECODER_TRANSACTIONS] = "transactions",
    [DECODER_METADATA] = "metadata",
};

bool decoder_parse(const char *name, enum decoder *out)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (enum decoder)i;
        return true;
    }
    return false;
}

enum decoder decoder_of_topic(const char *topic)
{
    if (strcmp(topic, "__consumer_offsets") == 0) return DECODER_OFFSETS;
    if (strcmp(topic, "__transaction_state") == 0) return DECODER_TRANSACTIONS;
    if (strcmp(topic, "__cluster_metadata") == 0) return DECODER_METADATA;
    return DECODER_NONE;
}

static bool fail(const char *why, int id, struct buf *out)
{
    must(buf_printf(out, "\"not decoded: %s %d\"", why, id));
    return false;
}

/* The message behind its type and version. */
static bool decode_message(const struct message *m, int version, struct reader *r, struct buf *out)
{
    struct arena arena = {.limit_bytes = DECODED_MAX_BYTES};
    void *in = arena_alloc(&arena, m->root->size);
    size_t start = out->len;
    err_t err = in ? codec_decode(m, version, r, &arena, in) : ERR_NOMEM;
    must(buf_printf(out, "{\"type\":\"%s\",\"version\":%d,\"data\":", m->name, version));
    if (err == OK) err = text_message(m, version, in, out);
    arena_release(&arena);
    if (err == OK) {
        must(buf_append_u8(out, '}'));
        return true;
    }
    out->len = start;
    must(buf_printf(out, "\"not decoded: %s version %d: %s\"", m->name, version, err_name(err)));
    return false;
}

static bool decode_metadata(const struct record *record, struct buf *out)
{
    struct reader r = reader_of(record->value);
    uint32_t id, version;
    err_t err = record_frame_decode(&r, &id, &version);
    if (err != OK) return fail(err_name(err), 0, out);
    const struct message *m = id <= INT16_MAX ? record_find(RECORD_SET_METADATA, (int)id) : NULL;
    if (!m || version > INT16_MAX) return fail("no such metadata record", (int)id, out);
    return decode_message(m, (int)version, &r, out);
}

/* The value of the type that the key names; null is a tombstone. */
static bool decode_value(enum record_set set, int id, struct view value, struct buf *out)
{
    struct reader r = reader_of(value);
    const struct message *m = record_find(set, id);
    if (!value.data) {
        must(buf_append(out, "null", 4));
        return true;
    }
    int version = read_i16(&r);
    if (!m) return fail("no such value", id, out);
    return decode_message(m, version, &r, out);
}

static bool decode_pair(enum record_set keys, enum record_set values, const struct record *record,
                        struct buf *out)
{
    struct reader r = reader_of(record->key);
    int id = read_i16(&r);
    const struct message *m = r.bad ? NULL : record_find(keys, id);
    if (!m) return fail("no such key", id, out);
    /* Only offset commits have had several versions of a key; they are named by the id as well. */
    must(buf_append(out, "{\"key\":", 7));
    bool is_good = decode_message(m, id, &r, out);
    must(buf_append(out, ",\"value\":", 9));
    is_good &= decode_value(values, id, record->value, out);
    must(buf_append_u8(out, '}'));
    return is_good;
}

bool decode_record(enum decoder decoder, const struct record *record, struct buf *out)
{
    switch (decoder) {
    case DECODER_OFFSETS:
        return decode_pair(RECORD_SET_OFFSETS_KEY, RECORD_SET_OFFSETS_VALUE, record, out);
    case DECODER_TRANSACTIONS:
        return decode_pair(RECORD_SET_TRANSACTION_KEY, RECORD_SET_TRANSACTION_VALUE, record, out);
    case DECODER_METADATA: return decode_metadata(record, out);
    default: CHECK(decoder == DECODER_NONE); return fail("no decoder", 0, out);
    }
}

bool decode_control(int type, const struct record *record, struct buf *out)
{
    const struct message *m = record_find(RECORD_SET_CONTROL, type);
    struct reader ahead = reader_of(record->value), r = ahead;
    int version = read_i16(&ahead);
    if (!m || ahead.bad) return fail("control record", type, out);
    return decode_message(m, version, &r, out);
}
