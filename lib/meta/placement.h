/* SPDX-License-Identifier: MIT */
/* Placements: each distinct goal and set of StorageServers, shared by all chunks that have it. There are few of them
 * however many chunks there are, so what is wrong with a cluster is known from them alone.
 *
 * A placement's number is this process's affair: it tells how the state came to be, so nothing that is replicated may
 * depend on it. */
#ifndef DFS_META_PLACEMENT_H
#define DFS_META_PLACEMENT_H

#include "meta/u64map.h"

#define PLACEMENT_BITS 28u
#define PLACEMENT_INLINE 4u

/* 32 bytes. */
struct placement {
    uint64_t bytes;   /* of the mapped chunks, one copy of each */
    uint32_t mapped;  /* chunks */
    uint32_t removed; /* and those in the removed queue */
    union {
        uint16_t few[PLACEMENT_INLINE];
        uint16_t *many; /* owned */
    };
    uint32_t next; /* number + 1 of the next free one, or of the next with the same hash; 0: none */
    uint8_t goal;  /* as chosen; 0: the default in force */
    uint8_t n;     /* servers, in rising order */
    bool used;
};

struct placements {
    struct placement *v;
    uint32_t n, cap;   /* those below n are in use or on the free list */
    uint32_t free;     /* number + 1 of the first free one */
    struct u64map map; /* hash -> number + 1 */
    size_t heap_bytes; /* long lists, estimated */
};

void placements_init(struct placements *p);
void placements_close(struct placements *p);
/* The number of the placement with this goal and these servers, in whatever order; made if need be, and then without
 * chunks: one must be added before the next change. */
uint32_t placements_take(struct placements *p, uint8_t goal, const uint16_t *servers, uint32_t n);
/* Gives one up that has no chunks. */
void placements_drop(struct placements *p, uint32_t number);
static inline struct placement *placements_at(const struct placements *p, uint32_t number) { return &p->v[number]; }
static inline const uint16_t *placement_servers(const struct placement *p)
{
    return p->n <= PLACEMENT_INLINE ? p->few : p->many;
}
size_t placements_bytes(const struct placements *p);
/* Order, uniqueness and lists: 0, or DFS_ECORRUPT with a sentence in why. */
int placements_verify(const struct placements *p, char *why, size_t len) MUST_USE;

#endif
