/* SPDX-License-Identifier: MIT */
/* Sessions, at the leader: which are in use, which expire, and what has to happen before the locks of one that ended pass
 * on. Volatile: a new leader lets everybody say anew that it is there, and fences anew. */
#ifndef DFS_GROUP_SESSIONS_H
#define DFS_GROUP_SESSIONS_H

#include "meta/meta.h"

struct nm;
struct event;
struct effects;
struct msg;

struct session_use;
struct fence;
struct sessions {
    struct session_use *uses; /* uthash: those heard of otherwise than by what is logged, and when */
    struct fence *fences;     /* uthash: those that ended and hold locks still */
    uint64_t next_look, from; /* mono ns: at who is idle; nobody expires before */
    uint64_t after;           /* sessions up to this one were looked at in this round */
    bool expiring;            /* an expire is on its way */
    uint64_t lockers_next; /* mono ns: at who holds locks */
    struct meta_lockers lockers_at;
};

/* The epoch was opened. */
void sessions_open(struct nm *nm);
void sessions_forget(struct nm *nm);
/* The wall clock was set: ages by it are waited for in full again. */
void sessions_clock_set(struct nm *nm);
void sessions_note(struct nm *nm, uint64_t session); /* it is there */
void sessions_hold(struct nm *nm, const struct event *ev, struct effects *fx);
/* The lowest serial a session still holds; UINT64_MAX if none does. */
uint64_t sessions_held(const struct nm *nm);
void sessions_tick(struct nm *nm);
void sessions_turn(struct nm *nm);
void sessions_applied(struct nm *nm, const struct msg *cmd);

#endif
