/* config_decisions - altering settings of topics and brokers: pure, image in, config records out.
 *
 * One resource at a time; nothing is added after a refusal. AlterConfigs replaces all of a
 * resource's settings, IncrementalAlterConfigs changes single ones (KIP-339).
 */
#pragma once

#include "metadata/change.h"
#include "metadata/image.h"
#include "verdict.h"

enum config_operation { CONFIG_SET, CONFIG_DELETE, CONFIG_APPEND, CONFIG_SUBTRACT };

struct config_change {
    struct view name;
    struct view value; /* data NULL: null */
    enum config_operation operation;
};

struct config_decision {
    const struct image *image;
    struct arena *arena;   /* messages and computed values */
    struct change *change; /* NULL: judge only */
    const char *(*effective)(void *arg, int resource_type, struct view resource,
                             const char *name); /* for lists */
    void *effective_arg;
    int32_t node_id;
};

struct verdict config_alter_decide(const struct config_decision *d, int resource_type,
                                   struct view resource, const struct config_change *changes,
                                   int32_t count, bool replaces_all);

/* Does the resource exist, and may it have settings? */
struct verdict config_resource_judge(const struct image *image, struct arena *arena,
                                     int resource_type, struct view resource);
