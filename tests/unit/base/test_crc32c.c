/* Known values, and the chosen kernel against the portable one and against the definition. */
#include "cmocka_base.h"

#include "base/crc32c.h"
#include "lib/rng.h"

enum { POOL_BYTES = 40000 };

static uint8_t pool[POOL_BYTES];

static int fill_pool(void **state)
{
    (void)state;
    struct rng rng = {7};
    for (size_t i = 0; i < POOL_BYTES; i++) pool[i] = (uint8_t)rng_next(&rng);
    return 0;
}

/* The definition, bit by bit. */
static uint32_t crc_by_bits(const uint8_t *data, size_t len)
{
    uint32_t c = ~0u;
    for (size_t i = 0; i < len; i++) {
        c ^= data[i];
        for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? 0x82f63b78u : 0);
    }
    return ~c;
}

/* RFC 3720, B.4, and the usual check string. */
static void crc32c__known_vectors__match(void **state)
{
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(crc32c(0, NULL, 0), 0);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43u);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46dd794eu);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x113fdb5cu);
    assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283u);
}

static void crc32c__every_short_length_and_alignment__as_defined(void **state)
{
    (void)state;
    for (size_t at = 0; at < 16; at++)
        for (size_t len = 0; len < 300; len++) {
            uint32_t want = crc_by_bits(pool + at, len);
            assert_int_equal(crc32c(0, pool + at, len), want);
            assert_int_equal(crc32c_portable(0, pool + at, len), want);
        }
}

/* Around the lengths at which a kernel changes its stride. */
static void crc32c__lengths_around_strides__kernels_agree(void **state)
{
    (void)state;
    static const size_t strides[] = {256, 768, 1536, 4096, 12288, 24576, 36864, 37632};
    for (size_t i = 0; i < COUNT_OF(strides); i++)
        for (size_t len = strides[i] - 20; len < strides[i] + 20; len++)
            for (size_t at = 0; at < 9; at++)
                assert_int_equal(crc32c(0, pool + at, len), crc32c_portable(0, pool + at, len));
}

static void crc32c__in_pieces__as_in_one(void **state)
{
    (void)state;
    struct rng rng = {3};
    uint32_t whole = crc32c(0, pool, POOL_BYTES);
    assert_int_equal(whole, crc_by_bits(pool, POOL_BYTES));
    for (int round = 0; round < 200; round++) {
        uint32_t crc = 0;
        size_t max = round % 2 ? 50 : 20000;
        for (size_t at = 0; at < POOL_BYTES;) {
            size_t len = (size_t)rng_below(&rng, MIN(max, POOL_BYTES - at) + 1);
            crc = crc32c(crc, pool + at, len);
            at += len;
        }
        assert_int_equal(crc, whole);
    }
}

static void crc32c__one_bit_flipped__differs(void **state)
{
    (void)state;
    uint32_t whole = crc32c(0, pool, POOL_BYTES);
    for (size_t at = 0; at < POOL_BYTES; at += 997) {
        pool[at] ^= 0x10;
        assert_int_not_equal(crc32c(0, pool, POOL_BYTES), whole);
        pool[at] ^= 0x10;
    }
}

static void crc32c_kernel__here__named(void **state)
{
    (void)state;
    const char *name = crc32c_kernel();
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
        assert_string_equal(name, "sse4.2+pclmul");
    else
        assert_string_equal(name, "portable");
#else
    assert_true(strcmp(name, "armv8") == 0 || strcmp(name, "portable") == 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c__known_vectors__match),
        cmocka_unit_test(crc32c__every_short_length_and_alignment__as_defined),
        cmocka_unit_test(crc32c__lengths_around_strides__kernels_agree),
        cmocka_unit_test(crc32c__in_pieces__as_in_one),
        cmocka_unit_test(crc32c__one_bit_flipped__differs),
        cmocka_unit_test(crc32c_kernel__here__named),
    };
    return cmocka_run_group_tests(tests, fill_pool, NULL);
}
