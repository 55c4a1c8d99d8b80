/* handle_cache - a bound on open files and mappings over all logs.
 *
 * Segments ask for their descriptor or mapping each time they need it; the least recently used ones
 * that nobody pins are closed when the bound is reached. A file with unflushed writes is pinned by
 * its segment until it is flushed, because closing it would lose the error of a failed write-back.
 * Thread-safe (RANK_HANDLE_CACHE).
 */
#pragma once

#include "base/env.h"
#include "base/err.h"

struct handle_cache;

struct handle_cache_stats {
    int files_open, files_limit;
    int mappings_open, mappings_limit;
};

struct handle_cache *handle_cache_new(const struct env *env, int max_files, int max_mappings);
/* Everything must have been given back. NULL is allowed. */
void handle_cache_free(struct handle_cache *cache);
struct handle_cache_stats handle_cache_stats(const struct handle_cache *cache);
