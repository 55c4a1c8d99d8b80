/* topic_settings - see topic_settings.h.
 *
 * One look-up serves the merge and DescribeConfigs: the topic's own value, then the broker's
 * settings that stand behind it (candidates()), then the default. A broker says some times in
 * several units (log.retention.ms, .minutes, .hours): the first that is set wins, and is converted.
 *
 * A topic's value that this broker would not accept (a data directory of another one may hold such)
 * is passed over with a diagnostic, as if it were not set.
 */
#include "topic_settings.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "base/check.h"
#include "base/diag.h"
#include "record/compress.h"

/* ---- the broker's settings behind a topic's ---- */

struct candidate {
    const char *name;
    int64_t unit; /* the topic's value is this many times the broker's */
};

enum { CANDIDATES_MAX = 3 };

/* Where a topic's setting has more than one synonym, in the order of their weight. */
static const struct fallback {
    const char *setting;
    struct candidate candidates[CANDIDATES_MAX];
} fallbacks[] = {
    {"flush.ms", {{"log.flush.interval.ms", 1}, {"log.flush.scheduler.interval.ms", 1}}},
    {"retention.ms",
     {{"log.retention.ms", 1}, {"log.retention.minutes", 60000}, {"log.retention.hours", 3600000}}},
    {"segment.jitter.ms", {{"log.roll.jitter.ms", 1}, {"log.roll.jitter.hours", 3600000}}},
    {"segment.ms", {{"log.roll.ms", 1}, {"log.roll.hours", 3600000}}},
};

static size_t candidates(const struct setting *setting, struct candidate out[CANDIDATES_MAX])
{
    if (!setting->synonym) return 0;
    for (size_t i = 0; i < COUNT_OF(fallbacks); i++) {
        if (strcmp(fallbacks[i].setting, setting->name) != 0) continue;
        size_t n = 0;
        while (n < CANDIDATES_MAX && fallbacks[i].candidates[n].name) {
            out[n] = fallbacks[i].candidates[n];
            n++;
        }
        return n;
    }
    out[0] = (struct candidate){setting->synonym, 1};
    return 1;
}

/* ---- one value ---- */

enum { VALUE_TEXT_SIZE = 32 };

/* In the topic's unit; whatever is below zero means "none", in every unit. */
static const char *convert(const char *value, int64_t unit, char text[VALUE_TEXT_SIZE])
{
    if (unit == 1) return value;
    int64_t number = setting_parse_long(value);
    if (number < 0) {
        number = -1;
    } else if (__builtin_mul_overflow(number, unit, &number)) {
        number = INT64_MAX;
    }
    snprintf(text, VALUE_TEXT_SIZE, "%" PRId64, number);
    return text;
}

static err_t check_value(const struct setting *setting, struct view value, char *message,
                         size_t size);

/* The topic's own value, if there is one that can be used. */
static const char *own_value(const struct image *image, struct view topic,
                             const struct setting *setting)
{
    if (!image) return NULL;
    const char *value = image_config(image, CONFIG_TOPIC, topic, view_str(setting->name));
    if (!value) return NULL;
    char why[600];
    if (check_value(setting, view_str(value), why, sizeof(why)) == OK) return value;
    diag(DIAG_WARN, "topic_settings", "a topic's setting is passed over topic=%.*s: %s",
         (int)topic.len, (const char *)topic.data, why);
    return NULL;
}

/* The effective value. *text holds it where it had to be converted. */
static const char *effective(const struct image *image, struct view topic,
                             const struct broker_defaults *defaults, const struct setting *setting,
                             char text[VALUE_TEXT_SIZE])
{
    const char *own = own_value(image, topic, setting);
    if (own) return own;
    struct candidate behind[CANDIDATES_MAX];
    size_t count = defaults ? candidates(setting, behind) : 0;
    for (size_t i = 0; i < count; i++) {
        const char *value = defaults->get(defaults->arg, behind[i].name);
        if (value) return convert(value, behind[i].unit, text);
    }
    return setting->default_value;
}

/* ---- merge ---- */

struct lookup {
    const struct image *image;
    struct view topic;
    const struct broker_defaults *defaults;
    char text[VALUE_TEXT_SIZE];
};

static const char *text_of(struct lookup *l, const char *name)
{
    const struct setting *setting = setting_find(&topic_setting_table, view_str(name));
    CHECK(setting != NULL);
    const char *value = effective(l->image, l->topic, l->defaults, setting, l->text);
    CHECK(value != NULL); /* no topic setting is null */
    return value;
}

static int64_t long_of(struct lookup *l, const char *name)
{
    return setting_parse_long(text_of(l, name));
}

static int32_t int_of(struct lookup *l, const char *name)
{
    int64_t value = long_of(l, name);
    return (int32_t)MIN(value, INT32_MAX);
}

static bool bool_of(struct lookup *l, const char *name)
{
    return setting_parse_bool(text_of(l, name));
}

/* Blanks around a word do not count, so a word is looked up as a list of one. */
static bool has_word(struct lookup *l, const char *name, const char *word)
{
    return setting_list_has(text_of(l, name), word);
}

static void merge_log(struct lookup *l, struct log_config *log)
{
    log->segment_bytes = long_of(l, "segment.bytes");
    log->segment_ms = long_of(l, "segment.ms");
    log->segment_jitter_ms = MIN(long_of(l, "segment.jitter.ms"), log->segment_ms);
    log->segment_index_bytes = long_of(l, "segment.index.bytes");
    log->index_interval_bytes = long_of(l, "index.interval.bytes");
    log->retention_ms = long_of(l, "retention.ms");
    log->retention_bytes = MAX(long_of(l, "retention.bytes"), -1);
    log->flush_messages = long_of(l, "flush.messages");
    log->flush_ms = long_of(l, "flush.ms");
    log->file_delete_delay_ms = long_of(l, "file.delete.delay.ms");
    log->is_compacted = has_word(l, "cleanup.policy", "compact");
    log->is_deleted = has_word(l, "cleanup.policy", "delete");
    log->preallocate = bool_of(l, "preallocate");
    /* Either way of asking for it is a promise, so the stronger one holds. */
    bool is_fsync = has_word(l, "durability", "fsync") || log->flush_messages == 1;
    log->durability = is_fsync ? DURABILITY_FSYNC : DURABILITY_PAGE_CACHE;
    const char *expiration = l->defaults
                                 ? l->defaults->get(l->defaults->arg, "producer.id.expiration.ms")
                                 : NULL;
    log->producer_expiration_ms = expiration ? setting_parse_long(expiration) : 86400000;
}

static void merge_compression(struct lookup *l, struct topic_config *config)
{
    static const struct {
        const char *word;
        enum codec codec;
        const char *level;
    } codecs[] = {
        {"uncompressed", CODEC_NONE, NULL},
        {"gzip", CODEC_GZIP, "compression.gzip.level"},
        {"snappy", CODEC_SNAPPY, NULL},
        {"lz4", CODEC_LZ4, "compression.lz4.level"},
        {"zstd", CODEC_ZSTD, "compression.zstd.level"},
    };
    config->compression = -1;
    config->compression_level = INT_MIN;
    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        if (!has_word(l, "compression.type", codecs[i].word)) continue;
        config->compression = (int)codecs[i].codec;
        if (!codecs[i].level) continue;
        int32_t level = int_of(l, codecs[i].level);
        const struct setting *setting = setting_find(&topic_setting_table,
                                                     view_str(codecs[i].level));
        if (level != setting_parse_long(setting->default_value)) config->compression_level = level;
    }
}

struct topic_config topic_config_merge(const struct image *image, struct view topic,
                                       const struct broker_defaults *defaults)
{
    struct lookup l = {.image = image, .topic = topic, .defaults = defaults};
    struct topic_config config = {0};
    merge_log(&l, &config.log);
    merge_compression(&l, &config);
    config.max_message_bytes = int_of(&l, "max.message.bytes");
    config.min_insync_replicas = int_of(&l, "min.insync.replicas");
    config.is_log_append_time = has_word(&l, "message.timestamp.type", "LogAppendTime");
    config.timestamp_before_max_ms = long_of(&l, "message.timestamp.before.max.ms");
    config.timestamp_after_max_ms = long_of(&l, "message.timestamp.after.max.ms");
    config.validate_records = bool_of(&l, "validate.records");
    config.unclean_leader_election = bool_of(&l, "unclean.leader.election.enable");
    return config;
}

/* ---- description ---- */

static void add_synonym(struct setting_info *info, const char *name, const char *value,
                        enum setting_source source)
{
    CHECK(info->synonym_count < SETTING_SYNONYMS_MAX);
    info->synonyms[info->synonym_count++] = (struct setting_synonym){name, value, source};
}

/* The broker's values behind the setting: by source, and within one by weight. */
static void add_broker_synonyms(struct setting_info *info, const struct broker_defaults *defaults)
{
    struct candidate behind[CANDIDATES_MAX];
    size_t count = candidates(info->setting, behind);
    for (int source = SOURCE_DYNAMIC_BROKER; source <= SOURCE_DEFAULT; source++) {
        for (size_t i = 0; i < count; i++) {
            const char *value = defaults->get_at(defaults->arg, behind[i].name,
                                                 (enum setting_source)source);
            if (value) add_synonym(info, behind[i].name, value, (enum setting_source)source);
        }
    }
}

/* Which synonym is in force: the first candidate that has a value at all, at its first source. */
static enum setting_source broker_source(const struct setting *setting,
                                         const struct broker_defaults *defaults)
{
    struct candidate behind[CANDIDATES_MAX];
    size_t count = defaults ? candidates(setting, behind) : 0;
    for (size_t i = 0; i < count; i++) {
        for (int source = SOURCE_DYNAMIC_BROKER; source <= SOURCE_DEFAULT; source++) {
            if (defaults->get_at(defaults->arg, behind[i].name, (enum setting_source)source)) {
                return (enum setting_source)source;
            }
        }
    }
    return SOURCE_DEFAULT;
}

void topic_setting_describe(const struct image *image, struct view topic,
                            const struct broker_defaults *defaults, size_t i,
                            struct setting_info *out)
{
    CHECK(i < topic_setting_table.count);
    const struct setting *setting = &topic_setting_table.settings[i];
    *out = (struct setting_info){.setting = setting};
    const char *own = own_value(image, topic, setting);
    out->value = own ? own : effective(NULL, topic, defaults, setting, out->text);
    out->source = own ? SOURCE_TOPIC : broker_source(setting, defaults);
    out->is_default = !own; /* as Kafka has it: not set on the topic */
    out->is_sensitive = setting->type == SETTING_PASSWORD;
    out->is_read_only = setting->flags & SETTING_READ_ONLY;
    if (own) add_synonym(out, setting->name, own, SOURCE_TOPIC);
    if (defaults && setting->synonym) {
        add_broker_synonyms(out, defaults);
    } else {
        add_synonym(out, setting->name, setting->default_value, SOURCE_DEFAULT);
    }
}

/* ---- checks ---- */

/* "partition:broker" or a row of them, or "*". */
static bool is_replica_list(struct view value)
{
    struct view rest = value, element;
    while (setting_list_next(&rest, &element)) {
        if (view_eq(element, view_str("*"))) continue;
        size_t digits[2] = {0, 0}, part = 0;
        for (size_t i = 0; i < element.len; i++) {
            if (element.data[i] == ':' && part == 0) {
                part = 1;
            } else if (element.data[i] >= '0' && element.data[i] <= '9') {
                digits[part]++;
            } else {
                return false;
            }
        }
        if (!digits[0] || !digits[1]) return false;
    }
    return true;
}

static err_t check_value(const struct setting *setting, struct view value, char *message,
                         size_t size)
{
    TRY(setting_check(setting, value, message, size));
    if (strstr(setting->name, ".throttled.replicas") && !is_replica_list(value)) {
        setting_refusal(setting, value, "* or a comma-separated list of partition:broker", message,
                        size);
        return ERR_INVALID;
    }
    return OK;
}

err_t topic_setting_check(struct view name, struct view value, char *message, size_t message_size)
{
    const struct setting *setting = setting_find(&topic_setting_table, name);
    if (!setting) {
        setting_unknown(&topic_setting_table, name, message, message_size);
        return ERR_NOT_FOUND;
    }
    return check_value(setting, value, message, message_size);
}
