/* snapshot_load - Kafka's snapshots of the metadata: <end offset>-<leader epoch>.checkpoint.
 *
 * A snapshot holds batches like a log's: one with a SnapshotHeader control record first, then the
 * records of a whole image, one with a SnapshotFooter last. It gets its name only when it is
 * complete, so a missing footer is damage. Offsets within have no meaning; the name says where the
 * log goes on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/os.h"
#include "image_impl.h"
#include "record/control.h"
#include "record/log_scan.h"
#include "record/record.h"
#include "replay.h"

enum { OFFSET_DIGITS = 20, EPOCH_DIGITS = 10, SNAPSHOT_MAX_BYTES = 1 << 30 };
static const char suffix[] = ".checkpoint";
enum { NAME_LEN = OFFSET_DIGITS + 1 + EPOCH_DIGITS + sizeof(suffix) - 1 };

struct snapshot {
    koffset_t end_offset;
    leader_epoch_t epoch;
};

struct snapshot_list {
    struct snapshot *items; /* owned */
    size_t count, cap;
    bool is_failed; /* no memory */
};

static bool parse_digits(const char *text, size_t count, int64_t max, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (__builtin_mul_overflow(*out, 10, out)) return false;
        if (__builtin_add_overflow(*out, text[i] - '0', out)) return false;
    }
    return *out <= max;
}

static void collect(void *arg, const char *name)
{
    struct snapshot_list *list = arg;
    int64_t offset, epoch;
    if (strlen(name) != NAME_LEN || name[OFFSET_DIGITS] != '-') return;
    if (strcmp(name + NAME_LEN - (sizeof(suffix) - 1), suffix) != 0) return;
    if (!parse_digits(name, OFFSET_DIGITS, INT64_MAX, &offset)) return;
    if (!parse_digits(name + OFFSET_DIGITS + 1, EPOCH_DIGITS, INT32_MAX, &epoch)) return;
    if (list->count == list->cap) {
        list->cap = MAX(2 * list->cap, 8);
        struct snapshot *items = realloc(list->items, list->cap * sizeof(*items));
        list->is_failed = list->is_failed || !items;
        if (!items) return;
        list->items = items;
    }
    list->items[list->count++] = (struct snapshot){offset, (leader_epoch_t)epoch};
}

static int newest_first(const void *a, const void *b)
{
    const struct snapshot *x = a, *y = b;
    return (x->end_offset < y->end_offset) - (x->end_offset > y->end_offset);
}

/* The type of a control batch's only record, or CONTROL_UNKNOWN. */
static enum control_type control_of(struct view batch, struct buf *scratch)
{
    struct record_iter it;
    struct record record;
    enum control_type type;
    if (record_iter_init(&it, batch, scratch, 1 << 20) != OK) return CONTROL_UNKNOWN;
    if (record_iter_next(&it, &record) != OK) return CONTROL_UNKNOWN;
    return control_key_parse(record.key, &type) == OK ? type : CONTROL_UNKNOWN;
}

/* Every batch, between a header and a footer. */
static err_t read_batches(struct replay *replay, struct view bytes)
{
    struct log_scan scan = log_scan_of(bytes);
    struct view batch;
    struct batch_header header;
    enum control_type last = CONTROL_UNKNOWN;
    err_t err;
    for (bool is_first = true; (err = log_scan_next(&scan, &batch, &header)) == OK;
         is_first = false) {
        TRY(replay_batch(replay, batch, &header));
        last = batch_is_control(&header) ? control_of(batch, &replay->scratch) : CONTROL_UNKNOWN;
        if (is_first && last != CONTROL_SNAPSHOT_HEADER) return ERR_CORRUPT;
    }
    return err == ERR_NOT_FOUND && last == CONTROL_SNAPSHOT_FOOTER ? OK : ERR_CORRUPT;
}

/* Into a replay of its own, so that a damaged one leaves nothing behind. */
static err_t load(struct replay *replay, const struct env *env, const char *path,
                  const struct snapshot *snapshot)
{
    struct replay own;
    replay_init(&own, image_cluster_id(replay->image));
    own.source = path;
    err_t err = os_read_file(env->os, path, SNAPSHOT_MAX_BYTES, &own.bytes);
    if (err == OK) err = read_batches(&own, buf_view(&own.bytes));
    if (err == OK && own.before_open) err = ERR_CORRUPT;
    if (err == OK) {
        own.image->offset = snapshot->end_offset - 1;
        own.last_epoch = MAX(own.last_epoch, snapshot->epoch);
        struct replay before = *replay;
        *replay = own;
        own = before;
    }
    replay_release(&own);
    return err;
}

err_t replay_snapshots(struct replay *replay, const struct env *env, const char *path)
{
    struct snapshot_list list = {0};
    int listed = env->os->list(env->os, path, collect, &list);
    err_t err = listed < 0 ? err_from_errno(-listed) : OK;
    if (list.is_failed) err = ERR_NOMEM;
    if (err == OK && list.count) {
        qsort(list.items, list.count, sizeof(*list.items), newest_first);
    }
    for (size_t i = 0; err == OK && i < list.count; i++) {
        char name[4096];
        int len = snprintf(name, sizeof(name), "%s/%020lld-%010d%s", path,
                           (long long)list.items[i].end_offset, list.items[i].epoch, suffix);
        err_t loaded = ERR_LIMIT;
        if (len < (int)sizeof(name)) loaded = load(replay, env, name, &list.items[i]);
        if (loaded == OK) break;
        if (loaded == ERR_NOMEM) err = loaded;
        diag(DIAG_WARN, "metadata", "a snapshot of the metadata is passed over file=%s: %s", name,
             err_name(loaded));
    }
    replay->source = "";
    free(list.items);
    return err;
}
