/* SPDX-License-Identifier: MIT */
/* How ls shows what it has: a block of items, long, in columns, one on a line, or as JSON. */
#ifndef DFS_APPS_LISTING_H
#define DFS_APPS_LISTING_H

#include "cli.h"

struct item {
    char *name; /* as shown */
    char *path; /* whole; only for links and JSON, otherwise NULL */
    char *target;
    struct dfs_attr attr;
};

struct listing {
    struct cli *cli;
    size_t printed;    /* objects of the JSON array */
    uint32_t uid, gid; /* whose names are kept */
    char owner[64], group[64];
    int width_ino, width_links, width_owner, width_group, width_size; /* so far */
    struct item *v;
    size_t n, cap;
    size_t waiting; /* targets of links on their way */
};

/* Copies name and attr; dir NULL: name is the whole path. */
void listing_add(struct listing *l, const char *dir, const char *name, const struct dfs_attr *a);
/* Sorts, prints and drops what was added. */
void listing_flush(struct listing *l);
void listing_close(struct listing *l);

#endif
