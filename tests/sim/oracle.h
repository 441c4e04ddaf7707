/* SPDX-License-Identifier: MIT */
/* What must be true. Two models, both in memory:
 *
 * - a tree for a directory only one actor works in: after each acknowledged operation its state is known exactly, errors
 *   included;
 * - a register for a name that many actors write: a read must return a value that could be current (interval-based: no
 *   write that ended before the read began may have overwritten it, and reads do not go back in time). */
#ifndef DFS_SIM_ORACLE_H
#define DFS_SIM_ORACLE_H

#include "client/client.h"

/* The content of a file, made from its id. id 0: there is no file. */
struct value {
    uint64_t id;
    uint32_t size;
};

void value_fill(struct value v, uint64_t off, void *p, size_t len);
bool value_is(struct value v, const void *p, size_t len);

#define SIM_PATH_MAX 64

struct op {
    enum client_op_kind kind;
    char path[SIM_PATH_MAX], path2[SIM_PATH_MAX]; /* path2: where to; a symlink's target */
    struct value value;                           /* OP_PUT */
    unsigned flags;                               /* OP_REMOVE: DFS_KEEP or not; a tree in any case */
    uint8_t goal;                                 /* OP_SETATTR: 0: the default */
};

/* --- the tree --- */

#define TREE_MAX 48

struct tree_entry {
    char path[SIM_PATH_MAX];
    uint8_t type; /* enum dfs_type */
    uint8_t goal; /* as chosen for it, or for the directory it was made in; 0: the default */
    struct value value;
    char target[SIM_PATH_MAX];
};

struct tree {
    struct tree_entry v[TREE_MAX];
    uint32_t n;
};

/* What a put, mkdir, symlink, setattr (of the goal), unlink, rmdir, remove or rename must return; 0: and the tree is changed accordingly. The root of
 * the tree is a directory whose path ends where each entry's begins ("/p1" and "/p1/a"): it must be in the tree. */
int tree_step(struct tree *t, const struct op *op);
const struct tree_entry *tree_find(const struct tree *t, const char *path);
/* The number of entries directly in the directory. */
uint32_t tree_count(const struct tree *t, const char *dir);
bool tree_is_child(const char *path, const char *dir);

/* --- the register --- */

struct reg_write {
    struct value value;
    uint64_t start, end; /* end: by then it had happened; UINT64_MAX: not known. A read that returned it shows it too */
    bool never;          /* it failed for certain */
};

struct reg {
    char path[SIM_PATH_MAX];
    struct reg_write *writes;
    uint32_t n, cap;
};

void reg_init(struct reg *r, const char *path);
void reg_close(struct reg *r);
uint32_t reg_begin(struct reg *r, struct value v, uint64_t now); /* returns the write's number */
void reg_end(struct reg *r, uint32_t write, uint64_t now);
void reg_failed(struct reg *r, uint32_t write);
/* A read between start and end found these bytes (p NULL: no such file). False: no write can explain it. */
bool reg_read(struct reg *r, uint64_t start, uint64_t end, const void *p, size_t len);
/* The same where it is only known that there is a file. */
bool reg_there(const struct reg *r, uint64_t start, uint64_t end);

#endif
