/* SPDX-License-Identifier: MIT */
/* A whole cluster on this machine in one process and one loop: DIR/nm, DIR/ss1, DIR/ss2, … For trying out, and for tests. */
#ifndef DFS_HOST_UP_H
#define DFS_HOST_UP_H

#include <uv.h>

#include "base/log.h"

#define UP_MAX_SERVERS 64u

struct up_options {
    const char *dir, *software;
    uint32_t servers;   /* 0: as many as the folder has, or 3 */
    uint32_t base_port; /* of the NameServer; StorageServer i has base_port + 9 + i. 0: free ports */
    uint32_t max_conns;
};

struct up;

/* As nm_server_start. */
int up_start(uv_loop_t *loop, const struct up_options *o, const struct logger *log,
             void (*fatal)(void *arg, const char *why), void *fatal_arg, struct up **out, char *why, size_t why_len)
    __attribute__((warn_unused_result));
/* The NameServer's address, for DFS_NM. */
const char *up_address(const struct up *u);
uint32_t up_servers(const struct up *u);
bool up_ready(const struct up *u); /* the NameServer serves, and all StorageServers are registered */
/* Answers what is under way, closes and frees. */
void up_stop(struct up *u, uint64_t grace, void (*done)(void *arg), void *arg);

#endif
