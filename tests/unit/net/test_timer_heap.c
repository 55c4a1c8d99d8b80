/* Against a model: an array that is searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "timer_heap.h"

enum { TIMERS = 200, STEPS = 20000 };

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static int64_t earliest(const struct timer *timers)
{
    int64_t first = INT64_MAX;
    for (int i = 0; i < TIMERS; i++) {
        if (timer_is_started(&timers[i])) first = MIN(first, timers[i].deadline_ns);
    }
    return first;
}

static void put_and_remove__at_random__agrees_with_the_model(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 5; round++) {
        static struct timer timers[TIMERS];
        struct timer_heap heap = {0};
        uint64_t seed = round;
        size_t count = 0;
        for (int step = 0; step < STEPS; step++) {
            struct timer *timer = &timers[next_random(&seed) % TIMERS];
            bool was_started = timer_is_started(timer);
            if (next_random(&seed) % 3) {
                timer_heap_put(&heap, timer, next_random(&seed) % 1000);
                count += !was_started;
            } else {
                timer_heap_remove(&heap, timer);
                count -= was_started;
            }
            assert_int_equal(heap.count, count);
            const struct timer *first = timer_heap_first(&heap);
            assert_int_equal(first ? first->deadline_ns : INT64_MAX, earliest(timers));
            if (step % 100 == 0) timer_heap_check(&heap);
        }
        int64_t last = 0;
        for (struct timer *first; (first = timer_heap_first(&heap));) {
            assert_true(first->deadline_ns >= last);
            last = first->deadline_ns;
            timer_heap_remove(&heap, first);
            timer_heap_check(&heap);
        }
        timer_heap_release(&heap);
    }
}

static void remove__not_started__does_nothing(void **state)
{
    (void)state;
    struct timer_heap heap = {0};
    struct timer timer = {0};
    timer_heap_remove(&heap, &timer);
    assert_null(timer_heap_first(&heap));
    timer_heap_release(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_and_remove__at_random__agrees_with_the_model),
        cmocka_unit_test(remove__not_started__does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
