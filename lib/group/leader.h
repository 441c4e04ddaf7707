/* SPDX-License-Identifier: MIT */
/* What only the leader knows, and forgets with its leadership: who was heard when, what was granted, what is to be
 * deleted. What must outlive it is logged as commands (table.h, 0x03xx). */
#ifndef DFS_GROUP_LEADER_H
#define DFS_GROUP_LEADER_H

#include "base/rand.h"
#include "group/agree.h"
#include "group/cut.h"
#include "group/delegations.h"
#include "group/openers.h"
#include "group/repair.h"
#include "group/sessions.h"
#include "group/tasks.h"
#include "group/watch.h"
#include "meta/meta.h"
#include "wire/core.h"

#define HORIZON_MARKS 32u
/* Deletion hints kept per server; what does not fit is found again by the server's report. */
#define REMOVE_MAX 65536u
#define GRANT_MAX_CHUNKS 64u
#define CHUNK_SERIAL_MASK ((1ULL << 48) - 1) /* the top 16 bits of an id are the group's number */

struct nm;

struct live { /* one StorageServer, as heard by this leader */
    uint32_t id;
    uint64_t last; /* mono ns of its last heartbeat, or of the epoch's opening */
    bool heard;    /* the numbers below are from a heartbeat */
    uint64_t capacity, used, chunks;
    uint32_t load;
    uint32_t granted;   /* chunks granted on it since its last heartbeat */
    uint64_t logged_at; /* mono ns: when its numbers were last logged */
    bool state_pending;
    struct wire_chunk_id *remove;
    uint32_t n_remove, cap_remove;
    struct wire_disk_info *disks; /* as last heard */
    uint32_t n_disks;
    struct task_queue *tasks; /* NULL: it never had any, nor asked */
    uint32_t reads;           /* copies being made from it */
    uint64_t down_at;         /* mono ns: it was declared down; 0: not by this leader */
    uint64_t full_until;      /* mono ns: it had no room for a copy */
    /* the report under way */
    bool complete;                /* the last one had all that the map says */
    bool report_counts;           /* all of it was seen so far */
    bool unsure;                  /* what is to become of some copies depends on others' reports */
    bool comparing, compare_next; /* chunk by chunk, up to … */
    uint64_t compared;
    struct compare *compare;  /* this page; owned */
    uint64_t counted, mapped; /* copies found that the map has, and what it had at the start */
    struct {
        uint64_t copies;   /* in quarantine, by the last complete report */
        uint64_t counting; /* by the one that is coming in … */
        uint64_t last;     /* … up to this chunk */
    } quarantine;
    bool report_wanted;
    uint64_t inventory; /* the run it has told all for */
};

struct leader {
    struct live *live; /* in id order */
    uint32_t n_live, cap_live;
    struct rng rng;
    uint64_t opened;      /* mono ns */
    uint64_t next_serial; /* of the next chunk granted */
    struct {
        uint64_t at, serial;
    } mark[HORIZON_MARKS]; /* everything below serial was granted before at */
    uint32_t n_marks;
    bool reserve_pending, horizon_pending, reap_pending, reclaim_pending, level_pending;
    uint64_t next_tick, next_mark, next_reclaim;
    int64_t skew;                   /* wall - mono, to notice a clock that was set */
    bool clock_ahead;               /* of that of the leader before */
    uint64_t reap_from, trash_from; /* mono ns: not before */
    struct tasks tasks;
    struct agreements agree;
    struct cuts cuts;
    struct openers openers;
    struct repair repair;
    struct sessions sessions;
    struct watches watches;
    struct delegations delegations;
};

void leader_init(struct leader *l, uint64_t seed); /* *l is all zeroes */
void leader_close(struct nm *nm);
/* We lead; nothing of ours was applied yet. */
void leader_compare_clocks(struct nm *nm);
/* The epoch was opened: everything starts anew. */
void leader_open(struct nm *nm);
/* grant, heartbeat, report, tasks. */
void leader_request(struct nm *nm, const struct event *ev, struct effects *fx);
/* Everything that happens by time. */
void leader_tick(struct nm *nm, struct effects *fx);
uint64_t leader_deadline(const struct nm *nm);
/* An own command was applied. */
void leader_applied(struct nm *nm, const struct msg *cmd, const struct meta_result *res, struct effects *fx);
struct live *live_get(struct nm *nm, uint32_t id); /* made if need be */
/* The registered server this message comes from, or NULL after it was told to register (again). */
const struct meta_server *leader_sender(struct nm *nm, const struct event *ev, uint32_t id, uint64_t incarnation,
                                        struct effects *fx);
const struct live *live_find(const struct leader *l, uint32_t id);
/* The registered server this message comes from, or NULL after it was told to register (again). */
const struct meta_server *leader_sender(struct nm *nm, const struct event *ev, uint32_t id, uint64_t incarnation,
                                        struct effects *fx);
/* Whether the server that registers is heard at another address: two processes run copies of one data folder. One that
 * moved must have been silent for two heartbeats before it is taken at its new place. */
bool leader_hears_twin(const struct nm *nm, const struct msg_ss_register *r);
/* Not heard for so long that nothing new is placed on it, though not yet declared down. */
bool leader_suspects(const struct nm *nm, const struct live *l);
/* Servers for one more chunk of so many copies; returns how many there are for it. 0: fewer than needed, which was told. */
uint32_t leader_place(struct nm *nm, uint8_t goal, uint32_t needed, uint16_t servers[META_MAX_REPLICAS],
                      struct reply_to to, struct effects *fx);
void leader_grant(struct nm *nm, const struct event *ev, struct effects *fx);
/* Asks for more chunk serials when less than half of the reserve is left. */
void leader_reserve(struct nm *nm);

#endif
