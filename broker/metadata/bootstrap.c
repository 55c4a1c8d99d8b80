/* bootstrap - see bootstrap.h. */
#include "bootstrap.h"

#include "base/check.h"
#include "base/mutex.h"
#include "protocol/codec.h"
#include "protocol/messages.h"

/* ---- brokers ---- */

static err_t decide_feature(const struct bootstrap *b, const struct image *image,
                            struct change *change)
{
    if (image_feature(image, "metadata.version") >= 0) return OK;
    struct feature_level_record *r = change_add(change, RECORD_ID_FEATURE_LEVEL_RECORD);
    if (!r) return ERR_NOMEM;
    r->name = view_str("metadata.version");
    r->feature_level = b->metadata_version;
    return OK;
}

static err_t decide_registration(const struct bootstrap *b, const struct image *image,
                                 struct change *change)
{
    koffset_t epoch = change_next_offset(change, image);
    struct register_broker_record *r = change_add(change, RECORD_ID_REGISTER_BROKER_RECORD);
    struct register_broker_record_endpoint *endpoints = CODEC_NEW(
        &change->arena, register_broker_record_endpoint, (size_t)b->endpoint_count);
    struct register_broker_record_feature *feature = CODEC_NEW(&change->arena,
                                                               register_broker_record_feature, 1);
    if (!r || !endpoints || !feature) return ERR_NOMEM;
    for (int32_t i = 0; i < b->endpoint_count; i++) {
        endpoints[i].name = view_str(b->endpoints[i].listener);
        endpoints[i].host = view_str(b->endpoints[i].host);
        endpoints[i].port = (uint16_t)b->endpoints[i].port;
        endpoints[i].security_protocol = b->endpoints[i].security_protocol;
    }
    feature->name = view_str("metadata.version");
    feature->min_supported_version = 1;
    feature->max_supported_version = b->metadata_version;
    r->broker_id = b->node_id;
    r->incarnation_id = b->incarnation;
    r->broker_epoch = epoch;
    r->end_points = endpoints;
    r->end_points_count = b->endpoint_count;
    r->features = feature;
    r->features_count = 1;
    r->rack = b->rack ? view_str(b->rack) : (struct view){0};
    r->fenced = false;
    r->log_dirs = (struct uuid *)b->directories;
    r->log_dirs_count = b->directory_count;
    return OK;
}

static err_t fence_others(const struct bootstrap *b, const struct image *image,
                          struct change *change)
{
    for (size_t i = 0; i < image_broker_count(image); i++) {
        const struct image_broker *other = image_broker_at(image, i);
        if (other->id == b->node_id || other->is_fenced) continue;
        struct broker_registration_change_record *r = change_add(
            change, RECORD_ID_BROKER_REGISTRATION_CHANGE_RECORD);
        if (!r) return ERR_NOMEM;
        r->broker_id = other->id;
        r->broker_epoch = other->epoch;
        r->fenced = 1;
    }
    return OK;
}

/* ---- partitions ---- */

static bool has_id(const int32_t *ids, int32_t count, int32_t id)
{
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] == id) return true;
    }
    return false;
}

/* Who holds every committed record: the in-sync set, and those that left it last (KIP-966). A set
 * can be empty: Apache Kafka's last broker moves itself to the eligible replicas when it stops. */
static bool holds_everything(const struct image_partition *p, int32_t node_id)
{
    if (has_id(p->isr, p->isr_count, node_id)) return true;
    const struct image_partition_extra *extra = p->extra;
    if (!extra || p->isr_count > 0) return false;
    return has_id(extra->eligible, extra->eligible_count, node_id) ||
           has_id(extra->last_known_eligible, extra->last_known_eligible_count, node_id);
}

static err_t decide_partition(const struct bootstrap *b, const struct image_topic *topic,
                              int32_t index, struct change *change)
{
    const struct image_partition *p = &topic->partitions[index];
    if (!holds_everything(p, b->node_id)) return OK; /* others had newer records */
    bool is_led_here = p->leader == b->node_id && p->isr_count == 1;
    if (is_led_here && !b->has_lost_records) return OK;
    struct partition_change_record *r = change_add(change, RECORD_ID_PARTITION_CHANGE_RECORD);
    int32_t *isr = arena_alloc(&change->arena, sizeof(*isr));
    if (!r || !isr) return ERR_NOMEM;
    r->topic_id = topic->id;
    r->partition_id = index;
    r->leader = b->node_id;
    if (p->isr_count != 1) {
        *isr = b->node_id;
        r->isr = isr;
        r->isr_count = 1;
    }
    if (p->extra && p->extra->eligible_count + p->extra->last_known_eligible_count > 0) {
        change->last->version = 2;         /* the first that knows these */
        r->eligible_leader_replicas = isr; /* emptied: a count of 0 with an address is not null */
        r->eligible_leader_replicas_count = 0;
        r->last_known_elr = isr;
        r->last_known_elr_count = 0;
    }
    return OK;
}

static err_t take_partitions(const struct bootstrap *b, const struct image *image,
                             struct change *change)
{
    for (size_t i = 0; i < image_topic_count(image); i++) {
        const struct image_topic *topic = image_topic_at(image, i);
        for (int32_t index = 0; index < topic->partition_count; index++) {
            TRY(decide_partition(b, topic, index, change));
        }
    }
    return OK;
}

err_t bootstrap_decide(const struct bootstrap *bootstrap, const struct image *image,
                       struct change *change)
{
    TRY(decide_feature(bootstrap, image, change));
    TRY(decide_registration(bootstrap, image, change));
    TRY(fence_others(bootstrap, image, change));
    return take_partitions(bootstrap, image, change);
}

/* ---- proposing it ---- */

struct run {
    struct proposal proposal;
    const struct bootstrap *bootstrap;
    struct mutex lock;
    pthread_cond_t wake;
    bool is_done;
    err_t err;
};

static err_t run_decide(struct proposal *proposal, const struct image *image, struct change *change)
{
    struct run *run = CONTAINER_OF(proposal, struct run, proposal);
    return bootstrap_decide(run->bootstrap, image, change);
}

static void run_done(struct proposal *proposal, err_t err, const struct image *image)
{
    (void)image;
    struct run *run = CONTAINER_OF(proposal, struct run, proposal);
    mutex_lock(&run->lock);
    run->err = err;
    run->is_done = true;
    pthread_cond_signal(&run->wake);
    mutex_unlock(&run->lock);
}

err_t bootstrap_run(const struct bootstrap *bootstrap, struct proposer *proposer)
{
    struct run run = {
        .proposal = {.decide = run_decide, .done = run_done},
        .bootstrap = bootstrap,
    };
    mutex_init(&run.lock, RANK_LEAF);
    CHECK(pthread_cond_init(&run.wake, NULL) == 0);
    proposer_submit(proposer, &run.proposal);
    mutex_lock(&run.lock);
    while (!run.is_done) pthread_cond_wait(&run.wake, &run.lock.lock);
    mutex_unlock(&run.lock);
    pthread_cond_destroy(&run.wake);
    mutex_destroy(&run.lock);
    return run.err;
}
