/* Keys are small and nearly without gaps, so the key is tried as an index first: with the keys that
 * are missing below it, the entry is a few places further down. */
#include "api.h"

#include <strings.h>

#include "tables.h"

const struct api *api_find(int16_t key)
{
    if (key < 0) return NULL;
    size_t i = (size_t)key < api_table_count ? (size_t)key : api_table_count - 1;
    while (i > 0 && api_table[i].key > key) i--;
    return api_table[i].key == key ? &api_table[i] : NULL;
}

static bool name_is(const char *name, struct view given)
{
    return strlen(name) == given.len && strncasecmp(name, (const char *)given.data, given.len) == 0;
}

const struct api *api_find_name(struct view name)
{
    for (size_t i = 0; i < api_table_count; i++)
        if (name_is(api_table[i].name, name) || name_is(api_table[i].stem, name))
            return &api_table[i];
    return NULL;
}

const struct api *api_all(size_t *count)
{
    *count = api_table_count;
    return api_table;
}
