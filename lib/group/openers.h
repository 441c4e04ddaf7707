/* SPDX-License-Identifier: MIT */
/* Who opened the sessions there are: no host may take them all. Kept by the leader alone, so that a new one begins to
 * count anew; what bounds them in all is META_SESSIONS_MAX, in the replicated state. */
#ifndef DFS_GROUP_OPENERS_H
#define DFS_GROUP_OPENERS_H

#include "meta/meta.h"
#include "meta/u64map.h"

/* A machine with a hundred thousand clients is served; one that opens without an end is told. */
#define NM_SESSIONS_PER_HOST 131072u

struct openers {
    struct u64map host;  /* nonce of a session -> hash of the host it came from */
    struct u64map count; /* hash of a host -> its sessions */
    uint64_t swept;      /* mono ns: when those that have ended were forgotten last */
};

void openers_init(struct openers *o);
void openers_close(struct openers *o);
/* A session is to be opened by peer ("host:port"). False: this host has max already. */
bool openers_admit(struct openers *o, const struct meta *m, uint64_t nonce, const char *peer, uint32_t max, uint64_t mono);

#endif
