/* log_world - one log in a log directory on a simulated disk, with its clock, its chance and its
 * model, through many lives.
 *
 * A life opens directory and log, checks that they hold what they must, works on them for a while
 * and ends by a clean close, an unclean one, the death of the process or a power loss, possibly in
 * the middle of a call. What goes against the model is a violation: it is reported with the seed
 * and ends the program.
 */
#pragma once

#include "base/buf.h"
#include "base/env.h"
#include "lib/rng.h"
#include "lib/sim_disk.h"
#include "log_model.h"
#include "storage/handle_cache.h"
#include "storage/log.h"
#include "storage/log_dir.h"

enum { PRODUCERS = 5, SLICES = 2 };

#define WORLD_TOPIC "orders"

/* Bugs put in on purpose: the simulator has to find each. */
enum mutant {
    MUTANT_NONE,
    MUTANT_LYING_SYNC,      /* fdatasync does nothing */
    MUTANT_LYING_SYNC_DIR,  /* the sync of a directory does nothing */
    MUTANT_ALWAYS_CLEAN,    /* recovery is skipped */
    MUTANT_RECOVERY_POINT,  /* the recovery point names what was not flushed */
    MUTANT_FORGET_TRUNCATE, /* truncations are acknowledged and not done */
    MUTANT__COUNT
};

struct world_options {
    uint64_t seed;
    int cycles;
    int trace_from; /* cycle from which disk calls are printed; -1: never */
    enum mutant mutant;
    bool expects_violation;
    bool is_verbose;
};

struct world_producer {
    producer_id_t id;
    int16_t epoch;
    int32_t next_sequence;
    bool is_transactional;
};

struct held_slice {
    struct slice slice;
    struct buf expected;
    koffset_t end_offset; /* of the offsets it may show */
};

struct world {
    struct world_options options;
    struct rng rng;
    struct sim_disk *disk;
    struct clock clock;
    struct random random;
    struct env env;
    int64_t now_ms;
    int cycle;
    const char *doing; /* for reports */

    struct log_dir *dir;
    struct handle_cache *handles;
    struct log *log;
    char log_path[64];
    struct log_config config;
    leader_epoch_t leader_epoch;
    struct world_producer producers[PRODUCERS];
    struct held_slice slices[SLICES];
    struct log_model model;

    /* of this life */
    uint64_t injected_before;
    uint64_t failed_syncs_before;
    bool lost_pages; /* before this life: what was not flushed may be gone */
    uint64_t hash;
    uint64_t appended, reopened, power_losses, failed_opens;
};

void world_init(struct world *w, const struct world_options *options);
void world_release(struct world *w);
/* One life. */
void world_cycle(struct world *w);

_Noreturn void world_violation(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- what the parts share ---- */

/* True when this error may be: something was injected, or the disk stopped. Anything else is a
 * violation. */
bool world_excuses(struct world *w, err_t err);
/* Takes the promises the log makes in its numbers, and checks their order. */
void world_take_promises(struct world *w);
void world_mix(struct world *w, uint64_t value);
/* Where the oldest open transaction begins, looking at batches from `from` on; else the end. */
koffset_t world_stable_end(const struct world *w, koffset_t from);

/* ---- log_steps.c ---- */
/* One random operation; false: this life is over. */
bool world_step(struct world *w);
/* Those that may show offsets at or above `above`. */
void world_release_slices(struct world *w, koffset_t above);
/* The producer's last batch, if the log must know it. */
const struct model_item *world_known_last(const struct world *w,
                                          const struct world_producer *producer);
/* The model was cut: producers go on behind what is left of them. */
void world_follow_loss(struct world *w);

/* ---- log_checks.c ---- */
/* After an open: the log holds what it must and nothing else; the model follows what was lost. */
void world_check_reopened(struct world *w, koffset_t required_end);
/* Reads [from, to) and compares. */
void world_check_range(struct world *w, koffset_t from, koffset_t to);
void world_check_read(struct world *w);
void world_check_timestamps(struct world *w);
void world_check_epochs(struct world *w);
void world_check_txns(struct world *w);
void world_check_slices(struct world *w);
void world_check_producers(struct world *w);
/* After a clean close: no file without its segment. */
void world_check_files(struct world *w);
/* Everything is read; errors are accepted, wrong order and hanging are not. */
void world_check_damaged(struct world *w);
