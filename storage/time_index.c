/*   0           8        12
 *   | timestamp | offset |      int64 and int32, big-endian; offset relative to the segment's base
 */
#include "time_index.h"

#include "base/check.h"

static struct time_entry entry_get(const struct time_index *index, const uint8_t *raw)
{
    return (struct time_entry){(int64_t)be64_get(raw),
                               index->base_offset + (int32_t)be32_get(raw + 8)};
}

static const char own_suffix[] = ".timeindex", temporary_suffix[] = ".timeindex.tmp";

static void init_as(struct time_index *index, struct handle_cache *cache, struct file_name name)
{
    koffset_t base_offset = name.base_offset;
    *index = (struct time_index){.base_offset = base_offset, .last = {-1, base_offset}};
    index_file_init(&index->file, cache, name, TIME_ENTRY_BYTES);
}

void time_index_init(struct time_index *index, struct handle_cache *cache, const char *dir,
                     koffset_t base_offset)
{
    init_as(index, cache, (struct file_name){dir, base_offset, own_suffix});
}

err_t time_index_rebuild(struct time_index *index)
{
    struct file_name name = index->file.handle.name;
    struct handle_cache *cache = index->file.handle.cache;
    time_index_release(index);
    name.suffix = temporary_suffix;
    init_as(index, cache, name);
    return index_file_create(&index->file);
}

err_t time_index_publish(struct time_index *index)
{
    if (index->file.handle.name.suffix != temporary_suffix) return OK;
    return index_file_publish(&index->file, own_suffix);
}

void time_index_release(struct time_index *index)
{
    index_file_release(&index->file);
    *index = (struct time_index){0};
}

err_t time_index_create(struct time_index *index) { return index_file_create(&index->file); }

static err_t read_entry(struct time_index *index, uint32_t i, struct time_entry *out)
{
    uint8_t raw[INDEX_ENTRY_MAX_BYTES];
    TRY(index_file_get(&index->file, i, raw));
    *out = entry_get(index, raw);
    return OK;
}

static err_t read_last(struct time_index *index)
{
    index->last = (struct time_entry){-1, index->base_offset};
    if (index->file.count == 0) return OK;
    return read_entry(index, index->file.count - 1, &index->last);
}

err_t time_index_load(struct time_index *index)
{
    TRY(index_file_load(&index->file));
    uint32_t count = index->file.count;
    if (count == 0) return OK;
    TRY(read_last(index));
    if (index->last.timestamp < 0 || index->last.offset < index->base_offset) return ERR_CORRUPT;
    if (count == 1) return OK;
    struct time_entry before;
    TRY(read_entry(index, count - 2, &before));
    return before.timestamp < index->last.timestamp ? OK : ERR_CORRUPT;
}

err_t time_index_verify(struct time_index *index)
{
    struct time_entry before = {-1, index->base_offset - 1}, entry;
    for (uint32_t i = 0; i < index->file.count; i++) {
        TRY(read_entry(index, i, &entry));
        if (entry.timestamp <= before.timestamp || entry.offset <= before.offset) {
            return ERR_CORRUPT;
        }
        before = entry;
    }
    return OK;
}

err_t time_index_append(struct time_index *index, struct time_entry entry)
{
    if (entry.timestamp <= index->last.timestamp) return OK;
    int64_t relative = entry.offset - index->base_offset;
    CHECK(relative >= 0 && relative <= INT32_MAX);
    uint8_t raw[TIME_ENTRY_BYTES];
    be64_put(raw, (uint64_t)entry.timestamp);
    be32_put(raw + 8, (uint32_t)relative);
    TRY(index_file_append(&index->file, raw));
    index->last = entry;
    return OK;
}

err_t time_index_write(struct time_index *index) { return index_file_write(&index->file); }

static bool timestamp_is_below(const uint8_t *raw, int64_t key)
{
    return (int64_t)be64_get(raw) < key;
}
static bool offset_is_below(const uint8_t *raw, int64_t key)
{
    return (int32_t)be32_get(raw + 8) < key;
}

err_t time_index_truncate(struct time_index *index, koffset_t offset)
{
    struct index_hit kept;
    if (index->file.count == 0 || index->last.offset < offset) return OK;
    TRY(index_file_find(&index->file, offset_is_below, offset - index->base_offset, &kept));
    TRY(index_file_cut(&index->file, kept.rank));
    return read_last(index);
}

err_t time_index_load_below(struct time_index *index, struct time_index *from, koffset_t offset)
{
    uint32_t keep = from->file.count;
    CHECK(from->file.written == from->file.count);
    if (keep > 0 && from->last.offset >= offset) {
        struct index_hit kept;
        TRY(index_file_find(&from->file, offset_is_below, offset - from->base_offset, &kept));
        keep = kept.rank;
    }
    index_file_load_prefix(&index->file, keep);
    return read_last(index);
}

err_t time_index_trim(struct time_index *index)
{
    return index_file_cut(&index->file, index->file.count);
}

err_t time_index_lookup(struct time_index *index, time_ms_t timestamp, struct time_entry *out)
{
    *out = (struct time_entry){-1, index->base_offset};
    if (index->file.count == 0) return OK;
    struct index_hit hit;
    if (index->last.timestamp < timestamp) {
        *out = index->last;
        return OK;
    }
    TRY(index_file_find(&index->file, timestamp_is_below, timestamp, &hit));
    if (hit.rank > 0) *out = entry_get(index, hit.last);
    return OK;
}
