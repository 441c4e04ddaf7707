/* SPDX-License-Identifier: MIT */
/* Lockers: clients that lock one file, and while they have the lock read and write it, over and over. What one finds must stay as
 * it is as long as it has the lock, whatever others do that had it before and were paused, cut off or killed.
 *
 * An answer may come long after the lock was lost again. So what was seen is judged when locking once more, which changes nothing
 * where the lock is held, has been acknowledged: a session that lives has never been without its lock. */
#ifndef DFS_SIM_LOCKS_H
#define DFS_SIM_LOCKS_H

#include "sim/node.h"
#include "sim/oracle.h"

#define LOCKERS 4
#define LOCKED_BYTES 1000u
#define LATE_MAX 256

struct work;

struct locker {
    struct work *work;
    struct node *client;
    uint32_t number, ops_left;
    uint64_t handle; /* 0: the file is not open */
    enum client_op_kind kind;
    bool active;
    uint64_t start;
    bool holds, exclusive;
    uint64_t from, to; /* it certainly had the lock, exclusively or not, from … to … */
    bool sure_exclusive;
    bool knows; /* … what must be there: */
    uint64_t expected;
    bool unjudged; /* it has read this since: */
    uint64_t found;
    uint64_t writing;
    uint32_t write; /* in the register */
    uint8_t buf[LOCKED_BYTES];
    uint32_t got;
};

struct locked_file {
    char path[SIM_PATH_MAX];
    struct reg content;
    uint64_t late[LATE_MAX]; /* writes that failed without a word of the lock: they may land whenever they like */
    uint32_t n_late;
};

void locks_init(struct work *w);
void locks_start(struct work *w, uint32_t ops);
bool locks_done(const struct work *w);
void locks_close(struct work *w);

#endif
