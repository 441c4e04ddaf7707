/* SPDX-License-Identifier: MIT */
/* The name index: one ordered map from (directory, name) to inode, for the whole namespace.
 *
 * A B+-tree (Bayer, McCreight 1972; Comer 1979) of packed nodes (node.h): a name of 16 bytes costs 25 in a directory of
 * some size, over the fill: 69 % for names in random order, nearly 100 % for any number of rising or falling runs.
 * Lookup is O(log n) in a directory of any size, and a listing resumes after any name. */
#ifndef DFS_META_NAMES_H
#define DFS_META_NAMES_H

#include "meta/node.h"

#define NAMES_DEPTH 24 /* nodes from root to leaf; 2^48 of the longest names need fewer */

struct names {
    struct node *root; /* NULL: empty */
    uint64_t count;
    size_t bytes; /* allocated for nodes */
};

void names_init(struct names *t); /* allocates nothing */
void names_close(struct names *t);

uint64_t names_find(const struct names *t, uint64_t dir, struct str name); /* 0: absent */
/* Adds an entry; false: it is there already. 0 < ino < 2^48. Aborts when memory is out. */
bool names_add(struct names *t, uint64_t dir, struct str name, uint64_t ino);
/* The same for an entry above all others, without a search; false: it is not above them. */
bool names_append(struct names *t, uint64_t dir, struct str name, uint64_t ino);
/* The entry, which must be there, now means ino. */
void names_set(struct names *t, uint64_t dir, struct str name, uint64_t ino);
/* Takes an entry out and returns what it meant; 0: absent. */
uint64_t names_remove(struct names *t, uint64_t dir, struct str name);

/* A place between entries; good until the next change. */
struct names_cursor {
    const struct node *node[NAMES_DEPTH];
    uint16_t at[NAMES_DEPTH];
    uint32_t depth;
};
/* Just behind (dir, after), whether that is there or not; an empty name stands before all of dir's. */
void names_seek(const struct names *t, struct names_cursor *c, uint64_t dir, struct str after);
/* The next entry of any directory, in order; false: no more. name is borrowed from the index. */
bool names_next(struct names_cursor *c, uint64_t *dir, struct str *name, uint64_t *ino);

/* Order, bounds and counts of all nodes: 0, or DFS_ECORRUPT with a sentence in why. */
int names_verify(const struct names *t, char *why, size_t len) MUST_USE;

#endif
