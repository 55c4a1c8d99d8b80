/* Damage is named with file and byte, and repaired where it can be; garbage ends no program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include <cmocka.h>

#include "base/check.h"
#include "lib/rng.h"
#include "make_data.h"
#include "run_stele.h"

#define METADATA_SNAPSHOT "__cluster_metadata-0/00000000000000000005-0000000001.checkpoint"
#define FIRST_SEGMENT     "orders-0/00000000000000000000"
#define SECOND_SEGMENT    "orders-0/00000000000000000014"
#define LAST_SEGMENT      "orders-0/00000000000000000027"

static int make(void **state)
{
    struct data *data = malloc(sizeof *data);
    CHECK(data);
    data_make(data);
    *state = data;
    return 0;
}

static int drop(void **state)
{
    data_remove(*state);
    free(*state);
    return 0;
}

/* Runs; asserts the exit code and that stdout has the text. */
static void expect(const struct data *data, const char *arguments, int code, const char *text)
{
    struct output output = run_stele(data->dir.path, arguments);
    if (output.code != code || !strstr(output.text, text))
        fail_msg("stele %s: exit code %d, expected %d and \"%s\":\n%s%s", arguments, output.code,
                 code, text, output.text, output.talk);
    output_release(&output);
}

/* ---- log-verify ---- */

static void log_verify__flipped_bits__each_has_its_place(void **state)
{
    const struct data *data = *state;
    data_flip(data, FIRST_SEGMENT ".log", 500, 1);
    data_flip(data, FIRST_SEGMENT ".index", 2, 1);
    data_flip(data, SECOND_SEGMENT ".timeindex", 19, 2);
    data_flip(data, SECOND_SEGMENT ".txnindex", 9, 1);
    data_flip(data, LAST_SEGMENT ".snapshot", 60, 4);
    data_flip(data, "orders-0/leader-epoch-checkpoint", 4, 64);
    data_flip(data, "recovery-point-offset-checkpoint", 11, 0x20);
    data_flip(data, "meta.properties", 0, 1);
    assert_golden(data->dir.path, "log-verify orders-0", 1, "log-verify-damaged.txt");
    assert_golden(data->dir.path, "log-verify --format json orders-0", 1,
                  "log-verify-damaged.jsonl");
    expect(data, "log-verify .", 1, "DAMAGE  meta.properties");
    expect(data, "log-verify .", 1, "DAMAGE  recovery-point-offset-checkpoint  byte 4");
}

/* No flipped bit of a batch in the middle goes unnoticed, and the byte that is named is the batch's
 * first. */
static void log_verify__any_byte_of_a_batch__is_noticed(void **state)
{
    const struct data *data = *state;
    const long start = 462, size = 328;
    for (long at = 0; at < size; at += at < 61 ? 1 : 29) {
        data_flip(data, FIRST_SEGMENT ".log", start + at, 1);
        struct output output = run_stele(data->dir.path, "log-verify orders-0");
        if (output.code != 1 || !strstr(output.text, "DAMAGE  " FIRST_SEGMENT ".log  byte 4"))
            fail_msg("byte %ld of a batch: %d\n%s", at, output.code, output.text);
        output_release(&output);
        data_flip(data, FIRST_SEGMENT ".log", start + at, 1);
    }
    expect(data, "log-verify orders-0", 0, "clean: ");
}

static void log_verify__recovery__depends_on_how_it_stopped(void **state)
{
    const struct data *data = *state;
    static const char late[] = "0\n1\norders 0 33\n", early[] = "0\n1\norders 0 3\n";
    data_flip(data, FIRST_SEGMENT ".log", 500, 1);
    expect(data, "log-verify orders-0", 1, "recovery: the last stop was clean");
    data_unlink(data, ".kafka_cleanshutdown");
    data_write(data, "recovery-point-offset-checkpoint", late, sizeof late - 1);
    expect(data, "log-verify orders-0", 1,
           "recovery: offsets 5..7 (328 bytes) are marked as damaged and not served");
    data_write(data, "recovery-point-offset-checkpoint", early, sizeof early - 1);
    expect(data, "log-verify orders-0", 1,
           "recovery: cut here: the log ends at offset 5, 984 bytes and the segments that follow "
           "are kept in side files");
}

static void log_verify__cut_and_grown_files__are_told_apart(void **state)
{
    const struct data *data = *state;
    data_unlink(data, ".kafka_cleanshutdown");
    data_resize(data, LAST_SEGMENT ".log", -10);
    expect(data, "log-verify orders-0", 1,
           "byte 0 (585 bytes)  offset 27: batch is cut off by the end of the file");
    data_resize(data, LAST_SEGMENT ".log", 0);
    expect(data, "log-verify orders-0", 1,
           "log of orders-0 ends at offset 27, it was flushed up to 30");
    data_resize(data, SECOND_SEGMENT ".log", data_size(data, SECOND_SEGMENT ".log") + 100);
    expect(data, "log-verify orders-0", 1,
           "byte 1213 (100 bytes)  offset 27: nothing but zeros up to the end");
    data_resize(data, SECOND_SEGMENT ".log", -100);
    data_resize(data, SECOND_SEGMENT ".index", 20);
    expect(data, "log-verify orders-0", 1, SECOND_SEGMENT ".index  byte 16 (4 bytes): bytes at");
    data_resize(data, SECOND_SEGMENT ".index", 40);
    expect(data, "log-verify orders-0", 1, SECOND_SEGMENT ".index  byte 24 (16 bytes): zeros");
}

static void log_verify__missing_files__are_missed(void **state)
{
    const struct data *data = *state;
    data_unlink(data, SECOND_SEGMENT ".txnindex");
    data_unlink(data, FIRST_SEGMENT ".timeindex");
    expect(data, "log-verify orders-0", 1,
           "producer 7002 aborted what it wrote from offset 17 on; the transaction index does not "
           "know");
    expect(data, "log-verify orders-0", 1, FIRST_SEGMENT ".log: has no time index");
    expect(data, "log-verify nowhere", 3, "no damage in what could be read: 0 segments");
    expect(data, "log-verify __cluster_metadata-0", 0, "clean: ");
    data_resize(data, "__cluster_metadata-0/00000000000000000001-0000000001.checkpoint", 83);
    expect(data, "log-verify __cluster_metadata-0", 1, "it ends without a footer");
}

static void log_verify__index_alone__is_held_against_its_log(void **state)
{
    const struct data *data = *state;
    data_flip(data, FIRST_SEGMENT ".log", 500, 1);
    data_flip(data, FIRST_SEGMENT ".index", 11, 1);
    expect(data, "log-verify " FIRST_SEGMENT ".index", 1, "DAMAGED: 1 place in");
    expect(data, "log-verify " FIRST_SEGMENT ".timeindex", 0, "clean: ");
}

/* Somebody has summed up nonsense. */
static void log_verify__bad_records_with_a_right_checksum__are_found(void **state)
{
    const struct data *data = *state;
    data_flip(data, FIRST_SEGMENT ".log", 462 + 61, 2); /* the length of a record */
    data_seal(data, FIRST_SEGMENT ".log", 462);
    data_flip(data, FIRST_SEGMENT ".log", 790 + 22, 6); /* codec 6 */
    data_seal(data, FIRST_SEGMENT ".log", 790);
    data_flip(data, FIRST_SEGMENT ".log", 1118 + 42, 1); /* the newest time */
    data_seal(data, FIRST_SEGMENT ".log", 1118);
    assert_golden(data->dir.path, "log-verify " FIRST_SEGMENT ".log", 1, "log-verify-records.txt");
    expect(data, "log-verify --quick " FIRST_SEGMENT ".log", 0, "clean: ");
    expect(data, "log-dump --records " FIRST_SEGMENT ".log", 1, "  unknown  ");
}

/* ---- beside a broker ---- */

static int hold_lock(const struct data *data)
{
    char path[512];
    data_write(data, ".lock", "", 0);
    snprintf(path, sizeof path, "%s/.lock", data->dir.path);
    FILE *file = fopen(path, "r+");
    CHECK(file && flock(fileno(file), LOCK_EX | LOCK_NB) == 0);
    return fileno(file); /* until the program ends */
}

static void all__running_broker__partial_batch_is_being_written(void **state)
{
    const struct data *data = *state;
    data_unlink(data, ".kafka_cleanshutdown");
    data_resize(data, LAST_SEGMENT ".log", -10);
    hold_lock(data);
    expect(data, "log-verify " LAST_SEGMENT ".log", 0, "the broker is writing here");
    struct output output = run_stele(data->dir.path, "log-dump " LAST_SEGMENT ".log");
    assert_int_equal(output.code, 0);
    assert_non_null(strstr(output.talk, "585 bytes that are being written"));
    output_release(&output);
}

static void index_rebuild__running_broker__is_refused(void **state)
{
    const struct data *data = *state;
    data_flip(data, FIRST_SEGMENT ".index", 2, 1);
    hold_lock(data);
    struct output output = run_stele(data->dir.path, "index-rebuild orders-0");
    assert_int_equal(output.code, 4);
    assert_non_null(strstr(output.talk, "a broker has this data directory open"));
    assert_string_equal(output.text, "");
    output_release(&output);
    expect(data, "index-rebuild --dry-run orders-0", 0, "would change");
    expect(data, "log-verify orders-0", 1, FIRST_SEGMENT ".index  byte 0");
}

/* ---- index-rebuild ---- */

static void index_rebuild__every_index_damaged__is_as_before(void **state)
{
    const struct data *data = *state;
    data_write(data, ".lock", "", 0);
    data_flip(data, FIRST_SEGMENT ".index", 2, 1);
    data_resize(data, FIRST_SEGMENT ".timeindex", 5);
    data_unlink(data, SECOND_SEGMENT ".index");
    data_flip(data, SECOND_SEGMENT ".timeindex", 3, 8);
    data_unlink(data, SECOND_SEGMENT ".txnindex");
    data_resize(data, LAST_SEGMENT ".index", 800);
    expect(data, "index-rebuild --interval-bytes 200 --dry-run orders-0", 0, "would be made");
    expect(data, "log-verify orders-0", 1, "DAMAGED");
    assert_golden(data->dir.path, "index-rebuild --interval-bytes 200 orders-0", 0,
                  "index-rebuild-damaged.txt");
    expect(data, "log-verify orders-0", 0, "clean: ");
    assert_golden(data->dir.path, "index-inspect orders-0", 0, "index-inspect.txt");
    assert_golden(data->dir.path, "index-inspect --format json orders-0", 0, "index-inspect.jsonl");
}

static void index_rebuild__damaged_log__indexes_what_is_good(void **state)
{
    const struct data *data = *state;
    data_flip(data, FIRST_SEGMENT ".log", 500, 1);
    struct output output = run_stele(data->dir.path, "index-rebuild --interval-bytes 200 orders-0");
    assert_int_equal(output.code, 1);
    assert_non_null(strstr(output.talk, "byte 462: 328 bytes are no good batches"));
    output_release(&output);
    expect(data, "index-inspect " FIRST_SEGMENT ".index", 0, "the log agrees");
}

/* One segment alone: the snapshot beside it tells who was at work before. */
static void index_rebuild__segment_alone__needs_its_snapshot(void **state)
{
    const struct data *data = *state;
    data_unlink(data, SECOND_SEGMENT ".txnindex");
    expect(data, "index-rebuild --interval-bytes 200 " SECOND_SEGMENT ".log", 0,
           SECOND_SEGMENT ".txnindex");
    expect(data, "log-verify orders-0", 0, "clean: ");
    data_unlink(data, SECOND_SEGMENT ".txnindex");
    data_unlink(data, SECOND_SEGMENT ".snapshot");
    struct output output = run_stele(data->dir.path,
                                     "index-rebuild --interval-bytes 200 " SECOND_SEGMENT ".log");
    assert_int_equal(output.code, 0);
    assert_non_null(strstr(output.talk, "left as it is"));
    assert_null(strstr(output.text, "txnindex"));
    output_release(&output);
}

/* ---- log-dump ---- */

static void log_dump__damage__is_marked_and_ends_the_file(void **state)
{
    const struct data *data = *state;
    data_flip(data, FIRST_SEGMENT ".log", 500, 1);
    expect(data, "log-dump " FIRST_SEGMENT ".log", 1, "BAD");
    data_flip(data, FIRST_SEGMENT ".log", 462 + 16, 4);
    struct output output = run_stele(data->dir.path, "log-dump " FIRST_SEGMENT ".log");
    assert_int_equal(output.code, 1);
    assert_non_null(strstr(output.talk, "byte 462: no whole batch"));
    output_release(&output);
}

/* ---- anything ---- */

static const char *const commands[] = {
    "log-dump --records",
    "log-dump --records --format json",
    "index-inspect",
    "index-inspect --format json --lookup-time 1767268802001",
    "log-verify",
    "log-verify --format json",
    "index-rebuild --dry-run",
};

/* Whatever the bytes: an exit code of the list, and JSON stays JSON. */
static void run_all(const struct data *data, const char *path)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        char arguments[600];
        snprintf(arguments, sizeof arguments, "%s %s", commands[i], path);
        struct output output = run_stele(data->dir.path, arguments);
        if (output.code != 0 && output.code != 1 && output.code != 3)
            fail_msg("stele %s: %d\n%s", arguments, output.code, output.talk);
        if (strstr(commands[i], "json")) assert_json_lines(output.text);
        output_release(&output);
    }
}

static void all__random_bytes__end_no_program(void **state)
{
    const struct data *data = *state;
    static const char *const files[] = {
        FIRST_SEGMENT ".log",       FIRST_SEGMENT ".index",
        FIRST_SEGMENT ".timeindex", FIRST_SEGMENT ".txnindex",
        FIRST_SEGMENT ".snapshot",  "orders-0/leader-epoch-checkpoint",
        "orders-0/damage",          "orders-0/partition.metadata",
        "meta.properties",          "__cluster_metadata-0/quorum-state",
        METADATA_SNAPSHOT};
    struct rng rng = {1};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        uint8_t bytes[3000];
        for (size_t b = 0; b < sizeof bytes; b++) bytes[b] = (uint8_t)rng_next(&rng);
        data_write(data, files[i], bytes, rng_next(&rng) % sizeof bytes);
        run_all(data, files[i]);
    }
    run_all(data, ".");
}

/* Many bits at once, in files that were sound. */
static void all__riddled_files__end_no_program(void **state)
{
    static const char *const files[] = {FIRST_SEGMENT ".log",
                                        SECOND_SEGMENT ".log",
                                        SECOND_SEGMENT ".index",
                                        SECOND_SEGMENT ".timeindex",
                                        SECOND_SEGMENT ".txnindex",
                                        LAST_SEGMENT ".snapshot",
                                        "__consumer_offsets-0/00000000000000000000.log",
                                        "__cluster_metadata-0/00000000000000000000.log",
                                        "codecs-0/00000000000000000000.log"};
    struct rng rng = {2};
    for (int round = 0; round < 3; round++) {
        struct data data;
        data_make(&data);
        for (size_t i = 0; i < COUNT_OF(files); i++) {
            for (int n = 0; n < 3; n++)
                data_flip(&data, files[i],
                          (long)(rng_next(&rng) % (uint64_t)data_size(&data, files[i])),
                          (unsigned char)(1u << rng_next(&rng) % 8));
        }
        run_all(&data, ".");
        data_remove(&data);
    }
    (void)state;
}

static void all__wrong_arguments__are_usage(void **state)
{
    const struct data *data = *state;
    static const char *const wrong[] = {"log-dump",
                                        "log-dump --offset x orders-0",
                                        "log-dump --decoder foo orders-0",
                                        "log-verify --format xml orders-0",
                                        "index-inspect --lookup -5 orders-0",
                                        "index-inspect --lookup-time noon orders-0",
                                        "index-inspect --lookup 1 --lookup-time 1 orders-0",
                                        "index-rebuild"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) expect(data, wrong[i], 2, "");
    expect(data, "log-dump meta", 3, "");
    expect(data, "index-inspect meta.properties", 3, "");
}

static void all__reader_that_has_enough__is_no_error(void **state)
{
    const struct data *data = *state;
    static const char early[] =
        "sleep 0.3 | { \"$STELE\" log-dump --records orders-0; echo $? >&2; } "
        "| true";
    struct output output = run_script(data->dir.path, early);
    assert_string_equal(output.talk, "0\n");
    output_release(&output);
    output = run_script(data->dir.path, "\"$STELE\" log-dump orders-0 >/dev/full");
    assert_int_equal(output.code, 4);
    assert_non_null(strstr(output.talk, "stdout: No space left on device"));
    output_release(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(log_verify__flipped_bits__each_has_its_place, make, drop),
        cmocka_unit_test_setup_teardown(log_verify__any_byte_of_a_batch__is_noticed, make, drop),
        cmocka_unit_test_setup_teardown(log_verify__recovery__depends_on_how_it_stopped, make,
                                        drop),
        cmocka_unit_test_setup_teardown(log_verify__cut_and_grown_files__are_told_apart, make,
                                        drop),
        cmocka_unit_test_setup_teardown(log_verify__missing_files__are_missed, make, drop),
        cmocka_unit_test_setup_teardown(log_verify__index_alone__is_held_against_its_log, make,
                                        drop),
        cmocka_unit_test_setup_teardown(log_verify__bad_records_with_a_right_checksum__are_found,
                                        make, drop),
        cmocka_unit_test_setup_teardown(all__running_broker__partial_batch_is_being_written, make,
                                        drop),
        cmocka_unit_test_setup_teardown(index_rebuild__running_broker__is_refused, make, drop),
        cmocka_unit_test_setup_teardown(index_rebuild__every_index_damaged__is_as_before, make,
                                        drop),
        cmocka_unit_test_setup_teardown(index_rebuild__damaged_log__indexes_what_is_good, make,
                                        drop),
        cmocka_unit_test_setup_teardown(index_rebuild__segment_alone__needs_its_snapshot, make,
                                        drop),
        cmocka_unit_test_setup_teardown(log_dump__damage__is_marked_and_ends_the_file, make, drop),
        cmocka_unit_test_setup_teardown(all__random_bytes__end_no_program, make, drop),
        cmocka_unit_test(all__riddled_files__end_no_program),
        cmocka_unit_test_setup_teardown(all__wrong_arguments__are_usage, make, drop),
        cmocka_unit_test_setup_teardown(all__reader_that_has_enough__is_no_error, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
