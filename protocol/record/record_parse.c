/* The careful way through a record: every number by itself, every length against what is left. */
#include "record_parse.h"

const uint8_t *take_bytes(const uint8_t *at, const uint8_t *end, int32_t lowest, int32_t *len,
                          const uint8_t **data)
{
    at = take_varint(at, end, len);
    if (__builtin_expect(!at || *len < lowest || *len > end - at, 0)) return NULL;
    *data = at;
    return *len > 0 ? at + *len : at;
}

const uint8_t *skip_headers(const uint8_t *at, const uint8_t *end, int32_t count)
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
static bool body_parse(const uint8_t *at, const uint8_t *end, struct record_fields *out)
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
    if (out->header_count > 0) at = skip_headers(at, end, out->header_count);
    return at == end;
}

const uint8_t *record_parse_careful(const uint8_t *at, const uint8_t *end,
                                    struct record_fields *out)
{
    int32_t len;
    at = take_varint(at, end, &len);
    if (!at || len < 0 || len > end - at) return NULL;
    return body_parse(at, at + len, out) ? at + len : NULL;
}
