/* SPDX-License-Identifier: MIT */
/* Appenders: clients that add records to one file, all at once, and read it. What is read must be records that somebody added,
 * each whole and once, all those that were acknowledged before, at the places that were told, and whatever was read
 * before must still be there. */
#ifndef DFS_SIM_APPEND_H
#define DFS_SIM_APPEND_H

#include "sim/node.h"
#include "sim/oracle.h"

#define APPENDERS 3
#define APPEND_RECORD 3000u /* bytes at most */
#define APPEND_FILE (2u * 1024 * 1024)
#define APPEND_RECORDS 2048u

struct work;

struct added { /* a record */
    struct value value;
    uint64_t end, offset; /* end: when it was acknowledged; UINT64_MAX: not yet, or never */
    uint64_t found;       /* where it was read; UINT64_MAX: nowhere yet */
};

struct appended { /* the file */
    struct added records[APPEND_RECORDS];
    uint32_t n;
};

struct appender {
    struct work *work;
    struct node *client;
    uint64_t handle;
    enum client_op_kind kind;
    uint32_t record; /* being added */
    uint64_t start;
    bool active;
    uint32_t ops_left;
    uint8_t *buf;
    uint32_t got;
};

void append_init(struct work *w);
void append_start(struct work *w, uint32_t ops);
bool append_done(const struct work *w);
void append_close(struct work *w);

#endif
