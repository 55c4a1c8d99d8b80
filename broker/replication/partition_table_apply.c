/* Following the metadata: which partitions belong here, opened, reconfigured, deleted.
 *
 * Runs on the proposer's thread before an image is published, so that whoever sees a topic in the
 * metadata finds its partitions on disk. The first image opens everything, in parallel. Afterwards
 * the change's records name what to look at, and the new image says how it should be:
 *
 *   topic, partition, partition change --> sync_topic: open what is new, close what is no more
 *                                          ours, hand out leadership
 *   remove topic                       --> delete
 *   config                             --> merge settings again
 *
 * A log that cannot be opened leaves its partition in place, offline: it answers with a storage
 * error, the others serve.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/os.h"
#include "leftovers.h"
#include "partition_table_impl.h"
#include "protocol/messages.h"

enum { DIR_NAME_MAX = 300, PATH_MAX_BYTES = 4096, STRAYS_NAMED = 3 };

/* A partition that is being opened. */
struct opening {
    struct partition *p;
    struct table_dir *place;
    bool is_on_disk; /* its directory was there before */
    struct topic_config config;
    struct log *log;
    int64_t seen_total, seen_done; /* of its recovery, as reported so far */
};

struct openings {
    struct opening *items;
    size_t count, cap;
};

/* ---- opening ---- */

static void recovery_progress(void *arg, int64_t bytes_done, int64_t bytes_total)
{
    struct opening *o = arg;
    struct partition_table *table = o->p->table;
    int64_t total = atomic_fetch_add(&table->recovering_bytes, bytes_total - o->seen_total) +
                    bytes_total - o->seen_total;
    int64_t done = atomic_fetch_add(&table->recovered_bytes, bytes_done - o->seen_done) +
                   bytes_done - o->seen_done;
    o->seen_total = bytes_total;
    o->seen_done = bytes_done;
    if (table->options.progress)
        table->options.progress(table->options.progress_arg, atomic_load(&table->opened),
                                table->opening_total, done, total);
}

static bool partition_path(const struct opening *o, char *out, size_t size)
{
    int n = snprintf(out, size, "%s/%s-%d", log_dir_path(o->place->dir), o->p->topic, o->p->index);
    return n > 0 && (size_t)n < size;
}

static err_t open_log(struct opening *o, const char *path)
{
    struct partition *p = o->p;
    struct log_dir *dir = o->place->dir;
    struct log_options options = {
        .env = p->table->options.env,
        .handles = p->table->options.handles,
        .path = path,
        .config = o->config.log,
        .was_clean_shutdown = log_dir_was_clean(dir),
        .is_same_boot = log_dir_is_same_boot(dir),
        .progress = recovery_progress,
        .progress_arg = o,
    };
    if (o->is_on_disk) {
        log_dir_get_checkpoint(dir, CHECKPOINT_RECOVERY_POINT, p->topic, p->index,
                               &options.recovery_point);
        log_dir_get_checkpoint(dir, CHECKPOINT_LOG_START, p->topic, p->index,
                               &options.start_offset);
    }
    return log_open(&options, &o->log);
}

/* A directory of that name which belongs to another topic id is left over from a topic that was
 * deleted elsewhere, or from other metadata: it is put aside, never served and never removed. */
static err_t set_aside(struct opening *o, const char *path)
{
    const struct os *os = o->p->table->options.env->os;
    struct uuid mark = uuid_random(o->p->table->options.env->random);
    char hex[2 * sizeof mark.bytes + 1];
    for (size_t i = 0; i < sizeof mark.bytes; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)mark.bytes[i]);
    char aside[PATH_MAX_BYTES];
    snprintf(aside, sizeof aside, "%s/%.200s-%d.%s-stray", log_dir_path(o->place->dir), o->p->topic,
             o->p->index, hex);
    (void)!log_close(o->log, false);
    o->log = NULL;
    int renamed = os->rename(os, path, aside);
    diag(DIAG_WARN, "partition_table",
         "directory belongs to another topic id, put aside path=%s now=%s", path,
         renamed < 0 ? "(rename failed)" : aside);
    if (renamed < 0) return err_from_errno(-renamed);
    log_dir_forget(o->place->dir, o->p->topic, o->p->index);
    o->is_on_disk = false;
    TRY(log_dir_settle_forgotten(o->place->dir));
    TRY(open_log(o, path));
    return log_set_topic_id(o->log, o->p->topic_id);
}

static void open_one(void *item)
{
    struct opening *o = item;
    struct partition *p = o->p;
    struct partition_table *table = p->table;
    char path[PATH_MAX_BYTES];
    err_t err = o->place ? OK : ERR_FAILED;
    if (!err && !partition_path(o, path, sizeof path)) err = ERR_INVALID;
    if (!err && !o->is_on_disk) err = log_dir_settle_forgotten(o->place->dir);
    if (!err) err = open_log(o, path);
    if (!err) err = log_set_topic_id(o->log, p->topic_id);
    if (err == ERR_EXISTS) err = set_aside(o, path);
    if (err && o->log) {
        (void)!log_close(o->log, false);
        o->log = NULL;
    }
    if (err)
        diag(DIAG_ERROR, "partition_table",
             "log cannot be opened, partition is offline topic=%s partition=%d error=\"%s\"",
             p->topic, p->index, err_name(err));
    partition_set_config(p, &o->config);
    partition_set_log(p, o->log, o->place);
    if (o->log && log_offsets(o->log).size_bytes > 0) housekeeping_note_data(table->housekeeping);
    atomic_fetch_add(&table->opened, 1);
}

static struct table_dir *emptiest_dir(struct partition_table *table)
{
    struct table_dir *best = NULL;
    for (int i = 0; i < table->options.dir_count; i++) {
        struct table_dir *dir = &table->dirs[i];
        if (log_dir_is_failed(dir->dir)) continue;
        if (!best || atomic_load(&dir->partitions) < atomic_load(&best->partitions)) best = dir;
    }
    return best;
}

/* The directory that holds the partition already, or the one with the fewest. A checkpoint of that
 * name which stands in the latter is an older partition's. */
static void choose_dir(struct partition_table *table, struct opening *o)
{
    const struct os *os = table->options.env->os;
    for (int i = 0; i < table->options.dir_count && !o->is_on_disk; i++) {
        char path[PATH_MAX_BYTES];
        struct os_stat st;
        o->place = &table->dirs[i];
        if (log_dir_is_failed(o->place->dir) || !partition_path(o, path, sizeof path)) continue;
        o->is_on_disk = os->stat(os, path, &st) == 0 && st.is_dir;
    }
    if (!o->is_on_disk) o->place = emptiest_dir(table);
    if (!o->place) return;
    if (!o->is_on_disk) log_dir_forget(o->place->dir, o->p->topic, o->p->index);
    atomic_fetch_add(&o->place->partitions, 1);
}

static struct opening *openings_add(struct openings *list)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        struct opening *items = realloc(list->items, cap * sizeof *items);
        if (!items) return NULL;
        list->items = items;
        list->cap = cap;
    }
    struct opening *o = &list->items[list->count++];
    *o = (struct opening){0};
    return o;
}

static void openings_run(struct partition_table *table, struct openings *list)
{
    void **items = calloc(list->count + 1, sizeof *items);
    atomic_store(&table->opened, 0);
    table->opening_total = (int)list->count;
    for (size_t i = 0; i < list->count; i++) {
        choose_dir(table, &list->items[i]);
        if (items) items[i] = &list->items[i];
    }
    if (items) partition_table_run_all(table, open_one, items, list->count);
    for (size_t i = 0; !items && i < list->count; i++) open_one(&list->items[i]);
    free(items);
}

/* ---- topics ---- */

static bool is_here(const struct partition_table *table, const struct image_partition *partition)
{
    for (int32_t i = 0; i < partition->replica_count; i++)
        if (partition->replicas[i] == table->options.node_id) return true;
    return false;
}

static bool is_ours(const struct partition_table *table, const struct image_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++)
        if (is_here(table, &topic->partitions[i])) return true;
    return false;
}

static struct view id_key(const struct uuid *id) { return view_of(id->bytes, sizeof id->bytes); }

static struct table_topic *topic_add(struct partition_table *table, const struct image_topic *topic)
{
    struct table_topic *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->id = topic->id;
    t->name = strdup(topic->name);
    mutex_lock(&table->lock);
    err_t err = t->name ? map_put(&table->by_name, view_str(topic->name), t, NULL) : ERR_NOMEM;
    if (!err && map_put(&table->by_id, id_key(&topic->id), t, NULL) != OK) {
        map_remove(&table->by_name, view_str(topic->name));
        err = ERR_NOMEM;
    }
    mutex_unlock(&table->lock);
    if (!err) return t;
    table_topic_free(t);
    return NULL;
}

static err_t topic_grow(struct partition_table *table, struct table_topic *t, int32_t count)
{
    if (count <= t->count) return OK;
    struct partition **grown = calloc((size_t)count, sizeof(struct partition *));
    if (!grown) return ERR_NOMEM;
    mutex_lock(&table->lock);
    struct partition **before = t->partitions;
    if (t->count) memcpy(grown, before, (size_t)t->count * sizeof(struct partition *));
    t->partitions = grown;
    t->count = count;
    mutex_unlock(&table->lock);
    free(before);
    return OK;
}

static void lead(const struct partition_table *table, struct partition *p,
                 const struct image_partition *now)
{
    partition_set_leadership(p, &(struct partition_leadership){
                                    .is_leader = now->leader == table->options.node_id,
                                    .leader_epoch = now->leader_epoch,
                                    .isr_count = now->isr_count,
                                });
}

/* Takes one partition out and removes its log from disk. */
static void delete_one(void *item)
{
    struct partition *p = item;
    housekeeping_forget(p->table->housekeeping, p);
    struct log *log = partition_take_log(p);
    if (p->place) {
        atomic_fetch_sub(&p->place->partitions, 1);
        log_dir_forget(p->place->dir, p->topic, p->index);
    }
    err_t err = log ? log_delete(log) : OK;
    if (err)
        diag(DIAG_ERROR, "partition_table",
             "log cannot be deleted topic=%s partition=%d error=\"%s\"", p->topic, p->index,
             err_name(err));
}

static void topic_delete(struct partition_table *table, const struct uuid *id)
{
    mutex_lock(&table->lock);
    struct table_topic *t = map_remove(&table->by_id, id_key(id));
    if (t) map_remove(&table->by_name, view_str(t->name));
    mutex_unlock(&table->lock);
    if (!t) return;
    void **items = calloc((size_t)t->count + 1, sizeof *items);
    size_t n = 0;
    for (int32_t i = 0; i < t->count; i++) {
        if (!t->partitions[i]) continue;
        if (items)
            items[n++] = t->partitions[i];
        else
            delete_one(t->partitions[i]);
    }
    if (items) partition_table_run_all(table, delete_one, items, n);
    free(items);
    table_topic_free(t);
}

static void drop_partition(struct partition_table *table, struct table_topic *t, int32_t index)
{
    struct partition *p = t->partitions[index];
    mutex_lock(&table->lock);
    t->partitions[index] = NULL;
    mutex_unlock(&table->lock);
    delete_one(p);
    partition_unref(p);
}

/* Opened ones enter the table when their log is there. */
static void add_opened(struct partition_table *table, const struct image *after,
                       struct openings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct partition *p = list->items[i].p;
        const struct image_topic *topic = image_topic(after, view_str(p->topic));
        lead(table, p, &topic->partitions[p->index]);
        mutex_lock(&table->lock);
        struct table_topic *t = map_get(&table->by_name, view_str(p->topic));
        t->partitions[p->index] = p;
        mutex_unlock(&table->lock);
    }
}

/* Brings one topic's partitions in line with the image; new ones are noted in `list`. */
static err_t sync_topic(struct partition_table *table, const struct image *after,
                        const struct image_topic *topic, struct openings *list)
{
    struct table_topic *t = map_get(&table->by_id, id_key(&topic->id));
    if (!t && !is_ours(table, topic)) return OK;
    if (!t) t = topic_add(table, topic);
    if (!t) return ERR_NOMEM;
    TRY(topic_grow(table, t, topic->partition_count));
    struct topic_config config = topic_config_merge(after, view_str(topic->name),
                                                    &table->options.defaults);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        bool belongs = is_here(table, &topic->partitions[i]);
        if (belongs && t->partitions[i])
            lead(table, t->partitions[i], &topic->partitions[i]);
        else if (t->partitions[i])
            drop_partition(table, t, i);
        if (!belongs || t->partitions[i]) continue;
        struct opening *o = openings_add(list);
        if (!o) return ERR_NOMEM;
        o->config = config;
        o->p = partition_new(&(struct partition_new){table, topic->name, topic->id, i});
        if (!o->p) {
            list->count--;
            return ERR_NOMEM;
        }
    }
    return OK;
}

static void configure_topic(struct partition_table *table, const struct image *after,
                            struct table_topic *t)
{
    struct topic_config config = topic_config_merge(after, view_str(t->name),
                                                    &table->options.defaults);
    for (int32_t i = 0; i < t->count; i++)
        if (t->partitions[i]) partition_set_config(t->partitions[i], &config);
}

static void configure(struct partition_table *table, const struct image *after,
                      const struct config_record *record)
{
    struct map_entry *e;
    if (record->resource_type == CONFIG_TOPIC) {
        struct table_topic *t = map_get(&table->by_name, record->resource_name);
        if (t) configure_topic(table, after, t);
        return;
    }
    if (record->resource_type != CONFIG_BROKER) return;
    for (size_t i = 0; (e = map_next(&table->by_name, &i));)
        configure_topic(table, after, e->value);
}

/* ---- the first image ---- */

struct strays {
    const struct partition_table *table;
    const struct image *image;
    int count;
    char names[STRAYS_NAMED * DIR_NAME_MAX];
};

static void look_for_stray(void *arg, const struct log_dir_entry *entry)
{
    struct strays *strays = arg;
    if (entry->suffix || strcmp(entry->topic, "__cluster_metadata") == 0) return;
    const struct image_topic *topic = image_topic(strays->image, view_str(entry->topic));
    if (topic && entry->partition < topic->partition_count &&
        is_here(strays->table, &topic->partitions[entry->partition]))
        return;
    if (strays->count++ >= STRAYS_NAMED) return;
    size_t used = strlen(strays->names);
    snprintf(strays->names + used, sizeof strays->names - used, "%s%s", used ? "," : "",
             entry->name);
}

static void warn_of_strays(struct partition_table *table, const struct image *image)
{
    for (int i = 0; i < table->options.dir_count; i++) {
        struct strays strays = {.table = table, .image = image};
        struct log_dir *dir = table->dirs[i].dir;
        if (log_dir_is_failed(dir)) continue;
        err_t err = log_dir_each(dir, look_for_stray, &strays);
        if (err)
            diag(DIAG_WARN, "partition_table", "cannot list the directory dir=%s error=\"%s\"",
                 log_dir_path(dir), err_name(err));
        if (strays.count)
            diag(DIAG_WARN, "partition_table",
                 "partition directories that the metadata does not know are left alone dir=%s "
                 "count=%d names=%s%s",
                 log_dir_path(dir), strays.count, strays.names,
                 strays.count > STRAYS_NAMED ? ",..." : "");
    }
}

static void sweep_run(struct task *task)
{
    struct partition_table *table = CONTAINER_OF(task, struct partition_table, sweep_task);
    for (int i = 0; i < table->options.dir_count; i++)
        if (!log_dir_is_failed(table->dirs[i].dir))
            leftovers_remove(table->options.env, table->dirs[i].dir);
}

/* ---- the subscriber ---- */

static void sync_or_say(struct partition_table *table, const struct image *after,
                        const struct image_topic *topic, struct openings *list)
{
    err_t err = topic ? sync_topic(table, after, topic, list) : OK;
    if (err)
        diag(DIAG_ERROR, "partition_table", "topic is not served topic=%s error=\"%s\"",
             topic->name, err_name(err));
}

static void open_listed(struct partition_table *table, const struct image *after,
                        struct openings *list)
{
    if (!list->count) return;
    openings_run(table, list);
    add_opened(table, after, list);
    list->count = 0;
}

/* The topic a record speaks of; zero: none. */
static struct uuid touched_topic(const struct change_record *record)
{
    switch (record->type) {
    case RECORD_ID_TOPIC_RECORD: return ((const struct topic_record *)record->data)->topic_id;
    case RECORD_ID_PARTITION_RECORD:
        return ((const struct partition_record *)record->data)->topic_id;
    case RECORD_ID_PARTITION_CHANGE_RECORD:
        return ((const struct partition_change_record *)record->data)->topic_id;
    default: return (struct uuid){{0}};
    }
}

static void apply_change(struct partition_table *table, const struct image *after,
                         const struct change *change, struct openings *list)
{
    struct uuid last = {{0}};
    for (const struct change_record *record = change->first; record; record = record->next) {
        struct uuid id = touched_topic(record);
        if (!uuid_is_zero(id)) {
            /* A topic's records stand together. */
            if (!uuid_eq(id, last)) sync_or_say(table, after, image_topic_by_id(after, id), list);
            last = id;
            continue;
        }
        if (record->type == RECORD_ID_REMOVE_TOPIC_RECORD)
            topic_delete(table, &((const struct remove_topic_record *)record->data)->topic_id);
        if (record->type != RECORD_ID_CONFIG_RECORD) continue;
        /* Those that are about to be opened have the new settings already. */
        configure(table, after, record->data);
    }
    open_listed(table, after, list);
}

void partition_table_apply(void *arg, const struct image *before, const struct image *after,
                           const struct change *change)
{
    struct partition_table *table = arg;
    struct openings list = {0};
    (void)before;
    if (change) {
        apply_change(table, after, change, &list);
    } else {
        for (size_t i = 0; i < image_topic_count(after); i++)
            sync_or_say(table, after, image_topic_at(after, i), &list);
        open_listed(table, after, &list);
        warn_of_strays(table, after);
        table->sweep_task.run = sweep_run;
        worker_submit(table->options.housekeepers, &table->sweep_task);
    }
    free(list.items);
}
