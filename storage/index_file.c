/* Happy path: append() puts the entry behind the tail; at TAIL_WRITE unwritten ones the owner calls
 * write(), one pwrite; at TAIL_MAX the older half, long written, is dropped from memory.
 *
 * A look-up asks the tail's first entry whether it has to go further back. If so, the mapping is
 * asked, which has to reach up to the tail: for a growing file that means a new mapping now and
 * then, only for look-ups far behind the end.
 *
 * Failure modes: a failed write leaves everything in memory and may be tried again; the file may
 * then hold part of the entries, which the next write covers.
 */
#include "index_file.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/guard.h"
#include "base/os.h"

enum { TAIL_FIRST_CAP = 8, TAIL_WRITE = 64, TAIL_MAX = 128 };

static void index_file_check(const struct index_file *f)
{
    CHECK(f->tail_first <= f->written && f->written <= f->count);
    DCHECK(f->count - f->tail_first <= f->tail_cap);
}

static const struct os *os_of(const struct index_file *f) { return handle_os(&f->handle); }

void index_file_init(struct index_file *f, struct handle_cache *cache, struct file_name name,
                     uint32_t entry_size)
{
    CHECK(entry_size <= INDEX_ENTRY_MAX_BYTES);
    *f = (struct index_file){.entry_size = entry_size};
    handle_init(&f->handle, cache, name);
}

void index_file_release(struct index_file *f)
{
    handle_release(&f->handle);
    free(f->tail);
    *f = (struct index_file){0};
}

err_t index_file_create(struct index_file *f)
{
    CHECK(f->count == 0);
    struct slice_file *file;
    TRY(handle_open(&f->handle, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file));
    slice_file_unref(file);
    return OK;
}

err_t index_file_load(struct index_file *f)
{
    CHECK(f->count == 0);
    struct slice_file *file;
    struct os_stat st;
    TRY(handle_open(&f->handle, OS_READ, &file));
    int r = os_of(f)->fstat(os_of(f), file->fd, &st);
    slice_file_unref(file);
    if (r < 0) return handle_error(&f->handle, r, "stat");
    if (st.size_bytes % f->entry_size != 0 || st.size_bytes / f->entry_size > INT32_MAX) {
        return ERR_CORRUPT;
    }
    f->count = f->written = f->tail_first = (uint32_t)(st.size_bytes / f->entry_size);
    return OK;
}

err_t index_file_publish(struct index_file *f, const char *suffix)
{
    char from[PATH_MAX], to[PATH_MAX];
    struct file_name name = f->handle.name;
    TRY(index_file_write(f));
    TRY(handle_sync(&f->handle));
    file_name_path(&name, from);
    name.suffix = suffix;
    file_name_path(&name, to);
    int r = os_of(f)->rename(os_of(f), from, to);
    if (r < 0) return handle_error(&f->handle, r, "rename");
    f->handle.name = name;
    f->is_unsynced = false;
    return OK;
}

void index_file_load_prefix(struct index_file *f, uint32_t count)
{
    CHECK(f->count == 0);
    f->count = f->written = f->tail_first = count;
}

/* ---- append and write ---- */

static uint8_t *tail_at(const struct index_file *f, uint32_t i)
{
    return f->tail + (size_t)(i - f->tail_first) * f->entry_size;
}

static err_t tail_make_room(struct index_file *f)
{
    if (f->count - f->tail_first < f->tail_cap) return OK;
    if (f->tail_cap == TAIL_MAX) {
        uint32_t drop = MIN(f->written - f->tail_first, TAIL_MAX / 2);
        if (drop == 0) return ERR_LIMIT;
        memmove(f->tail, tail_at(f, f->tail_first + drop),
                (size_t)(f->count - f->tail_first - drop) * f->entry_size);
        f->tail_first += drop;
        return OK;
    }
    uint32_t cap = f->tail_cap ? MIN(f->tail_cap * 4, TAIL_MAX) : TAIL_FIRST_CAP;
    uint8_t *tail = realloc(f->tail, (size_t)cap * f->entry_size);
    if (!tail) return ERR_NOMEM;
    f->tail = tail;
    f->tail_cap = cap;
    return OK;
}

err_t index_file_append(struct index_file *f, const uint8_t *entry)
{
    TRY(tail_make_room(f));
    memcpy(tail_at(f, f->count), entry, f->entry_size);
    f->count++;
    index_file_check(f);
    return OK;
}

bool index_file_is_due(const struct index_file *f) { return f->count - f->written >= TAIL_WRITE; }

err_t index_file_write(struct index_file *f)
{
    if (f->written == f->count) return OK;
    const struct os *os = os_of(f);
    struct slice_file *file;
    TRY(handle_open(&f->handle, OS_WRITE, &file));
    ssize_t r = os->pwrite(os, file->fd, tail_at(f, f->written),
                           (size_t)(f->count - f->written) * f->entry_size,
                           (int64_t)f->written * f->entry_size);
    slice_file_unref(file);
    f->is_unsynced = true;
    if (r < 0) return handle_error(&f->handle, r, "write");
    f->written = f->count;
    return OK;
}

err_t index_file_cut(struct index_file *f, uint32_t count)
{
    CHECK(count <= f->count);
    const struct os *os = os_of(f);
    struct slice_file *file;
    TRY(handle_open(&f->handle, OS_WRITE, &file));
    int r = os->truncate(os, file->fd, (int64_t)MIN(count, f->written) * f->entry_size);
    slice_file_unref(file);
    f->is_unsynced = true;
    if (r < 0) return handle_error(&f->handle, r, "truncate");
    f->written = MIN(f->written, count);
    f->count = count;
    f->tail_first = MIN(f->tail_first, count);
    index_file_check(f);
    return OK;
}

/* ---- look-ups ---- */

err_t index_file_get(struct index_file *f, uint32_t i, uint8_t *entry)
{
    CHECK(i < f->count);
    if (i >= f->tail_first) {
        memcpy(entry, tail_at(f, i), f->entry_size);
        return OK;
    }
    const struct os *os = os_of(f);
    struct slice_file *file;
    TRY(handle_open(&f->handle, OS_READ, &file));
    ssize_t n = os->pread(os, file->fd, entry, f->entry_size, (int64_t)i * f->entry_size);
    slice_file_unref(file);
    if (n < 0) return handle_error(&f->handle, n, "read");
    return n == (ssize_t)f->entry_size ? OK : ERR_CORRUPT;
}

struct search {
    const struct index_file *file;
    const uint8_t *entries;
    uint32_t count;
    index_below_fn below;
    int64_t key;
    struct index_hit *hit; /* out: rank within entries */
};

static void search_run(struct search *s)
{
    size_t size = s->file->entry_size;
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (s->below(s->entries + mid * size, s->key)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    s->hit->rank = low;
    if (low >= 1) memcpy(s->hit->last, s->entries + (low - 1) * size, size);
    if (low >= 2) memcpy(s->hit->previous, s->entries + (low - 2) * size, size);
}

static err_t search_guarded(void *arg)
{
    search_run(arg);
    return OK;
}

static err_t search_file(struct index_file *f, struct search *s)
{
    struct mapping *m;
    TRY(handle_map(&f->handle, (size_t)f->tail_first * f->entry_size, &m));
    s->entries = m->data;
    s->count = f->tail_first;
    err_t err = guard_run(search_guarded, s);
    mapping_unpin(m);
    return err;
}

err_t index_file_find(struct index_file *f, index_below_fn below, int64_t key,
                      struct index_hit *hit)
{
    struct search s = {f, NULL, 0, below, key, hit};
    bool is_in_tail = f->count > f->tail_first && below(tail_at(f, f->tail_first), key);
    if (!is_in_tail && f->tail_first > 0) return search_file(f, &s);
    s.entries = f->tail;
    s.count = f->count - f->tail_first;
    search_run(&s);
    uint32_t in_tail = hit->rank;
    hit->rank += f->tail_first;
    if (in_tail == 1 && f->tail_first > 0) {
        return index_file_get(f, f->tail_first - 1, hit->previous);
    }
    return OK;
}
