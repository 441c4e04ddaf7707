/* SPDX-License-Identifier: MIT */
/* How many operations a second, over the last seconds. */
#ifndef DFS_GROUP_RATES_H
#define DFS_GROUP_RATES_H

#include "base/base.h"

#define RATES_SECONDS 5u /* complete ones; the one under way does not count yet */

enum rate { RATE_READS, RATE_MUTATIONS, RATE_KINDS };

struct rates { /* zeroed: nothing happened yet */
    uint64_t second;                                 /* the one under way, since the clock's beginning */
    uint32_t count[RATES_SECONDS + 1][RATE_KINDS]; /* second % (RATES_SECONDS + 1) is its place */
};

void rates_count(struct rates *r, uint64_t mono, enum rate kind);
/* Operations per second, rounded up: what happened at all is not 0. */
uint64_t rates_read(const struct rates *r, uint64_t mono, enum rate kind);

#endif
