/* handle_fixture - a directory, a handle cache and faults to order, for tests of what stands on the
 * cache.
 *
 * Header only; whoever includes it links storage. Not thread-safe.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "lib/fault_os.h"
#include "lib/temp_dir.h"
#include "storage/handle_cache.h"

struct handle_fixture {
    struct temp_dir dir;
    struct fault_os faults;
    struct env env;
    struct handle_cache *cache;
};

static inline struct handle_fixture *handle_fixture_new(int files, int mappings)
{
    struct handle_fixture *f = calloc(1, sizeof *f);
    CHECK(f);
    temp_dir_make(&f->dir);
    fault_os_init(&f->faults, os_real());
    f->env = *env_real();
    f->env.os = &f->faults.os;
    f->cache = handle_cache_new(&f->env, files, mappings);
    return f;
}

/* Everything must have been given back: the cache insists. */
static inline void handle_fixture_free(struct handle_fixture *f)
{
    handle_cache_free(f->cache);
    fault_os_destroy(&f->faults);
    temp_dir_remove(&f->dir);
    free(f);
}

/* Overwrites or cuts a file behind everybody's back. */
static inline void handle_fixture_write(struct handle_fixture *f, const char *name,
                                        const void *data, size_t len, bool truncate)
{
    char path[300];
    const struct os *os = os_real();
    snprintf(path, sizeof path, "%s/%s", f->dir.path, name);
    int fd = os->open(os, path, OS_WRITE | OS_CREATE | (truncate ? OS_TRUNCATE : 0));
    CHECK(fd >= 0);
    CHECK(len == 0 || os->pwrite(os, fd, data, len, 0) == (ssize_t)len);
    os->close(os, fd);
}

static inline int64_t handle_fixture_size(struct handle_fixture *f, const char *name)
{
    char path[300];
    struct os_stat st;
    snprintf(path, sizeof path, "%s/%s", f->dir.path, name);
    return os_real()->stat(os_real(), path, &st) < 0 ? -1 : st.size_bytes;
}
