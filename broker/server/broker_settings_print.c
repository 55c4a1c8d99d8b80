/* broker_settings_print - what --print-config says.
 *
 * The text is itself a properties file: what stands at its default is commented out, so that taking
 * the '#' away and changing the value is all there is to do. Passwords are never shown.
 */
#include <stdio.h>

#include "broker_settings_impl.h"

static const char hidden[] = "(hidden)";

static const char *type_name(enum setting_type type)
{
    switch (type) {
    case SETTING_BOOL: return "boolean";
    case SETTING_INT: return "int";
    case SETTING_LONG: return "long";
    case SETTING_DOUBLE: return "double";
    case SETTING_STRING: return "string";
    case SETTING_LIST: return "list";
    case SETTING_PASSWORD: return "password";
    }
    return "";
}

struct printed {
    const struct setting *setting;
    const char *value; /* NULL: null */
    const char *source;
    bool is_default;
};

static struct printed printed_of(const struct broker_settings *settings, size_t i)
{
    struct setting_info info;
    broker_setting_describe(settings, i, &info);
    const struct settings_row *row = &settings->values->rows[i];
    enum settings_level level = settings_level_of(row);
    bool is_default = level == LEVEL__COUNT;
    return (struct printed){
        .setting = info.setting,
        .value = info.is_sensitive && !is_default ? hidden : info.value,
        .source = is_default ? "default" : row->at[level].where,
        .is_default = is_default,
    };
}

/* ---- text ---- */

/* A value as the format wants it: backslashes doubled, a leading blank kept. */
static err_t append_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '\\': TRY(buf_printf(out, "\\\\")); break;
        case '\n': TRY(buf_printf(out, "\\n")); break;
        case '\r': TRY(buf_printf(out, "\\r")); break;
        case '\t': TRY(buf_printf(out, "\\t")); break;
        default: TRY(buf_append_u8(out, (uint8_t)*text));
        }
    }
    return OK;
}

static err_t print_text(const struct printed *p, struct buf *out)
{
    char allowed[400];
    setting_allowed(p->setting, allowed, sizeof(allowed));
    TRY(buf_printf(out, "# %s\n# %s", p->setting->meaning, allowed));
    TRY(buf_printf(out, "; default %s",
                   p->setting->default_value ? p->setting->default_value : "unset"));
    if (p->setting->flags & SETTING_DYNAMIC) TRY(buf_printf(out, "; can be changed while running"));
    if (p->setting->flags & SETTING_NO_EFFECT) TRY(buf_printf(out, "; accepted, has no effect"));
    TRY(buf_printf(out, "; source: %s\n", p->source));
    bool is_comment = p->is_default || p->value == hidden;
    TRY(buf_printf(out, "%s%s=", is_comment ? "#" : "", p->setting->name));
    TRY(append_escaped(out, p->value ? p->value : ""));
    return buf_printf(out, "\n\n");
}

/* ---- JSON ---- */

static err_t append_json_text(struct buf *out, const char *text)
{
    if (!text) return buf_printf(out, "null");
    TRY(buf_append_u8(out, '"'));
    for (; *text; text++) {
        uint8_t c = (uint8_t)*text;
        if (c == '"' || c == '\\') {
            TRY(buf_printf(out, "\\%c", c));
        } else if (c < 0x20) {
            TRY(buf_printf(out, "\\u%04x", c));
        } else {
            TRY(buf_append_u8(out, c));
        }
    }
    return buf_append_u8(out, '"');
}

static err_t append_json_member(struct buf *out, const char *name, const char *text)
{
    TRY(buf_printf(out, ", \"%s\": ", name));
    return append_json_text(out, text);
}

static err_t print_json(const struct printed *p, struct buf *out)
{
    char allowed[400];
    setting_allowed(p->setting, allowed, sizeof(allowed));
    TRY(buf_printf(out, "  {\"name\": "));
    TRY(append_json_text(out, p->setting->name));
    TRY(append_json_member(out, "type", type_name(p->setting->type)));
    TRY(append_json_member(out, "value", p->value));
    TRY(append_json_member(out, "default", p->setting->default_value));
    TRY(append_json_member(out, "source", p->source));
    TRY(append_json_member(out, "allowed", allowed));
    TRY(append_json_member(out, "meaning", p->setting->meaning));
    return buf_printf(out, ", \"dynamic\": %s, \"effect\": %s}",
                      p->setting->flags & SETTING_DYNAMIC ? "true" : "false",
                      p->setting->flags & SETTING_NO_EFFECT ? "false" : "true");
}

err_t broker_settings_print(const struct broker_settings *settings, bool as_json, struct buf *out)
{
    if (as_json) TRY(buf_printf(out, "[\n"));
    for (size_t i = 0; i < broker_setting_table.count; i++) {
        struct printed p = printed_of(settings, i);
        if (as_json && i > 0) TRY(buf_printf(out, ",\n"));
        TRY(as_json ? print_json(&p, out) : print_text(&p, out));
    }
    return as_json ? buf_printf(out, "\n]\n") : OK;
}
