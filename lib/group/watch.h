/* SPDX-License-Identifier: MIT */
/* Who holds on to what it has looked up, and is told when that changes. Best effort, bounded, kept by the leader alone: what
 * goes beyond the bounds, or was there before this leader, is told as "everything"; and who is told nothing forgets by
 * himself after a second.
 *
 * Interest in an inode ends when it is told of: whoever wants to hear more looks it up again. */
#ifndef DFS_GROUP_WATCH_H
#define DFS_GROUP_WATCH_H

#include "meta/u64map.h"

struct nm;
struct event;
struct effects;
struct msg;

struct watcher;
struct watches {
    struct watcher *by_session, *by_id; /* uthash */
    struct u64map inodes, dirs;         /* number -> struct fans *, owned: who is interested */
    uint64_t interests, last_id;
    uint64_t next; /* mono ns: when a call is to be answered; 0: now */
};

void watches_init(struct watches *t);
void watches_request(struct nm *nm, const struct event *ev, struct effects *fx);
/* A lookup or readdir was answered; reply NULL: there is no such name. */
void watches_looked_up(struct nm *nm, const struct msg *req, const struct msg *reply);
/* This session is told that the inode has changed, whether it has looked it up or not. */
void watches_tell(struct nm *nm, uint64_t session, uint64_t ino);
void watches_applied(struct nm *nm, const struct msg *cmd);
void watches_turn(struct nm *nm, struct effects *fx);
uint64_t watches_deadline(const struct nm *nm);
void watches_refuse(struct nm *nm, struct effects *fx); /* leadership is gone; fx may be NULL */

#endif
