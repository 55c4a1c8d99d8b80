/* Views, cursors and varints: the edges of every size, and what malformed input does. */
#include "cmocka_base.h"

#include "base/bytes.h"
#include "lib/rng.h"

static void view_eq__same_bytes__equal(void **state)
{
    (void)state;
    assert_true(view_eq(view_str("abc"), view_of("abcd", 3)));
    assert_false(view_eq(view_str("abc"), view_str("abd")));
    assert_false(view_eq(view_str("abc"), view_str("ab")));
    assert_true(view_eq(view_of(NULL, 0), view_str("")));
}

static void reader__fixed_integers__big_endian(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x80, 0xff, 0xfe, 0x01, 0x02, 0x80, 0x00, 0x00,
                                    0x01, 0x01, 0x02, 0x03, 0x04, 0x80, 0,    0,
                                    0,    0,    0,    0,    2,    'h',  'i'};
    struct reader r = reader_of(view_of(bytes, sizeof bytes));
    assert_int_equal(read_i8(&r), -128);
    assert_int_equal(read_i16(&r), -2);
    assert_int_equal(read_u16(&r), 0x0102);
    assert_int_equal(read_i32(&r), INT32_MIN + 1);
    assert_int_equal(read_u32(&r), 0x01020304);
    assert_true(read_i64(&r) == INT64_MIN + 2);
    assert_true(view_eq(read_view(&r, 2), view_str("hi")));
    assert_int_equal(reader_left(&r), 0);
    assert_ok(reader_result(&r));
}

static void reader__beyond_the_end__bad_and_zeros(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3};
    struct reader r = reader_of(view_of(bytes, sizeof bytes));
    assert_int_equal(read_i32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(read_u8(&r), 0); /* although there are bytes left */
    assert_null(read_view(&r, 1).data);
    assert_int_equal(read_view(&r, 1).len, 0);
    assert_err(reader_result(&r), ERR_SHORT);
}

static void reader_take__huge_length__bad(void **state)
{
    (void)state;
    static const uint8_t bytes[8] = {0};
    struct reader r = reader_of(view_of(bytes, sizeof bytes));
    assert_null(reader_take(&r, SIZE_MAX));
    assert_true(r.bad);
}

static void reader_of__no_bytes__empty(void **state)
{
    (void)state;
    struct reader r = reader_of(view_of(NULL, 0));
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(read_view(&r, 0).len, 0);
    assert_ok(reader_result(&r));
    assert_int_equal(read_u8(&r), 0);
    assert_err(reader_result(&r), ERR_SHORT);
}

static void writer__all_sizes__read_back(void **state)
{
    (void)state;
    uint8_t bytes[22];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_u8(&w, 0xfe);
    write_i8(&w, -3);
    write_i16(&w, -4);
    write_i32(&w, INT32_MIN);
    write_i64(&w, INT64_MAX);
    write_bytes(&w, "stele", 5);
    write_bytes(&w, NULL, 0);
    assert_false(w.bad);
    assert_int_equal(writer_len(&w), 21);
    struct reader r = reader_of(view_of(bytes, writer_len(&w)));
    assert_int_equal(read_u8(&r), 0xfe);
    assert_int_equal(read_i8(&r), -3);
    assert_int_equal(read_i16(&r), -4);
    assert_int_equal(read_i32(&r), INT32_MIN);
    assert_true(read_i64(&r) == INT64_MAX);
    assert_true(view_eq(read_view(&r, 5), view_str("stele")));
}

static void writer__full__bad_and_nothing_beyond(void **state)
{
    (void)state;
    uint8_t bytes[4] = {9, 9, 9, 9};
    struct writer w = writer_of(bytes, 3);
    write_i16(&w, 1);
    write_i16(&w, 2);
    assert_true(w.bad);
    write_u8(&w, 7); /* would fit, but a hole would be worse */
    assert_int_equal(writer_len(&w), 2);
    assert_int_equal(bytes[2], 9);
    assert_int_equal(bytes[3], 9);
}

/* ---- varints ---- */

static void uvarint__edges__known_bytes(void **state)
{
    (void)state;
    static const struct {
        uint32_t value;
        const char *bytes;
    } cases[] = {{0, "\x00"},
                 {1, "\x01"},
                 {127, "\x7f"},
                 {128, "\x80\x01"},
                 {300, "\xac\x02"},
                 {16383, "\xff\x7f"},
                 {16384, "\x80\x80\x01"},
                 {2097151, "\xff\xff\x7f"},
                 {2097152, "\x80\x80\x80\x01"},
                 {268435455, "\xff\xff\xff\x7f"},
                 {268435456, "\x80\x80\x80\x80\x01"},
                 {UINT32_MAX, "\xff\xff\xff\xff\x0f"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t bytes[8];
        struct writer w = writer_of(bytes, sizeof bytes);
        size_t len = i == 0 ? 1 : strlen(cases[i].bytes);
        write_uvarint(&w, cases[i].value);
        assert_int_equal(writer_len(&w), len);
        assert_memory_equal(bytes, cases[i].bytes, len);
        assert_int_equal(uvarint_size(cases[i].value), len);
        struct reader r = reader_of(view_of(bytes, len));
        assert_int_equal(read_uvarint(&r), cases[i].value);
        assert_false(r.bad);
        assert_int_equal(reader_left(&r), 0);
    }
}

static void varint__edges__zigzag(void **state)
{
    (void)state;
    static const struct {
        int32_t value;
        const char *bytes;
    } cases[] = {{-1, "\x01"},
                 {1, "\x02"},
                 {-64, "\x7f"},
                 {64, "\x80\x01"},
                 {INT32_MAX, "\xfe\xff\xff\xff\x0f"},
                 {INT32_MIN, "\xff\xff\xff\xff\x0f"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t bytes[8];
        struct writer w = writer_of(bytes, sizeof bytes);
        write_varint(&w, cases[i].value);
        assert_int_equal(writer_len(&w), strlen(cases[i].bytes));
        assert_memory_equal(bytes, cases[i].bytes, strlen(cases[i].bytes));
        struct reader r = reader_of(view_of(bytes, writer_len(&w)));
        assert_int_equal(read_varint(&r), cases[i].value);
        assert_int_equal(varint_size(cases[i].value), writer_len(&w));
    }
}

static void varlong__edges__ten_bytes_at_most(void **state)
{
    (void)state;
    static const int64_t values[] = {
        0, -1, 1, 63, -64, 64, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN + 1, INT64_MIN};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        uint8_t bytes[10];
        struct writer w = writer_of(bytes, sizeof bytes);
        write_varlong(&w, values[i]);
        assert_false(w.bad);
        assert_int_equal(writer_len(&w), varlong_size(values[i]));
        struct reader r = reader_of(view_of(bytes, writer_len(&w)));
        assert_true(read_varlong(&r) == values[i]);
        assert_int_equal(reader_left(&r), 0);
    }
    assert_int_equal(varlong_size(INT64_MIN), 10);
}

static void varlong__random_values__round_trip(void **state)
{
    (void)state;
    struct rng rng = {42};
    for (int i = 0; i < 100000; i++) {
        int64_t value = (int64_t)(rng_next(&rng) >> rng_below(&rng, 64));
        uint8_t bytes[10];
        struct writer w = writer_of(bytes, sizeof bytes);
        write_varlong(&w, i % 2 ? value : -value);
        struct reader r = reader_of(view_of(bytes, writer_len(&w)));
        assert_true(read_varlong(&r) == (i % 2 ? value : -value));
        assert_int_equal(writer_len(&w), varlong_size(i % 2 ? value : -value));
    }
}

static bool uvarint_is_bad(const char *bytes, size_t len)
{
    struct reader r = reader_of(view_of(bytes, len));
    uint32_t value = read_uvarint(&r);
    assert_true(!r.bad || value == 0);
    return r.bad;
}

static void uvarint__malformed__bad(void **state)
{
    (void)state;
    assert_true(uvarint_is_bad("", 0));
    assert_true(uvarint_is_bad("\x80", 1));
    assert_true(uvarint_is_bad("\xff\xff\xff\xff", 4));
    assert_true(uvarint_is_bad("\xff\xff\xff\xff\x10", 5)); /* bit 32 */
    assert_true(uvarint_is_bad("\xff\xff\xff\xff\x1f", 5));
    assert_true(uvarint_is_bad("\x80\x80\x80\x80\x80\x00", 6)); /* a sixth byte */
    assert_false(uvarint_is_bad("\x80\x00", 2)); /* longer than needed, but harmless */
}

static bool varlong_is_bad(const char *bytes, size_t len)
{
    struct reader r = reader_of(view_of(bytes, len));
    (void)read_varlong(&r);
    return r.bad;
}

static void varlong__malformed__bad(void **state)
{
    (void)state;
    assert_true(varlong_is_bad("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9));
    assert_true(varlong_is_bad("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10)); /* bit 64 */
    assert_true(varlong_is_bad("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11));
    assert_false(varlong_is_bad("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10));
}

static void write_uvarint__no_room__bad(void **state)
{
    (void)state;
    uint8_t bytes[1];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_uvarint(&w, 128);
    assert_true(w.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(view_eq__same_bytes__equal),
        cmocka_unit_test(reader__fixed_integers__big_endian),
        cmocka_unit_test(reader__beyond_the_end__bad_and_zeros),
        cmocka_unit_test(reader_take__huge_length__bad),
        cmocka_unit_test(reader_of__no_bytes__empty),
        cmocka_unit_test(writer__all_sizes__read_back),
        cmocka_unit_test(writer__full__bad_and_nothing_beyond),
        cmocka_unit_test(uvarint__edges__known_bytes),
        cmocka_unit_test(varint__edges__zigzag),
        cmocka_unit_test(varlong__edges__ten_bytes_at_most),
        cmocka_unit_test(varlong__random_values__round_trip),
        cmocka_unit_test(uvarint__malformed__bad),
        cmocka_unit_test(varlong__malformed__bad),
        cmocka_unit_test(write_uvarint__no_room__bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
