/* SPDX-License-Identifier: MIT */
/* One node of the name index: entries (key, value) in key order, packed, as large as what it holds.
 *
 * A key is (directory, name), ordered by directory number, then bytewise. An entry's bytes are: value (6 bytes in a
 * leaf: the inode; 8 in an inner node: the child's pointer), directory (6), name length (1), name. Entries lie in order
 * of arrival from the front of data; from its end backwards lie their 16-bit offsets, in key order. */
#ifndef DFS_META_NODE_H
#define DFS_META_NODE_H

#include "base/bytes.h"

#define NODE_MAX 2048u /* bytes in data of a full node; holds several of the largest entries */
#define NODE_STEP 128u /* nodes grow in steps of this */

struct node {
    uint16_t count;
    uint16_t used;  /* bytes of entries */
    uint16_t cap;   /* bytes in data */
    uint16_t level; /* 0: a leaf */
    uint8_t data[];
};

struct name_key {
    uint64_t dir;
    struct str name;
};

/* What a node of this capacity takes from the allocator. */
static inline size_t node_bytes(uint32_t cap) { return round_up(sizeof(struct node) + cap + 8, 16); }

struct node *node_new(uint16_t level);
/* A node with room for one more entry of this name, moved if need be; NULL: it would be over NODE_MAX. */
struct node *node_make_room(struct node *n, uint32_t name_len);
/* The node in no more memory than it needs; may move. */
struct node *node_fit(struct node *n);
/* Bytes of data in use, offsets included. */
static inline uint32_t node_fill(const struct node *n) { return n->used + 2u * n->count; }

struct name_key node_key(const struct node *n, uint32_t i);
uint64_t node_value(const struct node *n, uint32_t i);
void node_set_value(struct node *n, uint32_t i, uint64_t value);
static inline struct node *node_child(const struct node *n, uint32_t i)
{
    return (struct node *)(uintptr_t)node_value(n, i);
}

/* The first entry not below key; *found: it equals key. */
uint32_t node_search(const struct node *n, struct name_key key, bool *found);
/* The child under which key belongs. An inner node's first key is a lower bound of all it will be asked for. */
uint32_t node_route(const struct node *n, struct name_key key);
void node_insert(struct node *n, uint32_t at, struct name_key key, uint64_t value); /* after node_make_room */
void node_erase(struct node *n, uint32_t at);
/* Appends entries [from, count) of src to dst and takes them out of src. dst may move, and is returned. */
struct node *node_move_tail(struct node *dst, struct node *src, uint32_t from);

#endif
