/* What the offline commands say of a sound data directory, to the letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "make_data.h"
#include "run_stele.h"

static struct data data;

static int make(void **state)
{
    (void)state;
    data_make(&data);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    data_remove(&data);
    return 0;
}

static void golden(const char *arguments, const char *name)
{
    assert_golden(data.dir.path, arguments, 0, name);
}

static void log_dump__directory__a_line_each_batch(void **state)
{
    (void)state;
    golden("log-dump orders-0", "log-dump.txt");
    golden("log-dump --format json orders-0", "log-dump.jsonl");
}

static void log_dump__records__keys_values_headers_and_markers(void **state)
{
    (void)state;
    golden("log-dump --records orders-0", "log-dump-records.txt");
    golden("log-dump --records --format json orders-0", "log-dump-records.jsonl");
}

static void log_dump__limits__are_kept(void **state)
{
    (void)state;
    golden("log-dump --records --offset 3 --max 4 --value-bytes 10 orders-0",
           "log-dump-limits.txt");
}

static void log_dump__internal_topics__are_decoded(void **state)
{
    (void)state;
    golden("log-dump --records __consumer_offsets-0 __transaction_state-0 __cluster_metadata-0",
           "log-dump-internal.txt");
    golden("log-dump --records __cluster_metadata-0/*.checkpoint", "log-dump-snapshot.txt");
    golden("log-dump --records --format json __consumer_offsets-0 __transaction_state-0 "
           "__cluster_metadata-0",
           "log-dump-internal.jsonl");
}

static void log_dump__small_files__are_shown(void **state)
{
    (void)state;
    golden("log-dump orders-0/*.index orders-0/*.timeindex orders-0/*.txnindex orders-0/*.snapshot "
           "orders-0/leader-epoch-checkpoint orders-0/partition.metadata "
           "recovery-point-offset-checkpoint meta.properties",
           "log-dump-files.txt");
    golden("log-dump --format json orders-0/*.txnindex orders-0/*.snapshot "
           "orders-0/leader-epoch-checkpoint recovery-point-offset-checkpoint",
           "log-dump-files.jsonl");
}

static void log_dump__codecs__every_one_is_read(void **state)
{
    (void)state;
    struct output output = run_stele(data.dir.path, "log-dump --records --format json codecs-0");
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    assert_int_equal(output.code, 0);
    assert_json_lines(output.text);
    for (size_t i = 0; i < 5; i++) {
        char codec[64], key[64];
        snprintf(codec, sizeof codec, "\"codec\":\"%s\"", names[i]);
        snprintf(key, sizeof key, "\"key\":\"%s\",\"value\":\"the same value again\"", names[i]);
        assert_non_null(strstr(output.text, codec));
        assert_non_null(strstr(output.text, key));
    }
    output_release(&output);
}

static void index_inspect__directory__entries_and_what_they_point_to(void **state)
{
    (void)state;
    golden("index-inspect orders-0", "index-inspect.txt");
    golden("index-inspect --format json orders-0", "index-inspect.jsonl");
    golden("index-inspect --summary orders-0 __cluster_metadata-0", "index-inspect-summary.txt");
}

static void index_inspect__look_ups__show_the_way(void **state)
{
    (void)state;
    golden("index-inspect --lookup 13 orders-0", "index-lookup.txt");
    golden("index-inspect --lookup-time 2026-01-01T12:00:02.001Z --format json orders-0",
           "index-lookup-time.jsonl");
}

static void log_verify__sound_directory__is_clean(void **state)
{
    (void)state;
    golden("log-verify orders-0", "log-verify.txt");
    golden("log-verify --format json orders-0", "log-verify.jsonl");
    struct output output = run_stele(data.dir.path, "log-verify .");
    assert_int_equal(output.code, 0);
    assert_string_equal(output.talk, "");
    assert_non_null(strstr(output.text, "clean: "));
    assert_null(strstr(output.text, "note"));
    output_release(&output);
}

static void index_rebuild__sound_directory__changes_nothing(void **state)
{
    (void)state;
    golden("index-rebuild --interval-bytes 200 orders-0 __cluster_metadata-0", "index-rebuild.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_dump__directory__a_line_each_batch),
        cmocka_unit_test(log_dump__records__keys_values_headers_and_markers),
        cmocka_unit_test(log_dump__limits__are_kept),
        cmocka_unit_test(log_dump__internal_topics__are_decoded),
        cmocka_unit_test(log_dump__small_files__are_shown),
        cmocka_unit_test(log_dump__codecs__every_one_is_read),
        cmocka_unit_test(index_inspect__directory__entries_and_what_they_point_to),
        cmocka_unit_test(index_inspect__look_ups__show_the_way),
        cmocka_unit_test(log_verify__sound_directory__is_clean),
        cmocka_unit_test(index_rebuild__sound_directory__changes_nothing),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
