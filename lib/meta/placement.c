/* SPDX-License-Identifier: MIT */
#include "meta/placement.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "meta/meta.h"

void placements_init(struct placements *p)
{
    *p = (struct placements){.n = 0};
    u64map_init(&p->map);
}

void placements_close(struct placements *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->v[i].used && p->v[i].n > PLACEMENT_INLINE)
            free(p->v[i].many);
    free(p->v);
    u64map_close(&p->map);
    placements_init(p);
}

static uint64_t hash(uint8_t goal, const uint16_t *sorted, uint32_t n)
{
    uint64_t h = mix64(goal + 1u);
    for (uint32_t i = 0; i < n; i++)
        h = mix64(h ^ sorted[i]);
    return h;
}

static void sort(uint16_t *out, const uint16_t *servers, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = i;
        for (; k > 0 && out[k - 1] > servers[i]; k--)
            out[k] = out[k - 1];
        out[k] = servers[i];
    }
}

static uint32_t take_free(struct placements *p)
{
    if (p->free != 0) {
        uint32_t number = p->free - 1;
        p->free = p->v[number].next;
        return number;
    }
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 16 : p->cap * 2;
        p->v = xrealloc(p->v, p->cap, sizeof *p->v);
    }
    assert(p->n < 1u << PLACEMENT_BITS);
    return p->n++;
}

static size_t list_cost(uint32_t n) { return round_up(n * sizeof(uint16_t) + 8, 16); }

uint32_t placements_take(struct placements *p, uint8_t goal, const uint16_t *servers, uint32_t n)
{
    uint16_t sorted[META_MAX_REPLICAS];
    assert(n <= META_MAX_REPLICAS);
    sort(sorted, servers, n);
    uint64_t key = hash(goal, sorted, n), first = u64map_get(&p->map, key);
    for (uint64_t at = first; at != 0; at = p->v[at - 1].next) {
        const struct placement *q = &p->v[at - 1];
        if (q->goal == goal && q->n == n && memcmp(placement_servers(q), sorted, n * sizeof *sorted) == 0)
            return (uint32_t)(at - 1);
    }
    uint32_t number = take_free(p);
    struct placement *q = &p->v[number];
    *q = (struct placement){.goal = goal, .n = (uint8_t)n, .used = true, .next = (uint32_t)first};
    if (n > PLACEMENT_INLINE) {
        q->many = xcalloc(n, sizeof *q->many);
        p->heap_bytes += list_cost(n);
    }
    memcpy(n > PLACEMENT_INLINE ? q->many : q->few, sorted, n * sizeof *sorted);
    u64map_put(&p->map, key, number + 1u);
    return number;
}

void placements_drop(struct placements *p, uint32_t number)
{
    struct placement *q = &p->v[number];
    uint64_t key = hash(q->goal, placement_servers(q), q->n);
    uint32_t first = (uint32_t)u64map_get(&p->map, key), *link = &first;
    while (*link != number + 1u)
        link = &p->v[*link - 1].next;
    *link = q->next;
    if (first == 0)
        u64map_remove(&p->map, key);
    else
        u64map_put(&p->map, key, first);
    if (q->n > PLACEMENT_INLINE) {
        p->heap_bytes -= list_cost(q->n);
        free(q->many);
    }
    *q = (struct placement){.next = p->free};
    p->free = number + 1u;
}

size_t placements_bytes(const struct placements *p)
{
    return p->cap * sizeof *p->v + u64map_bytes(&p->map) + p->heap_bytes;
}

#define BAD(...) (snprintf(why, len, __VA_ARGS__), DFS_ECORRUPT)

static int check_one(const struct placements *p, uint32_t number, char *why, size_t len)
{
    const struct placement *q = &p->v[number];
    const uint16_t *servers = placement_servers(q);
    if (q->mapped == 0 && q->removed == 0)
        return BAD("placement %u has no chunks", number);
    if (q->goal > META_MAX_REPLICAS || q->n > META_MAX_REPLICAS)
        return BAD("placement %u breaks a limit", number);
    for (uint32_t i = 1; i < q->n; i++)
        if (servers[i] <= servers[i - 1])
            return BAD("placement %u is out of order", number);
    uint32_t seen = 0;
    for (uint64_t at = u64map_get(&p->map, hash(q->goal, servers, q->n)); at != 0; at = p->v[at - 1].next) {
        const struct placement *other = &p->v[at - 1];
        seen += other->goal == q->goal && other->n == q->n &&
                memcmp(placement_servers(other), servers, q->n * sizeof *servers) == 0;
    }
    return seen == 1 ? 0 : BAD("placement %u is found %u times", number, seen);
}

int placements_verify(const struct placements *p, char *why, size_t len)
{
    uint32_t used = 0, free = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        int rv = p->v[i].used ? check_one(p, i, why, len) : 0;
        if (rv != 0)
            return rv;
        used += p->v[i].used;
    }
    for (uint32_t at = p->free; at != 0 && free <= p->n; at = p->v[at - 1].next)
        free++;
    return used + free == p->n ? 0 : BAD("%u of %u placements are lost", p->n - used - free, p->n);
}
