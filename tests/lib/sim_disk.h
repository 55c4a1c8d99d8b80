/* sim_disk - a disk in memory behind the os table: it forgets what was not synced, tears writes,
 * fills up and fails, all decided by one seed.
 *
 * The model
 *   1. Reads and mappings see the page cache: everything written so far.
 *   2. A written sector (512 bytes) is durable when its file was synced; before that it may be,
 * each sector for itself (write-back happens at random, and in sim_disk_start_writeback).
 *   3. A power loss keeps what is durable. Of the unsynced sectors some survive, the others have
 *      their old contents, or zeros where there were none; the size is the old one, the new one or
 *      between. An unsynced truncation happened or not.
 *   4. Creating, renaming and removing names is durable after sync_dir of that directory; before
 *      that a prefix of the directory's changes survives, in order. Syncing a file does not make
 *      its name durable (stricter than ext4, as POSIX allows).
 *   5. A sync that fails leaves its pages clean but not written: a later sync succeeds and the data
 *      is gone; the cache may show the old contents at once.
 *   6. A process death keeps everything written; it stays unsynced.
 *   7. A failed or stopped write may leave a prefix behind; so does one that fills the disk.
 *
 * Limits: no links, no "..", no renames between directories, files up to 64 MiB; reading a mapping
 * beyond the end gives zeros instead of SIGBUS, and writing through one is not noticed; space is
 * counted in sectors of files only; fd numbers mean nothing to the kernel; all calls are taken one
 * at a time.
 *
 * /proc/sys/kernel/random/boot_id is there and changes at every power loss.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/env.h"
#include "base/os.h"
#include "os_call.h"

struct sim_disk;

struct sim_disk *sim_disk_new(uint64_t seed);
void sim_disk_free(struct sim_disk *disk); /* NULL is allowed */
const struct os *sim_disk_os(struct sim_disk *disk);

/* ---- what it is like ---- */
void sim_disk_set_clock(struct sim_disk *disk, const struct clock *clock); /* for mtime; borrowed */
void sim_disk_set_capacity(struct sim_disk *disk, int64_t bytes);
/* How likely a write is followed by a random write-back of its file; 20 to begin with. */
void sim_disk_set_writeback(struct sim_disk *disk, unsigned permille);
/* These calls (fdatasync, fsync, sync_dir) report success and do nothing: for tests of tests. */
void sim_disk_set_lying(struct sim_disk *disk, unsigned calls);

/* ---- faults ---- */

/* Adds one fault; `nth` counts from now. */
void sim_disk_fail(struct sim_disk *disk, const struct fault_plan *plan);
/* Each of these calls fails with the given likelihood. */
void sim_disk_fail_randomly(struct sim_disk *disk, unsigned calls, unsigned permille, int errnum);
/* No faults any more; what they did stays done. */
void sim_disk_heal(struct sim_disk *disk);
/* Flips one bit of a file, in the cache and on the disk. ERR_NOT_FOUND, ERR_RANGE. */
err_t sim_disk_flip_bit(struct sim_disk *disk, const char *path, int64_t bit);

/* ---- crashes ---- */

enum sim_crash { SIM_PROCESS_DEATH, SIM_POWER_LOSS };

/* The n-th call from now on (1 is the next) and all after it fail with EIO, as if the process had
 * ended inside it: what runs into that is to be thrown away and sim_disk_crash() to be called. */
void sim_disk_stop_at(struct sim_disk *disk, uint64_t nth);
bool sim_disk_is_stopped(const struct sim_disk *disk);
/* All handles are gone; every call fails (closing and unmapping work) until sim_disk_start(), so
 * that the objects of before can be freed without touching the disk. */
void sim_disk_crash(struct sim_disk *disk, enum sim_crash kind);
void sim_disk_start(struct sim_disk *disk);

/* ---- looking at it ---- */

struct sim_disk_stats {
    uint64_t calls[OS_CALL__COUNT];
    uint64_t total_calls;
    uint64_t injected;     /* failures by plan, by chance or for want of room */
    uint64_t failed_syncs; /* fsync and fdatasync among those */
    int handles;           /* open now */
    int mappings;
    int64_t used_bytes;
};
struct sim_disk_stats sim_disk_stats(const struct sim_disk *disk);
/* Of all calls, their arguments and results so far: equal for equal runs. */
uint64_t sim_disk_hash(const struct sim_disk *disk);
/* One line a call; NULL ends it. Borrowed. */
void sim_disk_trace(struct sim_disk *disk, FILE *to);
