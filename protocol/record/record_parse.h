/* record_parse - one encoded record, inline for the two loops that walk records (private to this
 * layer): the iterator and the check of produced batches.
 *
 *   varint length | int8 attributes | varlong timestamp delta | varint offset delta
 *   | varint key length, key | varint value length, value | varint header count
 *   | per header: varint key length, key, varint value length, value
 *
 * A length of -1 is null (not for header keys). The attributes have no meaning yet and are skipped.
 */
#pragma once

#include "varint.h"

struct record_fields {
    int64_t timestamp_delta;
    int32_t offset_delta;
    int32_t key_len;
    const uint8_t *key;
    const uint8_t *value;
    const uint8_t *headers; /* they reach up to the end of the record */
    int32_t value_len;
    int32_t header_count;
};

/* A length and that many bytes, from -1 (null) or 0 on. The byte behind them, or NULL. */
static inline const uint8_t *take_bytes(const uint8_t *at, const uint8_t *end, int32_t lowest,
                                        int32_t *len, const uint8_t **data)
{
    at = take_varint(at, end, len);
    if (__builtin_expect(!at || *len < lowest || *len > end - at, 0)) return NULL;
    *data = at;
    return *len > 0 ? at + *len : at;
}

/* Walks `count` headers. The byte behind them, or NULL. */
static inline const uint8_t *skip_headers(const uint8_t *at, const uint8_t *end, int32_t count)
{
    int32_t len;
    const uint8_t *data;
    while (at && count-- > 0) {
        at = take_bytes(at, end, 0, &len, &data);
        if (at) at = take_bytes(at, end, -1, &len, &data);
    }
    return at;
}

/* The fields of the record that fills [at, end) behind its length; false if they do not. */
static inline bool record_body_parse(const uint8_t *at, const uint8_t *end,
                                     struct record_fields *out)
{
    if (at == end) return false;
    at = take_varlong(at + 1, end, &out->timestamp_delta);
    if (!at) return false;
    at = take_varint(at, end, &out->offset_delta);
    if (!at) return false;
    at = take_bytes(at, end, -1, &out->key_len, &out->key);
    if (!at) return false;
    at = take_bytes(at, end, -1, &out->value_len, &out->value);
    if (!at) return false;
    at = take_varint(at, end, &out->header_count);
    if (!at || out->header_count < 0) return false;
    out->headers = at;
    if (__builtin_expect(out->header_count > 0, 0)) at = skip_headers(at, end, out->header_count);
    return at == end;
}

/* The record at `at`. The byte behind it, or NULL if there is none. */
static inline const uint8_t *record_parse(const uint8_t *at, const uint8_t *end,
                                          struct record_fields *out)
{
    int32_t len;
    at = take_varint(at, end, &len);
    if (__builtin_expect(!at || len < 0 || len > end - at, 0)) return NULL;
    /* The next record's place depends on the length alone, so that the processor can begin with it
     * while this body is still being looked at. */
    return record_body_parse(at, at + len, out) ? at + len : NULL;
}
