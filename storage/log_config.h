/* log_config - the settings of one log, already merged from topic, broker and defaults. Plain
 * values, copied. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_durability {
    DURABILITY_PAGE_CACHE, /* acknowledged when written to the page cache, as Kafka does by default
                            */
    DURABILITY_FSYNC,      /* acknowledged and visible only when flushed */
};

struct log_config {
    int64_t segment_bytes;          /* segment.bytes */
    int64_t segment_ms;             /* segment.ms; time between the first batch and a roll */
    int64_t segment_jitter_ms;      /* segment.jitter.ms */
    int64_t segment_index_bytes;    /* segment.index.bytes: bound of one index file */
    int64_t index_interval_bytes;   /* index.interval.bytes */
    int64_t retention_ms;           /* retention.ms; -1: none */
    int64_t retention_bytes;        /* retention.bytes; -1: none */
    int64_t flush_messages;         /* flush.messages: INT64_MAX never */
    int64_t flush_ms;               /* flush.ms: INT64_MAX never */
    int64_t file_delete_delay_ms;   /* file.delete.delay.ms */
    int64_t producer_expiration_ms; /* producer.id.expiration.ms */
    bool is_compacted;              /* cleanup.policy contains compact */
    bool is_deleted;                /* cleanup.policy contains delete */
    bool preallocate; /* preallocate: whole segment at once instead of doubling steps */
    enum log_durability durability;
};

/* Kafka's defaults. */
struct log_config log_config_default(void);
