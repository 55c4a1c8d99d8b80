/*   offset index   8 bytes: offset less the base, position         (int32, int32)
 *   time index    12 bytes: timestamp, offset less the base        (int64, int32)
 *   txn index     34 bytes: version, producer id, first offset, last offset, last stable offset
 *
 * An index that is being written may have been given its full size beforehand, as zeros; an entry
 * of zeros only is none in any of the three.
 */
#include "entries.h"

#include "base/check.h"
#include "base/os.h"
#include "options.h"

enum { OFFSET_BYTES = 8, TIME_BYTES = 12, TXN_BYTES = 34 };

static int bytes_of(enum file_kind kind)
{
    switch (kind) {
    case FILE_OFFSET_INDEX: return OFFSET_BYTES;
    case FILE_TIME_INDEX: return TIME_BYTES;
    default: CHECK(kind == FILE_TXN_INDEX); return TXN_BYTES;
    }
}

/* Makes the window hold [pos, pos + len). */
static err_t fetch(struct entries *e, int64_t pos, size_t len, const uint8_t **out)
{
    int64_t skip = pos - e->window_start;
    if (skip < 0 || skip + (int64_t)len > (int64_t)e->window_len) {
        int64_t want = MIN(ENTRIES_WINDOW, e->size_bytes - pos);
        ssize_t n = os_real()->pread(os_real(), e->fd, e->window, (size_t)want, pos);
        e->window_start = pos;
        e->window_len = n > 0 ? (size_t)n : 0;
        skip = 0;
        if (n < (ssize_t)len) return ERR_IO;
    }
    *out = e->window + skip;
    return OK;
}

static bool is_zeros(const uint8_t *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

/* Entries without the zeros behind them: from the end, a window at a time. */
static err_t find_end(struct entries *e)
{
    int64_t whole = e->size_bytes / e->entry_bytes;
    int64_t a_window = ENTRIES_WINDOW / e->entry_bytes;
    e->count = whole;
    while (e->count > 0) {
        const uint8_t *at;
        int64_t first = MAX(e->count - a_window, 0), n = e->count - first;
        TRY(fetch(e, first * e->entry_bytes, (size_t)(n * e->entry_bytes), &at));
        while (n > 0 && is_zeros(at + (n - 1) * e->entry_bytes, (size_t)e->entry_bytes)) n--;
        e->count = first + n;
        if (n > 0) break;
    }
    e->zero_bytes = (whole - e->count) * e->entry_bytes;
    e->trailing_bytes = (int)(e->size_bytes % e->entry_bytes);
    return OK;
}

err_t entries_open(struct entries *e, const struct file *file)
{
    struct os_stat st;
    e->kind = file->kind;
    e->base_offset = file->base_offset;
    e->entry_bytes = bytes_of(file->kind);
    e->next = e->window_start = 0;
    e->window_len = 0;
    e->fd = os_real()->open(os_real(), file->path, OS_READ);
    int r = e->fd < 0 ? e->fd : os_real()->fstat(os_real(), e->fd, &st);
    err_t err = r < 0 ? err_from_errno(-r) : OK;
    if (err == OK) {
        e->size_bytes = st.size_bytes;
        err = find_end(e);
    }
    if (err == OK) return OK;
    if (err != ERR_NOT_FOUND) complain(EXIT_UNREACHABLE, "%s: %s", file->path, err_name(err));
    if (e->fd < 0) e->fd = 0;
    entries_close(e);
    return err;
}

void entries_close(struct entries *e)
{
    if (e->fd > 0) os_real()->close(os_real(), e->fd);
    e->fd = 0;
}

static void parse(const struct entries *e, const uint8_t *raw, struct entry *out)
{
    switch (e->kind) {
    case FILE_OFFSET_INDEX:
        out->offset = e->base_offset + (int32_t)be32_get(raw);
        out->position = (int32_t)be32_get(raw + 4);
        break;
    case FILE_TIME_INDEX:
        out->timestamp = (int64_t)be64_get(raw);
        out->offset = e->base_offset + (int32_t)be32_get(raw + 8);
        break;
    default:
        out->version = (int16_t)be16_get(raw);
        out->producer_id = (int64_t)be64_get(raw + 2);
        out->first_offset = (int64_t)be64_get(raw + 10);
        out->offset = (int64_t)be64_get(raw + 18);
        out->last_stable_offset = (int64_t)be64_get(raw + 26);
        break;
    }
}

err_t entries_get(struct entries *e, int64_t index, struct entry *out)
{
    const uint8_t *raw;
    if (index < 0 || index >= e->count) return ERR_NOT_FOUND;
    TRY(fetch(e, index * e->entry_bytes, (size_t)e->entry_bytes, &raw));
    *out = (struct entry){.index = index};
    parse(e, raw, out);
    return OK;
}

err_t entries_next(struct entries *e, struct entry *out)
{
    TRY(entries_get(e, e->next, out));
    e->next++;
    return OK;
}
