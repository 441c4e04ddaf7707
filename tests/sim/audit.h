/* SPDX-License-Identifier: MIT */
/* What is checked once the faults have stopped: all that was acknowledged is there and nothing else, the tables fit, the
 * replicas are where the map says, no orphan is left, and a restart gives the same name space. */
#ifndef DFS_SIM_AUDIT_H
#define DFS_SIM_AUDIT_H

#include "sim/work.h"

/* Runs until done() or the virtual time is over; false (and the run failed, saying what was waited for) otherwise. */
bool run_until(struct work *w, bool (*done)(struct work *w), uint64_t limit, const char *what);

void audit_files(struct work *w);   /* through a client: every directory is as the model says */
/* Once the cluster is well, every goal is restored within a time. */
void audit_goals(struct work *w);
void audit_tables(struct work *w);  /* meta_verify; chunks on all their replicas */
void audit_orphans(struct work *w); /* waits until no StorageServer holds a chunk nobody maps */
void audit_restart(struct work *w); /* the NameServer's state after a restart is the state before */

#endif
