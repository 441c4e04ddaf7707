/* SPDX-License-Identifier: MIT */
#include "histogram.h"

/* Values below HISTOGRAM_SUB have a bucket each; above, the leading bit picks the group, the next bits the bucket. */
static uint32_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_SUB)
        return (uint32_t)value;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (shift + 1) * HISTOGRAM_SUB + (uint32_t)(value >> shift) - HISTOGRAM_SUB;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_top(uint32_t bucket)
{
    if (bucket < HISTOGRAM_SUB)
        return bucket;
    uint32_t shift = bucket / HISTOGRAM_SUB - 1;
    uint64_t lead = bucket % HISTOGRAM_SUB + HISTOGRAM_SUB;
    return ((lead + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->count[bucket_of(value)]++;
    h->total++;
    if (value > h->max)
        h->max = value;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->count[i] += from->count[i];
    to->total += from->total;
    to->max = max_u64(to->max, from->max);
}

uint64_t histogram_percentile(const struct histogram *h, double fraction)
{
    if (h->total == 0)
        return 0;
    uint64_t rank = (uint64_t)(fraction * (double)h->total);
    if ((double)rank < fraction * (double)h->total)
        rank++;
    if (rank == 0)
        rank = 1;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->count[i];
        if (seen >= rank)
            return min_u64(bucket_top(i), h->max);
    }
    return h->max;
}
