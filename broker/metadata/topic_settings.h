/* topic_settings - every setting of a topic, and how topic, broker and default are merged into a
 * log's configuration. */
#pragma once

#include "image.h"
#include "settings.h"
#include "storage/log_config.h"

/* All of Kafka's topic settings, plus `durability` (page-cache, fsync) and `validate.records` of
 * ours. */
extern const struct setting_table topic_setting_table;

/* What the broker needs to know of a topic, merged. */
struct topic_config {
    struct log_config log;
    int32_t max_message_bytes;
    int32_t min_insync_replicas;
    int compression;       /* enum codec, or -1: producer */
    int compression_level; /* INT_MIN: the codec's default */
    bool is_log_append_time;
    int64_t timestamp_before_max_ms, timestamp_after_max_ms;
    bool validate_records;
    bool unclean_leader_election;
};

/* Where a value comes from; the numbers are those of DescribeConfigs (KIP-226). */
enum setting_source {
    SOURCE_TOPIC = 1,
    SOURCE_DYNAMIC_BROKER = 2,
    SOURCE_DYNAMIC_DEFAULT_BROKER = 3,
    SOURCE_STATIC_BROKER = 4,
    SOURCE_DEFAULT = 5
};

/* Looks up broker-level defaults by their broker name ("log.segment.bytes"). */
struct broker_defaults {
    void *arg;
    /* The effective value; NULL: null. */
    const char *(*get)(void *arg, const char *broker_setting);
    /* The value set at exactly this source; NULL: none. */
    const char *(*get_at)(void *arg, const char *broker_setting, enum setting_source source);
};

struct topic_config topic_config_merge(const struct image *image, struct view topic,
                                       const struct broker_defaults *defaults);

/* One setting as DescribeConfigs shows it. Everything is borrowed from the table, the image and the
 * defaults, but for `text`. */
enum { SETTING_SYNONYMS_MAX = 16 };
struct setting_info {
    const struct setting *setting;
    const char *value; /* effective; NULL: null, or a password. May point to `text` */
    enum setting_source source;
    bool is_default, is_sensitive, is_read_only;
    /* Every value that could hold, the one in force first. */
    struct setting_synonym {
        const char *name;
        const char *value; /* NULL: null */
        enum setting_source source;
    } synonyms[SETTING_SYNONYMS_MAX];
    size_t synonym_count;
    char text[32];
};

/* The i-th setting of topic_setting_table for a topic. */
void topic_setting_describe(const struct image *image, struct view topic,
                            const struct broker_defaults *defaults, size_t i,
                            struct setting_info *out);
/* Checks one value for CreateTopics and AlterConfigs. ERR_NOT_FOUND: no such setting (`message`
 * names the nearest one); ERR_INVALID: `message` says what is allowed. */
err_t topic_setting_check(struct view name, struct view value, char *message, size_t message_size);
