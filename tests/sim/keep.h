/* SPDX-License-Identifier: MIT */
/* Keepers: a file is stored and opened by one client, then removed, replaced, or renamed over by another; who has it open must
 * find in it what was stored, until it closes it or its session is over. */
#ifndef DFS_SIM_KEEP_H
#define DFS_SIM_KEEP_H

#include "sim/node.h"
#include "sim/oracle.h"

#define KEEPERS 2
#define KEPT_MAX 3000u

struct work;

enum keep_step { KEEP_STORE, KEEP_BESIDE, KEEP_OPEN, KEEP_DISTURB, KEEP_READ, KEEP_CONFIRM, KEEP_CLOSE };

struct keeper {
    struct work *work;
    struct node *owner, *other;
    uint32_t number, generation; /* the latter makes another path where an outcome is unknown */
    uint32_t ops_left;
    enum keep_step step;
    enum client_op_kind disturb; /* the last one that was done to it */
    bool lazy; /* opened so: only what its own client does to it comes after the open */
    bool active;
    int status; /* of the read to be confirmed */
    uint64_t handle;
    char path[SIM_PATH_MAX], beside[SIM_PATH_MAX];
    struct value value, storing;
    uint8_t buf[KEPT_MAX];
    uint32_t got;
};

void keep_init(struct work *w);
void keep_start(struct work *w, uint32_t ops);
bool keep_done(const struct work *w);

#endif
