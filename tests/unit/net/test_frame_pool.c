/* Buffers are as large as asked for, keep their bytes when they grow, and stay warm up to a bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "frame_pool.h"

enum { MIB = 1 << 20 };

static struct frame_pool make_pool(size_t retained_max)
{
    return (struct frame_pool){.retained_max = retained_max};
}

static void get__any_size__has_room_for_it(void **state)
{
    (void)state;
    struct frame_pool pool = make_pool(64 * MIB);
    static const size_t sizes[] = {0,         1,       4096,    4097,        65536,
                                   128 << 10, 3 * MIB, 4 * MIB, 4 * MIB + 1, 33 * MIB};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct frame_buf buf = {0};
        assert_int_equal(frame_pool_get(&pool, sizes[i], &buf), OK);
        assert_true(buf.cap >= sizes[i]);
        memset(buf.data, 1, buf.cap);
        frame_pool_put(&pool, &buf);
        assert_null(buf.data);
        frame_pool_put(&pool, &buf); /* an empty one is nothing */
    }
    frame_pool_release(&pool);
}

static void get__after_put__is_the_same_buffer(void **state)
{
    (void)state;
    struct frame_pool pool = make_pool(MIB);
    struct frame_buf a, b;
    assert_int_equal(frame_pool_get(&pool, 200000, &a), OK);
    uint8_t *data = a.data;
    frame_pool_put(&pool, &a);
    assert_int_equal(pool.retained_bytes, 256 << 10);
    assert_int_equal(frame_pool_get(&pool, 150000, &b), OK);
    assert_ptr_equal(b.data, data);
    assert_int_equal(pool.retained_bytes, 0);
    frame_pool_put(&pool, &b);
    frame_pool_release(&pool);
    assert_int_equal(pool.retained_bytes, 0);
}

static void put__over_the_bound__gives_back(void **state)
{
    (void)state;
    struct frame_pool pool = make_pool(2 * MIB);
    struct frame_buf bufs[10];
    for (int i = 0; i < 10; i++) assert_int_equal(frame_pool_get(&pool, MIB, &bufs[i]), OK);
    for (int i = 0; i < 10; i++) frame_pool_put(&pool, &bufs[i]);
    assert_int_equal(pool.retained_bytes, 2 * MIB);
    frame_pool_release(&pool);
}

static void grow__step_by_step__keeps_the_bytes(void **state)
{
    (void)state;
    struct frame_pool pool = make_pool(16 * MIB);
    struct frame_buf buf = {0};
    assert_int_equal(frame_pool_get(&pool, 5000, &buf), OK);
    size_t used = 0;
    while (used < 40 * MIB) {
        for (; used < buf.cap; used += 1000) buf.data[used] = (uint8_t)(used >> 4);
        assert_int_equal(frame_pool_grow(&pool, &buf, buf.cap, 2 * buf.cap), OK);
        assert_true(buf.cap >= used);
    }
    for (size_t i = 0; i < used; i += 1000) assert_int_equal(buf.data[i], (uint8_t)(i >> 4));
    assert_int_equal(frame_pool_grow(&pool, &buf, used, 100), OK); /* is large enough */
    frame_pool_put(&pool, &buf);
    assert_true(pool.retained_bytes <= 16 * MIB);
    frame_pool_release(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get__any_size__has_room_for_it),
        cmocka_unit_test(get__after_put__is_the_same_buffer),
        cmocka_unit_test(put__over_the_bound__gives_back),
        cmocka_unit_test(grow__step_by_step__keeps_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
