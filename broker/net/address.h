/* address - socket addresses as people read them, and the count of connections for each. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/map.h"
#include "base/mutex.h"

enum { ADDRESS_HOST_MAX = 64, ADDRESS_TEXT_MAX = 80 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* "127.0.0.1", "::1"; an IPv4 address that came through an IPv6 socket reads like the former. */
void address_host(const union address *address, char host[ADDRESS_HOST_MAX]);
int address_port(const union address *address);
/* "127.0.0.1:9092", "[::1]:9092". */
void address_text(const union address *address, char text[ADDRESS_TEXT_MAX]);

/* How many connections each host has. Any thread. */
struct address_counts {
    struct mutex lock;
    struct map counts; /* host -> int, owned; under the lock */
    int max;           /* connections of one host; <= 0: not counted */
};

void address_counts_init(struct address_counts *counts, int max);
void address_counts_release(struct address_counts *counts);
/* ERR_LIMIT when the host has `max` already. */
err_t address_counts_add(struct address_counts *counts, const union address *address);
void address_counts_remove(struct address_counts *counts, const union address *address);
