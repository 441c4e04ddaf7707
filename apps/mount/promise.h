/* SPDX-License-Identifier: MIT */
/* Files the kernel was promised and the cluster does not know yet (promise.c), the directories they are in (delegation.c), and
 * requests that wait for such files to be made (held.c). */
#ifndef DFS_APPS_MOUNT_PROMISE_H
#define DFS_APPS_MOUNT_PROMISE_H

#include "mount.h"

enum delegation_state {
    DELEGATION_WATCHED, /* not ours: files made here are counted */
    DELEGATION_ASKING,
    DELEGATION_LISTING,
    DELEGATION_AT_HAND,
    DELEGATION_ENDING, /* what is promised is being made */
    DELEGATION_RETURNING,
};

struct delegation { /* a directory */
    UT_hash_handle hh; /* in mount.delegations */
    struct mount *m;
    uint64_t dir;
    enum delegation_state state;
    uint32_t calls; /* of the library, under way */
    bool asking;
    uint64_t until, used, not_before; /* ms: ours up to then; when it was last of use; when it may be asked for again */
    uint32_t pause;                   /* ms, after it was asked back last */
    uint32_t files;                   /* made while it is watched */
    uint64_t first;                   /* the next number to give to a file, … */
    uint32_t inodes;                  /* … and how many there are */
    struct dfs_attr attr;             /* of the directory */
    int64_t changed_ns;               /* when something was last promised in it, while anything is; otherwise 0 */
    uint64_t *names;                  /* hashes; a table of cap slots */
    size_t n_names, cap;
    char *after; /* the last name listed */
    struct list promised;
};

struct promise { /* a file; its node is in use by it */
    struct list link; /* in delegation.promised */
    struct delegation *d;
    struct node *node;
    struct dfs_attr attr; /* as the kernel sees it; without what was written */
    int64_t atime_ns;     /* that was set; 0: none was */
    uint64_t number;      /* promises are counted */
    bool making, with_data, old;
    char name[];
};

/* --- delegation.c --- */
struct delegation *delegation_find(const struct mount *m, uint64_t dir); /* NULL: nothing is known of it */
bool delegation_lacks(const struct delegation *d, const char *name); /* the name is certainly free. d may be NULL */
/* A number for a file; 0: there is none just now. */
uint64_t delegation_number(struct delegation *d);
void delegation_promised(struct delegation *d, const char *name);
/* One of its promises is gone. */
void delegation_promise_kept(struct delegation *d);

/* --- promise.c --- */
void promises_make(const struct list *promised); /* all of them, now */
void promises_hurry(const struct list *promised); /* those that were there when this was last called */

#endif
