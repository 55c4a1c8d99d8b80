/* Identity, references, who leads, and what others may know of a partition.
 *
 * The log is taken away in three steps, so that nobody ever holds a log that is closed: no new user
 * can get it (log = NULL under the lock), those who wait are sent home, and the last step waits
 * until the taker's reference is the only one left. Loops never wait for the thread that does
 * this, so it ends.
 */
#include "partition_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "partition_table_impl.h"

struct partition *partition_new(const struct partition_new *what)
{
    struct partition *p = calloc(1, sizeof *p);
    char *topic = strdup(what->topic);
    if (!p || !topic) {
        free(p);
        free(topic);
        return NULL;
    }
    atomic_init(&p->refs, 1);
    p->table = what->table;
    p->topic = topic;
    p->topic_id = what->topic_id;
    p->index = what->index;
    mutex_init(&p->lock, RANK_PARTITION);
    p->leader_epoch = -1;
    list_init(&p->watches);
    list_init(&p->parked);
    list_init(&p->committing);
    list_init(&p->dirty_link);
    return p;
}

static void destroy(struct partition *p)
{
    CHECK(!p->log && list_is_empty(&p->parked) && list_is_empty(&p->committing));
    CHECK(list_is_empty(&p->watches) && list_is_empty(&p->dirty_link));
    mutex_destroy(&p->lock);
    free(p->topic);
    free(p);
}

void partition_ref(struct partition *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void partition_unref(struct partition *p)
{
    if (!p) return;
    struct partition_table *table = p->table; /* p may be gone after the next line */
    int before = atomic_fetch_sub(&p->refs, 1);
    if (before == 1) destroy(p);
    if (before == 2) partition_table_note_unref(table);
}

const char *partition_topic(const struct partition *p) { return p->topic; }
struct uuid partition_topic_id(const struct partition *p) { return p->topic_id; }
int32_t partition_index(const struct partition *p) { return p->index; }

void partition_set_log(struct partition *p, struct log *log, struct table_dir *place)
{
    mutex_lock(&p->lock);
    CHECK(!p->log);
    p->log = log;
    p->place = place;
    if (log) {
        struct log_offsets offsets = log_offsets(log);
        p->high_watermark = p->config.log.durability == DURABILITY_FSYNC ? offsets.flushed
                                                                         : offsets.end;
        p->log_start = offsets.start;
    }
    mutex_unlock(&p->lock);
}

void partition_set_config(struct partition *p, const struct topic_config *config)
{
    struct partition_news news;
    partition_news_init(&news);
    mutex_lock(&p->lock);
    p->config = *config;
    if (p->log) {
        log_set_config(p->log, &config->log);
        struct log_offsets offsets = log_offsets(p->log);
        /* A topic that gives up on flushing lets go of what waited for it. */
        bool is_fsync = config->log.durability == DURABILITY_FSYNC;
        partition_advance(p, is_fsync ? offsets.flushed : offsets.end, &news);
    }
    mutex_unlock(&p->lock);
    partition_news_deliver(&news);
}

void partition_set_leadership(struct partition *p, const struct partition_leadership *now)
{
    struct partition_news news;
    partition_news_init(&news);
    mutex_lock(&p->lock);
    bool is_news = p->is_leader != now->is_leader || p->leader_epoch != now->leader_epoch;
    p->is_leader = now->is_leader;
    p->leader_epoch = now->leader_epoch;
    p->isr_count = now->isr_count;
    if (is_news) partition_wake_watches(p, &news);
    if (!now->is_leader) partition_fail_writes(p, ERR_NOT_LEADER, &news);
    mutex_unlock(&p->lock);
    partition_news_deliver(&news);
}

struct log *partition_take_log(struct partition *p)
{
    struct partition_news news;
    partition_news_init(&news);
    mutex_lock(&p->lock);
    struct log *log = p->log;
    p->log = NULL;
    p->is_leader = false;
    atomic_fetch_sub(&p->table->unflushed_bytes, partition_take_dirty(p));
    partition_wake_watches(p, &news);
    partition_fail_writes(p, ERR_NOT_LEADER, &news);
    mutex_unlock(&p->lock);
    partition_news_deliver(&news);
    partition_table_wait_unref(p->table, &p->refs);
    return log;
}

int64_t partition_take_dirty(struct partition *p)
{
    int64_t bytes = p->dirty_bytes;
    p->dirty_bytes = 0;
    p->is_dirty = false;
    return bytes;
}

struct partition_view partition_describe(struct partition *p)
{
    mutex_lock(&p->lock);
    struct partition_view view = {
        .high_watermark = p->high_watermark,
        .leader_epoch = p->leader_epoch,
        .isr_count = p->isr_count,
        .is_leader = p->is_leader,
        .is_offline = !p->log || (p->place && log_dir_is_failed(p->place->dir)),
    };
    if (p->log) {
        view.log = log_offsets(p->log);
        view.is_offline |= view.log.is_failed;
    }
    mutex_unlock(&p->lock);
    view.last_stable = view.high_watermark;
    if (view.log.first_unstable >= 0 && view.log.first_unstable < view.last_stable)
        view.last_stable = view.log.first_unstable;
    return view;
}

struct topic_config partition_config(struct partition *p)
{
    mutex_lock(&p->lock);
    struct topic_config config = p->config;
    mutex_unlock(&p->lock);
    return config;
}

struct log *partition_log(struct partition *p)
{
    mutex_lock(&p->lock);
    struct log *log = p->log;
    mutex_unlock(&p->lock);
    return log;
}

/* ---- telling those who wait ---- */

void partition_news_init(struct partition_news *news)
{
    list_init(&news->waiters);
    list_init(&news->writes);
}

void partition_wake_watches(struct partition *p, struct partition_news *news)
{
    LIST_EACH_SAFE (link, &p->watches) {
        struct partition_watch *watch = CONTAINER_OF(link, struct partition_watch, link);
        list_remove(link);
        if (waiter_cancel(watch->waiter)) list_push_back(&news->waiters, &watch->waiter->task.link);
    }
}

void partition_advance(struct partition *p, koffset_t committed, struct partition_news *news)
{
    if (committed <= p->high_watermark) return;
    p->high_watermark = committed;
    partition_wake_watches(p, news);
    LIST_EACH_SAFE (link, &p->committing) {
        struct partition_write *write = CONTAINER_OF(link, struct partition_write, link);
        if (write->batch.last_offset >= committed) break;
        list_remove(link);
        list_push_back(&news->writes, link);
    }
}

static void fail_list(struct list *from, err_t err, struct partition_news *news)
{
    LIST_EACH_SAFE (link, from) {
        struct partition_write *write = CONTAINER_OF(link, struct partition_write, link);
        write->batch.err = err;
        write->batch.is_done = true;
        list_remove(link);
        list_push_back(&news->writes, link);
    }
}

void partition_fail_parked(struct partition *p, err_t err, struct partition_news *news)
{
    fail_list(&p->parked, err, news);
}

void partition_fail_writes(struct partition *p, err_t err, struct partition_news *news)
{
    fail_list(&p->committing, err, news);
    fail_list(&p->parked, err, news);
}

void partition_news_deliver(struct partition_news *news)
{
    LIST_EACH_SAFE (link, &news->waiters) {
        struct task *task = CONTAINER_OF(link, struct task, link);
        list_remove(link);
        waiter_post(CONTAINER_OF(task, struct waiter, task));
    }
    LIST_EACH_SAFE (write_link, &news->writes) {
        struct partition_write *write = CONTAINER_OF(write_link, struct partition_write, link);
        list_remove(write_link);
        free(write->owned_data);
        write->owned_data = NULL;
        write->done(write);
    }
}
