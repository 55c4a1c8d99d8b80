/* proposer_local - the proposer of a quorum of one: this node's own metadata log.
 *
 *   submit -> queue -> [decide, encode, check against the newest image, append] for each of a group
 *                   -> one flush -> [tell the subscriber, publish, done] for each, in order
 *
 * The thread takes all that waits as one group, so that many proposals share a flush. Within a
 * group each decide() sees the image of the one before it, which is not durable yet: nobody else
 * sees that image before the flush. An image is built before its batch is appended: a change that
 * contradicts itself never gets into the log.
 *
 * Failures: what fails before the append ends that proposal only, as does a full disk. A failed
 * append or flush ends the group with its error, and every later proposal with ERR_FAILED, because
 * what is on disk is unknown: the published image stays what it was, and a restart reads what is
 * there.
 *
 * Each opening begins a new leader epoch with a LeaderChange batch, so that what a lost unflushed
 * tail held can never be taken for what comes after it. The first proposal's flush covers that
 * batch, too: until then nobody has heard of the epoch. What was in the log before is flushed at
 * once, for it is shown at once.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/mutex.h"
#include "base/os.h"
#include "image_impl.h"
#include "leader_change.h"
#include "proposer.h"
#include "protocol/codec.h"
#include "protocol/messages.h"
#include "record/builder.h"
#include "replay.h"
#include "storage/log.h"

enum { GROUP_MAX = 256 };

/* One proposal on its way through the group. */
struct step {
    struct proposal *proposal;
    struct change change;
    struct image *image; /* owned: the image that holds it */
    err_t err;
    bool is_written;
};

struct proposer {
    struct proposer_local_options options;
    leader_epoch_t epoch;
    pthread_t thread;

    /* the thread's own */
    struct image *newest; /* owned: with everything appended, published or not */
    struct batch_builder builder;
    struct buf value;
    bool is_failed;

    struct mutex lock; /* RANK_LEAF: what follows */
    pthread_cond_t wake;
    struct list queue;
    bool is_closing;
    struct image *published; /* owned */
};

/* ---- writing ---- */

static err_t append(struct proposer *p, uint8_t *data, size_t len, koffset_t *last_offset)
{
    struct log_append batch = {.data = data};
    TRY(batch_header_parse(view_of(data, len), &batch.header));
    struct log *log = p->options.log;
    err_t err = log_append(log, &batch, 1, LOG_FROM_SELF, p->epoch);
    if (err == ERR_AGAIN) {
        TRY(log_roll(log));
        err = log_append(log, &batch, 1, LOG_FROM_SELF, p->epoch);
    }
    TRY(err);
    TRY(batch.err);
    *last_offset = batch.last_offset;
    return OK;
}

/* The change as one batch, in the builder's memory. */
static err_t build(struct proposer *p, const struct change *change)
{
    struct batch_options options = batch_options_default();
    options.base_offset = image_offset(p->newest) + 1;
    options.leader_epoch = p->epoch;
    TRY(batch_builder_reset(&p->builder, &options));
    time_ms_t now = env_wall_ms(p->options.env);
    for (const struct change_record *r = change->first; r; r = r->next) {
        buf_clear(&p->value);
        TRY(change_encode_record(r, &p->value));
        struct record record = {
            .offset = RECORD_OFFSET_NEXT,
            .timestamp = now,
            .key = {NULL, 0},
            .value = buf_view(&p->value),
        };
        TRY(batch_builder_append(&p->builder, &record));
    }
    struct view batch;
    return batch_builder_finish(&p->builder, &batch);
}

/* Whether the disk is in an unknown state after this. A full one is not. */
static bool is_fatal(err_t err)
{
    return err == ERR_IO || err == ERR_FAILED || err == ERR_CORRUPT || err == ERR_PERM;
}

static void fail(struct proposer *p, err_t err)
{
    if (p->is_failed) return;
    p->is_failed = true;
    diag(DIAG_ERROR, "metadata",
         "the metadata log cannot be written; metadata stays as it is until a restart in=%s: %s",
         log_path(p->options.log), err_name(err));
}

/* ---- one proposal ---- */

static err_t write_step(struct proposer *p, struct step *step)
{
    koffset_t last = image_offset(p->newest) + (koffset_t)step->change.count;
    TRY(build(p, &step->change));
    TRY(image_apply(p->newest, &step->change, last, &step->image));
    koffset_t written;
    struct buf *batch = &p->builder.out;
    err_t err = append(p, batch->data, batch->len, &written);
    if (err != OK) {
        if (is_fatal(err)) fail(p, err);
        image_unref(step->image);
        step->image = NULL;
        return err;
    }
    CHECK(written == last); /* nobody else appends to this log */
    step->is_written = true;
    image_unref(p->newest);
    p->newest = image_ref(step->image);
    return OK;
}

static void run_step(struct proposer *p, struct step *step)
{
    change_init(&step->change);
    step->err = p->is_failed ? ERR_FAILED : OK;
    if (step->err == OK) {
        step->err = step->proposal->decide(step->proposal, p->newest, &step->change);
    }
    if (step->err != OK) return;
    if (step->change.count > 0) {
        step->err = write_step(p, step);
    } else {
        step->image = image_ref(p->newest); /* nothing to do; true as of the one before */
    }
}

/* ---- a group ---- */

static void publish(struct proposer *p, struct image *image)
{
    mutex_lock(&p->lock);
    struct image *before = p->published;
    p->published = image_ref(image);
    mutex_unlock(&p->lock);
    image_unref(before);
}

static void finish_step(struct proposer *p, struct step *step)
{
    if (step->err == OK && step->is_written) {
        struct proposer_subscriber *s = &p->options.subscriber;
        if (s->apply) s->apply(s->arg, p->published, step->image, &step->change);
        publish(p, step->image);
    }
    change_release(&step->change);
    struct proposal *proposal = step->proposal;
    proposal->done(proposal, step->err, step->err == OK ? step->image : NULL);
    image_unref(step->image);
}

/* After a failed flush what was written may or may not be there: the images of the group are not
 * shown to anybody. */
static void fail_steps(struct proposer *p, struct step *steps, size_t count, err_t err)
{
    fail(p, err);
    for (size_t i = 0; i < count; i++) {
        if (steps[i].err == OK) steps[i].err = ERR_IO;
    }
    image_unref(p->newest);
    p->newest = image_ref(p->published);
}

static void run_group(struct proposer *p, struct step *steps, size_t count)
{
    bool is_written = false;
    for (size_t i = 0; i < count; i++) {
        run_step(p, &steps[i]);
        is_written = is_written || steps[i].is_written;
    }
    if (is_written) {
        koffset_t flushed;
        err_t err = p->is_failed ? ERR_FAILED : log_flush(p->options.log, &flushed);
        if (err != OK) fail_steps(p, steps, count, err);
    }
    for (size_t i = 0; i < count; i++) finish_step(p, &steps[i]);
}

/* Waits for work; 0 when the proposer closes and there is none. */
static size_t take_group(struct proposer *p, struct step steps[GROUP_MAX])
{
    size_t count = 0;
    mutex_lock(&p->lock);
    while (list_is_empty(&p->queue) && !p->is_closing) {
        pthread_cond_wait(&p->wake, &p->lock.lock);
    }
    while (count < GROUP_MAX && !list_is_empty(&p->queue)) {
        struct list *link = p->queue.next;
        list_remove(link);
        steps[count++] = (struct step){.proposal = CONTAINER_OF(link, struct proposal, link)};
    }
    mutex_unlock(&p->lock);
    return count;
}

static void *run(void *arg)
{
    struct proposer *p = arg;
    struct step *steps = must_calloc(GROUP_MAX, sizeof(*steps));
    size_t count;
    while ((count = take_group(p, steps)) > 0) run_group(p, steps, count);
    free(steps);
    return NULL;
}

/* ---- opening and closing ---- */

/* What a process left behind that ended before its flush. */
static err_t flush_tail(struct log *log)
{
    struct log_offsets offsets = log_offsets(log);
    koffset_t flushed;
    return offsets.flushed < offsets.end ? log_flush(log, &flushed) : OK;
}

/* A batch of our own in a new epoch; after an open transaction also the record that ends
 * it, as Kafka's controller does. */
static err_t begin_epoch(struct proposer *p, leader_epoch_t last_epoch)
{
    p->epoch = last_epoch + 1;
    struct leader_change change = {
        .node_id = p->options.node_id,
        .epoch = p->epoch,
        .base_offset = image_offset(p->newest) + 1,
        .timestamp = env_wall_ms(p->options.env),
    };
    struct buf batch = {0};
    koffset_t last;
    err_t err = leader_change_build(&change, &batch);
    if (err == OK) err = append(p, batch.data, batch.len, &last);
    buf_release(&batch);
    TRY(err);
    p->newest->offset = last;
    return OK;
}

static err_t abort_transaction(struct proposer *p)
{
    struct change change;
    change_init(&change);
    koffset_t last;
    err_t err = ERR_NOMEM;
    if (change_add(&change, RECORD_ID_ABORT_TRANSACTION_RECORD)) err = build(p, &change);
    if (err == OK) err = append(p, p->builder.out.data, p->builder.out.len, &last);
    if (err == OK) p->newest->offset = last;
    change_release(&change);
    return err;
}

static err_t load(struct proposer *p)
{
    struct replay replay;
    replay_init(&replay, p->options.cluster_id);
    const char *path = log_path(p->options.log);
    int64_t started_ns = env_mono_ns(p->options.env);
    err_t err = replay_snapshots(&replay, p->options.env, path);
    if (err == OK) err = replay_log(&replay, p->options.log);
    if (err == OK) err = flush_tail(p->options.log);
    if (err != OK) goto done;
    bool was_open = replay_drop_open(&replay);
    p->newest = image_ref(replay.image);
    leader_epoch_t epoch = MAX(replay.last_epoch, quorum_state_epoch(p->options.env->os, path));
    err = begin_epoch(p, epoch);
    if (err == OK && was_open) err = abort_transaction(p);
    if (err != OK) goto done;
    diag(DIAG_INFO, "metadata", "metadata loaded records=%lld topics=%zu offset=%lld ms=%lld",
         (long long)replay.record_count, image_topic_count(p->newest),
         (long long)image_offset(p->newest),
         (long long)(env_mono_ns(p->options.env) - started_ns) / 1000000);
done:
    replay_release(&replay);
    return err;
}

static void proposer_free(struct proposer *p)
{
    image_unref(p->newest);
    image_unref(p->published);
    batch_builder_release(&p->builder);
    buf_release(&p->value);
    pthread_cond_destroy(&p->wake);
    mutex_destroy(&p->lock);
    free(p);
}

err_t proposer_open_local(const struct proposer_local_options *options, struct proposer **out)
{
    if (strlen(options->cluster_id) > CLUSTER_ID_MAX) return ERR_INVALID;
    struct proposer *p = must_calloc(1, sizeof(*p));
    p->options = *options;
    mutex_init(&p->lock, RANK_LEAF);
    CHECK(pthread_cond_init(&p->wake, NULL) == 0);
    list_init(&p->queue);
    struct batch_options batch = batch_options_default();
    err_t err = batch_builder_init(&p->builder, &batch);
    if (err == OK) err = load(p);
    if (err != OK) goto failed;
    p->published = image_ref(p->newest);
    struct proposer_subscriber *s = &p->options.subscriber;
    if (s->apply) s->apply(s->arg, NULL, p->published, NULL);
    if (pthread_create(&p->thread, NULL, run, p) != 0) {
        err = ERR_LIMIT;
        goto failed;
    }
    *out = p;
    return OK;
failed:
    proposer_free(p);
    return err;
}

void proposer_close(struct proposer *proposer)
{
    if (!proposer) return;
    mutex_lock(&proposer->lock);
    proposer->is_closing = true;
    pthread_cond_signal(&proposer->wake);
    mutex_unlock(&proposer->lock);
    CHECK(pthread_join(proposer->thread, NULL) == 0);
    CHECK(list_is_empty(&proposer->queue));
    proposer_free(proposer);
}

void proposer_submit(struct proposer *proposer, struct proposal *proposal)
{
    mutex_lock(&proposer->lock);
    list_push_back(&proposer->queue, &proposal->link);
    pthread_cond_signal(&proposer->wake);
    mutex_unlock(&proposer->lock);
}

struct image *proposer_image(struct proposer *proposer)
{
    mutex_lock(&proposer->lock);
    struct image *image = image_ref(proposer->published);
    mutex_unlock(&proposer->lock);
    return image;
}
