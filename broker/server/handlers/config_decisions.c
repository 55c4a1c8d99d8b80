/* A value is judged by the table of its resource's kind, and only when all are accepted records are
 * added. */
#include "config_decisions.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "broker_settings.h"
#include "metadata/topic_settings.h"
#include "protocol/messages.h"

#define TEXT(v) (int)(v).len, (const char *)(v).data

/* A node id as text, written in the one way that settings are kept under. */
static bool parse_node(struct view text, int32_t *out)
{
    int64_t id = 0;
    if (text.len == 0 || (text.len > 1 && text.data[0] == '0')) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        id = id * 10 + (text.data[i] - '0');
        if (id > INT32_MAX) return false;
    }
    *out = (int32_t)id;
    return true;
}

struct verdict config_resource_judge(const struct image *image, struct arena *arena,
                                     int resource_type, struct view resource)
{
    int32_t id;
    switch (resource_type) {
    case CONFIG_TOPIC:
        if (image_topic(image, resource)) return verdict_ok();
        return verdict_fail(arena, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                            "There is no topic '%.*s'.", TEXT(resource));
    case CONFIG_BROKER:
        if (resource.len == 0) return verdict_ok();
        if (parse_node(resource, &id) && image_broker(image, id)) return verdict_ok();
        return verdict_fail(arena, KAFKA_ERR_INVALID_REQUEST,
                            "There is no broker '%.*s'; an empty name means all brokers.",
                            TEXT(resource));
    default:
        return verdict_fail(
            arena, KAFKA_ERR_INVALID_REQUEST,
            "Resources of type %d have no settings here; topics (2) and brokers (4) have.",
            resource_type);
    }
}

static struct verdict judge_value(const struct config_decision *d, int resource_type,
                                  struct view name, struct view value)
{
    char why[256] = "";
    err_t err;
    if (resource_type == CONFIG_BROKER)
        err = broker_setting_check_dynamic(name, value, why, sizeof why);
    else if (!value.data && setting_find(&topic_setting_table, name))
        err = OK; /* a deletion */
    else
        err = topic_setting_check(name, value.data ? value : view_str(""), why, sizeof why);
    if (err == OK) return verdict_ok();
    return verdict_fail(d->arena, KAFKA_ERR_INVALID_CONFIG, "%s", why);
}

/* ---- lists: append and subtract ---- */

static bool list_has(struct view list, struct view word)
{
    for (size_t at = 0; at <= list.len;) {
        const uint8_t *comma = at < list.len ? memchr(list.data + at, ',', list.len - at) : NULL;
        size_t len = comma ? (size_t)(comma - list.data) - at : list.len - at;
        if (view_eq(view_of(list.data + at, len), word)) return true;
        at += len + 1;
    }
    return false;
}

/* Copies the words of `from` that pass the filter behind out; words already there are not repeated.
 */
static void copy_words(struct view from, struct view without, struct writer *out)
{
    for (size_t at = 0; at < from.len;) {
        const uint8_t *comma = memchr(from.data + at, ',', from.len - at);
        size_t len = comma ? (size_t)(comma - from.data) - at : from.len - at;
        struct view word = view_of(from.data + at, len),
                    have = view_of(out->start, writer_len(out));
        if (len && !list_has(have, word) && !(without.data && list_has(without, word))) {
            if (have.len) write_u8(out, ',');
            write_bytes(out, word.data, word.len);
        }
        at += len + 1;
    }
}

static struct verdict combine_list(const struct config_decision *d, int resource_type,
                                   struct view resource, struct config_change *c)
{
    const struct setting_table *table = resource_type == CONFIG_TOPIC ? &topic_setting_table
                                                                      : &broker_setting_table;
    const struct setting *setting = setting_find(table, c->name);
    if (!setting || setting->type != SETTING_LIST)
        return verdict_fail(
            d->arena, KAFKA_ERR_INVALID_CONFIG,
            "%.*s is not a list: it can be set or deleted, not appended to or subtracted from.",
            TEXT(c->name));
    if (!c->value.data)
        return verdict_fail(d->arena, KAFKA_ERR_INVALID_CONFIG, "%.*s: null is not a value.",
                            TEXT(c->name));
    const char *text = d->effective(d->effective_arg, resource_type, resource, setting->name);
    struct view now = text ? view_str(text) : view_str("");
    size_t cap = now.len + c->value.len + 2;
    uint8_t *data = arena_alloc(d->arena, cap);
    if (!data) return verdict_fail(d->arena, KAFKA_ERR_UNKNOWN_SERVER_ERROR, "Out of memory.");
    struct writer w = writer_of(data, cap);
    copy_words(now, c->operation == CONFIG_SUBTRACT ? c->value : (struct view){0}, &w);
    if (c->operation == CONFIG_APPEND) copy_words(c->value, (struct view){0}, &w);
    c->value = view_of(data, writer_len(&w));
    c->operation = CONFIG_SET;
    return verdict_ok();
}

/* ---- the decision ---- */

static struct verdict judge_changes(const struct config_decision *d, int resource_type,
                                    struct view resource, struct config_change *changes,
                                    int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct config_change *c = &changes[i];
        struct verdict v = verdict_ok();
        for (int32_t j = 0; j < i; j++)
            if (view_eq(c->name, changes[j].name))
                return verdict_fail(d->arena, KAFKA_ERR_INVALID_REQUEST,
                                    "%.*s is changed twice in one request.", TEXT(c->name));
        if (c->operation == CONFIG_APPEND || c->operation == CONFIG_SUBTRACT)
            v = combine_list(d, resource_type, resource, c);
        if (!verdict_is_ok(v)) return v;
        if (c->operation == CONFIG_DELETE)
            c->value = (struct view){0};
        else if (!c->value.data)
            return verdict_fail(d->arena, KAFKA_ERR_INVALID_CONFIG, "%.*s: null is not a value.",
                                TEXT(c->name));
        v = judge_value(d, resource_type, c->name, c->value);
        if (!verdict_is_ok(v)) return v;
    }
    return verdict_ok();
}

static bool add_record(struct change *change, int resource_type, struct view resource,
                       struct view name, struct view value)
{
    struct config_record *r = change_add(change, RECORD_ID_CONFIG_RECORD);
    if (!r) return false;
    r->resource_type = (int8_t)resource_type;
    r->resource_name = resource;
    r->name = name;
    r->value = value;
    return true;
}

struct removal {
    const struct config_decision *d;
    int resource_type;
    struct view resource;
    const struct config_change *changes;
    int32_t count;
    bool failed;
};

/* AlterConfigs: what is set today and not named in the request goes. */
static void remove_unnamed(void *arg, const char *key, const char *value)
{
    (void)value;
    struct removal *r = arg;
    for (int32_t i = 0; i < r->count; i++)
        if (view_eq(r->changes[i].name, view_str(key))) return;
    if (!add_record(r->d->change, r->resource_type, r->resource, view_str(key), (struct view){0}))
        r->failed = true;
}

enum { CHANGES_MAX = 1000 };

struct verdict config_alter_decide(const struct config_decision *d, int resource_type,
                                   struct view resource, const struct config_change *changes,
                                   int32_t count, bool replaces_all)
{
    struct verdict v = config_resource_judge(d->image, d->arena, resource_type, resource);
    if (!verdict_is_ok(v)) return v;
    if (count > CHANGES_MAX)
        return verdict_fail(d->arena, KAFKA_ERR_INVALID_REQUEST,
                            "%" PRId32 " changes of one resource; at most %d are taken.", count,
                            CHANGES_MAX);
    struct config_change *own = arena_calloc(d->arena, (size_t)count, sizeof *own);
    if (!own) return verdict_fail(d->arena, KAFKA_ERR_UNKNOWN_SERVER_ERROR, "Out of memory.");
    if (count) memcpy(own, changes, (size_t)count * sizeof *own);
    v = judge_changes(d, resource_type, resource, own, count);
    if (!verdict_is_ok(v) || !d->change) return v;
    struct removal removal = {d, resource_type, resource, own, count, false};
    if (replaces_all)
        image_each_config(d->image, resource_type, resource, remove_unnamed, &removal);
    for (int32_t i = 0; i < count && !removal.failed; i++)
        removal.failed = !add_record(d->change, resource_type, resource, own[i].name, own[i].value);
    return removal.failed ? verdict_fail(d->arena, KAFKA_ERR_UNKNOWN_SERVER_ERROR, "Out of memory.")
                          : v;
}
