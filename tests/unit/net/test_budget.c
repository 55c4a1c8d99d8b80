/* Who may read when memory is short, and who has to be woken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "budget.h"

static void budget__without_a_limit__is_never_over(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, -1, 100);
    assert_false(budget_add(&b, INT64_C(1) << 60));
    assert_false(budget_is_over(&b));
}

static void budget__with_a_limit__leaves_room_for_one_frame(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, 1000, 100);
    budget_add(&b, 900);
    assert_false(budget_is_over(&b));
    budget_add(&b, 1);
    assert_true(budget_is_over(&b));
    budget_init(&b, 1000, 5000); /* a frame may be larger than all of it */
    budget_add(&b, 500);
    assert_false(budget_is_over(&b));
    budget_add(&b, 1);
    assert_true(budget_is_over(&b));
}

static void add__giving_back__asks_to_wake_only_if_somebody_waits(void **state)
{
    (void)state;
    struct budget b;
    budget_init(&b, 1000, 100);
    budget_add(&b, 950);
    assert_false(budget_add(&b, -10)); /* nobody waits */
    atomic_fetch_add(&b.waiting, 1);
    assert_false(budget_add(&b, -10)); /* still over */
    assert_true(budget_add(&b, -100));
}

static void overdraft__taken__is_for_one_at_a_time(void **state)
{
    (void)state;
    struct budget b;
    int first, second;
    budget_init(&b, 1000, 100);
    assert_true(budget_take_overdraft(&b, &first));
    assert_true(budget_take_overdraft(&b, &first)); /* has it */
    assert_false(budget_take_overdraft(&b, &second));
    assert_false(budget_drop_overdraft(&b, &second));
    assert_false(budget_take_overdraft(&b, &second));
    atomic_fetch_add(&b.waiting, 1);
    assert_true(budget_drop_overdraft(&b, &first)); /* wake who waits */
    assert_true(budget_take_overdraft(&b, &second));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget__without_a_limit__is_never_over),
        cmocka_unit_test(budget__with_a_limit__leaves_room_for_one_frame),
        cmocka_unit_test(add__giving_back__asks_to_wake_only_if_somebody_waits),
        cmocka_unit_test(overdraft__taken__is_for_one_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
