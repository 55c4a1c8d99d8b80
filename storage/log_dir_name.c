/* The names of partition directories, taken apart from the right: partitions are digits, topics may
 * hold nearly anything, hyphens and dots included.
 */
#include "log_dir.h"

#include <string.h>

#include "base/check.h"
#include "text_lines.h"

enum { HEX_LEN = 32, TOPIC_MAX = 249 };

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_topic_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
}

/* The length of `name` without ".<32 hex digits>-<suffix>"; 0 when it does not end so. */
static size_t strip_suffix(const char *name, size_t len, const char *suffix)
{
    size_t tail = 1 + HEX_LEN + 1 + strlen(suffix);
    if (len <= tail) return 0;
    const char *at = name + len - tail;
    if (*at++ != '.') return 0;
    for (int i = 0; i < HEX_LEN; i++)
        if (!is_hex(*at++)) return 0;
    return *at == '-' && strcmp(at + 1, suffix) == 0 ? len - tail : 0;
}

static bool is_topic(const char *name, size_t len)
{
    if (len == 0 || len > TOPIC_MAX) return false;
    if (strspn(name, ".") >= len && len <= 2) return false; /* "." and ".." */
    for (size_t i = 0; i < len; i++)
        if (!is_topic_char(name[i])) return false;
    return true;
}

bool log_dir_parse_name(const char *name, struct log_dir_entry *out)
{
    static const char *const suffixes[] = {"delete", "future", "stray"};
    size_t len = strlen(name);
    *out = (struct log_dir_entry){.name = name};
    for (size_t i = 0; i < COUNT_OF(suffixes) && !out->suffix; i++) {
        size_t stripped = strip_suffix(name, len, suffixes[i]);
        if (!stripped) continue;
        len = stripped;
        out->suffix = suffixes[i];
    }
    const char *hyphen = memrchr(name, '-', len);
    if (!hyphen || !is_topic(name, (size_t)(hyphen - name))) return false;
    struct view digits = view_of(hyphen + 1, len - (size_t)(hyphen + 1 - name));
    int64_t partition;
    if (digits.len > 1 && digits.data[0] == '0') return false;
    if (!word_to_int(digits, 0, INT32_MAX, &partition) || digits.data[0] == '-') return false;
    memcpy(out->topic, name, (size_t)(hyphen - name));
    out->topic[hyphen - name] = 0;
    out->partition = (int32_t)partition;
    return true;
}
