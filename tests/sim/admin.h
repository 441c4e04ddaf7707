/* SPDX-License-Identifier: MIT */
/* An administrator who takes StorageServers out of service, one at a time, as the manual says: drain, wait until it is
 * drained, remove. Then its disks are destroyed, and an empty server takes its place. Nothing may be lost by that, whatever else
 * happens meanwhile. Now and then a drain is called off, or a removal is tried too early and has to be refused. */
#ifndef DFS_SIM_ADMIN_H
#define DFS_SIM_ADMIN_H

#include "sim/node.h"

/* Begins a drain, unless one is under way. */
void admin_strike(struct cluster *c);
/* Nobody is told to give up a copy before there is another: asked of a leader at any time, in a calm history. */
void admin_check(struct cluster *c);
/* Another server takes this one's place: it is not there any more to be destroyed. */
void admin_lost(struct cluster *c, const struct node *n);
/* None is under way. In a cluster that is quiet, the one that is gets called off. */
bool admin_idle(const struct cluster *c);
/* Its copies may go at any moment. */
bool admin_drains(struct cluster *c, const struct node *n);

#endif
