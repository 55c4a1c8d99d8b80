/* The real clocks move, the real chance varies. */
#include "cmocka_base.h"

#include <time.h>

#include "base/env.h"
#include "base/os.h"
#include "base/version.h"

static void env_real__always__complete(void **state)
{
    (void)state;
    const struct env *env = env_real();
    assert_ptr_equal(env->os, os_real());
    assert_ptr_equal(env->clock, clock_real());
    assert_ptr_equal(env->random, random_real());
}

static void env_mono_ns__read_often__never_back(void **state)
{
    (void)state;
    int64_t first = env_mono_ns(env_real()), last = first;
    for (int i = 0; i < 10000; i++) {
        int64_t now = env_mono_ns(env_real());
        assert_true(now >= last);
        last = now;
    }
    assert_true(last > first);
}

static void env_wall_ms__now__the_systems_time(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL) * 1000;
    int64_t now = env_wall_ms(env_real());
    assert_true(now >= before - 1000 && now <= before + 60000);
}

static void random_fill__large_and_empty__filled(void **state)
{
    (void)state;
    static uint8_t bytes[100000];
    random_real()->fill(random_real(), NULL, 0);
    random_real()->fill(random_real(), bytes, sizeof bytes);
    int counts[256] = {0};
    for (size_t i = 0; i < sizeof bytes; i++) counts[bytes[i]]++;
    for (int i = 0; i < 256; i++) assert_in_range(counts[i], 200, 600); /* 390 expected */
}

static void version__generated__filled_in(void **state)
{
    (void)state;
    int major, minor, patch;
    assert_int_equal(sscanf(STELE_VERSION, "%d.%d.%d", &major, &minor, &patch), 3);
    assert_true(strlen(STELE_REVISION) >= 7);
    assert_null(strchr(STELE_REVISION, '@'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(env_real__always__complete),
        cmocka_unit_test(env_mono_ns__read_often__never_back),
        cmocka_unit_test(env_wall_ms__now__the_systems_time),
        cmocka_unit_test(random_fill__large_and_empty__filled),
        cmocka_unit_test(version__generated__filled_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
