/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "meta/state.h"

struct chunk *meta_chunk(const struct meta *m, uint64_t id) { return idmap_find(&m->chunks, id); }

const uint16_t *meta_chunk_servers(const struct meta *m, uint64_t id, const struct chunk *c)
{
    return c->n_servers <= CHUNK_INLINE ? c->servers : (const uint16_t *)(uintptr_t)u64map_get(&m->chains, id);
}

static void count_for_servers(struct meta *m, uint64_t id, const struct chunk *c, int sign)
{
    const uint16_t *servers = meta_chunk_servers(m, id, c);
    for (uint32_t i = 0; i < c->n_servers; i++) {
        struct meta_server *s = &m->servers[servers[i] - 1];
        s->chunks += (uint64_t)(int64_t)sign;
        s->bytes += (uint64_t)((int64_t)sign * (int64_t)c->length);
    }
}

struct chunk *meta_chunk_add(struct meta *m, uint64_t id, const uint16_t *servers, uint32_t n_servers, uint32_t length)
{
    struct chunk *c = idmap_add(&m->chunks, id);
    assert(n_servers <= META_MAX_REPLICAS);
    c->n_servers = n_servers & 31;
    c->length = length;
    if (n_servers <= CHUNK_INLINE) {
        memcpy(c->servers, servers, n_servers * sizeof *servers);
    } else {
        uint16_t *chain = xcalloc(n_servers, sizeof *chain);
        memcpy(chain, servers, n_servers * sizeof *servers);
        u64map_put(&m->chains, id, (uint64_t)(uintptr_t)chain);
        m->heap_bytes += heap_cost(n_servers * sizeof *chain);
    }
    count_for_servers(m, id, c, 1);
    return c;
}

/* A chunk nobody needs to know any longer. */
static void forget_chunk(struct meta *m, uint64_t id, const struct chunk *c)
{
    if (c->n_servers > CHUNK_INLINE) {
        m->heap_bytes -= heap_cost(c->n_servers * sizeof(uint16_t));
        free((uint16_t *)(uintptr_t)u64map_get(&m->chains, id));
        u64map_remove(&m->chains, id);
    }
    idmap_remove(&m->chunks, id);
}

void meta_chunk_remove(struct meta *m, uint64_t id, int64_t time_ns)
{
    struct chunk *c = meta_chunk(m, id);
    count_for_servers(m, id, c, -1);
    c->removed = 1;
    meta_removed_push(m, id, time_ns);
}

static void queue_resize(struct removed_queue *q, size_t cap)
{
    struct removed *v = xcalloc(cap, sizeof *v);
    for (size_t i = 0; i < q->count; i++)
        v[i] = q->v[(q->head + i) & (q->cap - 1)];
    free(q->v);
    q->v = v;
    q->head = 0;
    q->cap = cap;
}

void meta_removed_push(struct meta *m, uint64_t id, int64_t time_ns)
{
    struct removed_queue *q = &m->removed;
    if (q->count == q->cap)
        queue_resize(q, q->cap == 0 ? 16 : q->cap * 2);
    /* The clock was set back: what went before is gone since now at the latest, and must not block what comes. */
    for (size_t i = q->count; i > 0 && meta_removed_at(m, i - 1)->time_ns > time_ns; i--)
        q->v[(q->head + i - 1) & (q->cap - 1)].time_ns = time_ns;
    q->v[(q->head + q->count++) & (q->cap - 1)] = (struct removed){id, time_ns};
}

const struct removed *meta_removed_at(const struct meta *m, size_t i)
{
    return &m->removed.v[(m->removed.head + i) & (m->removed.cap - 1)];
}

int64_t meta_oldest_removed(const struct meta *m)
{
    return m->removed.count == 0 ? INT64_MAX : meta_removed_at(m, 0)->time_ns;
}

static void describe(const struct meta *m, uint64_t id, const struct chunk *c, struct meta_removed *out)
{
    *out = (struct meta_removed){.chunk = id, .version = c->version, .n_servers = c->n_servers};
    for (uint32_t i = 0; i < c->n_servers; i++)
        out->servers[i] = meta_chunk_servers(m, id, c)[i];
}

static void queue_pop(struct removed_queue *q)
{
    q->head = (q->head + 1) & (q->cap - 1);
    q->count--;
    if (q->cap > 64 && q->count * 8 < q->cap)
        queue_resize(q, q->cap / 2);
}

void meta_apply_reap(struct meta *m, const struct msg_reap *r)
{
    uint32_t limit = r->limit < META_REAP_MAX ? r->limit : META_REAP_MAX;
    while (m->n_reaped < limit && meta_oldest_removed(m) < r->before_ns) {
        uint64_t id = meta_removed_at(m, 0)->chunk;
        const struct chunk *c = meta_chunk(m, id);
        if ((m->n_reaped & (m->n_reaped - 1)) == 0)
            m->reaped = xrealloc(m->reaped, m->n_reaped == 0 ? 1 : m->n_reaped * 2, sizeof *m->reaped);
        describe(m, id, c, &m->reaped[m->n_reaped++]);
        forget_chunk(m, id, c);
        queue_pop(&m->removed);
    }
}

bool meta_knows_chunk(const struct meta *m, uint64_t chunk) { return meta_chunk(m, chunk) != NULL; }

bool meta_find_chunk(const struct meta *m, uint64_t chunk, struct meta_removed *out, bool *removed)
{
    const struct chunk *c = meta_chunk(m, chunk);
    if (c == NULL)
        return false;
    describe(m, chunk, c, out);
    *removed = c->removed != 0;
    return true;
}
