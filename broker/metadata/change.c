/* change - see change.h. The records' bodies are the protocol layer's; here is the list of them and
 * the framing. What is decoded points into a copy of its bytes in the change's arena. */
#include "change.h"

#include "base/check.h"
#include "base/diag.h"
#include "protocol/codec.h"
#include "protocol/records.h"

void change_init(struct change *change)
{
    *change = (struct change){0};
    arena_init(&change->arena, 0);
}

void change_release(struct change *change)
{
    arena_release(&change->arena);
    *change = (struct change){0};
}

void change_clear(struct change *change)
{
    arena_clear(&change->arena);
    change->first = change->last = NULL;
    change->count = 0;
}

/* The version we write: one that Kafka from 3.7 on reads, where that loses nothing. What the
 * version cannot express is refused by the codec. */
static int16_t version_to_write(int16_t type, const struct message *message)
{
    bool is_partition = type == RECORD_ID_PARTITION_RECORD ||
                        type == RECORD_ID_PARTITION_CHANGE_RECORD;
    return is_partition ? 1 : message->version_max;
}

/* A record at the end of the list, with room for its struct. */
static struct change_record *append_record(struct change *change, int16_t type,
                                           const struct message *message)
{
    struct change_record *record = arena_alloc(&change->arena, sizeof(*record));
    void *data = codec_new(&change->arena, message->root, 1);
    if (!record || !data) return NULL;
    *record = (struct change_record){.type = type, .data = data};
    if (change->last) {
        change->last->next = record;
    } else {
        change->first = record;
    }
    change->last = record;
    change->count++;
    return record;
}

void *change_add(struct change *change, int16_t type)
{
    const struct message *message = record_find(RECORD_SET_METADATA, type);
    CHECK(message != NULL);
    struct change_record *record = append_record(change, type, message);
    if (!record) return NULL;
    record->version = version_to_write(type, message);
    return (void *)record->data;
}

koffset_t change_next_offset(const struct change *change, const struct image *image)
{
    return image_offset(image) + 1 + (koffset_t)change->count;
}

err_t change_encode_record(const struct change_record *record, struct buf *out)
{
    const struct message *message = record_find(RECORD_SET_METADATA, record->type);
    CHECK(message != NULL);
    size_t start = out->len;
    err_t err = record_frame_encode((uint32_t)record->type, (uint32_t)record->version, out);
    if (err == OK) err = codec_encode(message, record->version, record->data, out, NULL);
    if (err != OK) out->len = start;
    return err;
}

err_t change_decode_record(struct view value, struct change *into)
{
    char *copy = arena_strndup(&into->arena, value.data, value.len);
    if (!copy) return ERR_NOMEM;
    struct reader r = reader_of(view_of(copy, value.len));
    uint32_t type, version;
    TRY(record_frame_decode(&r, &type, &version));
    const struct message *message = type <= INT16_MAX ? record_find(RECORD_SET_METADATA, (int)type)
                                                      : NULL;
    if (!message || version > INT16_MAX || !message_has_version(message, (int)version)) {
        diag(DIAG_ERROR, "metadata",
             "a record of the metadata log is of a kind that this version does not know type=%u "
             "version=%u",
             type, version);
        return ERR_UNSUPPORTED;
    }
    struct change_record *record = append_record(into, (int16_t)type, message);
    if (!record) return ERR_NOMEM;
    record->version = (int16_t)version;
    TRY(codec_decode(message, (int)version, &r, &into->arena, (void *)record->data));
    return reader_left(&r) == 0 ? OK : ERR_CORRUPT;
}
