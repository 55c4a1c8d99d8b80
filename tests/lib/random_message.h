/* random_message - a message of any type and version, filled at random from the codec's tables.
 *
 * Only fields that the version has are filled, all others keep their defaults, so the result can
 * always be encoded. Numbers are often small or at their limits; strings are random bytes, now and
 * then longer than 127; arrays have up to three elements; what may be null sometimes is. The same
 * state of rng gives the same message.
 */
#pragma once

#include "base/arena.h"
#include "lib/rng.h"
#include "protocol/message.h"

/* `out` is a struct of m->root; what it points to lives in the arena, which must have no limit. */
void random_message(const struct message *m, int version, struct rng *rng, struct arena *arena,
                    void *out);
