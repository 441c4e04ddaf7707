/* SPDX-License-Identifier: MIT */
#include "wire/calls.h"

#include <stdlib.h>

#define FIRST_CAP 8u
#define NOT_FOUND UINT32_MAX

void calls_close(struct calls *c)
{
    free(c->pool);
    free(c->free_slots);
    free(c->heap);
    free(c->table);
    *c = (struct calls){0};
}

/* --- the table: linear probing, with shifting back on removal so that there are no graves --- */

static uint32_t mask(const struct calls *c) { return 2 * c->cap - 1; }

/* Ids count up, so they are spread well as they are. */
static uint32_t home(const struct calls *c, uint64_t id) { return (uint32_t)id & mask(c); }

static uint32_t table_find(const struct calls *c, uint64_t id)
{
    if (c->cap == 0)
        return NOT_FOUND;
    for (uint32_t i = home(c, id); c->table[i] != 0; i = (i + 1) & mask(c)) {
        if (c->pool[c->table[i] - 1].id == id)
            return i;
    }
    return NOT_FOUND;
}

static void table_insert(struct calls *c, uint32_t slot)
{
    uint32_t i = home(c, c->pool[slot].id);

    while (c->table[i] != 0)
        i = (i + 1) & mask(c);
    c->table[i] = slot + 1;
}

static void table_remove(struct calls *c, uint32_t hole)
{
    c->table[hole] = 0;
    for (uint32_t i = (hole + 1) & mask(c); c->table[i] != 0; i = (i + 1) & mask(c)) {
        uint32_t from = home(c, c->pool[c->table[i] - 1].id);

        /* An entry whose home lies behind the hole (cyclically) stays reachable where it is. */
        if (((i - from) & mask(c)) < ((i - hole) & mask(c)))
            continue;
        c->table[hole] = c->table[i];
        c->table[i] = 0;
        hole = i;
    }
}

/* --- the heap --- */

static bool earlier(const struct calls *c, uint32_t a, uint32_t b)
{
    const struct call *x = &c->pool[c->heap[a]], *y = &c->pool[c->heap[b]];

    return x->deadline != y->deadline ? x->deadline < y->deadline : x->id < y->id;
}

static void heap_swap(struct calls *c, uint32_t a, uint32_t b)
{
    uint32_t slot = c->heap[a];

    c->heap[a] = c->heap[b];
    c->heap[b] = slot;
    c->pool[c->heap[a]].heap_at = a;
    c->pool[c->heap[b]].heap_at = b;
}

static void heap_up(struct calls *c, uint32_t i)
{
    while (i > 0 && earlier(c, i, (i - 1) / 2)) {
        heap_swap(c, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static void heap_down(struct calls *c, uint32_t i)
{
    for (;;) {
        uint32_t least = i;

        for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < c->n; child++)
            least = earlier(c, child, least) ? child : least;
        if (least == i)
            return;
        heap_swap(c, i, least);
        i = least;
    }
}

/* --- */

static void grow(struct calls *c)
{
    uint32_t old = c->cap;

    c->cap = old > 0 ? old * 2 : FIRST_CAP;
    c->pool = xrealloc(c->pool, c->cap, sizeof *c->pool);
    c->free_slots = xrealloc(c->free_slots, c->cap, sizeof *c->free_slots);
    c->heap = xrealloc(c->heap, c->cap, sizeof *c->heap);
    free(c->table);
    c->table = xcalloc(2 * (size_t)c->cap, sizeof *c->table);
    for (uint32_t i = 0; i < c->n; i++)
        table_insert(c, c->heap[i]);
    /* The stack holds cap - n free slots; all old ones were taken. */
    for (uint32_t i = 0; i < c->cap - old; i++)
        c->free_slots[i] = c->cap - 1 - i;
}

void calls_add(struct calls *c, const struct call *call)
{
    uint32_t slot;

    if (c->n == c->cap)
        grow(c);
    slot = c->free_slots[c->cap - c->n - 1];
    c->pool[slot] = *call;
    c->pool[slot].heap_at = c->n;
    c->heap[c->n++] = slot;
    table_insert(c, slot);
    heap_up(c, c->n - 1);
}

const struct call *calls_find(const struct calls *c, uint64_t id)
{
    uint32_t i = table_find(c, id);

    return i != NOT_FOUND ? &c->pool[c->table[i] - 1] : NULL;
}

void calls_remove(struct calls *c, uint64_t id)
{
    uint32_t i = table_find(c, id), slot, at;

    if (i == NOT_FOUND)
        return;
    slot = c->table[i] - 1;
    table_remove(c, i);
    at = c->pool[slot].heap_at;
    heap_swap(c, at, c->n - 1);
    c->n--;
    if (at < c->n) {
        heap_up(c, at);
        heap_down(c, at);
    }
    c->free_slots[c->cap - c->n - 1] = slot;
    if (c->n == 0 && c->cap > FIRST_CAP)
        calls_close(c);
}

const struct call *calls_first(const struct calls *c) { return c->n > 0 ? &c->pool[c->heap[0]] : NULL; }
