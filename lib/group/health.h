/* SPDX-License-Identifier: MIT */
/* What an administrator asks the leader: is all well, what is wrong, what to do about it. */
#ifndef DFS_GROUP_HEALTH_H
#define DFS_GROUP_HEALTH_H

#include "base/arena.h"
#include "wire/core.h"

struct nm;

/* What only repair knows, and only while it leads. */
struct repair_health {
    uint64_t corrupt;    /* chunks of which all copies that are up are known to be damaged */
    uint64_t repairing;  /* chunks being copied now */
    int64_t eta_seconds; /* until all that can be repaired is; 0: nothing is to be done; -1: not known */
    bool rebalancing;
    uint64_t copied, copied_bytes; /* copies made since this one leads */
};
void repair_fill_health(const struct nm *nm, struct repair_health *out);
bool repair_is_corrupt(const struct nm *nm, uint64_t chunk);
/* Answers a request to rebalance. */
void repair_rebalance(struct nm *nm, const struct event *ev, struct effects *fx);

int health_read(struct nm *nm, struct msg *reply, struct arena *a) MUST_USE;
int health_fsck(struct nm *nm, const struct msg *req, struct msg *reply, struct arena *a) MUST_USE;

#endif
