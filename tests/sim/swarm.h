/* SPDX-License-Identifier: MIT */
/* What one seed does: which faults are on and how often, how slow the network and the disks are, how many clients do
 * what. Each seed draws its own (Groce's swarm testing: runs that leave some things out find more). A sabotage breaks
 * the system on purpose; a run with it must fail. */
#ifndef DFS_SIM_SWARM_H
#define DFS_SIM_SWARM_H

#include "sim/sim.h"

/* At most. */
#define CLUSTER_NAMES 5
#define CLUSTER_SERVERS 10
#define CLUSTER_CLIENTS 4

enum sabotage {
    SABOTAGE_NONE,
    SABOTAGE_SKIP_FSYNC,         /* every disk's flush lies */
    SABOTAGE_NM_ACK_EARLY,       /* the NameServer acknowledges before its flush */
    SABOTAGE_SS_ACK_EARLY,       /* so do the StorageServers */
    SABOTAGE_TRUST_PAYLOAD,      /* bytes change on the way, and clients do not check them */
    SABOTAGE_WIPE_REPLICA,       /* a StorageServer's chunks are gone after a restart */
    SABOTAGE_WRONG_ORACLE,       /* the model forgets an acknowledged put: are its checks looking at all? */
    SABOTAGE_TRUST_LEASE,        /* a NameServer that led once answers as if it still did */
    SABOTAGE_COUNT_FAILED,       /* a copy counts, and what it replaces goes, whether it was made or not */
    SABOTAGE_TRUST_COPIES,       /* bytes of a copy change on the way, and are not verified */
    SABOTAGE_PASS_LOCKS,         /* locks pass on before their holder's writes are fenced */
    SABOTAGE_KEEP_CUT,           /* StorageServers keep what a truncate cuts off */
    SABOTAGE_FORGET_APPENDS,     /* an append that is repeated is done again */
    SABOTAGE_ACK_ALONE,          /* the head acknowledges what the servers below do not have yet */
    SABOTAGE_ANY_VERSION,        /* StorageServers show what they have, whatever version is asked for */
    SABOTAGE_FORGET_RESULTS,     /* NameServers make a change again when it is asked for again */
    SABOTAGE_IGNORE_DELEGATIONS, /* others are answered as if there were no delegations */
    SABOTAGE_REVOKE_EARLY,       /* delegations are revoked at once */
    SABOTAGE_END,
};

const char *sabotage_name(enum sabotage s);
const char *sabotage_text(enum sabotage s);
enum sabotage sabotage_find(const char *name); /* SABOTAGE_END: unknown */

/* Kinds of faults; each has a rate of its own. */
#define SWARM_FAULTS(X)                                                                                                \
    X(crash_nm)                                                                                                        \
    X(crash_ss) X(crash_client) X(crash_all) X(partition) X(cut) X(stall) X(pause) X(corrupt) X(disk_error) X(loss)    \
        X(cut_off) X(disk_full) X(clock) X(drain) X(rot)
#define SWARM_FAULT(name) FAULT_##name,
enum fault { SWARM_FAULTS(SWARM_FAULT) FAULT_KINDS };
#undef SWARM_FAULT
const char *fault_name(enum fault kind);
enum fault fault_find(const char *name, size_t len); /* FAULT_KINDS: unknown */

/* What is left out of a history, or not left to the seed. */
struct trim {
    uint32_t names, servers; /* 0: as drawn */
    uint32_t without;        /* kinds of faults, a bit each */
    uint64_t strikes;        /* faults, at most; … */
    uint64_t ops;            /* … operations of each actor under faults, at most */
};
#define TRIM_NONE ((struct trim){.strikes = UINT64_MAX, .ops = UINT64_MAX})

struct swarm {
    enum sabotage sabotage;
    uint64_t strikes;                                  /* faults, at most */
    uint32_t names, servers;                           /* NameServers; StorageServers */
    uint64_t latecomer;                                /* ns: the last of them joins so late; 0: with the others */
    uint32_t clients, actors, ops;                     /* actors in all; operations of each */
    uint32_t max_file;                                 /* bytes */
    uint64_t net_delay, disk_delay, turn_delay, think; /* ns, the most */
    uint32_t split;                                    /* per mille: a delivery is cut somewhere */
    uint32_t disk_stall;                               /* per mille: an operation takes 20 times as long */
    /* mean ns between two faults of a kind; 0: never */
#define SWARM_RATE(name) uint64_t name;
    SWARM_FAULTS(SWARM_RATE)
#undef SWARM_RATE
    bool calm;         /* nothing happens but drains: there are never fewer copies than there should be */
    bool long_pauses;  /* clients are paused for longer than their locks last */
    bool power;        /* crashes may be power losses, not only kill -9 */
    uint64_t downtime; /* ns, the most */
    uint64_t client_timeout, lock_ttl, delegation_ttl;
    uint32_t makers; /* delegate.h */
    uint64_t snapshot_bytes;
    uint64_t segment_size, log_segment;
    uint32_t disks_per_server;
};

void swarm_draw(struct swarm *w, struct sim *s, enum sabotage sabotage, const struct trim *trim);
uint64_t *swarm_rate(struct swarm *w, enum fault kind);

#endif
