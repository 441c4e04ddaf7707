/* SPDX-License-Identifier: MIT */
#include "meta/u64map.h"

#include <stdlib.h>

#include "base/rand.h"

#define CAP_MIN 16u

void u64map_init(struct u64map *m) { *m = (struct u64map){0}; }

void u64map_close(struct u64map *m)
{
    free(m->slots);
    u64map_init(m);
}

/* The slot that holds key, or the empty one where it would go. */
static size_t find_slot(const struct u64map *m, uint64_t key)
{
    size_t i = mix64(key) & (m->cap - 1);
    while (m->slots[i].value != 0 && m->slots[i].key != key)
        i = (i + 1) & (m->cap - 1);
    return i;
}

uint64_t u64map_get(const struct u64map *m, uint64_t key)
{
    return m->cap == 0 ? 0 : m->slots[find_slot(m, key)].value;
}

void u64map_prefetch(const struct u64map *m, uint64_t key)
{
    if (m->cap > 0)
        __builtin_prefetch(&m->slots[mix64(key) & (m->cap - 1)]);
}

static void resize(struct u64map *m, size_t cap)
{
    struct u64map old = *m;
    m->slots = xcalloc(cap, sizeof *m->slots);
    m->cap = cap;
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].value != 0)
            m->slots[find_slot(m, old.slots[i].key)] = old.slots[i];
    free(old.slots);
}

void u64map_put(struct u64map *m, uint64_t key, uint64_t value)
{
    if ((m->count + 1) * 4 > m->cap * 3)
        resize(m, m->cap == 0 ? CAP_MIN : m->cap * 2);
    struct u64map_slot *s = &m->slots[find_slot(m, key)];
    m->count += s->value == 0;
    *s = (struct u64map_slot){key, value};
}

void u64map_remove(struct u64map *m, uint64_t key)
{
    if (m->cap == 0)
        return;
    size_t mask = m->cap - 1, hole = find_slot(m, key);
    if (m->slots[hole].value == 0)
        return;
    /* Those behind the hole move up unless that would put them before their home slot: no tombstones needed. */
    for (size_t i = (hole + 1) & mask; m->slots[i].value != 0; i = (i + 1) & mask) {
        size_t home = mix64(m->slots[i].key) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct u64map_slot){0};
    m->count--;
    if (m->cap > CAP_MIN && m->count * 8 < m->cap)
        resize(m, m->cap / 2);
}
