/* Types of records by set and id, and the framing of metadata and control records on disk. */
#include "wire.h"

#include "base/arena.h"
#include "protocol/codec.h"
#include "protocol/records.h"

static void find__types_of_the_sets__are_theirs(void **state)
{
    (void)state;
    assert_ptr_equal(record_find(RECORD_SET_METADATA, RECORD_ID_TOPIC_RECORD),
                     &topic_record_message);
    assert_ptr_equal(record_find(RECORD_SET_METADATA, 12), &feature_level_record_message);
    assert_null(record_find(RECORD_SET_METADATA, 6));
    assert_null(record_find(RECORD_SET_METADATA, -1));
    assert_null(record_find(RECORD_SET_METADATA, 100000));
    assert_ptr_equal(record_find(RECORD_SET_OFFSETS_KEY, 0), &offset_commit_key_message);
    assert_ptr_equal(record_find(RECORD_SET_OFFSETS_KEY, 1), &offset_commit_key_message);
    assert_ptr_equal(record_find(RECORD_SET_OFFSETS_VALUE, 1), &offset_commit_value_message);
    assert_ptr_equal(record_find(RECORD_SET_OFFSETS_VALUE, 2), &group_metadata_value_message);
    /* An abort and a commit have the same value. */
    assert_ptr_equal(record_find(RECORD_SET_CONTROL, 0), &end_txn_marker_message);
    assert_ptr_equal(record_find(RECORD_SET_CONTROL, 1), &end_txn_marker_message);
    assert_ptr_equal(record_find(RECORD_SET_CONTROL, RECORD_ID_VOTERS_RECORD),
                     &voters_record_message);
}

/* A key of the offsets topic is read with the version it begins with. */
static void find__keys_of_offsets__have_their_id_as_version(void **state)
{
    (void)state;
    size_t count;
    const struct record_type *all = record_all(&count);
    for (size_t i = 0; i < count; i++) {
        if (all[i].set != RECORD_SET_OFFSETS_KEY) continue;
        assert_int_equal(all[i].message->version_min, all[i].id_min);
        assert_int_equal(all[i].message->version_max, all[i].id_max);
        assert_non_null(record_find(RECORD_SET_OFFSETS_VALUE, all[i].id_max));
    }
}

static void frame__metadata_record__as_on_disk(void **state)
{
    (void)state;
    struct buf out = {0}, input = {0};
    struct arena arena = {0};
    struct topic_record in;
    CODEC_DEFAULT(topic_record, &in);
    in.name = view_str("t");
    in.topic_id.bytes[15] = 7;
    static const char *const WIRE = "01 02 00 02 't' 00000000000000000000000000000007 00";
    assert_int_equal(record_frame_encode(RECORD_ID_TOPIC_RECORD, 0, &out), OK);
    assert_int_equal(codec_encode(&topic_record_message, 0, &in, &out, NULL), OK);
    assert_wire_equal(buf_view(&out), WIRE);
    uint32_t id, version;
    struct reader r = reader_of(wire_bytes(&input, WIRE));
    assert_int_equal(record_frame_decode(&r, &id, &version), OK);
    assert_int_equal(id, RECORD_ID_TOPIC_RECORD);
    assert_int_equal(version, 0);
    struct topic_record back;
    assert_int_equal(codec_decode(&topic_record_message, 0, &r, &arena, &back), OK);
    assert_view_str(back.name, "t");
    buf_release(&out);
    buf_release(&input);
    arena_release(&arena);
}

static void frame__other_version_or_cut__fails(void **state)
{
    (void)state;
    struct buf input = {0};
    uint32_t id, version;
    struct reader r = reader_of(wire_bytes(&input, "02 02 00"));
    assert_int_equal(record_frame_decode(&r, &id, &version), ERR_UNSUPPORTED);
    r = reader_of(wire_bytes(&input, "01 82"));
    assert_int_equal(record_frame_decode(&r, &id, &version), ERR_SHORT);
    buf_release(&input);
}

/* The value of a leader change: its own version first, then the voters. */
static void control__leader_change__decodes_with_its_own_version(void **state)
{
    (void)state;
    struct buf input = {0};
    struct arena arena = {0};
    struct leader_change_record out;
    struct reader r = reader_of(
        wire_bytes(&input, "0000 00000001 02 00000001 00 02 00000001 00 00"));
    assert_int_equal(codec_decode(&leader_change_record_message, 0, &r, &arena, &out), OK);
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(out.leader_id, 1);
    assert_int_equal(out.voters[0].voter_id, 1);
    assert_int_equal(out.granting_voters_count, 1);
    buf_release(&input);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find__types_of_the_sets__are_theirs),
        cmocka_unit_test(find__keys_of_offsets__have_their_id_as_version),
        cmocka_unit_test(frame__metadata_record__as_on_disk),
        cmocka_unit_test(frame__other_version_or_cut__fails),
        cmocka_unit_test(control__leader_change__decodes_with_its_own_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
