/* SPDX-License-Identifier: MIT */
/* The NameServer core: libraft's raft_step around the state machine of lib/meta, our own log on disk, epochs, grants,
 * and the registry's clockwork. Pure, in the shape of wire/core.h.
 *
 * A mutation's way: EV_REQUEST -> courtesy check -> the turn's batch -> raft submit -> log write and flush (EFF_DISK)
 * -> raft commits -> meta_apply -> EFF_REPLY. All mutations of one turn are one log entry and one flush; while a flush is
 * in flight the next batch gathers. A failed write or flush of the log ends the process (EFF_FATAL, rule A2). */
#ifndef DFS_GROUP_NM_H
#define DFS_GROUP_NM_H

#include "wire/core.h"

struct nm;

#define NM_JOIN_MAX 8u

struct nm_config {
    const char *address;             /* "host:port" clients and StorageServers reach us at */
    bool init;                       /* make a new cluster; refused if the folder holds one */
    bool rebuild;                    /* with init: in place of a cluster whose NameServers are lost (B16) */
    uint64_t cluster_hi, cluster_lo; /* with init: a fresh random id from the host; with rebuild: the lost one's */
    uint64_t uuid_hi, uuid_lo;       /* with init or join: this node's fresh random id */
    const char *join[NM_JOIN_MAX];   /* join the cluster of these NameServers; refused if the folder holds one */
    uint32_t n_join;
    bool count_failed;       /* sabotage, for tests: copies count whether they were made or not */
    bool pass_locks_early;   /* sabotage, for tests: locks pass on before their holder's writes are fenced */
    bool forget_results;     /* sabotage, for tests: a change that is asked for again is made again */
    bool ignore_delegations; /* sabotage, for tests: others are answered as if there were no delegations */
    bool revoke_early;       /* sabotage, for tests: a delegation that is in the way is revoked at once */
    bool trust_lease;        /* sabotage, for tests: a leader never doubts that it leads */
    /* for tests: as another release, with other kinds of log entries (level.c) */
    uint32_t level;
    uint32_t (*level_needed)(const struct msg *m);
    uint64_t seed; /* for placement and raft's timers */
    bool relaxed;  /* --durability=relaxed: acknowledge before the flush */
    /* 0 means the default of CONSISTENCY E */
    uint64_t heartbeat, serve_lease, down_after; /* ns */
    uint64_t repair_grace;                       /* ns: a copy on a server that went down is not made again before */
    uint64_t read_lease;                         /* ns: how long applying an own entry proves leadership (A5) */
    uint64_t grant_lifetime, reader_grace, session_ttl; /* ns */
    uint64_t delegation_ttl;                            /* ns: how long a delegation is its holder's in any case */
    uint64_t lock_ttl;                                  /* ns: session_ttl of those that hold locks */
    uint64_t snapshot_log_bytes; /* of log before a snapshot; more where the last one was large (default 64 MiB) */
    uint32_t sessions_per_host;  /* from one address, at most (default NM_SESSIONS_PER_HOST) */
    uint64_t log_segment_bytes;  /* preallocated size of a log segment (default 8 MiB) */
};

/* Opens the data folder: identity, vote, snapshot, log. Synchronous disk calls. On error (DFS_ECORRUPT, DFS_EIDENTITY,
 * DFS_EIO, DFS_EINVAL …) *why is a sentence that names the file and what to do, and the folder is unchanged. */
int nm_open(const struct nm_config *cfg, struct disk *disk, struct now now, struct nm **out, char *why,
            size_t why_len) MUST_USE;
void nm_close(struct nm *nm);

void nm_event(struct nm *nm, const struct event *ev, struct effects *fx);
void nm_turn(struct nm *nm, struct now now, struct effects *fx);
uint64_t nm_deadline(const struct nm *nm); /* monotonic ns */

/* For the host's HELLO. */
void nm_cluster(const struct nm *nm, uint64_t *hi, uint64_t *lo);
uint32_t nm_id(const struct nm *nm);
/* True while it is the leader as far as it can know, and no lease of another can run: for tests and the simulator. */
bool nm_leads(const struct nm *nm, uint64_t mono);
uint64_t nm_applied(const struct nm *nm);
uint32_t nm_voters(const struct nm *nm); /* in the configuration in force; 0: a change is under way */
/* True while the open epoch is applied and requests are served. */
bool nm_serving(const struct nm *nm);

/* Writes the snapshot asked for by EFF_SNAPSHOT, synchronously: in a forked child, or in place in the simulator. */
int nm_write_snapshot(const struct nm *nm, struct disk *disk) MUST_USE;

/* For tests and the simulator: the state machine inside. */
const struct meta *nm_meta(const struct nm *nm);

#endif
