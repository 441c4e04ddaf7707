/* SPDX-License-Identifier: MIT */
/* A bump allocator with a maximum, for what dies together: the arrays of one decoded message, one reply. */
#ifndef DFS_ARENA_H
#define DFS_ARENA_H

#include "base/base.h"

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used, max;           /* bytes handed out since the last reset; the limit */
};

void arena_init(struct arena *a, size_t max); /* allocates nothing */
void arena_close(struct arena *a);
void arena_reset(struct arena *a); /* everything handed out is invalid; keeps one block for reuse */

/* Zeroed memory, aligned to 8, valid until the next reset. NULL: over max, or out of memory. n == 0 gives non-NULL. */
void *arena_alloc(struct arena *a, size_t n, size_t size);

#endif
