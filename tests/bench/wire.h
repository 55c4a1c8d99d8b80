/* wire - the few Kafka messages that the benchmarks speak, written by hand so that they cost next
 * to nothing.
 *
 * Produce 7, Fetch 11, CreateTopics 2, ApiVersions 0; one topic and one partition a request. The
 * length prefix is included. Not a client: what is not needed is not read.
 */
#pragma once

#include "base/bytes.h"

enum { WIRE_PRODUCE = 0, WIRE_FETCH = 1, WIRE_CREATE_TOPICS = 19, WIRE_API_VERSIONS = 18 };

/* Exits with a message. */
_Noreturn void wire_die(const char *what);

/* One uncompressed batch of about `bytes` with records of `record_bytes` of text; returns its
 * length. */
size_t wire_batch(uint8_t *out, size_t cap, size_t bytes, size_t record_bytes);

/* Requests; each returns its length with the prefix. */
size_t wire_produce(uint8_t *out, size_t cap, const char *topic, int32_t partition, int16_t acks,
                    struct view batch);
size_t wire_fetch(uint8_t *out, size_t cap, const char *topic, int64_t offset, int32_t max_bytes,
                  int32_t wait_ms);
struct wire_setting {
    const char *key, *value;
};
size_t wire_create(uint8_t *out, size_t cap, const char *topic, int32_t partitions,
                   struct wire_setting setting);
size_t wire_api_versions(uint8_t *out, size_t cap);

/* Sockets, blocking. */
int wire_dial(const char *host, const char *port);
void wire_send(int fd, const void *data, size_t len);
/* One response without its prefix, in a buffer that the next call overwrites. */
struct view wire_receive(int fd);

/* Partition error of a Produce 7 response; -1 if it cannot be read. */
int wire_produce_error(struct view response);
