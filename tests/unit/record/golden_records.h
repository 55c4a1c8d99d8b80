/* The records behind golden_batches.h, and the comparison with what an iterator says. */
#pragma once

#include "record/record.h"
#include "test.h"

enum { GOLDEN_COUNT = 5 };
#define GOLDEN_TIME INT64_C(1700000000000)

static const struct golden {
    int64_t timestamp;
    const char *key; /* NULL: null */
    const char *value;
    size_t value_len;
    int header_count;
    struct {
        const char *key;
        const char *value;
    } headers[2];
} golden_records[GOLDEN_COUNT] = {
    {GOLDEN_TIME, "alpha", "first value, first value, first value", 37, 0, {{0}}},
    {GOLDEN_TIME + 1, NULL, "", 0, 0, {{0}}},
    {GOLDEN_TIME + 250, "", NULL, 0, 2, {{"trace", "id-7"}, {"none", NULL}}},
    {GOLDEN_TIME + 90000,
     "beta",
     "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
     "23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "45678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
     "678901234567890123456789",
     300,
     0,
     {{0}}},
    {GOLDEN_TIME - 5,
     NULL,
     "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16"
     "\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f !\"#$%&'()*+,-./0123456789:;<=>?",
     64,
     1,
     {{"h", ""}}},
};

static inline struct view golden_view(const char *data, size_t len)
{
    return data ? view_of(data, len) : (struct view){0};
}

static inline struct view golden_str(const char *str)
{
    return golden_view(str, str ? strlen(str) : 0);
}

/* As view_eq(), and null is not empty. */
static inline bool same_bytes(struct view a, struct view b)
{
    return view_eq(a, b) && !a.data == !b.data;
}

static inline void assert_golden_record(const struct record *got, int index)
{
    const struct golden *want = &golden_records[index];
    assert_int_equal(got->offset, index);
    assert_int_equal(got->timestamp, want->timestamp);
    assert_true(same_bytes(got->key, golden_str(want->key)));
    assert_true(same_bytes(got->value, golden_view(want->value, want->value_len)));
    assert_int_equal(got->header_count, want->header_count);
    struct record_header_iter it = record_headers(got);
    struct record_header header;
    for (int i = 0; i < want->header_count; i++) {
        assert_ok(record_header_next(&it, &header));
        assert_true(same_bytes(header.key, golden_str(want->headers[i].key)));
        assert_true(same_bytes(header.value, golden_str(want->headers[i].value)));
    }
    assert_err(record_header_next(&it, &header), ERR_NOT_FOUND);
}

/* The golden record as a builder wants it; `headers` keeps its encoded headers. */
static inline struct record golden_record(int index, struct buf *headers)
{
    const struct golden *g = &golden_records[index];
    buf_clear(headers);
    for (int i = 0; i < g->header_count; i++)
        assert_ok(record_header_append(headers,
                                       &(struct record_header){golden_str(g->headers[i].key),
                                                               golden_str(g->headers[i].value)}));
    return (struct record){
        .offset = RECORD_OFFSET_NEXT,
        .timestamp = g->timestamp,
        .key = golden_str(g->key),
        .value = golden_view(g->value, g->value_len),
        .headers = buf_view(headers),
        .header_count = g->header_count,
    };
}
