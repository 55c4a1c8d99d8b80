/* Putting one node together, and taking it apart.
 *
 *   directories (locks, identity) -> loops -> listeners bound, so that a taken port shows at once
 *   -> metadata log -> proposer: the first image opens every partition -> registration -> serve
 *
 * Closing goes backwards, and is also what a failed opening does with what there is by then: the
 * connections go first, then the workers are drained and the proposer closed, so that nothing runs
 * any more which could touch a request or a partition, then logs, directories and pools.
 */
#include "broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/os.h"
#include "dispatch.h"
#include "fetch_sessions.h"
#include "metadata/bootstrap.h"
#include "producer_ids.h"
#include "protocol/messages.h"
#include "versions.h"

enum {
    PATH_BYTES = 4096,
    ADMIN_THREADS = 2,
    STOP_GRACE_MS = 2000,
    REQUEST_LEGS = 4,            /* at most so many times a request goes to a worker and back */
    REPLY_BYTES_MAX = 512 << 10, /* waiting to be sent on one connection before it stops reading */
    LOOPS_MAX = 64,
    LOOPS_DEFAULT_MAX = 8,
    HANDLES_MIN = 128, /* open files and mappings of logs, whatever the system says */
    HANDLES_MAX = 1 << 19,
};

static const char METADATA_TOPIC[] = "__cluster_metadata";

/* ---- directories ---- */

static bool has_identity(const struct env *env, const char *path)
{
    char file[PATH_BYTES];
    struct os_stat st;
    int n = snprintf(file, sizeof file, "%s/meta.properties", path);
    return n > 0 && (size_t)n < sizeof file && env->os->stat(env->os, file, &st) == 0;
}

static err_t open_dir(struct broker *broker, int i, struct log_dir_identity *identity)
{
    identity->node_id = broker->settings->node_id;
    return log_dir_open(broker->env, broker->settings->log_dirs[i], identity, &broker->dirs[i]);
}

/* Those that know their cluster come first, so that a new directory beside them joins it. */
static err_t open_dirs(struct broker *broker)
{
    const struct broker_settings *s = broker->settings;
    struct log_dir_identity identity = {0};
    if (s->cluster_id)
        snprintf(identity.cluster_id, sizeof identity.cluster_id, "%s", s->cluster_id);
    broker->dirs = calloc((size_t)s->log_dir_count, sizeof(struct log_dir *));
    if (!broker->dirs) return ERR_NOMEM;
    broker->dir_count = s->log_dir_count;
    for (int i = 0; i < broker->dir_count; i++)
        if (has_identity(broker->env, s->log_dirs[i])) TRY(open_dir(broker, i, &identity));
    for (int i = 0; i < broker->dir_count; i++)
        if (!broker->dirs[i]) TRY(open_dir(broker, i, &identity));
    memcpy(broker->cluster_id, identity.cluster_id, sizeof broker->cluster_id);
    return OK;
}

static struct log_dir *metadata_dir(const struct broker *broker)
{
    for (int i = 0; i < broker->dir_count; i++)
        if (strcmp(broker->settings->log_dirs[i], broker->settings->metadata_log_dir) == 0)
            return broker->dirs[i];
    return broker->dirs[0];
}

/* ---- bounds of the system ---- */

static int file_bound(const struct broker_settings *settings)
{
    struct rlimit limit;
    if (settings->open_files > 0) return settings->open_files;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return HANDLES_MIN;
    return (int)MIN(MAX(limit.rlim_cur / 2, (rlim_t)HANDLES_MIN), (rlim_t)HANDLES_MAX);
}

static int mapping_bound(const struct env *env, const struct broker_settings *settings)
{
    if (settings->mappings > 0) return settings->mappings;
    struct buf text = {0};
    long allowed = 0;
    if (os_read_file(env->os, "/proc/sys/vm/max_map_count", 64, &text) == OK)
        allowed = strtol((const char *)text.data, NULL, 10);
    buf_release(&text);
    return (int)MIN(MAX(allowed / 2, HANDLES_MIN), HANDLES_MAX);
}

static int loop_count(const struct broker_settings *settings)
{
    if (settings->network_threads > 0) return MIN(settings->network_threads, LOOPS_MAX);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return (int)MIN(MAX(cores, 1), LOOPS_DEFAULT_MAX);
}

/* ---- threads ---- */

static err_t open_pools(struct broker *broker)
{
    const struct broker_settings *s = broker->settings;
    int dirs = broker->dir_count;
    TRY(worker_pool_new("flush", s->flush_threads * dirs, &broker->flushers));
    TRY(worker_pool_new("housekeep", s->background_threads, &broker->housekeepers));
    TRY(worker_pool_new("open", s->recovery_threads * dirs, &broker->openers));
    TRY(worker_pool_new("admin", ADMIN_THREADS, &broker->admin));
    return worker_pool_new("read", s->read_threads * dirs, &broker->cold_readers);
}

static err_t open_server(struct broker *broker)
{
    const struct broker_settings *s = broker->settings;
    struct server_options options = {
        .loops = loop_count(s),
        .max_frame_bytes = s->socket_request_max_bytes,
        .max_buffered_bytes = s->queued_max_request_bytes,
        .max_reply_bytes = REPLY_BYTES_MAX,
        .max_connections = s->max_connections,
        .max_connections_per_ip = s->max_connections_per_ip,
        .idle_timeout_ms = s->connections_max_idle_ms,
        .send_buffer_bytes = s->socket_send_buffer_bytes,
        .receive_buffer_bytes = s->socket_receive_buffer_bytes,
        .backlog = s->socket_listen_backlog,
        .cold_readers = broker->cold_readers,
    };
    return server_new(&options, &broker->server);
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static err_t open_listeners(struct broker *broker)
{
    const struct broker_settings *s = broker->settings;
    broker->listeners = calloc((size_t)s->listener_count, sizeof *broker->listeners);
    if (!broker->listeners) return ERR_NOMEM;
    for (int i = 0; i < s->listener_count; i++) {
        const struct broker_listener *in = &s->listeners[i];
        broker->listeners[i] = (struct server_listener){in->name, in->host, in->port};
        TRY(server_listen(broker->server, &broker->listeners[i],
                          dispatch_service(broker->dispatch)));
        if (!is_loopback(in->host))
            diag(DIAG_WARN, "broker",
                 "whoever reaches this address may do everything: there is no authentication "
                 "listener=%s address=%s:%d",
                 in->name, in->host[0] ? in->host : "*", broker->listeners[i].port);
    }
    return OK;
}

/* ---- partitions and metadata ---- */

/* The settings with the dynamic values of the newest image laid on top: used on the proposer's
 * thread only, where topics' settings are merged. */
static const char *effective(void *arg, const char *name)
{
    const struct broker *broker = arg;
    return broker_settings_get(broker->effective, name);
}

static const char *effective_at(void *arg, const char *name, enum setting_source source)
{
    const struct broker *broker = arg;
    return broker_settings_get_at(broker->effective, name, source);
}

static bool concerns_brokers(const struct change *change)
{
    for (const struct change_record *r = change->first; r; r = r->next)
        if (r->type == RECORD_ID_CONFIG_RECORD &&
            ((const struct config_record *)r->data)->resource_type == CONFIG_BROKER)
            return true;
    return false;
}

static void apply_image(void *arg, const struct image *before, const struct image *after,
                        const struct change *change)
{
    struct broker *broker = arg;
    struct broker_settings *overlaid = NULL;
    if ((!change || concerns_brokers(change)) &&
        broker_settings_overlay(broker->settings, after, &overlaid) == OK) {
        broker_settings_unref(broker->effective);
        broker->effective = overlaid;
    }
    partition_table_apply(broker->partitions, before, after, change);
}

static void recovery_progress(void *arg, int done, int total, int64_t bytes_done,
                              int64_t bytes_total)
{
    struct broker *broker = arg;
    int64_t now = env_mono_ns(broker->env), last = atomic_load(&broker->progress_ns);
    if (now - last < 1000000000 ||
        !atomic_compare_exchange_strong(&broker->progress_ns, &last, now))
        return;
    diag(DIAG_INFO, "broker", "recovering logs done=%d of=%d bytes_read=%lld of_bytes=%lld", done,
         total, (long long)bytes_done, (long long)bytes_total);
}

static err_t open_table(struct broker *broker)
{
    const struct broker_settings *s = broker->settings;
    int64_t checkpoint_ms = MIN(s->recovery_point_checkpoint_interval_ms,
                                s->high_watermark_checkpoint_interval_ms);
    struct partition_table_options options = {
        .env = broker->env,
        .node_id = s->node_id,
        .dirs = broker->dirs,
        .dir_count = broker->dir_count,
        .handles = broker->handles,
        .timer_loop = server_loop(broker->server, 0),
        .flushers = broker->flushers,
        .housekeepers = broker->housekeepers,
        .openers = broker->openers,
        .defaults = {broker, effective, effective_at},
        .flush_bytes = s->log_flush_dirty_bytes,
        .flush_interval_ms = s->log_flush_dirty_ms,
        .unflushed_limit_bytes = s->log_unflushed_max_bytes,
        .retention_check_ms = s->log_retention_check_interval_ms,
        .checkpoint_interval_ms = checkpoint_ms,
        .low_space_bytes = s->log_dir_min_free_bytes,
        .progress = recovery_progress,
        .progress_arg = broker,
    };
    return partition_table_new(&options, &broker->partitions);
}

static err_t open_metadata_log(struct broker *broker)
{
    struct log_dir *dir = metadata_dir(broker);
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s-0", log_dir_path(dir), METADATA_TOPIC);
    struct log_options options = {
        .env = broker->env,
        .handles = broker->handles,
        .path = path,
        .config = log_config_default(),
        .was_clean_shutdown = log_dir_was_clean(dir),
        .is_same_boot = log_dir_is_same_boot(dir),
    };
    options.config.segment_bytes = broker->settings->metadata_log_segment_bytes;
    options.config.retention_ms = -1;
    options.config.is_deleted = false;
    options.config.durability = DURABILITY_FSYNC;
    log_dir_get_checkpoint(dir, CHECKPOINT_RECOVERY_POINT, METADATA_TOPIC, 0,
                           &options.recovery_point);
    log_dir_get_checkpoint(dir, CHECKPOINT_LOG_START, METADATA_TOPIC, 0, &options.start_offset);
    err_t err = log_open(&options, &broker->metadata_log);
    if (err)
        diag(DIAG_ERROR, "broker", "the metadata log cannot be opened path=%s error=\"%s\"", path,
             err_name(err));
    return err;
}

static err_t open_proposer(struct broker *broker)
{
    struct proposer_local_options options = {
        .env = broker->env,
        .log = broker->metadata_log,
        .cluster_id = broker->cluster_id,
        .node_id = broker->settings->node_id,
        .subscriber = {broker, apply_image},
    };
    return proposer_open_local(&options, &broker->proposer);
}

/* Every log is open: what the directories remember of the boot may be brought up to date. */
static bool note_recovered(struct broker *broker)
{
    bool has_lost_records = false;
    for (int i = 0; i < broker->dir_count; i++) {
        struct log_dir *dir = broker->dirs[i];
        has_lost_records |= !log_dir_was_clean(dir) && !log_dir_is_same_boot(dir);
        err_t err = log_dir_mark_recovered(dir);
        if (err)
            diag(DIAG_WARN, "broker", "cannot note the recovery dir=%s error=\"%s\"",
                 log_dir_path(dir), err_name(err));
    }
    return has_lost_records;
}

static err_t register_broker(struct broker *broker, bool has_lost_records)
{
    const struct broker_settings *s = broker->settings;
    struct image_endpoint *endpoints = calloc((size_t)s->listener_count, sizeof *endpoints);
    struct uuid *directories = calloc((size_t)broker->dir_count, sizeof *directories);
    err_t err = endpoints && directories ? OK : ERR_NOMEM;
    for (int i = 0; !err && i < s->listener_count; i++) {
        const struct broker_listener *told = &s->advertised[i];
        int32_t port = told->port ? told->port : broker->listeners[i].port;
        endpoints[i] = (struct image_endpoint){
            .listener = told->name, .host = told->host, .port = port};
    }
    for (int i = 0; !err && i < broker->dir_count; i++)
        directories[i] = log_dir_id(broker->dirs[i]);
    struct bootstrap bootstrap = {
        .node_id = s->node_id,
        .incarnation = uuid_random(broker->env->random),
        .rack = s->rack,
        .endpoints = endpoints,
        .endpoint_count = s->listener_count,
        .directories = directories,
        .directory_count = broker->dir_count,
        .metadata_version = METADATA_VERSION_4_0,
        .has_lost_records = has_lost_records,
    };
    if (!err) err = bootstrap_run(&bootstrap, broker->proposer);
    free(endpoints);
    free(directories);
    if (err) {
        diag(DIAG_ERROR, "broker", "cannot register in the metadata node=%d error=\"%s\"",
             s->node_id, err_name(err));
        return err;
    }
    struct image *image = proposer_image(broker->proposer);
    const struct image_broker *self = image_broker(image, s->node_id);
    CHECK(self);
    broker->broker_epoch = self->epoch;
    image_unref(image);
    return OK;
}

static err_t open_services(struct broker *broker)
{
    broker->sessions = fetch_sessions_new(broker->settings->fetch_session_cache_slots, broker->env);
    broker->producer_ids = producer_ids_new(&(struct producer_ids_options){
        .proposer = broker->proposer,
        .node_id = broker->settings->node_id,
        .broker_epoch = broker->broker_epoch,
    });
    return broker->sessions && broker->producer_ids ? OK : ERR_NOMEM;
}

/* ---- the whole ---- */

static err_t open_all(struct broker *broker)
{
    const struct broker_settings *s = broker->settings;
    TRY(open_dirs(broker));
    TRY(open_pools(broker));
    broker->handles = handle_cache_new(broker->env, file_bound(s), mapping_bound(broker->env, s));
    if (!broker->handles) return ERR_NOMEM;
    TRY(open_server(broker));
    TRY(open_table(broker));
    TRY(versions_init());
    TRY(dispatch_new(broker, &broker->dispatch));
    TRY(open_listeners(broker));
    TRY(open_metadata_log(broker));
    TRY(open_proposer(broker));
    TRY(register_broker(broker, note_recovered(broker)));
    return open_services(broker);
}

err_t broker_open(const struct env *env, struct broker_settings *settings, struct broker **out)
{
    struct broker *broker = calloc(1, sizeof *broker);
    if (!broker) return ERR_NOMEM;
    broker->env = env;
    broker->settings = broker_settings_ref(settings);
    broker->effective = broker_settings_ref(settings);
    broker->started_ns = env_mono_ns(env);
    atomic_init(&broker->progress_ns, env_mono_ns(env));
    err_t err = open_all(broker);
    if (err) {
        if (err == ERR_NOMEM) diag(DIAG_ERROR, "broker", "cannot start: %s", err_name(err));
        broker_close(broker);
        return err;
    }
    *out = broker;
    return OK;
}

err_t broker_start(struct broker *broker)
{
    TRY(server_start(broker->server));
    broker->is_serving = true;
    return OK;
}

static bool close_metadata_log(struct broker *broker)
{
    if (!broker->metadata_log) return false;
    struct log_offsets offsets = log_offsets(broker->metadata_log);
    err_t err = log_close(broker->metadata_log, true);
    if (!err)
        err = log_dir_set_checkpoint(metadata_dir(broker), CHECKPOINT_RECOVERY_POINT,
                                     METADATA_TOPIC, 0, offsets.end);
    return !err && !offsets.is_failed;
}

static void close_dirs(struct broker *broker, bool is_clean)
{
    for (int i = 0; i < broker->dir_count; i++) {
        if (!broker->dirs[i]) continue;
        err_t err = log_dir_close(broker->dirs[i], is_clean);
        if (err)
            diag(DIAG_ERROR, "broker", "directory did not close cleanly dir=%s error=\"%s\"",
                 broker->settings->log_dirs[i], err_name(err));
    }
    free(broker->dirs);
}

static void drain(struct worker_pool *pool)
{
    if (pool) worker_drain(pool);
}

/* Lets requests end that the stop has overtaken on workers, or on their way back to a loop. */
static void finish_requests(struct broker *broker)
{
    for (int i = 0; i < REQUEST_LEGS; i++) {
        drain(broker->admin);
        drain(broker->flushers);
        drain(broker->housekeepers);
        if (broker->server) server_run_leftovers(broker->server);
    }
}

bool broker_close(struct broker *broker)
{
    bool is_clean = false;
    drain(broker->admin); /* what is being worked on can still be answered */
    if (broker->partitions) partition_table_stop(broker->partitions, broker->is_serving);
    if (broker->is_serving) server_stop(broker->server, STOP_GRACE_MS);
    finish_requests(broker);
    proposer_close(broker->proposer);
    finish_requests(broker);
    dispatch_free(broker->dispatch);
    producer_ids_free(broker->producer_ids);
    fetch_sessions_free(broker->sessions);
    partition_table_free(broker->partitions, &is_clean);
    is_clean &= close_metadata_log(broker);
    /* Slices on their way out are gone with the connections; so may be the files. */
    server_free(broker->server);
    worker_pool_free(broker->cold_readers);
    worker_pool_free(broker->admin);
    worker_pool_free(broker->openers);
    worker_pool_free(broker->housekeepers);
    worker_pool_free(broker->flushers);
    handle_cache_free(broker->handles);
    close_dirs(broker, is_clean);
    versions_release();
    free(broker->listeners);
    broker_settings_unref(broker->effective);
    broker_settings_unref(broker->settings);
    free(broker);
    return is_clean;
}
