/* One header after the other; a batch is handed out only if all of it is there. */
#include "log_scan.h"

err_t log_scan_next(struct log_scan *scan, struct view *batch, struct batch_header *header)
{
    if (scan->pos >= scan->bytes.len) return ERR_NOT_FOUND;
    struct view rest = view_of(scan->bytes.data + scan->pos, scan->bytes.len - scan->pos);
    TRY(batch_header_parse(rest, header));
    if (header->size_bytes > rest.len) return ERR_SHORT;
    *batch = view_of(rest.data, header->size_bytes);
    scan->pos += header->size_bytes;
    return OK;
}
