/* topic_decisions - what creating, growing and deleting topics means: pure, image in, metadata
 * records out.
 *
 * Each function looks at the image, judges one topic and, if it may be, adds the records to the
 * change. Nothing is added after a refusal. Used under a proposal, so that nothing comes between
 * the look and the change.
 */
#pragma once

#include "metadata/change.h"
#include "metadata/image.h"
#include "verdict.h"

struct broker_settings;
struct random;

struct topic_decision {
    const struct image *image;
    const struct broker_settings *settings;
    const struct random *random; /* for topic ids */
    struct arena *arena;         /* messages live here */
    struct change *change;       /* NULL: judge only */
    int64_t *pending_partitions; /* partitions that the change adds so far; kept up to date */
};

struct topic_assignment {
    int32_t partition;
    const int32_t *replicas;
    int32_t replica_count;
};

struct topic_setting {
    struct view name;
    struct view value; /* data NULL: null */
};

struct topic_spec {
    struct view name;
    int32_t partitions;         /* -1: the default */
    int16_t replication_factor; /* -1: the default */
    const struct topic_assignment *assignments;
    int32_t assignment_count;
    const struct topic_setting *settings;
    int32_t setting_count;
};

struct topic_created {
    struct uuid id;
    int32_t partitions;
    int16_t replication_factor;
};

/* 1 to 249 of [A-Za-z0-9._-], and neither "." nor "..". */
struct verdict topic_name_judge(struct view name, struct arena *arena);
bool topic_name_is_internal(struct view name);

struct verdict topic_create_decide(const struct topic_decision *d, const struct topic_spec *spec,
                                   struct topic_created *out);
/* To `count` partitions in all; `assignments` NULL: placed here. */
struct verdict topic_grow_decide(const struct topic_decision *d, const struct image_topic *topic,
                                 int32_t count, const struct topic_assignment *assignments,
                                 int32_t assignment_count);
struct verdict topic_delete_decide(const struct topic_decision *d, const struct image_topic *topic);
