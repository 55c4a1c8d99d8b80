/* A broken invariant ends the process; a kept one costs nothing and evaluates once. */
#include "cmocka_base.h"

#include <signal.h>

static void check_value(void *arg) { CHECK(*(int *)arg == 1); }

static void check__true__goes_on(void **state)
{
    (void)state;
    int one = 1, evaluated = 0;
    CHECK(++evaluated);
    assert_int_equal(evaluated, 1);
    assert_int_equal(signal_that_ends(check_value, &one), 0);
}

static void check__false__stops(void **state)
{
    (void)state;
    int two = 2;
    assert_int_equal(signal_that_ends(check_value, &two), SIGABRT);
}

static void dcheck_value(void *arg)
{
    (void)arg;
    DCHECK(*(int *)arg == 1);
}

static void dcheck__false__stops_only_debug_builds(void **state)
{
    (void)state;
    int two = 2;
#ifdef STELE_DEBUG
    assert_int_equal(signal_that_ends(dcheck_value, &two), SIGABRT);
#else
    assert_int_equal(signal_that_ends(dcheck_value, &two), 0);
#endif
}

static void macros__values__as_named(void **state)
{
    (void)state;
    struct pair {
        int first, second;
    } pair;
    int array[7];
    assert_int_equal(COUNT_OF(array), 7);
    assert_ptr_equal(CONTAINER_OF(&pair.second, struct pair, second), &pair);
    assert_int_equal(MIN(-1, 2), -1);
    assert_int_equal(MAX(-1, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check__true__goes_on),
        cmocka_unit_test(check__false__stops),
        cmocka_unit_test(dcheck__false__stops_only_debug_builds),
        cmocka_unit_test(macros__values__as_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
