/* SPDX-License-Identifier: MIT */
/* What is wrong with the chunks, from their placements alone. */
#include <stdlib.h>

#include "meta/state.h"

uint64_t meta_shape(const struct meta *m) { return m->shape; }

uint32_t meta_n_placements(const struct meta *m) { return m->placements.n; }

static bool stays(const struct meta_server *s) { return s->state == SERVER_UP; }

uint32_t meta_servers_staying(const struct meta *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n_servers; i++)
        n += m->servers[i].state == SERVER_UP || m->servers[i].state == SERVER_DOWN;
    return n;
}

/* A server without a domain, or without one so deep, is alone in its own. */
static uint32_t count_sorted(const uint64_t *v, uint32_t n)
{
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < n; i++)
        distinct += v[i] == 0 || i == 0 || v[i] != v[i - 1];
    return distinct;
}

static uint32_t count_few(const uint64_t *v, uint32_t n)
{
    uint32_t distinct = n;
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (v[i] != 0 && v[i] == v[k]) {
                distinct--;
                break;
            }
    return distinct;
}

void meta_servers_changed(struct meta *m)
{
    uint64_t *v = xcalloc(m->n_servers + 1, sizeof *v);
    m->shape++;
    /* A server that is to go away counts no longer: what has the default goal need not wait for another in its place. */
    m->default_goal = (uint8_t)max_u64(min_u64(meta_servers_staying(m), META_DEFAULT_GOAL), 1);
    for (uint32_t d = 0; d < META_DOMAIN_DEPTH; d++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < m->n_servers; i++)
            if (stays(&m->servers[i]))
                v[n++] = m->servers[i].within[d];
        qsort(v, n, sizeof *v, compare_u64);
        m->spread[d] = count_sorted(v, n);
    }
    free(v);
}

/* There could be as many distinct domains at every depth at once: one server of each, then more from any of them. */
static bool shares_needlessly(const struct meta *m, const struct placement *p)
{
    uint64_t v[META_MAX_REPLICAS];
    for (uint32_t d = 0; d < META_DOMAIN_DEPTH; d++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < p->n; i++) {
            const struct meta_server *s = &m->servers[placement_servers(p)[i] - 1];
            if (stays(s))
                v[n++] = s->within[d];
        }
        if (count_few(v, n) < min_u64(n, m->spread[d]))
            return true;
    }
    return false;
}

bool meta_placement_get(const struct meta *m, uint32_t number, struct meta_placement *out)
{
    if (number >= m->placements.n || !m->placements.v[number].used)
        return false;
    const struct placement *p = placements_at(&m->placements, number);
    *out = (struct meta_placement){
        .chunks = p->mapped, .bytes = p->bytes, .n = p->n, .goal = meta_goal(m, p->goal), .chosen = p->goal != 0};
    for (uint32_t i = 0; i < p->n; i++) {
        const struct meta_server *s = &m->servers[placement_servers(p)[i] - 1];
        out->servers[i] = (uint16_t)s->id;
        out->live += stays(s);
        out->leaving += s->state == SERVER_DRAINING && s->up;
        out->draining += s->state == SERVER_DRAINING;
    }
    out->domains_shared = shares_needlessly(m, p);
    return true;
}

void meta_health(const struct meta *m, struct meta_health *out)
{
    struct meta_placement p;
    uint32_t stay = meta_servers_staying(m);
    *out = (struct meta_health){.missing = 0};
    for (uint32_t i = 0; i < m->placements.n; i++) {
        if (!meta_placement_get(m, i, &p) || p.chunks == 0)
            continue;
        out->under_replicated += p.live < p.goal ? p.chunks : 0;
        out->endangered += p.goal > 1 && p.live + p.leaving == 1 ? p.chunks : 0;
        out->missing += p.live + p.leaving == 0 ? p.chunks : 0;
        out->over_replicated += p.live > p.goal ? p.chunks : 0;
        out->misplaced += p.domains_shared ? p.chunks : 0;
        out->draining += p.draining > 0 ? p.chunks : 0;
        out->goal_too_high += p.goal > stay ? p.chunks : 0;
    }
}
