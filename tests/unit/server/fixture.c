/* The broker runs on its own threads, in this process; the client is a plain blocking socket, so
 * that what a test sees has been over the network. A read that waits too long fails the test.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "protocol/frame.h"

/* ---- broker ---- */

static void set(struct broker_settings *settings, const char *pair)
{
    struct buf errors = {0};
    err_t err = broker_settings_set(settings, "--set", pair, &errors);
    if (err) print_error("%.*s\n", (int)errors.len, (const char *)errors.data);
    assert_int_equal(err, OK);
    buf_release(&errors);
}

static void start(struct test_broker *tb)
{
    assert_int_equal(broker_open(env_real(), tb->settings, &tb->broker), OK);
    assert_int_equal(broker_start(tb->broker), OK);
    tb->port = tb->broker->listeners[0].port;
}

struct test_broker *test_broker_new(const char *const *settings)
{
    struct test_broker *tb = calloc(1, sizeof *tb);
    assert_non_null(tb);
    temp_dir_make(&tb->temp);
    diag_set_level(DIAG_ERROR);
    tb->settings = broker_settings_new();
    assert_non_null(tb->settings);
    char pair[200];
    snprintf(pair, sizeof pair, "log.dirs=%s/data", tb->temp.path);
    set(tb->settings, pair);
    set(tb->settings, "listeners=PLAINTEXT://127.0.0.1:0");
    set(tb->settings, "num.network.threads=2");
    for (; settings && *settings; settings++) set(tb->settings, *settings);
    struct buf errors = {0};
    assert_int_equal(broker_settings_finish(tb->settings, &errors), OK);
    buf_release(&errors);
    start(tb);
    return tb;
}

void test_broker_restart(struct test_broker *tb)
{
    assert_true(broker_close(tb->broker));
    start(tb);
}

void test_broker_free(struct test_broker *tb)
{
    assert_true(broker_close(tb->broker));
    broker_settings_unref(tb->settings);
    temp_dir_remove(&tb->temp);
    free(tb);
}

/* ---- client ---- */

void test_client_open(struct test_client *c, const struct test_broker *tb)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)tb->port)};
    struct timeval ten = {.tv_sec = 10};
    int one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *c = (struct test_client){.correlation = 100};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(c->fd >= 0);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &ten, sizeof ten);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof to), 0);
}

void test_client_close(struct test_client *c)
{
    close(c->fd);
    arena_release(&c->arena);
    buf_release(&c->in);
    buf_release(&c->out);
}

void test_client_write(struct test_client *c, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

int32_t test_client_encode(struct test_client *c, enum api_key key, int version,
                           const void *request)
{
    const struct api *api = api_find((int16_t)key);
    struct request_header header = {.api_key = (int16_t)key,
                                    .api_version = (int16_t)version,
                                    .correlation_id = ++c->correlation,
                                    .client_id = view_str("test"),
                                    .api = api};
    size_t at;
    buf_clear(&c->out);
    assert_int_equal(frame_begin(&c->out, &at), OK);
    assert_int_equal(request_header_encode(&header, &c->out), OK);
    assert_int_equal(codec_encode(api->request, version, request, &c->out, NULL), OK);
    assert_int_equal(frame_end(&c->out, at, 0), OK);
    return c->correlation;
}

int32_t test_client_send(struct test_client *c, enum api_key key, int version, const void *request)
{
    int32_t correlation = test_client_encode(c, key, version, request);
    test_client_write(c, c->out.data, c->out.len);
    return correlation;
}

/* False at the end of the stream; fails the test on a time-out. */
static bool read_exactly(struct test_client *c, uint8_t *to, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(c->fd, to, len, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) return false;
        assert_true(n > 0);
        to += n;
        len -= (size_t)n;
    }
    return true;
}

bool test_client_read_frame(struct test_client *c)
{
    uint8_t prefix[FRAME_PREFIX_BYTES];
    int64_t len;
    if (!read_exactly(c, prefix, sizeof prefix)) return false;
    assert_int_equal(frame_parse(prefix, 1 << 30, &len), OK);
    buf_clear(&c->in);
    assert_int_equal(buf_reserve(&c->in, (size_t)len + 1), OK);
    assert_true(read_exactly(c, c->in.data, (size_t)len));
    c->in.len = (size_t)len;
    return true;
}

void test_client_receive(struct test_client *c, enum api_key key, int version, int32_t correlation,
                         void *out)
{
    const struct api *api = api_find((int16_t)key);
    int32_t got;
    arena_clear(&c->arena);
    assert_true(test_client_read_frame(c));
    struct reader r = reader_of(buf_view(&c->in));
    assert_int_equal(response_header_decode(api, version, &r, &got), OK);
    assert_int_equal(got, correlation);
    assert_int_equal(codec_decode(api->response, version, &r, &c->arena, out), OK);
    assert_int_equal(reader_left(&r), 0);
}

void test_client_expect_close(struct test_client *c) { assert_false(test_client_read_frame(c)); }

bool test_client_is_silent(struct test_client *c, int ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return poll(&p, 1, ms) == 0;
}

/* ---- batches ---- */

static struct view build(int records, struct batch_options options)
{
    struct batch_builder builder;
    assert_int_equal(batch_builder_init(&builder, &options), OK);
    for (int i = 0; i < records; i++) {
        char text[32];
        snprintf(text, sizeof text, "v%d", i);
        struct record record = {.offset = RECORD_OFFSET_NEXT,
                                .timestamp = env_wall_ms(env_real()) + i,
                                .value = view_str(text)};
        assert_int_equal(batch_builder_append(&builder, &record), OK);
    }
    struct view whole;
    assert_int_equal(batch_builder_finish(&builder, &whole), OK);
    uint8_t *copy = malloc(whole.len);
    assert_non_null(copy);
    memcpy(copy, whole.data, whole.len);
    batch_builder_release(&builder);
    return view_of(copy, whole.len);
}

struct view test_batch(int records, enum codec codec)
{
    struct batch_options options = batch_options_default();
    options.codec = codec;
    options.level = CODEC_LEVEL_DEFAULT;
    return build(records, options);
}

struct view test_batch_of(int records, int64_t producer_id, int16_t epoch, int32_t sequence)
{
    struct batch_options options = batch_options_default();
    options.producer_id = producer_id;
    options.producer_epoch = epoch;
    options.base_sequence = sequence;
    return build(records, options);
}

/* ---- short ways ---- */

static int32_t split_settings(const char *const *settings, struct create_topics_request_config *out,
                              int32_t max)
{
    int32_t count = 0;
    for (; settings && settings[count]; count++) {
        assert_true(count < max);
        const char *eq = strchr(settings[count], '=');
        assert_non_null(eq);
        CODEC_DEFAULT(create_topics_request_config, &out[count]);
        out[count].name = view_of(settings[count], (size_t)(eq - settings[count]));
        out[count].value = view_str(eq + 1);
    }
    return count;
}

void test_create_topic(struct test_client *c, const char *name, int32_t partitions,
                       const char *const *settings)
{
    struct create_topics_request request;
    struct create_topics_request_topic topic;
    struct create_topics_request_config configs[8];
    CODEC_DEFAULT(create_topics_request, &request);
    CODEC_DEFAULT(create_topics_request_topic, &topic);
    topic.name = view_str(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    topic.configs = configs;
    topic.configs_count = split_settings(settings, configs, COUNT_OF(configs));
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    struct create_topics_response response;
    CALL(c, create_topics, CREATE_TOPICS, 5, &request, &response);
    assert_int_equal(response.topics_count, 1);
    assert_int_equal(response.topics[0].error_code, 0);
}

struct test_produced test_produce(struct test_client *c, const char *topic, int32_t partition,
                                  struct view batch, int16_t acks)
{
    struct produce_request request;
    struct produce_request_topic t;
    struct produce_request_partition p;
    struct produce_response response;
    CODEC_DEFAULT(produce_request, &request);
    CODEC_DEFAULT(produce_request_topic, &t);
    CODEC_DEFAULT(produce_request_partition, &p);
    p.index = partition;
    p.records.data = batch;
    t.name = view_str(topic);
    t.partition_data = &p;
    t.partition_data_count = 1;
    request.acks = acks;
    request.timeout_ms = 5000;
    request.topic_data = &t;
    request.topic_data_count = 1;
    CALL(c, produce, PRODUCE, 9, &request, &response);
    assert_int_equal(response.responses_count, 1);
    assert_int_equal(response.responses[0].partition_responses_count, 1);
    const struct produce_response_partition *got = response.responses[0].partition_responses;
    assert_int_equal(got->index, partition);
    return (struct test_produced){got->error_code, got->base_offset, got->log_append_time_ms};
}

int64_t test_produce_some(struct test_client *c, const char *topic, int32_t partition, int records)
{
    struct view batch = test_batch(records, CODEC_NONE);
    struct test_produced got = test_produce(c, topic, partition, batch, -1);
    free((void *)batch.data);
    assert_int_equal(got.error, 0);
    return got.base_offset;
}
