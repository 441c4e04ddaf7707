/* SPDX-License-Identifier: MIT */
/* The outstanding calls of one link: found by request id (open addressing), and the next to time out (a binary heap).
 * Empty tables hold no memory. */
#ifndef DFS_WIRE_CALLS_H
#define DFS_WIRE_CALLS_H

#include "base/base.h"

struct call {
    uint64_t id;       /* request id on the wire; never 0 */
    uint64_t token;    /* the core's */
    uint64_t deadline; /* ns */
    uint64_t start;    /* where its frame starts in the stream of bytes queued so far */
    uint16_t type;
    int status; /* how it ends at its deadline */
    uint32_t heap_at;
};

struct calls {
    struct call *pool;
    uint32_t *free_slots; /* a stack of pool indexes */
    uint32_t *heap;       /* pool indexes, earliest deadline first */
    uint32_t *table;      /* by id: pool index + 1; 0: empty */
    uint32_t n, cap;      /* cap is a power of two; the table has 2 * cap places */
};

void calls_close(struct calls *c);
/* The id must be new. */
void calls_add(struct calls *c, const struct call *call);
/* NULL: no such call. Valid until the next change. */
const struct call *calls_find(const struct calls *c, uint64_t id);
/* Removes one that is there. */
void calls_remove(struct calls *c, uint64_t id);
/* The one with the earliest deadline, or NULL. */
const struct call *calls_first(const struct calls *c);

#endif
