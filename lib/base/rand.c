/* SPDX-License-Identifier: MIT */
#include "base/rand.h"

#include <errno.h>
#include <sys/random.h>

void rng_seed(struct rng *r, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_LEN(r->s); i++) {
        seed += 0x9e3779b97f4a7c15u;
        r->s[i] = mix64(seed);
    }
}

static uint64_t rotate_left(uint64_t x, unsigned by) { return (x << by) | (x >> (64 - by)); }

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    uint64_t x = rng_next(r);

    assert(n > 0);
    /* The lowest 2^64 mod n values would make the small remainders likelier. Few are below n, so that is seldom divided out. */
    while (x < n && x < (0 - n) % n)
        x = rng_next(r);
    return x % n;
}

bool rng_chance(struct rng *r, unsigned per_mille) { return rng_below(r, 1000) < per_mille; }

int entropy_get(void *p, size_t len)
{
    uint8_t *to = p;

    while (len > 0) {
        ssize_t n = getrandom(to, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return DFS_EIO;
        to += n;
        len -= (size_t)n;
    }
    return 0;
}
