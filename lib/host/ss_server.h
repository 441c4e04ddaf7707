/* SPDX-License-Identifier: MIT */
/* A StorageServer: the core of lib/store on the real loop, over one folder per disk. */
#ifndef DFS_HOST_SS_SERVER_H
#define DFS_HOST_SS_SERVER_H

#include "host/host.h"
#include "store/ss.h"

/* Operations a data folder may have on the thread pool at a time; the pool should have so many threads for each. */
#define SS_DISK_THREADS 4u

/* Strings are copied where they must live on, except software. */
struct ss_options {
    const char *data[SS_MAX_DISKS];
    uint32_t n_data;
    const char *nameservers[SS_MAX_NAMESERVERS];
    uint32_t n_nameservers;
    const char *listen, *advertise; /* advertise: NULL for the bound address */
    const char *domain;             /* NULL for none */
    const char *software;
    uint32_t max_conns;
    bool relaxed;
    uint64_t segment_size; /* 0: default */
    uint64_t repair_rate;  /* bytes a second; 0: default */
};

struct ss_server;

/* As nm_server_start. */
int ss_server_start(uv_loop_t *loop, const struct ss_options *o, const struct logger *log,
                    void (*fatal)(void *arg, const char *why), void *fatal_arg, struct ss_server **out, char *why,
                    size_t why_len) MUST_USE;
void ss_server_stop(struct ss_server *s, uint64_t grace, void (*done)(void *arg), void *arg);

const char *ss_server_address(const struct ss_server *s); /* bound */
struct host *ss_server_host(struct ss_server *s);
bool ss_server_registered(const struct ss_server *s);

#endif
