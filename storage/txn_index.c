/*   0         2             10             18            26                   34
 *   | version | producer id | first offset | last offset | last stable offset |    big-endian
 *
 * Aborts are rare, so an entry costs a write of its own, at count * 34: a failed one is covered by
 * the next.
 */
#include "txn_index.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/os.h"

enum { ENTRIES_A_READ = 120 };

static struct txn_entry entry_get(const uint8_t *raw)
{
    return (struct txn_entry){(int64_t)be64_get(raw + 2), (int64_t)be64_get(raw + 10),
                              (int64_t)be64_get(raw + 18), (int64_t)be64_get(raw + 26)};
}

static void entry_put(uint8_t *raw, const struct txn_entry *entry)
{
    be16_put(raw, TXN_ENTRY_VERSION);
    be64_put(raw + 2, (uint64_t)entry->producer_id);
    be64_put(raw + 10, (uint64_t)entry->first_offset);
    be64_put(raw + 18, (uint64_t)entry->last_offset);
    be64_put(raw + 26, (uint64_t)entry->last_stable_offset);
}

void txn_index_init(struct txn_index *index, struct handle_cache *cache, const char *dir,
                    koffset_t base_offset)
{
    *index = (struct txn_index){.last_offset = -1};
    handle_init(&index->handle, cache, (struct file_name){dir, base_offset, ".txnindex"});
}

void txn_index_release(struct txn_index *index)
{
    handle_release(&index->handle);
    buf_release(&index->rebuilt);
    *index = (struct txn_index){0};
}

/* Whether the entries are what we would have written. */
struct txn_check {
    koffset_t last_offset;
    bool is_sane;
};
static bool check_entry(void *arg, const struct txn_entry *entry)
{
    struct txn_check *check = arg;
    /* The marker comes behind the data: zeros, as a lost write leaves them, are no entry. */
    check->is_sane = entry->producer_id >= 0 && entry->first_offset < entry->last_offset &&
                     entry->last_offset > check->last_offset &&
                     entry->last_stable_offset <= entry->last_offset + 1;
    check->last_offset = entry->last_offset;
    return check->is_sane;
}

err_t txn_index_load(struct txn_index *index)
{
    const struct os *os = handle_os(&index->handle);
    struct slice_file *file;
    struct os_stat st;
    TRY(handle_open(&index->handle, OS_READ, &file));
    int r = os->fstat(os, file->fd, &st);
    slice_file_unref(file);
    if (r < 0) return handle_error(&index->handle, r, "stat");
    if (st.size_bytes % TXN_ENTRY_BYTES != 0) return ERR_CORRUPT;
    index->count = (uint32_t)(st.size_bytes / TXN_ENTRY_BYTES);
    struct txn_check check = {index->handle.name.base_offset - 1, true};
    TRY(txn_index_each(index, check_entry, &check));
    if (!check.is_sane) return ERR_CORRUPT;
    if (index->count > 0) index->last_offset = check.last_offset;
    return OK;
}

void txn_index_rebuild(struct txn_index *index)
{
    index->is_rebuilding = true;
    index->count = 0;
    index->last_offset = -1;
}

err_t txn_index_rebuild_end(struct txn_index *index)
{
    char path[PATH_MAX];
    if (!index->is_rebuilding) return OK;
    /* The descriptor is that of the old file. */
    struct file_name name = index->handle.name;
    struct handle_cache *cache = index->handle.cache;
    const struct os *os = handle_os(&index->handle);
    file_name_path(&name, path);
    handle_release(&index->handle);
    handle_init(&index->handle, cache, name);
    TRY(os_replace_file(os, path, index->rebuilt.data, index->rebuilt.len));
    buf_release(&index->rebuilt);
    index->is_rebuilding = false;
    return OK;
}

err_t txn_index_append(struct txn_index *index, const struct txn_entry *entry)
{
    const struct os *os = handle_os(&index->handle);
    uint8_t raw[TXN_ENTRY_BYTES];
    entry_put(raw, entry);
    if (index->is_rebuilding) {
        TRY(buf_append(&index->rebuilt, raw, sizeof raw));
        index->count++;
        index->last_offset = entry->last_offset;
        return OK;
    }
    int flags = OS_WRITE | OS_CREATE | (index->count == 0 ? OS_TRUNCATE : 0);
    struct slice_file *file;
    TRY(handle_open(&index->handle, flags, &file));
    ssize_t r = os->pwrite(os, file->fd, raw, sizeof raw, (int64_t)index->count * TXN_ENTRY_BYTES);
    slice_file_unref(file);
    index->is_unsynced = true;
    if (r < 0) {
        err_t err = handle_error(&index->handle, r, "write");
        return err == ERR_NOSPACE ? err : ERR_IO;
    }
    index->count++;
    index->last_offset = entry->last_offset;
    return OK;
}

struct txn_cut {
    koffset_t offset;
    koffset_t last_offset; /* of those kept */
    uint32_t keep;
};
static bool count_below(void *arg, const struct txn_entry *entry)
{
    struct txn_cut *cut = arg;
    if (entry->last_offset >= cut->offset) return false;
    cut->last_offset = entry->last_offset;
    cut->keep++;
    return true;
}

err_t txn_index_load_below(struct txn_index *index, struct txn_index *from, koffset_t offset)
{
    struct txn_cut cut = {offset, -1, 0};
    TRY(txn_index_each(from, count_below, &cut));
    index->count = cut.keep;
    index->last_offset = cut.last_offset;
    return OK;
}

err_t txn_index_trim(struct txn_index *index)
{
    const struct os *os = handle_os(&index->handle);
    struct slice_file *file;
    err_t err = handle_open(&index->handle, OS_WRITE, &file);
    if (err != OK) return err == ERR_NOT_FOUND ? OK : err;
    int r = os->truncate(os, file->fd, (int64_t)index->count * TXN_ENTRY_BYTES);
    slice_file_unref(file);
    index->is_unsynced = true;
    return r < 0 ? handle_error(&index->handle, r, "truncate") : OK;
}

err_t txn_index_truncate(struct txn_index *index, koffset_t offset)
{
    if (index->count == 0 || index->last_offset < offset) return OK;
    TRY(txn_index_load_below(index, index, offset));
    return txn_index_trim(index);
}

static err_t each_in(struct txn_index *index, int fd,
                     bool (*fn)(void *arg, const struct txn_entry *entry), void *arg)
{
    const struct os *os = handle_os(&index->handle);
    uint8_t raw[ENTRIES_A_READ * TXN_ENTRY_BYTES];
    uint32_t count = index->count;
    for (uint32_t at = 0; at < count; at += ENTRIES_A_READ) {
        uint32_t n = MIN(count - at, ENTRIES_A_READ);
        size_t len = n * (size_t)TXN_ENTRY_BYTES;
        ssize_t got = os->pread(os, fd, raw, len, (int64_t)at * TXN_ENTRY_BYTES);
        if (got < 0) return handle_error(&index->handle, got, "read");
        if ((size_t)got < len) return ERR_CORRUPT;
        for (uint32_t i = 0; i < n; i++) {
            if ((int16_t)be16_get(raw + (size_t)i * TXN_ENTRY_BYTES) > TXN_ENTRY_VERSION) {
                return ERR_UNSUPPORTED;
            }
            struct txn_entry entry = entry_get(raw + (size_t)i * TXN_ENTRY_BYTES);
            if (!fn(arg, &entry)) return OK;
        }
    }
    return OK;
}

err_t txn_index_each(struct txn_index *index, bool (*fn)(void *arg, const struct txn_entry *entry),
                     void *arg)
{
    if (index->count == 0) return OK;
    struct slice_file *file;
    TRY(handle_open(&index->handle, OS_READ, &file));
    err_t err = each_in(index, file->fd, fn, arg);
    slice_file_unref(file);
    return err;
}
