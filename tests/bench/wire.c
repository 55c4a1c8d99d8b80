/* The bytes of wire.h; see the protocol's schemas for what the fields are. */
#include "wire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"

void wire_die(const char *what)
{
    fprintf(stderr, "bench: %s (%s)\n", what, strerror(errno));
    exit(1);
}

static void put_string(struct writer *w, const char *s)
{
    write_i16(w, (int16_t)strlen(s));
    write_bytes(w, s, strlen(s));
}

static struct writer begin(uint8_t *out, size_t cap, int16_t key, int16_t version)
{
    struct writer w = writer_of(out, cap);
    write_i32(&w, 0);
    write_i16(&w, key);
    write_i16(&w, version);
    write_i32(&w, 1); /* correlation id */
    put_string(&w, "bench");
    return w;
}

static size_t end(struct writer *w)
{
    if (w->bad) wire_die("request buffer too small");
    be32_put(w->start, (uint32_t)(writer_len(w) - 4));
    return writer_len(w);
}

static void put_record(struct writer *w, int32_t index, size_t len, uint64_t *seed)
{
    size_t body = 1 + 1 + varint_size(index) + 1 + varint_size((int32_t)len) + len + 1;
    write_varint(w, (int32_t)body);
    write_u8(w, 0);      /* attributes */
    write_varlong(w, 0); /* timestamp delta */
    write_varint(w, index);
    write_varint(w, -1); /* no key */
    write_varint(w, (int32_t)len);
    uint8_t *value = writer_take(w, len);
    if (!value) wire_die("batch buffer too small");
    for (size_t i = 0; i < len; i++) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        value[i] = (uint8_t)('a' + *seed % 26);
    }
    write_varint(w, 0); /* headers */
}

size_t wire_batch(uint8_t *out, size_t cap, size_t bytes, size_t record_bytes)
{
    enum { HEADER = 61, CRC_FROM = 21 };
    struct writer w = writer_of(out, cap);
    if (!writer_take(&w, HEADER)) wire_die("batch buffer too small");
    uint64_t seed = 0x9e3779b97f4a7c15u;
    int32_t count = 0;
    do put_record(&w, count++, record_bytes, &seed);
    while (writer_len(&w) + record_bytes + 16 <= bytes);
    size_t len = writer_len(&w);
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    w = writer_of(out, cap);
    write_i64(&w, 0);
    write_i32(&w, (int32_t)(len - 12));
    write_i32(&w, -1); /* leader epoch */
    write_u8(&w, 2);   /* magic */
    write_i32(&w, 0);  /* CRC, below */
    write_i16(&w, 0);
    write_i32(&w, count - 1);
    write_i64(&w, now_ms);
    write_i64(&w, now_ms);
    write_i64(&w, -1); /* producer id, epoch, sequence */
    write_i16(&w, -1);
    write_i32(&w, -1);
    write_i32(&w, count);
    be32_put(out + 17, crc32c(0, out + CRC_FROM, len - CRC_FROM));
    return len;
}

size_t wire_produce(uint8_t *out, size_t cap, const char *topic, int32_t partition, int16_t acks,
                    struct view batch)
{
    struct writer w = begin(out, cap, WIRE_PRODUCE, 7);
    write_i16(&w, -1); /* transactional id */
    write_i16(&w, acks);
    write_i32(&w, 30000);
    write_i32(&w, 1);
    put_string(&w, topic);
    write_i32(&w, 1);
    write_i32(&w, partition);
    write_i32(&w, (int32_t)batch.len);
    write_bytes(&w, batch.data, batch.len);
    return end(&w);
}

size_t wire_fetch(uint8_t *out, size_t cap, const char *topic, int64_t offset, int32_t max_bytes,
                  int32_t wait_ms)
{
    struct writer w = begin(out, cap, WIRE_FETCH, 11);
    write_i32(&w, -1); /* replica */
    write_i32(&w, wait_ms);
    write_i32(&w, 1); /* min bytes */
    write_i32(&w, max_bytes);
    write_i8(&w, 0);
    write_i32(&w, 0); /* session id, epoch: none */
    write_i32(&w, -1);
    write_i32(&w, 1);
    put_string(&w, topic);
    write_i32(&w, 1);
    write_i32(&w, 0); /* partition */
    write_i32(&w, -1);
    write_i64(&w, offset);
    write_i64(&w, -1); /* log start */
    write_i32(&w, max_bytes);
    write_i32(&w, 0); /* forgotten */
    put_string(&w, "");
    return end(&w);
}

size_t wire_create(uint8_t *out, size_t cap, const char *topic, int32_t partitions,
                   struct wire_setting setting)
{
    struct writer w = begin(out, cap, WIRE_CREATE_TOPICS, 2);
    write_i32(&w, 1);
    put_string(&w, topic);
    write_i32(&w, partitions);
    write_i16(&w, 1);
    write_i32(&w, 0); /* assignments */
    write_i32(&w, setting.key ? 1 : 0);
    if (setting.key) {
        put_string(&w, setting.key);
        put_string(&w, setting.value);
    }
    write_i32(&w, 30000);
    write_i8(&w, 0);
    return end(&w);
}

size_t wire_api_versions(uint8_t *out, size_t cap)
{
    struct writer w = begin(out, cap, WIRE_API_VERSIONS, 0);
    return end(&w);
}

int wire_dial(const char *host, const char *port)
{
    struct addrinfo *found, hint = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET};
    if (getaddrinfo(host, port, &hint, &found)) wire_die("cannot resolve the host");
    int fd = socket(found->ai_family, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen)) wire_die("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    freeaddrinfo(found);
    return fd;
}

void wire_send(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) wire_die("write");
        at += n;
        len -= (size_t)n;
    }
}

static void receive_all(int fd, void *data, size_t len)
{
    uint8_t *at = data;
    while (len) {
        ssize_t n = read(fd, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) wire_die("read");
        if (n == 0) wire_die("the broker closed the connection");
        at += n;
        len -= (size_t)n;
    }
}

struct view wire_receive(int fd)
{
    static uint8_t *data;
    static size_t cap;
    uint8_t prefix[4];
    receive_all(fd, prefix, sizeof prefix);
    size_t len = be32_get(prefix);
    if (len > cap) {
        cap = len + (1 << 20);
        free(data);
        data = malloc(cap);
        if (!data) wire_die("memory");
    }
    receive_all(fd, data, len);
    return view_of(data, len);
}

int wire_produce_error(struct view response)
{
    struct reader r = reader_of(response);
    read_i32(&r); /* correlation id */
    read_i32(&r); /* topics */
    reader_take(&r, (size_t)read_i16(&r));
    read_i32(&r); /* partitions */
    read_i32(&r);
    int err = read_i16(&r);
    return r.bad ? -1 : err;
}
