/* SPDX-License-Identifier: MIT */
/* Makes a failed history shorter: leaves out the last faults, then whole kinds of them, then operations, as long as what
 * remains fails for the same reason. Up to the last fault that is left a history is the one it was; without a kind of them it
 * is another one, which may fail all the same. */
#ifndef DFS_SIM_MINIMIZE_H
#define DFS_SIM_MINIMIZE_H

#include "sim/history.h"

/* Prints how to replay what was found. h: the history with this trim, which failed. */
void minimize(uint64_t seed, enum sabotage sabotage, const struct trim *trim, const struct history *h);
/* Adds what a list of names, "crash_nm,cut", leaves out. False: one is unknown. */
bool trim_without(struct trim *t, const char *names);
bool trim_cluster(struct trim *t, const char *size); /* "3+3": NameServers and StorageServers */

#endif
