/* One array of items in offset order; everything is found by walking it: a history is short, and
 * being plainly right matters more here than being fast.
 */
#include "log_model.h"

#include <stdlib.h>

#include "base/check.h"

void log_model_release(struct log_model *model)
{
    for (size_t i = 0; i < model->count; i++) free(model->items[i].bytes);
    free(model->items);
    *model = (struct log_model){0};
}

void log_model_add(struct log_model *model, const struct model_item *item, bool is_acked)
{
    CHECK(!is_acked || model->acked == model->count);
    if (model->count == model->cap) {
        model->cap = model->cap ? model->cap * 2 : 64;
        model->items = realloc(model->items, model->cap * sizeof *model->items);
        CHECK(model->items);
    }
    struct model_item *copy = &model->items[model->count++];
    *copy = *item;
    copy->bytes = malloc(item->header.size_bytes);
    CHECK(copy->bytes);
    memcpy(copy->bytes, item->bytes, item->header.size_bytes);
    copy->last_offset = batch_last_offset(&item->header);
    if (!is_acked) return;
    model->acked = model->count;
    model->end = copy->last_offset + 1;
}

static void keep(struct log_model *model, size_t count)
{
    while (model->count > count) free(model->items[--model->count].bytes);
    if (model->acked > count) model->acked = count;
}

void log_model_drop_pending(struct log_model *model) { keep(model, model->acked); }

void log_model_cut(struct log_model *model, koffset_t end)
{
    size_t count = model->count;
    while (count && model->items[count - 1].last_offset >= end) count--;
    keep(model, count);
    model->acked = count;
    model->end = end;
    if (model->flushed > end) model->flushed = end;
}

size_t log_model_find(const struct log_model *model, koffset_t offset)
{
    size_t low = 0, high = model->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model->items[middle].last_offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct model_item *log_model_last_of(const struct log_model *model, producer_id_t id)
{
    for (size_t i = model->acked; i > 0; i--) {
        const struct model_item *item = &model->items[i - 1];
        if (item->kind == ITEM_DATA && item->header.producer_id == id) return item;
    }
    return NULL;
}

koffset_t log_model_open_txn(const struct log_model *model, producer_id_t id, koffset_t from)
{
    koffset_t first = -1;
    for (size_t i = 0; i < model->acked; i++) {
        const struct model_item *item = &model->items[i];
        if (item->header.producer_id != id) continue;
        if (item->kind != ITEM_DATA)
            first = -1;
        else if (first < 0 && item->last_offset >= from)
            first = item->header.base_offset;
    }
    return first;
}

koffset_t log_model_find_timestamp(const struct log_model *model, time_ms_t timestamp)
{
    for (size_t i = log_model_find(model, model->start); i < model->acked; i++) {
        const struct model_item *item = &model->items[i];
        time_ms_t last = item->first_timestamp + item->header.last_offset_delta;
        if (last < timestamp) continue;
        koffset_t skipped = timestamp > item->first_timestamp ? timestamp - item->first_timestamp
                                                              : 0;
        koffset_t found = item->header.base_offset + skipped;
        if (found < model->start) found = model->start; /* times rise inside of a batch */
        return found;
    }
    return -1;
}
