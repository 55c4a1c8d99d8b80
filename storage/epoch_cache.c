/* A handful of entries, ascending in both fields: an array and two binary searches.
 *
 * The text is read strictly, since a wrong epoch start makes a follower cut what it must keep: a
 * file that is not exactly what encode writes is ERR_CORRUPT and the log rebuilds it from batches.
 */
#include "epoch_cache.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "text_lines.h"

enum { CHECKPOINT_VERSION = 0, ROOM_MIN = 4 };

void epoch_cache_release(struct epoch_cache *cache)
{
    free(cache->entries);
    *cache = (struct epoch_cache){0};
}

static err_t push(struct epoch_cache *cache, leader_epoch_t epoch, koffset_t offset)
{
    if (cache->count == cache->cap) {
        size_t cap = cache->cap ? cache->cap * 2 : ROOM_MIN;
        struct epoch_start *grown = realloc(cache->entries, cap * sizeof *grown);
        if (!grown) return ERR_NOMEM;
        cache->entries = grown;
        cache->cap = cap;
    }
    cache->entries[cache->count++] = (struct epoch_start){epoch, offset};
    return OK;
}

/* How many entries have an epoch <= `epoch`. */
static size_t count_up_to_epoch(const struct epoch_cache *cache, leader_epoch_t epoch)
{
    size_t low = 0, high = cache->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cache->entries[middle].epoch <= epoch)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many entries start at or below `offset`. */
static size_t count_up_to_offset(const struct epoch_cache *cache, koffset_t offset)
{
    size_t low = 0, high = cache->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cache->entries[middle].start_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Entries from `at` on go, and the new one takes their place. */
static err_t replace_from(struct epoch_cache *cache, size_t at, struct epoch_start entry)
{
    if (at == cache->count) return push(cache, entry.epoch, entry.start_offset);
    cache->entries[at] = entry;
    cache->count = at + 1;
    return OK;
}

static err_t insert_at(struct epoch_cache *cache, size_t at, struct epoch_start entry)
{
    TRY(push(cache, entry.epoch, entry.start_offset));
    struct epoch_start *place = cache->entries + at;
    memmove(place + 1, place, (cache->count - 1 - at) * sizeof *place);
    *place = entry;
    return OK;
}

/* `at`: the first entry that starts at or behind the new one's offset; the one before it is older.
 */
static err_t assign_before(struct epoch_cache *cache, size_t at, struct epoch_start entry,
                           bool *changed)
{
    struct epoch_start *next = at < cache->count ? &cache->entries[at] : NULL;
    bool is_there = next && next->epoch == entry.epoch;
    *changed = !is_there || next->start_offset != entry.start_offset;
    if (is_there)
        next->start_offset = entry.start_offset;
    else if (next && next->epoch > entry.epoch && next->start_offset > entry.start_offset)
        return insert_at(cache, at, entry);
    else
        return replace_from(cache, at, entry);
    return OK;
}

err_t epoch_cache_assign(struct epoch_cache *cache, leader_epoch_t epoch, koffset_t offset,
                         bool *changed)
{
    CHECK(offset >= 0);
    *changed = false;
    if (epoch < 0) return OK; /* batches from before leader epochs */
    const struct epoch_start *last = cache->count ? &cache->entries[cache->count - 1] : NULL;
    if (last && last->epoch == epoch && last->start_offset <= offset)
        return OK; /* the hot path: the same leader goes on */
    size_t at = offset > 0 ? count_up_to_offset(cache, offset - 1) : 0;
    struct epoch_start entry = {epoch, offset};
    if (at == 0 || cache->entries[at - 1].epoch < epoch)
        return assign_before(cache, at, entry, changed);
    bool is_covered = cache->entries[at - 1].epoch == epoch;
    bool is_contradicted = at < cache->count && cache->entries[at].start_offset == offset;
    if (is_covered && !is_contradicted) return OK;
    *changed = true;
    if (is_covered) {
        cache->count = at;
        return OK;
    }
    while (at && cache->entries[at - 1].epoch >= epoch) at--;
    return replace_from(cache, at, entry);
}

err_t epoch_cache_end(const struct epoch_cache *cache, leader_epoch_t epoch, koffset_t log_end,
                      leader_epoch_t *found, koffset_t *end_offset)
{
    if (cache->count == 0 || epoch < 0) return ERR_NOT_FOUND;
    if (epoch > epoch_cache_latest(cache)) return ERR_NOT_FOUND;
    size_t at = count_up_to_epoch(cache, epoch);
    if (at == 0) return ERR_NOT_FOUND;
    *found = cache->entries[at - 1].epoch;
    *end_offset = at < cache->count ? cache->entries[at].start_offset : log_end;
    return OK;
}

leader_epoch_t epoch_cache_at(const struct epoch_cache *cache, koffset_t offset)
{
    size_t at = count_up_to_offset(cache, offset);
    return at ? cache->entries[at - 1].epoch : -1;
}

leader_epoch_t epoch_cache_latest(const struct epoch_cache *cache)
{
    return cache->count ? cache->entries[cache->count - 1].epoch : -1;
}

bool epoch_cache_truncate_end(struct epoch_cache *cache, koffset_t end_offset)
{
    size_t before = cache->count;
    while (cache->count && cache->entries[cache->count - 1].start_offset >= end_offset)
        cache->count--;
    return cache->count != before;
}

/* The epoch that holds `start_offset` stays and begins there from now on. */
bool epoch_cache_truncate_start(struct epoch_cache *cache, koffset_t start_offset)
{
    size_t covered = count_up_to_offset(cache, start_offset);
    if (covered == 0) return false;
    if (covered == 1 && cache->entries[0].start_offset == start_offset) return false;
    size_t dropped = covered - 1;
    cache->count -= dropped;
    memmove(cache->entries, cache->entries + dropped, cache->count * sizeof *cache->entries);
    cache->entries[0].start_offset = start_offset;
    return true;
}

err_t epoch_cache_encode(const struct epoch_cache *cache, struct buf *out)
{
    TRY(buf_printf(out, "%d\n%zu\n", CHECKPOINT_VERSION, cache->count));
    for (size_t i = 0; i < cache->count; i++) {
        const struct epoch_start *e = &cache->entries[i];
        TRY(buf_printf(out, "%" PRId32 " %" PRId64 "\n", e->epoch, e->start_offset));
    }
    return OK;
}

static err_t decode_line(struct epoch_cache *cache, struct view line)
{
    struct view words[2];
    int64_t epoch, offset;
    if (line_split(line, words, 2) != 2) return ERR_CORRUPT;
    if (!word_to_int(words[0], 0, INT32_MAX, &epoch)) return ERR_CORRUPT;
    if (!word_to_int(words[1], 0, INT64_MAX, &offset)) return ERR_CORRUPT;
    if (cache->count) {
        const struct epoch_start *last = &cache->entries[cache->count - 1];
        if (last->epoch >= epoch || last->start_offset >= offset) return ERR_CORRUPT;
    }
    return push(cache, (leader_epoch_t)epoch, offset);
}

static err_t decode_all(struct epoch_cache *cache, struct view text)
{
    struct text_lines lines = text_lines_of(text);
    struct view line;
    int64_t count;
    TRY(text_lines_head(&lines, CHECKPOINT_VERSION, &count));
    for (int64_t i = 0; i < count; i++) {
        if (!text_lines_next(&lines, &line)) return ERR_CORRUPT;
        TRY(decode_line(cache, line));
    }
    return text_lines_at_end(&lines) ? OK : ERR_CORRUPT;
}

err_t epoch_cache_decode(struct epoch_cache *cache, struct view text)
{
    cache->count = 0;
    err_t err = decode_all(cache, text);
    if (err != OK) cache->count = 0;
    return err;
}
