/* A single node's start: what it writes into which image. */
#include "metadata/bootstrap.h"

#include "base/os.h"
#include "image_impl.h"
#include "lib/temp_dir.h"
#include "proposer_fixture.h"

static const struct image_endpoint endpoint = {"PLAINTEXT", "127.0.0.1", 9092, 0};

static struct bootstrap a_start(void)
{
    static struct uuid directory;
    directory = test_id(77);
    return (struct bootstrap){.node_id = 1,
                              .incarnation = test_id(5),
                              .rack = "r",
                              .endpoints = &endpoint,
                              .endpoint_count = 1,
                              .directories = &directory,
                              .directory_count = 1,
                              .metadata_version = METADATA_VERSION_4_0};
}

/* Applies the decision; the number of records it took. */
static size_t start(const struct bootstrap *b, struct image **image)
{
    struct change change;
    change_init(&change);
    assert_ok(bootstrap_decide(b, *image, &change));
    size_t count = change.count;
    struct image *next;
    assert_ok(image_apply(*image, &change, image_offset(*image) + (koffset_t)count, &next));
    image_unref(*image);
    *image = next;
    change_release(&change);
    return count;
}

static void decide__first_start__registers(void **state)
{
    (void)state;
    struct image *image = image_new_empty();
    struct bootstrap b = a_start();
    assert_int_equal(start(&b, &image), 2);
    const struct image_broker *broker = image_broker(image, 1);
    assert_int_equal(broker->epoch, 1); /* the offset of its record */
    assert_false(broker->is_fenced);
    assert_string_equal(broker->rack, "r");
    assert_string_equal(broker->endpoints[0].host, "127.0.0.1");
    assert_true(uuid_eq(broker->incarnation, test_id(5)));
    assert_int_equal(image_feature(image, "metadata.version"), 25);
    b.rack = NULL;
    assert_int_equal(start(&b, &image), 1);
    assert_int_equal(image_broker(image, 1)->epoch, 2);
    assert_null(image_broker(image, 1)->rack);
    image_unref(image);
}

static void decide__others_image__takes_what_is_ours(void **state)
{
    (void)state;
    struct image *image = image_new_empty();
    struct image_broker other = {.id = 2, .epoch = 3};
    image_put_broker(image, &other);
    image_put_feature(image, view_str("metadata.version"), 20);
    assert_ok(image_add_topic(image, view_str("t"), test_id(1)));
    const int32_t both[] = {2, 1}, only_other[] = {2}, only_we[] = {1};
    struct image_partition p = {.replicas = both, .replica_count = 2, .leader_epoch = 7};
    p.isr = both, p.isr_count = 2, p.leader = 2;
    assert_ok(image_put_partition(image, test_id(1), 0, &p));
    p.isr = only_other, p.isr_count = 1, p.leader = 2;
    assert_ok(image_put_partition(image, test_id(1), 1, &p));
    p.isr = only_we, p.isr_count = 1, p.leader = -1;
    assert_ok(image_put_partition(image, test_id(1), 2, &p));
    p.leader = 1;
    assert_ok(image_put_partition(image, test_id(1), 3, &p));
    struct bootstrap b = a_start();
    assert_int_equal(start(&b, &image), 4); /* registration, fence, partitions 0 and 2 */
    const struct image_partition *now = image_topic(image, view_str("t"))->partitions;
    assert_true(image_broker(image, 2)->is_fenced);
    assert_int_equal(image_feature(image, "metadata.version"), 20);
    assert_int_equal(now[0].leader, 1);
    assert_int_equal(now[0].isr_count, 1);
    assert_int_equal(now[0].isr[0], 1);
    assert_int_equal(now[0].leader_epoch, 8);
    assert_int_equal(now[1].leader, 2); /* it may hold newer records */
    assert_int_equal(now[2].leader, 1);
    assert_int_equal(now[2].leader_epoch, 8);
    assert_int_equal(now[3].leader_epoch, 7);
    assert_int_equal(start(&b, &image), 1);
    b.has_lost_records = true;
    assert_int_equal(start(&b, &image), 4);
    now = image_topic(image, view_str("t"))->partitions;
    assert_int_equal(now[3].leader_epoch, 8);
    assert_int_equal(now[0].leader_epoch, 9);
    assert_int_equal(now[1].leader_epoch, 7);
    image_unref(image);
}

/* As Apache Kafka leaves a partition behind when its last broker stops. */
static void decide__eligible_replica__leads_and_is_in_sync_again(void **state)
{
    (void)state;
    struct image *image = image_new_empty();
    assert_ok(image_add_topic(image, view_str("t"), test_id(1)));
    const int32_t we[] = {1}, other[] = {2};
    struct image_partition_extra extra = {.eligible = we, .eligible_count = 1};
    struct image_partition p = {.replicas = we, .replica_count = 1, .leader = -1, .extra = &extra};
    assert_ok(image_put_partition(image, test_id(1), 0, &p));
    extra = (struct image_partition_extra){.last_known_eligible = we,
                                           .last_known_eligible_count = 1};
    assert_ok(image_put_partition(image, test_id(1), 1, &p));
    extra = (struct image_partition_extra){.eligible = other, .eligible_count = 1};
    assert_ok(image_put_partition(image, test_id(1), 2, &p));
    struct bootstrap b = a_start();
    start(&b, &image);
    const struct image_partition *now = image_topic(image, view_str("t"))->partitions;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(now[i].leader, 1);
        assert_int_equal(now[i].isr_count, 1);
        assert_null(now[i].extra);
    }
    assert_int_equal(now[2].leader, -1);
    assert_int_equal(now[2].isr_count, 0);
    image_unref(image);
}

static void run__on_a_log__registration_survives(void **state)
{
    (void)state;
    struct temp_dir dir;
    struct proposer_fixture f;
    temp_dir_make(&dir);
    fixture_init(&f, os_real(), dir.path);
    struct bootstrap b = a_start();
    for (int i = 0; i < 3; i++) {
        assert_ok(fixture_open(&f, i % 2));
        struct image *image = proposer_image(f.proposer);
        koffset_t before = image_offset(image);
        assert_int_equal(image_broker_count(image), i > 0);
        image_unref(image);
        assert_ok(bootstrap_run(&b, f.proposer));
        image = proposer_image(f.proposer);
        assert_int_equal(image_broker(image, 1)->epoch, before + 1 + (i == 0));
        image_unref(image);
        fixture_close(&f);
    }
    fixture_release(&f);
    temp_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decide__first_start__registers),
        cmocka_unit_test(decide__others_image__takes_what_is_ours),
        cmocka_unit_test(decide__eligible_replica__leads_and_is_in_sync_again),
        cmocka_unit_test(run__on_a_log__registration_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
