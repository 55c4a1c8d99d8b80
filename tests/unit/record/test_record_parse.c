/* The inline way through a record against the careful one, and our varints against base's cursor:
 * on all input they have to say the same. */
#include <stdlib.h>

#include "base/bytes.h"
#include "lib/rng.h"
#include "record_parse.h"
#include "test.h"

/* Bytes among which records are not unlikely: small numbers, nulls, sometimes continuation bits. */
static void random_bytes(struct rng *rng, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t kind = rng_below(rng, 10);
        uint8_t small = (uint8_t)(2 * rng_below(rng, 12));
        bytes[i] = kind < 6 ? small : kind < 8 ? (uint8_t)kind % 2 : (uint8_t)rng_next(rng);
    }
}

/* A record with random numbers in it, mostly right. */
static size_t random_record(struct rng *rng, uint8_t *out, size_t room)
{
    uint8_t body[600], *at = body;
    int32_t key = (int32_t)rng_between(rng, -1, 5);
    int32_t value = rng_chance(rng, 100) ? (int32_t)rng_between(rng, 60, 400)
                                         : (int32_t)rng_between(rng, -1, 80);
    int32_t headers = rng_chance(rng, 100);
    *at++ = 0;
    at = put_varlong(at, rng_between(rng, -5, 5) *
                             (INT64_C(1) << rng_below(rng, rng_chance(rng, 200) ? 60 : 10)));
    at = put_varint(at, (int32_t)rng_below(rng, 1000)
                            << rng_below(rng, rng_chance(rng, 200) ? 20 : 5));
    at = put_varint(at, key);
    for (int32_t i = 0; i < key; i++) *at++ = 'k';
    at = put_varint(at, value);
    for (int32_t i = 0; i < value; i++) *at++ = 'v';
    at = put_varint(at, headers);
    if (headers) at = put_varint(put_varint(at, 0), -1);
    size_t len = (size_t)(at - body);
    uint8_t head[5], *end = put_varint(head, (int32_t)len);
    if ((size_t)(end - head) + len > room) return 0;
    memcpy(out, head, (size_t)(end - head));
    memcpy(out + (end - head), body, len);
    return (size_t)(end - head) + len;
}

static void assert_same_fields(const struct record_fields *a, const struct record_fields *b)
{
    assert_int_equal(a->timestamp_delta, b->timestamp_delta);
    assert_int_equal(a->offset_delta, b->offset_delta);
    assert_int_equal(a->key_len, b->key_len);
    assert_int_equal(a->value_len, b->value_len);
    assert_int_equal(a->header_count, b->header_count);
    assert_ptr_equal(a->key, b->key);
    assert_ptr_equal(a->value, b->value);
    if (a->header_count) assert_ptr_equal(a->headers, b->headers);
}

/* Returns whether the inline way took it. */
static bool compare(const uint8_t *at, const uint8_t *end)
{
    struct record_fields usual, careful, any;
    const uint8_t *usual_next = record_parse_usual(at, end, &usual);
    const uint8_t *careful_next = record_parse_careful(at, end, &careful);
    assert_ptr_equal(record_parse(at, end, &any), careful_next);
    if (careful_next) assert_same_fields(&any, &careful);
    if (!usual_next) return false;
    assert_ptr_equal(usual_next, careful_next);
    assert_same_fields(&usual, &careful);
    return true;
}

static void record_parse__random_records__both_ways_agree(void **state)
{
    (void)state;
    struct rng rng = {1};
    int taken = 0;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[1500];
        size_t len = random_record(&rng, bytes, sizeof bytes);
        size_t tail = rng_below(&rng, 20);
        random_bytes(&rng, bytes + len, tail);
        len += tail;
        if (rng_chance(&rng, 300)) bytes[rng_below(&rng, 12) % len] ^= (uint8_t)rng_next(&rng);
        if (rng_chance(&rng, 100)) len = rng_below(&rng, len + 1);
        uint8_t *exact = malloc(len + !len); /* of exact size, for the sanitizer */
        memcpy(exact, bytes, len);
        taken += compare(exact, exact + len);
        free(exact);
    }
    assert_true(taken > 5000);
}

static void record_parse__random_bytes__both_ways_agree(void **state)
{
    (void)state;
    struct rng rng = {2};
    int taken = 0;
    for (int round = 0; round < 100000; round++) {
        size_t len = rng_below(&rng, 40);
        uint8_t *exact = malloc(len + !len);
        random_bytes(&rng, exact, len);
        taken += compare(exact, exact + len);
        free(exact);
    }
    assert_true(taken > 10);
}

static void take_varint__any_bytes__as_the_cursor_reads(void **state)
{
    (void)state;
    struct rng rng = {3};
    for (int round = 0; round < 100000; round++) {
        uint8_t bytes[12];
        size_t len = rng_below(&rng, sizeof bytes + 1);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(rng_next(&rng) | (rng_chance(&rng, 700) ? 0x80 : 0));
        struct reader r = reader_of(view_of(bytes, len));
        int32_t got = 0, want = read_varint(&r);
        const uint8_t *at = take_varint(bytes, bytes + len, &got);
        assert_ptr_equal(at, r.bad ? NULL : r.at);
        if (at) assert_int_equal(got, want);
        struct reader long_r = reader_of(view_of(bytes, len));
        int64_t long_got = 0, long_want = read_varlong(&long_r);
        at = take_varlong(bytes, bytes + len, &long_got);
        assert_ptr_equal(at, long_r.bad ? NULL : long_r.at);
        if (at) assert_true(long_got == long_want);
    }
}

static void put_varint__edges__read_back(void **state)
{
    (void)state;
    static const int64_t edges[] = {0,    1,    -1,    63,        64,        -64,       -65,
                                    8191, 8192, -8192, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        uint8_t bytes[VARLONG_MAX_BYTES];
        int64_t wide;
        const uint8_t *end = put_varlong(bytes, edges[i]);
        assert_int_equal(end - bytes, varlong_size(edges[i]));
        assert_ptr_equal(take_varlong(bytes, end, &wide), end);
        assert_true(wide == edges[i]);
        if (edges[i] != (int32_t)edges[i]) continue;
        int32_t narrow;
        end = put_varint(bytes, (int32_t)edges[i]);
        assert_int_equal(end - bytes, varint_size((int32_t)edges[i]));
        assert_ptr_equal(take_varint(bytes, end, &narrow), end);
        assert_int_equal(narrow, edges[i]);
        assert_null(take_varint(bytes, end - 1, &narrow));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_parse__random_records__both_ways_agree),
        cmocka_unit_test(record_parse__random_bytes__both_ways_agree),
        cmocka_unit_test(take_varint__any_bytes__as_the_cursor_reads),
        cmocka_unit_test(put_varint__edges__read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
