/* bench_load - a load generator that costs almost nothing itself, to judge a broker from outside.
 *
 *   bench_load create  HOST PORT TOPIC PARTITIONS [SETTING=VALUE]
 *   bench_load produce HOST PORT TOPIC BATCH_BYTES RECORD_BYTES TOTAL_MB IN_FLIGHT ACKS PID
 *   bench_load consume HOST PORT TOPIC MAX_BYTES TOTAL_MB PID
 *   bench_load rtt     HOST PORT TOPIC RECORD_BYTES COUNT ACKS
 *   bench_load tail    HOST PORT TOPIC COUNT INTERVAL_US       (produce one, fetch it: latency of a
 * tail consumer) bench_load echo    HOST PORT COUNT IN_FLIGHT PID           (ApiVersions 0)
 *   bench_load many    HOST PORT TOPIC PRODUCERS PARTITIONS SECONDS RECORD_BYTES  (one record a
 * request, all waiting)
 *
 * One batch is encoded once and sent again and again. PID: the broker's, whose CPU time over the
 * run is read from the scheduler's statistics (0: not). Prints `name value unit` lines; GB = 1e9
 * bytes of batches.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum { REQUEST_CAP = 40 << 20, BATCH_CAP = 34 << 20 };

static double clock_s(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static double now_s(void) { return clock_s(CLOCK_MONOTONIC); }

/* CPU seconds of all threads of a process. */
static double process_cpu_s(const char *pid)
{
    char path[400];
    snprintf(path, sizeof path, "/proc/%s/task", pid);
    DIR *dir = opendir(path);
    if (!dir) return 0;
    double sum = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%s/task/%s/schedstat", pid, e->d_name);
        FILE *f = fopen(path, "r");
        unsigned long long ns = 0;
        if (f && fscanf(f, "%llu", &ns) == 1) sum += (double)ns * 1e-9;
        if (f) fclose(f);
    }
    closedir(dir);
    return sum;
}

static void *need(size_t size)
{
    void *p = malloc(size);
    if (!p) wire_die("memory");
    return p;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_quantiles(const char *name, double *seconds, size_t count)
{
    qsort(seconds, count, sizeof *seconds, by_value);
    const struct {
        const char *label;
        double q;
    } points[] = {{"p50", .5}, {"p99", .99}, {"p999", .999}};
    for (size_t i = 0; i < 3; i++)
        printf("%s.%s %.2f us\n", name, points[i].label,
               seconds[(size_t)((double)(count - 1) * points[i].q)] * 1e6);
    printf("%s.max %.2f us\n", name, seconds[count - 1] * 1e6);
}

static void check_produced(struct view response)
{
    int err = wire_produce_error(response);
    if (err == 0) return;
    fprintf(stderr, "bench: produce error %d\n", err);
    exit(1);
}

static void run_create(int fd, char **arg, int count)
{
    uint8_t request[1024];
    struct wire_setting setting = {0};
    char *equals = count > 2 ? strchr(arg[2], '=') : NULL;
    if (equals) {
        *equals = 0;
        setting = (struct wire_setting){arg[2], equals + 1};
    }
    wire_send(
        fd, request,
        wire_create(request, sizeof request, arg[0], (int32_t)strtol(arg[1], NULL, 10), setting));
    struct view r = wire_receive(fd);
    struct reader reader = reader_of(r);
    reader_take(&reader, 12);
    reader_take(&reader, (size_t)read_i16(&reader));
    int err = read_i16(&reader);
    if (reader.bad || (err != 0 && err != 36)) {
        fprintf(stderr, "bench: create error %d\n", err);
        exit(1);
    }
}

static void run_produce(int fd, char **arg)
{
    uint8_t *batch = need(BATCH_CAP), *request = need(REQUEST_CAP);
    size_t batch_len = wire_batch(batch, BATCH_CAP, strtoul(arg[1], NULL, 10),
                                  strtoul(arg[2], NULL, 10));
    double total = strtod(arg[3], NULL) * 1e6, sent = 0, acked = 0;
    long window = strtol(arg[4], NULL, 10), out = 0;
    size_t len = wire_produce(request, REQUEST_CAP, arg[0], 0, (int16_t)strtol(arg[5], NULL, 10),
                              view_of(batch, batch_len));
    double cpu = process_cpu_s(arg[6]), own = clock_s(CLOCK_PROCESS_CPUTIME_ID), start = now_s();
    while (acked < total) {
        for (; out < window && sent < total; out++, sent += (double)batch_len)
            wire_send(fd, request, len);
        check_produced(wire_receive(fd));
        out--;
        acked += (double)batch_len;
    }
    double wall = now_s() - start;
    printf("produce.rate %.1f MB/s\n", acked / wall / 1e6);
    printf("produce.client %.4f s/GB\n", (clock_s(CLOCK_PROCESS_CPUTIME_ID) - own) / (acked / 1e9));
    printf("produce.broker %.4f s/GB\n", (process_cpu_s(arg[6]) - cpu) / (acked / 1e9));
}

/* Walks whole batches: returns the offset after the last one and adds their bytes. */
static int64_t walk_batches(struct view records, int64_t offset, double *bytes)
{
    const uint8_t *at = records.data, *end = records.data + records.len;
    while (end - at >= 61) {
        size_t len = 12 + be32_get(at + 8);
        if ((size_t)(end - at) < len) break;
        offset = (int64_t)be64_get(at) + (int32_t)be32_get(at + 23) + 1;
        *bytes += (double)len;
        at += len;
    }
    return offset;
}

/* The records of a Fetch 11 response of one partition. */
static struct view fetched_records(struct view response)
{
    struct reader r = reader_of(response);
    reader_take(&r, 4 + 4); /* correlation id, throttle */
    int err = read_i16(&r);
    reader_take(&r, 4 + 4); /* session, topics */
    reader_take(&r, (size_t)read_i16(&r));
    reader_take(&r, 4 + 4); /* partitions, index */
    if (err == 0) err = read_i16(&r);
    reader_take(&r, 24); /* high watermark, last stable, log start */
    int32_t aborted = read_i32(&r);
    if (aborted > 0) reader_take(&r, (size_t)aborted * 16);
    read_i32(&r); /* preferred replica */
    int32_t len = read_i32(&r);
    if (r.bad || err) {
        fprintf(stderr, "bench: fetch error %d\n", err);
        exit(1);
    }
    return read_view(&r, len > 0 ? (size_t)len : 0);
}

static void run_consume(int fd, char **arg)
{
    uint8_t request[1024];
    int32_t max = (int32_t)strtol(arg[1], NULL, 10);
    double total = strtod(arg[2], NULL) * 1e6, got = 0;
    int64_t offset = 0;
    double cpu = process_cpu_s(arg[3]), own = clock_s(CLOCK_PROCESS_CPUTIME_ID), start = now_s();
    while (got < total) {
        wire_send(fd, request, wire_fetch(request, sizeof request, arg[0], offset, max, 500));
        struct view records = fetched_records(wire_receive(fd));
        if (records.len == 0) break;
        int64_t next = walk_batches(records, offset, &got);
        if (next == offset) wire_die("no whole batch in a fetch");
        offset = next;
    }
    double wall = now_s() - start;
    printf("consume.bytes %.0f MB\n", got / 1e6);
    printf("consume.rate %.1f MB/s\n", got / wall / 1e6);
    printf("consume.client %.4f s/GB\n", (clock_s(CLOCK_PROCESS_CPUTIME_ID) - own) / (got / 1e9));
    printf("consume.broker %.4f s/GB\n", (process_cpu_s(arg[3]) - cpu) / (got / 1e9));
}

static void run_rtt(int fd, char **arg)
{
    uint8_t batch[1 << 16], request[1 << 17];
    size_t count = strtoul(arg[2], NULL, 10);
    size_t batch_len = wire_batch(batch, sizeof batch, 1, strtoul(arg[1], NULL, 10));
    size_t len = wire_produce(request, sizeof request, arg[0], 0, (int16_t)strtol(arg[3], NULL, 10),
                              view_of(batch, batch_len));
    double *times = need(count * sizeof *times);
    for (size_t i = 0; i < count; i++) {
        double start = now_s();
        wire_send(fd, request, len);
        check_produced(wire_receive(fd));
        times[i] = now_s() - start;
    }
    print_quantiles("rtt", times, count);
}

static void run_tail(int fd, char **arg)
{
    uint8_t batch[4096], request[8192], fetch[1024];
    size_t count = strtoul(arg[1], NULL, 10);
    useconds_t pause = (useconds_t)strtoul(arg[2], NULL, 10);
    size_t batch_len = wire_batch(batch, sizeof batch, 1, 100);
    size_t len = wire_produce(request, sizeof request, arg[0], 0, 1, view_of(batch, batch_len));
    double *times = need(count * sizeof *times);
    double bytes = 0;
    for (size_t i = 0; i < count; i++) {
        double start = now_s();
        wire_send(fd, request, len);
        struct view response = wire_receive(fd);
        check_produced(response);
        struct reader r = reader_of(response);
        reader_take(&r, 8);
        reader_take(&r, (size_t)read_i16(&r));
        reader_take(&r, 4 + 4 + 2);
        int64_t offset = read_i64(&r);
        wire_send(fd, fetch, wire_fetch(fetch, sizeof fetch, arg[0], offset, 1 << 20, 500));
        walk_batches(fetched_records(wire_receive(fd)), 0, &bytes);
        times[i] = now_s() - start;
        usleep(pause);
    }
    print_quantiles("tail", times, count);
}

static void run_echo(int fd, char **arg)
{
    uint8_t request[64];
    long count = strtol(arg[0], NULL, 10), window = strtol(arg[1], NULL, 10), sent = 0;
    size_t len = wire_api_versions(request, sizeof request);
    double cpu = process_cpu_s(arg[2]), start = now_s();
    for (long got = 0; got < count; got++) {
        for (; sent < count && sent - got < window; sent++) wire_send(fd, request, len);
        wire_receive(fd);
    }
    printf("echo.rate %.0f req/s\n", (double)count / (now_s() - start));
    printf("echo.broker %.3f us\n", (process_cpu_s(arg[2]) - cpu) / (double)count * 1e6);
}

/* ---- many producers on one thread, each with one request in flight: the durable path's group
 * commit ---- */

struct producer {
    int fd;
    size_t len; /* of its request */
    uint8_t request[1024];
};

/* One response, which is small enough to come in one piece. */
static void receive_small(int fd)
{
    uint8_t data[512];
    ssize_t n = recv(fd, data, sizeof data, 0);
    if (n < 4 || (size_t)n != be32_get(data) + 4) wire_die("a response did not come in one piece");
    check_produced(view_of(data + 4, (size_t)n - 4));
}

static void run_many(const char *host, const char *port, char **arg)
{
    int count = (int)strtol(arg[1], NULL, 10), partitions = (int)strtol(arg[2], NULL, 10),
        epoll = epoll_create1(0);
    uint8_t batch[900];
    size_t batch_len = wire_batch(batch, sizeof batch, 1, strtoul(arg[4], NULL, 10));
    struct producer *producers = need((size_t)count * sizeof *producers);
    double start = now_s(), until = start + strtod(arg[3], NULL);
    for (int i = 0; i < count; i++) {
        struct producer *p = &producers[i];
        p->fd = wire_dial(host, port);
        p->len = wire_produce(p->request, sizeof p->request, arg[0], i % partitions, 1,
                              view_of(batch, batch_len));
        epoll_ctl(epoll, EPOLL_CTL_ADD, p->fd,
                  &(struct epoll_event){.events = EPOLLIN, .data.ptr = p});
        wire_send(p->fd, p->request, p->len);
    }
    long done = 0;
    for (int open = count; open;) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, 10000);
        if (ready <= 0) wire_die("no answer for ten seconds");
        double now = now_s();
        for (int i = 0; i < ready; i++) {
            struct producer *p = events[i].data.ptr;
            receive_small(p->fd);
            done++;
            if (now < until) {
                wire_send(p->fd, p->request, p->len);
                continue;
            }
            close(p->fd);
            open--;
        }
    }
    printf("many.rate %.0f records/s\n", (double)done / (now_s() - start));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int args;
    } modes[] = {{"create", 2}, {"produce", 7}, {"consume", 4}, {"rtt", 4},
                 {"tail", 3},   {"echo", 3},    {"many", 5}};
    size_t mode = 0;
    while (argc > 3 && mode < 7 && strcmp(argv[1], modes[mode].name) != 0) mode++;
    if (argc <= 3 || mode == 7 || argc - 4 < modes[mode].args) {
        fprintf(stderr, "usage: see the head of tests/bench/load.c\n");
        return 2;
    }
    char **arg = argv + 4;
    if (mode == 6) {
        run_many(argv[2], argv[3], arg);
        return 0;
    }
    int fd = wire_dial(argv[2], argv[3]);
    switch (mode) {
    case 0: run_create(fd, arg, argc - 4); break;
    case 1: run_produce(fd, arg); break;
    case 2: run_consume(fd, arg); break;
    case 3: run_rtt(fd, arg); break;
    case 4: run_tail(fd, arg); break;
    default: run_echo(fd, arg); break;
    }
    return 0;
}
