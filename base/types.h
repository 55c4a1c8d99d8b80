/* types - scalar domain words that must not be mixed up. */
#pragma once

#include <stdint.h>

typedef int64_t koffset_t; /* a record's position in its partition, counted in records; -1: none */
typedef int32_t leader_epoch_t; /* counts the leaders of a partition; -1: none */
typedef int64_t producer_id_t;  /* -1: none */
typedef int64_t time_ms_t;      /* milliseconds since the Unix epoch, as in records; -1: none */
