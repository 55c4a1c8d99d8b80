/* open: resolve, connect (each address in turn, with a time-out), ApiVersions 3, falling back to 0
 * (KIP-511). call: encode, write all, read the prefix, read the frame, check the correlation id,
 * decode. */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "protocol/api.h"
#include "protocol/codec.h"
#include "protocol/frame.h"
#include "protocol/header.h"

enum {
    OFFERS_MAX = 1000,
    ADDRESS_MAX = 300,
    OPEN_MAX_MS = 5000, /* whoever does not answer the first request within it is no broker */
};

struct offer {
    int16_t key, min, max;
};

struct link {
    int fd;
    int timeout_ms;
    bool is_open;        /* it has named its versions */
    int64_t deadline_ms; /* of the call under way */
    int32_t correlation_id;
    char client_id[64];
    char address[ADDRESS_MAX];
    char why[LINK_WHY_MAX];
    struct offer *offers; /* in order of key */
    size_t offer_count;
    struct buf out, in;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

__attribute__((format(printf, 3, 4))) static err_t fail(struct link *link, err_t err,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(link->why, sizeof link->why, format, args);
    va_end(args);
    return err;
}

/* ---- bytes ---- */

static int allowed_ms(const struct link *link)
{
    return link->is_open ? link->timeout_ms : MIN(link->timeout_ms, OPEN_MAX_MS);
}

static void start_clock(struct link *link) { link->deadline_ms = now_ms() + allowed_ms(link); }

static err_t wait_for(struct link *link, short events)
{
    struct pollfd p = {.fd = link->fd, .events = events};
    for (;;) {
        int64_t left = link->deadline_ms - now_ms();
        int n = poll(&p, 1, left > 0 ? (int)left : 0);
        if (n > 0) return OK;
        if (n == 0)
            return fail(link, ERR_TIMEOUT, "%s did not answer within %d ms%s", link->address,
                        allowed_ms(link),
                        link->is_open ? "" : "; that may be no Kafka broker, or one behind TLS");
        if (errno != EINTR) return fail(link, ERR_IO, "poll: %s", strerror(errno));
    }
}

static err_t write_all(struct link *link, const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t n = send(link->fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            TRY(wait_for(link, POLLOUT));
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return fail(link, ERR_CLOSED, "%s closed the connection: %s", link->address,
                        strerror(errno));
        data += n;
        len -= (size_t)n;
    }
    return OK;
}

static err_t read_all(struct link *link, uint8_t *data, size_t len)
{
    while (len) {
        ssize_t n = recv(link->fd, data, len, 0);
        if (n < 0 && errno == EAGAIN) {
            TRY(wait_for(link, POLLIN));
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return fail(link, ERR_CLOSED, "%s closed the connection%s", link->address,
                        link->is_open ? "" : "; that may be no Kafka broker, or one behind TLS");
        data += n;
        len -= (size_t)n;
    }
    return OK;
}

/* What else listens on ports: told by its first bytes. */
static err_t fail_prefix(struct link *link, const uint8_t prefix[FRAME_PREFIX_BYTES])
{
    if (memcmp(prefix, "HTTP", 4) == 0)
        return fail(link, ERR_INVALID, "%s speaks HTTP, not Kafka", link->address);
    if (prefix[0] == 0x15 && prefix[1] == 3) /* an alert */
        return fail(link, ERR_INVALID, "%s speaks TLS, which this program does not know yet",
                    link->address);
    return fail(link, ERR_INVALID,
                "%s announced a response of %d bytes: this is not a Kafka broker", link->address,
                (int32_t)be32_get(prefix));
}

/* The frame grows as bytes come, not as its prefix says. */
static err_t read_frame(struct link *link)
{
    enum { STEP = 1 << 20 };
    uint8_t prefix[FRAME_PREFIX_BYTES];
    int64_t len;
    TRY(read_all(link, prefix, sizeof prefix));
    if (frame_parse(prefix, LINK_FRAME_MAX, &len) != OK) return fail_prefix(link, prefix);
    buf_clear(&link->in);
    while ((int64_t)link->in.len < len) {
        size_t step = (size_t)MIN(len - (int64_t)link->in.len, STEP);
        TRY(buf_reserve(&link->in, step));
        TRY(read_all(link, link->in.data + link->in.len, step));
        link->in.len += step;
    }
    return OK;
}

/* ---- connecting ---- */

static err_t connect_one(struct link *link, const struct addrinfo *address)
{
    int one = 1, err = 0;
    socklen_t len = sizeof err;
    link->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0) return fail(link, ERR_IO, "socket: %s", strerror(errno));
    if (connect(link->fd, address->ai_addr, address->ai_addrlen) == 0) return OK;
    if (errno == EINPROGRESS) {
        TRY(wait_for(link, POLLOUT));
        getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &err, &len);
        if (err == 0) {
            setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            return OK;
        }
        errno = err;
    }
    return fail(link, ERR_CLOSED, "cannot connect to %s: %s", link->address, strerror(errno));
}

/* "host:port" or "[v6]:port" into two strings; the port defaults to 9092. */
static bool split_address(const char *text, char host[ADDRESS_MAX], char port[8])
{
    const char *end = text + strlen(text), *colon = strrchr(text, ':');
    const char *host_start = text, *host_end = colon ? colon : end;
    if (text[0] == '[') {
        host_end = strchr(text, ']');
        if (!host_end || (host_end[1] != 0 && host_end[1] != ':')) return false;
        colon = host_end[1] ? host_end + 1 : NULL;
        host_start++;
    } else if (colon && strchr(text, ':') != colon)
        return false; /* an IPv6 address without its brackets */
    size_t host_len = (size_t)(host_end - host_start),
           port_len = colon ? (size_t)(end - colon) - 1 : 0;
    if (host_len == 0 || host_len >= ADDRESS_MAX || port_len >= 8 || (colon && port_len == 0))
        return false;
    memcpy(host, host_start, host_len);
    host[host_len] = 0;
    memcpy(port, colon ? colon + 1 : "9092", colon ? port_len + 1 : 5);
    char *rest;
    long number = strtol(port, &rest, 10);
    return *rest == 0 && number >= 1 && number <= 65535;
}

static err_t connect_name(struct link *link)
{
    char host[ADDRESS_MAX], port[8];
    if (!split_address(link->address, host, port))
        return fail(link, ERR_INVALID,
                    "'%s' is not HOST:PORT (an IPv6 address goes into brackets: [::1]:9092)",
                    link->address);
    struct addrinfo *list, hint = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    int r = getaddrinfo(host, port, &hint, &list);
    if (r) return fail(link, ERR_NOT_FOUND, "cannot resolve '%s': %s", host, gai_strerror(r));
    err_t err = ERR_NOT_FOUND;
    for (const struct addrinfo *a = list; a && err != OK; a = a->ai_next) {
        if (link->fd >= 0) close(link->fd);
        err = connect_one(link, a);
    }
    freeaddrinfo(list);
    return err;
}

/* ---- versions ---- */

static int by_key(const void *a, const void *b)
{
    return ((const struct offer *)a)->key - ((const struct offer *)b)->key;
}

static const struct offer *find_offer(const struct link *link, int16_t key)
{
    struct offer wanted = {.key = key};
    return link->offer_count
               ? bsearch(&wanted, link->offers, link->offer_count, sizeof wanted, by_key)
               : NULL;
}

static err_t call_version(struct link *link, const struct api *api, int version,
                          const void *request, struct arena *arena, void *response)
{
    struct request_header header = {.api_key = api->key,
                                    .api_version = (int16_t)version,
                                    .correlation_id = ++link->correlation_id,
                                    .client_id = view_str(link->client_id),
                                    .api = api};
    size_t start;
    int32_t correlation_id;
    start_clock(link);
    buf_clear(&link->out);
    TRY(frame_begin(&link->out, &start));
    TRY(request_header_encode(&header, &link->out));
    err_t err = codec_encode(api->request, version, request, &link->out, NULL);
    if (err == ERR_UNSUPPORTED)
        return fail(link, err, "%s %d of this broker cannot express the request", api->name,
                    version);
    TRY(err);
    TRY(frame_end(&link->out, start, 0));
    TRY(write_all(link, link->out.data, link->out.len));
    TRY(read_frame(link));
    struct reader r = reader_of(buf_view(&link->in));
    if (response_header_decode(api, version, &r, &correlation_id) != OK ||
        correlation_id != link->correlation_id)
        return fail(
            link, ERR_INVALID,
            "%s answered something else: this is not a Kafka broker, or the connection is broken",
            link->address);
    err = codec_decode(api->response, version, &r, arena, response);
    return err == OK ? OK
                     : fail(link, err, "cannot read %s's answer to %s %d: %s", link->address,
                            api->name, version, err_name(err));
}

static err_t keep_offers(struct link *link, const struct api_versions_response *response)
{
    if (response->api_keys_count <= 0 || response->api_keys_count > OFFERS_MAX)
        return fail(link, ERR_INVALID, "%s offers %d APIs: this is not a Kafka broker",
                    link->address, response->api_keys_count);
    link->offers = calloc((size_t)response->api_keys_count, sizeof *link->offers);
    if (!link->offers) return ERR_NOMEM;
    link->offer_count = (size_t)response->api_keys_count;
    for (size_t i = 0; i < link->offer_count; i++)
        link->offers[i] = (struct offer){response->api_keys[i].api_key,
                                         response->api_keys[i].min_version,
                                         response->api_keys[i].max_version};
    qsort(link->offers, link->offer_count, sizeof *link->offers, by_key);
    return OK;
}

static err_t ask_versions(struct link *link)
{
    struct arena arena = {.limit_bytes = 1 << 20};
    struct api_versions_request request;
    struct api_versions_response response;
    CODEC_DEFAULT(api_versions_request, &request);
    request.client_software_name = view_str("stele");
    request.client_software_version = view_str("1");
    const struct api *api = api_find(API_API_VERSIONS);
    err_t err = call_version(link, api, 3, &request, &arena, &response);
    /* A broker that does not know version 3 answers in the form of version 0, which decodes as an
     * early end. */
    if (err != OK && link->in.len >= 6 && be16_get(link->in.data + 4) == 35)
        err = call_version(link, api, 0, &request, &arena, &response);
    if (err == OK && response.error_code)
        err = fail(link, ERR_INVALID, "%s refused to name its versions: error %d", link->address,
                   response.error_code);
    if (err == OK) err = keep_offers(link, &response);
    arena_release(&arena);
    return err;
}

/* ---- public ---- */

static err_t open_first(struct link *link, const char *bootstrap)
{
    err_t err = fail(link, ERR_INVALID, "no bootstrap address");
    for (const char *at = bootstrap; *at && err != OK;) {
        size_t len = strcspn(at, ",");
        if (len >= sizeof link->address)
            return fail(link, ERR_INVALID, "'%s' is not HOST:PORT", at);
        memcpy(link->address, at, len);
        link->address[len] = 0;
        start_clock(link);
        err = connect_name(link);
        if (err == OK) err = ask_versions(link);
        link->is_open = err == OK;
        at += len + (at[len] == ',');
    }
    return err;
}

err_t link_open(const struct link_options *options, struct link **out, char why[LINK_WHY_MAX])
{
    struct link *link = calloc(1, sizeof *link);
    if (!link) return ERR_NOMEM;
    link->fd = -1;
    link->timeout_ms = options->timeout_ms;
    snprintf(link->client_id, sizeof link->client_id, "%s", options->client_id);
    err_t err = open_first(link, options->bootstrap);
    memcpy(why, link->why, LINK_WHY_MAX);
    if (err != OK) {
        if (!why[0]) snprintf(why, LINK_WHY_MAX, "%s", err_name(err));
        link_close(link);
        return err;
    }
    *out = link;
    return OK;
}

void link_close(struct link *link)
{
    if (!link) return;
    if (link->fd >= 0) close(link->fd);
    free(link->offers);
    buf_release(&link->out);
    buf_release(&link->in);
    free(link);
}

const char *link_address(const struct link *link) { return link->address; }
const char *link_why(const struct link *link) { return link->why; }

void link_each_api(const struct link *link,
                   void (*fn)(void *arg, int16_t key, int16_t min, int16_t max), void *arg)
{
    for (size_t i = 0; i < link->offer_count; i++)
        fn(arg, link->offers[i].key, link->offers[i].min, link->offers[i].max);
}

int link_version(const struct link *link, enum api_key key)
{
    const struct api *api = api_find((int16_t)key);
    const struct offer *o = find_offer(link, (int16_t)key);
    if (!api || !o) return -1;
    int version = MIN(api->version_max, o->max);
    return version >= MAX(api->version_min, o->min) ? version : -1;
}

err_t link_call(struct link *link, enum api_key key, const void *request, struct arena *arena,
                void *response)
{
    int version = link_version(link, key);
    if (version < 0) {
        const struct api *api = api_find((int16_t)key);
        return fail(link, ERR_UNSUPPORTED, "%s offers no version of %s that this program knows",
                    link->address, api ? api->name : "?");
    }
    return call_version(link, api_find((int16_t)key), version, request, arena, response);
}
