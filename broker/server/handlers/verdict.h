/* verdict - the outcome of an admin decision: a Kafka error code and a sentence that names the
 * value. */
#pragma once

#include "base/arena.h"
#include "protocol/kafka_error.h"

struct verdict {
    enum kafka_error code;
    struct view message; /* data NULL: none; lives in the arena of the request */
};

static inline struct verdict verdict_ok(void) { return (struct verdict){KAFKA_ERR_NONE, {0}}; }
static inline bool verdict_is_ok(struct verdict v) { return v.code == KAFKA_ERR_NONE; }
/* The message may be lost when the arena is at its limit; the code never is. Without an arena there
 * is no message. */
struct verdict verdict_fail(struct arena *arena, enum kafka_error code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
