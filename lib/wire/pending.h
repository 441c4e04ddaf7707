/* SPDX-License-Identifier: MIT */
/* A peer's requests that have not been answered, by handles of ours: what the peer chose as id is only echoed, and may
 * repeat. A handle serves once. */
#ifndef DFS_WIRE_PENDING_H
#define DFS_WIRE_PENDING_H

#include "base/base.h"

struct pending_slot {
    uint64_t peer_id;
    uint32_t bytes;
    uint32_t serial; /* 0: free; part of the handle, so that a second answer finds nothing */
    uint32_t next_free;
};

struct pending {
    struct pending_slot *slots;
    uint32_t n_slots, free_slot; /* free_slot: index + 1, 0: none */
    uint32_t serial;             /* of the slot taken last */
    uint32_t n;
    uint64_t bytes;
};

void pending_close(struct pending *p);
/* The handle, never 0. bytes: what the request holds in memory. */
uint64_t pending_add(struct pending *p, uint64_t peer_id, uint32_t bytes);
/* false: no such request is pending. */
bool pending_take(struct pending *p, uint64_t handle, uint64_t *peer_id);

#endif
