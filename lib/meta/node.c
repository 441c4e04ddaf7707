/* SPDX-License-Identifier: MIT */
#include "meta/node.h"

#include <stdlib.h>

#define DIR_BYTES 6u
#define DIR_MASK ((1ULL << 48) - 1)

static uint32_t value_bytes(const struct node *n) { return n->level == 0 ? 6 : 8; }

static uint8_t *offset_at(const struct node *n, uint32_t i)
{
    return (uint8_t *)(uintptr_t)n->data + n->cap - 2 * (i + 1);
}

static uint8_t *entry_at(const struct node *n, uint32_t i)
{
    return (uint8_t *)(uintptr_t)n->data + get_u16(offset_at(n, i));
}

static uint32_t entry_bytes(const struct node *n, uint32_t name_len)
{
    return value_bytes(n) + DIR_BYTES + 1 + name_len;
}

static struct node *node_resize(struct node *n, uint32_t cap)
{
    uint32_t offsets = 2u * n->count, old = n->cap;
    if (cap < old)
        memmove(n->data + cap - offsets, n->data + old - offsets, offsets);
    n = xrealloc(n, 1, sizeof *n + cap);
    if (cap > old)
        memmove(n->data + cap - offsets, n->data + old - offsets, offsets);
    n->cap = (uint16_t)cap;
    return n;
}

struct node *node_new(uint16_t level)
{
    struct node *n = xcalloc(1, sizeof *n + NODE_STEP);
    n->cap = NODE_STEP;
    n->level = level;
    return n;
}

struct node *node_make_room(struct node *n, uint32_t name_len)
{
    uint32_t need = node_fill(n) + entry_bytes(n, name_len) + 2;
    if (need <= n->cap)
        return n;
    if (need > NODE_MAX)
        return NULL;
    return node_resize(n, (uint32_t)round_up(need, NODE_STEP));
}

struct node *node_fit(struct node *n)
{
    uint32_t cap = (uint32_t)round_up(node_fill(n), NODE_STEP);
    return cap > 0 && cap < n->cap ? node_resize(n, cap) : n;
}

/* Six little-endian bytes; reads eight, which every node has: the name's length and an offset follow at least. */
static uint64_t get_u48(const uint8_t *p) { return get_u64(p) & DIR_MASK; }

struct name_key node_key(const struct node *n, uint32_t i)
{
    const uint8_t *p = entry_at(n, i) + value_bytes(n);
    return (struct name_key){get_u48(p), {(const char *)p + DIR_BYTES + 1, p[DIR_BYTES]}};
}

uint64_t node_value(const struct node *n, uint32_t i)
{
    const uint8_t *p = entry_at(n, i);
    return n->level == 0 ? get_u48(p) : get_u64(p);
}

void node_set_value(struct node *n, uint32_t i, uint64_t value)
{
    memcpy(entry_at(n, i), &value, value_bytes(n));
}

/* Below 0: the entry comes before key. */
static int compare(const struct node *n, uint32_t i, const struct name_key *key)
{
    const uint8_t *p = entry_at(n, i) + value_bytes(n);
    uint64_t dir = get_u48(p);
    if (dir != key->dir)
        return dir < key->dir ? -1 : 1;
    uint32_t len = p[DIR_BYTES];
    int c = memcmp(p + DIR_BYTES + 1, key->name.p, len < key->name.len ? len : key->name.len);
    return c != 0 ? c : (int)len - (int)key->name.len;
}

uint32_t node_search(const struct node *n, struct name_key key, bool *found)
{
    uint32_t low = 0, high = n->count;
    *found = false;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int c = compare(n, mid, &key);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

uint32_t node_route(const struct node *n, struct name_key key)
{
    bool found;
    uint32_t at = node_search(n, key, &found);
    assert(found || at > 0);
    return found ? at : at - 1;
}

void node_insert(struct node *n, uint32_t at, struct name_key key, uint64_t value)
{
    uint32_t size = entry_bytes(n, key.name.len);
    assert(node_fill(n) + size + 2 <= n->cap);
    uint8_t *p = n->data + n->used;
    uint8_t *last = offset_at(n, n->count); /* the offsets of at.. move one place down */
    memmove(last, last + 2, 2u * (n->count - at));
    put_u16(offset_at(n, at), n->used);
    memcpy(p, &value, value_bytes(n));
    p += value_bytes(n);
    memcpy(p, &key.dir, DIR_BYTES);
    p[DIR_BYTES] = (uint8_t)key.name.len;
    memcpy(p + DIR_BYTES + 1, key.name.p, key.name.len);
    n->used = (uint16_t)(n->used + size);
    n->count++;
}

void node_erase(struct node *n, uint32_t at)
{
    uint16_t off = get_u16(offset_at(n, at));
    uint32_t size = entry_bytes(n, node_key(n, at).name.len);
    memmove(n->data + off, n->data + off + size, n->used - off - size);
    uint8_t *last = offset_at(n, n->count - 1u);
    memmove(last + 2, last, 2u * (n->count - at - 1));
    n->used = (uint16_t)(n->used - size);
    n->count--;
    for (uint32_t i = 0; i < n->count; i++) {
        uint16_t o = get_u16(offset_at(n, i));
        if (o > off)
            put_u16(offset_at(n, i), (uint16_t)(o - size));
    }
}

struct node *node_move_tail(struct node *dst, struct node *src, uint32_t from)
{
    for (uint32_t i = from; i < src->count; i++) {
        struct name_key key = node_key(src, i);
        dst = node_make_room(dst, key.name.len);
        assert(dst != NULL);
        node_insert(dst, dst->count, key, node_value(src, i));
    }
    for (uint32_t i = src->count; i > from; i--)
        node_erase(src, i - 1);
    return dst;
}
