/* SPDX-License-Identifier: MIT */
/* One node of the name index: entries (key, value) in key order, packed.
 *
 * A key is (directory, name), ordered by directory number, then bytewise. An entry's bytes are: value (6 bytes in a
 * leaf: the inode; 8 in an inner node: the child's pointer), directory (6; absent while all entries share one, which
 * then stands in the node), name length (1), name. Entries lie in order of arrival from the front of data; from its end
 * backwards lie their 16-bit offsets, in key order. */
#ifndef DFS_META_NODE_H
#define DFS_META_NODE_H

#include "base/bytes.h"

/* With the allocator's own word a node takes 1536 bytes: small enough that a search touches few cache lines, large
 * enough for five of the largest entries, which splitting relies on. */
#define NODE_DATA 1512u
#define NODE_COST 1536u
#define NODE_ENTRY_MAX (8u + 6 + 1 + 255 + 2)

struct node {
    uint64_t dir;   /* of all entries, while shared */
    uint16_t count;
    uint16_t used;  /* bytes of entries */
    uint16_t last;  /* where the last insertion was */
    uint8_t level;  /* 0: a leaf */
    uint8_t shared; /* entries leave their directory out */
    uint8_t data[NODE_DATA];
};

struct name_key {
    uint64_t dir;
    struct str name;
};

struct node *node_new(uint8_t level);
/* Bytes of data in use, offsets included. */
static inline uint32_t node_fill(const struct node *n) { return n->used + 2u * n->count; }
/* node_fill of a node with the entries of both. */
uint32_t node_fill_merged(const struct node *a, const struct node *b);

struct name_key node_key(const struct node *n, uint32_t i);
uint64_t node_value(const struct node *n, uint32_t i);
void node_set_value(struct node *n, uint32_t i, uint64_t value);
static inline struct node *node_child(const struct node *n, uint32_t i)
{
    return (struct node *)(uintptr_t)node_value(n, i);
}

/* The first entry not below key; *found: it equals key. */
uint32_t node_search(const struct node *n, const struct name_key *key, bool *found);
/* The child under which key belongs. An inner node's first key counts as lower than any other, whatever it says: what
 * bounds the node from below is its own key in its parent. */
uint32_t node_route(const struct node *n, const struct name_key *key);
bool node_fits(const struct node *n, const struct name_key *key);
void node_insert(struct node *n, uint32_t at, const struct name_key *key, uint64_t value); /* if node_fits */
void node_erase(struct node *n, uint32_t at);
/* Where to cut a full node for an insertion at `at`, and whether that then goes to the right part. A run that rises or
 * falls at one place leaves full nodes behind, and directories part where they meet; anything else cuts in the middle.
 * An inner node keeps at least one entry in either part. */
uint32_t node_choose_cut(const struct node *n, uint32_t at, const struct name_key *key, bool *right);
/* Moves entries [cut, count) to the end of `to`; the first of them gets first_key, unless that is NULL. */
void node_move_tail(struct node *n, uint32_t cut, struct node *to, const struct name_key *first_key);

#endif
