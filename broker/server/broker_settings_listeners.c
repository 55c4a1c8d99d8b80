/* broker_settings_listeners - listeners, what of them is advertised, and the protocols they speak.
 *
 *   listeners                      NAME://host:port,...    where to listen
 *   listener.security.protocol.map NAME:PROTOCOL,...       what a listener of that name speaks
 *   advertised.listeners           NAME://host:port,...    what clients are told
 *   controller.listener.names      NAME,...                left out here: there is nobody to talk
 * to
 *
 * A listener without an advertised one is advertised as itself; one on every address is advertised
 * with an empty host, for which the broker puts the address that the client reached.
 */
#include "broker_settings_impl.h"

enum { HOST_MAX = 255, PORT_DIGITS_MAX = 5 };

/* ---- one NAME://host:port ---- */

static bool is_name(struct view name)
{
    if (name.len == 0) return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i], lower = c | 0x20;
        bool is_word = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
        if (!is_word && c != '_' && c != '-' && c != '.') return false;
    }
    return true;
}

static bool parse_port(struct view digits, int32_t *port)
{
    if (digits.len == 0 || digits.len > PORT_DIGITS_MAX) return false;
    *port = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') return false;
        *port = *port * 10 + (digits.data[i] - '0');
    }
    return *port <= 65535;
}

/* Host and port around the last colon; a host with colons has to be in brackets. */
static bool parse_host_port(struct view text, struct view *host, int32_t *port)
{
    size_t colon = text.len;
    while (colon > 0 && text.data[colon - 1] != ':') colon--;
    if (colon == 0) return false;
    if (!parse_port(view_of(text.data + colon, text.len - colon), port)) return false;
    *host = view_of(text.data, colon - 1);
    if (host->len >= 2 && host->data[0] == '[' && host->data[host->len - 1] == ']') {
        *host = view_of(host->data + 1, host->len - 2);
        return host->len > 0 && !memchr(host->data, ']', host->len);
    }
    if (host->len > HOST_MAX) return false;
    for (size_t i = 0; i < host->len; i++) {
        if (host->data[i] <= ' ' || strchr(":/[]@", host->data[i])) return false;
    }
    return true;
}

/* ERR_INVALID without a word: the caller names the setting. */
static err_t parse_listener(struct broker_settings *settings, struct view text,
                            struct broker_listener *out)
{
    static const char separator[] = "://";
    const char *found = memmem(text.data, text.len, separator, 3);
    if (!found) return ERR_INVALID;
    struct view name = view_of(text.data, (size_t)(found - (const char *)text.data));
    struct view rest = view_of(name.data + name.len + 3, text.len - name.len - 3);
    struct view host;
    if (!is_name(name) || !parse_host_port(rest, &host, &out->port)) return ERR_INVALID;
    struct arena *arena = &settings->values->arena;
    char *copy = arena_strndup(arena, name.data, name.len);
    out->host = arena_strndup(arena, host.data, host.len);
    if (!copy || !out->host) return ERR_NOMEM;
    for (char *c = copy; *c; c++) {
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A'); /* names do not depend on case */
    }
    out->name = copy;
    return OK;
}

/* ---- a list of them ---- */

struct listener_list {
    struct broker_listener *items;
    int32_t count;
};

static const struct broker_listener *list_find(const struct listener_list *list, const char *name)
{
    for (int32_t i = 0; i < list->count; i++) {
        if (strcasecmp(list->items[i].name, name) == 0) return &list->items[i];
    }
    return NULL;
}

/* `setting` is listeners or advertised.listeners. */
static err_t parse_list(struct broker_settings *settings, const char *setting,
                        struct listener_list *list, struct buf *errors)
{
    const char *where = settings_where(settings, setting);
    int32_t count;
    const char **texts = settings_split(settings, broker_settings_get(settings, setting), &count);
    if (!texts) return ERR_NOMEM;
    list->count = 0;
    list->items = arena_calloc(&settings->values->arena, (size_t)count, sizeof(*list->items));
    if (!list->items) return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        struct broker_listener listener;
        err_t err = parse_listener(settings, view_str(texts[i]), &listener);
        if (err == ERR_INVALID) {
            return settings_complain(errors, where,
                                     "Invalid value \"%s\" for %s: allowed is NAME://host:port, an "
                                     "IPv6 address in brackets, a port from 0 to 65535",
                                     texts[i], setting);
        }
        TRY(err);
        if (list_find(list, listener.name)) {
            return settings_complain(errors, where,
                                     "Invalid value for %s: the name %s is in it "
                                     "twice",
                                     setting, listener.name);
        }
        list->items[list->count++] = listener;
    }
    return OK;
}

/* ---- protocols ---- */

static bool is_controller_listener(const struct broker_settings *settings, const char *name)
{
    struct view rest = view_str(broker_settings_get(settings, "controller.listener.names"));
    struct view element;
    while (setting_list_next(&rest, &element)) {
        if (element.len == strlen(name) &&
            strncasecmp((const char *)element.data, name, element.len) == 0) {
            return true;
        }
    }
    return false;
}

/* The protocol that the map gives to a name; empty: none. */
static struct view protocol_of(const struct broker_settings *settings, const char *name)
{
    struct view rest = view_str(broker_settings_get(settings, "listener.security.protocol.map"));
    struct view entry;
    size_t len = strlen(name);
    while (setting_list_next(&rest, &entry)) {
        if (entry.len <= len || entry.data[len] != ':') continue;
        if (strncasecmp((const char *)entry.data, name, len) != 0) continue;
        return setting_trim(view_of(entry.data + len + 1, entry.len - len - 1));
    }
    return view_of("", 0);
}

/* Every entry of the map is NAME:PROTOCOL with a protocol that Kafka has. */
static err_t check_map(const struct broker_settings *settings, struct buf *errors)
{
    static const char *const protocols[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};
    const char *setting = "listener.security.protocol.map";
    struct view rest = view_str(broker_settings_get(settings, setting)), entry;
    while (setting_list_next(&rest, &entry)) {
        const uint8_t *colon = memchr(entry.data, ':', entry.len);
        size_t name_len = colon ? (size_t)(colon - entry.data) : 0;
        bool is_known = false;
        for (size_t i = 0; name_len && i < COUNT_OF(protocols); i++) {
            struct view protocol = view_of(colon + 1, entry.len - name_len - 1);
            is_known = is_known || view_eq(setting_trim(protocol), view_str(protocols[i]));
        }
        if (is_known) continue;
        return settings_complain(errors, settings_where(settings, setting),
                                 "Invalid value \"%.*s\" for %s: allowed is NAME:PROTOCOL with "
                                 "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
                                 (int)entry.len, (const char *)entry.data, setting);
    }
    return OK;
}

static err_t check_protocol(const struct broker_settings *settings, const char *name,
                            struct buf *errors)
{
    struct view protocol = protocol_of(settings, name);
    if (view_eq(protocol, view_str("PLAINTEXT"))) return OK;
    const char *where = settings_where(settings, "listeners");
    if (protocol.len == 0) {
        return settings_complain(errors, where,
                                 "Invalid value for listeners: listener.security.protocol.map does "
                                 "not say what %s speaks",
                                 name);
    }
    return settings_complain(errors, where,
                             "Invalid value for listeners: %s would speak %.*s, which this broker "
                             "does not offer yet; allowed is PLAINTEXT",
                             name, (int)protocol.len, (const char *)protocol.data);
}

/* ---- merging ---- */

static bool is_every_address(const char *host)
{
    return strcmp(host, "") == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Takes the controllers' listeners out of the list, checks the others' protocols. */
static err_t keep_brokers_own(struct broker_settings *settings, struct listener_list *list,
                              struct buf *errors)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < list->count; i++) {
        if (is_controller_listener(settings, list->items[i].name)) continue;
        TRY(check_protocol(settings, list->items[i].name, errors));
        list->items[kept++] = list->items[i];
    }
    list->count = kept;
    if (kept > 0) return OK;
    return settings_complain(errors, settings_where(settings, "listeners"),
                             "Invalid value \"%s\" for listeners: allowed is at least one that is "
                             "not a controller's",
                             broker_settings_get(settings, "listeners"));
}

static err_t check_same_address(const struct broker_settings *settings,
                                const struct listener_list *list, struct buf *errors)
{
    for (int32_t i = 0; i < list->count; i++) {
        for (int32_t j = 0; j < i; j++) {
            const struct broker_listener *a = &list->items[i], *b = &list->items[j];
            if (a->port == 0 || a->port != b->port || strcasecmp(a->host, b->host) != 0) continue;
            return settings_complain(errors, settings_where(settings, "listeners"),
                                     "Invalid value for listeners: %s and %s have the same address",
                                     b->name, a->name);
        }
    }
    return OK;
}

/* What is advertised for one listener. */
static struct broker_listener advertised_for(const struct broker_listener *listener,
                                             const struct listener_list *advertised)
{
    const struct broker_listener *said = list_find(advertised, listener->name);
    if (said) return (struct broker_listener){listener->name, said->host, said->port};
    const char *host = is_every_address(listener->host) ? "" : listener->host;
    return (struct broker_listener){listener->name, host, 0};
}

static err_t check_advertised(const struct broker_settings *settings,
                              const struct listener_list *listeners,
                              const struct listener_list *advertised, struct buf *errors)
{
    const char *where = settings_where(settings, "advertised.listeners");
    for (int32_t i = 0; i < advertised->count; i++) {
        const struct broker_listener *said = &advertised->items[i];
        if (is_controller_listener(settings, said->name)) continue;
        if (!list_find(listeners, said->name)) {
            return settings_complain(errors, where,
                                     "Invalid value for advertised.listeners: listeners has no %s",
                                     said->name);
        }
        if (said->host[0] && is_every_address(said->host)) {
            return settings_complain(errors, where,
                                     "Invalid value \"%s\" for advertised.listeners: no client can "
                                     "connect to that; allowed is a host, or none for the address "
                                     "that the client reached",
                                     said->host);
        }
    }
    return OK;
}

static err_t merge_advertised(struct broker_settings *settings,
                              const struct listener_list *listeners, struct buf *errors)
{
    struct listener_list said = {0};
    if (broker_settings_get(settings, "advertised.listeners")) {
        TRY(parse_list(settings, "advertised.listeners", &said, errors));
        TRY(check_advertised(settings, listeners, &said, errors));
    }
    struct broker_listener *advertised = arena_calloc(
        &settings->values->arena, (size_t)listeners->count, sizeof(*advertised));
    if (!advertised) return ERR_NOMEM;
    for (int32_t i = 0; i < listeners->count; i++) {
        advertised[i] = advertised_for(&listeners->items[i], &said);
    }
    settings->advertised = advertised;
    return OK;
}

static err_t merge_inter_broker(struct broker_settings *settings,
                                const struct listener_list *listeners, struct buf *errors)
{
    const char *name = broker_settings_get(settings, "inter.broker.listener.name");
    const struct broker_listener *found = name ? list_find(listeners, name) : listeners->items;
    if (!found) {
        return settings_complain(errors, settings_where(settings, "inter.broker.listener.name"),
                                 "Invalid value \"%s\" for inter.broker.listener.name: allowed is "
                                 "the name of one of listeners",
                                 name);
    }
    settings->inter_broker_listener = found->name;
    return OK;
}

err_t settings_merge_listeners(struct broker_settings *settings, struct buf *errors)
{
    struct listener_list listeners = {0};
    TRY(check_map(settings, errors));
    TRY(parse_list(settings, "listeners", &listeners, errors));
    TRY(keep_brokers_own(settings, &listeners, errors));
    TRY(check_same_address(settings, &listeners, errors));
    settings->listeners = listeners.items;
    settings->listener_count = listeners.count;
    TRY(merge_advertised(settings, &listeners, errors));
    return merge_inter_broker(settings, &listeners, errors);
}
