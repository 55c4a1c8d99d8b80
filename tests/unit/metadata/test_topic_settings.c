/* Topic, broker and default merged into one configuration, and shown as DescribeConfigs wants it.
 */
#include "metadata/topic_settings.h"

#include <limits.h>

#include "image_impl.h"
#include "record/compress.h"
#include "test.h"

/* A broker with a few values of its own. */
struct fake_broker {
    const char *name[8];
    const char *value[8];
    enum setting_source source[8];
    size_t count;
};

static const char *fake_default(const char *name)
{
    static const char *const defaults[][2] = {
        {"log.retention.hours", "168"},   {"log.roll.hours", "168"},
        {"log.roll.jitter.hours", "0"},   {"message.max.bytes", "1048588"},
        {"log.cleanup.policy", "delete"},
    };
    for (size_t i = 0; i < COUNT_OF(defaults); i++) {
        if (strcmp(defaults[i][0], name) == 0) return defaults[i][1];
    }
    return NULL;
}

static const char *fake_get_at(void *arg, const char *name, enum setting_source source)
{
    const struct fake_broker *broker = arg;
    for (size_t i = 0; i < broker->count; i++) {
        if (broker->source[i] == source && strcmp(broker->name[i], name) == 0) {
            return broker->value[i];
        }
    }
    return source == SOURCE_DEFAULT ? fake_default(name) : NULL;
}

static const char *fake_get(void *arg, const char *name)
{
    for (int source = SOURCE_DYNAMIC_BROKER; source <= SOURCE_DEFAULT; source++) {
        const char *value = fake_get_at(arg, name, (enum setting_source)source);
        if (value) return value;
    }
    return NULL;
}

static void fake_set(struct fake_broker *broker, const char *name, const char *value,
                     enum setting_source source)
{
    broker->name[broker->count] = name;
    broker->value[broker->count] = value;
    broker->source[broker->count++] = source;
}

struct test {
    struct image *image;
    struct fake_broker broker;
    struct broker_defaults defaults;
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    t->image = image_new_empty();
    t->defaults = (struct broker_defaults){&t->broker, fake_get, fake_get_at};
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct test *t = *state;
    image_unref(t->image);
    free(t);
    diag_set_sink(NULL, NULL);
    return 0;
}

static void set_topic(struct test *t, const char *key, const char *value)
{
    assert_ok(
        image_put_config(t->image, CONFIG_TOPIC, view_str("t"), view_str(key), view_str(value)));
}

static struct topic_config merge(struct test *t)
{
    return topic_config_merge(t->image, view_str("t"), &t->defaults);
}

static struct setting_info describe(struct test *t, const char *name)
{
    static struct setting_info info; /* its value may point into it */
    const struct setting *setting = setting_find(&topic_setting_table, view_str(name));
    assert_non_null(setting);
    topic_setting_describe(t->image, view_str("t"), &t->defaults,
                           (size_t)(setting - topic_setting_table.settings), &info);
    return info;
}

static void table__names__are_in_order_and_defaults_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < topic_setting_table.count; i++) {
        const struct setting *s = &topic_setting_table.settings[i];
        if (i > 0) assert_true(strcmp(s[-1].name, s->name) < 0);
        char message[400] = "";
        if (setting_check(s, view_str(s->default_value), message, sizeof(message)) != OK) {
            fail_msg("%s", message);
        }
        assert_true(strlen(s->meaning) > 10);
    }
}

static void merge__nothing_set__is_kafkas_default(void **state)
{
    struct topic_config config = topic_config_merge(NULL, view_str("t"), NULL);
    assert_int_equal(config.log.segment_bytes, 1 << 30);
    assert_int_equal(config.log.retention_ms, 604800000);
    assert_int_equal(config.log.segment_ms, 604800000);
    assert_int_equal(config.log.flush_messages, INT64_MAX);
    assert_true(config.log.is_deleted && !config.log.is_compacted);
    assert_int_equal(config.log.durability, DURABILITY_PAGE_CACHE);
    assert_int_equal(config.log.producer_expiration_ms, 86400000);
    assert_int_equal(config.max_message_bytes, 1048588);
    assert_int_equal(config.compression, -1);
    assert_int_equal(config.timestamp_after_max_ms, 3600000);
    assert_int_equal(config.timestamp_before_max_ms, INT64_MAX);
    assert_false(config.is_log_append_time || config.validate_records);
    struct topic_config same = merge(*state);
    assert_memory_equal(&same.log, &config.log, sizeof(same.log));
}

static void merge__topic_over_broker_over_default(void **state)
{
    struct test *t = *state;
    fake_set(&t->broker, "message.max.bytes", "5000", SOURCE_STATIC_BROKER);
    assert_int_equal(merge(t).max_message_bytes, 5000);
    fake_set(&t->broker, "message.max.bytes", "6000", SOURCE_DYNAMIC_BROKER);
    assert_int_equal(merge(t).max_message_bytes, 6000);
    set_topic(t, "max.message.bytes", "7000");
    assert_int_equal(merge(t).max_message_bytes, 7000);
}

static void merge__retention_in_three_units__the_finest_wins(void **state)
{
    struct test *t = *state;
    fake_set(&t->broker, "log.retention.hours", "2", SOURCE_STATIC_BROKER);
    assert_int_equal(merge(t).log.retention_ms, 7200000);
    fake_set(&t->broker, "log.retention.minutes", "3", SOURCE_STATIC_BROKER);
    assert_int_equal(merge(t).log.retention_ms, 180000);
    fake_set(&t->broker, "log.retention.ms", "4", SOURCE_STATIC_BROKER);
    assert_int_equal(merge(t).log.retention_ms, 4);
    set_topic(t, "retention.ms", "-1");
    assert_int_equal(merge(t).log.retention_ms, -1);
}

static void merge__unlimited_hours__stay_unlimited(void **state)
{
    struct test *t = *state;
    fake_set(&t->broker, "log.retention.hours", "-1", SOURCE_STATIC_BROKER);
    assert_int_equal(merge(t).log.retention_ms, -1);
    fake_set(&t->broker, "log.roll.hours", "2147483647", SOURCE_STATIC_BROKER);
    assert_int_equal(merge(t).log.segment_ms, INT64_C(2147483647) * 3600000);
}

static void merge__policies(void **state)
{
    struct test *t = *state;
    set_topic(t, "cleanup.policy", "compact, delete");
    assert_true(merge(t).log.is_compacted && merge(t).log.is_deleted);
    set_topic(t, "cleanup.policy", "compact");
    assert_true(merge(t).log.is_compacted && !merge(t).log.is_deleted);
    set_topic(t, "message.timestamp.type", "LogAppendTime");
    assert_true(merge(t).is_log_append_time);
    set_topic(t, "validate.records", "true");
    assert_true(merge(t).validate_records);
}

static void merge__durability__either_way_of_asking(void **state)
{
    struct test *t = *state;
    set_topic(t, "durability", "fsync");
    assert_int_equal(merge(t).log.durability, DURABILITY_FSYNC);
    set_topic(t, "durability", "page-cache");
    assert_int_equal(merge(t).log.durability, DURABILITY_PAGE_CACHE);
    set_topic(t, "flush.messages", "1");
    assert_int_equal(merge(t).log.durability, DURABILITY_FSYNC);
}

static void merge__compression__codec_and_level(void **state)
{
    struct test *t = *state;
    set_topic(t, "compression.type", "zstd");
    assert_int_equal(merge(t).compression, CODEC_ZSTD);
    assert_int_equal(merge(t).compression_level, INT_MIN);
    set_topic(t, "compression.zstd.level", "19");
    assert_int_equal(merge(t).compression_level, 19);
    set_topic(t, "compression.type", "uncompressed");
    assert_int_equal(merge(t).compression, CODEC_NONE);
    assert_int_equal(merge(t).compression_level, INT_MIN);
    set_topic(t, "compression.type", "snappy");
    assert_int_equal(merge(t).compression, CODEC_SNAPPY);
}

static void merge__unusable_value_in_image__is_passed_over(void **state)
{
    struct test *t = *state;
    struct heard heard = {0};
    diag_set_sink(hear, &heard);
    set_topic(t, "retention.ms", "soon");
    set_topic(t, "message.format.version", "3.0-IV1"); /* of an old Kafka: nobody asks for it */
    assert_int_equal(merge(t).log.retention_ms, 604800000);
    assert_true(heard.count >= 1);
    assert_non_null(strstr(heard.last, "retention.ms"));
    assert_non_null(strstr(heard.last, "topic=t"));
    assert_int_equal(describe(t, "retention.ms").source, SOURCE_DEFAULT);
}

static void describe__topic_value__comes_first(void **state)
{
    struct test *t = *state;
    fake_set(&t->broker, "message.max.bytes", "5000", SOURCE_STATIC_BROKER);
    fake_set(&t->broker, "message.max.bytes", "6000", SOURCE_DYNAMIC_DEFAULT_BROKER);
    set_topic(t, "max.message.bytes", "7000");
    struct setting_info info = describe(t, "max.message.bytes");
    assert_string_equal(info.value, "7000");
    assert_int_equal(info.source, SOURCE_TOPIC);
    assert_false(info.is_default || info.is_read_only || info.is_sensitive);
    assert_int_equal(info.synonym_count, 4);
    assert_string_equal(info.synonyms[0].name, "max.message.bytes");
    assert_string_equal(info.synonyms[1].name, "message.max.bytes");
    assert_string_equal(info.synonyms[1].value, "6000");
    assert_int_equal(info.synonyms[1].source, SOURCE_DYNAMIC_DEFAULT_BROKER);
    assert_string_equal(info.synonyms[2].value, "5000");
    assert_int_equal(info.synonyms[3].source, SOURCE_DEFAULT);
}

static void describe__retention_by_hours__is_converted(void **state)
{
    struct test *t = *state;
    fake_set(&t->broker, "log.retention.hours", "1", SOURCE_STATIC_BROKER);
    struct setting_info info = describe(t, "retention.ms");
    assert_string_equal(info.value, "3600000");
    assert_int_equal(info.source, SOURCE_STATIC_BROKER);
    assert_true(info.is_default);
    assert_int_equal(info.synonym_count, 2);
    assert_string_equal(info.synonyms[0].name, "log.retention.hours");
    assert_string_equal(info.synonyms[0].value, "1");
    assert_int_equal(info.synonyms[1].source, SOURCE_DEFAULT);
}

static void describe__no_synonym__shows_the_default(void **state)
{
    struct setting_info info = describe(*state, "remote.storage.enable");
    assert_string_equal(info.value, "false");
    assert_int_equal(info.source, SOURCE_DEFAULT);
    assert_int_equal(info.synonym_count, 1);
    assert_string_equal(info.synonyms[0].name, "remote.storage.enable");
}

static void check__rules__hold(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        err_t want;
    } cases[] = {
        {"segment.bytes", "16384", OK},
        {"segment.bytes", "16383", ERR_INVALID},
        {"segment.bytes", "2147483648", ERR_INVALID},
        {"retention.ms", "-1", OK},
        {"retention.ms", "-2", ERR_INVALID},
        {"retention.bytes", "-1", OK},
        {"cleanup.policy", "compact,delete", OK},
        {"cleanup.policy", "compress", ERR_INVALID},
        {"compression.type", "brotli", ERR_INVALID},
        {"compression.gzip.level", "0", ERR_INVALID},
        {"compression.gzip.level", "9", OK},
        {"compression.lz4.level", "18", ERR_INVALID},
        {"min.cleanable.dirty.ratio", "1.1", ERR_INVALID},
        {"min.insync.replicas", "0", ERR_INVALID},
        {"remote.storage.enable", "true", ERR_INVALID},
        {"remote.storage.enable", "false", OK},
        {"leader.replication.throttled.replicas", "0:1,1:2", OK},
        {"leader.replication.throttled.replicas", "*", OK},
        {"leader.replication.throttled.replicas", "", OK},
        {"leader.replication.throttled.replicas", "0-1", ERR_INVALID},
        {"leader.replication.throttled.replicas", "0:", ERR_INVALID},
        {"durability", "fsync", OK},
        {"durability", "maybe", ERR_INVALID},
        {"message.downconversion.enable", "true", ERR_NOT_FOUND},
        {"retention.mss", "1", ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char message[400] = "";
        err_t err = topic_setting_check(view_str(cases[i].name), view_str(cases[i].value), message,
                                        sizeof(message));
        if (err != cases[i].want) fail_msg("%s=%s", cases[i].name, cases[i].value);
        if (err != OK) assert_non_null(strstr(message, cases[i].name));
    }
}

static void check__blanks_around_a_long_value__do_not_confuse(void **state)
{
    (void)state;
    char value[200];
    memset(value, ' ', sizeof(value));
    value[150] = '5';
    assert_ok(
        topic_setting_check(view_str("retention.ms"), view_of(value, sizeof(value)), NULL, 0));
    assert_int_equal(setting_parse_long("                                                     5"),
                     5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(table__names__are_in_order_and_defaults_allowed),
        TEST(merge__nothing_set__is_kafkas_default),
        TEST(merge__topic_over_broker_over_default),
        TEST(merge__retention_in_three_units__the_finest_wins),
        TEST(merge__unlimited_hours__stay_unlimited),
        TEST(merge__policies),
        TEST(merge__durability__either_way_of_asking),
        TEST(merge__compression__codec_and_level),
        TEST(merge__unusable_value_in_image__is_passed_over),
        TEST(describe__topic_value__comes_first),
        TEST(describe__retention_by_hours__is_converted),
        TEST(describe__no_synonym__shows_the_default),
        TEST(check__rules__hold),
        TEST(check__blanks_around_a_long_value__do_not_confuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
