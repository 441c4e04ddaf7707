/* SPDX-License-Identifier: MIT */
/* Seeded pseudo-random numbers: xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64. Not for secrets. */
#ifndef DFS_RAND_H
#define DFS_RAND_H

#include "base/base.h"

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* uniform in [0, n); n > 0 */
bool rng_chance(struct rng *r, unsigned per_mille);

/* A well-mixed hash of one word (splitmix64's finaliser). */
static inline uint64_t mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Fills p from the system's entropy source. 0 or DFS_EIO. For ids and seeds at the edge; cores get a seed. */
int entropy_get(void *p, size_t len) MUST_USE;

#endif
