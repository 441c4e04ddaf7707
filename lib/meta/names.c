/* SPDX-License-Identifier: MIT */
#include "meta/names.h"

#include <stdio.h>
#include <stdlib.h>

/* Merge a node emptier than this with a neighbour, if the result is not nearly full again. */
#define MERGE_BELOW (NODE_DATA / 4)
#define MERGED_MAX (NODE_DATA * 3 / 4)

static int key_cmp(struct name_key a, struct name_key b)
{
    return a.dir != b.dir ? (a.dir < b.dir ? -1 : 1) : str_cmp(a.name, b.name);
}

/* The way from the root to a leaf: at[i] is the child taken in node[i], or the place in the leaf. */
struct way {
    struct node *node[NAMES_DEPTH];
    uint16_t at[NAMES_DEPTH];
    uint32_t depth; /* nodes on the way; the leaf is node[depth - 1] */
};

void names_init(struct names *t) { *t = (struct names){0}; }

static void free_below(struct node *n)
{
    for (uint32_t i = 0; n->level > 0 && i < n->count; i++)
        free_below(node_child(n, i));
    free(n);
}

void names_close(struct names *t)
{
    if (t->root != NULL)
        free_below(t->root);
    names_init(t);
}

/* A search in a node that is not cached would wait for memory once per probe; asked for at once, the lines come
 * together: a lookup among 100 k files takes half the time. */
static void fetch_node(const struct node *n)
{
    for (size_t i = 0; i < sizeof *n; i += 64)
        __builtin_prefetch((const uint8_t *)n + i);
}

uint64_t names_find(const struct names *t, uint64_t dir, struct str name)
{
    struct name_key key = {dir, name};
    const struct node *n = t->root;
    if (n == NULL)
        return 0;
    while (n->level > 0) {
        n = node_child(n, node_route(n, &key));
        fetch_node(n);
    }
    bool found;
    uint32_t at = node_search(n, &key, &found);
    return found ? node_value(n, at) : 0;
}

/* The way to where key is or would be; true: it is there. */
static bool way_to(const struct names *t, struct name_key key, struct way *w)
{
    struct node *n = t->root;
    w->depth = 0;
    for (;;) {
        assert(w->depth < NAMES_DEPTH);
        w->node[w->depth] = n;
        if (n->level == 0)
            break;
        w->at[w->depth] = (uint16_t)node_route(n, &key);
        n = node_child(n, w->at[w->depth++]);
    }
    bool found;
    w->at[w->depth] = (uint16_t)node_search(n, &key, &found);
    w->depth++;
    return found;
}

static struct node *make_node(struct names *t, uint8_t level)
{
    t->bytes += NODE_COST;
    return node_new(level);
}

static void drop_node(struct names *t, struct node *n)
{
    t->bytes -= NODE_COST;
    free(n);
}

/* The shortest key above all of left and not above right's first: what is between them is nobody's. */
static struct name_key separator(const struct node *left, const struct node *right)
{
    struct name_key r = node_key(right, 0), l = node_key(left, left->count - 1u);
    if (right->level > 0)
        return r; /* entries between l's own key and r live under l */
    if (l.dir != r.dir)
        return (struct name_key){r.dir, {r.name.p, 0}};
    uint32_t same = 0;
    while (same < l.name.len && l.name.p[same] == r.name.p[same])
        same++;
    r.name.len = same + 1;
    return r;
}

/* Puts an entry into the node at level i of the way. A full node becomes two, and its parent (perhaps a new root)
 * learns of it in the same way. */
static void insert_at(struct names *t, struct way *w, uint32_t i, uint32_t at, struct name_key key, uint64_t value)
{
    struct node *left = w->node[i];
    if (node_fits(left, &key)) {
        node_insert(left, at, &key, value);
        return;
    }
    bool goes_right;
    uint32_t cut = node_choose_cut(left, at, &key, &goes_right);
    struct node *right = make_node(t, left->level);
    node_move_tail(left, cut, right, NULL);
    node_insert(goes_right ? right : left, goes_right ? at - cut : at, &key, value);
    struct name_key sep = separator(left, right);
    if (i > 0) {
        insert_at(t, w, i - 1, w->at[i - 1] + 1u, sep, (uint64_t)(uintptr_t)right);
        return;
    }
    t->root = make_node(t, (uint8_t)(left->level + 1));
    node_insert(t->root, 0, &(struct name_key){sep.dir, {"", 0}}, (uint64_t)(uintptr_t)left);
    node_insert(t->root, 1, &sep, (uint64_t)(uintptr_t)right);
}

bool names_add(struct names *t, uint64_t dir, struct str name, uint64_t ino)
{
    struct name_key key = {dir, name};
    struct way w;
    assert(name.len <= 255 && dir >> 48 == 0 && ino >> 48 == 0 && ino != 0);
    if (t->root == NULL)
        t->root = make_node(t, 0);
    if (way_to(t, key, &w))
        return false;
    insert_at(t, &w, w.depth - 1, w.at[w.depth - 1], key, ino);
    t->count++;
    return true;
}

bool names_append(struct names *t, uint64_t dir, struct str name, uint64_t ino)
{
    struct name_key key = {dir, name};
    struct way w = {.depth = 0};
    assert(name.len <= 255 && dir >> 48 == 0 && ino >> 48 == 0 && ino != 0);
    if (t->root == NULL)
        t->root = make_node(t, 0);
    for (struct node *n = t->root;; n = node_child(n, n->count - 1u)) {
        assert(w.depth < NAMES_DEPTH);
        w.node[w.depth] = n;
        w.at[w.depth++] = (uint16_t)(n->count - (n->level > 0));
        if (n->level == 0)
            break;
    }
    const struct node *leaf = w.node[w.depth - 1];
    if (leaf->count > 0 && key_cmp(node_key(leaf, leaf->count - 1u), key) >= 0)
        return false;
    insert_at(t, &w, w.depth - 1, leaf->count, key, ino);
    t->count++;
    return true;
}

void names_set(struct names *t, uint64_t dir, struct str name, uint64_t ino)
{
    struct way w;
    bool found = t->root != NULL && way_to(t, (struct name_key){dir, name}, &w);
    assert(found);
    if (found)
        node_set_value(w.node[w.depth - 1], w.at[w.depth - 1], ino);
}

static void rebalance(struct names *t, struct way *w, uint32_t i);

static void erase_child(struct names *t, struct way *w, uint32_t i, uint32_t at)
{
    node_erase(w->node[i], at);
    rebalance(t, w, i);
}

/* The child at level i, at place `at` of its parent, takes in its right neighbour, if the two are small enough. */
static bool merge_right(struct names *t, struct way *w, uint32_t i, uint32_t at)
{
    struct node *parent = w->node[i - 1];
    if (at + 1 >= parent->count)
        return false;
    struct node *left = node_child(parent, at), *right = node_child(parent, at + 1);
    uint32_t fill = node_fill_merged(left, right);
    if (left->level > 0) /* right's first key becomes the one in parent, which may end the sharing of directories */
        fill += 6u * (left->count + right->count) + NODE_ENTRY_MAX;
    if (fill > MERGED_MAX)
        return false;
    struct name_key bound = node_key(parent, at + 1);
    node_move_tail(right, 0, left, left->level > 0 ? &bound : NULL);
    drop_node(t, right);
    erase_child(t, w, i - 1, at + 1);
    return true;
}

/* After an erasure in the node at level i: frees it, or merges it with a neighbour; shortens the tree. */
static void rebalance(struct names *t, struct way *w, uint32_t i)
{
    struct node *n = w->node[i];
    if (i == 0) {
        while (n != NULL && (n->count == 0 || (n->level > 0 && n->count == 1))) {
            t->root = n->count == 0 ? NULL : node_child(n, 0);
            drop_node(t, n);
            n = t->root;
        }
        return;
    }
    if (n->count == 0) {
        drop_node(t, n);
        erase_child(t, w, i - 1, w->at[i - 1]);
        return;
    }
    if (node_fill(n) >= MERGE_BELOW)
        return;
    if (!merge_right(t, w, i, w->at[i - 1]) && w->at[i - 1] > 0)
        merge_right(t, w, i, w->at[i - 1] - 1u);
}

uint64_t names_remove(struct names *t, uint64_t dir, struct str name)
{
    struct way w;
    if (t->root == NULL || !way_to(t, (struct name_key){dir, name}, &w))
        return 0;
    struct node *leaf = w.node[w.depth - 1];
    uint32_t at = w.at[w.depth - 1];
    uint64_t ino = node_value(leaf, at);
    node_erase(leaf, at);
    t->count--;
    rebalance(t, &w, w.depth - 1);
    return ino;
}

void names_seek(const struct names *t, struct names_cursor *c, uint64_t dir, struct str after)
{
    c->depth = 0;
    if (t->root == NULL)
        return;
    struct way w;
    bool found = way_to(t, (struct name_key){dir, after.len > 0 ? after : STR("")}, &w);
    c->depth = w.depth;
    for (uint32_t i = 0; i < w.depth; i++) {
        c->node[i] = w.node[i];
        c->at[i] = w.at[i];
    }
    c->at[w.depth - 1] = (uint16_t)(c->at[w.depth - 1] + found);
}

bool names_next(struct names_cursor *c, uint64_t *dir, struct str *name, uint64_t *ino)
{
    if (c->depth == 0)
        return false;
    uint32_t i = c->depth - 1;
    while (c->at[i] >= c->node[i]->count) {
        if (i == 0)
            return false;
        c->at[--i]++;
    }
    while (c->node[i]->level > 0) {
        c->node[i + 1] = node_child(c->node[i], c->at[i]);
        c->at[++i] = 0;
    }
    struct name_key key = node_key(c->node[i], c->at[i]);
    *dir = key.dir;
    *name = key.name;
    *ino = node_value(c->node[i], c->at[i]++);
    return true;
}

struct check {
    uint64_t count;
    size_t bytes;
};

/* All keys of n lie in [low, high); high NULL: no bound. Depth is bounded by levels falling by one. */
static const char *verify_node(const struct node *n, struct name_key low, const struct name_key *high, struct check *c)
{
    if (n->count == 0)
        return "empty node";
    if (node_fill(n) > NODE_DATA)
        return "node over its size";
    c->bytes += NODE_COST;
    for (uint32_t i = 0; i < n->count; i++) {
        struct name_key key = n->level > 0 && i == 0 ? low : node_key(n, i), next;
        bool last = i + 1 == n->count;
        if (key_cmp(key, low) < 0 || (high != NULL && key_cmp(key, *high) >= 0))
            return "key outside its node's bounds";
        if (!last && key_cmp(key, (next = node_key(n, i + 1))) >= 0)
            return "keys out of order";
        if (n->level == 0) {
            c->count++;
            continue;
        }
        if (node_child(n, i)->level + 1 != n->level)
            return "leaves at different depths";
        const char *bad = verify_node(node_child(n, i), key, last ? high : &next, c);
        if (bad != NULL)
            return bad;
    }
    return NULL;
}

int names_verify(const struct names *t, char *why, size_t len)
{
    struct check c = {0, 0};
    const char *bad = t->root ? verify_node(t->root, (struct name_key){0, {"", 0}}, NULL, &c) : NULL;
    if (bad == NULL && c.count != t->count)
        bad = "count differs from the entries there are";
    if (bad == NULL && c.bytes != t->bytes)
        bad = "bytes differ from the nodes there are";
    if (bad == NULL)
        return 0;
    snprintf(why, len, "name index: %s", bad);
    return DFS_ECORRUPT;
}
