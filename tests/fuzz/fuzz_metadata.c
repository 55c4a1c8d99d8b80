/* Any bytes as what the metadata is read from: the log, a snapshot, single records, quorum-state.
 *
 * Input: flags, then the bytes. What an image was made of has to hold together: found by name, by
 * id and by place it is the same topic, the counts are right, every topic's settings can be merged,
 * and a node can begin its work on it. */
#include "log_input.h"

#include "bootstrap.h"
#include "image.h"
#include "leader_change.h"
#include "replay.h"
#include "topic_settings.h"

enum { SOURCES = 4, FROM_LOG = 0, FROM_SNAPSHOT = 1, FROM_RECORDS = 2, FROM_QUORUM_STATE = 3 };
enum { SEALED = 0x80, RECORDS_MAX = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what must hold ---- */

static const char *no_default(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}
static const char *no_default_at(void *arg, const char *name, enum setting_source source)
{
    (void)arg;
    (void)name;
    (void)source;
    return NULL;
}

static void check_topics(const struct image *image)
{
    const struct broker_defaults defaults = {NULL, no_default, no_default_at};
    size_t total = 0;
    for (size_t i = 0; i < image_topic_count(image); i++) {
        const struct image_topic *topic = image_topic_at(image, i);
        CHECK(image_topic(image, view_str(topic->name)) == topic);
        CHECK(image_topic_by_id(image, topic->id) == topic);
        CHECK(image_is_topic_name(view_str(topic->name)));
        CHECK(i == 0 || strcmp(image_topic_at(image, i - 1)->name, topic->name) < 0);
        total += (size_t)topic->partition_count;
        for (int32_t k = 0; k < topic->partition_count; k++) {
            const struct image_partition *p = &topic->partitions[k];
            CHECK(p->replica_count >= 0 && p->isr_count >= 0);
            CHECK((p->replica_count == 0 || p->replicas) && (p->isr_count == 0 || p->isr));
        }
        struct topic_config config = topic_config_merge(image, view_str(topic->name), &defaults);
        CHECK(config.log.segment_bytes > 0 && config.max_message_bytes >= 0);
        for (size_t s = 0; s < topic_setting_table.count; s++) {
            struct setting_info info;
            topic_setting_describe(image, view_str(topic->name), &defaults, s, &info);
            CHECK(info.setting);
        }
    }
    CHECK(total == image_partition_total(image));
}

static void see_config(void *arg, const char *key, const char *value)
{
    size_t *bytes = arg;
    *bytes += strlen(key) + strlen(value);
}
struct each {
    const struct image *image;
    size_t bytes;
};
static void see_resource(void *arg, enum config_resource_type type, struct view resource)
{
    struct each *each = arg;
    image_each_config(each->image, type, resource, see_config, &each->bytes);
}

static void check_image(const struct image *image)
{
    check_topics(image);
    for (size_t i = 0; i < image_broker_count(image); i++) {
        const struct image_broker *broker = image_broker_at(image, i);
        CHECK(image_broker(image, broker->id) == broker);
    }
    for (size_t i = 0; i < image_feature_count(image); i++) {
        int16_t level;
        const char *name = image_feature_at(image, i, &level);
        CHECK(image_feature(image, name) == level);
    }
    struct each each = {image, 0};
    image_each_config_resource(image, see_resource, &each);
}

/* A node starts on it: what it writes must fit what is there. */
static void check_bootstrap(const struct image *image)
{
    struct uuid id = {{1}};
    struct image_endpoint endpoint = {"PLAINTEXT", "localhost", 9092, 0};
    struct bootstrap bootstrap = {
        .node_id = 1,
        .incarnation = id,
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .directories = &id,
        .directory_count = 1,
        .metadata_version = METADATA_VERSION_4_0,
        .has_lost_records = true,
    };
    struct change change;
    struct image *next = NULL;
    change_init(&change);
    CHECK(bootstrap_decide(&bootstrap, image, &change) == OK);
    koffset_t last = image_offset(image) + (koffset_t)change.count;
    CHECK(image_apply(image, &change, last, &next) == OK);
    check_image(next);
    CHECK(image_broker(next, 1) && !image_broker(next, 1)->is_fenced);
    image_unref(next);
    change_release(&change);
}

static void check_replay(struct replay *replay)
{
    (void)replay_drop_open(replay);
    check_image(replay->image);
    if (image_offset(replay->image) < INT64_MAX / 2) check_bootstrap(replay->image);
}

/* ---- the sources ---- */

static void from_log(struct view bytes, bool is_snapshot)
{
    struct log_on_disk l = {0};
    log_on_disk_init(&l);
    const char *snapshot = "/data/topic-0/00000000000000000010-0000000001.checkpoint";
    if (is_snapshot)
        put_file(l.os, snapshot, bytes.data, bytes.len);
    else
        put_log_file(&l, 0, ".log", bytes);
    struct replay replay;
    replay_init(&replay, "cluster");
    err_t err = log_fixture_open(&l.fixture, false, 0);
    CHECK(err == OK || err == ERR_UNSUPPORTED);
    if (err == OK) err = replay_snapshots(&replay, &l.fixture.env, "/data/topic-0");
    if (err == OK) err = replay_log(&replay, l.fixture.log);
    if (err == OK) check_replay(&replay);
    if (err == OK) CHECK(image_offset(replay.image) + 1 == log_offsets(l.fixture.log).end);
    replay_release(&replay);
    log_on_disk_release(&l);
}

/* Each a change of its own, as proposals would bring them. */
static void from_records(struct input in)
{
    struct image *image = image_new_empty();
    struct buf again = {0};
    for (int i = 0; in.rest.len && i < RECORDS_MAX; i++) {
        struct view value = input_bytes(&in, input_number(&in, 2));
        struct change change;
        struct image *next = NULL;
        change_init(&change);
        if (change_decode_record(value, &change) == OK) {
            buf_clear(&again);
            CHECK(change_encode_record(change.first, &again) == OK);
            if (image_apply(image, &change, image_offset(image) + 1, &next) == OK) {
                image_unref(image);
                image = next;
            }
        }
        change_release(&change);
    }
    check_image(image);
    check_bootstrap(image);
    image_unref(image);
    buf_release(&again);
}

static void from_quorum_state(struct view bytes)
{
    struct log_on_disk l = {0};
    log_on_disk_init(&l);
    put_file(l.os, "/data/topic-0/quorum-state", bytes.data, bytes.len);
    CHECK(quorum_state_epoch(l.os, "/data/topic-0") >= -1);
    log_on_disk_release(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {view_of(data, size)};
    unsigned flags = (unsigned)input_number(&in, 1), source = (flags & ~SEALED) % SOURCES;
    uint8_t *copy = malloc(in.rest.len + 1);
    CHECK(copy);
    if (in.rest.len) memcpy(copy, in.rest.data, in.rest.len);
    if (flags & SEALED) seal_batches(copy, in.rest.len);
    struct view bytes = view_of(copy, in.rest.len);
    switch (source) {
    case FROM_LOG: from_log(bytes, false); break;
    case FROM_SNAPSHOT: from_log(bytes, true); break;
    case FROM_RECORDS: from_records((struct input){bytes}); break;
    default: from_quorum_state(bytes); break;
    }
    free(copy);
    return 0;
}
