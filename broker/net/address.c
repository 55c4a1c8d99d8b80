/* A host without connections has no entry, so the map is as large as the set of peers. */
#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void address_host(const union address *address, char host[ADDRESS_HOST_MAX])
{
    const void *raw = &address->v4.sin_addr;
    int family = address->any.sa_family;
    if (family == AF_INET6) {
        const struct in6_addr *v6 = &address->v6.sin6_addr;
        raw = v6;
        if (IN6_IS_ADDR_V4MAPPED(v6)) {
            raw = v6->s6_addr + 12;
            family = AF_INET;
        }
    }
    if (!inet_ntop(family, raw, host, ADDRESS_HOST_MAX)) snprintf(host, ADDRESS_HOST_MAX, "?");
}

int address_port(const union address *address)
{
    switch (address->any.sa_family) {
    case AF_INET: return ntohs(address->v4.sin_port);
    case AF_INET6: return ntohs(address->v6.sin6_port);
    default: return 0;
    }
}

void address_text(const union address *address, char text[ADDRESS_TEXT_MAX])
{
    char host[ADDRESS_HOST_MAX];
    address_host(address, host);
    const char *format = strchr(host, ':') ? "[%s]:%d" : "%s:%d";
    snprintf(text, ADDRESS_TEXT_MAX, format, host, address_port(address));
}

void address_counts_init(struct address_counts *counts, int max)
{
    *counts = (struct address_counts){.max = max};
    mutex_init(&counts->lock, RANK_LEAF);
}

void address_counts_release(struct address_counts *counts)
{
    size_t i = 0;
    for (struct map_entry *e; (e = map_next(&counts->counts, &i));) free(e->value);
    map_release(&counts->counts);
    mutex_destroy(&counts->lock);
}

static err_t count_first(struct map *counts, struct view host)
{
    int *count = malloc(sizeof *count);
    if (!count) return ERR_NOMEM;
    *count = 1;
    err_t err = map_put(counts, host, count, NULL);
    if (err != OK) free(count);
    return err;
}

err_t address_counts_add(struct address_counts *counts, const union address *address)
{
    if (counts->max <= 0) return OK;
    char host[ADDRESS_HOST_MAX];
    address_host(address, host);
    err_t err = OK;
    mutex_lock(&counts->lock);
    int *count = map_get(&counts->counts, view_str(host));
    if (!count) {
        err = count_first(&counts->counts, view_str(host));
    } else if (*count >= counts->max) {
        err = ERR_LIMIT;
    } else {
        ++*count;
    }
    mutex_unlock(&counts->lock);
    return err;
}

void address_counts_remove(struct address_counts *counts, const union address *address)
{
    if (counts->max <= 0) return;
    char host[ADDRESS_HOST_MAX];
    address_host(address, host);
    mutex_lock(&counts->lock);
    int *count = map_get(&counts->counts, view_str(host));
    CHECK(count && *count > 0);
    if (--*count == 0) free(map_remove(&counts->counts, view_str(host)));
    mutex_unlock(&counts->lock);
}
