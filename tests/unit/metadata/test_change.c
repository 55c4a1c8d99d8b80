/* Records into bytes and back, and what each of them does to an image. */
#include "apply.h"
#include "image_impl.h"
#include "protocol/codec.h"
#include "protocol/records.h"
#include "test.h"

struct test {
    struct image *image;
    struct change change;
    struct heard heard;
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    t->image = image_new_empty();
    change_init(&t->change);
    diag_set_sink(hear, &t->heard);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct test *t = *state;
    image_unref(t->image);
    change_release(&t->change);
    free(t);
    diag_set_sink(NULL, NULL);
    return 0;
}

#define ADD(t, name, ID) ((struct name *)change_add(&(t)->change, RECORD_ID_##ID))

static struct topic_record *add_topic(struct test *t, const char *name, uint32_t id)
{
    struct topic_record *r = ADD(t, topic_record, TOPIC_RECORD);
    r->name = view_str(name);
    r->topic_id = test_id(id);
    return r;
}

static int32_t two_ids[] = {1, 2};

static struct partition_record *add_partition(struct test *t, uint32_t topic, int32_t index)
{
    struct partition_record *r = ADD(t, partition_record, PARTITION_RECORD);
    r->topic_id = test_id(topic);
    r->partition_id = index;
    r->replicas = r->isr = two_ids;
    r->replicas_count = r->isr_count = 2;
    r->leader = 1;
    r->leader_epoch = 4;
    r->partition_epoch = 6;
    return r;
}

/* The change so far onto the image; the next change begins. */
static err_t apply(struct test *t)
{
    struct image *next;
    koffset_t last = change_next_offset(&t->change, t->image) - 1;
    err_t err = image_apply(t->image, &t->change, last, &next);
    if (err == OK) {
        image_unref(t->image);
        t->image = next;
    }
    change_clear(&t->change);
    return err;
}

static const struct image_partition *partition(struct test *t, const char *topic, int32_t index)
{
    return &image_topic(t->image, view_str(topic))->partitions[index];
}

/* ---- bytes ---- */

/* Taken apart by hand: frame 1, type 2 (topic), version 0, name "foo", id, no tags. */
static void encode__topic_record__is_kafkas_bytes(void **state)
{
    struct test *t = *state;
    struct topic_record *r = add_topic(t, "foo", 0);
    for (int i = 0; i < 16; i++) r->topic_id.bytes[i] = (uint8_t)(i + 1);
    struct buf out = {0};
    assert_ok(change_encode_record(t->change.first, &out));
    static const uint8_t want[] = {1, 2, 0, 4, 'f', 'o', 'o', 1,  2,  3,  4,  5,
                                   6, 7, 8, 9, 10,  11,  12,  13, 14, 15, 16, 0};
    assert_int_equal(out.len, sizeof(want));
    assert_memory_equal(out.data, want, sizeof(want));
    buf_release(&out);
}

static void decode__what_was_encoded__comes_back(void **state)
{
    struct test *t = *state;
    struct partition_record *r = add_partition(t, 9, 3);
    struct uuid directories[] = {test_id(1), test_id(2)};
    r->directories = directories;
    r->directories_count = 2;
    struct buf out = {0};
    assert_ok(change_encode_record(t->change.first, &out));
    change_clear(&t->change);
    assert_ok(change_decode_record(buf_view(&out), &t->change));
    memset(out.data, 0xff, out.len); /* what was decoded does not borrow from it */
    buf_release(&out);
    assert_int_equal(t->change.count, 1);
    assert_int_equal(t->change.first->type, RECORD_ID_PARTITION_RECORD);
    const struct partition_record *back = t->change.first->data;
    assert_int_equal(back->partition_id, 3);
    assert_int_equal(back->leader_epoch, 4);
    assert_int_equal(back->replicas[1], 2);
    assert_true(uuid_eq(back->directories[1], test_id(2)));
}

static void decode__every_prefix_and_extra_byte__is_refused(void **state)
{
    struct test *t = *state;
    add_partition(t, 9, 3);
    struct buf out = {0};
    assert_ok(change_encode_record(t->change.first, &out));
    for (size_t len = 0; len < out.len; len++) {
        change_clear(&t->change);
        assert_true(change_decode_record(view_of(out.data, len), &t->change) != OK);
    }
    assert_ok(buf_append_u8(&out, 0));
    change_clear(&t->change);
    assert_err(change_decode_record(buf_view(&out), &t->change), ERR_CORRUPT);
    buf_release(&out);
}

static void decode__unknown_type_or_version__is_said(void **state)
{
    struct test *t = *state;
    static const uint8_t type[] = {1, 0xff, 1, 0}, version[] = {1, 2, 9, 0}, frame[] = {2, 2, 0};
    assert_err(change_decode_record(view_of(type, sizeof(type)), &t->change), ERR_UNSUPPORTED);
    assert_non_null(strstr(t->heard.last, "type=255"));
    assert_err(change_decode_record(view_of(version, sizeof(version)), &t->change),
               ERR_UNSUPPORTED);
    assert_non_null(strstr(t->heard.last, "version=9"));
    assert_err(change_decode_record(view_of(frame, sizeof(frame)), &t->change), ERR_UNSUPPORTED);
}

/* ---- records ---- */

static void topic__with_partitions__in_one_change(void **state)
{
    struct test *t = *state;
    add_topic(t, "foo", 1);
    add_partition(t, 1, 0);
    add_partition(t, 1, 1)->leader = 2;
    assert_ok(apply(t));
    assert_int_equal(image_offset(t->image), 2);
    assert_int_equal(image_topic(t->image, view_str("foo"))->partition_count, 2);
    assert_int_equal(partition(t, "foo", 1)->leader, 2);
    assert_int_equal(partition(t, "foo", 0)->isr_count, 2);
    assert_null(partition(t, "foo", 0)->directories);
    assert_null(partition(t, "foo", 0)->extra);
}

static void change__that_contradicts__leaves_the_image(void **state)
{
    struct test *t = *state;
    add_topic(t, "foo", 1);
    assert_ok(apply(t));
    struct image *before = image_ref(t->image);
    add_topic(t, "bar", 2);
    add_topic(t, "foo", 3);
    assert_err(apply(t), ERR_INVALID);
    assert_non_null(strstr(t->heard.last, "topic_record"));
    assert_ptr_equal(t->image, before);
    assert_null(image_topic(t->image, view_str("bar")));
    add_partition(t, 7, 0);
    assert_err(apply(t), ERR_INVALID);
    ADD(t, remove_topic_record, REMOVE_TOPIC_RECORD)->topic_id = test_id(7);
    assert_err(apply(t), ERR_INVALID);
    ADD(t, begin_transaction_record, BEGIN_TRANSACTION_RECORD);
    assert_err(apply(t), ERR_INVALID);
    image_unref(before);
}

static void remove_topic__its_settings_go_too(void **state)
{
    struct test *t = *state;
    add_topic(t, "foo", 1);
    struct config_record *c = ADD(t, config_record, CONFIG_RECORD);
    c->resource_type = CONFIG_TOPIC;
    c->resource_name = view_str("foo");
    c->name = view_str("retention.ms");
    c->value = view_str("5");
    assert_ok(apply(t));
    assert_string_equal(
        image_config(t->image, CONFIG_TOPIC, view_str("foo"), view_str("retention.ms")), "5");
    ADD(t, remove_topic_record, REMOVE_TOPIC_RECORD)->topic_id = test_id(1);
    add_topic(t, "foo", 2);
    assert_ok(apply(t));
    assert_null(image_config(t->image, CONFIG_TOPIC, view_str("foo"), view_str("retention.ms")));
    assert_int_equal(image_topic_count(t->image), 1);
    assert_null(image_topic_by_id(t->image, test_id(1)));
}

static void config__null_value__deletes(void **state)
{
    struct test *t = *state;
    for (int i = 0; i < 2; i++) {
        struct config_record *c = ADD(t, config_record, CONFIG_RECORD);
        c->resource_type = CONFIG_BROKER;
        c->resource_name = view_of("", 0);
        c->name = view_str("message.max.bytes");
        c->value = i ? (struct view){0} : view_str("5");
        assert_ok(apply(t));
        const char *value = image_config(t->image, CONFIG_BROKER, view_str(""),
                                         view_str("message.max.bytes"));
        assert_true(i ? value == NULL : strcmp(value, "5") == 0);
    }
}

static struct partition_change_record *add_change(struct test *t, int32_t index)
{
    struct partition_change_record *r = ADD(t, partition_change_record, PARTITION_CHANGE_RECORD);
    r->topic_id = test_id(1);
    r->partition_id = index;
    return r;
}

static void partition_change__nothing_set__counts_one_epoch(void **state)
{
    struct test *t = *state;
    add_topic(t, "foo", 1);
    add_partition(t, 1, 0);
    add_change(t, 0);
    assert_ok(apply(t));
    assert_int_equal(partition(t, "foo", 0)->leader, 1);
    assert_int_equal(partition(t, "foo", 0)->leader_epoch, 4);
    assert_int_equal(partition(t, "foo", 0)->partition_epoch, 7);
    assert_int_equal(partition(t, "foo", 0)->isr_count, 2);
}

static void partition_change__leader_and_isr__epochs_follow(void **state)
{
    struct test *t = *state;
    add_topic(t, "foo", 1);
    add_partition(t, 1, 0);
    assert_ok(apply(t));
    int32_t isr[] = {2};
    struct partition_change_record *r = add_change(t, 0);
    r->leader = 2;
    r->isr = isr;
    r->isr_count = 1;
    assert_ok(apply(t));
    isr[0] = 99; /* the image has its own */
    const struct image_partition *p = partition(t, "foo", 0);
    assert_int_equal(p->leader, 2);
    assert_int_equal(p->leader_epoch, 5);
    assert_int_equal(p->partition_epoch, 7);
    assert_int_equal(p->isr_count, 1);
    assert_int_equal(p->isr[0], 2);
    assert_int_equal(p->replica_count, 2);
    add_change(t, 0)->leader = -1;
    assert_ok(apply(t));
    assert_int_equal(partition(t, "foo", 0)->leader, -1);
    assert_int_equal(partition(t, "foo", 0)->leader_epoch, 6);
}

static void partition_change__reassignment__comes_and_goes(void **state)
{
    struct test *t = *state;
    add_topic(t, "foo", 1);
    add_partition(t, 1, 0);
    int32_t replicas[] = {1, 2, 3};
    struct partition_change_record *r = add_change(t, 0);
    r->replicas = replicas;
    r->replicas_count = 3;
    r->adding_replicas = replicas + 2;
    r->adding_replicas_count = 1;
    r->leader_recovery_state = 1;
    assert_ok(apply(t));
    assert_int_equal(partition(t, "foo", 0)->extra->adding[0], 3);
    assert_true(partition(t, "foo", 0)->extra->is_recovering);
    r = add_change(t, 0);
    r->adding_replicas = replicas;
    r->adding_replicas_count = 0;
    r->leader_recovery_state = 0;
    assert_ok(apply(t));
    assert_null(partition(t, "foo", 0)->extra);
    assert_int_equal(partition(t, "foo", 0)->replica_count, 3);
    add_change(t, 1);
    assert_err(apply(t), ERR_INVALID);
}

static void add_broker(struct test *t, int32_t id, int64_t epoch)
{
    struct register_broker_record *r = ADD(t, register_broker_record, REGISTER_BROKER_RECORD);
    r->broker_id = id;
    r->broker_epoch = epoch;
    r->rack = view_str("r");
    r->end_points = CODEC_NEW(&t->change.arena, register_broker_record_endpoint, 1);
    r->end_points_count = 1;
    r->end_points->name = view_str("PLAINTEXT");
    r->end_points->host = view_str("host");
    r->end_points->port = 65535;
}

static void broker__registered_unfenced_fenced_unregistered(void **state)
{
    struct test *t = *state;
    add_broker(t, 1, 10);
    assert_ok(apply(t));
    assert_true(image_broker(t->image, 1)->is_fenced);
    assert_int_equal(image_broker(t->image, 1)->endpoints[0].port, 65535);
    struct unfence_broker_record *u = ADD(t, unfence_broker_record, UNFENCE_BROKER_RECORD);
    u->id = 1;
    u->epoch = 10;
    assert_ok(apply(t));
    assert_false(image_broker(t->image, 1)->is_fenced);
    struct broker_registration_change_record *c = ADD(t, broker_registration_change_record,
                                                      BROKER_REGISTRATION_CHANGE_RECORD);
    c->broker_id = 1;
    c->broker_epoch = 10;
    c->fenced = 1;
    assert_ok(apply(t));
    assert_true(image_broker(t->image, 1)->is_fenced);
    struct unregister_broker_record *r = ADD(t, unregister_broker_record, UNREGISTER_BROKER_RECORD);
    r->broker_id = 1;
    r->broker_epoch = 9; /* of an older registration */
    assert_err(apply(t), ERR_INVALID);
    r = ADD(t, unregister_broker_record, UNREGISTER_BROKER_RECORD);
    r->broker_id = 1;
    r->broker_epoch = 10;
    assert_ok(apply(t));
    assert_int_equal(image_broker_count(t->image), 0);
}

static void producer_ids__never_go_back(void **state)
{
    struct test *t = *state;
    ADD(t, producer_ids_record, PRODUCER_IDS_RECORD)->next_producer_id = 1000;
    assert_ok(apply(t));
    assert_int_equal(image_next_producer_id(t->image), 1000);
    ADD(t, producer_ids_record, PRODUCER_IDS_RECORD)->next_producer_id = 1000;
    assert_err(apply(t), ERR_INVALID);
    assert_int_equal(image_next_producer_id(t->image), 1000);
}

static void others_records__change_nothing(void **state)
{
    struct test *t = *state;
    static const int16_t types[] = {
        RECORD_ID_DELEGATION_TOKEN_RECORD,
        RECORD_ID_USER_SCRAM_CREDENTIAL_RECORD,
        RECORD_ID_CLIENT_QUOTA_RECORD,
        RECORD_ID_ACCESS_CONTROL_ENTRY_RECORD,
        RECORD_ID_REGISTER_CONTROLLER_RECORD,
        RECORD_ID_NO_OP_RECORD,
        RECORD_ID_REMOVE_USER_SCRAM_CREDENTIAL_RECORD,
    };
    for (size_t i = 0; i < COUNT_OF(types); i++) assert_non_null(change_add(&t->change, types[i]));
    assert_ok(apply(t));
    assert_int_equal(t->heard.count, 0);
    assert_int_equal(image_offset(t->image), COUNT_OF(types) - 1);
    assert_int_equal(image_topic_count(t->image) + image_broker_count(t->image), 0);
}

static void feature_level__is_seen(void **state)
{
    struct test *t = *state;
    struct feature_level_record *r = ADD(t, feature_level_record, FEATURE_LEVEL_RECORD);
    r->name = view_str("metadata.version");
    r->feature_level = 25;
    assert_ok(apply(t));
    assert_int_equal(image_feature(t->image, "metadata.version"), 25);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(encode__topic_record__is_kafkas_bytes),
        TEST(decode__what_was_encoded__comes_back),
        TEST(decode__every_prefix_and_extra_byte__is_refused),
        TEST(decode__unknown_type_or_version__is_said),
        TEST(topic__with_partitions__in_one_change),
        TEST(change__that_contradicts__leaves_the_image),
        TEST(remove_topic__its_settings_go_too),
        TEST(config__null_value__deletes),
        TEST(partition_change__nothing_set__counts_one_epoch),
        TEST(partition_change__leader_and_isr__epochs_follow),
        TEST(partition_change__reassignment__comes_and_goes),
        TEST(broker__registered_unfenced_fenced_unregistered),
        TEST(producer_ids__never_go_back),
        TEST(others_records__change_nothing),
        TEST(feature_level__is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
