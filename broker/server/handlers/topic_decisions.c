/* Placement spreads replicas over the unfenced brokers, each partition beginning one broker further
 * than the one before; an explicit assignment is checked and taken. */
#include "topic_decisions.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/env.h"
#include "broker_settings.h"
#include "protocol/messages.h"

enum {
    ELIGIBLE_MAX = 1024,
    ADDED_MAX = 10000, /* partitions that one request may add: one batch of metadata, as in Kafka */
};

#define TEXT(v) (int)(v).len, (const char *)(v).data

/* ---- names ---- */

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

struct verdict topic_name_judge(struct view name, struct arena *arena)
{
    const enum kafka_error bad = KAFKA_ERR_INVALID_TOPIC_EXCEPTION;
    if (name.len == 0) return verdict_fail(arena, bad, "The topic name is empty.");
    if (name.len > TOPIC_NAME_MAX)
        return verdict_fail(arena, bad,
                            "The topic name has %zu characters; at most %d are allowed.", name.len,
                            TOPIC_NAME_MAX);
    if (view_eq(name, view_str(".")) || view_eq(name, view_str("..")))
        return verdict_fail(arena, bad, "The topic name '%.*s' is not allowed.", TEXT(name));
    for (size_t i = 0; i < name.len; i++) {
        if (is_name_byte(name.data[i])) continue;
        return verdict_fail(arena, bad,
                            "The topic name '%.*s' is invalid: only ASCII letters, digits, '.', "
                            "'_' and '-' are allowed.",
                            TEXT(name));
    }
    return verdict_ok();
}

bool topic_name_is_internal(struct view name)
{
    return view_eq(name, view_str("__consumer_offsets")) ||
           view_eq(name, view_str("__transaction_state"));
}

/* '.' and '_' are the same in metric names: two topics that differ in nothing else collide. */
static bool names_collide(struct view a, struct view b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++) {
        uint8_t x = a.data[i] == '.' ? '_' : a.data[i], y = b.data[i] == '.' ? '_' : b.data[i];
        if (x != y) return false;
    }
    return true;
}

static struct view find_collision(const struct topic_decision *d, struct view name)
{
    if (!memchr(name.data, '.', name.len) && !memchr(name.data, '_', name.len))
        return (struct view){0};
    for (size_t i = 0; i < image_topic_count(d->image); i++) {
        struct view other = view_str(image_topic_at(d->image, i)->name);
        if (names_collide(name, other)) return other;
    }
    for (const struct change_record *r = d->change ? d->change->first : NULL; r; r = r->next) {
        const struct topic_record *topic = r->data;
        if (r->type == RECORD_ID_TOPIC_RECORD && names_collide(name, topic->name))
            return topic->name;
    }
    return (struct view){0};
}

/* ---- placement ---- */

struct eligible {
    int32_t ids[ELIGIBLE_MAX];
    int32_t count;
};

static void find_eligible(const struct image *image, struct eligible *out)
{
    out->count = 0;
    for (size_t i = 0; i < image_broker_count(image) && out->count < ELIGIBLE_MAX; i++) {
        const struct image_broker *b = image_broker_at(image, i);
        if (!b->is_fenced) out->ids[out->count++] = b->id;
    }
}

static bool add_partition(const struct topic_decision *d, struct uuid topic_id, int32_t index,
                          const int32_t *replicas, int32_t count)
{
    struct partition_record *r = change_add(d->change, RECORD_ID_PARTITION_RECORD);
    if (!r) return false;
    struct arena *arena = &d->change->arena;
    r->replicas = arena_calloc(arena, (size_t)count, sizeof *r->replicas);
    r->isr = arena_calloc(arena, (size_t)count, sizeof *r->isr);
    r->directories = arena_calloc(arena, (size_t)count, sizeof *r->directories);
    if (!r->replicas || !r->isr || !r->directories) return false;
    memcpy(r->replicas, replicas, (size_t)count * sizeof *replicas);
    memcpy(r->isr, replicas, (size_t)count * sizeof *replicas);
    r->replicas_count = r->isr_count = r->directories_count = count;
    r->topic_id = topic_id;
    r->partition_id = index;
    r->leader = replicas[0];
    r->leader_epoch = 0;
    r->partition_epoch = 0;
    return true;
}

static bool place_partition(const struct topic_decision *d, struct uuid topic_id, int32_t index,
                            int32_t factor)
{
    struct eligible brokers;
    int32_t replicas[ELIGIBLE_MAX];
    find_eligible(d->image, &brokers);
    for (int32_t i = 0; i < factor; i++) replicas[i] = brokers.ids[(index + i) % brokers.count];
    return add_partition(d, topic_id, index, replicas, factor);
}

/* Mostly they come in order, from `first` on. */
static const struct topic_assignment *find_assignment(const struct topic_assignment *list,
                                                      int32_t count, int32_t first,
                                                      int32_t partition)
{
    int32_t guess = partition - first;
    if (guess >= 0 && guess < count && list[guess].partition == partition) return &list[guess];
    for (int32_t i = 0; i < count; i++)
        if (list[i].partition == partition) return &list[i];
    return NULL;
}

static struct verdict judge_assignment(const struct topic_decision *d,
                                       const struct topic_assignment *a, int32_t factor)
{
    const enum kafka_error bad = KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT;
    if (a->replica_count <= 0)
        return verdict_fail(d->arena, bad, "Partition %" PRId32 " is assigned to no broker.",
                            a->partition);
    if (a->replica_count != factor)
        return verdict_fail(d->arena, bad,
                            "Partition %" PRId32 " has %" PRId32
                            " replicas where the others have %" PRId32 ".",
                            a->partition, a->replica_count, factor);
    for (int32_t i = 0; i < a->replica_count; i++) {
        if (!image_broker(d->image, a->replicas[i]))
            return verdict_fail(d->arena, bad,
                                "Partition %" PRId32 " is assigned to broker %" PRId32
                                ", which is not registered.",
                                a->partition, a->replicas[i]);
        for (int32_t j = 0; j < i; j++)
            if (a->replicas[i] == a->replicas[j])
                return verdict_fail(
                    d->arena, bad, "Partition %" PRId32 " is assigned to broker %" PRId32 " twice.",
                    a->partition, a->replicas[i]);
    }
    return verdict_ok();
}

/* Partitions first..first+count-1, each exactly once. */
static struct verdict judge_assignments(const struct topic_decision *d,
                                        const struct topic_assignment *list, int32_t count,
                                        int32_t first, int32_t factor)
{
    for (int32_t p = first; p < first + count; p++) {
        const struct topic_assignment *a = find_assignment(list, count, first, p);
        if (!a)
            return verdict_fail(d->arena, KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT,
                                "The assignment lacks partition %" PRId32
                                "; partitions have to be numbered without gaps.",
                                p);
        struct verdict v = judge_assignment(d, a, factor);
        if (!verdict_is_ok(v)) return v;
    }
    return verdict_ok();
}

/* `partitions` more than there are. */
static struct verdict judge_partitions(const struct topic_decision *d, int32_t partitions)
{
    if (partitions <= 0)
        return verdict_fail(d->arena, KAFKA_ERR_INVALID_PARTITIONS,
                            "%" PRId32 " is not a number of partitions: it has to be 1 or more.",
                            partitions);
    int64_t added = *d->pending_partitions + partitions;
    if (added > ADDED_MAX)
        return verdict_fail(d->arena, KAFKA_ERR_POLICY_VIOLATION,
                            "%" PRId64 " new partitions in one request; at most %d are taken.",
                            added, ADDED_MAX);
    int64_t total = (int64_t)image_partition_total(d->image) + added;
    if (total > d->settings->max_partitions)
        return verdict_fail(d->arena, KAFKA_ERR_INVALID_PARTITIONS,
                            "%" PRId32 " more partitions would make %" PRId64
                            " in all; this broker holds at most %" PRId32 " (max.partitions).",
                            partitions, total, d->settings->max_partitions);
    return verdict_ok();
}

static struct verdict judge_factor(const struct topic_decision *d, int32_t factor)
{
    struct eligible brokers;
    find_eligible(d->image, &brokers);
    if (factor <= 0)
        return verdict_fail(d->arena, KAFKA_ERR_INVALID_REPLICATION_FACTOR,
                            "%" PRId32 " is not a replication factor: it has to be 1 or more.",
                            factor);
    if (factor > brokers.count)
        return verdict_fail(d->arena, KAFKA_ERR_INVALID_REPLICATION_FACTOR,
                            "A replication factor of %" PRId32 " needs as many brokers; %" PRId32
                            " can take replicas.",
                            factor, brokers.count);
    return verdict_ok();
}

/* ---- settings of a new topic ---- */

static struct verdict judge_settings(const struct topic_decision *d, const struct topic_spec *spec)
{
    for (int32_t i = 0; i < spec->setting_count; i++) {
        const struct topic_setting *s = &spec->settings[i];
        char why[256] = "";
        if (!s->value.data)
            return verdict_fail(d->arena, KAFKA_ERR_INVALID_CONFIG, "%.*s: null is not a value.",
                                TEXT(s->name));
        if (topic_setting_check(s->name, s->value, why, sizeof why) != OK)
            return verdict_fail(d->arena, KAFKA_ERR_INVALID_CONFIG, "%s", why);
    }
    return verdict_ok();
}

static bool add_settings(const struct topic_decision *d, const struct topic_spec *spec)
{
    for (int32_t i = 0; i < spec->setting_count; i++) {
        struct config_record *r = change_add(d->change, RECORD_ID_CONFIG_RECORD);
        if (!r) return false;
        r->resource_type = CONFIG_TOPIC;
        r->resource_name = spec->name;
        r->name = spec->settings[i].name;
        r->value = spec->settings[i].value;
    }
    return true;
}

/* ---- create ---- */

static struct verdict judge_shape(const struct topic_decision *d, const struct topic_spec *spec,
                                  struct topic_created *out)
{
    if (spec->assignment_count > 0) {
        if (spec->partitions != -1 || spec->replication_factor != -1)
            return verdict_fail(d->arena, KAFKA_ERR_INVALID_REQUEST,
                                "With an explicit assignment the number of partitions and the "
                                "replication factor have to be -1.");
        out->partitions = spec->assignment_count;
        out->replication_factor = (int16_t)spec->assignments[0].replica_count;
        struct verdict v = judge_partitions(d, out->partitions);
        if (!verdict_is_ok(v)) return v;
        return judge_assignments(d, spec->assignments, spec->assignment_count, 0,
                                 out->replication_factor);
    }
    struct eligible brokers;
    find_eligible(d->image, &brokers);
    out->partitions = spec->partitions == -1 ? d->settings->num_partitions : spec->partitions;
    out->replication_factor = spec->replication_factor;
    if (out->replication_factor == -1)
        out->replication_factor = (int16_t)broker_settings_replicas(
            d->settings, "default.replication.factor", (size_t)brokers.count);
    struct verdict v = judge_partitions(d, out->partitions);
    return verdict_is_ok(v) ? judge_factor(d, out->replication_factor) : v;
}

static struct verdict judge_new_name(const struct topic_decision *d, struct view name)
{
    struct verdict v = topic_name_judge(name, d->arena);
    if (!verdict_is_ok(v)) return v;
    if (image_topic(d->image, name))
        return verdict_fail(d->arena, KAFKA_ERR_TOPIC_ALREADY_EXISTS,
                            "Topic '%.*s' exists already.", TEXT(name));
    struct view other = find_collision(d, name);
    if (other.data)
        return verdict_fail(
            d->arena, KAFKA_ERR_INVALID_TOPIC_EXCEPTION,
            "Topic '%.*s' collides with topic '%.*s': '.' and '_' are the same in metric names.",
            TEXT(name), TEXT(other));
    return v;
}

static bool add_topic(const struct topic_decision *d, const struct topic_spec *spec,
                      const struct topic_created *made)
{
    struct topic_record *r = change_add(d->change, RECORD_ID_TOPIC_RECORD);
    if (!r) return false;
    r->name = spec->name;
    r->topic_id = made->id;
    if (!add_settings(d, spec)) return false;
    for (int32_t p = 0; p < made->partitions; p++) {
        const struct topic_assignment *a = find_assignment(spec->assignments,
                                                           spec->assignment_count, 0, p);
        bool ok = a ? add_partition(d, made->id, p, a->replicas, a->replica_count)
                    : place_partition(d, made->id, p, made->replication_factor);
        if (!ok) return false;
    }
    return true;
}

struct verdict topic_create_decide(const struct topic_decision *d, const struct topic_spec *spec,
                                   struct topic_created *out)
{
    *out = (struct topic_created){.partitions = -1, .replication_factor = -1};
    struct verdict v = judge_new_name(d, spec->name);
    if (verdict_is_ok(v)) v = judge_shape(d, spec, out);
    if (verdict_is_ok(v)) v = judge_settings(d, spec);
    if (verdict_is_ok(v)) *d->pending_partitions += out->partitions;
    if (!verdict_is_ok(v) || !d->change) return v;
    out->id = uuid_random(d->random);
    if (!add_topic(d, spec, out))
        return verdict_fail(d->arena, KAFKA_ERR_UNKNOWN_SERVER_ERROR, "Out of memory.");
    return v;
}

/* ---- grow, delete ---- */

struct verdict topic_grow_decide(const struct topic_decision *d, const struct image_topic *topic,
                                 int32_t count, const struct topic_assignment *assignments,
                                 int32_t assignment_count)
{
    int32_t have = topic->partition_count, more = count - have,
            factor = topic->partitions[0].replica_count;
    if (count == have)
        return verdict_fail(d->arena, KAFKA_ERR_INVALID_PARTITIONS,
                            "Topic '%s' has %" PRId32 " partitions already.", topic->name, have);
    if (count < have)
        return verdict_fail(d->arena, KAFKA_ERR_INVALID_PARTITIONS,
                            "Topic '%s' has %" PRId32 " partitions; %" PRId32 " would be fewer.",
                            topic->name, have, count);
    struct verdict v = judge_partitions(d, more);
    if (verdict_is_ok(v) && !assignments) v = judge_factor(d, factor);
    if (verdict_is_ok(v) && assignments) {
        if (assignment_count != more)
            return verdict_fail(d->arena, KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT,
                                "%" PRId32 " new partitions need as many assignments, not %" PRId32
                                ".",
                                more, assignment_count);
        v = judge_assignments(d, assignments, more, have, factor);
    }
    if (verdict_is_ok(v)) *d->pending_partitions += more;
    if (!verdict_is_ok(v) || !d->change) return v;
    for (int32_t p = have; p < count; p++) {
        const struct topic_assignment *a = assignments ? find_assignment(assignments,
                                                                         assignment_count, have, p)
                                                       : NULL;
        bool ok = a ? add_partition(d, topic->id, p, a->replicas, a->replica_count)
                    : place_partition(d, topic->id, p, factor);
        if (!ok) return verdict_fail(d->arena, KAFKA_ERR_UNKNOWN_SERVER_ERROR, "Out of memory.");
    }
    return v;
}

struct verdict topic_delete_decide(const struct topic_decision *d, const struct image_topic *topic)
{
    if (!d->settings->delete_topic_enable)
        return verdict_fail(d->arena, KAFKA_ERR_TOPIC_DELETION_DISABLED,
                            "Deleting topics is disabled (delete.topic.enable=false).");
    if (!d->change) return verdict_ok();
    struct remove_topic_record *r = change_add(d->change, RECORD_ID_REMOVE_TOPIC_RECORD);
    if (!r) return verdict_fail(d->arena, KAFKA_ERR_UNKNOWN_SERVER_ERROR, "Out of memory.");
    r->topic_id = topic->id;
    return verdict_ok();
}
