/* SPDX-License-Identifier: MIT */
#include "meta/node.h"

#define DIR_BYTES 6u
#define DIR_MASK ((1ULL << 48) - 1)

static uint32_t value_bytes(const struct node *n) { return n->level == 0 ? 6 : 8; }
static uint32_t dir_bytes(const struct node *n) { return n->shared ? 0 : DIR_BYTES; }

static uint8_t *offset_at(const struct node *n, uint32_t i)
{
    return (uint8_t *)(uintptr_t)n->data + NODE_DATA - 2 * (i + 1);
}

static uint8_t *entry_at(const struct node *n, uint32_t i)
{
    return (uint8_t *)(uintptr_t)n->data + get_u16(offset_at(n, i));
}

static uint32_t entry_bytes(const struct node *n, uint32_t name_len)
{
    return value_bytes(n) + dir_bytes(n) + 1 + name_len;
}

struct node *node_new(uint8_t level)
{
    struct node *n = xcalloc(1, sizeof *n);
    n->level = level;
    return n;
}

uint32_t node_fill_merged(const struct node *a, const struct node *b)
{
    uint32_t fill = node_fill(a) + node_fill(b);
    if (a->shared && b->shared && a->dir == b->dir)
        return fill;
    return fill + DIR_BYTES * ((a->shared ? a->count : 0u) + (b->shared ? b->count : 0u));
}

/* Six little-endian bytes; reads eight, which every node has: the name's length and an offset follow at least. */
static uint64_t get_u48(const uint8_t *p) { return get_u64(p) & DIR_MASK; }

struct name_key node_key(const struct node *n, uint32_t i)
{
    const uint8_t *p = entry_at(n, i) + value_bytes(n), *len = p + dir_bytes(n);
    return (struct name_key){n->shared ? n->dir : get_u48(p), {(const char *)len + 1, *len}};
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

/* memcmp, inlined: names in one node are short and start alike, so a call each would cost more than the comparison. */
static inline int compare_bytes(const uint8_t *a, const uint8_t *b, uint32_t n)
{
    for (; n >= 8; a += 8, b += 8, n -= 8) {
        uint64_t x = get_u64(a), y = get_u64(b);
        if (x != y)
            return __builtin_bswap64(x) < __builtin_bswap64(y) ? -1 : 1;
    }
    for (; n > 0; a++, b++, n--)
        if (*a != *b)
            return *a < *b ? -1 : 1;
    return 0;
}

static inline int compare_name(const uint8_t *len, const struct str *name)
{
    uint32_t n = *len;
    int c = compare_bytes(len + 1, (const uint8_t *)name->p, n < name->len ? n : name->len);
    return c != 0 ? c : (int)n - (int)name->len;
}

/* Below 0: the entry comes before key. */
static inline int compare(const struct node *n, uint32_t i, const struct name_key *key)
{
    const uint8_t *p = entry_at(n, i) + value_bytes(n);
    uint64_t dir = get_u48(p);
    if (dir != key->dir)
        return dir < key->dir ? -1 : 1;
    return compare_name(p + DIR_BYTES, &key->name);
}

static uint32_t search_shared(const struct node *n, const struct name_key *key, bool *found)
{
    const uint8_t *offsets = n->data + NODE_DATA, *entries = n->data + value_bytes(n);
    uint32_t low = 0, high = n->count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int c = compare_name(entries + get_u16(offsets - 2 * (mid + 1)), &key->name);
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

uint32_t node_search(const struct node *n, const struct name_key *key, bool *found)
{
    uint32_t low = 0, high = n->count;
    *found = false;
    if (n->shared && n->dir == key->dir)
        return search_shared(n, key, found);
    if (n->shared)
        return n->dir < key->dir ? n->count : 0;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int c = compare(n, mid, key);
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

uint32_t node_route(const struct node *n, const struct name_key *key)
{
    bool found;
    uint32_t at = node_search(n, key, &found);
    return found || at == 0 ? at : at - 1;
}

static bool must_unshare(const struct node *n, const struct name_key *key)
{
    return n->count > 0 && n->shared && n->dir != key->dir;
}

bool node_fits(const struct node *n, const struct name_key *key)
{
    uint32_t need = node_fill(n) + entry_bytes(n, key->name.len) + 2;
    if (must_unshare(n, key))
        need += DIR_BYTES * (n->count + 1u);
    return need <= NODE_DATA;
}

static void append_all(struct node *to, const struct node *from, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        struct name_key key = node_key(from, i);
        node_insert(to, to->count, &key, node_value(from, i));
    }
}

static void unshare(struct node *n)
{
    struct node old = *n;
    n->count = n->used = n->shared = 0;
    for (uint32_t i = 0; i < old.count; i++) {
        struct name_key key = node_key(&old, i);
        uint8_t *p = n->data + n->used;
        uint64_t value = node_value(&old, i);
        put_u16(offset_at(n, i), n->used);
        memcpy(p, &value, value_bytes(n));
        p += value_bytes(n);
        memcpy(p, &key.dir, DIR_BYTES);
        p[DIR_BYTES] = (uint8_t)key.name.len;
        memcpy(p + DIR_BYTES + 1, key.name.p, key.name.len);
        n->used = (uint16_t)(n->used + entry_bytes(n, key.name.len));
        n->count++;
    }
}

void node_insert(struct node *n, uint32_t at, const struct name_key *key, uint64_t value)
{
    assert(node_fits(n, key));
    if (n->count == 0) {
        n->shared = 1;
        n->dir = key->dir;
        n->used = 0;
    } else if (must_unshare(n, key)) {
        unshare(n);
    }
    uint32_t size = entry_bytes(n, key->name.len);
    uint8_t *p = n->data + n->used;
    uint8_t *last = offset_at(n, n->count); /* the offsets of at.. move one place down */
    memmove(last, last + 2, 2u * (n->count - at));
    put_u16(offset_at(n, at), n->used);
    memcpy(p, &value, value_bytes(n));
    p += value_bytes(n);
    memcpy(p, &key->dir, dir_bytes(n));
    p += dir_bytes(n);
    *p = (uint8_t)key->name.len;
    memcpy(p + 1, key->name.p, key->name.len);
    n->used = (uint16_t)(n->used + size);
    n->count++;
    n->last = (uint16_t)at;
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

/* Bytes of the entries before `end`, offsets included. */
static uint32_t fill_before(const struct node *n, uint32_t end)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < end; i++)
        bytes += entry_bytes(n, node_key(n, i).name.len) + 2;
    return bytes;
}

/* At most half the bytes lie before it; at least one entry on either side. */
static uint32_t middle(const struct node *n)
{
    uint32_t bytes = 0, i = 0;
    while (bytes <= node_fill(n) / 2)
        bytes += entry_bytes(n, node_key(n, i++).name.len) + 2;
    i--;
    return i < 1 ? 1 : i > n->count - 1u ? n->count - 1u : i;
}

uint32_t node_choose_cut(const struct node *n, uint32_t at, const struct name_key *key, bool *right)
{
    uint32_t need = entry_bytes(n, key->name.len) + 2, before = fill_before(n, at);
    bool fits_left = before + need <= NODE_DATA, fits_right = node_fill(n) - before + need <= NODE_DATA;
    *right = true;
    if (at == n->count)
        return at;
    *right = false;
    if (at == 0 && n->level == 0)
        return at;
    if (!n->shared) {
        /* Between two directories: cut there, so that both parts may share theirs again. */
        uint64_t dir_before = node_key(n, at - 1).dir, dir_after = node_key(n, at).dir;
        *right = dir_before != key->dir;
        if (dir_before != dir_after && (*right ? fits_right : fits_left))
            return at;
    }
    *right = true;
    if (at == n->last + 1u && fits_right)
        return at;
    *right = false;
    if (at == n->last && fits_left && at > 0)
        return at;
    uint32_t cut = middle(n);
    *right = at > cut;
    return cut;
}

void node_move_tail(struct node *n, uint32_t cut, struct node *to, const struct name_key *first_key)
{
    if (cut == n->count)
        return;
    struct node old = *n;
    struct name_key key = first_key ? *first_key : node_key(&old, cut);
    node_insert(to, to->count, &key, node_value(&old, cut));
    append_all(to, &old, cut + 1, old.count);
    n->count = n->used = 0; /* and share anew: what is left may be of one directory now */
    append_all(n, &old, 0, cut);
}
