/* bench_floor_broker PORT DIR - the least that a broker can do and still answer: the baseline for
 * CPU per gigabyte.
 *
 * One thread, epoll, no features. It reads frames, checks each batch's CRC, gathers all whole
 * batches that one read brought into one pwritev, answers; Fetch goes out by sendfile. It
 * understands what bench_load sends and trusts it otherwise: one partition a topic, no index, no
 * waiting, no recovery, no limits. Prints `ready` when it listens.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "wire.h"

enum {
    BUFFER = 8 << 20,
    OUT = 64 << 10,
    TOPICS = 256,
    GATHER = 1024,
    RESERVE = 64 << 20,
    LOW_WATER = 256 << 10
};

struct place {
    int64_t offset, position;
};

struct topic {
    char name[64];
    int fd;
    int64_t size, next_offset, reserved;
    struct place *places; /* of every batch */
    size_t count, cap;
};

struct peer {
    int fd, file;
    uint8_t *in;
    size_t in_len, out_len, file_left;
    off_t file_at;
    uint8_t out[OUT];
    int low_water;
    uint32_t events;
};

struct gather {
    struct iovec iov[GATHER];
    int count;
    struct topic *topic;
    int64_t position;
};

static struct topic topics[TOPICS];
static int topic_count;
static const char *directory;
static struct gather gathered;

static struct topic *find_topic(struct view name)
{
    for (int i = 0; i < topic_count; i++)
        if (view_eq(name, view_str(topics[i].name))) return &topics[i];
    if (topic_count == TOPICS || name.len >= sizeof topics[0].name) wire_die("too many topics");
    struct topic *t = &topics[topic_count++];
    memcpy(t->name, name.data, name.len);
    char path[512];
    snprintf(path, sizeof path, "%s/%s.log", directory, t->name);
    t->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (t->fd < 0) wire_die(path);
    return t;
}

static void write_gathered(void)
{
    struct gather *g = &gathered;
    if (g->count == 0) return;
    if (g->topic->size > g->topic->reserved) {
        if (fallocate(g->topic->fd, FALLOC_FL_KEEP_SIZE, g->topic->reserved, RESERVE))
            wire_die("fallocate");
        g->topic->reserved += RESERVE;
    }
    if (pwritev(g->topic->fd, g->iov, g->count, g->position) < 0) wire_die("pwritev");
    g->count = 0;
}

static void add_batch(struct topic *t, uint8_t *batch, size_t len)
{
    struct gather *g = &gathered;
    if (g->count && (g->topic != t || g->count == GATHER)) write_gathered();
    if (g->count == 0) {
        g->topic = t;
        g->position = t->size;
    }
    be64_put(batch, (uint64_t)t->next_offset);
    be32_put(batch + 12, 0);
    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 1024;
        t->places = realloc(t->places, t->cap * sizeof *t->places);
        if (!t->places) wire_die("memory");
    }
    t->places[t->count++] = (struct place){t->next_offset, t->size};
    g->iov[g->count++] = (struct iovec){batch, len};
    t->next_offset += (int32_t)be32_get(batch + 23) + 1;
    t->size += (int64_t)len;
}

static struct view read_string(struct reader *r) { return read_view(r, (size_t)read_i16(r)); }

static void put_string(struct writer *w, struct view s)
{
    write_i16(w, (int16_t)s.len);
    write_bytes(w, s.data, s.len);
}

static int answer_produce(struct reader *r, struct writer *w)
{
    reader_take(r, 2 + 2 + 4 + 4); /* transactional id, acks, time-out, topics */
    struct view name = read_string(r);
    reader_take(r, 4 + 4);
    size_t len = (size_t)read_i32(r);
    uint8_t *batch = (uint8_t *)reader_take(r, len); /* patched in place, as any leader does */
    if (!batch || crc32c(0, batch + 21, len - 21) != be32_get(batch + 17)) return -1;
    struct topic *t = find_topic(name);
    write_i32(w, 1);
    put_string(w, name);
    write_i32(w, 1);
    write_i32(w, 0);
    write_i16(w, 0);
    write_i64(w, t->next_offset);
    write_i64(w, -1);
    write_i64(w, 0);
    write_i32(w, 0);
    add_batch(t, batch, len);
    return 0;
}

/* Where the batch that holds the offset begins. */
static int64_t find_place(const struct topic *t, int64_t offset)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->places[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? t->places[low - 1].position : 0;
}

static int answer_fetch(struct reader *r, struct writer *w, struct peer *p)
{
    write_gathered();
    reader_take(r, 4 + 4 + 4 + 4 + 1 + 4 + 4 + 4);
    struct view name = read_string(r);
    reader_take(r, 4 + 4 + 4);
    int64_t offset = read_i64(r);
    read_i64(r);
    int64_t max = read_i32(r);
    if (r->bad) return -1;
    struct topic *t = find_topic(name);
    int64_t position = find_place(t, offset),
            left = offset < t->next_offset ? t->size - position : 0;
    if (left > max) left = max;
    write_i32(w, 0);
    write_i16(w, 0);
    write_i32(w, 0);
    write_i32(w, 1);
    put_string(w, name);
    write_i32(w, 1);
    write_i32(w, 0);
    write_i16(w, 0);
    write_i64(w, t->next_offset);
    write_i64(w, t->next_offset);
    write_i64(w, 0);
    write_i32(w, -1);
    write_i32(w, -1);
    write_i32(w, (int32_t)left);
    p->file = t->fd;
    p->file_at = position;
    p->file_left = (size_t)left;
    return 0;
}

static int answer(struct peer *p, struct view frame)
{
    struct reader r = reader_of(frame);
    struct writer w = writer_of(p->out + p->out_len, OUT - p->out_len);
    int key = read_i16(&r), err = 0;
    read_i16(&r);
    write_i32(&w, 0);
    write_i32(&w, read_i32(&r));
    read_string(&r);
    switch (key) {
    case WIRE_PRODUCE: err = answer_produce(&r, &w); break;
    case WIRE_FETCH: err = answer_fetch(&r, &w, p); break;
    case WIRE_CREATE_TOPICS: {
        read_i32(&r);
        struct view name = read_string(&r);
        find_topic(name);
        write_i32(&w, 0);
        write_i32(&w, 1);
        put_string(&w, name);
        write_i16(&w, 0);
        write_i16(&w, -1);
        break;
    }
    case WIRE_API_VERSIONS:
        write_i16(&w, 0);
        write_i32(&w, 0);
        break;
    default: err = -1;
    }
    if (err || w.bad) return -1;
    be32_put(w.start, (uint32_t)(writer_len(&w) - 4 + p->file_left));
    p->out_len += writer_len(&w);
    return 0;
}

static void set_low_water(struct peer *p, int bytes)
{
    if (p->low_water == bytes) return;
    setsockopt(p->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
    p->low_water = bytes;
}

static int send_out(struct peer *p)
{
    size_t done = 0;
    while (done < p->out_len) {
        ssize_t n = send(p->fd, p->out + done, p->out_len - done,
                         MSG_NOSIGNAL | (p->file_left ? MSG_MORE : 0));
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) return -1;
        done += (size_t)n;
    }
    memmove(p->out, p->out + done, p->out_len - done);
    p->out_len -= done;
    while (p->out_len == 0 && p->file_left) {
        ssize_t n = sendfile(p->fd, p->file, &p->file_at, p->file_left);
        if (n < 0 && errno == EAGAIN) return 0;
        if (n <= 0) return -1;
        p->file_left -= (size_t)n;
    }
    return 0;
}

/* Every whole frame in the buffer, until one has a file to send. */
static int serve(struct peer *p)
{
    size_t at = 0;
    while (!p->file_left && p->in_len - at >= 4 && p->out_len < OUT - 4096) {
        size_t len = be32_get(p->in + at);
        if (len + 4 > BUFFER) return -1;
        if (p->in_len - at < len + 4) break;
        if (answer(p, view_of(p->in + at + 4, len))) return -1;
        at += len + 4;
    }
    write_gathered();
    memmove(p->in, p->in + at, p->in_len - at);
    p->in_len -= at;
    size_t missing = p->in_len >= 4 ? be32_get(p->in) + 4 - p->in_len : 0;
    set_low_water(p, missing > (64 << 10) ? (missing > LOW_WATER ? LOW_WATER : (int)missing) : 1);
    return send_out(p);
}

static int on_event(struct peer *p)
{
    if (p->out_len || p->file_left) {
        if (send_out(p)) return -1;
        return p->out_len || p->file_left || !p->in_len ? 0 : serve(p);
    }
    ssize_t n = recv(p->fd, p->in + p->in_len, BUFFER - p->in_len, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return -1;
    if (n < 0) return 0;
    p->in_len += (size_t)n;
    return serve(p);
}

static void add_peer(int epoll, int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct peer *p = calloc(1, sizeof *p);
    if (!p || !(p->in = malloc(BUFFER))) wire_die("memory");
    p->fd = fd;
    p->low_water = 1;
    p->events = EPOLLIN;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = p});
}

static void handle(int epoll, struct peer *p)
{
    if (on_event(p)) {
        close(p->fd);
        free(p->in);
        free(p);
        return;
    }
    uint32_t want = p->out_len || p->file_left ? EPOLLOUT : EPOLLIN;
    if (want == p->events) return;
    epoll_ctl(epoll, EPOLL_CTL_MOD, p->fd, &(struct epoll_event){.events = want, .data.ptr = p});
    p->events = want;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_floor_broker PORT DIR\n");
        return 2;
    }
    directory = argv[2];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1,
        epoll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtol(argv[1], NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) || listen(listener, 64))
        wire_die("listen");
    struct epoll_event events[64] = {{.events = EPOLLIN}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &events[0]);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                handle(epoll, events[i].data.ptr);
            else
                add_peer(epoll, listener);
        }
    }
}
