/* Growth keeps what is there; consuming moves it; what cannot fit leaves it alone. */
#include "cmocka_base.h"

#include <signal.h>

#include "base/buf.h"

static void buf_append__many_pieces__in_order(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 10000; i++) {
        assert_ok(buf_append_u8(&b, (uint8_t)i));
        assert_ok(buf_append(&b, "ab", 2));
    }
    assert_int_equal(b.len, 30000);
    assert_true(b.cap >= b.len);
    for (size_t i = 0; i < 10000; i++) {
        assert_int_equal(b.data[3 * i], (uint8_t)i);
        assert_memory_equal(b.data + 3 * i + 1, "ab", 2);
    }
    buf_release(&b);
    assert_null(b.data);
}

static void buf_append__nothing__fine(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_ok(buf_append(&b, NULL, 0));
    assert_int_equal(buf_view(&b).len, 0);
    buf_release(&b);
}

static void buf_reserve__impossible__unchanged(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_ok(buf_append(&b, "kept", 4));
    struct buf before = b;
    assert_err(buf_reserve(&b, SIZE_MAX), ERR_LIMIT);
    assert_err(buf_reserve(&b, SIZE_MAX / 4), ERR_LIMIT);
    assert_memory_equal(&b, &before, sizeof b);
    assert_memory_equal(b.data, "kept", 4);
    buf_release(&b);
}

static void buf_reserve__then_append__no_move(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_ok(buf_reserve(&b, 1000));
    const uint8_t *data = b.data;
    for (int i = 0; i < 1000; i++) assert_ok(buf_append_u8(&b, 1));
    assert_ptr_equal(b.data, data);
    buf_release(&b);
}

static void buf_printf__grows__text_without_nul_counted(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 200; i++) assert_ok(buf_printf(&b, "%03d,", i));
    assert_int_equal(b.len, 800);
    assert_memory_equal(b.data + 796, "199,", 5); /* the NUL is there */
    buf_release(&b);
}

static void buf_consume__part__rest_in_front(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_ok(buf_append(&b, "abcdef", 6));
    buf_consume(&b, 0);
    buf_consume(&b, 4);
    assert_true(view_eq(buf_view(&b), view_str("ef")));
    buf_consume(&b, 2);
    assert_int_equal(b.len, 0);
    buf_release(&b);
}

static void consume_too_much(void *arg) { buf_consume(arg, 1); }

static void buf_consume__more_than_there_is__stops(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(signal_that_ends(consume_too_much, &b), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_append__many_pieces__in_order),
        cmocka_unit_test(buf_append__nothing__fine),
        cmocka_unit_test(buf_reserve__impossible__unchanged),
        cmocka_unit_test(buf_reserve__then_append__no_move),
        cmocka_unit_test(buf_printf__grows__text_without_nul_counted),
        cmocka_unit_test(buf_consume__part__rest_in_front),
        cmocka_unit_test(buf_consume__more_than_there_is__stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
