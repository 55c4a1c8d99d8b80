/* endpoint - the address of a broker as a client has to be told: on the listener through which it
 * asks. */
#pragma once

#include "metadata/image.h"
#include "net/conn.h"

struct broker_endpoint {
    const char *host; /* borrowed from the image or the connection */
    int32_t port;
};

/* Looks up the broker's endpoint for the connection's listener. A wildcard address of our own
 * becomes the address that the client reached. False: the broker has no such listener. */
bool broker_endpoint_for(const struct conn *conn, int32_t own_node_id,
                         const struct image_broker *broker, struct broker_endpoint *out);
