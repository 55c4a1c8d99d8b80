/* fixture - a partition table on a real directory, fed with metadata images by hand.
 *
 * The test plays the proposer: it adds records to `change` and calls fixture_apply(). One loop runs
 * on a thread of its own; pools have few threads. Opened again with fixture_restart(), with or
 * without a clean stop.
 */
#pragma once

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "lib/fault_os.h"
#include "lib/temp_dir.h"
#include "metadata/change.h"
#include "partition_impl.h"
#include "protocol/messages.h"
#include "record/builder.h"
#include "replication/partition_table.h"

enum { FIXTURE_NODE = 1, FIXTURE_DIRS_MAX = 2 };

struct fixture {
    struct temp_dir temp;
    struct fault_os faults;
    struct env env; /* real, but for the files */
    struct log_dir *dirs[FIXTURE_DIRS_MAX];
    int dir_count;
    struct handle_cache *handles;
    struct loop *loop;
    struct worker_pool *flushers, *housekeepers, *openers;
    struct partition_table_options options; /* may be changed before fixture_restart() */
    struct partition_table *table;
    struct image *image;
    struct change change;
    koffset_t offset;
};

/* With one directory; `dir_count` may be set before. */
struct fixture *fixture_new(int dir_count);
void fixture_free(struct fixture *f);
/* Closes and opens again. `is_clean` false: as after a kill, nothing is written. */
void fixture_restart(struct fixture *f, bool is_clean);

/* What is in `change` becomes the next image and is applied. */
void fixture_apply(struct fixture *f);
/* One topic, each partition led by FIXTURE_NODE; its id is made of `id`. */
void fixture_add_topic(struct fixture *f, const char *name, uint8_t id, int32_t partitions);
void fixture_add_partition(struct fixture *f, uint8_t id, int32_t index, int32_t leader);
void fixture_set_config(struct fixture *f, const char *topic, const char *key, const char *value);
void fixture_remove_topic(struct fixture *f, uint8_t id);
struct uuid fixture_id(uint8_t id);

/* A found partition; fails the test if there is none. The reference is the caller's. */
struct partition *fixture_find(struct fixture *f, const char *topic, int32_t index);

/* A write of one batch, with its bytes. */
struct test_write {
    struct partition_write write;
    uint8_t *bytes;
    sem_t done;
};
/* `records` records of `value_bytes` each. */
void test_write_init(struct test_write *w, int records, size_t value_bytes);
void test_write_release(struct test_write *w);
/* Appends them all in one call. */
void test_write_append(struct partition *p, struct test_write *writes, size_t count);
/* Waits until a parked one is done; returns at once for others. */
void test_write_wait(struct test_write *w);
/* One batch, appended and waited for: its error. */
err_t append_one(struct partition *p, int records);
