/* A map from the text of a line's first two words to an offset in an allocation of its own: what a
 * line looks like is then known in one place, and setting an offset that is there allocates
 * nothing.
 */
#include "checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/diag.h"
#include "text_lines.h"

enum {
    CHECKPOINT_VERSION = 0,
    TOPIC_MAX = 249,
    KEY_MAX = TOPIC_MAX + 12, /* a space, ten digits, NUL */
    FILE_BYTES_MAX = 1 << 28, /* a million partitions with the longest names */
};

struct key {
    char text[KEY_MAX + 1];
    size_t len;
};

/* False for what no line can hold. */
static bool key_make(struct key *key, const char *topic, int32_t partition)
{
    size_t len = strlen(topic);
    if (len == 0 || len > TOPIC_MAX || partition < 0 || strpbrk(topic, " \r\n")) return false;
    key->len = (size_t)snprintf(key->text, sizeof key->text, "%s %" PRId32, topic, partition);
    CHECK(key->len < sizeof key->text);
    return true;
}

static struct view key_view(const struct key *key) { return view_of(key->text, key->len); }

void checkpoint_release(struct checkpoint *cp)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_next(&cp->offsets, &i));) free(e->value);
    map_release(&cp->offsets);
}

bool checkpoint_get(const struct checkpoint *cp, const char *topic, int32_t partition,
                    koffset_t *out)
{
    struct key key;
    const koffset_t *box = key_make(&key, topic, partition) ? map_get(&cp->offsets, key_view(&key))
                                                            : NULL;
    if (box) *out = *box;
    return box;
}

static err_t set(struct checkpoint *cp, struct view key, koffset_t offset)
{
    koffset_t *box = map_get(&cp->offsets, key);
    if (box) {
        *box = offset;
        return OK;
    }
    box = malloc(sizeof *box);
    if (!box) return ERR_NOMEM;
    *box = offset;
    err_t err = map_put(&cp->offsets, key, box, NULL);
    if (err != OK) free(box);
    return err;
}

err_t checkpoint_set(struct checkpoint *cp, const char *topic, int32_t partition, koffset_t offset)
{
    struct key key;
    if (offset < 0 || !key_make(&key, topic, partition)) return ERR_INVALID;
    return set(cp, key_view(&key), offset);
}

void checkpoint_remove(struct checkpoint *cp, const char *topic, int32_t partition)
{
    struct key key;
    if (key_make(&key, topic, partition)) free(map_remove(&cp->offsets, key_view(&key)));
}

size_t checkpoint_count(const struct checkpoint *cp) { return cp->offsets.count; }

/* ---- text ---- */

err_t checkpoint_encode(const struct checkpoint *cp, struct buf *out)
{
    struct map_entry *e;
    TRY(buf_printf(out, "%d\n%zu\n", CHECKPOINT_VERSION, cp->offsets.count));
    for (size_t i = 0; (e = map_next(&cp->offsets, &i));) {
        koffset_t offset = *(const koffset_t *)e->value;
        TRY(buf_append(out, e->key.data, e->key.len));
        TRY(buf_printf(out, " %" PRId64 "\n", offset));
    }
    return OK;
}

static err_t decode_line(struct checkpoint *cp, struct view line)
{
    struct view words[3];
    int64_t partition, offset;
    if (line_split(line, words, 3) != 3) return ERR_CORRUPT;
    if (words[0].len == 0 || words[0].len > TOPIC_MAX) return ERR_CORRUPT;
    if (!word_to_int(words[1], 0, INT32_MAX, &partition)) return ERR_CORRUPT;
    if (!word_to_int(words[2], 0, INT64_MAX, &offset)) return ERR_CORRUPT;
    struct key key;
    char topic[TOPIC_MAX + 1];
    memcpy(topic, words[0].data, words[0].len);
    topic[words[0].len] = 0;
    /* Made anew, so that "01" and "1" are one partition; a NUL in the name would shorten it. */
    if (strlen(topic) != words[0].len || !key_make(&key, topic, (int32_t)partition))
        return ERR_CORRUPT;
    return set(cp, key_view(&key), offset);
}

static err_t decode_all(struct checkpoint *cp, struct text_lines *lines)
{
    struct view line;
    int64_t count;
    TRY(text_lines_head(lines, CHECKPOINT_VERSION, &count));
    for (int64_t i = 0; i < count; i++) {
        if (!text_lines_next(lines, &line)) return ERR_CORRUPT;
        TRY(decode_line(cp, line));
    }
    return text_lines_at_end(lines) ? OK : ERR_CORRUPT;
}

static err_t decode(struct checkpoint *cp, struct view text, int *line_number)
{
    struct text_lines lines = text_lines_of(text);
    checkpoint_release(cp);
    *line_number = 0;
    if (text.len == 0) return OK; /* as Kafka leaves one to which nothing was ever written */
    err_t err = decode_all(cp, &lines);
    if (err != OK) checkpoint_release(cp);
    *line_number = lines.number;
    return err;
}

err_t checkpoint_decode(struct checkpoint *cp, struct view text)
{
    int line_number;
    return decode(cp, text, &line_number);
}

/* ---- files ---- */

err_t checkpoint_load(struct checkpoint *cp, const struct os *os, const char *path)
{
    struct buf text = {0};
    int line_number = 0;
    err_t err = os_read_file(os, path, FILE_BYTES_MAX, &text);
    if (err == ERR_NOT_FOUND)
        checkpoint_release(cp);
    else if (err == OK)
        err = decode(cp, buf_view(&text), &line_number);
    if (err == ERR_CORRUPT)
        diag(DIAG_WARN, "checkpoint", "not a checkpoint file file=%s line=%d", path, line_number);
    buf_release(&text);
    return err == ERR_NOT_FOUND ? OK : err;
}

err_t checkpoint_store(const struct checkpoint *cp, const struct os *os, const char *path)
{
    struct buf text = {0};
    err_t err = checkpoint_encode(cp, &text);
    if (err == OK) err = os_replace_file(os, path, text.data, text.len);
    buf_release(&text);
    return err;
}
