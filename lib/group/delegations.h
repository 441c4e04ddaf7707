/* SPDX-License-Identifier: MIT */
/* Delegations of directories, the leader's side (meta/delegation.c is what is decided): holders are asked for them, through their
 * watch (watch.c), when somebody else waits; and those that do not return them in time lose them.
 *
 *   somebody waits --> recall: the holder is told, each time somebody asks again
 *                        | its own time is over: delegation_ttl after it last asked, as this leader saw it
 *                        v
 *                      delegate_revoke
 *
 * The holder stops earlier by its own clock, which began before its request was sent. So clocks need not agree on anything
 * but how long a second is. A new leader does not know when holders asked: it counts from when somebody first waits. */
#ifndef DFS_GROUP_DELEGATIONS_H
#define DFS_GROUP_DELEGATIONS_H

#include "meta/meta.h"
#include "wire/core.h"

struct nm;

struct delegations {
    struct delegated *dirs; /* uthash, by directory */
};

/* If a delegation is in this message's way it is asked for, the message is answered EAGAIN, and that is true. */
bool delegations_stop(struct nm *nm, const struct event *ev, struct effects *fx);
/* A request that will be logged: if a holder asks to go on, its time counts from now, for what is logged behind it must not take
 * away what it will be told it has. */
void delegations_asked(struct nm *nm, const struct msg *m);
void delegations_applied(struct nm *nm, const struct msg *cmd, const struct meta_result *res);
void delegations_forget(struct nm *nm); /* with the leadership */

#endif
