/* SPDX-License-Identifier: MIT */
#include "store/index.h"

#include <stdlib.h>

#include "base/rand.h"
#include "store/format.h"

#define SLAB 1024u

static_assert(sizeof(struct chunk) == 48, "a one-extent chunk must stay small");

struct many {
    uint32_t cap, n_segments, cap_segments;
    uint32_t *segments;
    struct extent v[];
};

/* --- table --- */

static struct chunk *entry_at(const struct index *ix, uint32_t i) { return &ix->slabs[i / SLAB][i % SLAB]; }

static uint32_t home_of(const struct index *ix, uint64_t id) { return (uint32_t)mix64(id) & ix->mask; }

void index_init(struct index *ix, const struct index_hooks *hooks)
{
    memset(ix, 0, sizeof *ix);
    ix->hooks = *hooks;
    ix->mask = 255;
    ix->table = xcalloc(ix->mask + 1, sizeof *ix->table);
}

static void many_free(struct chunk *c)
{
    if (c->flags & CHUNK_MANY) {
        free(c->u.many->segments);
        free(c->u.many);
    }
}

void index_close(struct index *ix)
{
    uint32_t at = 0;
    for (struct chunk *c; (c = index_next(ix, &at));)
        many_free(c);
    for (uint32_t i = 0; i < ix->n_slabs; i++)
        free(ix->slabs[i]);
    free(ix->slabs);
    free(ix->table);
    memset(ix, 0, sizeof *ix);
}

struct chunk *index_find(const struct index *ix, uint64_t id)
{
    for (uint32_t i = home_of(ix, id); ix->table[i]; i = (i + 1) & ix->mask) {
        struct chunk *c = entry_at(ix, ix->table[i] - 1);
        if (c->id == id)
            return c;
    }
    return NULL;
}

static void table_put(struct index *ix, uint64_t id, uint32_t value)
{
    uint32_t i = home_of(ix, id);
    while (ix->table[i])
        i = (i + 1) & ix->mask;
    ix->table[i] = value;
}

static void table_grow(struct index *ix)
{
    uint32_t old_size = ix->mask + 1, *old = ix->table;
    ix->mask = old_size * 2 - 1;
    ix->table = xcalloc((size_t)old_size * 2, sizeof *ix->table);
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i])
            table_put(ix, entry_at(ix, old[i] - 1)->id, old[i]);
    free(old);
}

/* A free entry has copy UINT64_MAX and the position + 1 of the next free one in n. */
static uint32_t slab_take(struct index *ix)
{
    if (ix->free_head) {
        uint32_t i = ix->free_head - 1;
        ix->free_head = entry_at(ix, i)->n;
        return i;
    }
    if (ix->used == ix->n_slabs * SLAB) {
        ix->slabs = xrealloc(ix->slabs, ix->n_slabs + 1, sizeof *ix->slabs);
        ix->slabs[ix->n_slabs++] = xcalloc(SLAB, sizeof(struct chunk));
    }
    return ix->used++;
}

struct chunk *index_add(struct index *ix, uint64_t id, uint64_t copy, uint32_t version, uint8_t disk)
{
    if ((uint64_t)(ix->n + 1) * 4 > (uint64_t)(ix->mask + 1) * 3)
        table_grow(ix);
    uint32_t i = slab_take(ix);
    struct chunk *c = entry_at(ix, i);
    *c = (struct chunk){.id = id, .copy = copy, .version = version, .disk = disk};
    table_put(ix, id, i + 1);
    ix->n++;
    return c;
}

static void entry_free(struct index *ix, struct chunk *c)
{
    uint32_t i = home_of(ix, c->id);
    while (entry_at(ix, ix->table[i] - 1) != c)
        i = (i + 1) & ix->mask;
    uint32_t freed = ix->table[i];
    /* Close the gap: move back whoever may stand here (Knuth 6.4, algorithm R). */
    for (uint32_t j = (i + 1) & ix->mask; ix->table[j]; j = (j + 1) & ix->mask) {
        uint32_t home = home_of(ix, entry_at(ix, ix->table[j] - 1)->id);
        if (((j - home) & ix->mask) >= ((j - i) & ix->mask)) {
            ix->table[i] = ix->table[j];
            i = j;
        }
    }
    ix->table[i] = 0;
    *c = (struct chunk){.copy = UINT64_MAX, .n = ix->free_head};
    ix->free_head = freed;
    ix->n--;
}

void index_remove(struct index *ix, struct chunk *c)
{
    index_clear(ix, c);
    many_free(c);
    entry_free(ix, c);
}

struct chunk *index_take(struct index *ix, struct index *from, struct chunk *c)
{
    struct chunk *to = index_add(ix, c->id, c->copy, c->version, c->disk);
    *to = *c;
    entry_free(from, c);
    return to;
}

struct chunk *index_next(const struct index *ix, uint32_t *position)
{
    while (*position < ix->used) {
        struct chunk *c = entry_at(ix, (*position)++);
        if (c->copy != UINT64_MAX)
            return c;
    }
    return NULL;
}

uint64_t index_memory(const struct index *ix)
{
    return (uint64_t)ix->n_slabs * SLAB * sizeof(struct chunk) + (uint64_t)(ix->mask + 1) * sizeof *ix->table;
}

/* --- extents --- */

static uint32_t end_of(const struct extent *e) { return e->off + e->len; }

static int64_t bytes_of(const struct extent *e) { return e->hole ? 0 : e->len; }

struct extent chunk_extent(const struct chunk *c, uint32_t i)
{
    if (c->flags & CHUNK_MANY)
        return c->u.many->v[i];
    return (struct extent){.off = c->u.one.off,
                           .len = c->u.one.len,
                           .rec_off = c->u.one.off,
                           .rec_len = c->u.one.len,
                           .segment = c->u.one.segment,
                           .position = c->u.one.position,
                           .order = order_of(c->version, c->sequence)};
}

uint32_t chunk_length(const struct chunk *c)
{
    uint32_t cut = 0;
    for (uint32_t i = c->n; i-- > 0;) {
        struct extent e = chunk_extent(c, i);
        if (!e.hole || e.rec_off + e.rec_len != HOLE_END)
            return (uint32_t)max_u64(cut, end_of(&e));
        if (i == c->n - 1) /* the newest: none but a newer one takes its last byte */
            cut = e.rec_off;
    }
    return cut;
}

uint64_t chunk_sum(const struct chunk *c, uint32_t end, uint64_t from)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct extent e = chunk_extent(c, i);
        if (!e.hole && e.order < from && e.off < end)
            sum += mix64(e.order) * (min_u64(e.off + (uint64_t)e.len, end) - e.off);
    }
    return sum ? sum : 1;
}

uint32_t chunk_extent_at(const struct chunk *c, uint32_t off)
{
    uint32_t lo = 0, hi = c->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        struct extent e = chunk_extent(c, mid);
        if (end_of(&e) > off)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

uint32_t chunk_segments(const struct chunk *c, const uint32_t **v)
{
    if (c->flags & CHUNK_MANY) {
        *v = c->u.many->segments;
        return c->u.many->n_segments;
    }
    *v = &c->u.one.segment;
    return c->flags & CHUNK_TOUCHED ? 1 : 0;
}

static void many_grow(struct chunk *c, uint32_t room)
{
    struct many *m = c->u.many;
    if (room <= m->cap)
        return;
    m->cap = room < 4 ? 4 : room + room / 2;
    c->u.many = xrealloc(m, 1, sizeof *m + (size_t)m->cap * sizeof m->v[0]);
}

static void many_make(struct chunk *c)
{
    if (c->flags & CHUNK_MANY)
        return;
    struct extent e = chunk_extent(c, 0);
    struct many *m = xcalloc(1, sizeof *m + 2 * sizeof m->v[0]);
    m->cap = 2;
    m->segments = xcalloc(2, sizeof *m->segments);
    m->cap_segments = 2;
    if (c->flags & CHUNK_TOUCHED)
        m->segments[m->n_segments++] = e.segment;
    if (c->n)
        m->v[0] = e;
    c->u.many = m;
    c->flags |= CHUNK_MANY;
}

static void many_prune(const struct index *ix, struct many *m)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->n_segments; i++)
        if (!ix->hooks.gone || !ix->hooks.gone(ix->hooks.arg, m->segments[i]))
            m->segments[kept++] = m->segments[i];
    m->n_segments = kept;
}

void index_touch(const struct index *ix, struct chunk *c, uint32_t segment)
{
    if (!(c->flags & (CHUNK_MANY | CHUNK_TOUCHED))) {
        c->u.one.segment = segment;
        c->flags |= CHUNK_TOUCHED;
        return;
    }
    if (!(c->flags & CHUNK_MANY) && c->u.one.segment == segment)
        return;
    many_make(c);
    struct many *m = c->u.many;
    for (uint32_t i = m->n_segments; i-- > 0;) /* the newest are the likeliest */
        if (m->segments[i] == segment)
            return;
    if (m->n_segments == m->cap_segments)
        many_prune(ix, m);
    if (m->n_segments == m->cap_segments) {
        m->cap_segments *= 2;
        m->segments = xrealloc(m->segments, m->cap_segments, sizeof *m->segments);
    }
    m->segments[m->n_segments++] = segment;
}

static void live(struct index *ix, uint32_t segment, int extents, int64_t bytes)
{
    if (ix->hooks.live)
        ix->hooks.live(ix->hooks.arg, segment, extents, bytes);
}

void index_clear(struct index *ix, struct chunk *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        struct extent e = chunk_extent(c, i);
        live(ix, e.segment, -1, -bytes_of(&e));
    }
    c->n = 0;
}

struct merge {
    struct extent *out;
    uint32_t n;
};

static void merge_add(struct merge *m, const struct extent *e, uint32_t from, uint32_t to)
{
    if (from >= to)
        return;
    m->out[m->n] = *e;
    m->out[m->n].off = from;
    m->out[m->n++].len = to - from;
}

/* Splits the old extents, which all share bytes with the new record, against it; both are in offset order. */
static void merge_record(struct merge *m, const struct extent *old, uint32_t n, const struct extent *e)
{
    uint32_t end = e->rec_off + e->rec_len, cursor = e->rec_off;
    for (uint32_t i = 0; i < n; i++) {
        const struct extent *o = &old[i];
        if (o->order > e->order) {
            merge_add(m, e, cursor, (uint32_t)min_u64(o->off, end));
            merge_add(m, o, o->off, end_of(o));
            cursor = (uint32_t)max_u64(cursor, end_of(o));
            continue;
        }
        merge_add(m, o, o->off, (uint32_t)min_u64(end_of(o), e->rec_off));
        if (end_of(o) > end) {
            merge_add(m, e, cursor, end);
            merge_add(m, o, (uint32_t)max_u64(o->off, end), end_of(o));
            cursor = end;
        }
    }
    merge_add(m, e, cursor, end);
}

static void insert_many(struct index *ix, struct chunk *c, const struct extent *e)
{
    struct extent few[8];
    const struct extent *v = c->u.many->v;
    uint32_t first = chunk_extent_at(c, e->rec_off), last = first;
    while (last < c->n && v[last].off < e->rec_off + e->rec_len)
        last++;
    uint32_t n = last - first;
    struct merge m = {2 * n + 1 <= ARRAY_LEN(few) ? few : xcalloc(2 * n + 1, sizeof few[0]), 0};
    merge_record(&m, v + first, n, e);
    for (uint32_t i = first; i < last; i++)
        live(ix, v[i].segment, -1, -bytes_of(&v[i]));
    for (uint32_t i = 0; i < m.n; i++)
        live(ix, m.out[i].segment, 1, bytes_of(&m.out[i]));
    many_grow(c, c->n - n + m.n);
    struct extent *at = c->u.many->v + first;
    memmove(at + m.n, at + n, (c->n - last) * sizeof *at);
    memcpy(at, m.out, m.n * sizeof *at);
    c->n += m.n - n;
    if (m.out != few)
        free(m.out);
}

void index_insert(struct index *ix, struct chunk *c, const struct extent *e)
{
    uint64_t top = order_of(c->version, c->sequence);
    bool alone = !(c->flags & CHUNK_MANY) && c->n == 0 && e->order >= top && !e->hole;
    bool same = (c->flags & CHUNK_TOUCHED) && !(c->flags & CHUNK_MANY) && c->u.one.segment == e->segment;
    index_touch(ix, c, e->segment);
    if (alone && !(c->flags & CHUNK_MANY)) {
        c->u.one.off = e->rec_off;
        c->u.one.len = e->rec_len;
        c->u.one.segment = e->segment;
        c->u.one.position = e->position;
        c->n = 1;
        live(ix, e->segment, 1, e->rec_len);
    } else if (same && c->n == 1 && e->order >= top && !e->hole && e->rec_off <= c->u.one.off &&
               e->rec_off + e->rec_len >= c->u.one.off + c->u.one.len) { /* replaced as a whole */
        live(ix, e->segment, 0, (int64_t)e->rec_len - c->u.one.len);
        c->u.one.off = e->rec_off;
        c->u.one.len = e->rec_len;
        c->u.one.position = e->position;
    } else {
        many_make(c);
        insert_many(ix, c, e);
    }
    if (e->order > top) {
        c->version = (uint32_t)(e->order >> 32);
        c->sequence = (uint32_t)e->order;
    }
}

uint32_t index_move(struct index *ix, struct chunk *c, uint32_t segment, uint32_t position, const struct extent *to)
{
    uint32_t moved = 0;
    uint64_t end = (uint64_t)to->rec_off + to->rec_len;
    index_touch(ix, c, to->segment);
    many_make(c);
    for (uint32_t i = chunk_extent_at(c, to->rec_off); i < c->n && c->u.many->v[i].off < end; i++) {
        struct extent *e = &c->u.many->v[i];
        if (e->segment != segment || e->position != position || e->order != to->order || e->off < to->rec_off ||
            end_of(e) > end)
            continue;
        live(ix, e->segment, -1, -bytes_of(e));
        live(ix, to->segment, 1, bytes_of(e));
        e->segment = to->segment;
        e->position = to->position;
        e->rec_off = to->rec_off;
        e->rec_len = to->rec_len;
        moved += e->len;
    }
    return moved;
}

void index_untouch(struct chunk *c, uint32_t segment)
{
    if (!(c->flags & CHUNK_MANY))
        return;
    struct many *m = c->u.many;
    for (uint32_t i = 0; i < m->n_segments; i++)
        if (m->segments[i] == segment)
            m->segments[i--] = m->segments[--m->n_segments];
    const struct extent e = m->v[0];
    if (c->n != 1 || e.hole || m->n_segments != 1 || m->segments[0] != e.segment || e.rec_off != e.off ||
        e.rec_len != e.len || e.order != order_of(c->version, c->sequence))
        return;
    many_free(c);
    c->flags &= (uint8_t)~CHUNK_MANY;
    c->u.one.off = e.off;
    c->u.one.len = e.len;
    c->u.one.segment = e.segment;
    c->u.one.position = e.position;
}
