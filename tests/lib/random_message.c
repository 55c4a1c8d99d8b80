/* A walk over the tables like the decoder's, with chance in place of input. Structs begin as their
 * defaults, so fields of other versions and left-out tags need no care. */
#include "lib/random_message.h"

#include "base/check.h"
#include "protocol/codec.h"

struct filler {
    struct rng *rng;
    struct arena *arena;
    uint32_t bit; /* of the version */
};

static void fill_struct(struct filler *fill, const struct message_struct *type, char *out);

static int64_t random_number(struct rng *rng)
{
    switch (rng_below(rng, 4)) {
    case 0: return rng_between(rng, -2, 2);
    case 1: return (int64_t)((1ull << rng_below(rng, 64)) - rng_below(rng, 2));
    case 2: return rng_between(rng, 0, 1000);
    default: return (int64_t)rng_next(rng);
    }
}

static struct view random_view(struct filler *fill)
{
    size_t len = rng_below(fill->rng, rng_chance(fill->rng, 50) ? 400 : 12);
    uint8_t *data = arena_alloc(fill->arena, len);
    CHECK(data);
    for (size_t i = 0; i < len; i++) data[i] = (uint8_t)rng_next(fill->rng);
    return view_of(data, len);
}

/* Bytes in memory of one element of the kind. */
static size_t kind_size(const struct message_field *f)
{
    switch (f->kind) {
    case MESSAGE_BOOL: return sizeof(bool);
    case MESSAGE_INT8: return 1;
    case MESSAGE_INT16:
    case MESSAGE_UINT16: return 2;
    case MESSAGE_INT32:
    case MESSAGE_UINT32: return 4;
    case MESSAGE_INT64:
    case MESSAGE_FLOAT64: return 8;
    case MESSAGE_UUID: return sizeof(struct uuid);
    case MESSAGE_RECORDS: return sizeof(struct records_field);
    case MESSAGE_STRUCT: return f->type->size;
    default: return sizeof(struct view);
    }
}

static void fill_value(struct filler *fill, const struct message_field *f, char *out)
{
    int64_t number = random_number(fill->rng);
    switch (f->kind) {
    case MESSAGE_BOOL: *(bool *)out = number & 1; break;
    case MESSAGE_INT8:
    case MESSAGE_INT16:
    case MESSAGE_UINT16:
    case MESSAGE_INT32:
    case MESSAGE_UINT32:
    case MESSAGE_INT64:
    case MESSAGE_FLOAT64: memcpy(out, &number, kind_size(f)); break;
    case MESSAGE_UUID:
        for (size_t i = 0; i < sizeof(struct uuid); i++) out[i] = (char)rng_next(fill->rng);
        break;
    case MESSAGE_RECORDS: ((struct records_field *)out)->data = random_view(fill); break;
    case MESSAGE_STRUCT: fill_struct(fill, f->type, out); break;
    default: *(struct view *)out = random_view(fill); break;
    }
}

static char *fill_items(struct filler *fill, const struct message_field *f, size_t count)
{
    size_t size = kind_size(f);
    char *items = f->kind == MESSAGE_STRUCT ? codec_new(fill->arena, f->type, count)
                                            : arena_calloc(fill->arena, count, size);
    CHECK(items);
    for (size_t i = 0; i < count; i++) fill_value(fill, f, items + i * size);
    return items;
}

static void fill_field(struct filler *fill, const struct message_field *f, char *out)
{
    bool is_null = (f->nullable & fill->bit) && rng_chance(fill->rng, 250);
    if (f->flags & MESSAGE_ARRAY) {
        int32_t count = is_null ? -1 : (int32_t)rng_below(fill->rng, 4);
        char *items = count < 0 ? NULL : fill_items(fill, f, (size_t)count);
        memcpy(out + f->offset, &items, sizeof(items));
        memcpy(out + f->count_offset, &count, sizeof(count));
    } else if (f->flags & MESSAGE_POINTER) {
        char *item = is_null ? NULL : fill_items(fill, f, 1);
        memcpy(out + f->offset, &item, sizeof(item));
    } else if (is_null) {
        memset(out + f->offset, 0, kind_size(f));
    } else {
        fill_value(fill, f, out + f->offset);
    }
}

static void fill_struct(struct filler *fill, const struct message_struct *type, char *out)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct message_field *f = &type->fields[i];
        if (!(f->versions & fill->bit)) continue;
        if ((f->tagged & fill->bit) && rng_chance(fill->rng, 300)) continue;
        fill_field(fill, f, out);
    }
}

void random_message(const struct message *m, int version, struct rng *rng, struct arena *arena,
                    void *out)
{
    struct filler fill = {rng, arena, (uint32_t)1 << version};
    CHECK(message_has_version(m, version));
    codec_default(m->root, out);
    fill_struct(&fill, m->root, out);
}
