/* chain - what is to be sent: pieces in order, each a piece of memory or a slice of a file, with a
 * total length.
 *
 * A zeroed struct is an empty chain. The chain owns its memory pieces (unless they are static) and
 * its slices' references. Transports that cannot send files turn slices into memory themselves. One
 * owner, not thread-safe.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum chain_piece_kind { CHAIN_OWNED, CHAIN_STATIC, CHAIN_SLICE };

struct chain_piece {
    enum chain_piece_kind kind;
    struct view mem;    /* OWNED: malloc'ed, freed with the piece; STATIC: borrowed for ever */
    struct slice slice; /* SLICE */
};

enum { CHAIN_INLINE_PIECES = 3 };

struct chain {
    struct chain_piece inline_pieces[CHAIN_INLINE_PIECES];
    struct chain_piece *more; /* owned; pieces beyond the inline ones */
    uint32_t count;
    uint32_t cap_more;
    uint32_t first;    /* pieces before it are sent */
    size_t first_sent; /* bytes of piece `first` that are sent */
    size_t left_bytes; /* of the whole chain, still to be sent */
};

void chain_release(struct chain *chain);
/* Takes the memory over (malloc'ed), also on failure. */
err_t chain_add_owned(struct chain *chain, void *data, size_t len);
/* Takes buf's memory over and leaves it empty. */
err_t chain_add_buf(struct chain *chain, struct buf *buf);
err_t chain_add_static(struct chain *chain, struct view mem);
/* Takes the slice's reference over, also on failure. */
err_t chain_add_slice(struct chain *chain, struct slice *slice);
static inline size_t chain_left(const struct chain *chain) { return chain->left_bytes; }

/* ---- sending ---- */
/* The i-th piece, sent or not; i < count. */
static inline struct chain_piece *chain_piece(struct chain *chain, uint32_t i)
{
    return i < CHAIN_INLINE_PIECES ? &chain->inline_pieces[i]
                                   : &chain->more[i - CHAIN_INLINE_PIECES];
}
static inline size_t chain_piece_len(const struct chain_piece *piece)
{
    return piece->kind == CHAIN_SLICE ? piece->slice.len : piece->mem.len;
}
/* The next n bytes are sent; n <= chain_left(). Pieces are released as soon as they are. */
void chain_advance(struct chain *chain, size_t n);
