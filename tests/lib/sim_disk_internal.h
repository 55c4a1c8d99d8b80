/* sim_disk_internal - the state of a simulated disk, shared by the disk (sim_disk.c), its calls
 * (sim_os.c) and its paths (sim_path.c).
 */
#pragma once

#include <pthread.h>

#include "sim_disk.h"
#include "sim_inode.h"

enum { SIM_FAULTS_MAX = 8, SIM_NAME_BYTES_MAX = 255 };

struct sim_handle {
    struct sim_inode *inode; /* NULL: closed */
    int flags;
};

struct sim_mapping {
    struct sim_inode *inode;
    size_t len;
};

struct sim_fault {
    struct fault_plan plan;
    uint64_t counted;
};

struct sim_disk {
    struct os os;
    pthread_mutex_t mutex;
    struct rng rng;
    const struct clock *clock;
    FILE *trace;

    int64_t capacity;
    unsigned writeback_permille;
    unsigned lying_calls;
    struct sim_fault faults[SIM_FAULTS_MAX];
    int fault_count;
    unsigned random_calls;
    unsigned random_permille;
    int random_errnum;
    uint64_t stop_at; /* total_calls of the call that stops; 0: none */
    bool is_stopped;

    struct sim_inode *root;
    struct sim_inode *boot_id;
    struct sim_inode **inodes; /* all, owned */
    size_t inode_count, inode_cap;
    size_t sweep_at;
    uint64_t last_id;
    struct sim_handle *handles;
    size_t handle_count, handle_cap;
    int fd_base;
    struct sim_mapping *mappings;
    size_t mapping_count, mapping_cap;

    struct sim_disk_stats stats;
    uint64_t hash;
};

/* ---- sim_disk.c ---- */
struct sim_inode *sim_disk_make_inode(struct sim_disk *disk, bool is_dir);
void sim_disk_sweep_if_due(struct sim_disk *disk);
int64_t sim_disk_free_sectors(const struct sim_disk *disk);
/* Locks and counts. 0: carry on; otherwise the call fails with this (and still has to end). */
int sim_disk_begin(struct sim_disk *disk, enum os_call call);
/* Traces, hashes and unlocks; returns `result`. */
int64_t sim_disk_end(struct sim_disk *disk, enum os_call call, const char *what, int64_t pos,
                     int64_t len, int64_t result);

/* ---- sim_path.c ---- */

/* Copies the next component and moves on; 1, or 0 at the end, or a negative errno. */
int sim_path_next(const char **path, char name[SIM_NAME_BYTES_MAX + 1]);
/* The directory that holds the last component, and that component; "" for the root. */
int sim_path_walk(struct sim_disk *disk, const char *path, struct sim_inode **dir,
                  char name[SIM_NAME_BYTES_MAX + 1]);
int sim_path_find(struct sim_disk *disk, const char *path, struct sim_inode **out);

/* ---- sim_os.c ---- */
extern const struct os sim_os_table;
