/* The table: following the metadata, finding, restarting, background work. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"

static int setup(void **state)
{
    *state = fixture_new(1);
    return 0;
}

static int setup_two_dirs(void **state)
{
    *state = fixture_new(2);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static bool has_dir(struct fixture *f, int dir, const char *name)
{
    char path[400];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", log_dir_path(f->dirs[dir]), name);
    return stat(path, &st) == 0;
}

static bool is_here(struct fixture *f, const char *topic, int32_t index)
{
    struct partition *p = partition_table_find(f->table, view_str(topic), index);
    partition_unref(p);
    return p != NULL;
}

static koffset_t end_of(struct fixture *f, const char *topic, int32_t index)
{
    struct partition *p = fixture_find(f, topic, index);
    koffset_t end = partition_describe(p).log.end;
    partition_unref(p);
    return end;
}

static void append_to(struct fixture *f, const char *topic, int32_t index, int records)
{
    struct partition *p = fixture_find(f, topic, index);
    assert_int_equal(append_one(p, records), OK);
    partition_unref(p);
}

/* ---- create, find, grow ---- */

static void apply__new_topic__is_found_by_name_and_id(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "orders", 1, 3);
    fixture_apply(f);
    assert_int_equal(partition_table_count(f->table), 3);
    struct partition *p = partition_table_find_by_id(f->table, fixture_id(1), 2);
    assert_non_null(p);
    assert_string_equal(partition_topic(p), "orders");
    assert_int_equal(partition_index(p), 2);
    assert_true(partition_describe(p).is_leader);
    assert_true(uuid_eq(log_topic_id(partition_log(p)), fixture_id(1)));
    assert_ptr_equal(partition_table_dir(f->table, p), f->dirs[0]);
    partition_unref(p);
    assert_false(is_here(f, "orders", 3));
    assert_false(is_here(f, "orders", -1));
    assert_false(is_here(f, "order", 0));
    assert_true(has_dir(f, 0, "orders-2"));
}

static void apply__partition_of_another_node__is_not_here(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "t", 1, 1);
    fixture_add_partition(f, 1, 1, FIXTURE_NODE + 1);
    fixture_apply(f);
    assert_true(is_here(f, "t", 0));
    assert_false(is_here(f, "t", 1));
    assert_int_equal(partition_table_count(f->table), 1);
}

static void apply__topic_grows__old_partitions_stay(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "t", 1, 1);
    fixture_apply(f);
    append_to(f, "t", 0, 4);
    fixture_add_partition(f, 1, 1, FIXTURE_NODE);
    fixture_apply(f);
    assert_int_equal(end_of(f, "t", 0), 4);
    append_to(f, "t", 1, 1);
}

static void apply__two_directories__are_filled_evenly(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "t", 1, 10);
    fixture_apply(f);
    int counts[2] = {0};
    for (int32_t i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "t-%d", i);
        counts[0] += has_dir(f, 0, name);
        counts[1] += has_dir(f, 1, name);
    }
    assert_int_equal(counts[0], 5);
    assert_int_equal(counts[1], 5);
    for (int32_t i = 0; i < 10; i++) append_to(f, "t", i, i + 1);
    fixture_restart(f, true);
    for (int32_t i = 0; i < 10; i++) assert_int_equal(end_of(f, "t", i), i + 1);
}

static void apply__setting_altered__reaches_the_log(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "t", 1, 1);
    fixture_apply(f);
    fixture_set_config(f, "t", "segment.bytes", "2000000");
    fixture_set_config(f, "t", "max.message.bytes", "777");
    fixture_apply(f);
    struct partition *p = fixture_find(f, "t", 0);
    assert_int_equal(log_get_config(partition_log(p)).segment_bytes, 2000000);
    assert_int_equal(partition_config(p).max_message_bytes, 777);
    partition_unref(p);
}

/* ---- delete ---- */

static void apply__topic_removed__its_files_are_gone(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "t", 1, 2);
    fixture_apply(f);
    append_to(f, "t", 0, 1);
    fixture_remove_topic(f, 1);
    fixture_apply(f);
    assert_false(is_here(f, "t", 0));
    assert_null(partition_table_find_by_id(f->table, fixture_id(1), 0));
    assert_false(has_dir(f, 0, "t-0"));
    assert_false(has_dir(f, 0, "t-1"));
    assert_int_equal(partition_table_count(f->table), 0);
}

static void apply__topic_made_again__starts_empty(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "t", 1, 1);
    fixture_apply(f);
    append_to(f, "t", 0, 9);
    fixture_remove_topic(f, 1);
    fixture_apply(f);
    fixture_add_topic(f, "t", 2, 1);
    fixture_apply(f);
    assert_int_equal(end_of(f, "t", 0), 0);
    append_to(f, "t", 0, 1);
    fixture_restart(f, true);
    assert_int_equal(end_of(f, "t", 0), 1);
}

static koffset_t start_of(struct fixture *f, const char *topic, int32_t index)
{
    struct partition *p = fixture_find(f, topic, index);
    koffset_t start = partition_describe(p).log.start;
    partition_unref(p);
    return start;
}

static void delete_below(struct fixture *f, const char *topic, koffset_t offset)
{
    struct partition *p = fixture_find(f, topic, 0);
    koffset_t start;
    assert_int_equal(partition_delete_records(p, offset, &start), OK);
    partition_unref(p);
}

/* The checkpoints on disk speak of the old topic's offsets. */
static void make_again_over_old_checkpoints(struct fixture *f)
{
    fixture_add_topic(f, "t", 1, 1);
    fixture_apply(f);
    append_to(f, "t", 0, 50);
    append_to(f, "t", 0, 50);
    delete_below(f, "t", 50);
    fixture_restart(f, true);
    assert_int_equal(start_of(f, "t", 0), 50);
    fixture_remove_topic(f, 1);
    fixture_apply(f);
}

static void apply__topic_made_again_then_crash__is_not_judged_by_old_checkpoints(void **state)
{
    struct fixture *f = *state;
    make_again_over_old_checkpoints(f);
    fixture_add_topic(f, "t", 2, 1);
    fixture_apply(f);
    append_to(f, "t", 0, 3);
    fixture_restart(f, false);
    assert_int_equal(end_of(f, "t", 0), 3);
    assert_int_equal(start_of(f, "t", 0), 0);
}

static void apply__crash_between_delete_and_made_again__old_checkpoints_do_not_count(void **state)
{
    struct fixture *f = *state;
    make_again_over_old_checkpoints(f);
    fixture_restart(f, false);
    fixture_add_topic(f, "t", 2, 1);
    fixture_apply(f);
    append_to(f, "t", 0, 3);
    fixture_restart(f, false);
    assert_int_equal(end_of(f, "t", 0), 3);
    assert_int_equal(start_of(f, "t", 0), 0);
}

static void delete_records__restart__start_stays(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "t", 1, 1);
    fixture_apply(f);
    append_to(f, "t", 0, 5);
    append_to(f, "t", 0, 5);
    delete_below(f, "t", 7);
    worker_drain(f->housekeepers);
    fixture_restart(f, false);
    assert_int_equal(start_of(f, "t", 0), 7);
    assert_int_equal(end_of(f, "t", 0), 10);
    delete_below(f, "t", 9);
    fixture_restart(f, true);
    assert_int_equal(start_of(f, "t", 0), 9);
}

struct slow_reader {
    struct partition *p;
    bool was_asked;
};

static void *hold_for_a_while(void *arg)
{
    struct slow_reader *reader = arg;
    usleep(50000);
    reader->was_asked = append_one(reader->p, 1) == ERR_NOT_LEADER;
    partition_unref(reader->p);
    return NULL;
}

static void apply__topic_removed_while_held__waits_for_the_holder(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "t", 1, 1);
    fixture_apply(f);
    struct slow_reader reader = {.p = fixture_find(f, "t", 0)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hold_for_a_while, &reader), 0);
    fixture_remove_topic(f, 1);
    fixture_apply(f);
    pthread_join(thread, NULL);
    assert_true(reader.was_asked);
}

static void apply__topic_removed_with_unflushed_writes__they_are_refused(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "t", 1, 1);
    fixture_set_config(f, "t", "durability", "fsync");
    fixture_apply(f);
    struct partition *p = fixture_find(f, "t", 0);
    struct test_write w[30];
    for (int i = 0; i < 30; i++) {
        test_write_init(&w[i], 1, 10);
        test_write_append(p, &w[i], 1);
    }
    partition_unref(p);
    fixture_remove_topic(f, 1);
    fixture_apply(f);
    for (int i = 0; i < 30; i++) {
        test_write_wait(&w[i]);
        err_t err = w[i].write.batch.err;
        assert_true(err == OK || err == ERR_NOT_LEADER);
        test_write_release(&w[i]);
    }
}

/* ---- restart ---- */

static void restart__clean__logs_are_as_they_were(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "a", 1, 2);
    fixture_add_topic(f, "b", 2, 1);
    fixture_apply(f);
    append_to(f, "a", 1, 5);
    append_to(f, "b", 0, 7);
    fixture_restart(f, true);
    assert_true(log_dir_was_clean(f->dirs[0]));
    assert_int_equal(end_of(f, "a", 0), 0);
    assert_int_equal(end_of(f, "a", 1), 5);
    assert_int_equal(end_of(f, "b", 0), 7);
    append_to(f, "b", 0, 1);
}

static void restart__killed__everything_written_is_there(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "a", 1, 3);
    fixture_apply(f);
    for (int32_t i = 0; i < 3; i++) append_to(f, "a", i, 10 + i);
    fixture_restart(f, false);
    assert_false(log_dir_was_clean(f->dirs[0]));
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(end_of(f, "a", i), 10 + i);
        append_to(f, "a", i, 1);
    }
}

static void restart__deleted_directory_left_behind__is_removed(void **state)
{
    struct fixture *f = *state;
    char path[400], file[440];
    const char *name = "t-0.0123456789abcdef0123456789abcdef-delete";
    snprintf(path, sizeof path, "%s/%s", log_dir_path(f->dirs[0]), name);
    assert_int_equal(mkdir(path, 0750), 0);
    snprintf(file, sizeof file, "%s/00000000000000000000.log", path);
    FILE *made = fopen(file, "w");
    assert_non_null(made);
    fclose(made);
    fixture_restart(f, true);
    worker_drain(f->housekeepers);
    assert_false(has_dir(f, 0, name));
}

struct heard {
    int strays;
    bool has_name;
};

static void hear(void *arg, enum diag_level level, const char *line)
{
    struct heard *heard = arg;
    if (level != DIAG_WARN || !strstr(line, "left alone")) return;
    heard->strays++;
    heard->has_name |= strstr(line, "forgotten-3") != NULL;
}

static void restart__unknown_directory__is_left_alone_with_one_warning(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    char path[400];
    snprintf(path, sizeof path, "%s/forgotten-3", log_dir_path(f->dirs[0]));
    assert_int_equal(mkdir(path, 0750), 0);
    diag_set_sink(hear, &heard);
    fixture_restart(f, true);
    diag_set_sink(NULL, NULL);
    assert_int_equal(heard.strays, 1);
    assert_true(heard.has_name);
    assert_true(has_dir(f, 0, "forgotten-3"));
}

static void apply__directory_of_another_topic_id__is_put_aside(void **state)
{
    struct fixture *f = *state;
    fixture_add_topic(f, "t", 1, 1);
    fixture_apply(f);
    append_to(f, "t", 0, 6);
    /* The metadata forgets the topic, as when another log of it was put in place. */
    image_unref(f->image);
    f->image = image_new_empty();
    f->offset = 0;
    fixture_restart(f, true);
    fixture_add_topic(f, "t", 9, 1);
    fixture_apply(f);
    assert_int_equal(end_of(f, "t", 0), 0);
    append_to(f, "t", 0, 1);
    char find[400];
    snprintf(find, sizeof find, "ls %s | grep -c -- '^t-0\\.[0-9a-f]*-stray$' >/dev/null",
             log_dir_path(f->dirs[0]));
    assert_int_equal(system(find), 0);
}

/* ---- background work ---- */

static bool eventually(bool (*is_so)(struct fixture *f), struct fixture *f)
{
    for (int i = 0; i < 500; i++) {
        if (is_so(f)) return true;
        usleep(10000);
    }
    return false;
}

static bool is_flushed(struct fixture *f)
{
    struct partition *p = fixture_find(f, "t", 0);
    struct partition_view view = partition_describe(p);
    partition_unref(p);
    return view.log.flushed == view.log.end;
}

static bool has_recovery_point(struct fixture *f)
{
    char line[400];
    snprintf(line, sizeof line, "grep -qx 't 0 8' %s/recovery-point-offset-checkpoint 2>/dev/null",
             log_dir_path(f->dirs[0]));
    return system(line) == 0;
}

static void housekeeping__dirty_log__is_flushed_and_noted(void **state)
{
    struct fixture *f = *state;
    f->options.flush_interval_ms = 20;
    f->options.checkpoint_interval_ms = 20;
    fixture_restart(f, true);
    fixture_add_topic(f, "t", 1, 1);
    fixture_apply(f);
    append_to(f, "t", 0, 8);
    assert_true(eventually(is_flushed, f));
    assert_true(eventually(has_recovery_point, f));
}

static bool start_has_moved(struct fixture *f)
{
    struct partition *p = fixture_find(f, "t", 0);
    struct partition_view view = partition_describe(p);
    partition_unref(p);
    return view.log.start > 0;
}

static void housekeeping__retention_by_size__drops_old_segments(void **state)
{
    struct fixture *f = *state;
    f->options.retention_check_ms = 20;
    fixture_restart(f, true);
    fixture_add_topic(f, "t", 1, 1);
    fixture_set_config(f, "t", "segment.bytes", "1048576");
    fixture_set_config(f, "t", "retention.bytes", "1500000");
    fixture_apply(f);
    struct partition *p = fixture_find(f, "t", 0);
    for (int i = 0; i < 200; i++) {
        struct test_write w;
        test_write_init(&w, 1, 20000);
        test_write_append(p, &w, 1);
        test_write_wait(&w);
        assert_int_equal(w.write.batch.err, OK);
        test_write_release(&w);
    }
    partition_unref(p);
    assert_true(eventually(start_has_moved, f));
}

static void housekeeping__little_space__appends_are_refused(void **state)
{
    struct fixture *f = *state;
    f->options.low_space_bytes = INT64_MAX;
    fixture_restart(f, true);
    fixture_add_topic(f, "t", 1, 1);
    fixture_apply(f);
    struct partition *p = fixture_find(f, "t", 0);
    assert_int_equal(append_one(p, 1), ERR_NOSPACE);
    assert_int_equal(partition_describe(p).log.end, 0);
    partition_unref(p);
}

#define CASE(name)     cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CASE_TWO(name) cmocka_unit_test_setup_teardown(name, setup_two_dirs, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(apply__new_topic__is_found_by_name_and_id),
        CASE(apply__partition_of_another_node__is_not_here),
        CASE(apply__topic_grows__old_partitions_stay),
        CASE_TWO(apply__two_directories__are_filled_evenly),
        CASE(apply__setting_altered__reaches_the_log),
        CASE(apply__topic_removed__its_files_are_gone),
        CASE(apply__topic_made_again__starts_empty),
        CASE(apply__topic_made_again_then_crash__is_not_judged_by_old_checkpoints),
        CASE(apply__crash_between_delete_and_made_again__old_checkpoints_do_not_count),
        CASE(delete_records__restart__start_stays),
        CASE(apply__topic_removed_while_held__waits_for_the_holder),
        CASE(apply__topic_removed_with_unflushed_writes__they_are_refused),
        CASE(restart__clean__logs_are_as_they_were),
        CASE(restart__killed__everything_written_is_there),
        CASE(restart__deleted_directory_left_behind__is_removed),
        CASE(restart__unknown_directory__is_left_alone_with_one_warning),
        CASE(apply__directory_of_another_topic_id__is_put_aside),
        CASE(housekeeping__dirty_log__is_flushed_and_noted),
        CASE(housekeeping__retention_by_size__drops_old_segments),
        CASE(housekeeping__little_space__appends_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
