/* The run by itself: writes by partition, in order, one call each. */
#include "produce_run.h"

#include <stdlib.h>

#include "../replication/fixture.h"

struct run_test {
    struct fixture *f;
    struct produce_run run;
};

static int setup(void **state)
{
    struct run_test *t = calloc(1, sizeof *t);
    t->f = fixture_new(1);
    produce_run_init(&t->run, t->f->table);
    fixture_add_topic(t->f, "a", 1, 300);
    fixture_add_topic(t->f, "b", 2, 2);
    fixture_apply(t->f);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct run_test *t = *state;
    produce_run_release(&t->run);
    fixture_free(t->f);
    free(t);
    return 0;
}

static int target(struct run_test *t, const char *topic, int32_t index)
{
    struct run_key key = {.name = view_str(topic), .index = index};
    return produce_run_target(&t->run, &key);
}

static void target__same_partition__has_one_number(void **state)
{
    struct run_test *t = *state;
    int a = target(t, "a", 0), b = target(t, "b", 0);
    assert_true(a >= 0 && b >= 0 && a != b);
    assert_int_equal(target(t, "b", 0), b);
    assert_int_equal(target(t, "a", 0), a);
    struct run_key by_id = {.id = fixture_id(2), .index = 0};
    assert_int_equal(produce_run_target(&t->run, &by_id), b);
    assert_int_equal(target(t, "a", 300), -1);
    assert_int_equal(target(t, "nowhere", 0), -1);
    produce_run_flush(&t->run);
    assert_int_equal(t->run.target_count, 0);
}

static void target__many__are_all_told_apart(void **state)
{
    struct run_test *t = *state;
    for (int round = 0; round < 2; round++)
        for (int32_t i = 0; i < 300; i++) assert_int_equal(target(t, "a", i), i);
    produce_run_flush(&t->run);
}

/* Requests are told in order; what they get is counted here. */
static int told[16], told_count;

static void on_appended(struct request *rq) { told[told_count++] = (int)(intptr_t)rq; }

static void tell(struct run_test *t, int number)
{
    produce_run_tell(&t->run, (struct request *)(intptr_t)number, on_appended);
}

static void flush__mixed_writes__each_partition_keeps_its_order(void **state)
{
    struct run_test *t = *state;
    enum { COUNT = 60 };
    struct test_write w[COUNT];
    told_count = 0;
    for (int i = 0; i < COUNT; i++) {
        test_write_init(&w[i], 1, 10);
        assert_int_equal(produce_run_reserve(&t->run, 1), OK);
        produce_run_add(&t->run, i % 3 ? target(t, "a", i % 3) : target(t, "b", 1), &w[i].write);
        if (i % 20 == 19) tell(t, i / 20 + 1);
    }
    produce_run_flush(&t->run);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(w[i].write.batch.err, OK);
        assert_int_equal(w[i].write.batch.base_offset, i / 3);
        test_write_release(&w[i]);
    }
    assert_int_equal(told_count, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(told[i], i + 1);
    assert_int_equal(t->run.write_count + t->run.request_count + t->run.target_count, 0);
}

static struct run_test *adding_test;

/* What a request that waited behind does: it adds to the run while that tells its requests. */
static void on_appended_adds(struct request *rq)
{
    on_appended(rq);
    assert_int_equal(produce_run_reserve(&adding_test->run, 0), OK);
    tell(adding_test, 99);
    produce_run_flush(&adding_test->run);
}

static void flush__request_adds_another__it_is_told_as_well(void **state)
{
    struct run_test *t = *state;
    told_count = 0;
    adding_test = t;
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(produce_run_reserve(&t->run, 0), OK);
        produce_run_tell(&t->run, (struct request *)(intptr_t)i, on_appended_adds);
    }
    produce_run_flush(&t->run);
    const int wanted[] = {1, 99, 2, 99};
    assert_int_equal(told_count, 4);
    for (int i = 0; i < 4; i++) assert_int_equal(told[i], wanted[i]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(target__same_partition__has_one_number),
        CASE(target__many__are_all_told_apart),
        CASE(flush__mixed_writes__each_partition_keeps_its_order),
        CASE(flush__request_adds_another__it_is_told_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
