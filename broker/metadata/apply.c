/* apply - what each metadata record means for the image: one function a record type.
 *
 * Types that only others need (quotas, access rules, credentials, controllers) are in the table
 * without a function: they stay in the log and change nothing here. Metadata transactions are the
 * loader's business (replay.c): a change is atomic by itself.
 */
#include "apply.h"

#include "base/check.h"
#include "base/diag.h"
#include "image_impl.h"
#include "protocol/codec.h"
#include "protocol/records.h"

static bool is_null(struct view v) { return v.data == NULL; }

/* ---- topics ---- */

static err_t apply_topic(struct image *image, const void *data)
{
    const struct topic_record *r = data;
    return image_add_topic(image, r->name, r->topic_id);
}

static err_t apply_remove_topic(struct image *image, const void *data)
{
    const struct remove_topic_record *r = data;
    return image_remove_topic(image, r->topic_id);
}

/* Directories go with replicas, one each; before Kafka 3.7 there were none. */
static const struct uuid *directories_of(const struct uuid *directories, int32_t count,
                                         int32_t replicas)
{
    return count > 0 && count == replicas ? directories : NULL;
}

static bool has_extra(const struct image_partition_extra *extra)
{
    return extra->removing_count || extra->adding_count || extra->eligible_count ||
           extra->last_known_eligible_count || extra->is_recovering;
}

static err_t apply_partition(struct image *image, const void *data)
{
    const struct partition_record *r = data;
    struct image_partition_extra extra = {
        .removing = r->removing_replicas,
        .removing_count = r->removing_replicas_count,
        .adding = r->adding_replicas,
        .adding_count = r->adding_replicas_count,
        .eligible = r->eligible_leader_replicas,
        .eligible_count = MAX(r->eligible_leader_replicas_count, 0),
        .last_known_eligible = r->last_known_elr,
        .last_known_eligible_count = MAX(r->last_known_elr_count, 0),
        .is_recovering = r->leader_recovery_state == 1,
    };
    struct image_partition partition = {
        .replicas = r->replicas,
        .replica_count = r->replicas_count,
        .isr = r->isr,
        .isr_count = r->isr_count,
        .directories = directories_of(r->directories, r->directories_count, r->replicas_count),
        .leader = r->leader,
        .leader_epoch = r->leader_epoch,
        .partition_epoch = r->partition_epoch,
        .extra = has_extra(&extra) ? &extra : NULL,
    };
    return image_put_partition(image, r->topic_id, r->partition_id, &partition);
}

/* A null array leaves what is there. */
static void change_ids(const int32_t **ids, int32_t *count, const int32_t *new_ids,
                       int32_t new_count)
{
    if (new_count < 0) return;
    *ids = new_ids;
    *count = new_count;
}

static void change_extra(struct image_partition_extra *extra,
                         const struct partition_change_record *r)
{
    change_ids(&extra->removing, &extra->removing_count, r->removing_replicas,
               r->removing_replicas_count);
    change_ids(&extra->adding, &extra->adding_count, r->adding_replicas, r->adding_replicas_count);
    change_ids(&extra->eligible, &extra->eligible_count, r->eligible_leader_replicas,
               r->eligible_leader_replicas_count);
    change_ids(&extra->last_known_eligible, &extra->last_known_eligible_count, r->last_known_elr,
               r->last_known_elr_count);
    if (r->leader_recovery_state >= 0) extra->is_recovering = r->leader_recovery_state == 1;
}

static err_t apply_partition_change(struct image *image, const void *data)
{
    const struct partition_change_record *r = data;
    const struct image_topic *topic = image_topic_by_id(image, r->topic_id);
    if (!topic || r->partition_id < 0 || r->partition_id >= topic->partition_count) {
        return ERR_INVALID;
    }
    struct image_partition partition = topic->partitions[r->partition_id];
    struct image_partition_extra extra = {0};
    if (partition.extra) extra = *partition.extra;
    change_extra(&extra, r);
    partition.extra = has_extra(&extra) ? &extra : NULL;
    int32_t replicas_before = partition.replica_count;
    change_ids(&partition.isr, &partition.isr_count, r->isr, r->isr_count);
    change_ids(&partition.replicas, &partition.replica_count, r->replicas, r->replicas_count);
    if (r->directories_count >= 0) {
        partition.directories = directories_of(r->directories, r->directories_count,
                                               partition.replica_count);
    } else if (partition.replica_count != replicas_before) {
        partition.directories = NULL;
    }
    if (r->leader != -2) { /* -2: it stays; else also a leader that is elected again counts */
        partition.leader = r->leader;
        partition.leader_epoch++;
    }
    partition.partition_epoch++;
    return image_put_partition(image, r->topic_id, r->partition_id, &partition);
}

/* ---- brokers ---- */

static char *text_of(struct arena *arena, struct view text)
{
    return is_null(text) ? NULL : arena_strndup(arena, text.data, text.len);
}

static err_t apply_register_broker(struct image *image, const void *data)
{
    const struct register_broker_record *r = data;
    struct arena scratch;
    arena_init(&scratch, 0);
    err_t err = ERR_NOMEM;
    struct image_endpoint *endpoints = arena_calloc(&scratch, (size_t)r->end_points_count,
                                                    sizeof(*endpoints));
    if (!endpoints) goto done;
    for (int32_t i = 0; i < r->end_points_count; i++) {
        const struct register_broker_record_endpoint *from = &r->end_points[i];
        endpoints[i] = (struct image_endpoint){text_of(&scratch, from->name),
                                               text_of(&scratch, from->host), from->port,
                                               from->security_protocol};
        if (!endpoints[i].listener || !endpoints[i].host) goto done;
    }
    struct image_broker broker = {
        .id = r->broker_id,
        .epoch = r->broker_epoch,
        .incarnation = r->incarnation_id,
        .rack = text_of(&scratch, r->rack),
        .is_fenced = r->fenced,
        .endpoints = endpoints,
        .endpoint_count = r->end_points_count,
    };
    err = r->broker_id < 0 ? ERR_INVALID : OK;
    if (err == OK) image_put_broker(image, &broker);
done:
    arena_release(&scratch);
    return err;
}

/* A record about a broker names the registration it means. */
static err_t check_epoch(const struct image *image, int32_t id, int64_t epoch)
{
    const struct image_broker *broker = image_broker(image, id);
    return broker && broker->epoch == epoch ? OK : ERR_INVALID;
}

static err_t apply_unregister_broker(struct image *image, const void *data)
{
    const struct unregister_broker_record *r = data;
    TRY(check_epoch(image, r->broker_id, r->broker_epoch));
    return image_remove_broker(image, r->broker_id);
}

static err_t apply_fence(struct image *image, const void *data)
{
    const struct fence_broker_record *r = data;
    TRY(check_epoch(image, r->id, r->epoch));
    return image_fence_broker(image, r->id, true);
}

static err_t apply_unfence(struct image *image, const void *data)
{
    const struct unfence_broker_record *r = data;
    TRY(check_epoch(image, r->id, r->epoch));
    return image_fence_broker(image, r->id, false);
}

static err_t apply_registration_change(struct image *image, const void *data)
{
    const struct broker_registration_change_record *r = data;
    TRY(check_epoch(image, r->broker_id, r->broker_epoch));
    if (r->fenced == 0) return OK;
    return image_fence_broker(image, r->broker_id, r->fenced > 0);
}

/* ---- the rest ---- */

static err_t apply_config(struct image *image, const void *data)
{
    const struct config_record *r = data;
    return image_put_config(image, (enum config_resource_type)(uint8_t)r->resource_type,
                            r->resource_name, r->name, r->value);
}

static err_t apply_feature_level(struct image *image, const void *data)
{
    const struct feature_level_record *r = data;
    /* Names are handed out as C strings. */
    if (r->name.len && memchr(r->name.data, 0, r->name.len)) return ERR_INVALID;
    image_put_feature(image, r->name, r->feature_level);
    return OK;
}

static err_t apply_producer_ids(struct image *image, const void *data)
{
    const struct producer_ids_record *r = data;
    if (r->next_producer_id <= image->next_producer_id) return ERR_INVALID; /* ids never return */
    image->next_producer_id = r->next_producer_id;
    return OK;
}

static err_t apply_nothing(struct image *image, const void *data)
{
    (void)image, (void)data;
    return OK;
}

static err_t refuse(struct image *image, const void *data)
{
    (void)image, (void)data;
    return ERR_INVALID;
}

typedef err_t (*apply_fn)(struct image *image, const void *data);

static const apply_fn functions[] = {
    [RECORD_ID_REGISTER_BROKER_RECORD] = apply_register_broker,
    [RECORD_ID_UNREGISTER_BROKER_RECORD] = apply_unregister_broker,
    [RECORD_ID_TOPIC_RECORD] = apply_topic,
    [RECORD_ID_PARTITION_RECORD] = apply_partition,
    [RECORD_ID_CONFIG_RECORD] = apply_config,
    [RECORD_ID_PARTITION_CHANGE_RECORD] = apply_partition_change,
    [RECORD_ID_FENCE_BROKER_RECORD] = apply_fence,
    [RECORD_ID_UNFENCE_BROKER_RECORD] = apply_unfence,
    [RECORD_ID_REMOVE_TOPIC_RECORD] = apply_remove_topic,
    [RECORD_ID_FEATURE_LEVEL_RECORD] = apply_feature_level,
    [RECORD_ID_PRODUCER_IDS_RECORD] = apply_producer_ids,
    [RECORD_ID_BROKER_REGISTRATION_CHANGE_RECORD] = apply_registration_change,
    [RECORD_ID_NO_OP_RECORD] = apply_nothing,
    [RECORD_ID_BEGIN_TRANSACTION_RECORD] = refuse,
    [RECORD_ID_END_TRANSACTION_RECORD] = refuse,
    [RECORD_ID_ABORT_TRANSACTION_RECORD] = refuse,
};

err_t image_apply_record(struct image *image, const struct change_record *record)
{
    const struct message *message = record_find(RECORD_SET_METADATA, record->type);
    CHECK(message != NULL);
    apply_fn apply = (size_t)record->type < COUNT_OF(functions) ? functions[record->type] : NULL;
    if (!apply) {
        diag(DIAG_DEBUG, "metadata", "a record is kept and ignored type=%s", message->name);
        return OK;
    }
    err_t err = apply(image, record->data);
    if (err == ERR_INVALID) {
        diag(DIAG_ERROR, "metadata",
             "a record contradicts the metadata before it type=%s after_offset=%lld", message->name,
             (long long)image->offset);
    }
    return err;
}

err_t image_apply(const struct image *image, const struct change *change, koffset_t offset,
                  struct image **out)
{
    CHECK(offset >= image->offset);
    struct image *next = image_next(image);
    for (struct change_record *record = change->first; record; record = record->next) {
        err_t err = image_apply_record(next, record);
        if (err == OK) continue;
        image_unref(next);
        return err;
    }
    next->offset = offset;
    *out = next;
    return OK;
}
