/* Two rows, of descriptors and of mappings, each in order of last use, under one mutex.
 *
 * An open file is reference-counted: one reference is the cache's, the others belong to those who
 * pinned it. Evicting drops the cache's reference and the owner's link, nothing more; the
 * descriptor is closed by whoever drops the last reference, without the mutex. So a file that is
 * pinned cannot be closed under anybody, and the bound is soft: when everything is pinned it is
 * passed until something is given back. References are taken under the mutex only while the cache
 * holds its own, hence a count of one seen under the mutex means "nobody else", for certain.
 *
 * Files are opened and mapped outside of the mutex; when two threads open the same file at the same
 * time, the second one uses the first one's descriptor.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mutex.h"
#include "base/os.h"
#include "file_error.h"
#include "handle.h"

enum { EVICT_TRIES = 64 }; /* pinned ones are passed over, but not a thousand of them each time */

struct open_file {
    struct slice_file slice; /* first: what users see */
    struct handle_cache *cache;
    struct handle *owner; /* NULL: the cache has let go */
    struct list lru;
    bool is_writable;
};

struct handle_cache {
    const struct os *os;
    struct mutex mutex;
    struct list files, mappings; /* least recently used first */
    _Atomic int files_open;      /* until closed, so that slices count */
    int mappings_open;
    int files_limit, mappings_limit;
};

struct handle_cache *handle_cache_new(const struct env *env, int max_files, int max_mappings)
{
    CHECK(max_files > 0 && max_mappings > 0);
    struct handle_cache *cache = calloc(1, sizeof *cache);
    CHECK(cache);
    cache->os = env->os;
    cache->files_limit = max_files;
    cache->mappings_limit = max_mappings;
    mutex_init(&cache->mutex, RANK_HANDLE_CACHE);
    list_init(&cache->files);
    list_init(&cache->mappings);
    return cache;
}

void handle_cache_free(struct handle_cache *cache)
{
    if (!cache) return;
    CHECK(list_is_empty(&cache->files) && list_is_empty(&cache->mappings));
    CHECK(cache->files_open == 0 && cache->mappings_open == 0);
    mutex_destroy(&cache->mutex);
    free(cache);
}

struct handle_cache_stats handle_cache_stats(const struct handle_cache *cache)
{
    struct handle_cache *c = (struct handle_cache *)cache; /* the mutex is not part of its value */
    mutex_lock(&c->mutex);
    struct handle_cache_stats stats = {c->files_open, c->files_limit, c->mappings_open,
                                       c->mappings_limit};
    mutex_unlock(&c->mutex);
    return stats;
}

/* ---- descriptors ---- */

static void open_file_release(struct slice_file *slice)
{
    struct open_file *file = (struct open_file *)slice;
    struct handle_cache *cache = file->cache;
    cache->os->close(cache->os, slice->fd); /* errors of writes were seen by the flush */
    free(file);
    atomic_fetch_sub(&cache->files_open, 1);
}

static void file_unlink(struct open_file *file)
{
    mutex_assert_held(&file->cache->mutex);
    list_remove(&file->lru);
    file->owner->file = NULL;
    file->owner = NULL;
}

static bool file_is_pinned(const struct open_file *file)
{
    return atomic_load_explicit(&file->slice.refs, memory_order_acquire) > 1;
}

/* Takes one unused file out of the cache; the caller drops its reference without the mutex. */
static struct open_file *evict_file(struct handle_cache *cache)
{
    mutex_assert_held(&cache->mutex);
    int tries = 0;
    LIST_EACH_SAFE (node, &cache->files) {
        struct open_file *file = CONTAINER_OF(node, struct open_file, lru);
        if (!file_is_pinned(file)) {
            file_unlink(file);
            return file;
        }
        list_remove(node);
        list_push_back(&cache->files, node);
        if (++tries == EVICT_TRIES) break;
    }
    return NULL;
}

static void trim_files(struct handle_cache *cache)
{
    for (;;) {
        struct open_file *file = NULL;
        mutex_lock(&cache->mutex);
        if (cache->files_open > cache->files_limit) file = evict_file(cache);
        mutex_unlock(&cache->mutex);
        if (!file) return;
        slice_file_unref(&file->slice);
    }
}

static struct slice_file *pin_locked(struct handle *h, int flags)
{
    struct open_file *file = h->file;
    if (!file || ((flags & OS_WRITE) && !file->is_writable)) return NULL;
    list_remove(&file->lru);
    list_push_back(&h->cache->files, &file->lru);
    slice_file_ref(&file->slice);
    return &file->slice;
}

struct slice_file *handle_pin(struct handle *h, int flags)
{
    mutex_lock(&h->cache->mutex);
    struct slice_file *slice = pin_locked(h, flags);
    mutex_unlock(&h->cache->mutex);
    return slice;
}

/* Opens, after making room once when the process has no descriptor left. */
static int open_with_room(struct handle_cache *cache, const char *path, int flags)
{
    int fd = cache->os->open(cache->os, path, flags);
    if (fd >= 0 || err_from_errno(-fd) != ERR_LIMIT) return fd;
    mutex_lock(&cache->mutex);
    struct open_file *file = evict_file(cache);
    mutex_unlock(&cache->mutex);
    if (!file) return fd;
    slice_file_unref(&file->slice);
    return cache->os->open(cache->os, path, flags);
}

/* Gives `mine` to the handle, or returns what somebody else put there first. */
static struct slice_file *adopt(struct handle *h, struct open_file *mine, int flags)
{
    struct handle_cache *cache = h->cache;
    struct open_file *former = NULL;
    mutex_lock(&cache->mutex);
    struct slice_file *slice = pin_locked(h, flags);
    if (!slice) {
        former = h->file; /* read-only, but a writable one is wanted */
        if (former) file_unlink(former);
        h->file = mine;
        mine->owner = h;
        list_push_back(&cache->files, &mine->lru);
        slice_file_ref(&mine->slice);
        slice = &mine->slice;
    }
    mutex_unlock(&cache->mutex);
    if (former) slice_file_unref(&former->slice);
    if (slice != &mine->slice) slice_file_unref(&mine->slice);
    return slice;
}

err_t handle_open(struct handle *h, int flags, struct slice_file **out)
{
    struct handle_cache *cache = h->cache;
    struct slice_file *slice = handle_pin(h, flags);
    if (!slice) {
        char path[PATH_MAX];
        file_name_path(&h->name, path);
        int fd = open_with_room(cache, path, flags);
        if (fd < 0) return file_error(fd, "open", path);
        struct open_file *file = calloc(1, sizeof *file);
        CHECK(file);
        file->slice = (struct slice_file){1, fd, open_file_release};
        file->cache = cache;
        file->is_writable = flags & OS_WRITE;
        list_init(&file->lru);
        atomic_fetch_add(&cache->files_open, 1);
        slice = adopt(h, file, flags);
        trim_files(cache);
    }
    *out = slice;
    return OK;
}

bool handle_is_pinned(struct handle *h)
{
    mutex_lock(&h->cache->mutex);
    bool is_pinned = h->file && file_is_pinned(h->file);
    mutex_unlock(&h->cache->mutex);
    return is_pinned;
}

err_t handle_sync(struct handle *h)
{
    struct slice_file *file;
    err_t err = handle_open(h, OS_WRITE, &file);
    if (err != OK) return err == ERR_NOT_FOUND ? OK : err;
    int r = h->cache->os->fdatasync(h->cache->os, file->fd);
    slice_file_unref(file);
    if (r >= 0) return OK;
    (void)!handle_error(h, r, "flush");
    return ERR_IO;
}

/* ---- mappings ---- */

static void mapping_free(struct mapping *m)
{
    m->cache->os->unmap(m->cache->os, (void *)(uintptr_t)m->data, m->len);
    free(m);
}

/* Out of the cache; the mapping when it is unused and the caller has to free it, else NULL. */
static struct mapping *mapping_unlink(struct mapping *m)
{
    mutex_assert_held(&m->cache->mutex);
    list_remove(&m->lru);
    m->owner->mapping = NULL;
    m->owner = NULL;
    if (m->refs > 0) return NULL;
    m->cache->mappings_open--;
    return m;
}

static struct mapping *evict_mapping(struct handle_cache *cache)
{
    int tries = 0;
    LIST_EACH_SAFE (node, &cache->mappings) {
        struct mapping *m = CONTAINER_OF(node, struct mapping, lru);
        if (m->refs == 0) return mapping_unlink(m);
        if (++tries == EVICT_TRIES) break;
    }
    return NULL;
}

static void trim_mappings(struct handle_cache *cache)
{
    for (;;) {
        struct mapping *m = NULL;
        mutex_lock(&cache->mutex);
        if (cache->mappings_open > cache->mappings_limit) m = evict_mapping(cache);
        mutex_unlock(&cache->mutex);
        if (!m) return;
        mapping_free(m);
    }
}

void mapping_unpin(struct mapping *m)
{
    struct handle_cache *cache = m->cache;
    mutex_lock(&cache->mutex);
    CHECK(m->refs > 0);
    bool is_last = --m->refs == 0 && !m->owner;
    if (is_last) cache->mappings_open--;
    mutex_unlock(&cache->mutex);
    if (is_last) mapping_free(m);
}

static struct mapping *map_pin(struct handle *h, size_t len)
{
    mutex_lock(&h->cache->mutex);
    struct mapping *m = h->mapping;
    if (m && m->len >= len) {
        list_remove(&m->lru);
        list_push_back(&h->cache->mappings, &m->lru);
        m->refs++;
    } else {
        m = NULL;
    }
    mutex_unlock(&h->cache->mutex);
    return m;
}

/* Makes `m` (pinned) the handle's mapping, in place of a shorter one. */
static void map_install(struct handle *h, struct mapping *m)
{
    struct handle_cache *cache = h->cache;
    mutex_lock(&cache->mutex);
    struct mapping *former = h->mapping ? mapping_unlink(h->mapping) : NULL;
    h->mapping = m;
    m->owner = h;
    cache->mappings_open++;
    list_push_back(&cache->mappings, &m->lru);
    mutex_unlock(&cache->mutex);
    if (former) mapping_free(former);
}

err_t handle_map(struct handle *h, size_t len, struct mapping **out)
{
    CHECK(len > 0);
    *out = map_pin(h, len);
    if (*out) return OK;
    const struct os *os = h->cache->os;
    struct slice_file *file;
    TRY(handle_open(h, OS_READ, &file));
    int errnum = 0;
    const uint8_t *data = os->map(os, file->fd, len, &errnum);
    slice_file_unref(file);
    if (!data) return handle_error(h, errnum, "map");
    struct mapping *m = calloc(1, sizeof *m);
    CHECK(m);
    *m = (struct mapping){.data = data, .len = len, .cache = h->cache, .refs = 1};
    list_init(&m->lru);
    map_install(h, m);
    trim_mappings(h->cache);
    *out = m;
    return OK;
}

/* ---- handle ---- */

void file_name_path(const struct file_name *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/%020lld%s", name->dir, (long long)name->base_offset,
                     name->suffix);
    CHECK(n > 0 && n < PATH_MAX); /* log_open() bounds the directory's length */
}

void handle_init(struct handle *h, struct handle_cache *cache, struct file_name name)
{
    *h = (struct handle){.cache = cache, .name = name};
}

err_t handle_error(const struct handle *h, int64_t result, const char *verb)
{
    char path[PATH_MAX];
    file_name_path(&h->name, path);
    return file_error(result, verb, path);
}

const struct os *handle_os(const struct handle *h) { return h->cache->os; }

void handle_release(struct handle *h)
{
    if (!h->cache) return;
    mutex_lock(&h->cache->mutex);
    struct open_file *file = h->file;
    if (file) file_unlink(file);
    struct mapping *m = h->mapping ? mapping_unlink(h->mapping) : NULL;
    mutex_unlock(&h->cache->mutex);
    if (file) slice_file_unref(&file->slice);
    if (m) mapping_free(m);
    *h = (struct handle){0};
}
