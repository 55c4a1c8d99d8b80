/* log_dir - one entry of log.dirs: the directory that holds partition directories, and what the
 * broker keeps beside them.
 *
 * Owns the lock, meta.properties, the checkpoints, the clean-shutdown marker and the boot id. One
 * thread opens and closes it; the checkpoint calls are thread-safe (RANK_LEAF). A directory fails
 * as a whole (KIP-112): after log_dir_fail() its partitions answer with a storage error.
 */
#pragma once

#include <stdbool.h>

#include "base/env.h"
#include "base/types.h"
#include "base/uuid.h"

struct log_dir;

struct log_dir_identity {
    char cluster_id[64]; /* in: expected, "" = take what is there or make a new one; out: what holds
                          */
    int32_t node_id;     /* in: expected */
    struct uuid directory_id; /* out */
};

/* Creates the directory if needed, takes the lock, reads or writes meta.properties (an Apache Kafka
 * one is accepted and kept), reads and REMOVES the clean-shutdown marker, loads the checkpoints. On
 * refusal one diagnostic names the file and what is wrong: ERR_BUSY (another process), ERR_INVALID
 * (another cluster's or node's directory), ERR_PERM, ERR_IO, ERR_UNSUPPORTED. */
err_t log_dir_open(const struct env *env, const char *path, struct log_dir_identity *identity,
                   struct log_dir **out);
/* With `clean`: writes checkpoints and, last, the clean-shutdown marker. */
err_t log_dir_close(struct log_dir *dir, bool clean);

const char *log_dir_path(const struct log_dir *dir);
struct uuid log_dir_id(const struct log_dir *dir);
bool log_dir_was_clean(const struct log_dir *dir);
/* Whether the machine has been up ever since the directory was last known to be recovered, so that
 * an unclean stop was the death of a process and the page cache has kept everything. */
bool log_dir_is_same_boot(const struct log_dir *dir);
/* To be called once, when every log of the directory has been opened. Until then the directory
 * keeps the boot id of before: a crash in the middle of recovering from a power loss must not pass
 * for a mere process death at the next open. */
err_t log_dir_mark_recovered(struct log_dir *dir);
bool log_dir_is_failed(const struct log_dir *dir);
void log_dir_fail(struct log_dir *dir, const char *why);

/* Every partition directory: name split into topic and partition; -delete, -future and -stray ones
 * are reported with `suffix` set. fn may not change the directory. */
struct log_dir_entry {
    const char *name; /* the directory's name, borrowed for the call */
    char topic[250];
    int32_t partition;
    const char *suffix; /* NULL, "delete", "future", "stray" */
};
err_t log_dir_each(struct log_dir *dir, void (*fn)(void *arg, const struct log_dir_entry *entry),
                   void *arg);
/* Splits "<topic>-<partition>[.<hex>-suffix]"; false when it is none. */
bool log_dir_parse_name(const char *name, struct log_dir_entry *out);

/* Checkpoints, in memory; log_dir_write_checkpoints() writes those that changed, on a worker. */
enum checkpoint_kind {
    CHECKPOINT_RECOVERY_POINT,
    CHECKPOINT_HIGH_WATERMARK,
    CHECKPOINT_LOG_START,
    CHECKPOINT__COUNT
};
bool log_dir_get_checkpoint(struct log_dir *dir, enum checkpoint_kind kind, const char *topic,
                            int32_t partition, koffset_t *out);
err_t log_dir_set_checkpoint(struct log_dir *dir, enum checkpoint_kind kind, const char *topic,
                             int32_t partition, koffset_t offset);
void log_dir_forget(struct log_dir *dir, const char *topic, int32_t partition);
/* Before a partition directory is made: what was forgotten leaves the files too, or the next open
 * would judge the new log by what they say of an old one of the same name. Writes only if there is
 * something to write. */
err_t log_dir_settle_forgotten(struct log_dir *dir);
err_t log_dir_write_checkpoints(struct log_dir *dir);
/* Free bytes on the device, asked at most once a second; INT64_MAX if it cannot be known. The
 * low-space mark is the caller's. */
int64_t log_dir_free_bytes(struct log_dir *dir);
