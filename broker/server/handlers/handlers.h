/* handlers - every API that this broker offers: one line each.
 *
 * The versions are what ApiVersions tells clients; a request outside of them closes the connection.
 * They lie within what protocol/schema can read and write. Add an API with one line here, in order
 * of key, and one file that defines its handler. An API is offered only when it is real.
 */
#pragma once

#include "request.h"

/* X(key, lowest version, highest version, handler)
 *
 * Produce is offered from 0 because clients take that for "may compress" (librdkafka up to 2.11);
 * message sets of before version 3 are refused by its handler. FindCoordinator is offered without
 * there being groups for the same kind of reason. Fetch begins with the first version that carries
 * record batches. */
#define HANDLERS(X)                                                          \
    X(API_PRODUCE, 0, 13, handle_produce)                                    \
    X(API_FETCH, 4, 18, handle_fetch)                                        \
    X(API_LIST_OFFSETS, 0, 11, handle_list_offsets)                          \
    X(API_METADATA, 0, 13, handle_metadata)                                  \
    X(API_FIND_COORDINATOR, 0, 6, handle_find_coordinator)                   \
    X(API_API_VERSIONS, 0, 4, handle_api_versions)                           \
    X(API_CREATE_TOPICS, 0, 7, handle_create_topics)                         \
    X(API_DELETE_TOPICS, 0, 6, handle_delete_topics)                         \
    X(API_DELETE_RECORDS, 0, 2, handle_delete_records)                       \
    X(API_INIT_PRODUCER_ID, 0, 5, handle_init_producer_id)                   \
    X(API_OFFSET_FOR_LEADER_EPOCH, 0, 4, handle_offset_for_leader_epoch)     \
    X(API_DESCRIBE_CONFIGS, 0, 4, handle_describe_configs)                   \
    X(API_ALTER_CONFIGS, 0, 2, handle_alter_configs)                         \
    X(API_DESCRIBE_LOG_DIRS, 0, 4, handle_describe_log_dirs)                 \
    X(API_CREATE_PARTITIONS, 0, 3, handle_create_partitions)                 \
    X(API_INCREMENTAL_ALTER_CONFIGS, 0, 1, handle_incremental_alter_configs) \
    X(API_DESCRIBE_CLUSTER, 0, 2, handle_describe_cluster)                   \
    X(API_DESCRIBE_PRODUCERS, 0, 0, handle_describe_producers)               \
    X(API_DESCRIBE_TOPIC_PARTITIONS, 0, 0, handle_describe_topic_partitions)

#define DECLARE_HANDLER(key, min, max, handler) void handler(struct request *request);
HANDLERS(DECLARE_HANDLER)
#undef DECLARE_HANDLER
