/* versions - which APIs this broker offers in which versions, and who handles them.
 *
 * The list is handlers/handlers.h; here it is looked up and told to clients. Answers to ApiVersions
 * are the same for everybody, so their bodies are encoded once. Constant after versions_init(); any
 * thread.
 */
#pragma once

#include "base/bytes.h"
#include "request.h"

struct api_offer {
    int16_t key;
    int16_t version_min;
    int16_t version_max;
    handler_fn handler;
};

/* NULL: not offered. */
const struct api_offer *versions_find(int16_t key);
/* All offers, in order of key. */
const struct api_offer *versions_all(size_t *count);

/* Encodes the answers; CHECKs that every offer is within what the codec can do. ERR_NOMEM. */
err_t versions_init(void);
void versions_release(void);
/* The body of an ApiVersions response without error. */
struct view versions_body(int version);
