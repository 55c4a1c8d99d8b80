/* What a life consists of: random operations on the log, each repeated on the model. */
#include <stdlib.h>

#include "base/check.h"
#include "log_world.h"
#include "record/builder.h"
#include "record/control.h"

enum { BATCHES_MAX = 4, ROLLS_MAX = 8, RECORDS_MAX = 6, YOUNG_MS = 1800000 };

/* ---- appending ---- */

enum expected { EXPECT_OK, EXPECT_DUPLICATE, EXPECT_SEQUENCE, EXPECT_OLD_EPOCH };

struct planned {
    struct model_item item; /* bytes owned */
    enum expected expected;
    koffset_t duplicate_of;
    int producer; /* -1: none */
};

struct call {
    struct planned planned[BATCHES_MAX];
    struct log_append batches[BATCHES_MAX];
    size_t count;
    enum log_origin origin;
    struct world_producer producers[PRODUCERS]; /* as they are if all goes well */
};

static void build_data(struct world *w, struct batch_options *options, int records,
                       struct model_item *item)
{
    struct batch_builder builder = {0};
    uint8_t value[4096];
    struct view whole;
    bool may_be_large = w->config.segment_bytes >= 20000;
    w->random.fill(&w->random, value, 64);
    for (size_t i = 64; i < sizeof value; i++) value[i] = value[i - 64];
    item->first_timestamp = w->now_ms - (int64_t)rng_below(&w->rng, 3000);
    if (rng_chance(&w->rng, 100)) options->codec = CODEC_LZ4;
    CHECK(batch_builder_init(&builder, options) == OK);
    for (int i = 0; i < records; i++) {
        size_t len = rng_below(&w->rng, may_be_large && rng_chance(&w->rng, 50) ? 4096 : 120);
        struct record record = {
            .offset = RECORD_OFFSET_NEXT,
            .timestamp = item->first_timestamp + i,
            .value = view_of(value, len),
        };
        CHECK(batch_builder_append(&builder, &record) == OK);
    }
    CHECK(batch_builder_finish(&builder, &whole) == OK);
    item->bytes = malloc(whole.len);
    CHECK(item->bytes);
    memcpy(item->bytes, whole.data, whole.len);
    CHECK(batch_header_parse(whole, &item->header) == OK);
    batch_builder_release(&builder);
}

const struct model_item *world_known_last(const struct world *w,
                                          const struct world_producer *producer)
{
    const struct model_item *item = log_model_last_of(&w->model, producer->id);
    if (!item || item->header.base_offset < w->model.start) return NULL;
    return w->now_ms - item->header.max_timestamp < YOUNG_MS ? item : NULL;
}

static void plan_duplicate(struct planned *p, const struct model_item *last)
{
    p->item = *last;
    p->item.bytes = malloc(last->header.size_bytes);
    CHECK(p->item.bytes);
    memcpy(p->item.bytes, last->bytes, last->header.size_bytes);
    p->expected = EXPECT_DUPLICATE;
    p->duplicate_of = last->header.base_offset;
}

static void plan_idempotent(struct world *w, struct call *call, struct planned *p, bool is_first)
{
    struct batch_options options = batch_options_default();
    struct world_producer *producer = &call->producers[p->producer];
    const struct model_item *last = is_first ? world_known_last(w, &w->producers[p->producer])
                                             : NULL;
    int records = (int)rng_between(&w->rng, 1, RECORDS_MAX);
    uint64_t kind = rng_below(&w->rng, 100);
    if (last && kind < 10) {
        plan_duplicate(p, last);
        return;
    }
    options.producer_id = producer->id;
    options.producer_epoch = producer->epoch;
    options.base_sequence = producer->next_sequence;
    options.is_transactional = producer->is_transactional;
    if (last && kind < 15) {
        options.base_sequence = sequence_add(options.base_sequence, 1 + (int32_t)kind);
        p->expected = EXPECT_SEQUENCE;
    } else if (last && kind < 18 && last->header.producer_epoch > 0) {
        options.producer_epoch = (int16_t)(last->header.producer_epoch - 1);
        p->expected = EXPECT_OLD_EPOCH;
    } else if (is_first && !last && producer->is_transactional) {
        /* Its batches may be forgotten while a marker is not: then only a new epoch may begin. */
        options.producer_epoch = ++producer->epoch;
        options.base_sequence = producer->next_sequence = 0;
    } else if (kind < 22 && !producer->is_transactional) {
        options.producer_epoch = ++producer->epoch;
        options.base_sequence = producer->next_sequence = 0;
    }
    build_data(w, &options, records, &p->item);
    if (p->expected == EXPECT_OK)
        producer->next_sequence = sequence_add(options.base_sequence, records);
}

static void plan_plain(struct world *w, struct planned *p)
{
    struct batch_options options = batch_options_default();
    build_data(w, &options, (int)rng_between(&w->rng, 1, RECORDS_MAX), &p->item);
}

static void plan_client_call(struct world *w, struct call *call)
{
    unsigned seen = 0;
    call->origin = LOG_FROM_CLIENT;
    call->count = 1 + rng_below(&w->rng, BATCHES_MAX);
    for (size_t i = 0; i < call->count; i++) {
        struct planned *p = &call->planned[i];
        p->producer = rng_chance(&w->rng, 600) ? (int)rng_below(&w->rng, PRODUCERS) : -1;
        if (p->producer < 0) {
            plan_plain(w, p);
            continue;
        }
        plan_idempotent(w, call, p, !(seen & 1u << p->producer));
        seen |= 1u << p->producer;
    }
}

/* As a follower gets it: offsets and epoch come with the batch, sometimes behind a gap. */
static void plan_leader_call(struct world *w, struct call *call)
{
    struct planned *p = &call->planned[0];
    koffset_t base = w->model.end;
    if (rng_chance(&w->rng, 300)) base += (koffset_t)rng_below(&w->rng, 5);
    call->origin = LOG_FROM_LEADER;
    call->count = 1;
    p->producer = -1;
    plan_plain(w, p);
    batch_set_base_offset(p->item.bytes, base);
    batch_set_leader_epoch(p->item.bytes, w->leader_epoch);
    p->item.header.base_offset = base;
    p->item.header.leader_epoch = w->leader_epoch;
}

static void plan_marker(struct world *w, struct call *call)
{
    struct planned *p = &call->planned[0];
    const struct world_producer *producer =
        &w->producers[PRODUCERS - 1 - (int)rng_below(&w->rng, 2)];
    struct control_marker marker = {
        .is_commit = rng_chance(&w->rng, 500),
        .producer_id = producer->id,
        .producer_epoch = producer->epoch,
        .coordinator_epoch = 1,
        .leader_epoch = w->leader_epoch,
        .timestamp = w->now_ms,
    };
    call->origin = LOG_FROM_SELF;
    call->count = 1;
    p->producer = -1;
    p->item.kind = marker.is_commit ? ITEM_COMMIT : ITEM_ABORT;
    p->item.first_timestamp = w->now_ms;
    p->item.bytes = malloc(CONTROL_MARKER_BATCH_SIZE);
    CHECK(p->item.bytes);
    control_marker_build(&marker, p->item.bytes);
    CHECK(batch_header_parse(view_of(p->item.bytes, CONTROL_MARKER_BATCH_SIZE), &p->item.header) ==
          OK);
}

/* What was done as planned becomes history; true: go on with the next one. */
static bool settle_one(struct world *w, struct call *call, size_t i)
{
    struct planned *p = &call->planned[i];
    const struct log_append *b = &call->batches[i];
    err_t expected = p->expected == EXPECT_SEQUENCE    ? ERR_SEQUENCE
                     : p->expected == EXPECT_OLD_EPOCH ? ERR_PRODUCER_EPOCH
                                                       : OK;
    if (!b->is_done || (b->err != expected && world_excuses(w, b->err))) return false;
    if (b->err != expected)
        world_violation(w, "batch %zu: %s instead of %s", i, err_name(b->err), err_name(expected));
    if (b->is_duplicate != (p->expected == EXPECT_DUPLICATE))
        world_violation(w, "batch %zu: duplicate=%d", i, b->is_duplicate);
    if (b->is_duplicate && b->base_offset != p->duplicate_of)
        world_violation(w, "batch %zu: duplicate of %lld, not %lld", i, (long long)b->base_offset,
                        (long long)p->duplicate_of);
    if (p->expected != EXPECT_OK) return true;
    if (call->origin != LOG_FROM_LEADER && b->base_offset != w->model.end)
        world_violation(w, "appended at %lld, not %lld", (long long)b->base_offset,
                        (long long)w->model.end);
    p->item.header = b->header;
    log_model_add(&w->model, &p->item, true);
    w->appended++;
    return true;
}

/* From the first failure on nothing is known, unless the log works on: then it did not happen. */
static void settle_call(struct world *w, struct call *call)
{
    bool is_certain = true;
    bool is_alive = !sim_disk_is_stopped(w->disk) && !log_offsets(w->log).is_failed;
    koffset_t next = w->model.end;
    for (size_t i = 0; i < call->count; i++) {
        struct planned *p = &call->planned[i];
        if (is_certain) is_certain = settle_one(w, call, i);
        if (is_certain) next = w->model.end;
        const struct log_append *b = &call->batches[i];
        bool is_out = !b->is_done || b->err == ERR_FAILED || is_alive || p->expected != EXPECT_OK;
        if (is_certain || is_out) continue;
        if (call->origin != LOG_FROM_LEADER) {
            batch_set_base_offset(p->item.bytes, next);
            batch_set_leader_epoch(p->item.bytes, w->leader_epoch);
            p->item.header.base_offset = next;
            p->item.header.leader_epoch = w->leader_epoch;
        }
        log_model_add(&w->model, &p->item, false);
        next = batch_last_offset(&p->item.header) + 1;
    }
    if (is_certain)
        memcpy(w->producers, call->producers, sizeof w->producers);
    else
        world_follow_loss(w); /* some of them may have been acknowledged */
}

static void step_append(struct world *w)
{
    struct call call = {0};
    err_t err;
    w->doing = "append";
    memcpy(call.producers, w->producers, sizeof call.producers);
    uint64_t kind = rng_below(&w->rng, 100);
    if (kind < 8)
        plan_leader_call(w, &call);
    else if (kind < 18)
        plan_marker(w, &call);
    else
        plan_client_call(w, &call);
    for (size_t i = 0; i < call.count; i++)
        call.batches[i] = (struct log_append){.data = call.planned[i].item.bytes,
                                              .header = call.planned[i].item.header};
    int rolls = 0;
    while ((err = log_append(w->log, call.batches, call.count, call.origin, w->leader_epoch)) ==
           ERR_AGAIN) {
        if (++rolls > ROLLS_MAX) world_violation(w, "rolling does not help");
        if (world_excuses(w, log_roll(w->log))) break;
    }
    if (err != OK && err != ERR_AGAIN) (void)world_excuses(w, err);
    settle_call(w, &call);
    for (size_t i = 0; i < call.count; i++) free(call.planned[i].item.bytes);
}

/* ---- making durable ---- */

static void step_flush(struct world *w)
{
    koffset_t flushed_to = -1;
    w->doing = "flush";
    if (world_excuses(w, log_flush(w->log, &flushed_to))) return;
    if (flushed_to < w->model.end)
        world_violation(w, "flushed only to %lld", (long long)flushed_to);
}

static void step_checkpoint(struct world *w)
{
    koffset_t point = w->options.mutant == MUTANT_RECOVERY_POINT ? w->model.end : w->model.flushed;
    w->doing = "checkpoint";
    err_t err = log_dir_set_checkpoint(w->dir, CHECKPOINT_RECOVERY_POINT, WORLD_TOPIC, 0, point);
    if (err == OK)
        err = log_dir_set_checkpoint(w->dir, CHECKPOINT_LOG_START, WORLD_TOPIC, 0, w->model.start);
    if (err == OK) err = log_dir_write_checkpoints(w->dir);
    if (!world_excuses(w, err)) w->model.start_promised = w->model.start;
}

/* ---- shrinking ---- */

/* The recovery point goes back on disk before the log does. */
static err_t lower_recovery_point(struct world *w, koffset_t offset)
{
    koffset_t point;
    if (!log_dir_get_checkpoint(w->dir, CHECKPOINT_RECOVERY_POINT, WORLD_TOPIC, 0, &point) ||
        point <= offset)
        return OK;
    err_t err = log_dir_set_checkpoint(w->dir, CHECKPOINT_RECOVERY_POINT, WORLD_TOPIC, 0, offset);
    return err == OK ? log_dir_write_checkpoints(w->dir) : err;
}

static bool step_truncate(struct world *w)
{
    w->doing = "truncate";
    size_t first = log_model_find(&w->model, w->model.start), count = w->model.acked;
    if (first >= count || log_offsets(w->log).is_failed) return true;
    size_t back = 1 + rng_below(&w->rng, rng_chance(&w->rng, 100) ? count - first : 3);
    size_t at = count - MIN(back, count - first);
    /* Behind the batch before, so that no gap is left at the end: no file would know of it. */
    koffset_t offset = at ? w->model.items[at - 1].last_offset + 1 : w->model.start;
    if (offset < w->model.start) return true;
    if (at == 0 && w->model.items[0].header.base_offset != offset) return true;
    world_release_slices(w, offset);
    if (world_excuses(w, lower_recovery_point(w, offset))) return true;
    err_t err = w->options.mutant == MUTANT_FORGET_TRUNCATE ? OK : log_truncate(w->log, offset);
    if (world_excuses(w, err)) {
        w->model.end_maybe = MIN(w->model.end_maybe, offset);
        return false;
    }
    log_model_cut(&w->model, offset);
    world_follow_loss(w);
    w->leader_epoch += rng_chance(&w->rng, 700);
    return true;
}

/* Sometimes a follower has to begin anew, further on. */
static bool step_reset(struct world *w)
{
    koffset_t offset = w->model.end + (koffset_t)rng_below(&w->rng, 30);
    w->doing = "reset";
    if (log_offsets(w->log).is_failed || rng_chance(&w->rng, 700)) return true;
    world_release_slices(w, 0);
    if (world_excuses(w, log_reset(w->log, offset))) {
        w->model.end_maybe = 0;
        w->model.start_maybe = offset;
        return false;
    }
    koffset_t promised = w->model.start_promised;
    log_model_release(&w->model);
    w->model = (struct log_model){.start = offset,
                                  .end = offset,
                                  .flushed = offset,
                                  .start_promised = promised,
                                  .end_maybe = INT64_MAX};
    world_follow_loss(w);
    return true;
}

static bool step_advance_start(struct world *w)
{
    w->doing = "advance start";
    koffset_t limit = MAX(w->model.start, world_stable_end(w, 0));
    koffset_t offset = rng_between(&w->rng, w->model.start, limit);
    if (rng_chance(&w->rng, 900)) offset = MIN(offset, w->model.start + 20);
    if (world_excuses(w, log_advance_start(w->log, offset))) {
        w->model.start_maybe = MAX(w->model.start_maybe, offset);
        return false;
    }
    w->model.start = offset;
    return true;
}

static int64_t bytes_from(const struct log_model *model, koffset_t offset)
{
    int64_t bytes = 0;
    for (size_t i = log_model_find(model, offset); i < model->acked; i++)
        bytes += (int64_t)model->items[i].header.size_bytes;
    return bytes;
}

static bool step_retention(struct world *w)
{
    int dropped = 0;
    koffset_t limit = world_stable_end(w, 0);
    w->doing = "retention";
    err_t err = log_apply_retention(w->log, w->now_ms, limit, &dropped);
    koffset_t start = log_offsets(w->log).start;
    if (world_excuses(w, err)) {
        w->model.start_maybe = MAX(w->model.start_maybe, limit);
        w->model.start = MAX(w->model.start, start);
        return false;
    }
    if (start < w->model.start || start > MAX(limit, w->model.start))
        world_violation(w, "start went to %lld, limit %lld", (long long)start, (long long)limit);
    if (start > w->model.start && w->config.retention_ms < 0 &&
        (w->config.retention_bytes < 0 || bytes_from(&w->model, start) < w->config.retention_bytes))
        world_violation(w, "too much was deleted: start=%lld", (long long)start);
    w->model.start = start;
    return true;
}

static void step_reap(struct world *w)
{
    time_ms_t next;
    w->doing = "reap";
    (void)world_excuses(w, log_reap(w->log, w->now_ms, &next));
}

/* ---- slices that stay out ---- */

void world_release_slices(struct world *w, koffset_t above)
{
    for (int i = 0; i < SLICES; i++) {
        struct held_slice *held = &w->slices[i];
        if (held->end_offset <= above) continue;
        slice_release(&held->slice);
        buf_release(&held->expected);
        *held = (struct held_slice){0};
    }
}

static void step_hold(struct world *w)
{
    struct held_slice *held = &w->slices[rng_below(&w->rng, SLICES)];
    struct log_read read;
    w->doing = "hold";
    slice_release(&held->slice);
    buf_clear(&held->expected);
    held->end_offset = 0;
    koffset_t limit = log_offsets(w->log).is_failed ? w->model.flushed : w->model.end;
    if (w->model.start >= limit) return;
    koffset_t offset = rng_between(&w->rng, w->model.start, limit - 1);
    if (world_excuses(w, log_read(w->log, offset, limit, 3000, true, &read))) return;
    held->slice = read.slice;
    held->end_offset = limit;
    if (world_excuses(w, log_read_bytes(w->log, &held->slice, &held->expected)))
        world_release_slices(w, 0);
}

/* ---- time ---- */

static void step_time(struct world *w)
{
    w->now_ms += rng_chance(&w->rng, 100) ? 7200000 : rng_between(&w->rng, 1, 90000);
}

void world_follow_loss(struct world *w)
{
    for (int i = 0; i < PRODUCERS; i++) {
        struct world_producer *p = &w->producers[i];
        const struct model_item *last = log_model_last_of(&w->model, p->id);
        p->epoch = last ? last->header.producer_epoch : 0;
        p->next_sequence = last ? sequence_add(batch_last_sequence(&last->header), 1) : 0;
    }
}

/* ---- one step ---- */

static bool change_something(struct world *w)
{
    uint64_t kind = rng_below(&w->rng, 100);
    if (kind < 60)
        step_append(w);
    else if (kind < 72)
        step_flush(w);
    else if (kind < 75)
        (void)world_excuses(w, log_roll(w->log));
    else if (kind < 82)
        step_checkpoint(w);
    else if (kind < 85)
        return step_truncate(w);
    else if (kind < 88)
        return step_advance_start(w);
    else if (kind < 92)
        return step_retention(w);
    else if (kind < 95)
        step_reap(w);
    else if (kind < 98)
        step_time(w);
    else if (kind < 99 && rng_chance(&w->rng, 500))
        return step_reset(w);
    else if (kind < 99)
        log_expire_producers(w->log, w->now_ms);
    else
        w->leader_epoch++;
    return true;
}

static void look_at_something(struct world *w)
{
    switch (rng_below(&w->rng, 8)) {
    case 0: world_check_timestamps(w); break;
    case 1: world_check_epochs(w); break;
    case 2: world_check_txns(w); break;
    case 3: step_hold(w); break;
    case 4: world_check_slices(w); break;
    case 5: world_check_producers(w); break;
    default: world_check_read(w); break;
    }
}

bool world_step(struct world *w)
{
    bool goes_on = true;
    w->now_ms += (int64_t)rng_below(&w->rng, 300);
    if (rng_chance(&w->rng, 700))
        goes_on = change_something(w);
    else
        look_at_something(w);
    if (w->options.is_verbose)
        fprintf(stderr, "    %s: end %lld\n", w->doing, (long long)w->model.end);
    if (sim_disk_is_stopped(w->disk)) return false;
    if (!goes_on) return false;
    world_take_promises(w);
    return !log_offsets(w->log).is_failed || rng_chance(&w->rng, 700);
}
