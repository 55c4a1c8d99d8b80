/* Markers byte by byte, and what is none. */
#include "golden_batches.h"
#include "record/builder.h"
#include "record/control.h"
#include "samples.h"
#include "test.h"

static const struct control_marker commit = {
    .is_commit = true,
    .producer_id = 4711,
    .producer_epoch = 3,
    .coordinator_epoch = 0x01020304,
    .offset = 1000,
    .leader_epoch = 6,
    .timestamp = SAMPLE_TIME,
};

static void control_marker_build__commit__these_bytes(void **state)
{
    (void)state;
    static const uint8_t record[] = {0x20, 0, 0, 0,          /* length 16, attributes, deltas */
                                     0x08, 0, 0, 0, 1,       /* key: version 0, COMMIT */
                                     0x0c, 0, 0, 1, 2, 3, 4, /* value: version 0, epoch */
                                     0};                     /* headers */
    uint8_t batch[CONTROL_MARKER_BATCH_SIZE];
    control_marker_build(&commit, batch);
    assert_int_equal(sizeof record, CONTROL_MARKER_BATCH_SIZE - BATCH_HEADER_SIZE);
    assert_memory_equal(batch + BATCH_HEADER_SIZE, record, sizeof record);
    struct batch_header h;
    struct view view = view_of(batch, sizeof batch);
    assert_ok(batch_header_parse(view, &h));
    assert_ok(batch_check_crc(view));
    assert_int_equal(h.size_bytes, sizeof batch);
    assert_int_equal(h.attributes, 0x30);
    assert_int_equal(h.base_offset, 1000);
    assert_int_equal(h.leader_epoch, 6);
    assert_int_equal(h.producer_id, 4711);
    assert_int_equal(h.producer_epoch, 3);
    assert_int_equal(h.base_sequence, NO_SEQUENCE);
    assert_int_equal(h.base_timestamp, SAMPLE_TIME);
    assert_int_equal(h.max_timestamp, SAMPLE_TIME);
    assert_int_equal(h.record_count, 1);
    assert_int_equal(h.last_offset_delta, 0);
}

static void control_marker_parse__both_kinds__read_back(void **state)
{
    (void)state;
    for (int is_commit = 0; is_commit < 2; is_commit++) {
        struct control_marker in = commit, out;
        uint8_t batch[CONTROL_MARKER_BATCH_SIZE];
        in.is_commit = is_commit;
        control_marker_build(&in, batch);
        assert_ok(control_marker_parse(view_of(batch, sizeof batch), &out));
        assert_int_equal(out.is_commit, is_commit);
        assert_int_equal(out.producer_id, 4711);
        assert_int_equal(out.producer_epoch, 3);
        assert_int_equal(out.coordinator_epoch, 0x01020304);
        assert_int_equal(out.offset, 1000);
        assert_int_equal(out.leader_epoch, 6);
        assert_int_equal(out.timestamp, SAMPLE_TIME);
    }
}

static err_t parse_control(struct view key, struct view value, struct control_marker *out)
{
    struct batch_options options = batch_options_default();
    options.is_control = true;
    struct batch_builder b;
    struct view batch;
    assert_ok(batch_builder_init(&b, &options));
    assert_ok(batch_builder_append(&b, &(struct record){.offset = -1, .key = key, .value = value}));
    assert_ok(batch_builder_finish(&b, &batch));
    err_t err = control_marker_parse(batch, out);
    batch_builder_release(&b);
    return err;
}

static void control_marker_parse__other_records__refused(void **state)
{
    (void)state;
    struct control_marker out;
    struct view epoch = view_of("\0\0\0\0\0\x05", 6);
    assert_ok(parse_control(view_of("\0\0\0\0", 4), epoch, &out));
    assert_false(out.is_commit);
    assert_int_equal(out.coordinator_epoch, 5);
    assert_ok(
        parse_control(view_of("\0\x01\0\x01more", 8), view_of("\0\x01\0\0\0\x05more", 10), &out));
    assert_err(parse_control(view_of("\0\0\0\x02", 4), epoch, &out), ERR_NOT_FOUND);
    assert_err(parse_control(view_of("\0\0\0\x77", 4), epoch, &out), ERR_NOT_FOUND);
    assert_err(parse_control(view_of("\0\0\0", 3), epoch, &out), ERR_CORRUPT);
    assert_err(parse_control((struct view){0}, epoch, &out), ERR_CORRUPT);
    assert_err(parse_control(view_of("\xff\xff\0\0", 4), epoch, &out), ERR_CORRUPT);
    assert_err(parse_control(view_of("\0\0\0\0", 4), view_of("\0\0\0\0\0", 5), &out), ERR_CORRUPT);
    assert_err(parse_control(view_of("\0\0\0\0", 4), (struct view){0}, &out), ERR_CORRUPT);
    struct view data = view_of(librdkafka_none, sizeof librdkafka_none);
    assert_err(control_marker_parse(data, &out), ERR_NOT_FOUND);
    assert_err(control_marker_parse(view_of(data.data, 70), &out), ERR_SHORT);
}

static void control_key_parse__every_type__its_number(void **state)
{
    (void)state;
    static const char *const names[] = {"abort",           "commit",          "leader-change",
                                        "snapshot-header", "snapshot-footer", "kraft-version",
                                        "kraft-voters"};
    uint8_t key[CONTROL_KEY_SIZE];
    enum control_type type;
    for (int i = 0; i <= CONTROL_KRAFT_VOTERS; i++) {
        control_key_put(key, (enum control_type)i);
        uint8_t want[] = {0, 0, 0, (uint8_t)i};
        assert_memory_equal(key, want, 4);
        assert_ok(control_key_parse(view_of(key, 4), &type));
        assert_int_equal(type, i);
        assert_string_equal(control_type_name(type), names[i]);
    }
    key[3] = 7;
    assert_ok(control_key_parse(view_of(key, 4), &type));
    assert_int_equal(type, CONTROL_UNKNOWN);
    key[2] = 0x80;
    assert_ok(control_key_parse(view_of(key, 4), &type));
    assert_int_equal(type, CONTROL_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_marker_build__commit__these_bytes),
        cmocka_unit_test(control_marker_parse__both_kinds__read_back),
        cmocka_unit_test(control_marker_parse__other_records__refused),
        cmocka_unit_test(control_key_parse__every_type__its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
