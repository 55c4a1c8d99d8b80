/* Two blocks: the one in use and the next. A proposal runs whenever the next one is missing and the
 * current one is half used. */
#include "producer_ids.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/mutex.h"
#include "protocol/messages.h"

enum { BLOCK = 1000, ASK_BELOW = BLOCK / 2 };

struct block {
    producer_id_t next, end;
};

struct producer_ids {
    struct producer_ids_options options;
    struct proposal proposal;
    producer_id_t asked_first; /* of the proposer's thread, from decide() to done() */

    struct mutex lock; /* RANK_LEAF */
    struct block current, spare;
    bool is_asking;
    struct list waiting; /* producer_id_wait */
};

/* The next id, or -1. The lock is held. */
static producer_id_t next_id(struct producer_ids *ids)
{
    if (ids->current.next == ids->current.end) {
        ids->current = ids->spare;
        ids->spare = (struct block){0, 0};
    }
    return ids->current.next < ids->current.end ? ids->current.next++ : -1;
}

static bool wants_block(const struct producer_ids *ids)
{
    return !ids->is_asking && ids->spare.next == ids->spare.end &&
           ids->current.end - ids->current.next < ASK_BELOW;
}

static err_t decide(struct proposal *proposal, const struct image *image, struct change *change)
{
    struct producer_ids *ids = CONTAINER_OF(proposal, struct producer_ids, proposal);
    struct producer_ids_record *record = change_add(change, RECORD_ID_PRODUCER_IDS_RECORD);
    if (!record) return ERR_NOMEM;
    ids->asked_first = image_next_producer_id(image);
    record->broker_id = ids->options.node_id;
    record->broker_epoch = ids->options.broker_epoch;
    record->next_producer_id = ids->asked_first + BLOCK;
    return OK;
}

static void done(struct proposal *proposal, err_t err, const struct image *image)
{
    struct producer_ids *ids = CONTAINER_OF(proposal, struct producer_ids, proposal);
    struct list served;
    (void)image;
    list_init(&served);
    if (err) diag(DIAG_ERROR, "producer_ids", "no new producer ids error=\"%s\"", err_name(err));
    mutex_lock(&ids->lock);
    ids->is_asking = false;
    if (!err) ids->spare = (struct block){ids->asked_first, ids->asked_first + BLOCK};
    LIST_EACH_SAFE (link, &ids->waiting) {
        struct producer_id_wait *wait = CONTAINER_OF(link, struct producer_id_wait, link);
        wait->id = next_id(ids);
        if (wait->id < 0 && !err) break; /* more than a block's worth of them: another block */
        list_remove(link);
        list_push_back(&served, link);
    }
    bool again = wants_block(ids) && !err;
    if (again) ids->is_asking = true;
    mutex_unlock(&ids->lock);
    if (again) proposer_submit(ids->options.proposer, &ids->proposal);
    LIST_EACH_SAFE (served_link, &served) {
        struct producer_id_wait *wait = CONTAINER_OF(served_link, struct producer_id_wait, link);
        list_remove(served_link);
        wait->done(wait);
    }
}

struct producer_ids *producer_ids_new(const struct producer_ids_options *options)
{
    struct producer_ids *ids = calloc(1, sizeof *ids);
    if (!ids) return NULL;
    ids->options = *options;
    ids->proposal = (struct proposal){.decide = decide, .done = done};
    mutex_init(&ids->lock, RANK_LEAF);
    list_init(&ids->waiting);
    return ids;
}

void producer_ids_free(struct producer_ids *ids)
{
    if (!ids) return;
    CHECK(list_is_empty(&ids->waiting));
    mutex_destroy(&ids->lock);
    free(ids);
}

bool producer_ids_take(struct producer_ids *ids, struct producer_id_wait *wait)
{
    mutex_lock(&ids->lock);
    wait->id = next_id(ids);
    bool has_id = wait->id >= 0;
    if (!has_id) list_push_back(&ids->waiting, &wait->link);
    bool ask = wants_block(ids);
    if (ask) ids->is_asking = true;
    mutex_unlock(&ids->lock);
    if (ask) proposer_submit(ids->options.proposer, &ids->proposal);
    return has_id;
}
