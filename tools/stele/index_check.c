/* One entry is looked at at a time. One that does not rise is judged by its neighbours alone: with
 * a single flipped bit the others stay good, so an entry that is beyond the one behind it, while
 * that one fits what was before, is the wrong one of the two.
 *
 * Apache Kafka's followers appended several batches at once and made one entry for them: the first
 * one's position with the last one's offset. Look-ups go right with it. So an entry whose batch
 * ends too early is kept until a batch ends where it says.
 */
#include "index_check.h"

#include "base/check.h"

static const char *const texts[ENTRY_VERDICT__COUNT] = {
    [ENTRY_AGREES] = "agrees",
    [ENTRY_OF_APPEND] = "agrees, with several batches",
    [ENTRY_NO_ORDER] = "out of order",
    [ENTRY_NO_BATCH] = "no batch there",
    [ENTRY_OTHER_OFFSET] = "the batch has another last offset",
    [ENTRY_OTHER_TIME] = "the log has another time there",
    [ENTRY_NO_ABORT] = "no abort of that producer there",
    [ENTRY_BEYOND] = "beyond the end of the log",
};

const char *entry_verdict_text(enum entry_verdict verdict) { return texts[verdict]; }

/* ---- order ---- */

static bool rises(enum file_kind kind, const struct entry *a, const struct entry *b)
{
    if (kind == FILE_OFFSET_INDEX) return a->offset < b->offset && a->position < b->position;
    if (kind == FILE_TIME_INDEX) return a->offset < b->offset && a->timestamp < b->timestamp;
    return a->offset < b->offset;
}

static bool is_in_order(struct index_check *c, const struct entry *entry)
{
    struct entry next;
    enum file_kind kind = c->entries.kind;
    if (!rises(kind, &c->good, entry)) return false;
    if (entries_get(&c->entries, entry->index + 1, &next) != OK) return true;
    return rises(kind, entry, &next) || !rises(kind, &c->good, &next);
}

/* ---- one entry ---- */

static void judge(struct index_check *c, enum entry_verdict verdict,
                  const struct index_batch *batch)
{
    bool is_good = verdict_is_good(verdict);
    if (is_good) {
        int64_t gap = c->entry.position - c->last.position;
        c->gap_max_bytes = MAX(c->gap_max_bytes, gap);
        c->last = c->entry;
    } else {
        c->wrong++;
    }
    if (c->fn) c->fn(c->arg, &c->entry, verdict, batch);
    c->has_begun = false;
    c->has_entry = false;
}

/* Makes `entry` the next one that is in order. */
static void advance(struct index_check *c)
{
    while (!c->has_entry && entries_next(&c->entries, &c->entry) == OK) {
        c->has_entry = true;
        if (is_in_order(c, &c->entry))
            c->good = c->entry;
        else
            judge(c, ENTRY_NO_ORDER, NULL);
    }
}

err_t index_check_open(struct index_check *c, const struct file *file)
{
    TRY(entries_open(&c->entries, file));
    c->good = (struct entry){.offset = file->base_offset - 1, .timestamp = -1};
    c->last = (struct entry){.index = -1, .offset = file->base_offset - 1, .timestamp = -1};
    c->has_entry = c->has_begun = false;
    c->newest = -1;
    c->wrong = c->gap_max_bytes = 0;
    return OK;
}

void index_check_close(struct index_check *c) { entries_close(&c->entries); }

/* ---- against a batch; false: the entry is for a later one ---- */

static bool match_append(struct index_check *c, koffset_t last_offset)
{
    if (last_offset < c->entry.offset) return false;
    struct index_batch begun = c->begun;
    judge(c, last_offset == c->entry.offset ? ENTRY_OF_APPEND : ENTRY_OTHER_OFFSET, &begun);
    return true;
}

static bool match_offset(struct index_check *c, const struct index_batch *b)
{
    koffset_t last_offset = batch_last_offset(&b->header);
    if (c->has_begun) return match_append(c, last_offset);
    if (c->entry.position > b->position) return false;
    if (c->entry.position < b->position) {
        judge(c, ENTRY_NO_BATCH, NULL);
    } else if (c->entry.offset > last_offset) {
        c->begun = *b;
        c->has_begun = true;
        return false;
    } else {
        judge(c, c->entry.offset == last_offset ? ENTRY_AGREES : ENTRY_OTHER_OFFSET, b);
    }
    return true;
}

static bool match_time(struct index_check *c, const struct index_batch *b)
{
    if (c->entry.offset > batch_last_offset(&b->header)) return false;
    if (c->entry.offset < b->header.base_offset)
        judge(c, ENTRY_NO_BATCH, NULL);
    else if (c->entry.timestamp != b->header.max_timestamp || c->entry.timestamp < c->newest)
        judge(c, ENTRY_OTHER_TIME, b);
    else
        judge(c, ENTRY_AGREES, b);
    return true;
}

static bool match_abort(struct index_check *c, const struct index_batch *b)
{
    if (c->entry.offset > batch_last_offset(&b->header)) return false;
    if (c->entry.offset < b->header.base_offset)
        judge(c, ENTRY_NO_BATCH, NULL);
    else if (!b->is_abort || b->header.producer_id != c->entry.producer_id)
        judge(c, ENTRY_NO_ABORT, b);
    else
        judge(c, ENTRY_AGREES, b);
    return true;
}

void index_check_batch(struct index_check *c, const struct index_batch *batch)
{
    for (;;) {
        bool is_judged;
        advance(c);
        if (!c->has_entry) break;
        if (c->entries.kind == FILE_OFFSET_INDEX)
            is_judged = match_offset(c, batch);
        else if (c->entries.kind == FILE_TIME_INDEX)
            is_judged = match_time(c, batch);
        else
            is_judged = match_abort(c, batch);
        if (!is_judged) break;
    }
    c->newest = MAX(c->newest, batch->header.max_timestamp);
}

void index_check_finish(struct index_check *c)
{
    for (advance(c); c->has_entry; advance(c)) judge(c, ENTRY_BEYOND, NULL);
}
