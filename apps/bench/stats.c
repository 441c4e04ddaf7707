/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <stdlib.h>

#define STATS_MAX 64u

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double stats_median(const double *v, uint32_t n)
{
    double sorted[STATS_MAX];
    n = n < STATS_MAX ? n : STATS_MAX;
    if (n == 0)
        return 0;
    memcpy(sorted, v, n * sizeof *v);
    qsort(sorted, n, sizeof *sorted, by_value);
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

double stats_noise(const double *v, uint32_t n)
{
    double median = stats_median(v, n), low = n ? v[0] : 0, high = low;
    if (n < 2 || median <= 0)
        return STATS_UNKNOWN;
    for (uint32_t i = 0; i < n; i++) {
        low = v[i] < low ? v[i] : low;
        high = v[i] > high ? v[i] : high;
    }
    return (high - low) / 2 / median;
}

enum verdict stats_compare(const double *old, uint32_t n_old, const double *now, uint32_t n_now, double *noise)
{
    double before = stats_median(old, n_old), after = stats_median(now, n_now);
    *noise = stats_noise(old, n_old) + stats_noise(now, n_now);
    if (*noise < STATS_FLOOR)
        *noise = STATS_FLOOR;
    if (after > before * (1 + *noise))
        return VERDICT_FASTER;
    return after * (1 + *noise) < before ? VERDICT_SLOWER : VERDICT_SAME;
}
