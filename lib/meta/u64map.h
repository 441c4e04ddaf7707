/* SPDX-License-Identifier: MIT */
/* A hash table from any 64-bit key to a non-zero 64-bit value: open addressing, linear probing. */
#ifndef DFS_META_U64MAP_H
#define DFS_META_U64MAP_H

#include "base/base.h"

struct u64map_slot {
    uint64_t key, value; /* value 0: the slot is empty */
};

struct u64map {
    struct u64map_slot *slots; /* NULL while nothing was ever put */
    size_t cap;                /* a power of two, or 0 */
    size_t count;
};

void u64map_init(struct u64map *m); /* allocates nothing */
void u64map_close(struct u64map *m);
uint64_t u64map_get(const struct u64map *m, uint64_t key); /* 0: absent */
/* Asks the memory for what a u64map_get of key will look at. */
void u64map_prefetch(const struct u64map *m, uint64_t key);
/* Adds or replaces. value != 0. Aborts when memory is out. */
void u64map_put(struct u64map *m, uint64_t key, uint64_t value);
/* Takes the key out, if it is there. */
void u64map_remove(struct u64map *m, uint64_t key);
static inline size_t u64map_bytes(const struct u64map *m) { return m->cap * sizeof *m->slots; }

#endif
