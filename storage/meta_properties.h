/* meta_properties - the file meta.properties: which cluster and node a log directory belongs to.
 *
 * A Java properties file. Version 1 names the node by node.id, version 0 by broker.id; both are
 * read. What we do not know is kept as it stands. A zeroed struct may be released.
 */
#pragma once

#include "base/buf.h"
#include "base/types.h"
#include "base/uuid.h"

enum { CLUSTER_ID_MAX = 63 };

struct meta_properties {
    int32_t version;
    int32_t node_id;
    char cluster_id[CLUSTER_ID_MAX + 1];
    struct uuid directory_id; /* zero: the file has none yet */
    struct buf others;        /* owned: all other lines, verbatim */
};

void meta_properties_release(struct meta_properties *meta);
/* ERR_INVALID: *problem (static text) says what is missing or wrong; ERR_UNSUPPORTED: a newer
 * version. */
err_t meta_properties_parse(struct meta_properties *meta, struct view text, const char **problem);
/* Appended to `out`. */
err_t meta_properties_encode(const struct meta_properties *meta, struct buf *out);
