/* SPDX-License-Identifier: MIT */
/* Which parts of a record are still needed. */
#include <stdlib.h>

#include "store/impl.h"

static void runs_add(struct runs *v, uint32_t first, uint32_t n, uint32_t live)
{
    struct run *last = v->n ? &v->v[v->n - 1] : NULL;
    if (last && first <= last->first + last->n) {
        uint32_t end = first + n > last->first + last->n ? first + n : last->first + last->n;
        last->n = end - last->first;
        last->live += live;
        return;
    }
    if (v->n == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 8;
        v->v = xrealloc(v->v, v->cap, sizeof *v->v);
    }
    v->v[v->n++] = (struct run){first, n, live};
}

void record_live(const struct ss *ss, uint32_t slot, const struct record *r, struct runs *out)
{
    const struct chunk *c = index_find(&ss->index, r->chunk);
    uint64_t end = (uint64_t)r->offset + r->length;
    out->n = 0;
    if (!c || c->copy != r->copy || !record_payload(r))
        return;
    for (uint32_t i = chunk_extent_at(c, r->offset); i < c->n; i++) {
        struct extent e = chunk_extent(c, i);
        if (e.off >= end)
            break;
        if (e.segment != slot || e.position != r->position)
            continue;
        uint32_t first = e.off / DFS_BLOCK - r->offset / DFS_BLOCK;
        uint32_t last = (uint32_t)(((uint64_t)e.off + e.len - 1) / DFS_BLOCK) - r->offset / DFS_BLOCK;
        runs_add(out, first, last - first + 1, e.len);
    }
}

bool hole_live(const struct ss *ss, uint32_t slot, const struct record *r)
{
    const struct chunk *c = index_find(&ss->index, r->chunk);
    struct extent hole = record_extent(r, slot);
    if (!c || c->copy != r->copy)
        return false;
    for (uint32_t i = chunk_extent_at(c, hole.rec_off); i < c->n; i++) {
        struct extent e = chunk_extent(c, i);
        if (e.off >= hole.rec_off + hole.rec_len)
            break;
        if (e.segment == slot && e.position == r->position)
            return true;
    }
    return false;
}

struct extent record_extent(const struct record *r, uint32_t slot)
{
    struct extent e = {.rec_off = r->offset,
                       .rec_len = r->length,
                       .segment = slot,
                       .position = r->position,
                       .hole = record_is_hole(r),
                       .order = order_of(r->version, r->sequence)};
    if (r->kind == RECORD_TRUNCATE)
        e.rec_len = HOLE_END - r->offset;
    return e;
}

/* Bytes of the record's payload in front of its block n. */
static uint32_t block_at(const struct record *r, uint32_t n)
{
    uint32_t head = r->offset % DFS_BLOCK;
    return n == 0 ? 0 : (uint32_t)min_u64((uint64_t)n * DFS_BLOCK - head, r->length);
}

struct range run_range(const struct record *r, const struct run *run)
{
    uint32_t from = block_at(r, run->first);
    return (struct range){from, block_at(r, run->first + run->n) - from};
}
