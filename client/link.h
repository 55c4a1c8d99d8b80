/* link - one blocking connection to one broker: a request goes out, its response comes back.
 *
 * What the admin commands need: no pipelining, no threads, no retries. The broker's versions are
 * asked for when the link opens, and each call uses the highest version that both sides know. One
 * owner, one thread. After an error other than ERR_UNSUPPORTED the link is broken and can only be
 * closed. Input from the broker is never trusted: frames are bounded, lengths are checked.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "protocol/messages.h"

struct link;

enum { LINK_WHY_MAX = 256, LINK_FRAME_MAX = 256 << 20 };

struct link_options {
    const char
        *bootstrap; /* "host:port[,host:port...]": the first that answers; IPv6 hosts in brackets */
    const char *client_id;
    int timeout_ms; /* for connecting, and for each call */
};

/* On failure `why` says in words what was tried and what happened: ERR_INVALID (not an address),
 * ERR_NOT_FOUND (unknown host), ERR_CLOSED (refused, or not a Kafka broker), ERR_TIMEOUT. */
err_t link_open(const struct link_options *options, struct link **out, char why[LINK_WHY_MAX]);
void link_close(struct link *link); /* NULL is allowed */

/* "127.0.0.1:9092", the address that answered. */
const char *link_address(const struct link *link);
/* What went wrong in the last call, in words. */
const char *link_why(const struct link *link);

/* The version that link_call() will use; -1: the broker does not offer the API, or no version that
 * we know. */
int link_version(const struct link *link, enum api_key key);
/* Calls fn for each offered API, known to us or not, in order of key. */
void link_each_api(const struct link *link,
                   void (*fn)(void *arg, int16_t key, int16_t min, int16_t max), void *arg);

/* Sends a request (a struct of the API) and decodes the response into *response. Views in it borrow
 * from the link and are valid until the next call; arrays live in the arena. ERR_UNSUPPORTED: see
 * link_version(). */
err_t link_call(struct link *link, enum api_key key, const void *request, struct arena *arena,
                void *response);
