/* Base64 over 16 bytes: 21 characters carry six bits each, the last one two. */
#include "uuid.h"

#include "env.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct uuid uuid_random(const struct random *random)
{
    struct uuid u;
    char text[UUID_TEXT_LEN + 1];
    do {
        random->fill(random, u.bytes, sizeof u.bytes);
        u.bytes[6] = (uint8_t)((u.bytes[6] & 0x0f) | 0x40);
        u.bytes[8] = (uint8_t)((u.bytes[8] & 0x3f) | 0x80);
        uuid_format(u, text);
    } while (text[0] == '-');
    return u;
}

void uuid_format(struct uuid uuid, char out[UUID_TEXT_LEN + 1])
{
    uint32_t bits = 0;
    int have = 0, at = 0;
    for (int i = 0; i < 16; i++) {
        bits = bits << 8 | uuid.bytes[i];
        for (have += 8; have >= 6; have -= 6) out[at++] = alphabet[bits >> (have - 6) & 63];
    }
    out[at++] = alphabet[bits << (6 - have) & 63];
    out[at] = 0;
}

err_t uuid_parse(struct view text, struct uuid *out)
{
    if (text.len != UUID_TEXT_LEN) return ERR_INVALID;
    uint32_t bits = 0;
    int have = 0, at = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *c = text.data[i] ? strchr(alphabet, text.data[i]) : NULL;
        if (!c) return ERR_INVALID;
        bits = bits << 6 | (uint32_t)(c - alphabet);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out->bytes[at++] = (uint8_t)(bits >> have);
    }
    return (bits & 15) ? ERR_INVALID : OK; /* the four unused bits are zero */
}
