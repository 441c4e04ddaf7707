/* SPDX-License-Identifier: MIT */
/* The clients' work: actors that do one operation after the other, each in a directory of its own and now and then in
 * one that all share, and compare every answer with the oracle. */
#ifndef DFS_SIM_WORK_H
#define DFS_SIM_WORK_H

#include "sim/append.h"
#include "sim/delegate.h"
#include "sim/edit.h"
#include "sim/keep.h"
#include "sim/locks.h"
#include "sim/node.h"
#include "sim/oracle.h"

#define WORK_ACTORS 42
#define WORK_SHARED 3

/* A directory nobody touches any more, because what one operation did to it is not known. */
struct tainted {
    struct tree before, after;
};

/* One client operation with room for its results. */
struct call {
    struct work *work;
    struct node *client;
    struct op op;
    uint64_t start;
    bool active;
    int status;
    struct bytes got; /* OP_GET */
    struct dfs_attr attr;
    char target[SIM_PATH_MAX];
    struct tree listed; /* OP_READDIR: names and types */
    bool eof;
    void (*done)(void *arg);
    void *arg;
};

struct actor {
    struct work *work;
    uint32_t number, generation;
    struct tree tree;
    struct call call;
    uint32_t ops_left;
    bool shared; /* the call is on a shared name */
    struct reg *reg;
    uint32_t reg_write;
    char rename_to[SIM_PATH_MAX]; /* shared: what to do with the file just put */
    char root[SIM_PATH_MAX];
    bool has_root;
};

struct work {
    struct cluster *cluster;
    struct actor actors[WORK_ACTORS];
    uint32_t n_actors;
    struct reg shared[WORK_SHARED];
    struct tainted *tainted;
    uint32_t n_tainted;
    struct appended appended;
    struct appender appenders[APPENDERS];
    struct edit_file edit_files[EDIT_FILES];
    struct editor editors[EDITORS];
    struct locked_file locked;
    struct locker lockers[LOCKERS];
    struct keeper keepers[KEEPERS];
    struct made made;
    struct maker makers[MAKERS];
    struct call own; /* for call_wait */
    uint64_t next_value;
    bool strict; /* the cluster is well: nothing may fail */
    uint32_t ops, failed_ops, unknown_ops, audited;
    uint32_t writes, undecided; /* in place; of which no server knew any more whether they are there, … */
    uint32_t cut;               /* … or whether they came before the file was made shorter */
};

void work_init(struct work *w, struct cluster *c);
void work_close(struct work *w);
/* Every actor does so many operations. */
void work_start(struct work *w, uint32_t ops);
bool work_done(const struct work *w);
/* It raced with a truncate, and nobody knows which of them came first: that may be in a healthy cluster, too. */
bool work_was_cut(int status, const struct dfs_result *r);
/* One more write in place has ended. */
void work_count_write(struct work *w, int status, const struct dfs_result *r);

/* Starts call->op on call->client; call->done comes later, once. */
void call_start(struct call *call);
/* The same for an operation without operands but its path, through the first client; runs until it has ended. */
int call_wait(struct work *w, struct call *call, enum client_op_kind kind, const char *path);
void call_close(struct call *call);

/* An error that says what the name space is like, as opposed to one that says that something failed on the way. */
bool status_is_answer(int status);

#endif
