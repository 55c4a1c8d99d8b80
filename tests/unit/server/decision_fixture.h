/* decision_fixture - a small cluster's image, and what decisions on it need: brokers 1 to 3, of
 * which 3 is fenced, topic "orders" with two partitions, topic "dotted.name" with one.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "broker_settings.h"
#include "handlers/verdict.h"
#include "metadata/change.h"
#include "protocol/messages.h"

struct decision_fixture {
    struct image *image;
    struct broker_settings *settings;
    struct arena arena;
    struct change change; /* what the decisions add */
};

static const struct uuid ORDERS = {{1}}, DOTTED = {{2}};

static inline void fixture_broker(struct change *change, int32_t id, bool fenced)
{
    struct register_broker_record *r = change_add(change, RECORD_ID_REGISTER_BROKER_RECORD);
    assert_non_null(r);
    r->broker_id = id;
    r->incarnation_id = (struct uuid){{0x70, (uint8_t)id}};
    r->broker_epoch = id;
    r->fenced = fenced;
}

static inline void fixture_topic(struct change *change, const char *name, struct uuid id,
                                 int32_t partitions)
{
    static int32_t replicas[2] = {1, 2};
    struct topic_record *t = change_add(change, RECORD_ID_TOPIC_RECORD);
    assert_non_null(t);
    t->name = view_str(name);
    t->topic_id = id;
    for (int32_t i = 0; i < partitions; i++) {
        struct partition_record *p = change_add(change, RECORD_ID_PARTITION_RECORD);
        assert_non_null(p);
        p->partition_id = i;
        p->topic_id = id;
        p->replicas = p->isr = replicas;
        p->replicas_count = p->isr_count = 2;
        p->leader = 1;
        p->leader_epoch = p->partition_epoch = 0;
    }
}

static inline void fixture_config(struct change *change, int type, const char *resource,
                                  const char *name, const char *value)
{
    struct config_record *r = change_add(change, RECORD_ID_CONFIG_RECORD);
    assert_non_null(r);
    r->resource_type = (int8_t)type;
    r->resource_name = view_str(resource);
    r->name = view_str(name);
    r->value = value ? view_str(value) : (struct view){0};
}

static inline void fixture_apply(struct decision_fixture *f, const struct change *change)
{
    struct image *next;
    koffset_t at = image_offset(f->image) + (koffset_t)change->count;
    assert_int_equal(image_apply(f->image, change, at, &next), OK);
    image_unref(f->image);
    f->image = next;
}

static inline int fixture_new(void **state)
{
    struct decision_fixture *f = calloc(1, sizeof *f);
    struct change change;
    struct buf errors = {0};
    f->settings = broker_settings_new();
    f->image = image_new_empty();
    if (broker_settings_set(f->settings, "--set", "max.partitions=20000", &errors) != OK) return -1;
    if (broker_settings_finish(f->settings, &errors) != OK) return -1;
    change_init(&change);
    change_init(&f->change);
    fixture_broker(&change, 1, false);
    fixture_broker(&change, 2, false);
    fixture_broker(&change, 3, true);
    fixture_topic(&change, "orders", ORDERS, 2);
    fixture_topic(&change, "dotted.name", DOTTED, 1);
    fixture_config(&change, CONFIG_TOPIC, "orders", "retention.ms", "5000");
    fixture_config(&change, CONFIG_TOPIC, "orders", "segment.bytes", "1000000");
    fixture_apply(f, &change);
    change_release(&change);
    buf_release(&errors);
    *state = f;
    return 0;
}

static inline int fixture_free(void **state)
{
    struct decision_fixture *f = *state;
    change_release(&f->change);
    arena_release(&f->arena);
    image_unref(f->image);
    broker_settings_unref(f->settings);
    free(f);
    return 0;
}

/* The code, and a word that the sentence has to contain. */
static inline void assert_refused_at(struct verdict v, enum kafka_error code, const char *word,
                                     const char *file, int line)
{
    if (v.code != code) {
        print_error("error %d, not %d: %.*s\n", v.code, code, (int)v.message.len,
                    (const char *)v.message.data);
        _fail(file, line);
    }
    if (!v.message.data || !memmem(v.message.data, v.message.len, word, strlen(word))) {
        print_error("\"%.*s\" does not name %s\n", (int)v.message.len, (const char *)v.message.data,
                    word);
        _fail(file, line);
    }
}
#define assert_refused(verdict, code, word) \
    assert_refused_at((verdict), (code), (word), __FILE__, __LINE__)

static inline void assert_allowed_at(struct verdict v, const char *file, int line)
{
    if (verdict_is_ok(v)) return;
    print_error("error %d: %.*s\n", v.code, (int)v.message.len, (const char *)v.message.data);
    _fail(file, line);
}
#define assert_allowed(verdict) assert_allowed_at((verdict), __FILE__, __LINE__)
