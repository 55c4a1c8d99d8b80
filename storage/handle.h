/* handle - one file by name, and its place in the handle cache: the open descriptor and the
 * mapping, if it has them at the moment.
 *
 * Embedded in whoever owns the file (segment, index). A pinned descriptor is a slice_file with a
 * reference of the caller's: it stays open until slice_file_unref(), even when the cache lets go of
 * it or the file is unlinked. A mapping stays until mapping_unpin(). Private to storage.
 * Thread-safe (RANK_HANDLE_CACHE); handle_release() is the last call on a handle.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"
#include "base/types.h"
#include "handle_cache.h"

struct open_file;

/* <dir>/<20-digit base offset><suffix>, written out only when a file is opened. */
struct file_name {
    const char *dir; /* borrowed, outlives the handle */
    koffset_t base_offset;
    const char *suffix; /* a literal */
};

void file_name_path(const struct file_name *name, char out[PATH_MAX]);

struct handle {
    struct file_name name;
    struct handle_cache *cache; /* borrowed; NULL: a zeroed handle, may be released */
    struct open_file *file;     /* guarded by the cache, as is the next */
    struct mapping *mapping;
};

struct mapping {
    const uint8_t *data; /* read under guard_run() */
    size_t len;
    /* private to the cache */
    struct list lru;
    struct handle_cache *cache;
    struct handle *owner;
    int refs;
};

void handle_init(struct handle *h, struct handle_cache *cache, struct file_name name);
/* Lets go of descriptor and mapping; those pinned stay until they are given back. */
void handle_release(struct handle *h);

/* The descriptor if it is open (and writable, if OS_WRITE is among flags), with a reference for the
 * caller; NULL: handle_open() it. */
struct slice_file *handle_pin(struct handle *h, int flags);
/* The same, opening the file when it is not: `flags` of os.h. ERR_NOT_FOUND, ERR_LIMIT, ERR_PERM,
 * ERR_NOSPACE (creating), ERR_IO. */
err_t handle_open(struct handle *h, int flags, struct slice_file **out);
/* A mapping of at least the first `len` > 0 bytes; the file must have them. */
err_t handle_map(struct handle *h, size_t len, struct mapping **out);
void mapping_unpin(struct mapping *m);

/* The door that its files go through. */
const struct os *handle_os(const struct handle *h);
/* file_error() with the handle's path. */
err_t handle_error(const struct handle *h, int64_t result, const char *verb);

/* fdatasync; a file that is gone needs none. Any failure is ERR_IO: it must not be tried again. */
err_t handle_sync(struct handle *h);

/* Whether somebody (a slice, a flush) holds the descriptor. */
bool handle_is_pinned(struct handle *h);
