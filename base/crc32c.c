/* Three kernels.
 *
 * portable: slicing by eight tables.
 * sse4.2+pclmul: the crc32 instruction has a latency of three cycles and a throughput of one, so
 * three streams run side by side and are joined: a stream's crc is moved forward over the bytes
 * behind it by a carry-less multiplication with x^(8n-33) mod P followed by one crc32 step, which
 * multiplies by x^33 and reduces. armv8: the crc32c instruction, eight bytes a step.
 *
 * Constants are computed once, from the polynomial.
 */
#include "crc32c.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

static uint32_t tables[8][256];
static uint32_t (*kernel)(uint32_t state, const uint8_t *p, size_t n);
static const char *kernel_label;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? POLYNOMIAL : 0);
        tables[0][i] = c;
    }
    for (int t = 1; t < 8; t++)
        for (int i = 0; i < 256; i++)
            tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
}

static uint32_t run_portable(uint32_t c, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        v ^= c;
        c = 0;
        for (int i = 0; i < 8; i++) c ^= tables[7 - i][v >> (8 * i) & 255];
    }
    while (n--) c = c >> 8 ^ tables[0][(c ^ *p++) & 255];
    return c;
}

#if defined(__x86_64__)
#include <immintrin.h>

enum { LANE_LONG = 4096, LANE_SHORT = 256 }; /* bytes a stream covers between two joins */

#define TARGET_SSE __attribute__((target("sse4.2,pclmul")))

static uint32_t long_by_one, long_by_two, short_by_one, short_by_two;

/* x^exponent mod P, reflected. */
static uint32_t power_of_x(unsigned exponent)
{
    uint32_t r = 0x80000000u;
    while (exponent--) r = r >> 1 ^ (r & 1 ? POLYNOMIAL : 0);
    return r;
}

static void init_sse(void)
{
    long_by_one = power_of_x(8 * LANE_LONG - 33);
    long_by_two = power_of_x(16 * LANE_LONG - 33);
    short_by_one = power_of_x(8 * LANE_SHORT - 33);
    short_by_two = power_of_x(16 * LANE_SHORT - 33);
}

TARGET_SSE static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

TARGET_SSE static uint32_t advance(uint64_t crc, uint32_t by)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc),
                                           _mm_cvtsi64_si128((int64_t)by), 0);
    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

TARGET_SSE static uint32_t three_lanes(uint32_t c, const uint8_t *p, size_t lane, uint32_t by_one,
                                       uint32_t by_two)
{
    uint64_t first = c, second = 0, third = 0;
    for (size_t i = 0; i < lane; i += 8) {
        first = _mm_crc32_u64(first, load64(p + i));
        second = _mm_crc32_u64(second, load64(p + lane + i));
        third = _mm_crc32_u64(third, load64(p + 2 * lane + i));
    }
    return advance(first, by_two) ^ advance(second, by_one) ^ (uint32_t)third;
}

TARGET_SSE static uint32_t run_sse(uint32_t c, const uint8_t *p, size_t n)
{
    for (; n >= 3 * LANE_LONG; p += 3 * LANE_LONG, n -= 3 * LANE_LONG)
        c = three_lanes(c, p, LANE_LONG, long_by_one, long_by_two);
    for (; n >= 3 * LANE_SHORT; p += 3 * LANE_SHORT, n -= 3 * LANE_SHORT)
        c = three_lanes(c, p, LANE_SHORT, short_by_one, short_by_two);
    uint64_t wide = c;
    for (; n >= 8; p += 8, n -= 8) wide = _mm_crc32_u64(wide, load64(p));
    c = (uint32_t)wide;
    while (n--) c = _mm_crc32_u8(c, *p++);
    return c;
}

static void choose_kernel(void)
{
    init_tables();
    kernel = run_portable;
    kernel_label = "portable";
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul")) return;
    init_sse();
    kernel = run_sse;
    kernel_label = "sse4.2+pclmul";
}

#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>

#define AARCH64_HWCAP_CRC32 (1u << 7)

__attribute__((target("+crc"))) static uint32_t run_arm(uint32_t c, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        c = __crc32cd(c, v);
    }
    while (n--) c = __crc32cb(c, *p++);
    return c;
}

static void choose_kernel(void)
{
    init_tables();
    int has_crc = (getauxval(AT_HWCAP) & AARCH64_HWCAP_CRC32) != 0;
    kernel = has_crc ? run_arm : run_portable;
    kernel_label = has_crc ? "armv8" : "portable";
}

#else
static void choose_kernel(void)
{
    init_tables();
    kernel = run_portable;
    kernel_label = "portable";
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&once, choose_kernel);
    return ~kernel(~crc, data, len);
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&once, choose_kernel);
    return ~run_portable(~crc, data, len);
}

const char *crc32c_kernel(void)
{
    pthread_once(&once, choose_kernel);
    return kernel_label;
}
