/* SPDX-License-Identifier: MIT */
#ifndef DFS_BENCH_OPTIONS_H
#define DFS_BENCH_OPTIONS_H

#include "bench.h"

struct workload {
    const char *name;
    int (*run)(struct bench *b);
    uint32_t connections; /* default */
    const char *help;
};
#define WORKLOADS 7u
extern const struct workload workloads[WORKLOADS];

struct arguments {
    struct options opt;
    const char *workload, *mix;
    bool help, version;
};

/* 0 to go on, 1 when there is nothing more to do, 2 for a usage error. */
int parse_arguments(int argc, char **argv, struct arguments *a) MUST_USE;

#endif
