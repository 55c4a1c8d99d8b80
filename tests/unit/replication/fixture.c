/* The parts that a broker would give the table are made here, the smallest that work: three pools,
 * one loop, directories behind files that can be told to fail. A stop that is not clean makes them
 * fail, so that what a kill would not have written is not written.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static const char *no_setting(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

static const char *no_setting_at(void *arg, const char *name, enum setting_source source)
{
    (void)source;
    return no_setting(arg, name);
}

static void open_dirs(struct fixture *f)
{
    struct log_dir_identity identity = {.node_id = FIXTURE_NODE};
    for (int i = 0; i < f->dir_count; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/d%d", f->temp.path, i);
        assert_int_equal(log_dir_open(&f->env, path, &identity, &f->dirs[i]), OK);
    }
}

static void open_table(struct fixture *f)
{
    open_dirs(f);
    f->handles = handle_cache_new(&f->env, 256, 256);
    assert_non_null(f->handles);
    assert_int_equal(loop_new("test", &f->loop), OK);
    assert_int_equal(loop_start(f->loop), OK);
    assert_int_equal(worker_pool_new("flush", 2, &f->flushers), OK);
    assert_int_equal(worker_pool_new("house", 1, &f->housekeepers), OK);
    assert_int_equal(worker_pool_new("open", 2, &f->openers), OK);
    f->options.dirs = f->dirs;
    f->options.dir_count = f->dir_count;
    f->options.handles = f->handles;
    f->options.timer_loop = f->loop;
    f->options.flushers = f->flushers;
    f->options.housekeepers = f->housekeepers;
    f->options.openers = f->openers;
    assert_int_equal(partition_table_new(&f->options, &f->table), OK);
    partition_table_apply(f->table, NULL, f->image, NULL);
    for (int i = 0; i < f->dir_count; i++) assert_int_equal(log_dir_mark_recovered(f->dirs[i]), OK);
}

/* With `is_clean` false what the table writes on its way out goes into a disk that takes nothing.
 */
static void close_table(struct fixture *f, bool is_clean)
{
    bool was_clean;
    partition_table_stop(f->table, true);
    loop_stop(f->loop);
    loop_join(f->loop);
    if (!is_clean)
        fault_os_reset(&f->faults,
                       &(struct fault_plan){
                           .nth = 1, .calls = OS_CALLS_CHANGING, .errnum = EIO, .is_sticky = true});
    partition_table_free(f->table, &was_clean);
    worker_pool_free(f->openers);
    worker_pool_free(f->housekeepers);
    worker_pool_free(f->flushers);
    loop_free(f->loop);
    handle_cache_free(f->handles);
    for (int i = 0; i < f->dir_count; i++) {
        err_t err = log_dir_close(f->dirs[i], is_clean && was_clean);
        if (is_clean) assert_int_equal(err, OK);
    }
    fault_os_reset(&f->faults, NULL);
}

struct fixture *fixture_new(int dir_count)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    temp_dir_make(&f->temp);
    fault_os_init(&f->faults, os_real());
    f->env = *env_real();
    f->env.os = &f->faults.os;
    f->dir_count = dir_count;
    f->image = image_new_empty();
    change_init(&f->change);
    f->options = (struct partition_table_options){
        .env = &f->env,
        .node_id = FIXTURE_NODE,
        .defaults = {NULL, no_setting, no_setting_at},
        .flush_bytes = 32 << 20,
        .flush_interval_ms = 1000000,
        .unflushed_limit_bytes = 512 << 20,
        .retention_check_ms = 1000000,
        .checkpoint_interval_ms = 1000000,
    };
    open_table(f);
    return f;
}

void fixture_restart(struct fixture *f, bool is_clean)
{
    close_table(f, is_clean);
    open_table(f);
}

void fixture_free(struct fixture *f)
{
    close_table(f, true);
    change_release(&f->change);
    image_unref(f->image);
    fault_os_destroy(&f->faults);
    temp_dir_remove(&f->temp);
    free(f);
}

/* ---- metadata ---- */

void fixture_apply(struct fixture *f)
{
    struct image *after;
    f->offset += (koffset_t)f->change.count;
    assert_int_equal(image_apply(f->image, &f->change, f->offset, &after), OK);
    partition_table_apply(f->table, f->image, after, &f->change);
    image_unref(f->image);
    f->image = after;
    change_clear(&f->change);
}

struct uuid fixture_id(uint8_t id) { return (struct uuid){{0xab, id}}; }

void fixture_add_partition(struct fixture *f, uint8_t id, int32_t index, int32_t leader)
{
    struct partition_record *r = change_add(&f->change, RECORD_ID_PARTITION_RECORD);
    assert_non_null(r);
    int32_t *nodes = arena_alloc(&f->change.arena, sizeof *nodes);
    assert_non_null(nodes);
    *nodes = leader;
    r->topic_id = fixture_id(id);
    r->partition_id = index;
    r->replicas = r->isr = nodes;
    r->replicas_count = r->isr_count = 1;
    r->leader = leader;
    r->leader_epoch = 0;
    r->partition_epoch = 0;
}

void fixture_add_topic(struct fixture *f, const char *name, uint8_t id, int32_t partitions)
{
    struct topic_record *r = change_add(&f->change, RECORD_ID_TOPIC_RECORD);
    assert_non_null(r);
    r->name = view_str(name);
    r->topic_id = fixture_id(id);
    for (int32_t i = 0; i < partitions; i++) fixture_add_partition(f, id, i, FIXTURE_NODE);
}

void fixture_set_config(struct fixture *f, const char *topic, const char *key, const char *value)
{
    struct config_record *r = change_add(&f->change, RECORD_ID_CONFIG_RECORD);
    assert_non_null(r);
    r->resource_type = CONFIG_TOPIC;
    r->resource_name = view_str(topic);
    r->name = view_str(key);
    r->value = view_str(value);
}

void fixture_remove_topic(struct fixture *f, uint8_t id)
{
    struct remove_topic_record *r = change_add(&f->change, RECORD_ID_REMOVE_TOPIC_RECORD);
    assert_non_null(r);
    r->topic_id = fixture_id(id);
}

struct partition *fixture_find(struct fixture *f, const char *topic, int32_t index)
{
    struct partition *p = partition_table_find(f->table, view_str(topic), index);
    assert_non_null(p);
    return p;
}

/* ---- writes ---- */

static void on_done(struct partition_write *write)
{
    sem_post(&CONTAINER_OF(write, struct test_write, write)->done);
}

void test_write_init(struct test_write *w, int records, size_t value_bytes)
{
    *w = (struct test_write){0};
    assert_int_equal(sem_init(&w->done, 0, 0), 0);
    struct batch_options options = batch_options_default();
    struct batch_builder builder;
    assert_int_equal(batch_builder_init(&builder, &options), OK);
    uint8_t *value = calloc(1, value_bytes + 1);
    assert_non_null(value);
    for (int i = 0; i < records; i++) {
        struct record record = {.offset = RECORD_OFFSET_NEXT, .timestamp = 1000 + i};
        record.value = view_of(value, value_bytes);
        assert_int_equal(batch_builder_append(&builder, &record), OK);
    }
    struct view whole;
    assert_int_equal(batch_builder_finish(&builder, &whole), OK);
    w->bytes = malloc(whole.len);
    assert_non_null(w->bytes);
    memcpy(w->bytes, whole.data, whole.len);
    assert_int_equal(batch_header_parse(whole, &w->write.batch.header), OK);
    w->write.batch.data = w->bytes;
    w->write.done = on_done;
    batch_builder_release(&builder);
    free(value);
}

void test_write_release(struct test_write *w)
{
    free(w->bytes);
    sem_destroy(&w->done);
}

void test_write_append(struct partition *p, struct test_write *writes, size_t count)
{
    struct partition_write *list[256];
    assert_true(count <= COUNT_OF(list));
    for (size_t i = 0; i < count; i++) list[i] = &writes[i].write;
    partition_append(p, list, count);
}

void test_write_wait(struct test_write *w)
{
    if (!w->write.is_parked) return;
    while (sem_wait(&w->done) != 0) continue;
}

err_t append_one(struct partition *p, int records)
{
    struct test_write w;
    test_write_init(&w, records, 20);
    test_write_append(p, &w, 1);
    test_write_wait(&w);
    err_t err = w.write.batch.err;
    test_write_release(&w);
    return err;
}
