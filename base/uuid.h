/* uuid - 16 bytes that name a cluster, a directory or a topic; as text 22 characters of URL-safe
 * base64, as Kafka has it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"

struct random;

struct uuid {
    uint8_t bytes[16];
};

enum { UUID_TEXT_LEN = 22 };

static inline bool uuid_eq(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, 16) == 0;
}
static inline bool uuid_is_zero(struct uuid a) { return uuid_eq(a, (struct uuid){{0}}); }

/* A random (version 4) one whose text does not begin with '-', so that it is safe on a command
 * line. */
struct uuid uuid_random(const struct random *random);
/* 22 characters and a NUL. */
void uuid_format(struct uuid uuid, char out[UUID_TEXT_LEN + 1]);
/* ERR_INVALID unless it is exactly 22 characters of the alphabet. */
err_t uuid_parse(struct view text, struct uuid *out);
