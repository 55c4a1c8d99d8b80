/* Of Java's properties format this takes what Kafka writes: one key=value a line, '#' and '!' for
 * comments, a backslash before characters that would mean something. Lines with other keys are kept
 * as bytes, so nothing of their finer points has to be understood.
 */
#include "meta_properties.h"

#include <inttypes.h>

#include "base/check.h"
#include "text_lines.h"

enum { VERSION_MAX = 1 };

enum property { VERSION, CLUSTER_ID, NODE_ID, BROKER_ID, DIRECTORY_ID, PROPERTY__COUNT };

static const char *const names[PROPERTY__COUNT] = {
    [VERSION] = "version",     [CLUSTER_ID] = "cluster.id",     [NODE_ID] = "node.id",
    [BROKER_ID] = "broker.id", [DIRECTORY_ID] = "directory.id",
};

struct property_text {
    char text[128];
    size_t len;
    bool is_set;
};

void meta_properties_release(struct meta_properties *meta)
{
    buf_release(&meta->others);
    *meta = (struct meta_properties){0};
}

static struct view trim(struct view v)
{
    while (v.len && (v.data[0] == ' ' || v.data[0] == '\t')) v = view_of(v.data + 1, v.len - 1);
    while (v.len && (v.data[v.len - 1] == ' ' || v.data[v.len - 1] == '\t')) v.len--;
    return v;
}

/* Splits at the first '=' or ':'; false for comments, blank lines and anything else. */
static bool split_property(struct view line, struct view *key, struct view *value)
{
    line = trim(line);
    if (line.len == 0 || line.data[0] == '#' || line.data[0] == '!') return false;
    size_t at = 0;
    while (at < line.len && line.data[at] != '=' && line.data[at] != ':') at++;
    if (at == line.len) return false;
    *key = trim(view_of(line.data, at));
    *value = trim(view_of(line.data + at + 1, line.len - at - 1));
    return true;
}

/* False when the value is too long to be one of ours. */
static bool take_value(struct view value, struct property_text *out)
{
    *out = (struct property_text){.is_set = true};
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == '\\' && i + 1 < value.len) i++;
        if (out->len + 1 == sizeof out->text) return false;
        out->text[out->len++] = (char)value.data[i];
    }
    return true;
}

static int property_named(struct view key)
{
    for (int i = 0; i < PROPERTY__COUNT; i++)
        if (view_eq(key, view_str(names[i]))) return i;
    return -1;
}

static err_t read_lines(struct meta_properties *meta, struct view text,
                        struct property_text values[PROPERTY__COUNT], const char **problem)
{
    struct text_lines lines = text_lines_of(text);
    struct view line, key, value;
    while (text_lines_next(&lines, &line)) {
        int which = split_property(line, &key, &value) ? property_named(key) : -1;
        if (which >= 0) {
            *problem = "a value is too long";
            if (!take_value(value, &values[which])) return ERR_INVALID;
        } else {
            TRY(buf_append(&meta->others, line.data, line.len));
            TRY(buf_append_u8(&meta->others, '\n'));
        }
    }
    return OK;
}

static bool number_of(const struct property_text *value, int32_t *out)
{
    int64_t n;
    if (!value->is_set || !word_to_int(view_of(value->text, value->len), 0, INT32_MAX, &n))
        return false;
    *out = (int32_t)n;
    return true;
}

/* What is written down again as it is, and printed. */
static bool is_plain(const struct property_text *value)
{
    for (size_t i = 0; i < value->len; i++)
        if (value->text[i] <= ' ' || value->text[i] > '~' || value->text[i] == '\\') return false;
    return true;
}

static err_t read_values(struct meta_properties *meta,
                         const struct property_text values[PROPERTY__COUNT], const char **problem)
{
    *problem = "version is missing or no number";
    if (!number_of(&values[VERSION], &meta->version)) return ERR_INVALID;
    *problem = "its version is newer than this program";
    if (meta->version > VERSION_MAX) return ERR_UNSUPPORTED;
    bool is_old = meta->version == 0 && !values[NODE_ID].is_set;
    *problem = is_old ? "broker.id is missing or no number" : "node.id is missing or no number";
    if (!number_of(&values[is_old ? BROKER_ID : NODE_ID], &meta->node_id)) return ERR_INVALID;
    const struct property_text *cluster = &values[CLUSTER_ID];
    *problem = "cluster.id is missing or too long";
    if (cluster->len == 0 || cluster->len > CLUSTER_ID_MAX) return ERR_INVALID;
    *problem = "cluster.id has characters that no identifier has";
    if (!is_plain(cluster)) return ERR_INVALID;
    memcpy(meta->cluster_id, cluster->text, cluster->len + 1);
    const struct property_text *directory = &values[DIRECTORY_ID];
    *problem = "directory.id is malformed";
    if (!directory->is_set) return OK;
    return uuid_parse(view_of(directory->text, directory->len), &meta->directory_id);
}

err_t meta_properties_parse(struct meta_properties *meta, struct view text, const char **problem)
{
    struct property_text values[PROPERTY__COUNT] = {0};
    meta_properties_release(meta);
    *problem = "out of memory";
    TRY(read_lines(meta, text, values, problem));
    return read_values(meta, values, problem);
}

err_t meta_properties_encode(const struct meta_properties *meta, struct buf *out)
{
    char id[UUID_TEXT_LEN + 1];
    CHECK(meta->version >= 0 && meta->version <= VERSION_MAX);
    uuid_format(meta->directory_id, id);
    TRY(buf_append(out, meta->others.data, meta->others.len));
    TRY(buf_printf(out, "%s=%" PRId32 "\n", names[VERSION], meta->version));
    TRY(buf_printf(out, "%s=%s\n", names[CLUSTER_ID], meta->cluster_id));
    TRY(buf_printf(out, "%s=%" PRId32 "\n", names[meta->version ? NODE_ID : BROKER_ID],
                   meta->node_id));
    return buf_printf(out, "%s=%s\n", names[DIRECTORY_ID], id);
}
