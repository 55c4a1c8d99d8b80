/* Shrinking from the front: retention, the delay before files go, and a log that goes as a whole.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/log_test.h"

static int retire(struct log_test *t, time_ms_t now, koffset_t limit)
{
    int dropped = -1;
    assert_int_equal(log_apply_retention(t->f.log, now, limit, &dropped), OK);
    return dropped;
}

/* Ten segments of ten batches; batch `o` is of the time 1000 + 10 o. */
static void make_ten(struct log_test *t)
{
    log_test_open(t);
    for (int i = 0; i < 10; i++) {
        log_test_fill(t, 10);
        if (i < 9) assert_int_equal(log_roll(t->f.log), OK);
    }
}

static void log_apply_retention__no_bounds__nothing_goes(void **state)
{
    struct log_test *t = *state;
    make_ten(t);
    assert_int_equal(retire(t, INT64_MAX / 2, 100), 0);
}

static void log_apply_retention__by_time__segments_whose_newest_is_too_old(void **state)
{
    struct log_test *t = *state;
    t->config->retention_ms = 1000;
    make_ten(t);
    assert_int_equal(retire(t, 1000 + 290 + 1000, 100), 2); /* the third one's newest is 1290 */
    assert_int_equal(log_offsets(t->f.log).start, 20);
    assert_int_equal(retire(t, 1000 + 290 + 1001, 100), 1);
    assert_int_equal(log_offsets(t->f.log).start, 30);
    log_test_check(t, 30, 100, 1000);
}

static void log_apply_retention__all_expired__active_segment_is_rolled_and_goes(void **state)
{
    struct log_test *t = *state;
    t->config->retention_ms = 1000;
    make_ten(t);
    assert_int_equal(retire(t, 1000000, 100), 10);
    struct log_offsets o = log_offsets(t->f.log);
    assert_int_equal(o.start, 100);
    assert_int_equal(o.end, 100);
    assert_int_equal(o.size_bytes, 0);
    log_test_fill(t, 3);
    log_test_check(t, 100, 103, 1000);
    assert_int_equal(retire(t, 1000, 103), 0);
}

static void log_apply_retention__by_size__what_is_left_is_at_least_that(void **state)
{
    struct log_test *t = *state;
    make_ten(t);
    int64_t segment = log_offsets(t->f.log).size_bytes / 10;
    t->config->retention_bytes = 7 * segment + 1;
    log_set_config(t->f.log, t->config);
    assert_int_equal(retire(t, 0, 100), 2);
    t->config->retention_bytes = 7 * segment;
    log_set_config(t->f.log, t->config);
    assert_int_equal(retire(t, 0, 100), 1);
    assert_int_equal(log_offsets(t->f.log).size_bytes, 7 * segment);
}

static void log_apply_retention__topic_that_is_only_compacted__start_offset_alone_counts(
    void **state)
{
    struct log_test *t = *state;
    t->config->is_deleted = false;
    t->config->is_compacted = true;
    t->config->retention_ms = 0;
    t->config->retention_bytes = 0;
    make_ten(t);
    assert_int_equal(retire(t, 1000000, 100), 0);
    assert_int_equal(log_advance_start(t->f.log, 25), OK);
    assert_int_equal(retire(t, 1000000, 100), 2);
    assert_int_equal(log_offsets(t->f.log).start, 25);
    log_test_check(t, 25, 100, 1000);
}

static void log_apply_retention__limit__is_never_passed(void **state)
{
    struct log_test *t = *state;
    t->config->retention_ms = 0;
    make_ten(t);
    assert_int_equal(retire(t, 1000000, 39), 3);
    assert_int_equal(retire(t, 1000000, 40), 1);
}

static void log_reap__before_the_delay_is_over__waits(void **state)
{
    struct log_test *t = *state;
    time_ms_t next;
    t->config->file_delete_delay_ms = 500;
    make_ten(t);
    assert_int_equal(log_advance_start(t->f.log, 10), OK);
    assert_int_equal(retire(t, 5000, 100), 1);
    assert_true(log_test_size(t, "00000000000000000000.log.deleted") > 0);
    assert_int_equal(log_reap(t->f.log, 5499, &next), OK);
    assert_int_equal(next, 5500);
    assert_true(log_test_size(t, "00000000000000000000.log.deleted") > 0);
    assert_int_equal(log_reap(t->f.log, 5500, &next), OK);
    assert_int_equal(next, -1);
    assert_int_equal(log_test_size(t, "00000000000000000000.log.deleted"), -1);
    assert_int_equal(log_test_size(t, "00000000000000000000.index.deleted"), -1);
}

static void log_reap__unlink_fails__is_tried_again(void **state)
{
    struct log_test *t = *state;
    time_ms_t next;
    t->config->file_delete_delay_ms = 0;
    make_ten(t);
    assert_int_equal(log_advance_start(t->f.log, 10), OK);
    assert_int_equal(retire(t, 5000, 100), 1);
    log_test_fail(t, OS_CALL_BIT(OS_CALL_UNLINK), 1, EIO);
    assert_int_equal(log_reap(t->f.log, 5000, &next), ERR_IO);
    assert_true(next > 5000);
    assert_int_equal(log_reap(t->f.log, next, &next), OK);
    assert_int_equal(log_test_size(t, "00000000000000000000.log.deleted"), -1);
}

static void log_apply_retention__rename_fails__nothing_later_goes_before_it(void **state)
{
    struct log_test *t = *state;
    int dropped;
    make_ten(t);
    assert_int_equal(log_advance_start(t->f.log, 50), OK);
    log_test_fail(t, OS_CALL_BIT(OS_CALL_RENAME), 1, EIO);
    assert_int_equal(log_apply_retention(t->f.log, 0, 100, &dropped), ERR_IO);
    assert_true(log_test_size(t, "00000000000000000010.log") > 0);
    log_test_check(t, 50, 100, 1000);
    t->f.options.start_offset = 50;
    log_test_crash(t, 100);
    assert_int_equal(log_offsets(t->f.log).start, 50);
    log_test_check(t, 50, 100, 1000);
    assert_int_equal(retire(t, 0, 100), 5);
}

static void log_delete__directory_is_gone_and_name_is_free(void **state)
{
    struct log_test *t = *state;
    struct os_stat st;
    make_ten(t);
    assert_int_equal(log_delete(t->f.log), OK);
    t->f.log = NULL;
    assert_int_equal(os_real()->stat(os_real(), t->f.path, &st), -ENOENT);
    log_test_open(t);
    assert_int_equal(log_offsets(t->f.log).end, 0);
    log_test_fill(t, 3);
}

struct names {
    int count;
    char last[300];
};
static void note_name(void *arg, const char *name)
{
    struct names *names = arg;
    names->count++;
    snprintf(names->last, sizeof names->last, "%s", name);
}

static void log_delete__files_cannot_go__directory_has_kafkas_name_for_it(void **state)
{
    struct log_test *t = *state;
    struct names names = {0};
    char topic[250];
    memset(topic, 'a', 249);
    topic[249] = 0;
    snprintf(t->f.path, sizeof t->f.path, "%s/x", t->dir.path); /* room is short in the fixture */
    char path[512];
    snprintf(path, sizeof path, "%s/%s-3", t->dir.path, topic);
    t->f.options.path = path;
    log_test_open(t);
    log_test_fail(t, OS_CALL_BIT(OS_CALL_UNLINK), 1, EIO);
    assert_int_equal(log_delete(t->f.log), ERR_IO);
    t->f.log = NULL;
    assert_int_equal(os_real()->list(os_real(), t->dir.path, note_name, &names), 0);
    assert_int_equal(names.count, 1);
    size_t len = strlen(names.last);
    assert_true(len <= 255);
    assert_string_equal(names.last + len - 7, "-delete");
    assert_non_null(strstr(names.last, "-3."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_CASE(log_apply_retention__no_bounds__nothing_goes),
        LOG_CASE(log_apply_retention__by_time__segments_whose_newest_is_too_old),
        LOG_CASE(log_apply_retention__all_expired__active_segment_is_rolled_and_goes),
        LOG_CASE(log_apply_retention__by_size__what_is_left_is_at_least_that),
        LOG_CASE(log_apply_retention__topic_that_is_only_compacted__start_offset_alone_counts),
        LOG_CASE(log_apply_retention__limit__is_never_passed),
        LOG_CASE(log_reap__before_the_delay_is_over__waits),
        LOG_CASE(log_reap__unlink_fails__is_tried_again),
        LOG_CASE(log_apply_retention__rename_fails__nothing_later_goes_before_it),
        LOG_CASE(log_delete__directory_is_gone_and_name_is_free),
        LOG_CASE(log_delete__files_cannot_go__directory_has_kafkas_name_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
