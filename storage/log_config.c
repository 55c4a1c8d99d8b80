/* Kafka's defaults (kafka.md 4). */
#include "log_config.h"

struct log_config log_config_default(void)
{
    const int64_t day_ms = 24 * 60 * 60 * 1000LL;
    return (struct log_config){
        .segment_bytes = 1 << 30,
        .segment_ms = 7 * day_ms,
        .segment_jitter_ms = 0,
        .segment_index_bytes = 10 * 1024 * 1024,
        .index_interval_bytes = 4096,
        .retention_ms = 7 * day_ms,
        .retention_bytes = -1,
        .flush_messages = INT64_MAX,
        .flush_ms = INT64_MAX,
        .file_delete_delay_ms = 60000,
        .producer_expiration_ms = day_ms,
        .is_compacted = false,
        .is_deleted = true,
        .preallocate = false,
        .durability = DURABILITY_PAGE_CACHE,
    };
}
