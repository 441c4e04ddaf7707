/* SPDX-License-Identifier: MIT */
/* One seed, from the cluster's birth to the audit:
 *
 *   boot -> work under faults -> quiet -> healed? -> work that may not fail -> audit -> restart -> audit -> no orphans? */
#ifndef DFS_SIM_HISTORY_H
#define DFS_SIM_HISTORY_H

#include "sim/swarm.h"

struct history {
    bool failed;
    char why[512];
    uint64_t hash, steps, strikes, virtual_ns;
    uint32_t ops, audited, failed_ops, unknown_ops, writes, undecided, cut, crashes, cuts, snapshots;
};

void history_run(uint64_t seed, enum sabotage sabotage, const struct trim *trim, bool trace, struct history *out);

#endif
