#include "wire.h"

#include "protocol/frame.h"

static void parse__length_within_the_limit__ok(void **state)
{
    (void)state;
    int64_t len;
    static const uint8_t PREFIX[] = {0, 0, 1, 0};
    assert_int_equal(frame_parse(PREFIX, 256, &len), OK);
    assert_int_equal(len, 256);
    static const uint8_t ZERO[4];
    assert_int_equal(frame_parse(ZERO, 256, &len), OK);
    assert_int_equal(len, 0);
}

static void parse__too_large_or_negative__refused_with_the_length(void **state)
{
    (void)state;
    int64_t len;
    static const uint8_t LARGE[] = {0, 0, 1, 1};
    assert_int_equal(frame_parse(LARGE, 256, &len), ERR_TOO_LARGE);
    assert_int_equal(len, 257);
    static const uint8_t NEGATIVE[] = {0xff, 0xff, 0xff, 0xfe};
    assert_int_equal(frame_parse(NEGATIVE, SIZE_MAX, &len), ERR_INVALID);
    assert_int_equal(len, -2);
}

static void end__counts_what_follows_and_what_is_elsewhere(void **state)
{
    (void)state;
    struct buf out = {0};
    size_t start;
    assert_int_equal(buf_append(&out, "xx", 2), OK);
    assert_int_equal(frame_begin(&out, &start), OK);
    assert_int_equal(buf_append(&out, "body", 4), OK);
    assert_int_equal(frame_end(&out, start, 256), OK);
    assert_wire_equal(buf_view(&out), "'xx' 00000104 'body'");
    assert_int_equal(frame_end(&out, start, 0x7fffffff), ERR_TOO_LARGE);
    assert_int_equal(frame_end(&out, start, SIZE_MAX), ERR_TOO_LARGE);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__length_within_the_limit__ok),
        cmocka_unit_test(parse__too_large_or_negative__refused_with_the_length),
        cmocka_unit_test(end__counts_what_follows_and_what_is_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
