/* See endpoint.h. */
#include "endpoint.h"

#include <string.h>

static bool is_wildcard(const char *host)
{
    return host[0] == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

bool broker_endpoint_for(const struct conn *conn, int32_t own_node_id,
                         const struct image_broker *broker, struct broker_endpoint *out)
{
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        const struct image_endpoint *e = &broker->endpoints[i];
        if (strcmp(e->listener, conn_listener(conn)) != 0) continue;
        bool is_ours = broker->id == own_node_id;
        out->host = is_ours && is_wildcard(e->host) ? conn_local_host(conn) : e->host;
        out->port = is_ours && e->port == 0 ? conn_local_port(conn) : e->port;
        return true;
    }
    return false;
}
