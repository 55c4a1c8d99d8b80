/* The offers as a table indexed by key, made from the list in handlers.h. */
#include "versions.h"

#include "base/check.h"
#include "handlers/handlers.h"

static const struct api_offer offers[] = {
#define OFFER(key, min, max, handler) {key, min, max, handler},
    HANDLERS(OFFER)
#undef OFFER
};

enum { KEY_MAX = 128, BODIES = 5 /* versions of ApiVersions */ };

static uint8_t by_key[KEY_MAX]; /* index into offers, plus one */
static struct buf bodies[BODIES];

const struct api_offer *versions_all(size_t *count)
{
    *count = COUNT_OF(offers);
    return offers;
}

const struct api_offer *versions_find(int16_t key)
{
    if (key < 0 || key >= KEY_MAX || by_key[key] == 0) return NULL;
    return &offers[by_key[key] - 1];
}

static err_t encode_body(int version, struct buf *out)
{
    struct api_versions_response response;
    CODEC_DEFAULT(api_versions_response, &response);
    struct arena arena = {0};
    response.api_keys = CODEC_NEW(&arena, api_versions_response_api, COUNT_OF(offers));
    err_t err = response.api_keys ? OK : ERR_NOMEM;
    for (size_t i = 0; !err && i < COUNT_OF(offers); i++) {
        response.api_keys[i].api_key = offers[i].key;
        response.api_keys[i].min_version = offers[i].version_min;
        response.api_keys[i].max_version = offers[i].version_max;
        response.api_keys_count++;
    }
    buf_clear(out);
    if (!err) err = codec_encode(&api_versions_response_message, version, &response, out, NULL);
    arena_release(&arena);
    return err;
}

err_t versions_init(void)
{
    for (size_t i = 0; i < COUNT_OF(offers); i++) {
        const struct api *api = api_find(offers[i].key);
        CHECK(api && offers[i].key < KEY_MAX && by_key[offers[i].key] <= i + 1);
        CHECK(api_has_version(api, offers[i].version_min));
        CHECK(api_has_version(api, offers[i].version_max));
        by_key[offers[i].key] = (uint8_t)(i + 1);
    }
    for (int version = 0; version < BODIES; version++) TRY(encode_body(version, &bodies[version]));
    return OK;
}

void versions_release(void)
{
    for (int version = 0; version < BODIES; version++) buf_release(&bodies[version]);
}

struct view versions_body(int version)
{
    CHECK(version >= 0 && version < BODIES);
    return buf_view(&bodies[version]);
}
