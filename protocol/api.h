/* api - what can be asked: one entry per Kafka API, from the tables that schemac makes.
 *
 * version_min..version_max is what this code can read and write; what a broker offers is a narrower
 * range and the server's decision. Keys are in protocol/messages.h as enum api_key (API_FETCH ...).
 * Constant data, any thread.
 */
#pragma once

#include "protocol/message.h"

struct api {
    int16_t key;
    int8_t version_min;
    int8_t version_max;
    const char *name; /* "Fetch" */
    const char *stem; /* "fetch" */
    const struct message *request;
    const struct message *response;
};

/* NULL for a key that we have no schema for; any int16 may be asked. */
const struct api *api_find(int16_t key);
/* By name, "Fetch" or "fetch"; NULL if there is none. */
const struct api *api_find_name(struct view name);

static inline bool api_has_version(const struct api *api, int version)
{
    return version >= api->version_min && version <= api->version_max;
}
/* True where request and response use compact forms and tag sections. Versions above version_max
 * count as flexible if the API ever was. */
static inline bool api_is_flexible(const struct api *api, int version)
{
    return version >= api->request->flexible_min;
}

/* All of them by rising key; for (const struct api *a = api_all(&n), *end = a + n; a < end; a++) */
const struct api *api_all(size_t *count);
