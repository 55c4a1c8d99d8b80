/* image - see image.h. This file asks; image_edit.c changes.
 *
 * Everything is kept in orders (order.h): topics by name, brokers by id, settings by resource,
 * features by name. Two tries (trie.h) find topics by name and by id at once; they borrow from the
 * order of the same image. The next image shares all of it and copies what it changes.
 */
#include "image.h"

#include <stdlib.h>

#include "base/check.h"
#include "image_impl.h"

/* ---- lifecycle ---- */

struct image *image_new_empty(void)
{
    struct image *image = must_calloc(1, sizeof(*image));
    atomic_init(&image->refs, 1);
    image->offset = -1;
    return image;
}

struct image *image_next(const struct image *image)
{
    struct image *next = must_alloc(sizeof(*next));
    *next = (struct image){
        .offset = image->offset,
        .next_producer_id = image->next_producer_id,
        .partition_total = image->partition_total,
        .topics = order_copy(&image->topics),
        .by_name = trie_copy(&image->by_name),
        .by_id = trie_copy(&image->by_id),
        .brokers = order_copy(&image->brokers),
        .configs = order_copy(&image->configs),
        .features = order_copy(&image->features),
    };
    atomic_init(&next->refs, 1);
    memcpy(next->cluster_id, image->cluster_id, sizeof(next->cluster_id));
    return next;
}

void image_set_cluster_id(struct image *image, const char *cluster_id)
{
    size_t len = strlen(cluster_id);
    CHECK(len <= CLUSTER_ID_MAX);
    memcpy(image->cluster_id, cluster_id, len + 1);
}

struct image *image_ref(const struct image *image)
{
    struct image *same = (struct image *)image; /* the count is all that changes */
    atomic_fetch_add_explicit(&same->refs, 1, memory_order_relaxed);
    return same;
}

void image_unref(const struct image *image)
{
    struct image *same = (struct image *)image;
    if (!same || atomic_fetch_sub_explicit(&same->refs, 1, memory_order_acq_rel) != 1) return;
    trie_release(&same->by_name);
    trie_release(&same->by_id);
    order_release(&same->topics);
    order_release(&same->brokers);
    order_release(&same->configs);
    order_release(&same->features);
    free(same);
}

/* ---- plain values ---- */

koffset_t image_offset(const struct image *image) { return image->offset; }
const char *image_cluster_id(const struct image *image) { return image->cluster_id; }
int64_t image_next_producer_id(const struct image *image) { return image->next_producer_id; }

int16_t image_feature(const struct image *image, const char *name)
{
    struct item *item = order_find(&image->features, view_str(name));
    return item ? CONTAINER_OF(item, struct feature_item, item)->level : -1;
}

size_t image_feature_count(const struct image *image) { return order_count(&image->features); }

const char *image_feature_at(const struct image *image, size_t i, int16_t *level)
{
    struct feature_item *feature = CONTAINER_OF(order_at(&image->features, i), struct feature_item,
                                                item);
    *level = feature->level;
    return feature->name;
}

/* ---- topics ---- */

struct view topic_name_of(const struct item *item) { return item->key; }

struct view topic_id_of(const struct item *item)
{
    const struct topic_item *topic = CONTAINER_OF(item, const struct topic_item, item);
    return view_of(topic->topic.id.bytes, sizeof(topic->topic.id.bytes));
}

size_t image_topic_count(const struct image *image) { return order_count(&image->topics); }
size_t image_partition_total(const struct image *image) { return image->partition_total; }

static const struct image_topic *topic_of(struct item *item)
{
    return item ? &CONTAINER_OF(item, struct topic_item, item)->topic : NULL;
}

const struct image_topic *image_topic(const struct image *image, struct view name)
{
    return topic_of(trie_find(&image->by_name, topic_name_of, name));
}

const struct image_topic *image_topic_by_id(const struct image *image, struct uuid id)
{
    struct view key = view_of(id.bytes, sizeof(id.bytes));
    return topic_of(trie_find(&image->by_id, topic_id_of, key));
}

const struct image_topic *image_topic_at(const struct image *image, size_t i)
{
    return topic_of(order_at(&image->topics, i));
}

/* ---- brokers ---- */

size_t image_broker_count(const struct image *image) { return order_count(&image->brokers); }

static const struct image_broker *broker_of(struct item *item)
{
    return item ? &CONTAINER_OF(item, struct broker_item, item)->broker : NULL;
}

const struct image_broker *image_broker(const struct image *image, int32_t id)
{
    uint8_t key[4];
    be32_put(key, (uint32_t)id);
    return broker_of(order_find(&image->brokers, view_of(key, sizeof(key))));
}

const struct image_broker *image_broker_at(const struct image *image, size_t i)
{
    return broker_of(order_at(&image->brokers, i));
}

/* ---- settings ---- */

struct view config_key(enum config_resource_type type, struct view resource,
                       uint8_t buffer[CONFIG_RESOURCE_MAX + 1])
{
    if (resource.len > CONFIG_RESOURCE_MAX) return view_of("", 0);
    buffer[0] = (uint8_t)type;
    if (resource.len) memcpy(buffer + 1, resource.data, resource.len);
    return view_of(buffer, 1 + resource.len);
}

static const struct config_item *config_find(const struct image *image,
                                             enum config_resource_type type, struct view resource)
{
    uint8_t buffer[CONFIG_RESOURCE_MAX + 1];
    struct item *item = order_find(&image->configs, config_key(type, resource, buffer));
    return item ? CONTAINER_OF(item, struct config_item, item) : NULL;
}

const char *image_config(const struct image *image, enum config_resource_type type,
                         struct view resource, struct view key)
{
    const struct config_item *config = config_find(image, type, resource);
    for (size_t i = 0; config && i < config->count; i++) {
        if (view_eq(view_str(config->entries[i].key), key)) return config->entries[i].value;
    }
    return NULL;
}

void image_each_config(const struct image *image, enum config_resource_type type,
                       struct view resource,
                       void (*fn)(void *arg, const char *key, const char *value), void *arg)
{
    const struct config_item *config = config_find(image, type, resource);
    for (size_t i = 0; config && i < config->count; i++) {
        fn(arg, config->entries[i].key, config->entries[i].value);
    }
}

void image_each_config_resource(const struct image *image,
                                void (*fn)(void *arg, enum config_resource_type type,
                                           struct view resource),
                                void *arg)
{
    for (size_t i = 0; i < order_count(&image->configs); i++) {
        struct view key = order_at(&image->configs, i)->key;
        fn(arg, (enum config_resource_type)key.data[0], view_of(key.data + 1, key.len - 1));
    }
}
