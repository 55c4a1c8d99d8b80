/* header - what stands before the body of each request and response.
 *
 * The form depends on the API and its version: flexible versions add a tag section, the client id
 * keeps its old form of a 16-bit length everywhere, and responses to ApiVersions never have tags,
 * because a client must be able to read them before it knows what the broker speaks. Views borrow
 * from the input. No state, any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "protocol/api.h"

struct request_header {
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct view client_id; /* data == NULL: null */
    const struct api *api; /* NULL: unknown key */
};

/* Reads the header and leaves r at the body. ERR_SHORT and ERR_INVALID are malformed input;
 * ERR_UNSUPPORTED is an unknown key or version, then the fields up to correlation_id (and api) are
 * set and the body cannot be reached. An ApiVersions request of a version we do not know is OK,
 * because it has to be answered: see api_has_version(). */
err_t request_header_decode(struct reader *r, struct request_header *out);

/* Appends a header for header->api and header->api_version (api_key is not looked at). */
err_t request_header_encode(const struct request_header *header, struct buf *out);

/* The caller knows from its own request which API and version the response belongs to. */
err_t response_header_decode(const struct api *api, int version, struct reader *r,
                             int32_t *correlation_id);
err_t response_header_encode(const struct api *api, int version, int32_t correlation_id,
                             struct buf *out);
