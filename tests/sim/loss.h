/* SPDX-License-Identifier: MIT */
/* Losses for good: what an administrator may do to one StorageServer while the NameServer says that all is well, and what
 * must not cost a byte. */
#ifndef DFS_SIM_LOSS_H
#define DFS_SIM_LOSS_H

#include "sim/node.h"

/* A server with all its disks, the segments of one disk, or all that has happened since a backup of its disks. Nothing, if
 * the NameServer does not say that every goal is restored, or the last loss is not long ago, or a bit is wrong elsewhere: that may
 * not have been found yet. */
void loss_strike(struct cluster *c);
/* One bit of what is on a disk, at the same conditions, but as often as may be; always of one server. */
void loss_rot(struct cluster *c);
/* The NameServers may believe that what was lost is there. */
bool loss_unnoticed(const struct cluster *c);
/* This server dies with all its disks; an empty one takes its place. */
void loss_replace(struct node *n, uint64_t downtime);
/* From some time after the last fault on, an administrator lets files go on without servers that are lost. */
void loss_give_up(struct cluster *c);
/* Between a StorageServer and the NameServers, the clients, or one other StorageServer, nothing arrives for a while. */
void loss_partition(struct cluster *c);
void loss_close(struct cluster *c);

#endif
