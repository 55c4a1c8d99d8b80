/* image - what the cluster looks like at one metadata offset: topics, settings, brokers. Immutable,
 * reference-counted.
 *
 * The proposer's thread builds a new one for each committed batch (metadata/change.h) and publishes
 * it; anybody takes a reference with image_ref() and may keep it as long as it likes: nothing in it
 * ever changes. Parts that did not change are shared with the image before. Names are found by
 * hashing; iteration is in order of name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/types.h"
#include "base/uuid.h"

struct image;

/* What most partitions do not have. */
struct image_partition_extra {
    const int32_t *removing; /* replicas that a reassignment takes away */
    int32_t removing_count;
    const int32_t *adding; /* ... and brings */
    int32_t adding_count;
    const int32_t *eligible; /* eligible leader replicas (KIP-966) */
    int32_t eligible_count;
    const int32_t *last_known_eligible;
    int32_t last_known_eligible_count;
    bool is_recovering; /* from an unclean election */
};

struct image_partition {
    const int32_t *replicas; /* node ids, preferred leader first */
    int32_t replica_count;
    const int32_t *isr;
    int32_t isr_count;
    const struct uuid *directories; /* one per replica; NULL: unassigned */
    int32_t leader;                 /* -1: none */
    leader_epoch_t leader_epoch;
    int32_t partition_epoch;
    const struct image_partition_extra *extra; /* NULL: nothing of it */
};

struct image_topic {
    const char *name;
    struct uuid id;
    const struct image_partition *partitions; /* one that no record described has no replicas */
    int32_t partition_count;
    bool is_internal;
};

struct image_broker {
    int32_t id;
    int64_t epoch; /* offset of the registration record */
    struct uuid incarnation;
    const char *rack; /* NULL: none */
    bool is_fenced;
    const struct image_endpoint {
        const char *listener;
        const char *host;
        int32_t port;
        int16_t security_protocol; /* 0: PLAINTEXT */
    } * endpoints;
    int32_t endpoint_count;
};

/* Settings are kept as text under (type, resource name). */
enum config_resource_type {
    CONFIG_TOPIC = 2,
    CONFIG_BROKER = 4,
    CONFIG_BROKER_LOGGER = 8,
    CONFIG_CLIENT_METRICS = 16,
    CONFIG_GROUP = 32
};

struct image *image_new_empty(void);
struct image *image_ref(const struct image *image);
void image_unref(const struct image *image); /* NULL is allowed */

koffset_t image_offset(const struct image *image); /* of the last record applied; -1: none */
const char *image_cluster_id(const struct image *image);
int64_t image_next_producer_id(const struct image *image); /* first id of the next block */

/* 1 to 249 of [A-Za-z0-9._-], and not "." or "..": it names a directory, too. */
enum { TOPIC_NAME_MAX = 249 };
bool image_is_topic_name(struct view name);
size_t image_topic_count(const struct image *image);
size_t image_partition_total(const struct image *image);
const struct image_topic *image_topic(const struct image *image, struct view name); /* NULL: none */
const struct image_topic *image_topic_by_id(const struct image *image,
                                            struct uuid id); /* NULL: none */
/* The i-th topic in order of name. */
const struct image_topic *image_topic_at(const struct image *image, size_t i);

size_t image_broker_count(const struct image *image);
const struct image_broker *image_broker(const struct image *image, int32_t id);
const struct image_broker *image_broker_at(const struct image *image, size_t i);

/* NULL: not set there. `resource` is the topic's name, the node id as text, or "" for the default
 * of all brokers. */
const char *image_config(const struct image *image, enum config_resource_type type,
                         struct view resource, struct view key);
void image_each_config(const struct image *image, enum config_resource_type type,
                       struct view resource,
                       void (*fn)(void *arg, const char *key, const char *value), void *arg);
/* Every resource that has settings. */
void image_each_config_resource(const struct image *image,
                                void (*fn)(void *arg, enum config_resource_type type,
                                           struct view resource),
                                void *arg);
/* -1: not finalized. */
int16_t image_feature(const struct image *image, const char *name);
size_t image_feature_count(const struct image *image);
/* The i-th name, in order. */
const char *image_feature_at(const struct image *image, size_t i, int16_t *level);
