/* proposer_fixture - a proposer on a log of its own, and proposals that a test can wait for.
 *
 * Header only; the test's thread owns the fixture.
 */
#pragma once

#include <pthread.h>

#include "lib/log_fixture.h"
#include "metadata/proposer.h"
#include "protocol/messages.h"
#include "test.h"

struct proposer_fixture {
    struct log_fixture log;
    struct proposer *proposer;
    struct proposer_subscriber subscriber; /* set before opening */
};

static inline void fixture_init(struct proposer_fixture *f, const struct os *os, const char *dir)
{
    *f = (struct proposer_fixture){0};
    log_fixture_init(&f->log, os, dir);
    snprintf(f->log.path, sizeof(f->log.path), "%s/__cluster_metadata-0", dir);
}

static inline err_t fixture_open_proposer(struct proposer_fixture *f)
{
    struct proposer_local_options options = {
        .env = &f->log.env,
        .log = f->log.log,
        .cluster_id = "cluster",
        .node_id = 1,
        .subscriber = f->subscriber,
    };
    return proposer_open_local(&options, &f->proposer);
}

static inline err_t fixture_open(struct proposer_fixture *f, bool clean)
{
    err_t err = log_fixture_open(&f->log, clean, 0);
    if (err != OK) return err;
    return fixture_open_proposer(f);
}

static inline void fixture_close(struct proposer_fixture *f)
{
    proposer_close(f->proposer);
    f->proposer = NULL;
    if (f->log.log) (void)!log_fixture_close(&f->log, true);
}

static inline void fixture_release(struct proposer_fixture *f)
{
    fixture_close(f);
    log_fixture_release(&f->log);
}

/* ---- proposals ---- */

/* Creates one topic with some partitions, or does what `decide` says. */
struct create {
    struct proposal proposal;
    char name[32];
    uint32_t id;
    int32_t partitions;
    err_t wanted; /* decide() gives this; ERR_INVALID: a change that contradicts itself */
    bool adds_nothing;
    size_t topics_seen; /* by decide() */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_done;
    err_t err;
    koffset_t offset;
};

static inline err_t create_decide(struct proposal *proposal, const struct image *image,
                                  struct change *change)
{
    struct create *c = CONTAINER_OF(proposal, struct create, proposal);
    static int32_t one[] = {1};
    c->topics_seen = image_topic_count(image);
    if (c->adds_nothing) return OK;
    if (c->wanted != OK && c->wanted != ERR_INVALID) return c->wanted;
    for (int i = 0; i <= (c->wanted == ERR_INVALID); i++) {
        struct topic_record *topic = change_add(change, RECORD_ID_TOPIC_RECORD);
        if (!topic) return ERR_NOMEM;
        topic->name = view_str(c->name);
        topic->topic_id = test_id(c->id);
    }
    for (int32_t i = 0; i < c->partitions; i++) {
        struct partition_record *p = change_add(change, RECORD_ID_PARTITION_RECORD);
        if (!p) return ERR_NOMEM;
        p->topic_id = test_id(c->id);
        p->partition_id = i;
        p->replicas = p->isr = one;
        p->replicas_count = p->isr_count = 1;
        p->leader = 1;
        p->leader_epoch = p->partition_epoch = 0;
    }
    return OK;
}

static inline void create_done(struct proposal *proposal, err_t err, const struct image *image)
{
    struct create *c = CONTAINER_OF(proposal, struct create, proposal);
    pthread_mutex_lock(&c->lock);
    c->err = err;
    c->offset = image ? image_offset(image) : -1;
    c->is_done = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

static inline void create_init(struct create *c, uint32_t id, int32_t partitions)
{
    *c = (struct create){.proposal = {.decide = create_decide, .done = create_done},
                         .id = id,
                         .partitions = partitions};
    snprintf(c->name, sizeof(c->name), "topic-%u", id);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
}

static inline err_t create_wait(struct create *c)
{
    pthread_mutex_lock(&c->lock);
    while (!c->is_done) pthread_cond_wait(&c->wake, &c->lock);
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    return c->err;
}

/* One topic, from beginning to end. */
static inline err_t create_topic(struct proposer_fixture *f, uint32_t id, int32_t partitions)
{
    struct create c;
    create_init(&c, id, partitions);
    proposer_submit(f->proposer, &c.proposal);
    return create_wait(&c);
}

static inline bool has_topic(struct proposer_fixture *f, uint32_t id, int32_t partitions)
{
    char name[32];
    snprintf(name, sizeof(name), "topic-%u", id);
    struct image *image = proposer_image(f->proposer);
    const struct image_topic *topic = image_topic(image, view_str(name));
    bool has = topic && topic->partition_count == partitions && uuid_eq(topic->id, test_id(id));
    image_unref(image);
    return has;
}

static inline size_t topic_count(struct proposer_fixture *f)
{
    struct image *image = proposer_image(f->proposer);
    size_t count = image_topic_count(image);
    image_unref(image);
    return count;
}
