/* broker_settings_merge - from texts to the values the broker uses, and the rules between them. */
#include "base/diag.h"
#include "broker_settings_impl.h"

/* ---- plain values: one line each ---- */

enum field_kind { FIELD_BOOL, FIELD_INT32, FIELD_INT64, FIELD_TEXT };

#define FIELD(kind, member, name)                                    \
    {                                                                \
        name, offsetof(struct broker_settings, member), FIELD_##kind \
    }

static const struct field {
    const char *name;
    size_t offset;
    enum field_kind kind;
} fields[] = {
    FIELD(INT32, node_id, "node.id"),
    FIELD(TEXT, cluster_id, "cluster.id"),
    FIELD(TEXT, rack, "broker.rack"),
    FIELD(INT32, network_threads, "num.network.threads"),
    FIELD(INT32, socket_listen_backlog, "socket.listen.backlog.size"),
    FIELD(INT32, socket_send_buffer_bytes, "socket.send.buffer.bytes"),
    FIELD(INT32, socket_receive_buffer_bytes, "socket.receive.buffer.bytes"),
    FIELD(INT32, socket_request_max_bytes, "socket.request.max.bytes"),
    FIELD(INT64, connections_max_idle_ms, "connections.max.idle.ms"),
    FIELD(INT32, max_connections, "max.connections"),
    FIELD(INT32, max_connections_per_ip, "max.connections.per.ip"),
    FIELD(TEXT, max_connections_per_ip_overrides, "max.connections.per.ip.overrides"),
    FIELD(INT32, queued_max_requests, "queued.max.requests"),
    FIELD(INT64, queued_max_request_bytes, "queued.max.request.bytes"),
    FIELD(BOOL, auto_create_topics_enable, "auto.create.topics.enable"),
    FIELD(BOOL, delete_topic_enable, "delete.topic.enable"),
    FIELD(INT32, num_partitions, "num.partitions"),
    FIELD(INT32, max_partitions, "max.partitions"),
    FIELD(INT32, max_request_partitions, "max.request.partition.size.limit"),
    FIELD(INT32, message_max_bytes, "message.max.bytes"),
    FIELD(INT32, fetch_max_bytes, "fetch.max.bytes"),
    FIELD(INT32, fetch_session_cache_slots, "max.incremental.fetch.session.cache.slots"),
    FIELD(INT32, producer_id_expiration_ms, "producer.id.expiration.ms"),
    FIELD(INT32, producer_id_expiration_check_interval_ms,
          "producer.id.expiration.check.interval.ms"),
    FIELD(INT32, background_threads, "background.threads"),
    FIELD(INT32, flush_threads, "log.flush.threads"),
    FIELD(INT32, read_threads, "log.read.threads"),
    FIELD(INT32, recovery_threads, "num.recovery.threads.per.data.dir"),
    FIELD(INT64, log_flush_dirty_bytes, "log.flush.dirty.bytes"),
    FIELD(INT64, log_flush_dirty_ms, "log.flush.dirty.ms"),
    FIELD(INT64, log_unflushed_max_bytes, "log.unflushed.max.bytes"),
    FIELD(INT64, log_dir_min_free_bytes, "log.dir.min.free.bytes"),
    FIELD(INT64, log_retention_check_interval_ms, "log.retention.check.interval.ms"),
    FIELD(INT64, recovery_point_checkpoint_interval_ms, "log.flush.offset.checkpoint.interval.ms"),
    FIELD(INT64, log_start_checkpoint_interval_ms, "log.flush.start.offset.checkpoint.interval.ms"),
    FIELD(INT64, high_watermark_checkpoint_interval_ms,
          "replica.high.watermark.checkpoint.interval.ms"),
    FIELD(INT64, metadata_log_segment_bytes, "metadata.log.segment.bytes"),
    FIELD(INT32, open_files, "log.open.files.max"),
    FIELD(INT32, mappings, "log.mappings.max"),
    FIELD(INT32, group_initial_rebalance_delay_ms, "group.initial.rebalance.delay.ms"),
    FIELD(INT32, group_min_session_timeout_ms, "group.min.session.timeout.ms"),
    FIELD(INT32, group_max_session_timeout_ms, "group.max.session.timeout.ms"),
    FIELD(INT32, group_max_size, "group.max.size"),
    FIELD(INT32, offsets_topic_num_partitions, "offsets.topic.num.partitions"),
    FIELD(INT32, offset_metadata_max_bytes, "offset.metadata.max.bytes"),
    FIELD(INT64, offsets_retention_check_interval_ms, "offsets.retention.check.interval.ms"),
    FIELD(INT32, transaction_max_timeout_ms, "transaction.max.timeout.ms"),
    FIELD(INT32, transaction_state_log_num_partitions, "transaction.state.log.num.partitions"),
};

static void fill_field(struct broker_settings *settings, const struct field *field)
{
    void *member = (char *)settings + field->offset;
    const char *text = broker_settings_get(settings, field->name);
    CHECK(text != NULL || field->kind == FIELD_TEXT);
    switch (field->kind) {
    case FIELD_BOOL: *(bool *)member = setting_parse_bool(text); break;
    case FIELD_INT32: *(int32_t *)member = (int32_t)setting_parse_long(text); break;
    case FIELD_INT64: *(int64_t *)member = setting_parse_long(text); break;
    case FIELD_TEXT: *(const char **)member = text; break;
    }
}

static bool is_set(const struct broker_settings *settings, const char *name)
{
    return broker_settings_source(settings, name) != SOURCE_DEFAULT;
}

/* ---- values that take a thought ---- */

const char **settings_split(struct broker_settings *settings, const char *text, int32_t *count)
{
    struct arena *arena = &settings->values->arena;
    struct view rest = view_str(text), element;
    *count = 0;
    while (setting_list_next(&rest, &element)) *count += 1;
    const char **list = arena_calloc(arena, (size_t)*count, sizeof(*list));
    rest = view_str(text);
    for (int32_t i = 0; list && setting_list_next(&rest, &element); i++) {
        list[i] = arena_strndup(arena, element.data, element.len);
        if (!list[i]) return NULL;
    }
    return list;
}

static err_t merge_node_id(struct broker_settings *settings, struct buf *errors)
{
    const char *old = broker_settings_get(settings, "broker.id");
    int32_t old_id = (int32_t)setting_parse_long(old);
    if (old_id < 0) return OK;
    if (is_set(settings, "node.id") && settings->node_id != old_id) {
        return settings_complain(errors, settings_where(settings, "broker.id"),
                                 "Invalid value \"%s\" for broker.id: node.id is %d, set one of "
                                 "them only",
                                 old, settings->node_id);
    }
    settings->node_id = old_id;
    return OK;
}

static err_t merge_cluster_id(struct broker_settings *settings, struct buf *errors)
{
    if (!settings->cluster_id) return OK;
    /* Kafka takes any text as a cluster's id; ours have to fit where they are kept. */
    size_t len = strlen(settings->cluster_id);
    if (len >= 1 && len <= 63) return OK;
    return settings_complain(errors, settings_where(settings, "cluster.id"),
                             "Invalid value \"%s\" for cluster.id: allowed is a text of 1 to 63 "
                             "bytes, usually 22 of base64",
                             settings->cluster_id);
}

static err_t check_log_dirs(const struct broker_settings *settings, const char *where,
                            struct buf *errors)
{
    if (settings->log_dir_count == 0) {
        return settings_complain(
            errors, where, "Invalid value \"\" for log.dirs: allowed is at least one directory");
    }
    for (int32_t i = 0; i < settings->log_dir_count; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (strcmp(settings->log_dirs[i], settings->log_dirs[j]) != 0) continue;
            return settings_complain(errors, where,
                                     "Invalid value for log.dirs: \"%s\" is in it twice",
                                     settings->log_dirs[i]);
        }
    }
    return OK;
}

static err_t merge_log_dirs(struct broker_settings *settings, struct buf *errors)
{
    const char *name = "log.dirs";
    if (!is_set(settings, name) && is_set(settings, "log.dir")) name = "log.dir";
    const char *where = settings_where(settings, name);
    settings->log_dirs = settings_split(settings, broker_settings_get(settings, name),
                                        &settings->log_dir_count);
    if (!settings->log_dirs) return ERR_NOMEM;
    TRY(check_log_dirs(settings, where, errors));
    const char *metadata = broker_settings_get(settings, "metadata.log.dir");
    settings->metadata_log_dir = settings->log_dirs[0];
    if (!metadata) return OK;
    for (int32_t i = 0; i < settings->log_dir_count; i++) {
        if (strcmp(settings->log_dirs[i], metadata) != 0) continue;
        settings->metadata_log_dir = settings->log_dirs[i];
        return OK;
    }
    return settings_complain(errors, settings_where(settings, "metadata.log.dir"),
                             "Invalid value \"%s\" for metadata.log.dir: allowed is one of "
                             "log.dirs",
                             metadata);
}

/* Admission must let the largest request in, or it would wait for ever. */
static err_t merge_admission(struct broker_settings *settings, struct buf *errors)
{
    int64_t *bound = &settings->queued_max_request_bytes;
    if (*bound < 0 || *bound >= settings->socket_request_max_bytes) return OK;
    if (!is_set(settings, "queued.max.request.bytes")) {
        *bound = settings->socket_request_max_bytes;
        return OK;
    }
    return settings_complain(errors, settings_where(settings, "queued.max.request.bytes"),
                             "Invalid value \"%lld\" for queued.max.request.bytes: allowed is -1, "
                             "or at least socket.request.max.bytes, which is %d",
                             (long long)*bound, settings->socket_request_max_bytes);
}

static err_t check_sessions(const struct broker_settings *settings, struct buf *errors)
{
    if (settings->group_min_session_timeout_ms <= settings->group_max_session_timeout_ms) {
        return OK;
    }
    return settings_complain(errors, settings_where(settings, "group.min.session.timeout.ms"),
                             "Invalid value \"%d\" for group.min.session.timeout.ms: allowed is at "
                             "most group.max.session.timeout.ms, which is %d",
                             settings->group_min_session_timeout_ms,
                             settings->group_max_session_timeout_ms);
}

static err_t merge_rest(struct broker_settings *settings)
{
    const char *durability = broker_settings_get(settings, "log.durability");
    settings->durability = strcmp(durability, "fsync") == 0 ? DURABILITY_FSYNC
                                                            : DURABILITY_PAGE_CACHE;
    settings->offsets_retention_ms =
        setting_parse_long(broker_settings_get(settings, "offsets.retention.minutes")) * 60000;
    enum diag_level level;
    CHECK(diag_parse_level(broker_settings_get(settings, "diag.level"), &level));
    settings->diag_level = (int)level;
    return OK;
}

err_t settings_merge(struct broker_settings *settings, struct buf *errors)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) fill_field(settings, &fields[i]);
    /* Every problem is told, not only the first. */
    const err_t results[] = {
        merge_node_id(settings, errors),
        merge_cluster_id(settings, errors),
        merge_log_dirs(settings, errors),
        merge_admission(settings, errors),
        check_sessions(settings, errors),
        merge_rest(settings),
        settings_merge_listeners(settings, errors),
    };
    err_t worst = OK;
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        if (results[i] == ERR_NOMEM || worst == OK) worst = results[i];
    }
    return worst;
}
