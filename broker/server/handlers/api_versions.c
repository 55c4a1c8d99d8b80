/* ApiVersions: what this broker offers.
 *
 * A version that we do not know is answered all the same (KIP-511): in the layout of version 0,
 * with an error and the one entry from which the client learns what to ask with. Feature flags are
 * left out until there is a feature. The answer is the same for everybody and encoded once.
 */
#include "base/check.h"
#include "handlers.h"
#include "versions.h"

enum { VERSION_SOFTWARE = 3 };

static bool is_alphanumeric(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits, '.' and '-', the latter not at the ends. */
static bool is_software_name(struct view name)
{
    if (name.len == 0) return false;
    if (!is_alphanumeric(name.data[0]) || !is_alphanumeric(name.data[name.len - 1])) return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_alphanumeric(name.data[i]) && name.data[i] != '.' && name.data[i] != '-')
            return false;
    return true;
}

static void reply_unsupported(struct request *rq)
{
    const struct api_offer *offer = versions_find(API_API_VERSIONS);
    struct api_versions_response response;
    struct api_versions_response_api entry;
    CODEC_DEFAULT(api_versions_response, &response);
    CODEC_DEFAULT(api_versions_response_api, &entry);
    entry.api_key = offer->key;
    entry.min_version = offer->version_min;
    entry.max_version = offer->version_max;
    response.error_code = KAFKA_ERR_UNSUPPORTED_VERSION;
    response.api_keys = &entry;
    response.api_keys_count = 1;
    struct buf body = {0};
    err_t err = codec_encode(&api_versions_response_message, 0, &response, &body, NULL);
    if (err)
        request_refuse(rq, "no memory for its reply");
    else
        request_reply_encoded(rq, buf_view(&body));
    buf_release(&body);
}

void handle_api_versions(struct request *rq)
{
    const struct api_versions_request *body = rq->body;
    int version = request_version(rq);
    if (!body) { /* not decoded: an unknown version */
        reply_unsupported(rq);
        return;
    }
    if (version >= VERSION_SOFTWARE && (!is_software_name(body->client_software_name) ||
                                        !is_software_name(body->client_software_version))) {
        struct api_versions_response response;
        CODEC_DEFAULT(api_versions_response, &response);
        response.error_code = KAFKA_ERR_INVALID_REQUEST;
        request_reply(rq, &response);
        return;
    }
    request_reply_encoded(rq, versions_body(version));
}
