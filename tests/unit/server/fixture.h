/* fixture - a broker of its own on any free port, and clients that speak to it in structs.
 *
 * Everything fails the test by itself when it does not work; what a test wants to see fail has a
 * function that says so.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/check.h"
#include "broker.h"
#include "lib/temp_dir.h"
#include "protocol/codec.h"
#include "protocol/header.h"
#include "protocol/messages.h"
#include "record/builder.h"
#include "request.h"

struct test_broker {
    struct temp_dir temp;
    struct broker_settings *settings;
    struct broker *broker;
    int port;
};

/* Settings as "key=value", NULL at the end; may be NULL. */
struct test_broker *test_broker_new(const char *const *settings);
void test_broker_free(struct test_broker *tb);
/* Stops cleanly and starts again with the same data. */
void test_broker_restart(struct test_broker *tb);

/* One connection; blocking, with a time-out of ten seconds. */
struct test_client {
    int fd;
    int32_t correlation;
    struct arena arena; /* of the newest response */
    struct buf in;
    struct buf out;
};

void test_client_open(struct test_client *c, const struct test_broker *tb);
void test_client_close(struct test_client *c);
/* Raw bytes. */
void test_client_write(struct test_client *c, const void *data, size_t len);
/* One whole request, encoded; its correlation id. */
int32_t test_client_send(struct test_client *c, enum api_key key, int version, const void *request);
/* The same, into c->out only. */
int32_t test_client_encode(struct test_client *c, enum api_key key, int version,
                           const void *request);
/* The next frame has to be the answer to `correlation`. *out borrows from the client until the
 * next receive. */
void test_client_receive(struct test_client *c, enum api_key key, int version, int32_t correlation,
                         void *out);
/* False: the broker closed the connection. The frame is in c->in without its length. */
bool test_client_read_frame(struct test_client *c);
/* The broker closes without sending anything. */
void test_client_expect_close(struct test_client *c);
/* True when nothing comes within so many milliseconds. */
bool test_client_is_silent(struct test_client *c, int ms);

#define CALL(client, name, KEY, version, request, response) \
    test_client_receive((client), API_##KEY, (version),     \
                        test_client_send((client), API_##KEY, (version), (request)), (response))

/* ---- batches ---- */

/* A batch of `records` records with values "v0", "v1" ...; malloc'ed. */
struct view test_batch(int records, enum codec codec);
/* With a producer's mark, summed again. */
struct view test_batch_of(int records, int64_t producer_id, int16_t epoch, int32_t sequence);

/* ---- short ways ---- */

/* Makes a topic through Metadata (auto-creation), or CreateTopics with settings "k=v" (NULL at the
 * end). */
void test_create_topic(struct test_client *c, const char *name, int32_t partitions,
                       const char *const *settings);

struct test_produced {
    int16_t error;
    int64_t base_offset;
    int64_t log_append_time;
};
/* One batch to one partition, Produce version 9. */
struct test_produced test_produce(struct test_client *c, const char *topic, int32_t partition,
                                  struct view batch, int16_t acks);
/* Produces `records` records and frees the batch; asserts that it worked. */
int64_t test_produce_some(struct test_client *c, const char *topic, int32_t partition, int records);
