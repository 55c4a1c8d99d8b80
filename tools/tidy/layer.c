/* The order of the table is the order of the report: from the ground up. */
#include "layer.h"

#include <string.h>

#include "base/check.h"

static const struct layer layers[] = {
    {"base", "base/", " "},
    {"record", "protocol/record/", " base "},
    {"protocol", "protocol/", " base "},
    {"storage", "storage/", " base record "},
    {"net", "broker/net/", " base "},
    {"metadata", "broker/metadata/", " base record protocol storage "},
    {"replication", "broker/replication/", " base record protocol storage net metadata "},
    {"group", "broker/group/", " base record protocol storage net metadata replication "},
    {"txn", "broker/txn/", " base record protocol storage net metadata replication "},
    {"controller", "broker/controller/", " base record protocol storage net metadata "},
    {"security", "broker/security/", " base protocol net metadata "},
    {"telemetry", "broker/telemetry/", " base net "},
    {"server", "broker/server/", "*"},
    {"client", "client/", " base record protocol "},
    {"schemac", "tools/schemac/", " base "},
    {"tidy", "tools/tidy/", " base "},
    {"tools", "tools/", " base record protocol storage client "},
    {"tests", "tests/", "*"},
};

size_t layer_count(void) { return COUNT_OF(layers); }
const struct layer *layer_at(size_t i) { return &layers[i]; }

const struct layer *layer_of_path(const char *path)
{
    const struct layer *best = NULL;
    for (size_t i = 0; i < COUNT_OF(layers); i++) {
        size_t len = strlen(layers[i].folder);
        if (strncmp(path, layers[i].folder, len) != 0) continue;
        if (!best || len > strlen(best->folder)) best = &layers[i];
    }
    return best;
}

const struct layer *layer_by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(layers); i++)
        if (strlen(layers[i].name) == len && memcmp(layers[i].name, name, len) == 0)
            return &layers[i];
    return NULL;
}

bool layer_may_use(const struct layer *user, const struct layer *used)
{
    if (user == used || strcmp(user->may, "*") == 0) return true;
    const char *at = user->may;
    size_t len = strlen(used->name);
    for (; (at = strstr(at, used->name)); at += len)
        if (at[-1] == ' ' && at[len] == ' ') return true;
    return false;
}
