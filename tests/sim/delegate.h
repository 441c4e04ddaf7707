/* SPDX-License-Identifier: MIT */
/* Makers: clients that make files in one directory, each of the same few names, and have its delegation in turn. Who has it knows what is
 * there, promises files by itself, without asking anybody, and makes them later; the others create, remove, read and list, and have to wait.
 *
 * A promise stands from the decision until the file is made, the directory returned, or the holder's own time is over. Meanwhile nobody
 * else may be told that the name is free, let alone get it; making it must not find it taken; and what the holder lists must be what it
 * knows. Each name is also a register of the oracle: what was made or created is there, with its content, until it is removed. */
#ifndef DFS_SIM_DELEGATE_H
#define DFS_SIM_DELEGATE_H

#include "sim/node.h"
#include "sim/oracle.h"

#define MAKERS CLUSTER_CLIENTS
#define MADE_NAMES 12u
#define MADE_BYTES 3000u /* at most */

struct work;

enum known { KNOWN_NOT, KNOWN_FREE, KNOWN_THERE };

struct promise {
    uint64_t ino; /* 0: there is none */
    uint64_t from, due;
    struct value value;
};

struct given { /* numbers of inodes that came with a delegation */
    uint64_t first, n;
};

struct made {     /* the directory */
    uint64_t ino; /* 0: nobody has looked it up */
    struct reg names[MADE_NAMES];
    struct given *given;
    uint32_t n_given;
};

struct maker {
    struct work *work;
    struct node *client;
    uint32_t number, ops_left;
    uint64_t life; /* of the client: in another one everything was forgotten */
    enum client_op_kind kind;
    bool active;
    uint64_t start;
    uint32_t name, write; /* that the operation is about; its write in the register */
    struct value value;
    bool looked, missing; /* the directory's number is known; it must be made */
    bool naps;            /* it does nothing for a while */
    uint64_t handle;      /* to be closed */
    bool has;             /* it asked for the delegation, and has not returned it; … */
    uint64_t heeds;       /* when it does what it was asked back for; 0: it was not */
    bool listed;
    uint64_t from, until; /* … has it certainly; */
    uint64_t first, left; /* numbers it may use */
    uint8_t goal;
    enum known known[MADE_NAMES]; /* if listed */
    bool unsure[MADE_NAMES];      /* a change of its own may still be under way */
    struct promise promises[MADE_NAMES];
    bool seen[MADE_NAMES]; /* by the listing under way */
    uint8_t buf[MADE_BYTES];
    uint32_t got;
};

void delegate_init(struct work *w);
void delegate_start(struct work *w, uint32_t ops);
bool delegate_done(const struct work *w); /* all have ended, and returned what they had */
void delegate_close(struct work *w);
void delegate_audit(struct work *w); /* reads all the names */

/* --- for delegate_draw.c --- */

bool maker_is_good(const struct maker *m); /* it has the directory by its own clock */
bool maker_is_recalled(const struct maker *m);
void maker_let_go(struct maker *m);

struct value maker_value(struct maker *m); /* a new one */
void maker_promises(struct maker *m);      /* some files, without a message */
/* Sets what the next operation is, and the name. False: nothing, this time. */
bool maker_draw(struct maker *m);

#endif
