/* record_parse - one encoded record, for the two loops that walk records (private to this layer):
 * the iterator and the check of produced batches.
 *
 *   varint length | int8 attributes | varlong timestamp delta | varint offset delta
 *   | varint key length, key | varint value length, value | varint header count
 *   | per header: varint key length, key, varint value length, value
 *
 * A length of -1 is null (not for header keys). The attributes have no meaning yet and are skipped.
 *
 * A broker walks every record of every uncompressed batch, so the usual record (numbers of at most
 * three bytes, no headers, not the batch's last bytes) is read inline with a few checks for the
 * whole of it. Whatever is not usual, and all that is wrong, goes to the careful way, which
 * decides.
 */
#pragma once

#include <stdbool.h>

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

/* The careful way: the record at `at`. The byte behind it, or NULL if there is none. */
const uint8_t *record_parse_careful(const uint8_t *at, const uint8_t *end,
                                    struct record_fields *out);

/* A length and that many bytes, from -1 (null) or 0 on. The byte behind them, or NULL. */
const uint8_t *take_bytes(const uint8_t *at, const uint8_t *end, int32_t lowest, int32_t *len,
                          const uint8_t **data);

/* Walks `count` headers. The byte behind them, or NULL. */
const uint8_t *skip_headers(const uint8_t *at, const uint8_t *end, int32_t count);

/* A varint of at most SKIM_BYTES bytes, all of them readable, as it is: not unfolded by zig-zag. */
enum { SKIM_BYTES = 3, SKIM_BITS = 7 * SKIM_BYTES };
#define SKIM_FAILED UINT32_MAX /* odd, and not 1: no length either */
static inline __attribute__((always_inline)) uint32_t skim(const uint8_t **at)
{
    const uint8_t *p = *at;
    *at = p + 1;
    if (p[0] < 0x80) return p[0];
    *at = p + 2;
    if (__builtin_expect(p[1] < 0x80, 1)) return (p[0] & 0x7fu) | (uint32_t)p[1] << 7;
    *at = p + 3;
    if (p[2] < 0x80) return (p[0] & 0x7fu) | (p[1] & 0x7fu) << 7 | (uint32_t)p[2] << 14;
    return SKIM_FAILED;
}

/* A length at *at and the bytes behind it, up to `end`; false if they do not fit or the length is
 * negative and not null. */
static inline __attribute__((always_inline)) bool skim_bytes(const uint8_t **at, const uint8_t *end,
                                                             int32_t *len, const uint8_t **data)
{
    uint32_t folded = skim(at);
    *data = *at;
    *len = folded == 1 ? -1 : (int32_t)(folded >> 1);
    if (folded == 1) return true;
    if (folded & 1 || *len > end - *at) return false;
    *at += *len;
    return true;
}

/* The usual record, or NULL. Lengths have an even fold, so the lowest bit says negative. */
static inline __attribute__((always_inline)) const uint8_t *record_parse_usual(
    const uint8_t *at, const uint8_t *end, struct record_fields *out)
{
    enum { HEAD_MAX = 1 + 4 * SKIM_BYTES };
    if (end - at < HEAD_MAX) return NULL;
    uint32_t len = skim(&at);
    if (len & 1 || len >> 1 > end - at) return NULL;
    const uint8_t *next = at + (len >> 1);
    at++; /* attributes */
    uint32_t timestamp = skim(&at), offset = skim(&at);
    if ((timestamp | offset) >> SKIM_BITS) return NULL; /* one of them failed */
    out->timestamp_delta = unzigzag32(timestamp);
    out->offset_delta = unzigzag32(offset);
    if (!skim_bytes(&at, next, &out->key_len, &out->key) || end - at < SKIM_BYTES) return NULL;
    if (!skim_bytes(&at, next, &out->value_len, &out->value)) return NULL;
    out->headers = next;
    out->header_count = 0;
    return at + 1 == next && *at == 0 ? next : NULL;
}

static inline __attribute__((always_inline)) const uint8_t *record_parse(const uint8_t *at,
                                                                         const uint8_t *end,
                                                                         struct record_fields *out)
{
    const uint8_t *next = record_parse_usual(at, end, out);
    if (__builtin_expect(next != NULL, 1)) return next;
    struct record_fields fields; /* of its own, so that *out may live in registers */
    next = record_parse_careful(at, end, &fields);
    if (next) *out = fields;
    return next;
}
