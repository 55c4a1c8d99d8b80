/* The table itself: finding, walking, opening and closing. What the metadata does to it is in
 * partition_table_apply.c.
 *
 * Topics hang in two maps, by name and by id. The proposer's thread is the only writer; it changes
 * the maps under the lock and does everything slow (opening, deleting) without it.
 */
#include "partition_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/diag.h"
#include "partition_table_impl.h"

err_t partition_table_new(const struct partition_table_options *options,
                          struct partition_table **out)
{
    struct partition_table *table = calloc(1, sizeof *table);
    if (!table) return ERR_NOMEM;
    table->options = *options;
    mutex_init(&table->lock, RANK_TOPICS);
    mutex_init(&table->unref_lock, RANK_LEAF);
    CHECK(pthread_cond_init(&table->unref_cond, NULL) == 0);
    table->dirs = calloc((size_t)options->dir_count, sizeof *table->dirs);
    table->housekeeping = housekeeping_new(table);
    if (!table->dirs || !table->housekeeping) {
        bool clean;
        partition_table_free(table, &clean);
        return ERR_NOMEM;
    }
    for (int i = 0; i < options->dir_count; i++) table->dirs[i].dir = options->dirs[i];
    housekeeping_look_at_space(table->housekeeping);
    *out = table;
    return OK;
}

void partition_table_stop(struct partition_table *table, bool loop_runs)
{
    housekeeping_stop(table->housekeeping, loop_runs);
}

/* One partition on its way out: flushed and closed, its checkpoints brought up to date. */
struct closing {
    struct partition *p;
    bool is_clean;
};

static void close_one(void *item)
{
    struct closing *closing = item;
    struct partition *p = closing->p;
    housekeeping_forget(p->table->housekeeping, p);
    struct log *log = partition_take_log(p);
    if (!log) return;
    struct log_offsets offsets = log_offsets(log);
    err_t err = log_close(log, true);
    closing->is_clean = !err && !offsets.is_failed;
    if (err)
        diag(DIAG_ERROR, "partition",
             "log did not close cleanly topic=%s partition=%d error=\"%s\"", p->topic, p->index,
             err_name(err));
    if (!closing->is_clean) return;
    struct log_dir *dir = p->place->dir;
    err = log_dir_set_checkpoint(dir, CHECKPOINT_RECOVERY_POINT, p->topic, p->index, offsets.end);
    if (!err)
        err = log_dir_set_checkpoint(dir, CHECKPOINT_HIGH_WATERMARK, p->topic, p->index,
                                     offsets.end);
    closing->is_clean = !err;
}

static size_t partition_total(const struct partition_table *table)
{
    size_t total = 0;
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&table->by_name, &i));) {
        const struct table_topic *topic = e->value;
        for (int32_t k = 0; k < topic->count; k++) total += topic->partitions[k] != NULL;
    }
    return total;
}

/* Everything at once on the openers; false when something was not written. */
static bool close_all(struct partition_table *table)
{
    size_t total = partition_total(table), n = 0;
    struct closing *closing = calloc(total + 1, sizeof *closing);
    void **items = calloc(total + 1, sizeof *items);
    if (!closing || !items) {
        /* Without memory for a list they go one by one. */
        free(closing);
        free(items);
        closing = NULL;
        items = NULL;
    }
    bool is_clean = true;
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&table->by_name, &i));) {
        struct table_topic *topic = e->value;
        for (int32_t k = 0; k < topic->count; k++) {
            struct closing one = {.p = topic->partitions[k]};
            if (!one.p) continue;
            if (items) {
                closing[n] = one;
                items[n] = &closing[n];
                n++;
                continue;
            }
            close_one(&one);
            is_clean &= one.is_clean;
        }
    }
    if (items) partition_table_run_all(table, close_one, items, n);
    for (size_t i = 0; i < n; i++) is_clean &= closing[i].is_clean;
    free(closing);
    free(items);
    return is_clean;
}

void table_topic_free(struct table_topic *topic)
{
    for (int32_t k = 0; k < topic->count; k++) partition_unref(topic->partitions[k]);
    free(topic->partitions);
    free(topic->name);
    free(topic);
}

void partition_table_free(struct partition_table *table, bool *clean)
{
    if (!table) return;
    if (table->housekeeping) housekeeping_stop(table->housekeeping, false);
    worker_drain(table->options.flushers);
    worker_drain(table->options.housekeepers);
    *clean = close_all(table);
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&table->by_name, &i));) table_topic_free(e->value);
    map_release(&table->by_name);
    map_release(&table->by_id);
    housekeeping_free(table->housekeeping);
    pthread_cond_destroy(&table->unref_cond);
    mutex_destroy(&table->unref_lock);
    mutex_destroy(&table->lock);
    free(table->dirs);
    free(table);
}

/* ---- finding ---- */

static struct partition *take(const struct table_topic *topic, int32_t index)
{
    if (!topic || index < 0 || index >= topic->count) return NULL;
    struct partition *p = topic->partitions[index];
    if (p) partition_ref(p);
    return p;
}

struct partition *partition_table_find(struct partition_table *table, struct view topic,
                                       int32_t index)
{
    mutex_lock(&table->lock);
    struct partition *p = take(map_get(&table->by_name, topic), index);
    mutex_unlock(&table->lock);
    return p;
}

struct partition *partition_table_find_by_id(struct partition_table *table, struct uuid topic_id,
                                             int32_t index)
{
    struct view key = view_of(topic_id.bytes, sizeof topic_id.bytes);
    mutex_lock(&table->lock);
    struct partition *p = take(map_get(&table->by_id, key), index);
    mutex_unlock(&table->lock);
    return p;
}

static int by_name_and_index(const void *a, const void *b)
{
    const struct partition *x = *(struct partition *const *)a;
    const struct partition *y = *(struct partition *const *)b;
    int names = strcmp(x->topic, y->topic);
    return names ? names : (x->index > y->index) - (x->index < y->index);
}

/* Every partition with a reference, in order, into a malloc'ed array; NULL without memory. */
static struct partition **snapshot(struct partition_table *table, size_t *count)
{
    mutex_lock(&table->lock);
    struct partition **all = calloc(partition_total(table) + 1, sizeof(struct partition *));
    size_t n = 0;
    struct map_entry *e;
    for (size_t i = 0; all && (e = map_next(&table->by_name, &i));) {
        const struct table_topic *topic = e->value;
        for (int32_t k = 0; k < topic->count; k++)
            if (topic->partitions[k]) all[n++] = take(topic, k);
    }
    mutex_unlock(&table->lock);
    if (all) qsort(all, n, sizeof(struct partition *), by_name_and_index);
    *count = n;
    return all;
}

void partition_table_each(struct partition_table *table, void (*fn)(void *arg, struct partition *p),
                          void *arg)
{
    size_t count;
    struct partition **all = snapshot(table, &count);
    if (!all) diag(DIAG_ERROR, "partition_table", "no memory to visit the partitions");
    for (size_t i = 0; i < count; i++) {
        fn(arg, all[i]);
        partition_unref(all[i]);
    }
    free(all);
}

size_t partition_table_count(struct partition_table *table)
{
    mutex_lock(&table->lock);
    size_t total = partition_total(table);
    mutex_unlock(&table->lock);
    return total;
}

struct log_dir *partition_table_dir(struct partition_table *table, struct partition *p)
{
    (void)table;
    return p->place ? p->place->dir : NULL;
}

/* ---- waiting for references ---- */

void partition_table_note_unref(struct partition_table *table)
{
    if (atomic_load(&table->unref_waiters) == 0) return;
    mutex_lock(&table->unref_lock);
    pthread_cond_broadcast(&table->unref_cond);
    mutex_unlock(&table->unref_lock);
}

void partition_table_wait_unref(struct partition_table *table, const atomic_int *refs)
{
    atomic_fetch_add(&table->unref_waiters, 1);
    mutex_lock(&table->unref_lock);
    while (atomic_load(refs) != 1) pthread_cond_wait(&table->unref_cond, &table->unref_lock.lock);
    mutex_unlock(&table->unref_lock);
    atomic_fetch_sub(&table->unref_waiters, 1);
}

/* ---- many at once ---- */

struct latch {
    struct mutex lock;
    pthread_cond_t cond;
    size_t left;
};

struct piece {
    struct task task;
    struct latch *latch;
    void (*fn)(void *item);
    void *item;
};

static void piece_run(struct task *task)
{
    struct piece *piece = CONTAINER_OF(task, struct piece, task);
    struct latch *latch = piece->latch;
    piece->fn(piece->item);
    mutex_lock(&latch->lock);
    if (--latch->left == 0) pthread_cond_signal(&latch->cond);
    mutex_unlock(&latch->lock);
}

void partition_table_run_all(struct partition_table *table, void (*fn)(void *item), void **items,
                             size_t count)
{
    struct piece *pieces = count > 1 ? calloc(count, sizeof *pieces) : NULL;
    if (!pieces) {
        for (size_t i = 0; i < count; i++) fn(items[i]);
        return;
    }
    struct latch latch = {.left = count};
    mutex_init(&latch.lock, RANK_LEAF);
    CHECK(pthread_cond_init(&latch.cond, NULL) == 0);
    for (size_t i = 0; i < count; i++) {
        pieces[i] = (struct piece){.latch = &latch, .fn = fn, .item = items[i]};
        pieces[i].task.run = piece_run;
        worker_submit(table->options.openers, &pieces[i].task);
    }
    mutex_lock(&latch.lock);
    while (latch.left) pthread_cond_wait(&latch.cond, &latch.lock.lock);
    mutex_unlock(&latch.lock);
    pthread_cond_destroy(&latch.cond);
    mutex_destroy(&latch.lock);
    free(pieces);
}
