/* Who includes whom. "layer/header.h" is another layer's, "header.h" one's own; third-party headers
 * stay behind the few files that wrap them. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "checks.h"

/* A header, as a prefix, and where it may be included: path prefixes, with a blank around each. */
struct fence {
    const char *header;
    const char *where;
};

static const struct fence fences[] = {
    {"uv.h", " broker/net/ client/link "},
    {"uv/", " broker/net/ client/link "},
    {"zlib.h", " protocol/record/compress "},
    {"lz4", " protocol/record/compress "},
    {"zstd", " protocol/record/compress "},
    {"snappy", " protocol/record/compress "},
    {"openssl/", " broker/net/tls broker/security/sasl client/link "},
    {"sys/epoll.h", " "},
    {"cmocka.h", " "},
};

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_inside(const char *path, const char *where)
{
    char prefix[64];
    int used;
    for (; sscanf(where, "%63s%n", prefix, &used) == 1; where += used)
        if (starts_with(path, prefix)) return true;
    return false;
}

static void check_fences(const struct source *s, int at, const char *header, struct census *census,
                         struct findings *f)
{
    if (starts_with(s->path, "tests/")) return;
    for (size_t i = 0; i < COUNT_OF(fences); i++)
        if (starts_with(header, fences[i].header) && !is_inside(s->path, fences[i].where))
            findings_add(f, s->path, at, "third-party", header, "%s belongs in:%s", header,
                         fences[i].where[1] ? fences[i].where : " no file of ours");
    if (strcmp(header, "jansson.h") != 0 || starts_with(s->path, "tools/")) return;
    if (++census->jansson_users > 1)
        findings_add(f, s->path, at, "third-party", header,
                     "jansson.h already has its one file outside of tools/");
}

/* "../x.h" is fine as long as it stays inside the layer's folder. */
static bool leaves_layer(const struct source *s, const char *header)
{
    char path[256];
    snprintf(path, sizeof path, "%s", s->path);
    char *end = strrchr(path, '/');
    for (; end && strncmp(header, "../", 3) == 0; header += 3) {
        *end = 0;
        end = strrchr(path, '/');
    }
    if (!end || strstr(header, "../")) return true;
    snprintf(end + 1, sizeof path - (size_t)(end + 1 - path), "%s", header);
    return layer_of_path(path) != s->layer;
}

static void check_layer(const struct source *s, int at, const char *header, struct findings *f)
{
    const char *slash = strchr(header, '/');
    if (strstr(header, "../")) {
        if (leaves_layer(s, header))
            findings_add(f, s->path, at, "layer", NULL, "\"%s\" leaves its layer by the window",
                         header);
        return;
    }
    if (!slash || !s->layer) return;
    const struct layer *used = layer_by_name(header, (size_t)(slash - header));
    if (used && !layer_may_use(s->layer, used))
        findings_add(f, s->path, at, "layer", NULL, "%s may not know %s (\"%s\")", s->layer->name,
                     used->name, header);
}

void check_includes(const struct source *s, struct census *census, struct findings *f)
{
    for (size_t i = 0; i < s->line_count; i++) {
        char header[128], open;
        if (s->lines[i].code[0] != '#') continue;
        if (sscanf(s->lines[i].text, "# include %c%127[^\">]", &open, header) != 2) continue;
        check_fences(s, (int)i + 1, header, census, f);
        if (open == '"') check_layer(s, (int)i + 1, header, f);
    }
}

/* ---- what the build declares ---- */

static void check_dependency(const struct source *s, int at, const char *user_name,
                             const char *word, struct findings *f)
{
    const struct layer *user = layer_by_name(user_name, strlen(user_name));
    const struct layer *used = layer_by_name(word, strlen(word));
    if (user && used && !layer_may_use(user, used))
        findings_add(f, s->path, at, "layer", NULL, "%s may not depend on %s", user_name, word);
}

void check_declared_layers(const struct source *s, struct findings *f)
{
    char layer[64] = "";
    bool in_depends = false;
    for (size_t i = 0; i < s->line_count; i++) {
        const char *at = s->lines[i].text;
        char word[128];
        int used;
        if (starts_with(at, "#")) continue;
        if (sscanf(at, "layer_library(%63[a-z_]", layer) == 1) in_depends = false;
        if (!layer[0]) continue;
        for (; sscanf(at, " %127[^ ()\t]%n", word, &used) == 1; at += used, at += *at == ')') {
            if (strcmp(word, "DEPENDS") == 0)
                in_depends = true;
            else if (strcmp(word, "LINKS") == 0 || strcmp(word, "PUBLIC") == 0)
                in_depends = false;
            else if (in_depends)
                check_dependency(s, (int)i + 1, layer, word, f);
            if (at[used] == '(') break;
        }
        if (strchr(s->lines[i].text, ')')) {
            layer[0] = 0;
            in_depends = false;
        }
    }
}
