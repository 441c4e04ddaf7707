/* SPDX-License-Identifier: MIT */
/* Editors: clients that write and read ranges of a few files in place, all of them the same files. Each file is cut into
 * cells, each cell is a register of the oracle: what is read of one must be what some write, that could be current, put
 * there as a whole. */
#ifndef DFS_SIM_EDIT_H
#define DFS_SIM_EDIT_H

#include "sim/node.h"
#include "sim/oracle.h"

#define EDIT_FILES 2
#define EDIT_CELLS 24
#define EDIT_CELL 3500u /* no multiple of a block: blocks are shared by two */
#define EDITORS 4

struct work;

struct edit_file {
    char path[SIM_PATH_MAX];
    struct reg cells[EDIT_CELLS];
};

struct editor {
    struct work *work;
    struct node *client;
    uint32_t number;
    struct edit_file *file; /* open, or being read by path */
    uint64_t handle;        /* 0: none is open */
    enum client_op_kind kind;
    uint32_t first, n, write[EDIT_CELLS]; /* cells; and their writes in the registers */
    uint64_t start;
    bool active;
    bool was_cut; /* a write through this handle, by a truncate: calls that come later say so, too */
    uint32_t ops_left;
    uint8_t buf[EDIT_CELLS * EDIT_CELL];
    uint32_t got;
};

void edit_init(struct work *w);
void edit_start(struct work *w, uint32_t ops);
bool edit_done(const struct work *w); /* all have ended, and closed what they had open */
void edit_close(struct work *w);

#endif
