/* What the next open makes of the files of a life that ended badly. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/log_test.h"

static const char log0[] = "00000000000000000000.log";
static const char index0[] = "00000000000000000000.index";
static const char time0[] = "00000000000000000000.timeindex";

static bool said(struct log_test *t, const char *what) { return strstr(t->said, what) != NULL; }

static size_t batch_size(struct log_test *t)
{
    return (size_t)log_offsets(t->f.log).size_bytes / (size_t)log_offsets(t->f.log).end;
}

/* 100 batches in one segment; `flushed` of them. Closed as by a crash. */
static size_t make_crashed(struct log_test *t, int flushed)
{
    koffset_t to;
    t->config->index_interval_bytes = 500;
    log_test_open(t);
    log_test_fill(t, flushed);
    assert_int_equal(log_flush(t->f.log, &to), OK);
    log_test_fill(t, 100 - flushed);
    size_t size = batch_size(t);
    (void)!log_fixture_close(&t->f, false);
    return size;
}

static void reopen(struct log_test *t, koffset_t recovery_point)
{
    assert_int_equal(log_fixture_open(&t->f, false, recovery_point), OK);
}

/* ---- torn tails ---- */

static void log_open__file_ends_inside_of_a_batch__tail_is_cut_and_kept(void **state)
{
    struct log_test *t = *state;
    size_t size = make_crashed(t, 50);
    log_test_cut(t, log0, (int64_t)(80 * size + 33));
    reopen(t, 50);
    assert_int_equal(log_offsets(t->f.log).end, 80);
    assert_int_equal(log_test_size(t, log0), 80 * size);
    assert_int_equal(log_test_size(t, "00000000000000000000.torn-0"), 33);
    assert_true(said(t, "torn tail cut"));
    assert_false(log_offsets(t->f.log).is_damaged);
    log_test_check(t, 0, 80, 1000);
    log_test_fill(t, 20);
    log_test_restart(t);
    log_test_check(t, 0, 100, 1000);
}

static void log_open__bad_checksum_above_the_recovery_point__is_cut_there(void **state)
{
    struct log_test *t = *state;
    size_t size = make_crashed(t, 50);
    log_test_write(t, log0, (int64_t)(60 * size + BATCH_HEADER_SIZE + 20), "x", 1);
    reopen(t, 50);
    assert_int_equal(log_offsets(t->f.log).end, 60);
    assert_int_equal(log_test_size(t, "00000000000000000000.torn-0"), 40 * size);
    log_test_check(t, 0, 60, 1000);
}

static void log_open__zeros_behind_the_end__are_cut_and_not_kept(void **state)
{
    struct log_test *t = *state;
    static const uint8_t zeros[5000];
    size_t size = make_crashed(t, 50);
    log_test_write(t, log0, (int64_t)(100 * size), zeros, sizeof zeros);
    reopen(t, 50);
    assert_int_equal(log_offsets(t->f.log).end, 100);
    assert_int_equal(log_test_size(t, log0), 100 * size);
    assert_int_equal(log_test_size(t, "00000000000000000000.torn-0"), -1);
}

static void log_open__torn_before_other_segments__those_are_set_aside(void **state)
{
    struct log_test *t = *state;
    t->config->segment_bytes = 3000;
    log_test_open(t);
    log_test_fill(t, 60);
    size_t size = batch_size(t);
    (void)!log_fixture_close(&t->f, false);
    log_test_cut(t, log0, (int64_t)(5 * size + 1));
    reopen(t, 0);
    assert_int_equal(log_offsets(t->f.log).end, 5);
    char name[40];
    snprintf(name, sizeof name, "%020d.torn-0", (int)(3000 / size));
    assert_true(log_test_size(t, name) > 0);
    log_test_fill(t, 60);
    log_test_check(t, 0, 65, 1000);
}

static void log_open__segment_missing_in_the_row__ends_before_it(void **state)
{
    struct log_test *t = *state;
    t->config->segment_bytes = 3000;
    log_test_open(t);
    log_test_fill(t, 60);
    int per_segment = (int)(3000 / batch_size(t));
    (void)!log_fixture_close(&t->f, false);
    char name[40];
    snprintf(name, sizeof name, "%020d.log", per_segment);
    log_test_unlink(t, name);
    reopen(t, 0);
    assert_int_equal(log_offsets(t->f.log).end, per_segment);
    log_test_check(t, 0, per_segment, 1000);
}

/* ---- damage ---- */

static void log_open__bad_batch_below_the_recovery_point__is_damage_and_the_rest_serves(
    void **state)
{
    struct log_test *t = *state;
    struct log_read read;
    size_t size = make_crashed(t, 50);
    log_test_unlink(t, index0); /* so that the part below is walked */
    log_test_write(t, log0, (int64_t)(20 * size + BATCH_MAGIC), "\0", 1);
    reopen(t, 50);
    assert_true(log_offsets(t->f.log).is_damaged);
    assert_true(said(t, "damaged range, not served"));
    assert_int_equal(log_offsets(t->f.log).end, 100);
    assert_int_equal(log_read(t->f.log, 20, 100, 1000, true, &read), ERR_DAMAGED);
    log_test_check(t, 0, 20, 1000);
    log_test_check(t, 21, 100, 1000);
    log_test_restart(t); /* a clean restart remembers */
    assert_int_equal(log_read(t->f.log, 20, 100, 1000, true, &read), ERR_DAMAGED);
    log_test_check(t, 21, 100, 1000);
}

static void log_open__file_ends_below_the_recovery_point__offsets_are_not_given_again(void **state)
{
    struct log_test *t = *state;
    struct log_read read;
    size_t size = make_crashed(t, 50);
    log_test_cut(t, log0, (int64_t)(30 * size));
    reopen(t, 50);
    assert_int_equal(log_offsets(t->f.log).end, 50);
    assert_true(log_offsets(t->f.log).is_damaged);
    assert_int_equal(log_read(t->f.log, 35, 50, 1000, true, &read), ERR_DAMAGED);
    log_test_check(t, 0, 30, 1000);
    log_test_fill(t, 10);
    log_test_check(t, 50, 60, 1000);
    log_test_crash(t, 60);
    log_test_check(t, 50, 60, 1000);
    assert_int_equal(log_read(t->f.log, 49, 60, 1000, true, &read), ERR_DAMAGED);
}

static void log_open__bad_tail_after_a_clean_stop__is_damage(void **state)
{
    struct log_test *t = *state;
    struct log_read read;
    log_test_open(t);
    log_test_fill(t, 20);
    size_t size = batch_size(t);
    assert_int_equal(log_fixture_close(&t->f, true), OK);
    log_test_cut(t, log0, (int64_t)(15 * size + 5));
    assert_int_equal(log_fixture_open(&t->f, true, 20), OK);
    assert_int_equal(log_offsets(t->f.log).end, 20);
    assert_int_equal(log_read(t->f.log, 17, 20, 1000, true, &read), ERR_DAMAGED);
    log_test_check(t, 0, 15, 1000);
    log_test_fill(t, 5);
    log_test_check(t, 20, 25, 1000);
}

/* ---- indexes ---- */

static void log_open__index_missing_short_or_zero__is_rebuilt(void **state)
{
    struct log_test *t = *state;
    static const uint8_t zeros[16];
    make_crashed(t, 100);
    int64_t index_size = log_test_size(t, index0), time_size = log_test_size(t, time0);
    assert_true(index_size > 100);
    for (int how = 0; how < 4; how++) {
        for (int clean = 0; clean < 2; clean++) {
            t->said[0] = 0;
            if (how == 0) log_test_unlink(t, index0);
            if (how == 1) log_test_cut(t, index0, 13);
            if (how == 2) log_test_write(t, index0, index_size, zeros, 16);
            if (how == 3) log_test_cut(t, time0, 7);
            assert_int_equal(log_fixture_open(&t->f, clean, 100), OK);
            assert_true(said(t, "index rebuilt"));
            log_test_check(t, 0, 100, 700);
            assert_int_equal(log_fixture_close(&t->f, true), OK);
            assert_int_equal(log_test_size(t, index0), index_size);
            assert_int_equal(log_test_size(t, time0), time_size);
        }
    }
}

static void log_open__time_index_behind__newest_timestamp_is_found_again(void **state)
{
    struct log_test *t = *state;
    struct log_timestamp_match match;
    make_crashed(t, 100);
    log_test_cut(t, time0, 0);
    reopen(t, 100);
    assert_int_equal(log_find_max_timestamp(t->f.log, &match), OK);
    assert_int_equal(match.offset, 99);
    assert_int_equal(log_find_timestamp(t->f.log, 1000 + 10 * 42, 100, &match), OK);
    assert_int_equal(match.offset, 42);
}

/* ---- what lies around ---- */

static void log_open__leftovers__are_cleared(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 5);
    assert_int_equal(log_fixture_close(&t->f, true), OK);
    static const char *const gone[] = {"00000000000000000099.log.deleted",
                                       "00000000000000000000.log.cleaned",
                                       "00000000000000000099.index", "leader-epoch-checkpoint.tmp"};
    for (size_t i = 0; i < COUNT_OF(gone); i++) log_test_write(t, gone[i], 0, "x", 1);
    log_test_write(t, "something else", 0, "x", 1);
    log_test_write(t, "00000000000000000000.torn-3", 0, "x", 1);
    assert_int_equal(log_fixture_open(&t->f, true, 5), OK);
    for (size_t i = 0; i < COUNT_OF(gone); i++) assert_int_equal(log_test_size(t, gone[i]), -1);
    assert_int_equal(log_test_size(t, "something else"), 1);
    assert_int_equal(log_test_size(t, "00000000000000000000.torn-3"), 1);
    log_test_check(t, 0, 5, 1000);
}

static void log_open__finished_compaction__takes_its_place(void **state)
{
    struct log_test *t = *state;
    t->config->segment_bytes = 3000;
    log_test_open(t);
    log_test_fill(t, 60);
    assert_int_equal(log_fixture_close(&t->f, true), OK);
    /* The result covers the first segment: it is what that was. */
    log_test_rename(t, log0, "00000000000000000000.log.swap");
    log_test_rename(t, index0, "00000000000000000000.index.swap");
    log_test_rename(t, time0, "00000000000000000000.timeindex.swap");
    log_test_write(t, log0, 0, "old", 3);
    assert_int_equal(log_fixture_open(&t->f, true, 60), OK);
    assert_int_equal(log_test_size(t, "00000000000000000000.log.swap"), -1);
    log_test_check(t, 0, 60, 1000);
}

static void log_open__half_swapped_compaction__is_undone(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 10);
    assert_int_equal(log_fixture_close(&t->f, true), OK);
    log_test_write(t, "00000000000000000000.log.cleaned", 0, "x", 1);
    log_test_write(t, "00000000000000000005.log.swap", 0, "x", 1);
    assert_int_equal(log_fixture_open(&t->f, true, 10), OK);
    assert_int_equal(log_test_size(t, "00000000000000000005.log.swap"), -1);
    log_test_check(t, 0, 10, 1000);
}

static void log_open__newer_formats__are_refused_by_name(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    log_test_fill(t, 1);
    assert_int_equal(log_fixture_close(&t->f, true), OK);
    log_test_write(t, "leader-epoch-checkpoint", 0, "1\n", 2);
    assert_int_equal(log_fixture_open(&t->f, true, 1), ERR_UNSUPPORTED);
    assert_true(said(t, "leader-epoch-checkpoint"));
    log_test_unlink(t, "leader-epoch-checkpoint");
    log_test_write(t, "partition.metadata", 0, "version: 7\n", 11);
    assert_int_equal(log_fixture_open(&t->f, true, 1), ERR_UNSUPPORTED);
    assert_true(said(t, "partition.metadata"));
    log_test_unlink(t, "partition.metadata");
    log_test_write(t, log0, BATCH_MAGIC, "\3", 1);
    assert_int_equal(log_fixture_open(&t->f, true, 1), ERR_UNSUPPORTED);
    assert_true(said(t, "batches of a format"));
}

static void log_open__epoch_file_unreadable__epochs_come_from_the_batches(void **state)
{
    struct log_test *t = *state;
    log_test_open(t);
    for (leader_epoch_t e = 1; e < 5; e++) {
        struct batch_spec spec = {.sequence = -1, .leader_epoch = e};
        assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    }
    assert_int_equal(log_fixture_close(&t->f, true), OK);
    log_test_write(t, "leader-epoch-checkpoint", 0, "0\nx", 3);
    assert_int_equal(log_fixture_open(&t->f, true, 4), OK);
    for (leader_epoch_t e = 1; e < 5; e++) assert_int_equal(log_epoch_of(t->f.log, e - 1), e);
}

/* ---- producers ---- */

static err_t send(struct log_test *t, int sequence, bool *is_duplicate)
{
    struct batch_spec spec = {.producer_id = 9, .sequence = sequence};
    struct log_append batch = batch_make(&spec);
    err_t err = log_fixture_add(&t->f, &batch, LOG_FROM_CLIENT, 0);
    *is_duplicate = batch.is_duplicate;
    free(batch.data);
    return err;
}

static void log_open__after_any_end__producers_are_known(void **state)
{
    struct log_test *t = *state;
    bool is_duplicate;
    log_test_open(t);
    int next = 0;
    for (int way = 0; way < 4; way++) {
        for (int i = 0; i < 3; i++) {
            assert_int_equal(send(t, next++, &is_duplicate), OK);
            assert_int_equal(log_roll(t->f.log), OK);
            assert_int_equal(send(t, next++, &is_duplicate), OK);
        }
        if (way == 0) log_test_restart(t);
        if (way == 1) log_test_crash(t, 0);
        if (way == 2) log_test_crash(t, log_offsets(t->f.log).end);
        if (way == 3) {
            char name[40];
            (void)!log_fixture_close(&t->f, true);
            snprintf(name, sizeof name, "%020d.snapshot", next);
            log_test_write(t, name, 3, "garbage", 7);
            assert_int_equal(log_fixture_open(&t->f, true, next), OK);
            assert_true(said(t, "snapshot is not usable"));
        }
        assert_int_equal(send(t, next - 1, &is_duplicate), OK);
        assert_true(is_duplicate);
        assert_int_equal(send(t, next + 1, &is_duplicate), ERR_SEQUENCE);
    }
}

static void progress(void *arg, int64_t done, int64_t total)
{
    int64_t *last = arg;
    assert_true(done >= *last && done <= total);
    *last = done;
}

static void log_open__recovery__shows_progress(void **state)
{
    struct log_test *t = *state;
    int64_t done = 0;
    size_t size = make_crashed(t, 0);
    t->f.options.progress = progress;
    t->f.options.progress_arg = &done;
    reopen(t, 0);
    assert_int_equal(done, 100 * size);
}

static void log_open__start_beyond_the_end__begins_there(void **state)
{
    struct log_test *t = *state;
    make_crashed(t, 100);
    t->f.options.start_offset = 500;
    reopen(t, 100);
    assert_int_equal(log_offsets(t->f.log).start, 500);
    assert_int_equal(log_offsets(t->f.log).end, 500);
    log_test_fill(t, 3);
    log_test_check(t, 500, 503, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_CASE(log_open__file_ends_inside_of_a_batch__tail_is_cut_and_kept),
        LOG_CASE(log_open__bad_checksum_above_the_recovery_point__is_cut_there),
        LOG_CASE(log_open__zeros_behind_the_end__are_cut_and_not_kept),
        LOG_CASE(log_open__torn_before_other_segments__those_are_set_aside),
        LOG_CASE(log_open__segment_missing_in_the_row__ends_before_it),
        LOG_CASE(log_open__bad_batch_below_the_recovery_point__is_damage_and_the_rest_serves),
        LOG_CASE(log_open__file_ends_below_the_recovery_point__offsets_are_not_given_again),
        LOG_CASE(log_open__bad_tail_after_a_clean_stop__is_damage),
        LOG_CASE(log_open__index_missing_short_or_zero__is_rebuilt),
        LOG_CASE(log_open__time_index_behind__newest_timestamp_is_found_again),
        LOG_CASE(log_open__leftovers__are_cleared),
        LOG_CASE(log_open__finished_compaction__takes_its_place),
        LOG_CASE(log_open__half_swapped_compaction__is_undone),
        LOG_CASE(log_open__newer_formats__are_refused_by_name),
        LOG_CASE(log_open__epoch_file_unreadable__epochs_come_from_the_batches),
        LOG_CASE(log_open__after_any_end__producers_are_known),
        LOG_CASE(log_open__recovery__shows_progress),
        LOG_CASE(log_open__start_beyond_the_end__begins_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
