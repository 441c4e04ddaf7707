/* SPDX-License-Identifier: MIT */
/* Fixed-size records by id, for ids that mostly rise: inodes, chunks, sessions.
 *
 * 64 consecutive ids share a page: a bitmap of those present and their records, packed in id order. So a record carries
 * neither its id nor a link, a dense table costs less than a byte per record beyond the records, and a table with few
 * survivors shrinks with them. Pages are found through a hash table that is 64 times smaller than the map, so that its
 * growth does not stall a turn.
 *
 * A pointer to a record is good until the next idmap_add or idmap_remove on the same map. */
#ifndef DFS_META_IDMAP_H
#define DFS_META_IDMAP_H

#include "meta/u64map.h"

struct idmap {
    struct u64map pages; /* id / 64 -> struct idpage * */
    uint32_t size;       /* of a record; a multiple of 4, or 1 */
    uint64_t count;
    size_t page_bytes; /* allocated for pages */
};

void idmap_init(struct idmap *m, uint32_t size); /* allocates nothing */
void idmap_close(struct idmap *m);
void *idmap_find(const struct idmap *m, uint64_t id); /* NULL: absent */
/* Asks the memory for n records that will be looked for soon, all at once: found one by one, each would be waited for. */
void idmap_prefetch(const struct idmap *m, const uint64_t *ids, uint32_t n);
/* A new zeroed record; id must not be there. Aborts when memory is out. */
void *idmap_add(struct idmap *m, uint64_t id);
void idmap_remove(struct idmap *m, uint64_t id); /* id must be there */
static inline size_t idmap_bytes(const struct idmap *m) { return m->page_bytes + u64map_bytes(&m->pages); }

/* The first record whose id is *id or more. Each page looked for takes one from *pages; at 0 the search ends there: NULL,
 * and *id is where to go on. A wide gap may be crossed at once; UINT64_MAX: nothing is left. */
void *idmap_seek(const struct idmap *m, uint64_t *id, uint32_t *pages);

/* All records in rising order of id. The map must not gain or lose records meanwhile. */
struct idmap_iter {
    const struct idmap *map;
    uint64_t *pages; /* sorted; owned */
    size_t n, at;
    uint64_t left; /* bits of the current page not yet returned */
};
int idmap_iter_init(struct idmap_iter *it, const struct idmap *m) MUST_USE; /* DFS_ENOMEM; close it in any case */
void idmap_iter_close(struct idmap_iter *it);
void *idmap_iter_next(struct idmap_iter *it, uint64_t *id); /* NULL: no more */

#endif
