#include "codec.h"

#include <stdlib.h>

void codec_default(const struct message_struct *type, void *out)
{
    memcpy(out, type->defaults, type->size);
}

void *codec_new(struct arena *arena, const struct message_struct *type, size_t count)
{
    char *items = arena_calloc(arena, count, type->size);
    if (!items) return NULL;
    for (size_t i = 0; i < count; i++) codec_default(type, items + i * type->size);
    return items;
}

void codec_holes_release(struct codec_holes *holes)
{
    free(holes->items);
    *holes = (struct codec_holes){0};
}
