/* broker_settings - see broker_settings.h.
 *
 * Each setting has one row with a text for every level it may be set at; the effective text is that
 * of the strongest level, else the table's default. Texts are checked when they come in, so what is
 * in a row can be parsed without looking back. The typed values are filled once from the effective
 * texts (broker_settings_merge.c); reading a file is in broker_settings_file.c, listeners in
 * broker_settings_listeners.c, the table in broker_settings_table.c.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"
#include "broker_settings_impl.h"

/* ---- lifecycle ---- */

static struct broker_settings_values *values_new(void)
{
    size_t size = sizeof(struct broker_settings_values) +
                  broker_setting_table.count * sizeof(struct settings_row);
    struct broker_settings_values *values = calloc(1, size);
    if (!values) return NULL;
    arena_init(&values->arena, 0);
    atomic_init(&values->refs, 1);
    values->settings.values = values;
    return values;
}

struct broker_settings *broker_settings_new(void)
{
    struct broker_settings_values *values = values_new();
    return values ? &values->settings : NULL;
}

struct broker_settings *broker_settings_ref(const struct broker_settings *settings)
{
    atomic_fetch_add_explicit(&settings->values->refs, 1, memory_order_relaxed);
    return &settings->values->settings;
}

void broker_settings_unref(const struct broker_settings *settings)
{
    if (!settings) return;
    struct broker_settings_values *values = settings->values;
    if (atomic_fetch_sub_explicit(&values->refs, 1, memory_order_acq_rel) != 1) return;
    broker_settings_unref(values->base);
    arena_release(&values->arena);
    free(values);
}

/* ---- texts ---- */

err_t settings_complain(struct buf *errors, const char *where, const char *format, ...)
{
    if (!errors) return ERR_INVALID;
    char line[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    err_t err = buf_printf(errors, "%s%s%s\n", where ? where : "", where ? ": " : "", line);
    return err == OK ? ERR_INVALID : err;
}

/* "address:count,..."; an IPv6 address has colons of its own. */
static bool are_overrides(struct view value)
{
    struct view element;
    while (setting_list_next(&value, &element)) {
        size_t at = element.len;
        while (at > 0 && element.data[at - 1] >= '0' && element.data[at - 1] <= '9') at--;
        size_t digits = element.len - at;
        if (digits < 1 || digits > 9 || at < 2 || element.data[at - 1] != ':') return false;
    }
    return true;
}

/* The table's rules, and the one it cannot express. */
static err_t check_value(const struct setting *setting, struct view value, char *message,
                         size_t size)
{
    TRY(setting_check(setting, value, message, size));
    if (strcmp(setting->name, "max.connections.per.ip.overrides") == 0 && !are_overrides(value)) {
        setting_refusal(setting, value, "a comma-separated list of address:count", message, size);
        return ERR_INVALID;
    }
    return OK;
}

/* Names that Kafka dropped and that old files still hold. */
static const char *hint_of(struct view name)
{
    static const struct {
        const char *name, *hint;
    } hints[] = {
        {"zookeeper.connect", "there is no ZooKeeper any more, a node needs none"},
        {"inter.broker.protocol.version", "it is gone since Kafka 4.0, leave it out"},
        {"log.message.format.version", "it is gone since Kafka 4.0, leave it out"},
    };
    for (size_t i = 0; i < COUNT_OF(hints); i++) {
        if (view_eq(view_str(hints[i].name), name)) return hints[i].hint;
    }
    return NULL;
}

static err_t complain_unknown(struct view name, const char *where, struct buf *errors)
{
    char message[400];
    const char *hint = hint_of(name);
    if (hint) {
        return settings_complain(errors, where, "Unknown setting \"%.*s\": %s", (int)name.len,
                                 (const char *)name.data, hint);
    }
    setting_unknown(&broker_setting_table, name, message, sizeof(message));
    return settings_complain(errors, where, "%s", message);
}

err_t settings_put(struct broker_settings *settings, enum settings_level level, struct view name,
                   struct view value, const char *where, struct buf *errors)
{
    struct broker_settings_values *values = settings->values;
    const struct setting *setting = setting_find(&broker_setting_table, name);
    if (!setting) return complain_unknown(name, where, errors);
    value = setting_trim(value);
    char message[600];
    if (value.len && memchr(value.data, '\0', value.len)) {
        return settings_complain(errors, where, "The value of %s holds a zero byte", setting->name);
    }
    if (check_value(setting, value, message, sizeof(message)) != OK) {
        return settings_complain(errors, where, "%s", message);
    }
    struct settings_text text = {arena_strndup(&values->arena, value.data, value.len),
                                 arena_strndup(&values->arena, where, strlen(where))};
    if (!text.text || !text.where) return ERR_NOMEM;
    values->rows[setting - broker_setting_table.settings].at[level] = text;
    return OK;
}

err_t broker_settings_set(struct broker_settings *settings, const char *option, const char *pair,
                          struct buf *errors)
{
    CHECK(!settings->values->is_finished);
    const char *equals = strchr(pair, '=');
    if (!equals) {
        return settings_complain(errors, option, "\"%s\" is not of the form KEY=VALUE", pair);
    }
    struct view name = setting_trim(view_of(pair, (size_t)(equals - pair)));
    return settings_put(settings, LEVEL_COMMAND, name, view_str(equals + 1), option, errors);
}

err_t broker_settings_finish(struct broker_settings *settings, struct buf *errors)
{
    CHECK(!settings->values->is_finished);
    TRY(settings_merge(settings, errors));
    settings->values->is_finished = true;
    return OK;
}

/* ---- look-up ---- */

enum settings_level settings_level_of(const struct settings_row *row)
{
    int level = 0;
    while (level < LEVEL__COUNT && !row->at[level].text) level++;
    return (enum settings_level)level;
}

static const char *row_text(const struct broker_settings *settings, size_t i)
{
    const struct settings_row *row = &settings->values->rows[i];
    enum settings_level level = settings_level_of(row);
    return level == LEVEL__COUNT ? broker_setting_table.settings[i].default_value
                                 : row->at[level].text;
}

const struct settings_row *settings_row(const struct broker_settings *settings, const char *name)
{
    const struct setting *setting = setting_find(&broker_setting_table, view_str(name));
    if (!setting) return NULL;
    return &settings->values->rows[setting - broker_setting_table.settings];
}

const char *settings_where(const struct broker_settings *settings, const char *name)
{
    const struct settings_row *row = settings_row(settings, name);
    CHECK(row != NULL);
    enum settings_level level = settings_level_of(row);
    return level == LEVEL__COUNT ? NULL : row->at[level].where;
}

const char *broker_settings_get(const struct broker_settings *settings, const char *name)
{
    const struct settings_row *row = settings_row(settings, name);
    return row ? row_text(settings, (size_t)(row - settings->values->rows)) : NULL;
}

static enum setting_source source_of(const struct settings_row *row)
{
    switch (settings_level_of(row)) {
    case LEVEL_NODE: return SOURCE_DYNAMIC_BROKER;
    case LEVEL_DEFAULT_NODE: return SOURCE_DYNAMIC_DEFAULT_BROKER;
    case LEVEL_COMMAND:
    case LEVEL_FILE: return SOURCE_STATIC_BROKER;
    case LEVEL__COUNT: break;
    }
    return SOURCE_DEFAULT;
}

enum setting_source broker_settings_source(const struct broker_settings *settings, const char *name)
{
    const struct settings_row *row = settings_row(settings, name);
    return row ? source_of(row) : SOURCE_DEFAULT;
}

static const char *text_at(const struct broker_settings *settings, size_t i,
                           enum setting_source source)
{
    const struct settings_text *at = settings->values->rows[i].at;
    switch (source) {
    case SOURCE_DYNAMIC_BROKER: return at[LEVEL_NODE].text;
    case SOURCE_DYNAMIC_DEFAULT_BROKER: return at[LEVEL_DEFAULT_NODE].text;
    case SOURCE_STATIC_BROKER:
        return at[LEVEL_COMMAND].text ? at[LEVEL_COMMAND].text : at[LEVEL_FILE].text;
    case SOURCE_DEFAULT: return broker_setting_table.settings[i].default_value;
    case SOURCE_TOPIC: break;
    }
    return NULL;
}

const char *broker_settings_get_at(const struct broker_settings *settings, const char *name,
                                   enum setting_source source)
{
    const struct settings_row *row = settings_row(settings, name);
    return row ? text_at(settings, (size_t)(row - settings->values->rows), source) : NULL;
}

static const char *defaults_get(void *arg, const char *name)
{
    return broker_settings_get(arg, name);
}

static const char *defaults_get_at(void *arg, const char *name, enum setting_source source)
{
    return broker_settings_get_at(arg, name, source);
}

struct broker_defaults broker_settings_defaults(const struct broker_settings *settings)
{
    return (struct broker_defaults){&settings->values->settings, defaults_get, defaults_get_at};
}

int32_t broker_settings_replicas(const struct broker_settings *settings, const char *name,
                                 size_t brokers)
{
    const char *text = broker_settings_get(settings, name);
    CHECK(text != NULL);
    int64_t wanted = setting_parse_long(text);
    bool is_set = broker_settings_source(settings, name) != SOURCE_DEFAULT;
    return (int32_t)(is_set ? wanted : MIN(wanted, (int64_t)MAX(brokers, 1)));
}

/* ---- description ---- */

void broker_setting_describe(const struct broker_settings *settings, size_t i,
                             struct setting_info *out)
{
    CHECK(i < broker_setting_table.count);
    const struct setting *setting = &broker_setting_table.settings[i];
    bool is_sensitive = setting->type == SETTING_PASSWORD;
    *out = (struct setting_info){
        .setting = setting,
        .value = is_sensitive ? NULL : row_text(settings, i),
        .source = source_of(&settings->values->rows[i]),
        .is_sensitive = is_sensitive,
        .is_read_only = !(setting->flags & SETTING_DYNAMIC),
    };
    out->is_default = out->source == SOURCE_DEFAULT;
    for (int source = SOURCE_DYNAMIC_BROKER; source <= SOURCE_DEFAULT; source++) {
        const char *text = text_at(settings, i, (enum setting_source)source);
        if (!text) continue;
        out->synonyms[out->synonym_count++] = (struct setting_synonym){
            setting->name, is_sensitive ? NULL : text, (enum setting_source)source};
    }
}

err_t broker_setting_check_dynamic(struct view name, struct view value, char *message,
                                   size_t message_size)
{
    const struct setting *setting = setting_find(&broker_setting_table, name);
    if (!setting) {
        setting_unknown(&broker_setting_table, name, message, message_size);
        return ERR_NOT_FOUND;
    }
    if (!(setting->flags & SETTING_DYNAMIC)) {
        if (message && message_size) {
            snprintf(message, message_size,
                     "%s cannot be changed while the broker runs: set it in its file or on its "
                     "command line, and restart",
                     setting->name);
        }
        return ERR_INVALID;
    }
    return value.data ? check_value(setting, value, message, message_size) : OK;
}

/* ---- dynamic values ---- */

struct overlay {
    struct broker_settings *settings;
    enum settings_level level;
    err_t err;
};

static void overlay_one(void *arg, const char *name, const char *text)
{
    struct overlay *overlay = arg;
    if (overlay->err) return;
    char message[600];
    struct view value = view_str(text);
    if (broker_setting_check_dynamic(view_str(name), value, message, sizeof(message)) != OK) {
        diag(DIAG_WARN, "settings", "a dynamic setting of the broker is passed over: %s", message);
        return;
    }
    err_t err = settings_put(overlay->settings, overlay->level, view_str(name), value, "metadata",
                             NULL);
    CHECK(err == OK || err == ERR_NOMEM);
    overlay->err = err;
}

static err_t overlay_resource(struct overlay *overlay, const struct image *image,
                              const char *resource, enum settings_level level)
{
    overlay->level = level;
    image_each_config(image, CONFIG_BROKER, view_str(resource), overlay_one, overlay);
    return overlay->err;
}

err_t broker_settings_overlay(const struct broker_settings *base, const struct image *image,
                              struct broker_settings **out)
{
    CHECK(base->values->is_finished);
    struct broker_settings_values *values = values_new();
    if (!values) return ERR_NOMEM;
    /* The static texts are the first one's: an overlay of an overlay does not need the one between.
     */
    values->base = broker_settings_ref(base->values->base ? base->values->base : base);
    for (size_t i = 0; i < broker_setting_table.count; i++) {
        values->rows[i] = base->values->rows[i];
        values->rows[i].at[LEVEL_NODE] = (struct settings_text){0};
        values->rows[i].at[LEVEL_DEFAULT_NODE] = (struct settings_text){0};
    }
    char node[16];
    snprintf(node, sizeof(node), "%" PRId32, base->node_id);
    struct overlay overlay = {.settings = &values->settings};
    err_t err = overlay_resource(&overlay, image, "", LEVEL_DEFAULT_NODE);
    if (err == OK) err = overlay_resource(&overlay, image, node, LEVEL_NODE);
    if (err == OK) err = settings_merge(&values->settings, NULL);
    CHECK(err == OK || err == ERR_NOMEM); /* the static ones fit together, dynamic ones are free */
    if (err != OK) {
        broker_settings_unref(&values->settings);
        return err;
    }
    values->is_finished = true;
    *out = &values->settings;
    return OK;
}
