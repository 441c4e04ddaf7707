/* SPDX-License-Identifier: MIT */
/* Joins a core (wire/core.h) to the real world (lib/uv): carries events in and effects out, runs a turn at the end of each
 * iteration of the loop that brought something, and keeps one timer for the core's deadline.
 *
 *   init --> add_disk, listen --> run --> stop (drains: what is in flight is answered) --> closed: done is called
 *                  \______________________________________/ close: at once
 *
 * One loop may carry several hosts. Everything happens on the loop's thread. */
#ifndef DFS_HOST_HOST_H
#define DFS_HOST_HOST_H

#include <uv.h>

#include "uv/disk.h"
#include "uv/net.h"

#define HOST_MAX_DISKS 32u
#define HOST_ADDRESS_MAX 300u

/* The core's side; core is what host_run was given. */
struct core_ops {
    void (*event)(void *core, const struct event *ev, struct effects *fx);
    void (*turn)(void *core, struct now now, struct effects *fx);
    uint64_t (*deadline)(void *core);
};

/* The owner's side. */
struct host_owner {
    void (*after_turn)(void *arg);                            /* ids and states may have changed */
    void (*snapshot)(void *arg, uint64_t token);              /* EFF_SNAPSHOT; answered by host_snapshot_done */
    void (*fatal)(void *arg, const char *why);                /* EFF_FATAL; no further effect is carried out */
    void (*closed)(void *arg);                                /* all handles are gone: the core and the rest may be freed */
    void *arg;
};

struct host {
    uv_loop_t *loop;
    const struct logger *log;
    struct host_owner owner;
    const struct core_ops *ops;
    void *core;
    struct link_self self; /* the owner keeps its ids current */
    struct net *net;
    struct disk *disks[HOST_MAX_DISKS];
    uint32_t n_disks, n_open, n_handles;
    char address[HOST_ADDRESS_MAX]; /* bound */
    struct effects fx;
    uv_timer_t timer, drain;
    uv_prepare_t prepare;
    uv_check_t check;
    uint64_t armed, drain_until;
    bool touched, dead, failed, stopping;
};

int host_init(struct host *h, uv_loop_t *loop, const struct logger *log, const struct host_owner *owner, uint8_t role,
              const char *software, uint32_t max_conns) MUST_USE;
/* On error why is a sentence. */
int host_add_disk(struct host *h, const char *path, char *why, size_t why_len) MUST_USE;
int host_listen(struct host *h, const char *address, char *why, size_t why_len) MUST_USE;
void host_run(struct host *h, const struct core_ops *ops, void *core);
void host_snapshot_done(struct host *h, uint64_t token, int status);

/* Accepts nothing new, waits until requests under way are answered (for at most grace ns), and closes. */
void host_stop(struct host *h, uint64_t grace);
/* Closes at once; owner.closed follows. No event reaches the core any more. */
void host_close(struct host *h);

/* What this process has used so far; m->host points into name. */
void process_usage(struct msg_process_reply *m, char *name, size_t len);

/* Whether only this machine can connect there: 127.x.x.x, [::1] or localhost. */
bool address_is_loopback(const char *address);
/* 0.0.0.0 or [::]: fine to listen on, useless to tell others. */
bool address_is_wildcard(const char *address);
/* What to tell others: `advertise` (with the bound port if it names none), or else the bound address. */
int address_advertised(const char *advertise, const char *bound, char *out, size_t len) MUST_USE;

#endif
