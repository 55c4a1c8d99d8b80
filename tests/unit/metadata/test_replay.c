/* What another broker left: snapshots, metadata transactions, quorum-state. */
#include "replay.h"

#include "base/os.h"
#include "leader_change.h"
#include "lib/temp_dir.h"
#include "proposer_fixture.h"
#include "protocol/codec.h"
#include "record/builder.h"
#include "record/control.h"

struct test {
    struct temp_dir dir;
    struct proposer_fixture f;
    struct heard heard;
    struct change change;
    struct buf file; /* a snapshot being made */
    koffset_t file_offset;
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    temp_dir_make(&t->dir);
    fixture_init(&t->f, os_real(), t->dir.path);
    CHECK(os_make_dirs(os_real(), t->f.log.path) == OK);
    change_init(&t->change);
    diag_set_sink(hear, &t->heard);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct test *t = *state;
    fixture_release(&t->f);
    temp_dir_remove(&t->dir);
    change_release(&t->change);
    buf_release(&t->file);
    diag_set_sink(NULL, NULL);
    free(t);
    return 0;
}

/* ---- making batches ---- */

static void add_topic(struct test *t, uint32_t id)
{
    static char names[100][16];
    snprintf(names[id], sizeof(names[id]), "topic-%u", id);
    struct topic_record *r = change_add(&t->change, RECORD_ID_TOPIC_RECORD);
    r->name = view_str(names[id]);
    r->topic_id = test_id(id);
    static int32_t one[] = {1};
    struct partition_record *p = change_add(&t->change, RECORD_ID_PARTITION_RECORD);
    p->topic_id = test_id(id);
    p->partition_id = 0;
    p->replicas = p->isr = one;
    p->replicas_count = p->isr_count = 1;
    p->leader = 1;
}

/* The change so far as a batch; the next change begins. */
static struct buf batch_of(struct test *t, koffset_t base, leader_epoch_t epoch)
{
    struct batch_options options = batch_options_default();
    options.base_offset = base;
    options.leader_epoch = epoch;
    struct batch_builder builder = {0};
    assert_ok(batch_builder_init(&builder, &options));
    struct buf value = {0}, out = {0};
    for (struct change_record *r = t->change.first; r; r = r->next) {
        buf_clear(&value);
        assert_ok(change_encode_record(r, &value));
        struct record record = {
            .offset = RECORD_OFFSET_NEXT, .timestamp = 1, .value = buf_view(&value)};
        assert_ok(batch_builder_append(&builder, &record));
    }
    struct view batch;
    assert_ok(batch_builder_finish(&builder, &batch));
    assert_ok(buf_append(&out, batch.data, batch.len));
    batch_builder_release(&builder);
    buf_release(&value);
    change_clear(&t->change);
    return out;
}

static void append_to_log(struct test *t, leader_epoch_t epoch)
{
    struct buf batch = batch_of(t, log_offsets(t->f.log.log).end, epoch);
    struct log_append append = {.data = batch.data};
    assert_ok(batch_header_parse(buf_view(&batch), &append.header));
    assert_ok(log_fixture_add(&t->f.log, &append, LOG_FROM_SELF, epoch));
    buf_release(&batch);
}

/* ---- making snapshots ---- */

static void file_control(struct test *t, enum control_type type, const struct message *message,
                         const void *data)
{
    struct batch_options options = batch_options_default();
    options.base_offset = t->file_offset++;
    options.leader_epoch = 3;
    options.is_control = true;
    struct batch_builder builder = {0};
    struct buf value = {0};
    uint8_t key[CONTROL_KEY_SIZE];
    control_key_put(key, type);
    assert_ok(codec_encode(message, 0, data, &value, NULL));
    assert_ok(batch_builder_init(&builder, &options));
    struct record record = {.offset = RECORD_OFFSET_NEXT,
                            .timestamp = 1,
                            .key = view_of(key, sizeof(key)),
                            .value = buf_view(&value)};
    assert_ok(batch_builder_append(&builder, &record));
    struct view batch;
    assert_ok(batch_builder_finish(&builder, &batch));
    assert_ok(buf_append(&t->file, batch.data, batch.len));
    batch_builder_release(&builder);
    buf_release(&value);
}

static void file_header(struct test *t)
{
    buf_clear(&t->file);
    t->file_offset = 0;
    struct snapshot_header_record header;
    CODEC_DEFAULT(snapshot_header_record, &header);
    file_control(t, CONTROL_SNAPSHOT_HEADER, &snapshot_header_record_message, &header);
}

static void file_footer(struct test *t)
{
    struct snapshot_footer_record footer;
    CODEC_DEFAULT(snapshot_footer_record, &footer);
    file_control(t, CONTROL_SNAPSHOT_FOOTER, &snapshot_footer_record_message, &footer);
}

static void file_topic(struct test *t, uint32_t id)
{
    add_topic(t, id);
    struct buf batch = batch_of(t, t->file_offset, 3);
    t->file_offset += 2;
    assert_ok(buf_append(&t->file, batch.data, batch.len));
    buf_release(&batch);
}

static void file_write(struct test *t, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", t->f.log.path, name);
    assert_ok(os_replace_file(os_real(), path, t->file.data, t->file.len));
}

/* A whole snapshot that holds the topics first .. last. */
static void snapshot(struct test *t, const char *name, uint32_t first, uint32_t last)
{
    file_header(t);
    for (uint32_t id = first; id <= last; id++) file_topic(t, id);
    file_footer(t);
    file_write(t, name);
}

/* ---- snapshots ---- */

static void open__snapshot_and_empty_log__goes_on_behind_it(void **state)
{
    struct test *t = *state;
    snapshot(t, "00000000000000000100-0000000003.checkpoint", 1, 5);
    assert_ok(fixture_open(&t->f, true));
    assert_int_equal(topic_count(&t->f), 5);
    assert_true(has_topic(&t->f, 5, 1));
    struct log_offsets offsets = log_offsets(t->f.log.log);
    assert_int_equal(offsets.start, 100);
    assert_int_equal(offsets.end, 101); /* our leader change */
    assert_int_equal(offsets.last_leader_epoch, 4);
    assert_ok(create_topic(&t->f, 6, 1));
    fixture_close(&t->f);
    assert_ok(fixture_open(&t->f, true));
    assert_int_equal(topic_count(&t->f), 6);
}

static void open__snapshot_within_the_log__is_not_applied_twice(void **state)
{
    struct test *t = *state;
    assert_ok(log_fixture_open(&t->f.log, false, 0));
    for (uint32_t id = 1; id <= 4; id++) {
        add_topic(t, id);
        append_to_log(t, 2);
    }
    snapshot(t, "00000000000000000004-0000000002.checkpoint", 1, 2);
    assert_ok(fixture_open_proposer(&t->f));
    assert_int_equal(topic_count(&t->f), 4);
    assert_int_equal(log_offsets(t->f.log.log).last_leader_epoch, 4); /* the file's batches say 3 */
}

static void open__newest_of_several__wins(void **state)
{
    struct test *t = *state;
    snapshot(t, "00000000000000000050-0000000009.checkpoint", 1, 2);
    snapshot(t, "00000000000000000100-0000000003.checkpoint", 1, 5);
    snapshot(t, "00000000000000000200-0000000003.checkpoint.part", 1, 9);
    snapshot(t, "0000000000000000300-0000000003.checkpoint", 1, 9);
    snapshot(t, "0000000000000000x400-0000000003.checkpoint", 1, 9);
    assert_ok(fixture_open(&t->f, true));
    assert_int_equal(topic_count(&t->f), 5);
    assert_int_equal(t->heard.count, 0);
}

/* Each kind of damage to the newer one; the older one and the log hold all. */
static void open__damaged_snapshot__is_passed_over_with_a_line(void **state)
{
    struct test *t = *state;
    const char *newest = "00000000000000000008-0000000002.checkpoint";
    assert_ok(log_fixture_open(&t->f.log, false, 0));
    for (uint32_t id = 1; id <= 4; id++) {
        add_topic(t, id);
        append_to_log(t, 2);
    }
    for (int kind = 0; kind < 5; kind++) {
        file_header(t);
        if (kind == 0) buf_clear(&t->file); /* no header, nothing at all */
        if (kind != 0) file_topic(t, 1);
        if (kind != 1) file_footer(t); /* no footer */
        if (kind == 2) t->file.data[t->file.len / 2] ^= 1;
        if (kind == 3) t->file.len -= 3;
        if (kind == 4) buf_consume(&t->file, 77); /* cut at the front */
        file_write(t, newest);
        t->heard.count = 0;
        assert_ok(fixture_open_proposer(&t->f));
        assert_int_equal(topic_count(&t->f), 4);
        assert_true(t->heard.count >= 1);
        assert_non_null(strstr(t->heard.last, newest));
        proposer_close(t->f.proposer);
        t->f.proposer = NULL;
    }
}

static void open__log_begins_behind_the_snapshot__is_refused(void **state)
{
    struct test *t = *state;
    assert_ok(log_fixture_open(&t->f.log, false, 0));
    assert_ok(log_reset(t->f.log.log, 50));
    add_topic(t, 9);
    append_to_log(t, 2);
    assert_err(fixture_open_proposer(&t->f), ERR_CORRUPT);
    assert_non_null(strstr(t->heard.last, "begins behind"));
    snapshot(t, "00000000000000000050-0000000002.checkpoint", 1, 2);
    assert_ok(fixture_open_proposer(&t->f));
    assert_int_equal(topic_count(&t->f), 3);
}

/* ---- transactions ---- */

static void transaction__ended__counts(void **state)
{
    struct test *t = *state;
    assert_ok(log_fixture_open(&t->f.log, false, 0));
    change_add(&t->change, RECORD_ID_BEGIN_TRANSACTION_RECORD);
    add_topic(t, 1);
    append_to_log(t, 0);
    add_topic(t, 2);
    change_add(&t->change, RECORD_ID_END_TRANSACTION_RECORD);
    append_to_log(t, 0);
    assert_ok(fixture_open_proposer(&t->f));
    assert_int_equal(topic_count(&t->f), 2);
}

static void transaction__aborted__is_forgotten(void **state)
{
    struct test *t = *state;
    assert_ok(log_fixture_open(&t->f.log, false, 0));
    add_topic(t, 1);
    append_to_log(t, 0);
    change_add(&t->change, RECORD_ID_BEGIN_TRANSACTION_RECORD);
    add_topic(t, 2);
    append_to_log(t, 0);
    change_add(&t->change, RECORD_ID_ABORT_TRANSACTION_RECORD);
    add_topic(t, 3);
    append_to_log(t, 0);
    assert_ok(fixture_open_proposer(&t->f));
    assert_true(has_topic(&t->f, 1, 1) && !has_topic(&t->f, 2, 1) && has_topic(&t->f, 3, 1));
    assert_int_equal(topic_count(&t->f), 2);
}

static void transaction__left_open__is_aborted_in_the_log(void **state)
{
    struct test *t = *state;
    assert_ok(log_fixture_open(&t->f.log, false, 0));
    change_add(&t->change, RECORD_ID_BEGIN_TRANSACTION_RECORD);
    add_topic(t, 1);
    append_to_log(t, 0);
    assert_ok(fixture_open_proposer(&t->f));
    assert_int_equal(topic_count(&t->f), 0);
    assert_int_equal(log_offsets(t->f.log.log).end, 5); /* three, leader change, abort */
    assert_ok(create_topic(&t->f, 1, 1));               /* the name is free */
    fixture_close(&t->f);
    assert_ok(fixture_open(&t->f, false));
    assert_int_equal(topic_count(&t->f), 1);
}

static void transaction__nested_or_unopened__is_refused(void **state)
{
    struct test *t = *state;
    assert_ok(log_fixture_open(&t->f.log, false, 0));
    change_add(&t->change, RECORD_ID_END_TRANSACTION_RECORD);
    append_to_log(t, 0);
    assert_err(fixture_open_proposer(&t->f), ERR_INVALID);
}

static void open__contradicting_record__is_refused_with_its_offset(void **state)
{
    struct test *t = *state;
    assert_ok(log_fixture_open(&t->f.log, false, 0));
    add_topic(t, 1);
    append_to_log(t, 0);
    add_topic(t, 1);
    append_to_log(t, 0);
    assert_err(fixture_open_proposer(&t->f), ERR_INVALID);
    assert_true(t->heard.count >= 2);
}

/* ---- leader epochs ---- */

static void open__quorum_state_is_ahead__its_epoch_counts(void **state)
{
    struct test *t = *state;
    static const char text[] = "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":41,"
                               "\"votedId\":-1,\"data_version\":0}";
    char path[512];
    snprintf(path, sizeof(path), "%s/quorum-state", t->f.log.path);
    assert_int_equal(quorum_state_epoch(os_real(), t->f.log.path), -1);
    assert_ok(os_replace_file(os_real(), path, text, strlen(text)));
    assert_int_equal(quorum_state_epoch(os_real(), t->f.log.path), 41);
    assert_ok(fixture_open(&t->f, true));
    assert_int_equal(log_offsets(t->f.log.log).last_leader_epoch, 42);
    assert_ok(os_replace_file(os_real(), path, "{}", 2));
    assert_int_equal(quorum_state_epoch(os_real(), t->f.log.path), -1);
}

/* Control batch, key version 0 type 2, value version 0, leader 1, voters [1], granting [1]. */
static void leader_change__is_kafkas_bytes(void **state)
{
    (void)state;
    struct leader_change change = {.node_id = 1, .epoch = 7, .base_offset = 9, .timestamp = 5};
    struct buf out = {0};
    assert_ok(leader_change_build(&change, &out));
    struct batch_header header;
    assert_ok(batch_header_parse(buf_view(&out), &header));
    assert_ok(batch_check_crc(buf_view(&out)));
    assert_true(batch_is_control(&header));
    assert_int_equal(header.leader_epoch, 7);
    assert_int_equal(header.base_offset, 9);
    struct record_iter it;
    struct record record;
    assert_ok(record_iter_init(&it, buf_view(&out), NULL, 0));
    assert_ok(record_iter_next(&it, &record));
    static const uint8_t key[] = {0, 0, 0, 2};
    static const uint8_t value[] = {0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0};
    assert_int_equal(record.key.len, sizeof(key));
    assert_memory_equal(record.key.data, key, sizeof(key));
    assert_int_equal(record.value.len, sizeof(value));
    assert_memory_equal(record.value.data, value, sizeof(value));
    buf_release(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(open__snapshot_and_empty_log__goes_on_behind_it),
        TEST(open__snapshot_within_the_log__is_not_applied_twice),
        TEST(open__newest_of_several__wins),
        TEST(open__damaged_snapshot__is_passed_over_with_a_line),
        TEST(open__log_begins_behind_the_snapshot__is_refused),
        TEST(transaction__ended__counts),
        TEST(transaction__aborted__is_forgotten),
        TEST(transaction__left_open__is_aborted_in_the_log),
        TEST(transaction__nested_or_unopened__is_refused),
        TEST(open__contradicting_record__is_refused_with_its_offset),
        TEST(open__quorum_state_is_ahead__its_epoch_counts),
        TEST(leader_change__is_kafkas_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
