/* The records of a batch in another codec. They are not looked into: the stored bytes are unpacked
 * and packed again, and the header is the old one with other codec bits, length and CRC.
 */
#include "batch_write.h"
#include "builder.h"

static err_t recompress(struct view batch, const struct recompress_options *options,
                        struct buf *scratch, struct buf *out)
{
    struct batch_header header;
    struct view records;
    TRY(batch_header_parse(batch, &header));
    TRY(batch_records(batch, &header, options->decompressed_max_bytes, scratch, &records));
    size_t start = out->len;
    TRY(buf_reserve(out, BATCH_HEADER_SIZE));
    out->len += BATCH_HEADER_SIZE;
    enum codec codec = records.len > 0 ? options->codec : CODEC_NONE;
    TRY(compress_append(codec, options->level, records, out));
    header.size_bytes = out->len - start;
    if (header.size_bytes - BATCH_LENGTH_END > INT32_MAX) return ERR_TOO_LARGE;
    header.attributes = (int16_t)((header.attributes & ~BATCH_ATTR_CODEC_MASK) | (int)codec);
    batch_seal(out->data + start, &header);
    return OK;
}

err_t batch_recompress(struct view batch, const struct recompress_options *options,
                       struct buf *scratch, struct buf *out)
{
    size_t start = out->len;
    err_t err = recompress(batch, options, scratch, out);
    if (err) out->len = start;
    return err;
}
