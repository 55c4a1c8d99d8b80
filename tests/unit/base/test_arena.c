/* Alignment, zeroing, the limit, reuse, and sizes that overflow. */
#include "cmocka_base.h"

#include "base/arena.h"

static void arena_alloc__any_size__aligned_and_zeroed(void **state)
{
    (void)state;
    struct arena a = {0};
    for (size_t size = 0; size < 3000; size += 7) {
        uint8_t *p = arena_alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++) assert_int_equal(p[i], 0);
        memset(p, 0xaa, size);
    }
    arena_release(&a);
}

static void arena_alloc__larger_than_a_chunk__whole(void **state)
{
    (void)state;
    struct arena a = {0};
    uint8_t *small = arena_alloc(&a, 10);
    uint8_t *large = arena_alloc(&a, 5 << 20);
    assert_non_null(large);
    memset(small, 1, 10);
    memset(large, 2, 5 << 20);
    assert_int_equal(small[9], 1);
    arena_release(&a);
    assert_int_equal(a.used_bytes, 0);
}

static void arena_alloc__at_the_limit__null_beyond(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64);
    assert_non_null(arena_alloc(&a, 48));
    assert_null(arena_alloc(&a, 17)); /* rounded up to 32 */
    assert_non_null(arena_alloc(&a, 16));
    assert_null(arena_alloc(&a, 1));
    assert_int_equal(a.used_bytes, 64);
    arena_clear(&a);
    assert_non_null(arena_alloc(&a, 64)); /* the limit counts anew */
    arena_release(&a);
    assert_null(arena_alloc(&a, 65)); /* and outlives a release */
    arena_release(&a);
}

static void arena_alloc__impossible_sizes__null(void **state)
{
    (void)state;
    struct arena a = {0};
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX / 2 + 1));
    assert_null(arena_calloc(&a, SIZE_MAX / 8, 16));
    assert_null(arena_calloc(&a, SIZE_MAX, 2));
    assert_null(arena_strndup(&a, "x", SIZE_MAX));
    assert_int_equal(a.used_bytes, 0);
    arena_release(&a);
}

static void arena_clear__after_use__keeps_one_chunk_zeroes_again(void **state)
{
    (void)state;
    struct arena a = {0};
    for (int i = 0; i < 100; i++) memset(arena_alloc(&a, 1000), 0xff, 1000);
    arena_clear(&a);
    assert_int_equal(a.used_bytes, 0);
    const struct arena_chunk *kept = a.chunk;
    assert_non_null(kept);
    const uint8_t *p = arena_alloc(&a, 1000);
    assert_ptr_equal(a.chunk, kept);
    for (int i = 0; i < 1000; i++) assert_int_equal(p[i], 0);
    arena_release(&a);
    arena_clear(&a); /* an empty one, too */
}

static void arena_clear__huge_chunk__given_back(void **state)
{
    (void)state;
    struct arena a = {0};
    assert_non_null(arena_alloc(&a, 8 << 20));
    arena_clear(&a);
    assert_null(a.chunk);
}

static void arena_strndup__bytes_with_nul__copied_and_terminated(void **state)
{
    (void)state;
    struct arena a = {0};
    char *p = arena_strndup(&a, "a\0b", 3);
    assert_memory_equal(p, "a\0b", 4);
    assert_string_equal(arena_strndup(&a, NULL, 0), "");
    arena_release(&a);
}

static void arena_printf__text__fits_or_null(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 32);
    assert_string_equal(arena_printf(&a, "%s-%d", "topic", 7), "topic-7");
    assert_null(arena_printf(&a, "%40d", 1));
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_alloc__any_size__aligned_and_zeroed),
        cmocka_unit_test(arena_alloc__larger_than_a_chunk__whole),
        cmocka_unit_test(arena_alloc__at_the_limit__null_beyond),
        cmocka_unit_test(arena_alloc__impossible_sizes__null),
        cmocka_unit_test(arena_clear__after_use__keeps_one_chunk_zeroes_again),
        cmocka_unit_test(arena_clear__huge_chunk__given_back),
        cmocka_unit_test(arena_strndup__bytes_with_nul__copied_and_terminated),
        cmocka_unit_test(arena_printf__text__fits_or_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
