#include "records.h"

#include "tables.h"

enum { FRAME_VERSION = 1 };

const struct message *record_find(enum record_set set, int id)
{
    for (size_t i = 0; i < record_table_count; i++) {
        const struct record_type *t = &record_table[i];
        if (t->set == set && id >= t->id_min && id <= t->id_max) return t->message;
    }
    return NULL;
}

const struct record_type *record_all(size_t *count)
{
    *count = record_table_count;
    return record_table;
}

err_t record_frame_decode(struct reader *r, uint32_t *id, uint32_t *version)
{
    uint32_t frame_version = read_uvarint(r);
    *id = read_uvarint(r);
    *version = read_uvarint(r);
    TRY(reader_result(r));
    return frame_version == FRAME_VERSION ? OK : ERR_UNSUPPORTED;
}

err_t record_frame_encode(uint32_t id, uint32_t version, struct buf *out)
{
    uint8_t bytes[16];
    struct writer w = writer_of(bytes, sizeof(bytes));
    write_uvarint(&w, FRAME_VERSION);
    write_uvarint(&w, id);
    write_uvarint(&w, version);
    return buf_append(out, bytes, writer_len(&w));
}
