/* SPDX-License-Identifier: MIT */
/* Truncates at the leader: those that cut what somebody writes to wait here until that is sealed. Volatile: a client whose
 * leader is gone asks the next one. */
#ifndef DFS_GROUP_CUT_H
#define DFS_GROUP_CUT_H

#include "base/list.h"

struct nm;
struct event;
struct effects;
struct msg;

struct cuts {
    struct list waiting;
    unsigned n;
};

void cut_init(struct cuts *t);
/* A truncate: true: it may go into the log; false: it waits here, or was refused. */
bool cut_request(struct nm *nm, const struct event *ev, struct effects *fx);
/* A truncate of this file waits: nothing of it is opened for writing meanwhile. */
bool cut_waits(const struct nm *nm, uint64_t ino);
/* One was applied. */
void cut_applied(struct nm *nm, const struct msg *reply, struct effects *fx);
void cut_turn(struct nm *nm, struct effects *fx);
void cut_refuse(struct nm *nm, struct effects *fx); /* leadership is gone */
void cut_close(struct nm *nm);

#endif
