/* The contents of one simulated file.
 *
 * Flags a sector: DIRTY, the view is newer than the disk; DROPPED, the disk missed a write-back and
 * nobody will try again; ALLOCATED, it takes up space.
 *
 * A pending truncation leaves the old bytes in the disk's range, since it may turn out not to have
 * happened; whoever makes it durable zeroes them first (settle_truncation).
 */
#include "sim_inode.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

enum { DIRTY = 1, DROPPED = 2, ALLOCATED = 4, PAGE = 4096 };

static uint8_t *range_new(void)
{
    void *p = mmap(NULL, SIM_FILE_BYTES_MAX, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

/* Gives whole pages back, so that sparse files stay cheap. */
static void range_zero(uint8_t *range, int64_t from, int64_t to)
{
    if (from >= to) return;
    int64_t first_page = (from + PAGE - 1) / PAGE * PAGE, last_page = to / PAGE * PAGE;
    if (first_page >= last_page) {
        memset(range + from, 0, (size_t)(to - from));
        return;
    }
    memset(range + from, 0, (size_t)(first_page - from));
    CHECK(madvise(range + first_page, (size_t)(last_page - first_page), MADV_DONTNEED) == 0);
    memset(range + last_page, 0, (size_t)(to - last_page));
}

struct sim_inode *sim_inode_new(uint64_t id, bool is_dir)
{
    struct sim_inode *inode = calloc(1, sizeof *inode);
    CHECK(inode);
    inode->id = id;
    inode->is_dir = is_dir;
    inode->locked_by = -1;
    if (is_dir) return inode;
    inode->view = range_new();
    inode->disk = range_new();
    return inode;
}

static void names_release(struct sim_names *names)
{
    for (size_t i = 0; i < names->count; i++) free(names->items[i].text);
    free(names->items);
    *names = (struct sim_names){0};
}

void sim_inode_free(struct sim_inode *inode)
{
    if (inode->view) CHECK(munmap(inode->view, SIM_FILE_BYTES_MAX) == 0);
    if (inode->disk) CHECK(munmap(inode->disk, SIM_FILE_BYTES_MAX) == 0);
    free(inode->sectors);
    names_release(&inode->names);
    names_release(&inode->disk_names);
    for (size_t i = 0; i < inode->change_count; i++) {
        free(inode->changes[i].name);
        free(inode->changes[i].to);
    }
    free(inode->changes);
    free(inode);
}

/* ---- sectors ---- */

static void need_sectors(struct sim_inode *inode, size_t count)
{
    if (count <= inode->sector_count) return;
    inode->sectors = realloc(inode->sectors, count);
    CHECK(inode->sectors);
    memset(inode->sectors + inode->sector_count, 0, count - inode->sector_count);
    inode->sector_count = count;
}

static size_t sectors_up_to(int64_t pos) { return (size_t)((pos + SIM_SECTOR - 1) / SIM_SECTOR); }

static void allocate(struct sim_inode *inode, size_t sector)
{
    if (!(inode->sectors[sector] & ALLOCATED)) inode->allocated++;
    inode->sectors[sector] |= ALLOCATED;
}

static void sector_to_disk(struct sim_inode *inode, size_t sector)
{
    size_t at = sector * SIM_SECTOR;
    memcpy(inode->disk + at, inode->view + at, SIM_SECTOR);
    inode->sectors[sector] &= (uint8_t) ~(DIRTY | DROPPED);
}

int64_t sim_inode_wants(const struct sim_inode *inode, int64_t pos, int64_t len)
{
    int64_t wants = 0;
    for (size_t s = (size_t)(pos / SIM_SECTOR); s < sectors_up_to(pos + len); s++)
        wants += s >= inode->sector_count || !(inode->sectors[s] & ALLOCATED);
    return wants;
}

void sim_inode_write(struct sim_inode *inode, const void *data, size_t len, int64_t pos)
{
    if (len == 0) return;
    int64_t end = pos + (int64_t)len;
    CHECK(pos >= 0 && end <= SIM_FILE_BYTES_MAX);
    need_sectors(inode, sectors_up_to(end));
    memcpy(inode->view + pos, data, len);
    for (size_t s = (size_t)(pos / SIM_SECTOR); s < sectors_up_to(end); s++) {
        allocate(inode, s);
        inode->sectors[s] = (uint8_t)((inode->sectors[s] & ~DROPPED) | DIRTY);
    }
    if (inode->size < end) inode->size = end;
}

void sim_inode_reserve(struct sim_inode *inode, int64_t pos, int64_t len)
{
    need_sectors(inode, sectors_up_to(pos + len));
    for (size_t s = (size_t)(pos / SIM_SECTOR); s < sectors_up_to(pos + len); s++)
        allocate(inode, s);
}

void sim_inode_truncate(struct sim_inode *inode, int64_t size)
{
    range_zero(inode->view, size, inode->size);
    /* What no sync has promised is gone for good; the rest may come back. */
    range_zero(inode->disk, MAX(size, inode->disk_size), inode->size);
    for (size_t s = sectors_up_to(size); s < inode->sector_count; s++) {
        if (inode->sectors[s] & ALLOCATED) inode->allocated--;
        inode->sectors[s] = 0;
    }
    /* The part of the last sector that was cut off has to become zero on disk as well. */
    if (size < inode->size && size % SIM_SECTOR &&
        (size_t)(size / SIM_SECTOR) < inode->sector_count)
        inode->sectors[size / SIM_SECTOR] |= DIRTY;
    inode->size = size;
    if (inode->size_min > size) inode->size_min = size;
}

/* ---- reaching the disk ---- */

/* The truncation has happened: what it cut off is gone from the disk, and what was written over it
 * since is there unless a failed sync dropped it. */
static void settle_truncation(struct sim_inode *inode, bool with_rewritten)
{
    if (inode->size_min >= inode->disk_size) return;
    range_zero(inode->disk, inode->size_min, MAX(inode->size, inode->disk_size));
    size_t first = sectors_up_to(inode->size_min), end = sectors_up_to(inode->size);
    for (size_t s = first; with_rewritten && s < end && s < inode->sector_count; s++)
        if (!(inode->sectors[s] & DROPPED)) sector_to_disk(inode, s);
    inode->disk_size = inode->size_min;
}

static void set_synced(struct sim_inode *inode)
{
    inode->disk_size = inode->size;
    inode->size_min = inode->size;
}

void sim_inode_sync(struct sim_inode *inode)
{
    settle_truncation(inode, true);
    for (size_t s = 0; s < inode->sector_count; s++)
        if (inode->sectors[s] & DIRTY) sector_to_disk(inode, s);
    set_synced(inode);
}

void sim_inode_sync_failed(struct sim_inode *inode, struct rng *rng, bool evict)
{
    settle_truncation(inode, true);
    for (size_t s = 0; s < inode->sector_count; s++) {
        if (!(inode->sectors[s] & DIRTY)) continue;
        if (rng_chance(rng, 300)) {
            sector_to_disk(inode, s);
            continue;
        }
        inode->sectors[s] = (uint8_t)((inode->sectors[s] & ~DIRTY) | DROPPED);
        size_t at = s * SIM_SECTOR;
        if (evict) memcpy(inode->view + at, inode->disk + at, SIM_SECTOR);
    }
}

void sim_inode_writeback(struct sim_inode *inode, struct rng *rng, unsigned permille, int64_t pos,
                         int64_t len)
{
    size_t end = sectors_up_to(pos + len);
    for (size_t s = (size_t)(pos / SIM_SECTOR); s < end && s < inode->sector_count; s++)
        if ((inode->sectors[s] & DIRTY) && rng_chance(rng, permille)) sector_to_disk(inode, s);
}

/* One of both, or anything between. */
static int64_t size_between(struct rng *rng, int64_t a, int64_t b)
{
    switch (rng_below(rng, 3)) {
    case 0: return a;
    case 1: return b;
    default: return rng_between(rng, MIN(a, b), MAX(a, b));
    }
}

void sim_inode_lose_power(struct sim_inode *inode, struct rng *rng)
{
    static const unsigned odds[] = {0, 300, 900, 1000};
    bool is_cut = inode->size_min < inode->disk_size;
    bool is_changed = is_cut || inode->size != inode->disk_size;
    int64_t size = inode->disk_size, end = MAX(inode->size, inode->disk_size);
    if (is_cut && rng_chance(rng, 500)) {
        settle_truncation(inode, false);
        is_cut = false;
    }
    if (is_changed && !is_cut) size = size_between(rng, inode->disk_size, inode->size);
    sim_inode_writeback(inode, rng, odds[rng_below(rng, COUNT_OF(odds))], 0, SIM_FILE_BYTES_MAX);
    range_zero(inode->disk, size, end);
    range_zero(inode->view, 0, inode->size);
    memcpy(inode->view, inode->disk, (size_t)size);
    inode->size = size;
    need_sectors(inode, sectors_up_to(size));
    inode->allocated = 0;
    for (size_t s = 0; s < inode->sector_count; s++) {
        inode->sectors[s] = 0;
        if (s < sectors_up_to(size)) allocate(inode, s);
    }
    set_synced(inode);
}
