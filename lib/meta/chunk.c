/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "meta/state.h"

struct chunk *meta_chunk(const struct meta *m, uint64_t id) { return idmap_find(&m->chunks, id); }

/* A chunk of this length comes (sign 1) to a placement and its servers, or goes (-1). */
static void count(struct meta *m, uint32_t placement, uint32_t length, int sign)
{
    struct placement *p = placements_at(&m->placements, placement);
    const uint16_t *servers = placement_servers(p);
    m->shape += p->mapped == 0;
    p->mapped += (uint32_t)sign;
    p->bytes += (uint64_t)((int64_t)sign * (int64_t)length);
    m->shape += p->mapped == 0;
    for (uint32_t i = 0; i < p->n; i++)
        meta_server_count(m, servers[i], length, sign);
}

static void drop_if_empty(struct meta *m, uint32_t placement)
{
    const struct placement *p = placements_at(&m->placements, placement);
    if (p->mapped == 0 && p->removed == 0)
        placements_drop(&m->placements, placement);
}

struct chunk *meta_chunk_add(struct meta *m, uint64_t id, uint32_t placement, uint32_t length)
{
    struct chunk *c = idmap_add(&m->chunks, id);
    c->length = length;
    c->placement = placement & ((1u << PLACEMENT_BITS) - 1);
    count(m, placement, length, 1);
    return c;
}

struct chunk *meta_chunk_add_removed(struct meta *m, uint64_t id, uint32_t placement, uint32_t length, int64_t time_ns)
{
    struct chunk *c = idmap_add(&m->chunks, id);
    c->length = length;
    c->placement = placement & ((1u << PLACEMENT_BITS) - 1);
    c->removed = 1;
    placements_at(&m->placements, placement)->removed++;
    meta_removed_push(m, id, time_ns);
    return c;
}

void meta_chunk_place(struct meta *m, struct chunk *c, uint32_t placement)
{
    uint32_t old = c->placement;
    if (placement == old)
        return;
    count(m, placement, c->length, 1);
    count(m, old, c->length, -1);
    c->placement = placement & ((1u << PLACEMENT_BITS) - 1);
    drop_if_empty(m, old);
}

void meta_chunk_resize(struct meta *m, struct chunk *c, uint32_t length)
{
    count(m, c->placement, length, 1);
    count(m, c->placement, c->length, -1);
    c->length = length;
}

/* A chunk nobody needs to know any longer. */
static void forget_chunk(struct meta *m, uint64_t id, const struct chunk *c)
{
    uint32_t placement = c->placement;
    placements_at(&m->placements, placement)->removed--;
    idmap_remove(&m->chunks, id);
    drop_if_empty(m, placement);
}

void meta_chunk_forget(struct meta *m, uint64_t id)
{
    struct chunk *c = meta_chunk(m, id);
    count(m, c->placement, c->length, -1);
    placements_at(&m->placements, c->placement)->removed++;
    forget_chunk(m, id, c);
}

void meta_chunk_remove(struct meta *m, uint64_t id, int64_t time_ns)
{
    struct chunk *c = meta_chunk(m, id);
    meta_chunk_closed(m, id, c);
    count(m, c->placement, c->length, -1);
    placements_at(&m->placements, c->placement)->removed++;
    c->removed = 1;
    meta_removed_push(m, id, time_ns);
}

/* One move of a chunk_servers command; one that does not fit what the chunk is now came too late. */
static void move_chunk(struct meta *m, const struct wire_chunk_move *r)
{
    uint16_t servers[META_MAX_REPLICAS + 1];
    uint32_t n = 0, removed = 0;
    struct chunk *c = meta_chunk(m, r->chunk);
    const struct meta_server *add = meta_server_by_id(m, r->add);
    if (c == NULL || c->removed || c->open || c->version != r->version || (r->add != 0 && add == NULL) ||
        (add != NULL && add->state == SERVER_REMOVED))
        return;
    const struct placement *p = meta_placement(m, c);
    for (uint32_t i = 0; i < p->n; i++) {
        uint16_t server = placement_servers(p)[i];
        if (server == r->add)
            return;
        removed += server == r->remove;
        if (server != r->remove)
            servers[n++] = server;
    }
    if (add != NULL)
        servers[n++] = (uint16_t)add->id;
    if (n == 0 || n > META_MAX_REPLICAS || (r->remove != 0 && removed == 0))
        return;
    meta_chunk_place(m, c, placements_take(&m->placements, p->goal, servers, n));
}

void meta_apply_chunk_servers(struct meta *m, const struct msg_chunk_servers *r)
{
    for (uint32_t i = 0; i < r->n_moves; i++)
        move_chunk(m, &r->moves[i]);
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
    q->bytes += meta_chunk(m, id)->length;
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
    const struct placement *p = meta_placement(m, c);
    *out = (struct meta_removed){.chunk = id, .version = c->version, .n_servers = p->n};
    for (uint32_t i = 0; i < p->n; i++)
        out->servers[i] = placement_servers(p)[i];
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
        m->removed.bytes -= c->length;
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

static struct meta_chunk_info info_of(uint64_t id, const struct chunk *c)
{
    return (struct meta_chunk_info){.chunk = id,
                                    .version = c->version,
                                    .length = c->length,
                                    .crc = c->crc,
                                    .placement = c->placement,
                                    .removed = c->removed,
                                    .open = c->open,
                                    .cut = c->cut};
}

bool meta_chunk_get(const struct meta *m, uint64_t chunk, struct meta_chunk_info *out)
{
    const struct chunk *c = meta_chunk(m, chunk);
    if (c != NULL)
        *out = info_of(chunk, c);
    return c != NULL;
}

bool meta_chunk_scan(const struct meta *m, uint64_t *cursor, uint32_t limit,
                     bool (*fn)(void *arg, const struct meta_chunk_info *c), void *arg)
{
    bool more = true;
    while (more && limit > 0 && *cursor < m->reserved) {
        const struct chunk *c = idmap_seek(&m->chunks, cursor, &limit);
        if (c == NULL)
            break;
        struct meta_chunk_info info = info_of(*cursor, c);
        more = fn(arg, &info);
        ++*cursor;
        limit--;
    }
    if (*cursor < m->reserved)
        return true;
    *cursor = 0;
    return false;
}
