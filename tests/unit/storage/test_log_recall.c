/* After a restart every batch that may still be under way is known to be a duplicate, not only the
 * last one of each producer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/os.h"
#include "lib/log_fixture.h"
#include "lib/temp_dir.h"

enum { ID = 77, OTHER = 78 };

struct test {
    struct temp_dir dir;
    struct log_fixture f;
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof *t);
    *state = t;
    temp_dir_make(&t->dir);
    log_fixture_init(&t->f, os_real(), t->dir.path);
    return log_fixture_open(&t->f, false, 0) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct test *t = *state;
    log_fixture_release(&t->f);
    temp_dir_remove(&t->dir);
    free(t);
    return 0;
}

static struct log_append send(struct test *t, producer_id_t id, int32_t sequence)
{
    struct log_append batch = batch_make(
        &(struct batch_spec){.records = 2, .producer_id = id, .sequence = sequence});
    batch.err = log_fixture_add(&t->f, &batch, LOG_FROM_CLIENT, 0);
    free(batch.data);
    return batch;
}

/* Offsets 0, 4, 8 ... are ID's, those between OTHER's. */
static void send_six_each(struct test *t, bool rolls)
{
    for (int32_t i = 0; i < 6; i++) {
        if (rolls) assert_int_equal(log_roll(t->f.log), OK);
        assert_int_equal(send(t, ID, 2 * i).err, OK);
        assert_int_equal(send(t, OTHER, 2 * i).err, OK);
    }
}

static void check_duplicates(struct test *t)
{
    for (int32_t i = 1; i < 6; i++) {
        struct log_append again = send(t, ID, 2 * i);
        assert_int_equal(again.err, OK);
        assert_true(again.is_duplicate);
        assert_int_equal(again.base_offset, 4 * i);
    }
    assert_int_equal(send(t, ID, 0).err, ERR_SEQUENCE); /* the sixth is forgotten, as before */
    assert_int_equal(send(t, ID, 14).err, ERR_SEQUENCE);
    struct log_append next = send(t, ID, 12);
    assert_int_equal(next.err, OK);
    assert_false(next.is_duplicate);
    assert_true(send(t, OTHER, 4).is_duplicate);
}

static void recall__after_a_clean_stop__knows_five_batches(void **state)
{
    struct test *t = *state;
    send_six_each(t, false);
    assert_int_equal(log_fixture_close(&t->f, true), OK);
    assert_int_equal(log_fixture_open(&t->f, true, 24), OK);
    check_duplicates(t);
}

static void recall__over_segments__knows_five_batches(void **state)
{
    struct test *t = *state;
    send_six_each(t, true);
    assert_int_equal(log_fixture_close(&t->f, true), OK);
    assert_int_equal(log_fixture_open(&t->f, true, 24), OK);
    check_duplicates(t);
}

static void recall__after_a_crash_behind_the_last_flush__knows_five_batches(void **state)
{
    struct test *t = *state;
    koffset_t flushed;
    send_six_each(t, false);
    assert_int_equal(log_roll(t->f.log), OK); /* leaves a snapshot where the recovery begins */
    assert_int_equal(log_flush(t->f.log, &flushed), OK);
    assert_int_equal(log_fixture_close(&t->f, false), OK);
    assert_int_equal(log_fixture_open(&t->f, false, flushed), OK);
    check_duplicates(t);
}

/* What an older epoch wrote is not what the new one may send again. */
static void recall__older_epoch__is_left_out(void **state)
{
    struct test *t = *state;
    assert_int_equal(send(t, ID, 0).err, OK);
    struct batch_spec spec = {.records = 1, .producer_id = ID, .producer_epoch = 1, .sequence = 0};
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    assert_int_equal(log_fixture_close(&t->f, true), OK);
    assert_int_equal(log_fixture_open(&t->f, true, 3), OK);
    assert_int_equal(send(t, ID, 0).err, ERR_PRODUCER_EPOCH);
    spec.sequence = 1;
    assert_int_equal(log_fixture_append(&t->f, &spec), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(recall__after_a_clean_stop__knows_five_batches, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(recall__over_segments__knows_five_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(
            recall__after_a_crash_behind_the_last_flush__knows_five_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(recall__older_epoch__is_left_out, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
