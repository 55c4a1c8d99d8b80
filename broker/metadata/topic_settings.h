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

/* Looks up broker-level defaults by their broker name ("log.segment.bytes"); never NULL results for
 * known names. */
struct broker_defaults {
    void *arg;
    const char *(*get)(void *arg, const char *broker_setting);
};

/* The effective text value of one topic setting and where it comes from. */
enum setting_source {
    SOURCE_TOPIC = 1,
    SOURCE_DYNAMIC_BROKER = 2,
    SOURCE_DYNAMIC_DEFAULT_BROKER = 3,
    SOURCE_STATIC_BROKER = 4,
    SOURCE_DEFAULT = 5
};

struct topic_config topic_config_merge(const struct image *image, struct view topic,
                                       const struct broker_defaults *defaults);
