/* SPDX-License-Identifier: MIT */
/* The repair scheduler: brings every chunk to its goal, on servers that stay, in distinct failure domains. It knows
 * nothing the state and the servers' reports do not say, so a new leader goes on where the last one stopped.
 *
 *     repair.c       what comes of tasks, moves to be logged, numbers for health
 *     repair_scan.c  which placements something is wrong with; the walk over the chunks, the most urgent first
 *     repair_pick.c  what to do about one chunk: source, target, who leaves
 *     repair_bad.c   copies that are not what the map says
 *
 * A copy is made before another one is given up, and a damaged one is deleted only when another was read as a whole. */
#ifndef DFS_GROUP_REPAIR_H
#define DFS_GROUP_REPAIR_H

#include "base/hash.h"
#include "group/tasks.h"

struct nm;

/* What is most urgent comes first. 1 to 15: fewer copies than the goal, and so many can be read. */
enum repair_level {
    LEVEL_NONE = 0,
    LEVEL_FEWEST = 1,
    LEVEL_FEW = 15,
    LEVEL_DRAIN = 16,
    LEVEL_MISPLACED = 17,
    LEVEL_SURPLUS = 18,
    LEVEL_BALANCE = 19,
    LEVELS = 20,
};

/* Why a task was given. */
enum repair_reason {
    REASON_REPAIR = 1, /* fewer copies than the goal, or on a server that is being drained */
    REASON_IMPROVE,    /* misplaced, or for balance */
    REASON_SUSPECT,    /* is this copy what the map says? */
    REASON_ADOPT,      /* a server holds a copy the map does not name: is it good? */
    REASON_CONFIRM,    /* before a bad copy is deleted: is this one good? */
    REASON_SURPLUS,    /* nobody needs this copy */
};

#define REPAIR_MOVES 1024u

struct repair_hold { /* nothing is done about this chunk for now */
    uint64_t chunk;
    uint64_t until;  /* mono ns */
    uint64_t failed; /* mono ns: the last of these */
    uint32_t tries;  /* that failed; 0: a move is being logged */
    UT_hash_handle hh;
};

struct bad_copy {
    uint64_t key; /* chunk and server, mixed */
    uint64_t chunk;
    uint32_t server;
    bool there;     /* it exists, and is to be deleted */
    bool confirmed; /* another one was read as a whole */
    uint64_t look;  /* mono ns: the only one is looked at again */
    UT_hash_handle hh;
};

struct seat {       /* a server as the scheduler sees it at the moment */
    bool source;    /* can be read from */
    bool target;    /* takes copies */
    double fill;    /* its share of what it has and could have */
    uint64_t room;  /* bytes */
    uint64_t grace; /* mono ns: it is down, and may come back before */
};

struct repair {
    uint64_t shape;     /* meta_shape of the last look at the placements */
    uint64_t next_look; /* mono ns */
    uint64_t wake;      /* mono ns: a grace ends */
    bool look;          /* something has changed */
    struct seat *seats; /* by server id - 1 */
    uint32_t n_seats;
    uint8_t *level; /* by number of placement */
    uint32_t n_level;
    uint64_t left[LEVELS];     /* chunks to do something about */
    uint64_t again[LEVELS];    /* mono ns: a walk found nothing that can be done; not before */
    uint8_t at;                /* what is being looked for; LEVEL_NONE: nothing */
    uint64_t cursor;           /* of meta_chunk_scan */
    uint32_t started, blocked; /* in this walk; in a row */
    bool full;                 /* enough is under way: on when some of it has ended */
    struct repair_hold *holds;
    struct bad_copy *bads;
    uint64_t bads_at;                           /* mono ns: when to look at them */
    struct wire_chunk_move moves[REPAIR_MOVES]; /* to be logged */
    uint32_t n_moves;
    uint32_t copies, improving; /* COPY tasks; of them those not to make anything whole */
    uint64_t fetching;          /* their bytes */
    bool narrow;                /* balance was asked for */
    bool balancing;
    double mean_fill, widest; /* of servers that stay: the mean, and between the fullest and the emptiest */
    uint64_t copied, copied_bytes;
    uint32_t rate[32];        /* copies made, by second */
    uint64_t rate_at;         /* second of the last one */
};

/* --- for leader.c and the rest of the core --- */

void repair_open(struct nm *nm);
void repair_forget(struct nm *nm);
void repair_turn(struct nm *nm, struct effects *fx);
uint64_t repair_deadline(const struct nm *nm);
/* Somebody waits to write to this sealed chunk, and too few servers that stay are up for it: it gets its copies now, without
 * the grace, before what is drained, and a second after copying it failed, however often it did. False: there is nothing to
 * wait for, since no copy can be made. */
bool repair_now(struct nm *nm, const struct meta_chunk_info *c) MUST_USE;
/* A chunk was sealed: while it was open, nothing could be done about it. */
void repair_sealed(struct nm *nm, const struct meta_chunk_info *c);
/* Whether this chunk has to move from a server that is being drained, and can. */
bool repair_drains(const struct nm *nm, const struct meta_chunk_info *c);
/* A chunk_servers command was applied. */
void repair_moved(struct nm *nm, const struct msg_chunk_servers *m);
/* What health asks: health.h. */

/* --- between its files --- */

/* A task has ended, in whatever way; one that nobody here gave. */
void repair_result(struct nm *nm, const struct nm_task *t, const struct wire_task_result *r, struct effects *fx);
void repair_unasked(struct nm *nm, uint32_t server, const struct wire_task_result *r);
/* Whether something is going on about this chunk already. */
bool repair_busy(const struct nm *nm, uint64_t chunk);
void repair_propose(struct nm *nm, uint64_t chunk, uint32_t version, uint32_t add, uint32_t remove);
bool repair_moves_full(const struct nm *nm);
void repair_drop(struct nm *nm, uint64_t chunk, uint32_t version, uint32_t server);

/* repair_scan.c */
void repair_look(struct nm *nm);
void repair_scan(struct nm *nm);
uint8_t repair_level(const struct nm *nm, const struct meta_placement *p);

/* repair_pick.c */
enum picked { PICKED, PICK_LATER, PICK_NONE };
enum picked repair_pick(struct nm *nm, const struct meta_chunk_info *c, const struct meta_placement *p, uint8_t level);
/* Whether a copy elsewhere would be in fewer of the others' domains; at: which member would leave. */
bool repair_improves(const struct nm *nm, const struct meta_placement *p, uint32_t *at);
bool repair_balances(const struct nm *nm, const struct meta_placement *p);
bool repair_has_target(const struct nm *nm, const struct meta_placement *p);

/* repair_bad.c */
/* Has a server look at its copy, unless something is going on about the chunk. */
void repair_verify(struct nm *nm, uint64_t chunk, uint32_t server, uint8_t reason);
void bad_note(struct nm *nm, uint64_t chunk, uint32_t server, bool there);
void bad_clear(struct nm *nm, uint64_t chunk, uint32_t server);
bool bad_known(const struct nm *nm, uint64_t chunk, uint32_t server);
void bad_confirmed(struct nm *nm, uint64_t chunk);
/* Whether all copies that are up are known to be bad. */
bool bad_everywhere(const struct nm *nm, uint64_t chunk);
uint64_t bad_chunks(const struct nm *nm); /* of which that is so */
void bad_turn(struct nm *nm);
void bad_forget(struct nm *nm);

#endif
