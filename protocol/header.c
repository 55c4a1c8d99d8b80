#include "header.h"

#include "messages.h"

enum { CLIENT_ID_MAX = 32767, MAX_TAGS = 10000 };

/* Headers know no tags today; whatever is there is passed over. */
static err_t skip_tags(struct reader *r)
{
    uint32_t count = read_uvarint(r);
    if (count > MAX_TAGS) return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        (void)read_uvarint(r);
        (void)reader_take(r, read_uvarint(r));
        if (r->bad) return ERR_SHORT;
    }
    return reader_result(r);
}

static err_t read_client_id(struct reader *r, struct view *out)
{
    int16_t len = read_i16(r);
    TRY(reader_result(r));
    if (len < -1) return ERR_INVALID;
    *out = len < 0 ? (struct view){0} : read_view(r, (size_t)len);
    return reader_result(r);
}

err_t request_header_decode(struct reader *r, struct request_header *out)
{
    *out = (struct request_header){0};
    out->api_key = read_i16(r);
    out->api_version = read_i16(r);
    out->correlation_id = read_i32(r);
    TRY(reader_result(r));
    out->api = api_find(out->api_key);
    bool is_known = out->api && api_has_version(out->api, out->api_version);
    if (!is_known && out->api_key != API_API_VERSIONS) return ERR_UNSUPPORTED;
    TRY(read_client_id(r, &out->client_id));
    /* Nobody reads the body of an ApiVersions request from the future, whatever its header is. */
    if (!is_known || !api_is_flexible(out->api, out->api_version)) return OK;
    return skip_tags(r);
}

err_t request_header_encode(const struct request_header *header, struct buf *out)
{
    bool is_null = !header->client_id.data;
    if (header->client_id.len > CLIENT_ID_MAX) return ERR_TOO_LARGE;
    TRY(buf_reserve(out, 11 + header->client_id.len));
    uint8_t *p = out->data + out->len;
    be16_put(p, (uint16_t)header->api->key);
    be16_put(p + 2, (uint16_t)header->api_version);
    be32_put(p + 4, (uint32_t)header->correlation_id);
    be16_put(p + 8, is_null ? 0xffff : (uint16_t)header->client_id.len);
    p += 10;
    if (!is_null && header->client_id.len) {
        memcpy(p, header->client_id.data, header->client_id.len);
        p += header->client_id.len;
    }
    if (api_is_flexible(header->api, header->api_version)) *p++ = 0;
    out->len = (size_t)(p - out->data);
    return OK;
}

static bool response_has_tags(const struct api *api, int version)
{
    return api->key != API_API_VERSIONS && api_is_flexible(api, version);
}

err_t response_header_decode(const struct api *api, int version, struct reader *r,
                             int32_t *correlation_id)
{
    *correlation_id = read_i32(r);
    return response_has_tags(api, version) ? skip_tags(r) : reader_result(r);
}

err_t response_header_encode(const struct api *api, int version, int32_t correlation_id,
                             struct buf *out)
{
    uint8_t bytes[5] = {0};
    be32_put(bytes, (uint32_t)correlation_id);
    return buf_append(out, bytes, response_has_tags(api, version) ? 5 : 4);
}
