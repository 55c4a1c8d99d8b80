/* The life of a log, from choosing its faults to its end, and how a violation is reported.
 *
 * What must survive follows from how the life before ended: everything acknowledged after the death
 * of a process, everything flushed after a power loss or a failed sync, and whatever was under way
 * may be there or not.
 */
#include "log_world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"

#define DIR_PATH "/data"
#define LOG_PATH DIR_PATH "/" WORLD_TOPIC "-0"

enum { LINES = 14, LINE_MAX_BYTES = 400, FIRST_PRODUCER_ID = 1000 };

/* ---- reports ---- */

/* The last diagnostics, shown only when something goes wrong. */
static char lines[LINES][LINE_MAX_BYTES];
static unsigned line_count;
static bool shows_lines;

static void keep_line(void *arg, enum diag_level level, const char *line)
{
    (void)arg;
    (void)level;
    if (shows_lines) fprintf(stderr, "    %s\n", line);
    snprintf(lines[line_count++ % LINES], LINE_MAX_BYTES, "%s", line);
}

static void show_lines(void)
{
    unsigned first = line_count > LINES ? line_count - LINES : 0;
    for (unsigned i = first; i < line_count; i++) fprintf(stderr, "    %s\n", lines[i % LINES]);
}

void world_violation(struct world *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (w->options.expects_violation) {
        printf("found in cycle %d: ", w->cycle);
        vprintf(format, args);
        printf("\n");
        exit(0);
    }
    fprintf(stderr, "VIOLATION seed=%llu cycle=%d while=%s: ", (unsigned long long)w->options.seed,
            w->cycle, w->doing);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n  model: start=%lld end=%lld flushed=%lld start_promised=%lld\n",
            (long long)w->model.start, (long long)w->model.end, (long long)w->model.flushed,
            (long long)w->model.start_promised);
    va_end(args);
    show_lines();
    exit(1);
}

bool world_excuses(struct world *w, err_t err)
{
    bool was_hit = sim_disk_is_stopped(w->disk) ||
                   sim_disk_stats(w->disk).injected != w->injected_before;
    if (err != OK && !was_hit) world_violation(w, "error without a fault: %s", err_name(err));
    return err != OK;
}

void world_mix(struct world *w, uint64_t value)
{
    struct rng r = {w->hash ^ value};
    w->hash = rng_next(&r);
}

/* ---- clock and chance ---- */

static int64_t world_wall_ms(const struct clock *clock)
{
    return ((const struct world *)clock->impl)->now_ms;
}
static int64_t world_mono_ns(const struct clock *clock)
{
    return ((const struct world *)clock->impl)->now_ms * 1000000;
}
static void world_fill(const struct random *random, void *data, size_t len)
{
    struct world *w = random->impl;
    uint8_t *at = data;
    for (size_t i = 0; i < len; i++) at[i] = (uint8_t)rng_next(&w->rng);
}

/* ---- beginnings ---- */

static void new_history(struct world *w)
{
    log_model_release(&w->model);
    w->model.end_maybe = INT64_MAX;
    for (int i = 0; i < PRODUCERS; i++)
        w->producers[i] = (struct world_producer){.id = FIRST_PRODUCER_ID + i * 7,
                                                  .is_transactional = i >= PRODUCERS - 2};
    w->leader_epoch = 0;
}

void world_init(struct world *w, const struct world_options *options)
{
    *w = (struct world){.options = *options, .rng = {options->seed}, .doing = "init"};
    shows_lines = options->is_verbose;
    diag_set_level(options->is_verbose ? DIAG_DEBUG : DIAG_INFO);
    diag_set_sink(keep_line, NULL);
    w->disk = sim_disk_new(rng_next(&w->rng));
    w->clock = (struct clock){w, world_wall_ms, world_mono_ns};
    w->random = (struct random){w, world_fill};
    w->env = (struct env){sim_disk_os(w->disk), &w->clock, &w->random};
    w->now_ms = 1700000000000;
    sim_disk_set_clock(w->disk, &w->clock);
    if (options->mutant == MUTANT_LYING_SYNC)
        sim_disk_set_lying(w->disk, OS_CALL_BIT(OS_CALL_FDATASYNC));
    if (options->mutant == MUTANT_LYING_SYNC_DIR)
        sim_disk_set_lying(w->disk, OS_CALL_BIT(OS_CALL_SYNC_DIR));
    snprintf(w->log_path, sizeof w->log_path, LOG_PATH);
    new_history(w);
}

void world_release(struct world *w)
{
    log_model_release(&w->model);
    sim_disk_free(w->disk);
    diag_set_sink(NULL, NULL);
}

static void choose_config(struct world *w)
{
    static const int64_t segment_sizes[] = {2048, 8192, 20000, 65536};
    static const int64_t intervals[] = {128, 512, 4096};
    w->config = log_config_default();
    w->config.segment_bytes = segment_sizes[rng_below(&w->rng, COUNT_OF(segment_sizes))];
    w->config.index_interval_bytes = intervals[rng_below(&w->rng, COUNT_OF(intervals))];
    w->config.segment_ms = rng_chance(&w->rng, 300) ? 60000 : 7 * 86400000LL;
    w->config.retention_ms = rng_chance(&w->rng, 500) ? 3600000 : -1;
    w->config.retention_bytes = rng_chance(&w->rng, 700) ? 60000 : -1;
    w->config.producer_expiration_ms = 3600000;
    w->config.preallocate = rng_chance(&w->rng, 200);
}

/* Most lives see no faults but their end. */
static void choose_faults(struct world *w)
{
    static const int errnums[] = {EIO, ENOSPC, EMFILE};
    unsigned calls[] = {OS_CALLS_CHANGING, OS_CALLS_ALL, OS_CALL_BIT(OS_CALL_PWRITE),
                        OS_CALL_BIT(OS_CALL_FDATASYNC), OS_CALL_BIT(OS_CALL_TRUNCATE)};
    int errnum = errnums[rng_below(&w->rng, COUNT_OF(errnums))];
    unsigned mask = calls[rng_below(&w->rng, COUNT_OF(calls))];
    uint64_t kind = rng_below(&w->rng, 100);
    w->injected_before = sim_disk_stats(w->disk).injected;
    w->failed_syncs_before = sim_disk_stats(w->disk).failed_syncs;
    if (kind < 55) return;
    if (kind < 65) /* early: in the middle of opening */
        sim_disk_stop_at(w->disk, 1 + rng_below(&w->rng, 60));
    else if (kind < 80)
        sim_disk_stop_at(w->disk, 1 + rng_below(&w->rng, 600));
    else if (kind < 88)
        sim_disk_fail(w->disk, &(struct fault_plan){.nth = 1 + rng_below(&w->rng, 200),
                                                    .calls = mask,
                                                    .errnum = errnum,
                                                    .is_sticky = rng_chance(&w->rng, 300)});
    else if (kind < 94)
        sim_disk_fail_randomly(w->disk, mask, 20, errnum);
    else
        sim_disk_set_capacity(w->disk, sim_disk_stats(w->disk).used_bytes +
                                           (int64_t)rng_below(&w->rng, 60000));
}

/* ---- open ---- */

static err_t open_dir(struct world *w)
{
    struct log_dir_identity identity = {.node_id = 1};
    w->doing = "open directory";
    return log_dir_open(&w->env, DIR_PATH, &identity, &w->dir);
}

static err_t open_log(struct world *w)
{
    koffset_t recovery_point = 0, start = 0;
    (void)log_dir_get_checkpoint(w->dir, CHECKPOINT_RECOVERY_POINT, WORLD_TOPIC, 0,
                                 &recovery_point);
    (void)log_dir_get_checkpoint(w->dir, CHECKPOINT_LOG_START, WORLD_TOPIC, 0, &start);
    if (start < w->model.start_promised)
        world_violation(w, "the start checkpoint says %lld", (long long)start);
    struct log_options options = {
        .env = &w->env,
        .handles = w->handles,
        .path = w->log_path,
        .config = w->config,
        .recovery_point = recovery_point,
        .start_offset = start,
        .was_clean_shutdown = log_dir_was_clean(w->dir) || w->options.mutant == MUTANT_ALWAYS_CLEAN,
        .is_same_boot = log_dir_is_same_boot(w->dir),
    };
    w->doing = "open log";
    if (w->options.is_verbose)
        fprintf(stderr, "    open: recovery point %lld, start %lld, clean %d, same boot %d\n",
                (long long)recovery_point, (long long)start, options.was_clean_shutdown,
                options.is_same_boot);
    return log_open(&options, &w->log);
}

/* True when all is open. */
static bool open_all(struct world *w)
{
    choose_config(w);
    w->handles = handle_cache_new(&w->env, (int)rng_between(&w->rng, 3, 20),
                                  (int)rng_between(&w->rng, 2, 20));
    CHECK(w->handles);
    err_t err = open_dir(w);
    if (err == OK) err = open_log(w);
    if (err == OK) err = log_dir_mark_recovered(w->dir);
    return !world_excuses(w, err);
}

/* ---- the end of a life ---- */

static void free_all(struct world *w)
{
    world_release_slices(w, 0);
    if (w->log) (void)log_close(w->log, false);
    if (w->dir) (void)log_dir_close(w->dir, false);
    handle_cache_free(w->handles);
    w->log = NULL;
    w->dir = NULL;
    w->handles = NULL;
}

/* Everything is closed properly; what was acknowledged is safe if nothing complains. */
static void close_cleanly(struct world *w)
{
    w->doing = "clean close";
    world_release_slices(w, 0);
    koffset_t end = log_offsets(w->log).end;
    bool was_failed = log_offsets(w->log).is_failed;
    err_t err = log_close(w->log, true);
    w->log = NULL;
    if (was_failed && err == OK) err = ERR_FAILED; /* its caller knows: no clean mark */
    if (err == OK) {
        w->model.flushed = w->model.end;
        err = log_dir_set_checkpoint(w->dir, CHECKPOINT_RECOVERY_POINT, WORLD_TOPIC, 0, end);
    }
    err_t closed = log_dir_close(w->dir, err == OK);
    w->dir = NULL;
    handle_cache_free(w->handles);
    w->handles = NULL;
    (void)world_excuses(w, err != OK ? err : closed);
    struct sim_disk_stats stats = sim_disk_stats(w->disk);
    if (!sim_disk_is_stopped(w->disk) && (stats.handles || stats.mappings))
        world_violation(w, "left open: %d handles, %d mappings", stats.handles, stats.mappings);
    if (stats.injected == w->injected_before && !sim_disk_is_stopped(w->disk)) world_check_files(w);
}

static void crash(struct world *w, enum sim_crash kind)
{
    if (kind == SIM_POWER_LOSS) w->lost_pages = true;
    sim_disk_crash(w->disk, kind);
    free_all(w);
    sim_disk_start(w->disk);
}

static void heal(struct world *w)
{
    sim_disk_heal(w->disk);
    sim_disk_set_capacity(w->disk, INT64_MAX);
}

/* How a life ends, where the disk has not decided it. */
static void end_life(struct world *w, bool is_open)
{
    uint64_t way = rng_below(&w->rng, 100);
    bool is_stopped = sim_disk_is_stopped(w->disk);
    bool is_failed = w->log && log_offsets(w->log).is_failed;
    if (is_open && !is_stopped && !is_failed && way < 25) {
        close_cleanly(w);
        is_stopped = sim_disk_is_stopped(w->disk);
        way = rng_below(&w->rng, 100);
    }
    heal(w);
    w->doing = "crash";
    if (w->options.is_verbose)
        fprintf(stderr, "    ends: open %d stopped %d failed %d, end %lld, flushed %lld\n", is_open,
                is_stopped, is_failed, (long long)w->model.end, (long long)w->model.flushed);
    w->lost_pages = sim_disk_stats(w->disk).failed_syncs != w->failed_syncs_before;
    if (way < 55) {
        crash(w, SIM_POWER_LOSS);
        w->power_losses++;
    } else if (is_stopped || way < 85) {
        crash(w, SIM_PROCESS_DEATH);
    } else { /* closed, but not cleanly */
        free_all(w);
    }
}

/* ---- damage ---- */

struct pick {
    struct rng *rng;
    int seen;
    char name[256];
};

/* Each with the same likelihood. */
static void pick_file(void *arg, const char *name)
{
    struct pick *pick = arg;
    if (rng_below(pick->rng, (uint64_t)++pick->seen) == 0)
        snprintf(pick->name, sizeof pick->name, "%s", name);
}

static bool flip_some_bit(struct world *w)
{
    const struct os *os = w->env.os;
    struct pick pick = {.rng = &w->rng};
    char path[400];
    struct os_stat st;
    if (os->list(os, w->log_path, pick_file, &pick) < 0 || !pick.seen) return false;
    snprintf(path, sizeof path, "%s/%s", w->log_path, pick.name);
    if (os->stat(os, path, &st) < 0 || st.size_bytes == 0) return true;
    int64_t bit = (int64_t)rng_below(&w->rng, (uint64_t)st.size_bytes * 8);
    return sim_disk_flip_bit(w->disk, path, bit) == OK;
}

/* Flips a few bits anywhere, opens, reads everything, then begins a new history in a new directory:
 * the contents are not to be trusted, but nothing may crash or hang. */
static void life_with_damage(struct world *w)
{
    w->doing = "damage";
    for (int i = 0; i < 3; i++)
        if (!flip_some_bit(w)) return;
    choose_config(w);
    w->handles = handle_cache_new(&w->env, 10, 10);
    CHECK(open_dir(w) == OK);
    w->model.start_promised = 0;
    if (open_log(w) == OK) world_check_damaged(w);
    w->doing = "delete";
    world_release_slices(w, 0);
    if (w->log) (void)log_delete(w->log);
    w->log = NULL;
    log_dir_forget(w->dir, WORLD_TOPIC, 0);
    if (log_dir_close(w->dir, true) != OK) world_violation(w, "directory does not close");
    w->dir = NULL;
    handle_cache_free(w->handles);
    w->handles = NULL;
    snprintf(w->log_path, sizeof w->log_path, DIR_PATH "/" WORLD_TOPIC "-%d", w->cycle);
    new_history(w);
}

/* ---- one life ---- */

static koffset_t required_end(const struct world *w, bool lost_pages)
{
    koffset_t end = lost_pages ? w->model.flushed : w->model.end;
    return MIN(end, w->model.end_maybe);
}

koffset_t world_stable_end(const struct world *w, koffset_t from)
{
    koffset_t end = w->model.end;
    for (int i = 0; i < PRODUCERS; i++) {
        if (!w->producers[i].is_transactional) continue;
        koffset_t first = log_model_open_txn(&w->model, w->producers[i].id, from);
        if (first >= 0 && first < end) end = first;
    }
    return end;
}

void world_take_promises(struct world *w)
{
    struct log_offsets o = log_offsets(w->log);
    if (o.start > o.end || o.flushed > o.end)
        world_violation(w, "numbers out of order: start=%lld flushed=%lld end=%lld",
                        (long long)o.start, (long long)o.flushed, (long long)o.end);
    koffset_t end_max = w->model.end;
    if (o.is_failed && w->model.count > w->model.acked)
        end_max = w->model.items[w->model.count - 1].last_offset + 1;
    if (o.end < w->model.end || o.end > end_max)
        world_violation(w, "end is %lld, not %lld", (long long)o.end, (long long)w->model.end);
    if (o.start != w->model.start)
        world_violation(w, "start is %lld, not %lld", (long long)o.start,
                        (long long)w->model.start);
    if (o.flushed < w->model.flushed)
        world_violation(w, "flushed went back to %lld", (long long)o.flushed);
    /* Pages that a failed flush has lost may be met above the flushed offset. */
    if (o.is_damaged && !o.is_failed) world_violation(w, "a range is called damaged");
    w->model.flushed = o.flushed;
    world_mix(w, (uint64_t)o.end << 20 ^ (uint64_t)o.flushed);
}

void world_cycle(struct world *w)
{
    bool lost_pages = w->lost_pages;
    w->cycle++;
    if (w->options.trace_from >= 0 && w->cycle >= w->options.trace_from)
        sim_disk_trace(w->disk, stderr);
    if (w->options.is_verbose) fprintf(stderr, "cycle %d\n", w->cycle);
    choose_faults(w);
    bool is_open = open_all(w);
    w->failed_opens += !is_open;
    if (is_open) {
        w->reopened++;
        world_check_reopened(w, required_end(w, lost_pages));
        int steps = (int)rng_between(&w->rng, 0, 60);
        while (steps-- > 0 && world_step(w)) {
        }
    }
    end_life(w, is_open);
    if (!is_open && lost_pages) w->lost_pages = true; /* what it cost is still to be seen */
    world_mix(w, sim_disk_hash(w->disk));
    if (rng_chance(&w->rng, 30)) life_with_damage(w);
}
