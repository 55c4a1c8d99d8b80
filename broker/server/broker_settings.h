/* broker_settings - every setting of the broker: read from a properties file and the command line,
 * checked, merged into plain values, with the dynamic ones of the metadata image laid on top.
 *
 * Life: broker_settings_new(), any number of _read_file() and _set(), then _finish(); from then on
 * it is immutable, reference-counted and may be read by any thread. A change of dynamic settings
 * makes a new one with broker_settings_overlay(). Strings belong to the settings.
 *
 * Precedence: the node's own dynamic value, the default of all brokers in the metadata, the command
 * line, the file, the built-in default. Names are Kafka's; ours are named after that pattern. A
 * wrong value never gets in: each problem becomes one line in `errors` with the setting's name, the
 * value seen and what is allowed.
 */
#pragma once

#include "base/buf.h"
#include "base/env.h"
#include "metadata/image.h"
#include "metadata/settings.h"
#include "metadata/topic_settings.h"

struct broker_listener {
    const char *name; /* "PLAINTEXT" */
    const char *host; /* as written, without brackets; "": every address */
    int32_t port;     /* 0: any free one */
};

struct broker_settings_values;

struct broker_settings {
    /* identity */
    int32_t node_id;
    const char *cluster_id; /* NULL: what the data directory says, or a new one */
    const char *rack;       /* NULL: none */

    /* listeners; those of controller.listener.names are left out: nobody serves them yet */
    const struct broker_listener *listeners;
    int32_t listener_count;
    /* One per listener, in the same order. host "": tell clients the address that they reached;
     * port 0: the port that was bound. */
    const struct broker_listener *advertised;
    const char *inter_broker_listener; /* one of the names */

    /* connections */
    int32_t network_threads; /* 0: one per core, at most 8 */
    int32_t socket_listen_backlog;
    int32_t socket_send_buffer_bytes, socket_receive_buffer_bytes; /* -1: the system's */
    int32_t socket_request_max_bytes;
    int64_t connections_max_idle_ms; /* -1: never */
    int32_t max_connections, max_connections_per_ip;
    const char *max_connections_per_ip_overrides; /* "host:count,..." */
    int32_t queued_max_requests;                  /* in flight over all connections */
    int64_t queued_max_request_bytes;             /* -1: no bound */

    /* topics */
    bool auto_create_topics_enable, delete_topic_enable;
    int32_t num_partitions;
    int32_t max_partitions; /* that one broker agrees to hold */

    /* produce and fetch */
    int32_t message_max_bytes, fetch_max_bytes;
    int32_t fetch_session_cache_slots;
    int32_t max_request_partitions; /* in one answer to DescribeTopicPartitions */
    int32_t producer_id_expiration_ms, producer_id_expiration_check_interval_ms;

    /* logs */
    const char *const *log_dirs;
    int32_t log_dir_count;
    const char *metadata_log_dir;                          /* one of them */
    int32_t background_threads;                            /* housekeeping, over all directories */
    int32_t flush_threads, read_threads, recovery_threads; /* per directory */
    enum log_durability durability;                        /* of topics that do not say */
    int64_t log_flush_dirty_bytes, log_flush_dirty_ms; /* write-back of one log in the background */
    int64_t log_unflushed_max_bytes;                   /* over all logs */
    int64_t log_dir_min_free_bytes;                    /* appends are refused below */
    int64_t log_retention_check_interval_ms;
    int64_t recovery_point_checkpoint_interval_ms, log_start_checkpoint_interval_ms;
    int64_t high_watermark_checkpoint_interval_ms;
    int64_t metadata_log_segment_bytes;
    int32_t open_files, mappings; /* bounds of the handle cache */

    /* groups and transactions */
    int32_t group_initial_rebalance_delay_ms;
    int32_t group_min_session_timeout_ms, group_max_session_timeout_ms, group_max_size;
    int32_t offsets_topic_num_partitions, offset_metadata_max_bytes;
    int64_t offsets_retention_ms, offsets_retention_check_interval_ms;
    int32_t transaction_max_timeout_ms, transaction_state_log_num_partitions;

    int diag_level; /* enum diag_level */

    struct broker_settings_values *values; /* the text of every setting, of every source */
};

extern const struct setting_table broker_setting_table;

/* Built-in defaults only; NULL without memory. */
struct broker_settings *broker_settings_new(void);
struct broker_settings *broker_settings_ref(const struct broker_settings *settings);
void broker_settings_unref(const struct broker_settings *settings); /* NULL is allowed */

/* Java's properties format. ERR_INVALID: something in it is wrong (every problem is in `errors`);
 * otherwise the file could not be read. */
err_t broker_settings_read_file(struct broker_settings *settings, const struct os *os,
                                const char *path, struct buf *errors);
/* "KEY=VALUE", as `--set` has it; `option` is how the user spelled it ("--set", "--data").
 * ERR_INVALID: see `errors`. */
err_t broker_settings_set(struct broker_settings *settings, const char *option, const char *pair,
                          struct buf *errors);
/* Merges and checks what belongs together. To be called once, before the values are used.
 * ERR_INVALID: see `errors`. */
err_t broker_settings_finish(struct broker_settings *settings, struct buf *errors);

/* A new one: `base` (finished) and the dynamic settings of `base->node_id` in the image. A dynamic
 * value that is not valid here is reported and left out. ERR_NOMEM only. */
err_t broker_settings_overlay(const struct broker_settings *base, const struct image *image,
                              struct broker_settings **out);

/* The effective text; NULL: null, or an unknown name. */
const char *broker_settings_get(const struct broker_settings *settings, const char *name);
/* The value that stands at exactly this source; NULL: none. */
const char *broker_settings_get_at(const struct broker_settings *settings, const char *name,
                                   enum setting_source source);
enum setting_source broker_settings_source(const struct broker_settings *settings,
                                           const char *name);
/* What topic_config_merge() asks for. Borrows the settings. */
struct broker_defaults broker_settings_defaults(const struct broker_settings *settings);

/* The i-th setting of the table for DescribeConfigs; values of passwords are NULL. */
void broker_setting_describe(const struct broker_settings *settings, size_t i,
                             struct setting_info *out);
/* Whether a dynamic change is allowed, for AlterConfigs: ERR_INVALID (and why), ERR_NOT_FOUND for
 * an unknown name. `value` with data NULL: delete. */
err_t broker_setting_check_dynamic(struct view name, struct view value, char *message,
                                   size_t message_size);

/* Replicas for a topic that does not say: `name` is default.replication.factor,
 * offsets.topic.replication.factor or the like. A value that nobody set is at most the number of
 * brokers; a set one is taken as it is. */
int32_t broker_settings_replicas(const struct broker_settings *settings, const char *name,
                                 size_t brokers);

/* --print-config: every setting with value, default, source and meaning; text or JSON. */
err_t broker_settings_print(const struct broker_settings *settings, bool as_json, struct buf *out);
