/*   0        4        8
 *   | offset | position |      both int32, big-endian; offset relative to the segment's base
 *
 * The first batch of a segment never has an entry, so a position of 0 is no entry but the zeros of
 * a file that was grown and not written: a sure sign to rebuild.
 */
#include "offset_index.h"

#include "base/check.h"

static struct offset_entry entry_get(const struct offset_index *index, const uint8_t *raw)
{
    return (struct offset_entry){index->base_offset + (int32_t)be32_get(raw),
                                 (int32_t)be32_get(raw + 4)};
}

static const char own_suffix[] = ".index", temporary_suffix[] = ".index.tmp";

static void init_as(struct offset_index *index, struct handle_cache *cache, struct file_name name)
{
    koffset_t base_offset = name.base_offset;
    *index = (struct offset_index){.base_offset = base_offset, .last = {base_offset, 0}};
    index_file_init(&index->file, cache, name, OFFSET_ENTRY_BYTES);
}

void offset_index_init(struct offset_index *index, struct handle_cache *cache, const char *dir,
                       koffset_t base_offset)
{
    init_as(index, cache, (struct file_name){dir, base_offset, own_suffix});
}

err_t offset_index_rebuild(struct offset_index *index)
{
    struct file_name name = index->file.handle.name;
    struct handle_cache *cache = index->file.handle.cache;
    offset_index_release(index);
    name.suffix = temporary_suffix;
    init_as(index, cache, name);
    return index_file_create(&index->file);
}

err_t offset_index_publish(struct offset_index *index)
{
    if (index->file.handle.name.suffix != temporary_suffix) return OK;
    return index_file_publish(&index->file, own_suffix);
}

void offset_index_release(struct offset_index *index)
{
    index_file_release(&index->file);
    *index = (struct offset_index){0};
}

err_t offset_index_create(struct offset_index *index) { return index_file_create(&index->file); }

static err_t read_entry(struct offset_index *index, uint32_t i, struct offset_entry *out)
{
    uint8_t raw[INDEX_ENTRY_MAX_BYTES];
    TRY(index_file_get(&index->file, i, raw));
    *out = entry_get(index, raw);
    return OK;
}

/* Brings `last` in line with the entries there are. */
static err_t read_last(struct offset_index *index)
{
    index->last = (struct offset_entry){index->base_offset, 0};
    if (index->file.count == 0) return OK;
    return read_entry(index, index->file.count - 1, &index->last);
}

err_t offset_index_load(struct offset_index *index, int64_t log_size)
{
    TRY(index_file_load(&index->file));
    if (index->file.count == 0) return OK;
    TRY(read_last(index));
    bool is_sane = index->last.offset >= index->base_offset && index->last.position > 0 &&
                   index->last.position < log_size;
    return is_sane ? OK : ERR_CORRUPT;
}

err_t offset_index_verify(struct offset_index *index)
{
    struct offset_entry before = {index->base_offset - 1, 0}, entry;
    for (uint32_t i = 0; i < index->file.count; i++) {
        TRY(read_entry(index, i, &entry));
        if (entry.offset <= before.offset || entry.position <= before.position) return ERR_CORRUPT;
        before = entry;
    }
    return OK;
}

err_t offset_index_append(struct offset_index *index, koffset_t last_offset, int64_t position)
{
    int64_t relative = last_offset - index->base_offset;
    CHECK(relative >= 0 && relative <= INT32_MAX && position <= INT32_MAX);
    CHECK(position > index->last.position);
    CHECK(index->file.count == 0 || last_offset > index->last.offset);
    uint8_t raw[OFFSET_ENTRY_BYTES];
    be32_put(raw, (uint32_t)relative);
    be32_put(raw + 4, (uint32_t)position);
    TRY(index_file_append(&index->file, raw));
    index->last = (struct offset_entry){last_offset, position};
    return OK;
}

err_t offset_index_write(struct offset_index *index) { return index_file_write(&index->file); }

static bool offset_is_below(const uint8_t *raw, int64_t key)
{
    return (int32_t)be32_get(raw) < key;
}
static bool position_is_below(const uint8_t *raw, int64_t key)
{
    return (int32_t)be32_get(raw + 4) < key;
}

err_t offset_index_truncate(struct offset_index *index, koffset_t offset)
{
    struct index_hit kept;
    if (index->file.count == 0 || index->last.offset < offset) return OK;
    TRY(index_file_find(&index->file, offset_is_below, offset - index->base_offset, &kept));
    TRY(index_file_cut(&index->file, kept.rank));
    return read_last(index);
}

err_t offset_index_load_below(struct offset_index *index, struct offset_index *from,
                              koffset_t offset)
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

err_t offset_index_trim(struct offset_index *index)
{
    return index_file_cut(&index->file, index->file.count);
}

err_t offset_index_lookup(struct offset_index *index, koffset_t offset, struct offset_entry *out)
{
    *out = (struct offset_entry){index->base_offset, 0};
    if (index->file.count == 0 || offset < index->base_offset) return OK;
    if (index->last.offset <= offset) {
        *out = index->last;
        return OK;
    }
    struct index_hit hit;
    TRY(index_file_find(&index->file, offset_is_below, offset - index->base_offset + 1, &hit));
    if (hit.rank > 0) *out = entry_get(index, hit.last);
    return OK;
}

err_t offset_index_lookup_position(struct offset_index *index, int64_t position,
                                   struct offset_entry *out, koffset_t *previous_offset)
{
    struct index_hit hit;
    if (index->file.count == 0) return ERR_NOT_FOUND;
    TRY(index_file_find(&index->file, position_is_below, position + 1, &hit));
    if (hit.rank == 0) return ERR_NOT_FOUND;
    *out = entry_get(index, hit.last);
    *previous_offset = hit.rank > 1 ? entry_get(index, hit.previous).offset
                                    : index->base_offset - 1;
    return OK;
}
