/* sim_inode - a file or directory of sim_disk: what the cache shows and what the disk holds.
 *
 * Private to sim_disk. A file is two reserved ranges of memory, so that the view stays where it is
 * whatever the file's size; a directory two lists of names and the changes between them.
 */
#pragma once

#include "base/os.h"
#include "rng.h"

enum { SIM_SECTOR = 512, SIM_FILE_BYTES_MAX = 64 << 20 };

struct sim_inode;

struct sim_name {
    char *text; /* owned */
    struct sim_inode *inode;
};

struct sim_names {
    struct sim_name *items;
    size_t count;
    size_t cap;
};

enum sim_change_kind { SIM_ADD, SIM_REMOVE, SIM_RENAME };

struct sim_change {
    enum sim_change_kind kind;
    char *name; /* owned */
    char *to;   /* owned; of a rename */
    struct sim_inode *inode;
};

struct sim_inode {
    uint64_t id;
    bool is_dir;
    int links; /* names in the tree as it is seen now */
    int handles;
    int mappings;
    int locked_by; /* a handle; -1: nobody */
    bool is_marked;
    int64_t mtime_ms;

    /* file */
    uint8_t *view; /* zero beyond `size` */
    uint8_t *disk; /* may hold old bytes beyond disk_size until the next sync */
    int64_t size;
    int64_t disk_size;
    int64_t
        size_min; /* the smallest since the last sync: below disk_size a truncation is pending */
    uint8_t *sectors; /* flags of each */
    size_t sector_count;
    int64_t allocated; /* sectors */

    /* directory */
    struct sim_names names;
    struct sim_names disk_names;
    struct sim_change *changes; /* from disk_names to names */
    size_t change_count;
    size_t change_cap;
};

struct sim_inode *sim_inode_new(uint64_t id, bool is_dir);
void sim_inode_free(struct sim_inode *inode);

/* ---- files ---- */

/* How many sectors a write of [pos, pos + len) would have to allocate. */
int64_t sim_inode_wants(const struct sim_inode *inode, int64_t pos, int64_t len);
void sim_inode_write(struct sim_inode *inode, const void *data, size_t len, int64_t pos);
void sim_inode_reserve(struct sim_inode *inode, int64_t pos, int64_t len);
void sim_inode_truncate(struct sim_inode *inode, int64_t size);
void sim_inode_sync(struct sim_inode *inode);
/* A failed sync: each dirty sector is written or dropped; with `evict` the view shows it. */
void sim_inode_sync_failed(struct sim_inode *inode, struct rng *rng, bool evict);
/* Writes dirty sectors of the range back, each with the likelihood given. */
void sim_inode_writeback(struct sim_inode *inode, struct rng *rng, unsigned permille, int64_t pos,
                         int64_t len);
void sim_inode_lose_power(struct sim_inode *inode, struct rng *rng);

/* ---- directories ---- */
struct sim_inode *sim_names_find(const struct sim_names *names, const char *name);
void sim_dir_add(struct sim_inode *dir, const char *name, struct sim_inode *inode);
void sim_dir_remove(struct sim_inode *dir, const char *name);
/* Replaces a `to` that is there. */
void sim_dir_rename(struct sim_inode *dir, const char *from, const char *to);
/* The first `count` pending changes reach the disk. */
void sim_dir_commit(struct sim_inode *dir, size_t count);
void sim_dir_lose_power(struct sim_inode *dir, struct rng *rng);
