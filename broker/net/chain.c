/* Pieces are appended at the end and released from the front; nothing is ever inserted between. A
 * piece of no bytes is not kept, so the first piece that is not sent always has something to send.
 */
#include "chain.h"

#include <stdlib.h>

#include "base/check.h"

static void piece_release(struct chain_piece *piece)
{
    if (piece->kind == CHAIN_OWNED) free((void *)piece->mem.data);
    if (piece->kind == CHAIN_SLICE) slice_release(&piece->slice);
    *piece = (struct chain_piece){.kind = CHAIN_STATIC};
}

void chain_release(struct chain *chain)
{
    for (uint32_t i = chain->first; i < chain->count; i++) piece_release(chain_piece(chain, i));
    free(chain->more);
    *chain = (struct chain){0};
}

static err_t reserve_one(struct chain *chain)
{
    if (chain->count < CHAIN_INLINE_PIECES + chain->cap_more) return OK;
    uint32_t cap = chain->cap_more ? 2 * chain->cap_more : 2 * CHAIN_INLINE_PIECES;
    if (cap < chain->cap_more) return ERR_LIMIT;
    struct chain_piece *more = realloc(chain->more, cap * sizeof *more);
    if (!more) return ERR_NOMEM;
    chain->more = more;
    chain->cap_more = cap;
    return OK;
}

/* Takes over what the piece owns, also on failure. */
static err_t add(struct chain *chain, struct chain_piece piece)
{
    size_t len = chain_piece_len(&piece);
    err_t err = len ? reserve_one(chain) : OK;
    if (err != OK || !len) {
        piece_release(&piece);
        return err;
    }
    *chain_piece(chain, chain->count) = piece;
    chain->count++;
    chain->left_bytes += len;
    return OK;
}

err_t chain_add_owned(struct chain *chain, void *data, size_t len)
{
    return add(chain, (struct chain_piece){.kind = CHAIN_OWNED, .mem = view_of(data, len)});
}

err_t chain_add_buf(struct chain *chain, struct buf *buf)
{
    struct buf taken = *buf;
    *buf = (struct buf){0};
    return chain_add_owned(chain, taken.data, taken.len);
}

err_t chain_add_static(struct chain *chain, struct view mem)
{
    return add(chain, (struct chain_piece){.kind = CHAIN_STATIC, .mem = mem});
}

err_t chain_add_slice(struct chain *chain, struct slice *slice)
{
    struct chain_piece piece = {.kind = CHAIN_SLICE, .slice = *slice};
    *slice = (struct slice){0};
    return add(chain, piece);
}

void chain_advance(struct chain *chain, size_t n)
{
    CHECK(n <= chain->left_bytes);
    chain->left_bytes -= n;
    while (n) {
        struct chain_piece *piece = chain_piece(chain, chain->first);
        size_t left = chain_piece_len(piece) - chain->first_sent;
        if (n < left) {
            chain->first_sent += n;
            return;
        }
        n -= left;
        piece_release(piece);
        chain->first++;
        chain->first_sent = 0;
    }
}
