/* image_edit - the edits of image_impl.h, and the items that an image is made of.
 *
 * A topic's partitions are an array that grows by doubling; what they point to (replicas and the
 * like) lies in one block each, which copies of the topic share. So a change of one partition
 * copies its topic's array and one block, and a topic that only this image has is changed in place.
 */
#include <stdlib.h>

#include "base/check.h"
#include "image_impl.h"

static char *copy_text(const void *data, size_t len)
{
    char *copy = must_alloc(len + 1);
    if (len) memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

static char *copy_string(const char *text) { return text ? copy_text(text, strlen(text)) : NULL; }

/* ---- partitions ---- */

struct partition_block {
    _Atomic int refs;
    struct image_partition_extra extra;
    uint8_t data[]; /* directories, then all the arrays of node ids */
};

static size_t ids_size(const struct image_partition *p)
{
    size_t count = (size_t)p->replica_count + (size_t)p->isr_count;
    if (p->extra) {
        count += (size_t)p->extra->removing_count + (size_t)p->extra->adding_count +
                 (size_t)p->extra->eligible_count + (size_t)p->extra->last_known_eligible_count;
    }
    return count * sizeof(int32_t);
}

/* Copies an array of ids to *at and moves on. */
static const int32_t *place_ids(uint8_t **at, const int32_t *ids, int32_t count)
{
    int32_t *copy = (int32_t *)*at;
    size_t size = (size_t)count * sizeof(*ids);
    if (size) memcpy(copy, ids, size);
    *at += size;
    return copy;
}

/* Makes a block of all that *partition points to, and points it there. */
static struct partition_block *block_new(struct image_partition *partition)
{
    size_t directories = partition->directories
                             ? (size_t)partition->replica_count * sizeof(struct uuid)
                             : 0;
    struct partition_block *block = must_alloc(sizeof(*block) + directories + ids_size(partition));
    atomic_init(&block->refs, 1);
    uint8_t *at = block->data;
    if (directories) memcpy(at, partition->directories, directories);
    partition->directories = directories ? (const struct uuid *)at : NULL;
    at += directories;
    partition->replicas = place_ids(&at, partition->replicas, partition->replica_count);
    partition->isr = place_ids(&at, partition->isr, partition->isr_count);
    if (!partition->extra) return block;
    struct image_partition_extra *extra = &block->extra;
    *extra = *partition->extra;
    extra->removing = place_ids(&at, extra->removing, extra->removing_count);
    extra->adding = place_ids(&at, extra->adding, extra->adding_count);
    extra->eligible = place_ids(&at, extra->eligible, extra->eligible_count);
    extra->last_known_eligible = place_ids(&at, extra->last_known_eligible,
                                           extra->last_known_eligible_count);
    partition->extra = extra;
    return block;
}

static void block_unref(struct partition_block *block)
{
    if (block && atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1) {
        free(block);
    }
}

/* ---- topics ---- */

static const struct item_kind topic_kind;

static struct topic_item *topic_new(struct view name, struct uuid id, int32_t cap)
{
    struct topic_item *topic = must_calloc(1, sizeof(*topic) + name.len + 1);
    memcpy(topic->name, name.data, name.len);
    topic->item.kind = &topic_kind;
    topic->item.key = view_of(topic->name, name.len);
    atomic_init(&topic->item.refs, 1);
    topic->cap = cap;
    topic->partitions = must_calloc((size_t)cap, sizeof(*topic->partitions));
    topic->blocks = must_calloc((size_t)cap, sizeof(struct partition_block *));
    topic->topic = (struct image_topic){
        .name = topic->name,
        .id = id,
        .partitions = topic->partitions,
    };
    return topic;
}

static void topic_free(struct item *item)
{
    struct topic_item *topic = CONTAINER_OF(item, struct topic_item, item);
    for (int32_t i = 0; i < topic->topic.partition_count; i++) block_unref(topic->blocks[i]);
    free(topic->partitions);
    free(topic->blocks);
    free(topic);
}

static struct item *topic_copy(const struct item *item)
{
    const struct topic_item *from = CONTAINER_OF(item, const struct topic_item, item);
    int32_t count = from->topic.partition_count;
    struct topic_item *to = topic_new(item->key, from->topic.id, MAX(count, 1));
    to->topic.is_internal = from->topic.is_internal;
    to->topic.partition_count = count;
    memcpy(to->partitions, from->partitions, (size_t)count * sizeof(*to->partitions));
    for (int32_t i = 0; i < count; i++) {
        to->blocks[i] = from->blocks[i];
        if (to->blocks[i]) {
            atomic_fetch_add_explicit(&to->blocks[i]->refs, 1, memory_order_relaxed);
        }
    }
    return &to->item;
}

static const struct item_kind topic_kind = {topic_copy, topic_free};

static void topic_grow(struct topic_item *topic, int32_t count)
{
    if (count <= topic->cap) return;
    size_t old = (size_t)topic->cap, cap = (size_t)MAX(count, 2 * topic->cap);
    topic->partitions = realloc(topic->partitions, cap * sizeof(*topic->partitions));
    topic->blocks = realloc(topic->blocks, cap * sizeof(*topic->blocks));
    CHECK(topic->partitions != NULL && topic->blocks != NULL);
    memset(topic->partitions + old, 0, (cap - old) * sizeof(*topic->partitions));
    memset(topic->blocks + old, 0, (cap - old) * sizeof(*topic->blocks));
    topic->topic.partitions = topic->partitions;
    topic->cap = (int32_t)cap;
}

/* The topics that a cluster makes for itself. */
static bool is_internal_name(struct view name)
{
    return view_eq(name, view_str("__consumer_offsets")) ||
           view_eq(name, view_str("__transaction_state")) ||
           view_eq(name, view_str("__share_group_state"));
}

bool image_is_topic_name(struct view name)
{
    if (name.len == 0 || name.len > TOPIC_NAME_MAX) return false;
    if (view_eq(name, view_str(".")) || view_eq(name, view_str(".."))) return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i], lower = c | 0x20;
        bool is_word = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
        if (!is_word && c != '.' && c != '_' && c != '-') return false;
    }
    return true;
}

err_t image_add_topic(struct image *image, struct view name, struct uuid id)
{
    if (!image_is_topic_name(name) || uuid_is_zero(id)) return ERR_INVALID;
    if (image_topic(image, name) || image_topic_by_id(image, id)) return ERR_INVALID;
    struct topic_item *topic = topic_new(name, id, 1);
    topic->topic.is_internal = is_internal_name(name);
    order_put(&image->topics, &topic->item);
    trie_put(&image->by_name, topic_name_of, &topic->item);
    trie_put(&image->by_id, topic_id_of, &topic->item);
    return OK;
}

err_t image_remove_topic(struct image *image, struct uuid id)
{
    struct view id_key = view_of(id.bytes, sizeof(id.bytes));
    struct item *item = trie_find(&image->by_id, topic_id_of, id_key);
    if (!item) return ERR_INVALID;
    struct topic_item *topic = CONTAINER_OF(item, struct topic_item, item);
    image->partition_total -= (size_t)topic->topic.partition_count;
    trie_remove(&image->by_id, topic_id_of, id_key);
    trie_remove(&image->by_name, topic_name_of, item->key);
    /* Its settings go with it. Last of all the topic itself, whose key is in use until then. */
    uint8_t buffer[CONFIG_RESOURCE_MAX + 1];
    order_remove(&image->configs, config_key(CONFIG_TOPIC, item->key, buffer));
    CHECK(order_remove(&image->topics, item->key));
    return OK;
}

/* The topic, as one that only this image has; the tries learn of it if it is another than before.
 */
static struct topic_item *own_topic(struct image *image, struct uuid id)
{
    struct view id_key = view_of(id.bytes, sizeof(id.bytes));
    struct item *old = trie_find(&image->by_id, topic_id_of, id_key);
    if (!old) return NULL;
    struct item *own = order_own(&image->topics, old->key);
    CHECK(own != NULL);
    if (own != old) {
        trie_put(&image->by_name, topic_name_of, own);
        trie_put(&image->by_id, topic_id_of, own);
    }
    return CONTAINER_OF(own, struct topic_item, item);
}

err_t image_put_partition(struct image *image, struct uuid topic_id, int32_t index,
                          const struct image_partition *partition)
{
    if (index < 0 || index >= PARTITIONS_MAX) return ERR_INVALID;
    struct image_partition copy = *partition;
    struct partition_block *block = block_new(&copy); /* before what it may come from can go */
    struct topic_item *topic = own_topic(image, topic_id);
    if (!topic) {
        block_unref(block);
        return ERR_INVALID;
    }
    int32_t count = topic->topic.partition_count;
    topic_grow(topic, index + 1);
    for (int32_t i = count; i < index; i++) topic->partitions[i].leader = -1; /* not known yet */
    topic->topic.partition_count = MAX(count, index + 1);
    image->partition_total += (size_t)(topic->topic.partition_count - count);
    block_unref(topic->blocks[index]);
    topic->blocks[index] = block;
    topic->partitions[index] = copy;
    return OK;
}

/* ---- brokers ---- */

static const struct item_kind broker_kind;

static struct item *broker_new(const struct image_broker *from)
{
    struct broker_item *item = must_calloc(1, sizeof(*item));
    be32_put(item->key, (uint32_t)from->id);
    item->item.kind = &broker_kind;
    item->item.key = view_of(item->key, sizeof(item->key));
    atomic_init(&item->item.refs, 1);
    item->broker = *from;
    item->broker.rack = copy_string(from->rack);
    struct image_endpoint *endpoints = must_calloc((size_t)from->endpoint_count,
                                                   sizeof(*endpoints));
    for (int32_t i = 0; i < from->endpoint_count; i++) {
        endpoints[i] = from->endpoints[i];
        endpoints[i].listener = copy_string(from->endpoints[i].listener);
        endpoints[i].host = copy_string(from->endpoints[i].host);
    }
    item->broker.endpoints = endpoints;
    return &item->item;
}

static struct item *broker_copy(const struct item *item)
{
    return broker_new(&CONTAINER_OF(item, const struct broker_item, item)->broker);
}

static void broker_free(struct item *item)
{
    struct image_broker *broker = &CONTAINER_OF(item, struct broker_item, item)->broker;
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        free((char *)broker->endpoints[i].listener);
        free((char *)broker->endpoints[i].host);
    }
    free((struct image_endpoint *)broker->endpoints);
    free((char *)broker->rack);
    free(item);
}

static const struct item_kind broker_kind = {broker_copy, broker_free};

void image_put_broker(struct image *image, const struct image_broker *broker)
{
    order_put(&image->brokers, broker_new(broker));
}

err_t image_remove_broker(struct image *image, int32_t id)
{
    uint8_t key[4];
    be32_put(key, (uint32_t)id);
    return order_remove(&image->brokers, view_of(key, sizeof(key))) ? OK : ERR_INVALID;
}

err_t image_fence_broker(struct image *image, int32_t id, bool is_fenced)
{
    uint8_t key[4];
    be32_put(key, (uint32_t)id);
    struct item *item = order_own(&image->brokers, view_of(key, sizeof(key)));
    if (!item) return ERR_INVALID;
    CONTAINER_OF(item, struct broker_item, item)->broker.is_fenced = is_fenced;
    return OK;
}

/* ---- settings ---- */

static const struct item_kind config_kind;

static struct config_item *config_new(struct view key)
{
    struct config_item *config = must_calloc(1, sizeof(*config) + key.len);
    memcpy(config->key, key.data, key.len);
    config->item.kind = &config_kind;
    config->item.key = view_of(config->key, key.len);
    atomic_init(&config->item.refs, 1);
    return config;
}

static struct config_entry entry_new(struct view key, struct view value)
{
    char *text = must_alloc(key.len + value.len + 2);
    memcpy(text, key.data, key.len);
    text[key.len] = '\0';
    char *value_at = text + key.len + 1;
    if (value.len) memcpy(value_at, value.data, value.len);
    value_at[value.len] = '\0';
    return (struct config_entry){text, value_at};
}

static struct item *config_copy(const struct item *item)
{
    const struct config_item *from = CONTAINER_OF(item, const struct config_item, item);
    struct config_item *to = config_new(item->key);
    to->count = from->count;
    to->entries = must_calloc(from->count, sizeof(*to->entries));
    for (size_t i = 0; i < from->count; i++) {
        to->entries[i] = entry_new(view_str(from->entries[i].key),
                                   view_str(from->entries[i].value));
    }
    return &to->item;
}

static void config_free(struct item *item)
{
    struct config_item *config = CONTAINER_OF(item, struct config_item, item);
    for (size_t i = 0; i < config->count; i++) free(config->entries[i].key);
    free(config->entries);
    free(config);
}

static const struct item_kind config_kind = {config_copy, config_free};

/* Where the key is or belongs. */
static size_t entry_search(const struct config_item *config, const char *key, bool *found)
{
    size_t i = 0;
    int order = 1;
    while (i < config->count && (order = strcmp(config->entries[i].key, key)) < 0) i++;
    *found = i < config->count && order == 0;
    return i;
}

static void config_insert(struct config_item *config, struct config_entry entry)
{
    bool found;
    size_t at = entry_search(config, entry.key, &found);
    if (found) {
        free(config->entries[at].key);
        config->entries[at] = entry;
        return;
    }
    config->entries = realloc(config->entries, (config->count + 1) * sizeof(entry));
    CHECK(config->entries != NULL);
    memmove(config->entries + at + 1, config->entries + at, (config->count - at) * sizeof(entry));
    config->entries[at] = entry;
    config->count++;
}

static void config_remove(struct image *image, struct config_item *config, struct view key)
{
    for (size_t i = 0; i < config->count; i++) {
        if (!view_eq(view_str(config->entries[i].key), key)) continue;
        free(config->entries[i].key);
        config->count--;
        memmove(config->entries + i, config->entries + i + 1,
                (config->count - i) * sizeof(*config->entries));
        break;
    }
    if (config->count > 0) return;
    /* The item's key must outlive the search for it. */
    uint8_t buffer[CONFIG_RESOURCE_MAX + 1];
    struct view resource = view_of(config->key + 1, config->item.key.len - 1);
    order_remove(&image->configs,
                 config_key((enum config_resource_type)config->key[0], resource, buffer));
}

static bool has_zero(struct view text) { return text.len && memchr(text.data, '\0', text.len); }

err_t image_put_config(struct image *image, enum config_resource_type type, struct view resource,
                       struct view key, struct view value)
{
    /* Settings are handed out as C strings. */
    if (resource.len > CONFIG_RESOURCE_MAX || key.len == 0) return ERR_INVALID;
    if (has_zero(key) || has_zero(value)) return ERR_INVALID;
    uint8_t buffer[CONFIG_RESOURCE_MAX + 1];
    struct view config_name = config_key(type, resource, buffer);
    struct item *item = order_own(&image->configs, config_name);
    if (!item) {
        if (!value.data) return OK;
        item = &config_new(config_name)->item;
        order_put(&image->configs, item);
    }
    struct config_item *config = CONTAINER_OF(item, struct config_item, item);
    if (value.data) {
        config_insert(config, entry_new(key, value));
    } else {
        config_remove(image, config, key);
    }
    return OK;
}

/* ---- features ---- */

static const struct item_kind feature_kind;

static struct item *feature_new(struct view name, int16_t level)
{
    struct feature_item *feature = must_calloc(1, sizeof(*feature) + name.len + 1);
    if (name.len) memcpy(feature->name, name.data, name.len);
    feature->level = level;
    feature->item.kind = &feature_kind;
    feature->item.key = view_of(feature->name, name.len);
    atomic_init(&feature->item.refs, 1);
    return &feature->item;
}

static struct item *feature_copy(const struct item *item)
{
    return feature_new(item->key, CONTAINER_OF(item, const struct feature_item, item)->level);
}

static void feature_free(struct item *item) { free(CONTAINER_OF(item, struct feature_item, item)); }

static const struct item_kind feature_kind = {feature_copy, feature_free};

void image_put_feature(struct image *image, struct view name, int16_t level)
{
    if (level == 0) {
        order_remove(&image->features, name);
    } else {
        order_put(&image->features, feature_new(name, level));
    }
}
