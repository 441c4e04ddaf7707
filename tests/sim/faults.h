/* SPDX-License-Identifier: MIT */
/* The things that go wrong, each kind at its seed's own rate until the cluster's `quiet` is set. */
#ifndef DFS_SIM_FAULTS_H
#define DFS_SIM_FAULTS_H

#include "sim/node.h"

void faults_start(struct cluster *c);
/* Sets `quiet`; servers whose disks fail get new cables, and start again. */
void faults_stop(struct cluster *c);

#endif
