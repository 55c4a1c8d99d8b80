/* A counting sort by target: the writes of one target end up side by side, in the order in which
 * they were added. */
#include "produce_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { CAP_MIN = 32, SLOTS_MIN = 64, SCRATCH_KEPT_BYTES = 1 << 20 };

void produce_run_init(struct produce_run *run, struct partition_table *table)
{
    *run = (struct produce_run){.table = table};
}

static void drop_targets(struct produce_run *run)
{
    for (size_t i = 0; i < run->target_count; i++) partition_unref(run->targets[i].partition);
    run->target_count = 0;
    if (run->slots) memset(run->slots, 0, run->slot_count * sizeof *run->slots);
}

void produce_run_release(struct produce_run *run)
{
    drop_targets(run);
    free(run->targets);
    free(run->slots);
    free(run->writes);
    free(run->sorted);
    free(run->requests);
    buf_release(&run->scratch);
    *run = (struct produce_run){0};
}

/* Room for `count` items of `size` bytes each; *items and *cap change together. */
static err_t grow(void **items, size_t *cap, size_t count, size_t size)
{
    if (count <= *cap) return OK;
    size_t wanted = MAX(*cap * 2, (size_t)CAP_MIN);
    while (wanted < count) wanted *= 2;
    void *grown = realloc(*items, wanted * size);
    if (!grown) return ERR_NOMEM;
    *items = grown;
    *cap = wanted;
    return OK;
}

#define GROW(run, items, cap, count) \
    grow((void **)&(run)->items, &(run)->cap, (count), sizeof *(run)->items)

/* ---- targets ---- */

static size_t slot_of(const struct produce_run *run, const struct partition *p)
{
    size_t mask = run->slot_count - 1;
    uint64_t hash = (uint64_t)(uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t s = (size_t)(hash >> 32) & mask;; s = (s + 1) & mask)
        if (!run->slots[s] || run->targets[run->slots[s] - 1].partition == p) return s;
}

static err_t grow_slots(struct produce_run *run)
{
    if (run->slot_count >= (run->target_count + 1) * 2) return OK;
    size_t count = run->slot_count ? run->slot_count * 2 : SLOTS_MIN;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots) return ERR_NOMEM;
    free(run->slots);
    run->slots = slots;
    run->slot_count = count;
    for (size_t i = 0; i < run->target_count; i++)
        run->slots[slot_of(run, run->targets[i].partition)] = (uint32_t)(i + 1);
    return OK;
}

/* Requests of one burst tend to speak of the same partition. */
static bool is_last(const struct produce_run *run, const struct run_key *key)
{
    if (run->target_count == 0) return false;
    const struct partition *p = run->targets[run->target_count - 1].partition;
    if (partition_index(p) != key->index) return false;
    if (!key->name.data) return uuid_eq(partition_topic_id(p), key->id);
    return view_eq(view_str(partition_topic(p)), key->name);
}

/* Takes the reference over. */
static int add_target(struct produce_run *run, struct partition *p)
{
    err_t err = GROW(run, targets, target_cap, run->target_count + 1);
    if (!err) err = grow_slots(run);
    if (err) {
        partition_unref(p);
        return -1;
    }
    size_t s = slot_of(run, p);
    if (run->slots[s]) {
        partition_unref(p); /* one reference a target is enough */
        return (int)run->slots[s] - 1;
    }
    run->targets[run->target_count++] = (struct run_target){.partition = p,
                                                            .config = partition_config(p)};
    run->slots[s] = (uint32_t)run->target_count;
    return (int)run->target_count - 1;
}

int produce_run_target(struct produce_run *run, const struct run_key *key)
{
    if (is_last(run, key)) return (int)run->target_count - 1;
    struct partition *p = key->name.data
                              ? partition_table_find(run->table, key->name, key->index)
                              : partition_table_find_by_id(run->table, key->id, key->index);
    return p ? add_target(run, p) : -1;
}

/* ---- writes and requests ---- */

err_t produce_run_reserve(struct produce_run *run, size_t writes)
{
    TRY(GROW(run, writes, write_cap, run->write_count + writes));
    TRY(GROW(run, sorted, sorted_cap, run->write_count + writes));
    return GROW(run, requests, request_cap, run->request_count + 1);
}

void produce_run_add(struct produce_run *run, int target, struct partition_write *write)
{
    DCHECK(target >= 0 && (size_t)target < run->target_count);
    CHECK(run->write_count < run->write_cap);
    run->writes[run->write_count++] = (struct run_write){write, (uint32_t)target};
    run->targets[target].count++;
}

void produce_run_tell(struct produce_run *run, struct request *rq,
                      void (*appended)(struct request *rq))
{
    CHECK(run->request_count < run->request_cap);
    run->requests[run->request_count++] = (struct run_request){rq, appended};
}

static void append_all(struct produce_run *run)
{
    size_t first = 0;
    for (size_t i = 0; i < run->target_count; i++) {
        run->targets[i].first = first;
        first += run->targets[i].count;
        run->targets[i].count = 0;
    }
    for (size_t i = 0; i < run->write_count; i++) {
        struct run_target *target = &run->targets[run->writes[i].target];
        run->sorted[target->first + target->count++] = run->writes[i].write;
    }
    for (size_t i = 0; i < run->target_count; i++) {
        const struct run_target *target = &run->targets[i];
        if (target->count)
            partition_append(target->partition, run->sorted + target->first, target->count);
    }
}

void produce_run_flush(struct produce_run *run)
{
    if (run->request_count == 0 && run->target_count == 0) return;
    append_all(run);
    drop_targets(run);
    run->write_count = 0;
    run->now_ms = 0;
    if (run->scratch.cap > SCRATCH_KEPT_BYTES) buf_release(&run->scratch);
    /* A request that is told may run the one that was deferred behind it, and that may flush. */
    struct run_request *requests = run->requests;
    size_t count = run->request_count, cap = run->request_cap;
    run->requests = NULL;
    run->request_count = run->request_cap = 0;
    for (size_t i = 0; i < count; i++) requests[i].appended(requests[i].rq);
    if (run->requests) {
        free(requests);
        return;
    }
    run->requests = requests;
    run->request_cap = cap;
}
