/* bootstrap - what a single node writes into the metadata when it starts.
 *
 * It registers itself (with a broker epoch of its own) and takes what is its to take: brokers that
 * other nodes registered are fenced, and every partition whose in-sync set holds this node is led
 * by it, alone. So a data directory that another broker stopped cleanly is served as it is. Where
 * nothing has to change but the registration, one small batch is all.
 */
#pragma once

#include "image.h"
#include "proposer.h"

struct bootstrap {
    int32_t node_id;
    struct uuid incarnation; /* new at every start */
    const char *rack;        /* NULL: none */
    const struct image_endpoint *endpoints;
    int32_t endpoint_count;
    const struct uuid *directories; /* of log.dirs */
    int32_t directory_count;
    int16_t metadata_version; /* feature level for a metadata log that has none yet */
    /* After a start that may have lost acknowledged records (power loss): every partition led here
     * begins a new leader epoch, so that clients notice (KIP-320). */
    bool has_lost_records;
};

enum { METADATA_VERSION_4_0 = 25 };

/* The pure decision. ERR_NOMEM only. */
err_t bootstrap_decide(const struct bootstrap *bootstrap, const struct image *image,
                       struct change *change);
/* Proposes it and waits for the end. Not from the proposer's thread. */
err_t bootstrap_run(const struct bootstrap *bootstrap, struct proposer *proposer);
