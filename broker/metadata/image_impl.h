/* image_impl - the inside of an image, and the edits that make the next one of it.
 *
 * An edit is allowed on an image that nobody else can see: image_next() gives one that shares
 * everything with the image before, and the edits copy what they touch, once. Only apply.c and the
 * loader (replay.h) edit. An edit that contradicts the image changes nothing and gives ERR_INVALID.
 */
#pragma once

#include <stdatomic.h>

#include "base/err.h"
#include "image.h"
#include "trie.h"

enum { CLUSTER_ID_MAX = 63, PARTITIONS_MAX = 1000000 };

struct image {
    _Atomic int refs;
    koffset_t offset;
    char cluster_id[CLUSTER_ID_MAX + 1];
    int64_t next_producer_id;
    size_t partition_total;
    struct order topics; /* struct topic_item, by name */
    struct trie by_name, by_id;
    struct order brokers;  /* struct broker_item, by id */
    struct order configs;  /* struct config_item, by type and resource */
    struct order features; /* struct feature_item, by name */
};

struct topic_item {
    struct item item;
    struct image_topic topic; /* what others see; `partitions` points to the array below */
    struct image_partition *partitions;
    struct partition_block **blocks; /* hold what the partitions point to; shared by copies */
    int32_t cap;
    char name[];
};

struct broker_item {
    struct item item;
    struct image_broker broker; /* owns its strings */
    uint8_t key[4];
};

struct config_entry {
    char *key; /* "key\0value\0" in one piece, owned */
    const char *value;
};

struct config_item {
    struct item item;
    struct config_entry *entries; /* in order of key */
    size_t count;
    uint8_t key[]; /* the type, then the resource's name */
};

struct feature_item {
    struct item item;
    int16_t level;
    char name[];
};

enum { CONFIG_RESOURCE_MAX = 1024 };

/* The key of a config_item. `buffer` has to live as long as it. A name that is too long gives an
 * empty key, under which there is nothing. */
struct view config_key(enum config_resource_type type, struct view resource,
                       uint8_t buffer[CONFIG_RESOURCE_MAX + 1]);
struct view topic_name_of(const struct item *item);
struct view topic_id_of(const struct item *item);

/* A new image that shares everything with `image`; one reference. */
struct image *image_next(const struct image *image);
void image_set_cluster_id(struct image *image, const char *cluster_id);

/* ---- edits ---- */
err_t image_add_topic(struct image *image, struct view name, struct uuid id);
err_t image_remove_topic(struct image *image, struct uuid id);
/* Adds or replaces one; copies what it points to. */
err_t image_put_partition(struct image *image, struct uuid topic, int32_t index,
                          const struct image_partition *partition);
/* `value` with data NULL: removes it. */
err_t image_put_config(struct image *image, enum config_resource_type type, struct view resource,
                       struct view key, struct view value);
void image_put_broker(struct image *image, const struct image_broker *broker);
err_t image_remove_broker(struct image *image, int32_t id);
err_t image_fence_broker(struct image *image, int32_t id, bool is_fenced);
/* 0 removes it. */
void image_put_feature(struct image *image, struct view name, int16_t level);
