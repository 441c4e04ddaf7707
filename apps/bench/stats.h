/* SPDX-License-Identifier: MIT */
/* Medians and spread of a few rounds, and what two such sets say about each other. */
#ifndef DFS_BENCH_STATS_H
#define DFS_BENCH_STATS_H

#include "base/base.h"

/* Differences below this are never believed: a machine is not steadier. */
#define STATS_FLOOR 0.03
/* What a single measurement may be off by, of which no spread is known. */
#define STATS_UNKNOWN 0.10

double stats_median(const double *v, uint32_t n); /* 0 if n is 0 */
/* Half of what lies between the lowest and the highest, as a part of the median. */
double stats_noise(const double *v, uint32_t n);

enum verdict { VERDICT_SAME, VERDICT_FASTER, VERDICT_SLOWER };
/* now against old, both rates: another than same only if the medians differ by more than both noises together. */
enum verdict stats_compare(const double *old, uint32_t n_old, const double *now, uint32_t n_now, double *noise);

#endif
