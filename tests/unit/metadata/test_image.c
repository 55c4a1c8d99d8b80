/* The image against a naive model: random edits, old images that must not change, order, look-ups.
 */
#include "base/buf.h"
#include "image_impl.h"
#include "lib/rng.h"
#include "test.h"

enum { NAMES = 300, PARTITIONS = 4, KEYS = 3 };

/* The model: everything in flat arrays, copied whole. */
struct model_topic {
    bool exists;
    uint32_t id;
    int32_t partition_count;
    int32_t leader[PARTITIONS];
    int32_t epoch[PARTITIONS];
    int32_t config[KEYS]; /* -1: not set */
};

struct model {
    struct model_topic topics[NAMES];
};

static void name_of(int i, char out[32]) { snprintf(out, 32, "topic.%d", i * 7919 % NAMES); }
static const char *const keys[KEYS] = {"retention.ms", "cleanup.policy", "segment.bytes"};

static struct image_partition partition_of(int32_t leader, int32_t epoch, int32_t *ids)
{
    ids[0] = leader;
    ids[1] = leader + 1;
    return (struct image_partition){.replicas = ids,
                                    .replica_count = 2,
                                    .isr = ids,
                                    .isr_count = 1,
                                    .leader = leader,
                                    .leader_epoch = epoch,
                                    .partition_epoch = epoch};
}

/* ---- one random step on both ---- */

static void step_topic(struct image *image, struct model_topic *m, int i, uint32_t id)
{
    char name[32];
    name_of(i, name);
    if (m->exists) {
        assert_err(image_add_topic(image, view_str(name), test_id(id)), ERR_INVALID);
        assert_ok(image_remove_topic(image, test_id(m->id)));
        *m = (struct model_topic){.config = {-1, -1, -1}};
        return;
    }
    assert_ok(image_add_topic(image, view_str(name), test_id(id)));
    *m = (struct model_topic){.exists = true, .id = id, .config = {-1, -1, -1}};
}

static void step_partition(struct image *image, struct model_topic *m, struct rng *rng)
{
    int32_t ids[2], index = (int32_t)rng_below(rng, PARTITIONS);
    int32_t leader = (int32_t)rng_below(rng, 9), epoch = (int32_t)rng_below(rng, 1000);
    struct image_partition p = partition_of(leader, epoch, ids);
    if (!m->exists) {
        assert_err(image_put_partition(image, test_id(0xffffffff), index, &p), ERR_INVALID);
        return;
    }
    if (index > m->partition_count) index = m->partition_count;
    assert_ok(image_put_partition(image, test_id(m->id), index, &p));
    m->leader[index] = leader;
    m->epoch[index] = epoch;
    if (index == m->partition_count) m->partition_count++;
}

static void step_config(struct image *image, struct model_topic *m, int i, struct rng *rng)
{
    if (!m->exists) return;
    char name[32], value[16];
    name_of(i, name);
    int key = (int)rng_below(rng, KEYS);
    int32_t number = rng_chance(rng, 300) ? -1 : (int32_t)rng_below(rng, 100);
    snprintf(value, sizeof(value), "%d", number);
    struct view v = number < 0 ? (struct view){0} : view_str(value);
    assert_ok(image_put_config(image, CONFIG_TOPIC, view_str(name), view_str(keys[key]), v));
    m->config[key] = number;
}

static void step(struct image *image, struct model *model, struct rng *rng)
{
    int i = (int)rng_below(rng, NAMES);
    struct model_topic *m = &model->topics[i];
    switch (rng_below(rng, 4)) {
    case 0: step_topic(image, m, i, (uint32_t)rng_next(rng) | 1); break;
    case 1:
    case 2: step_partition(image, m, rng); break;
    default: step_config(image, m, i, rng);
    }
}

/* ---- comparison ---- */

static void compare_topic(const struct image *image, const struct model_topic *m, int i)
{
    char name[32];
    name_of(i, name);
    const struct image_topic *topic = image_topic(image, view_str(name));
    if (!m->exists) {
        assert_null(topic);
        return;
    }
    assert_non_null(topic);
    assert_string_equal(topic->name, name);
    assert_ptr_equal(image_topic_by_id(image, test_id(m->id)), topic);
    assert_int_equal(topic->partition_count, m->partition_count);
    for (int32_t p = 0; p < m->partition_count; p++) {
        assert_int_equal(topic->partitions[p].leader, m->leader[p]);
        assert_int_equal(topic->partitions[p].leader_epoch, m->epoch[p]);
        assert_int_equal(topic->partitions[p].replica_count, 2);
        assert_int_equal(topic->partitions[p].replicas[1], m->leader[p] + 1);
        assert_int_equal(topic->partitions[p].isr[0], m->leader[p]);
    }
    for (int k = 0; k < KEYS; k++) {
        const char *value = image_config(image, CONFIG_TOPIC, view_str(name), view_str(keys[k]));
        assert_int_equal(value ? strtol(value, NULL, 10) : -1, m->config[k]);
    }
}

static void compare(const struct image *image, const struct model *model)
{
    size_t topics = 0, partitions = 0;
    for (int i = 0; i < NAMES; i++) {
        compare_topic(image, &model->topics[i], i);
        topics += model->topics[i].exists;
        partitions += (size_t)model->topics[i].partition_count;
    }
    assert_int_equal(image_topic_count(image), topics);
    assert_int_equal(image_partition_total(image), partitions);
    for (size_t i = 1; i < topics; i++) {
        assert_true(strcmp(image_topic_at(image, i - 1)->name, image_topic_at(image, i)->name) < 0);
    }
}

/* ---- tests ---- */

static void edits__random_with_old_images_kept__agree_with_the_model(void **state)
{
    (void)state;
    enum { ROUNDS = 300, KEPT = 8, STEPS = 40 };
    struct image *kept[KEPT];
    struct model *models = calloc(KEPT, sizeof(*models)), model;
    for (int i = 0; i < NAMES; i++) {
        model.topics[i] = (struct model_topic){.config = {-1, -1, -1}};
    }
    for (int i = 0; i < KEPT; i++) {
        kept[i] = image_new_empty();
        models[i] = model;
    }
    struct image *image = image_new_empty();
    struct rng rng = {2024};
    for (int round = 0; round < ROUNDS; round++) {
        struct image *next = image_next(image);
        for (int i = 0; i < STEPS; i++) step(next, &model, &rng);
        image_unref(image);
        image = next;
        if (round % 10 == 0) compare(image, &model);
        size_t slot = rng_below(&rng, KEPT);
        compare(kept[slot], &models[slot]);
        image_unref(kept[slot]);
        kept[slot] = image_ref(image);
        models[slot] = model;
    }
    for (int i = 0; i < KEPT; i++) {
        compare(kept[i], &models[i]);
        image_unref(kept[i]);
    }
    free(models);
    image_unref(image);
}

static void add_topic__ten_thousand__all_found_in_order(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    struct image *image = image_new_empty();
    int32_t ids[2];
    struct image_partition p = partition_of(1, 0, ids);
    for (uint32_t i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof(name), "t%u", i * 7919 % MANY);
        struct image *next = image_next(image);
        assert_ok(image_add_topic(next, view_str(name), test_id(i + 1)));
        assert_ok(image_put_partition(next, test_id(i + 1), 0, &p));
        image_unref(image);
        image = next;
    }
    assert_int_equal(image_topic_count(image), MANY);
    assert_int_equal(image_partition_total(image), MANY);
    for (size_t i = 0; i < MANY; i++) {
        const struct image_topic *topic = image_topic_at(image, i);
        assert_ptr_equal(image_topic(image, view_str(topic->name)), topic);
        assert_ptr_equal(image_topic_by_id(image, topic->id), topic);
        if (i > 0) assert_true(strcmp(image_topic_at(image, i - 1)->name, topic->name) < 0);
    }
    image_unref(image);
}

static void add_topic__bad_name_or_taken__is_refused(void **state)
{
    (void)state;
    struct image *image = image_new_empty();
    static const char *const bad[] = {"", ".", "..", "a/b", "a b", "\xc3\xa4", "a\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_err(image_add_topic(image, view_str(bad[i]), test_id(1)), ERR_INVALID);
    }
    char longest[251];
    memset(longest, 'x', sizeof(longest));
    assert_err(image_add_topic(image, view_of(longest, 250), test_id(1)), ERR_INVALID);
    assert_ok(image_add_topic(image, view_of(longest, 249), test_id(1)));
    assert_err(image_add_topic(image, view_str("b"), test_id(1)), ERR_INVALID);
    assert_err(image_add_topic(image, view_str("b"), (struct uuid){{0}}), ERR_INVALID);
    assert_err(image_remove_topic(image, test_id(2)), ERR_INVALID);
    assert_ok(image_add_topic(image, view_str("__consumer_offsets"), test_id(3)));
    assert_true(image_topic(image, view_str("__consumer_offsets"))->is_internal);
    image_unref(image);
}

static void put_partition__out_of_order__leaves_a_known_gap(void **state)
{
    (void)state;
    struct image *image = image_new_empty();
    int32_t ids[2];
    struct image_partition p = partition_of(3, 1, ids);
    assert_ok(image_add_topic(image, view_str("t"), test_id(1)));
    assert_ok(image_put_partition(image, test_id(1), 2, &p));
    const struct image_topic *topic = image_topic(image, view_str("t"));
    assert_int_equal(topic->partition_count, 3);
    assert_int_equal(topic->partitions[0].leader, -1);
    assert_int_equal(topic->partitions[0].replica_count, 0);
    assert_int_equal(topic->partitions[2].leader, 3);
    assert_err(image_put_partition(image, test_id(1), -1, &p), ERR_INVALID);
    assert_err(image_put_partition(image, test_id(1), PARTITIONS_MAX, &p), ERR_INVALID);
    image_unref(image);
}

static void put_partition__everything_set__is_kept(void **state)
{
    (void)state;
    struct image *image = image_new_empty();
    const int32_t ids[] = {1, 2, 3, 4};
    const struct uuid directories[] = {test_id(7), test_id(8)};
    struct image_partition_extra extra = {.removing = ids,
                                          .removing_count = 1,
                                          .adding = ids + 1,
                                          .adding_count = 1,
                                          .eligible = ids + 2,
                                          .eligible_count = 2,
                                          .is_recovering = true};
    struct image_partition p = {.replicas = ids,
                                .replica_count = 2,
                                .isr = ids + 1,
                                .isr_count = 1,
                                .directories = directories,
                                .leader = 2,
                                .extra = &extra};
    assert_ok(image_add_topic(image, view_str("t"), test_id(1)));
    assert_ok(image_put_partition(image, test_id(1), 0, &p));
    struct image *next = image_next(image);
    assert_ok(image_put_partition(next, test_id(1), 1, &p));
    image_unref(image);
    const struct image_partition *kept = image_topic(next, view_str("t"))->partitions;
    assert_true(uuid_eq(kept->directories[1], test_id(8)));
    assert_int_equal(kept->isr[0], 2);
    assert_int_equal(kept->extra->removing[0], 1);
    assert_int_equal(kept->extra->adding[0], 2);
    assert_int_equal(kept->extra->eligible[1], 4);
    assert_int_equal(kept->extra->last_known_eligible_count, 0);
    assert_true(kept->extra->is_recovering);
    image_unref(next);
}

static void brokers__registered_fenced_removed(void **state)
{
    (void)state;
    struct image *image = image_new_empty();
    const struct image_endpoint endpoint = {"PLAINTEXT", "localhost", 9092, 0};
    struct image_broker broker = {
        .id = 7, .epoch = 10, .rack = "r1", .endpoints = &endpoint, .endpoint_count = 1};
    image_put_broker(image, &broker);
    broker.id = 3;
    broker.rack = NULL;
    image_put_broker(image, &broker);
    struct image *next = image_next(image);
    assert_ok(image_fence_broker(next, 7, true));
    assert_err(image_fence_broker(next, 8, true), ERR_INVALID);
    assert_false(image_broker(image, 7)->is_fenced);
    assert_true(image_broker(next, 7)->is_fenced);
    image_unref(image);
    assert_int_equal(image_broker_at(next, 0)->id, 3);
    assert_int_equal(image_broker_at(next, 1)->id, 7);
    assert_string_equal(image_broker(next, 7)->rack, "r1");
    assert_string_equal(image_broker(next, 7)->endpoints[0].host, "localhost");
    assert_ok(image_remove_broker(next, 7));
    assert_err(image_remove_broker(next, 7), ERR_INVALID);
    assert_null(image_broker(next, 7));
    assert_int_equal(image_broker_count(next), 1);
    image_unref(next);
}

static void add_name(void *arg, const char *key, const char *value)
{
    (void)value;
    assert_ok(buf_printf(arg, "%s;", key));
}

static void configs__set_replaced_removed(void **state)
{
    (void)state;
    struct image *image = image_new_empty();
    struct view broker = view_str("1");
    assert_ok(image_put_config(image, CONFIG_BROKER, broker, view_str("b"), view_str("1")));
    assert_ok(image_put_config(image, CONFIG_BROKER, broker, view_str("a"), view_str("2")));
    assert_ok(image_put_config(image, CONFIG_BROKER, broker, view_str("b"), view_str("")));
    assert_ok(image_put_config(image, CONFIG_BROKER, view_str(""), view_str("c"), view_str("3")));
    struct buf seen = {0};
    image_each_config(image, CONFIG_BROKER, broker, add_name, &seen);
    assert_string_equal((char *)seen.data, "a;b;");
    buf_release(&seen);
    assert_string_equal(image_config(image, CONFIG_BROKER, broker, view_str("b")), "");
    assert_string_equal(image_config(image, CONFIG_BROKER, view_str(""), view_str("c")), "3");
    assert_null(image_config(image, CONFIG_TOPIC, broker, view_str("b")));
    assert_ok(image_put_config(image, CONFIG_BROKER, broker, view_str("a"), (struct view){0}));
    assert_ok(image_put_config(image, CONFIG_BROKER, broker, view_str("b"), (struct view){0}));
    assert_ok(image_put_config(image, CONFIG_BROKER, broker, view_str("z"), (struct view){0}));
    assert_int_equal(order_count(&image->configs), 1);
    assert_err(image_put_config(image, CONFIG_TOPIC, broker, view_str("k"), view_of("a\0b", 3)),
               ERR_INVALID);
    char longest[CONFIG_RESOURCE_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    assert_err(image_put_config(image, CONFIG_TOPIC, view_of(longest, sizeof(longest)),
                                view_str("k"), view_str("v")),
               ERR_INVALID);
    assert_null(
        image_config(image, CONFIG_TOPIC, view_of(longest, sizeof(longest)), view_str("k")));
    image_unref(image);
}

static void features__set_and_removed(void **state)
{
    (void)state;
    struct image *image = image_new_empty();
    assert_int_equal(image_feature(image, "metadata.version"), -1);
    image_put_feature(image, view_str("metadata.version"), 25);
    image_put_feature(image, view_str("group.version"), 1);
    int16_t level;
    assert_int_equal(image_feature_count(image), 2);
    assert_string_equal(image_feature_at(image, 1, &level), "metadata.version");
    assert_int_equal(level, 25);
    image_put_feature(image, view_str("group.version"), 0);
    assert_int_equal(image_feature(image, "group.version"), -1);
    image_unref(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits__random_with_old_images_kept__agree_with_the_model),
        cmocka_unit_test(add_topic__ten_thousand__all_found_in_order),
        cmocka_unit_test(add_topic__bad_name_or_taken__is_refused),
        cmocka_unit_test(put_partition__out_of_order__leaves_a_known_gap),
        cmocka_unit_test(put_partition__everything_set__is_kept),
        cmocka_unit_test(brokers__registered_fenced_removed),
        cmocka_unit_test(configs__set_replaced_removed),
        cmocka_unit_test(features__set_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
