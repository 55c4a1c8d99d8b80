/* The simulated disk itself: its inodes and space, which call fails, what a crash does.
 *
 * Inodes live as long as something points at them: a name now or on disk, a pending change, a
 * handle, a mapping; sweep() finds out which.
 */
#include "sim_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sim_disk_internal.h"

enum { FIRST_FD = 1000, SWEEP_EVERY = 256 };

#define BOOT_ID_DIR "/proc/sys/kernel/random"

/* ---- inodes ---- */

struct sim_inode *sim_disk_make_inode(struct sim_disk *d, bool is_dir)
{
    if (d->inode_count == d->inode_cap) {
        d->inode_cap = d->inode_cap ? d->inode_cap * 2 : 64;
        d->inodes = realloc(d->inodes, d->inode_cap * sizeof *d->inodes);
        CHECK(d->inodes);
    }
    struct sim_inode *inode = sim_inode_new(++d->last_id, is_dir);
    d->inodes[d->inode_count++] = inode;
    return inode;
}

static void mark(struct sim_inode *inode)
{
    if (inode->is_marked) return;
    inode->is_marked = true;
    for (size_t i = 0; i < inode->names.count; i++) mark(inode->names.items[i].inode);
    for (size_t i = 0; i < inode->disk_names.count; i++) mark(inode->disk_names.items[i].inode);
    for (size_t i = 0; i < inode->change_count; i++)
        if (inode->changes[i].inode) mark(inode->changes[i].inode);
}

static void sweep(struct sim_disk *d)
{
    size_t kept = 0;
    mark(d->root);
    for (size_t i = 0; i < d->inode_count; i++)
        if (d->inodes[i]->handles || d->inodes[i]->mappings) mark(d->inodes[i]);
    for (size_t i = 0; i < d->inode_count; i++) {
        struct sim_inode *inode = d->inodes[i];
        if (!inode->is_marked) {
            sim_inode_free(inode);
            continue;
        }
        inode->is_marked = false;
        d->inodes[kept++] = inode;
    }
    d->inode_count = kept;
    d->sweep_at = kept * 2 + SWEEP_EVERY;
}

void sim_disk_sweep_if_due(struct sim_disk *d)
{
    if (d->inode_count > d->sweep_at) sweep(d);
}

/* Space is held by what has a name now or is in use. */
static int64_t used_sectors(const struct sim_disk *d)
{
    int64_t used = 0;
    for (size_t i = 0; i < d->inode_count; i++) {
        const struct sim_inode *inode = d->inodes[i];
        if (inode->links || inode->handles || inode->mappings) used += inode->allocated;
    }
    return used;
}

int64_t sim_disk_free_sectors(const struct sim_disk *d)
{
    if (d->capacity == INT64_MAX) return INT64_MAX / SIM_SECTOR;
    int64_t left = d->capacity / SIM_SECTOR - used_sectors(d);
    return left > 0 ? left : 0;
}

/* ---- a call begins and ends ---- */

static void mix(struct sim_disk *d, uint64_t value)
{
    struct rng r = {d->hash ^ value};
    d->hash = rng_next(&r);
}

static void mix_text(struct sim_disk *d, const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++) h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    mix(d, h);
}

static int planned_failure(struct sim_disk *d, enum os_call call)
{
    int result = 0;
    for (int i = 0; i < d->fault_count; i++) {
        struct sim_fault *f = &d->faults[i];
        if (f->plan.calls && !(f->plan.calls & OS_CALL_BIT(call))) continue;
        uint64_t n = ++f->counted;
        if (n == f->plan.nth || (f->plan.is_sticky && n > f->plan.nth)) result = -f->plan.errnum;
    }
    if (!result && (d->random_calls & OS_CALL_BIT(call)) && rng_chance(&d->rng, d->random_permille))
        result = -d->random_errnum;
    return result;
}

int sim_disk_begin(struct sim_disk *d, enum os_call call)
{
    pthread_mutex_lock(&d->mutex);
    if (d->is_stopped) return -EIO;
    d->stats.calls[call]++;
    d->stats.total_calls++;
    mix(d, call);
    if (d->stats.total_calls == d->stop_at) {
        d->is_stopped = true;
        return -EIO;
    }
    int r = planned_failure(d, call);
    d->stats.injected += r != 0;
    return r;
}

static void trace_call(struct sim_disk *d, enum os_call call, const char *what, int64_t pos,
                       int64_t len, int64_t result)
{
    fprintf(d->trace, "%llu %s %s pos=%lld len=%lld -> %lld%s\n",
            (unsigned long long)d->stats.total_calls, os_call_name(call), what, (long long)pos,
            (long long)len, (long long)result, d->is_stopped ? " (stopped)" : "");
}

int64_t sim_disk_end(struct sim_disk *d, enum os_call call, const char *what, int64_t pos,
                     int64_t len, int64_t result)
{
    if (d->trace) trace_call(d, call, what, pos, len, result);
    mix_text(d, what);
    mix(d, (uint64_t)pos ^ (uint64_t)len << 32);
    mix(d, (uint64_t)result);
    pthread_mutex_unlock(&d->mutex);
    return result;
}

/* ---- the disk itself ---- */

static void new_boot(struct sim_disk *d)
{
    char text[40];
    int len = snprintf(text, sizeof text, "%016llx-%016llx\n",
                       (unsigned long long)rng_next(&d->rng), (unsigned long long)d->last_id);
    sim_inode_truncate(d->boot_id, 0);
    sim_inode_write(d->boot_id, text, (size_t)len, 0);
    sim_inode_sync(d->boot_id);
}

/* /proc, on the disk from the start. */
static void make_boot_id(struct sim_disk *d)
{
    const char *path = BOOT_ID_DIR;
    struct sim_inode *at = d->root;
    char name[SIM_NAME_BYTES_MAX + 1];
    while (sim_path_next(&path, name) > 0) {
        struct sim_inode *child = sim_disk_make_inode(d, true);
        sim_dir_add(at, name, child);
        sim_dir_commit(at, 1);
        at = child;
    }
    d->boot_id = sim_disk_make_inode(d, false);
    sim_dir_add(at, "boot_id", d->boot_id);
    sim_dir_commit(at, 1);
    new_boot(d);
}

struct sim_disk *sim_disk_new(uint64_t seed)
{
    struct sim_disk *d = calloc(1, sizeof *d);
    CHECK(d && pthread_mutex_init(&d->mutex, NULL) == 0);
    d->os = sim_os_table;
    d->os.impl = d;
    d->rng.state = seed;
    d->capacity = INT64_MAX;
    d->writeback_permille = 20;
    d->fd_base = FIRST_FD;
    d->root = sim_disk_make_inode(d, true);
    d->root->links = 1;
    d->sweep_at = SWEEP_EVERY;
    make_boot_id(d);
    return d;
}

void sim_disk_free(struct sim_disk *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->inode_count; i++) sim_inode_free(d->inodes[i]);
    free(d->inodes);
    free(d->handles);
    free(d->mappings);
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

const struct os *sim_disk_os(struct sim_disk *d) { return &d->os; }
void sim_disk_set_clock(struct sim_disk *d, const struct clock *clock) { d->clock = clock; }
void sim_disk_set_capacity(struct sim_disk *d, int64_t bytes) { d->capacity = bytes; }
void sim_disk_set_writeback(struct sim_disk *d, unsigned permille)
{
    d->writeback_permille = permille;
}
void sim_disk_set_lying(struct sim_disk *d, unsigned calls) { d->lying_calls = calls; }
void sim_disk_trace(struct sim_disk *d, FILE *to) { d->trace = to; }
uint64_t sim_disk_hash(const struct sim_disk *d) { return d->hash; }
bool sim_disk_is_stopped(const struct sim_disk *d) { return d->is_stopped; }

void sim_disk_fail(struct sim_disk *d, const struct fault_plan *plan)
{
    CHECK(d->fault_count < SIM_FAULTS_MAX && plan->nth > 0 && plan->errnum > 0);
    d->faults[d->fault_count++] = (struct sim_fault){*plan, 0};
}

void sim_disk_fail_randomly(struct sim_disk *d, unsigned calls, unsigned permille, int errnum)
{
    d->random_calls = calls;
    d->random_permille = permille;
    d->random_errnum = errnum;
}

void sim_disk_heal(struct sim_disk *d)
{
    d->fault_count = 0;
    d->random_calls = 0;
    d->stop_at = 0;
}

err_t sim_disk_flip_bit(struct sim_disk *d, const char *path, int64_t bit)
{
    struct sim_inode *inode;
    int r = sim_path_find(d, path, &inode);
    if (r < 0) return err_from_errno(-r);
    if (inode->is_dir || bit < 0 || bit / 8 >= inode->size) return ERR_RANGE;
    inode->view[bit / 8] ^= (uint8_t)(1u << bit % 8);
    inode->disk[bit / 8] ^= (uint8_t)(1u << bit % 8);
    return OK;
}

void sim_disk_stop_at(struct sim_disk *d, uint64_t nth)
{
    CHECK(nth > 0);
    d->stop_at = d->stats.total_calls + nth;
}

static void drop_handles(struct sim_disk *d)
{
    for (size_t i = 0; i < d->handle_count; i++)
        if (d->handles[i].inode) d->handles[i].inode->handles--;
    for (size_t i = 0; i < d->inode_count; i++) d->inodes[i]->locked_by = -1;
    d->fd_base += (int)d->handle_count;
    d->handle_count = 0;
    d->stats.handles = 0;
}

static void lose_power(struct sim_disk *d)
{
    for (size_t i = 0; i < d->inode_count; i++) {
        struct sim_inode *inode = d->inodes[i];
        if (inode->is_dir)
            sim_dir_lose_power(inode, &d->rng);
        else
            sim_inode_lose_power(inode, &d->rng);
    }
    for (size_t i = 0; i < d->inode_count; i++) d->inodes[i]->links = 0;
    for (size_t i = 0; i < d->inode_count; i++)
        for (size_t n = 0; n < d->inodes[i]->names.count; n++)
            d->inodes[i]->names.items[n].inode->links++;
    d->root->links = 1;
}

void sim_disk_crash(struct sim_disk *d, enum sim_crash kind)
{
    pthread_mutex_lock(&d->mutex);
    d->is_stopped = true;
    d->stop_at = 0;
    mix(d, 1000 + kind);
    drop_handles(d);
    if (kind == SIM_POWER_LOSS) {
        sweep(d);
        lose_power(d);
        new_boot(d);
    }
    pthread_mutex_unlock(&d->mutex);
}

void sim_disk_start(struct sim_disk *d)
{
    pthread_mutex_lock(&d->mutex);
    CHECK(d->mapping_count == 0); /* whoever lived before has to be gone */
    sweep(d);
    d->is_stopped = false;
    pthread_mutex_unlock(&d->mutex);
}

struct sim_disk_stats sim_disk_stats(const struct sim_disk *d)
{
    struct sim_disk_stats stats = d->stats;
    stats.used_bytes = used_sectors(d) * SIM_SECTOR;
    return stats;
}
