/* SPDX-License-Identifier: MIT */
/* Latencies in logarithmic buckets: 32 per power of two, so a percentile is off by at most 3 %, whatever its size.
 * (Idea: HdrHistogram.) */
#ifndef DFS_BENCH_HISTOGRAM_H
#define DFS_BENCH_HISTOGRAM_H

#include "base/base.h"

#define HISTOGRAM_SUB_BITS 5u
#define HISTOGRAM_SUB (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS ((64u - HISTOGRAM_SUB_BITS + 1u) * HISTOGRAM_SUB)

struct histogram {
    uint64_t total, max;
    uint64_t count[HISTOGRAM_BUCKETS];
};

/* Zeroed memory is an empty histogram. */
void histogram_add(struct histogram *h, uint64_t value);

void histogram_merge(struct histogram *to, const struct histogram *from);

/* What a `fraction` of the values (0 < fraction ≤ 1) does not exceed, to within a bucket's width; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double fraction);

#endif
