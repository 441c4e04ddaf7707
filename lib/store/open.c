/* SPDX-License-Identifier: MIT */
/* Open chunks: those written not long ago, with the sequence last accepted and the last writers (CONSISTENCY B14). A
 * bounded table; the chunk idle for longest is forgotten first, and what must outlive that (that it is broken) is kept
 * in the index as well. */
#include <stdlib.h>

#include "store/impl.h"

static struct open_chunk **bucket_of(struct ss *ss, uint64_t chunk)
{
    return &ss->open_table[mix64(chunk) % OPEN_CHUNKS_MAX];
}

struct open_chunk *open_find(struct ss *ss, uint64_t chunk)
{
    for (struct open_chunk *o = *bucket_of(ss, chunk); o; o = o->next)
        if (o->id == chunk)
            return o;
    return NULL;
}

void open_forget(struct ss *ss, struct open_chunk *o)
{
    struct open_chunk **at = bucket_of(ss, o->id);
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    list_remove(&o->lru);
    ss->n_open--;
    free(o->recent);
    free(o->failed);
    free(o->begins);
    free(o);
}

struct open_chunk *open_add(struct ss *ss, uint64_t chunk)
{
    for (uint32_t busy = 0; ss->n_open == OPEN_CHUNKS_MAX;) {
        struct open_chunk *oldest = CONTAINER_OF(list_first(&ss->open_lru), struct open_chunk, lru);
        if (!oldest->inflight) {
            open_forget(ss, oldest);
            break;
        }
        if (++busy == OPEN_CHUNKS_MAX)
            return NULL;
        list_remove(&oldest->lru); /* one that waits for a slow server must not keep out all others */
        list_push(&ss->open_lru, &oldest->lru);
    }
    struct open_chunk *o = xcalloc(1, sizeof *o), **at = bucket_of(ss, chunk);
    o->id = chunk;
    o->next = *at;
    *at = o;
    list_push(&ss->open_lru, &o->lru);
    ss->n_open++;
    return o;
}

struct recent *open_recent(struct open_chunk *o, const struct record *r)
{
    for (uint32_t i = 0; i < o->n_recent && r->session; i++) {
        struct recent *k = &o->recent[i];
        bool same = k->session == r->session && k->number == r->number && k->kind == r->kind && k->offset == r->offset;
        if (same && (k->length == r->length || k->kind == RECORD_PUNCH)) /* a punch was cut to the chunk's length */
            return k;
    }
    return NULL;
}

struct recent *open_request(struct open_chunk *o, uint64_t session, uint64_t number)
{
    for (uint32_t i = 0; i < o->n_recent && session; i++)
        if (o->recent[i].session == session && o->recent[i].number == number)
            return &o->recent[i];
    return NULL;
}

static uint64_t recent_order(const struct recent *k) { return order_of(k->version, k->sequence); }

/* What has not been answered yet stays longest. */
static bool goes_before(const struct recent *a, const struct recent *b)
{
    return !a->write == !b->write ? recent_order(a) < recent_order(b) : !a->write;
}

/* Forgets one. NULL: it would be this one. */
static struct recent *recent_oldest(struct open_chunk *o, const struct recent *more)
{
    struct recent *oldest = NULL;
    for (uint32_t i = 0; i < o->n_recent; i++)
        if (goes_before(&o->recent[i], oldest ? oldest : more))
            oldest = &o->recent[i];
    o->forgot = max_u64(o->forgot, recent_order(oldest ? oldest : more));
    return oldest;
}

/* A place for one more: a free one, more room, or that of the oldest. NULL: that would be this one. */
static struct recent *recent_place(struct open_chunk *o, const struct recent *more)
{
    struct recent *free_one = NULL;
    for (uint32_t i = 0; i < o->n_recent; i++) {
        struct recent *k = &o->recent[i];
        if (k->session == more->session && k->number < o->seen && !k->write && o->n_recent > RECENT_WRITERS)
            k->session = 0;
        if (!k->session && !free_one)
            free_one = k;
    }
    if (free_one)
        return free_one;
    if (o->n_recent < RECENT_MAX) {
        uint32_t n = o->n_recent ? 2 * o->n_recent : RECENT_WRITERS / 4;
        o->recent = xrealloc(o->recent, n, sizeof *o->recent);
        memset(o->recent + o->n_recent, 0, (n - o->n_recent) * sizeof *o->recent);
        free_one = &o->recent[o->n_recent];
        o->n_recent = n;
        return free_one;
    }
    return recent_oldest(o, more);
}

static void recent_add(struct open_chunk *o, const struct recent *more)
{
    struct recent *place = more->session ? recent_place(o, more) : NULL;
    if (place)
        *place = *more;
}

void open_note(struct ss *ss, struct open_chunk *o, const struct record *r, struct write *w)
{
    recent_add(o, &(struct recent){.session = r->session,
                                   .number = r->number,
                                   .offset = r->offset,
                                   .length = r->length,
                                   .kind = r->kind,
                                   .version = r->version,
                                   .sequence = (uint32_t)r->sequence,
                                   .write = w});
    if (r->sequence > o->sequence)
        o->sequence = (uint32_t)r->sequence;
    list_remove(&o->lru);
    list_push(&ss->open_lru, &o->lru);
}

void open_unnote(struct open_chunk *o, const struct write *w)
{
    for (uint32_t i = 0; i < o->n_recent; i++)
        if (o->recent[i].write == w)
            o->recent[i] = (struct recent){0};
}

void open_note_begin(struct open_chunk *o, const struct record *r)
{
    if ((o->n_begins & (o->n_begins - 1)) == 0)
        o->begins = xrealloc(o->begins, o->n_begins ? o->n_begins * 2 : 1, sizeof *o->begins);
    o->begins[o->n_begins++] = (struct begin){r->version, r->number};
}

uint32_t open_writers(struct ss *ss, uint64_t chunk, struct wire_writer **out, uint64_t *forgot, struct arena *a)
{
    const struct chunk *c = index_find(&ss->index, chunk);
    const struct open_chunk *o = open_find(ss, chunk);
    struct wire_writer *v = o ? arena_alloc(a, o->n_recent, sizeof *v) : NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; v && i < o->n_recent; i++) {
        const struct recent *k = &o->recent[i];
        if (k->session)
            v[n++] = (struct wire_writer){.session = k->session,
                                          .number = k->number,
                                          .kind = k->kind,
                                          .offset = k->offset,
                                          .length = k->length,
                                          .version = k->version,
                                          .sequence = k->sequence};
    }
    *out = v;
    *forgot = v ? o->forgot : c ? order_of(c->version, c->sequence) : 0;
    return n;
}

static int by_order(const void *a, const void *b)
{
    uint64_t i = recent_order(a), j = recent_order(b);
    return (i > j) - (i < j);
}

static int by_version(const void *a, const void *b)
{
    const struct begin *x = a, *y = b;
    return (x->version > y->version) - (x->version < y->version);
}

/* The order in front of this one, if whatever has this one is known; 0: it is not. Both arrays are sorted; what is above is
 * given up. */
static uint64_t order_before(uint64_t at, const struct recent *v, uint32_t *n, const struct begin *b, uint32_t *n_begins)
{
    while (*n > 0 && recent_order(&v[*n - 1]) > at)
        --*n;
    if ((uint32_t)at > 0)
        return *n > 0 && recent_order(&v[*n - 1]) == at ? at - 1 : 0;
    while (*n_begins > 0 && order_of(b[*n_begins - 1].version, 0) > at)
        --*n_begins;
    if (*n_begins == 0 || order_of(b[*n_begins - 1].version, 0) != at)
        return 0;
    return b[*n_begins - 1].before < at ? b[*n_begins - 1].before : 0;
}

void open_miss(struct open_chunk *o)
{
    struct recent *v = xcalloc(o->n_recent + 1, sizeof *v);
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->n_recent; i++)
        if (o->recent[i].session)
            v[n++] = o->recent[i];
    qsort(v, n, sizeof *v, by_order);
    if (o->n_begins)
        qsort(o->begins, o->n_begins, sizeof *o->begins, by_version);
    uint64_t at = order_of(o->version, o->sequence);
    for (uint64_t before = at; before; before = order_before(at, v, &n, o->begins, &o->n_begins))
        at = before;
    o->forgot = at > order_of(1, 0) ? at : 0; /* nothing is older than the first version */
    free(v);
    free(o->begins);
    o->begins = NULL;
    o->n_begins = 0;
}

/* What the copy before this one had was another history: one on a disk that failed, say. */
static struct open_chunk *open_anew(struct ss *ss, uint64_t chunk)
{
    struct open_chunk *o = open_find(ss, chunk);
    if (o && !o->inflight) {
        open_forget(ss, o);
        o = NULL;
    }
    for (uint32_t i = 0; o && i < o->n_recent; i++)
        if (!o->recent[i].write)
            o->recent[i].session = 0;
    return o;
}

void open_take_writers(struct ss *ss, const struct chunk *c, const struct wire_writer *v, uint32_t n, uint64_t forgot)
{
    struct open_chunk *o = open_anew(ss, c->id);
    if (!o)
        o = n ? open_add(ss, c->id) : NULL;
    if (!o)
        return;
    o->version = c->version;
    o->sequence = c->sequence;
    o->length = chunk_length(c);
    o->copy = c->copy;
    o->disk = c->disk;
    o->steady = false;
    o->fenced = true;
    o->n_failed = 0;
    o->forgot = forgot;
    o->seen = 0;
    for (uint32_t i = 0; i < n; i++)
        recent_add(o, &(struct recent){.session = v[i].session,
                                       .number = v[i].number,
                                       .offset = v[i].offset,
                                       .length = v[i].length,
                                       .kind = v[i].kind,
                                       .version = v[i].version ? v[i].version : c->version,
                                       .sequence = v[i].version ? v[i].sequence : 0});
}

bool chunk_holds(struct ss *ss, const struct chunk *c, uint32_t version)
{
    const struct open_chunk *o = c->version != version ? open_find(ss, c->id) : NULL;
    return c->version == version || (c->version > version && c->sequence == 0 && (!o || o->sequence == 0));
}

bool open_current(const struct ss *ss, const struct open_chunk *o)
{
    return o && o->steady && !o->fenced && o->lapse == ss->lapses;
}

bool open_readable(const struct ss *ss, const struct open_chunk *o)
{
    return o && o->steady && !o->cut_off && !o->unsure && o->lapse == ss->lapses;
}

void open_note_failed(struct open_chunk *o, const struct record *r)
{
    const struct extent e = record_extent(r, 0);
    if (o->n_failed == FAILED_MAX) {
        o->unsure = true;
        return;
    }
    if ((o->n_failed & (o->n_failed - 1)) == 0)
        o->failed = xrealloc(o->failed, o->n_failed ? o->n_failed * 2 : 1, sizeof *o->failed);
    o->failed[o->n_failed++] = (struct span){e.rec_off, e.rec_off + e.rec_len};
}

void open_lapse(struct ss *ss)
{
    uint32_t at = 0, cap = 0;
    ss->lapses++;
    ss->n_unsettled = 0;
    for (const struct chunk *c; (c = index_next(&ss->index, &at));) {
        if (!(c->flags & CHUNK_OPEN))
            continue;
        if (ss->n_unsettled == cap) {
            cap = cap ? cap * 2 : 64;
            ss->unsettled = xrealloc(ss->unsettled, cap, sizeof *ss->unsettled);
        }
        ss->unsettled[ss->n_unsettled++] = (struct wire_chunk_id){.chunk = c->id, .version = c->version};
    }
}

uint32_t open_unsettled(struct ss *ss)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ss->n_unsettled; i++) {
        const struct chunk *c = index_find(&ss->index, ss->unsettled[i].chunk);
        if (c && c->flags & CHUNK_OPEN && !open_current(ss, open_find(ss, c->id)))
            ss->unsettled[kept++] = ss->unsettled[i];
    }
    ss->n_unsettled = kept;
    return kept < UNSETTLED_PAGE ? kept : UNSETTLED_PAGE;
}

bool open_in_flight(const struct ss *ss, const struct open_chunk *o, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; o && i < o->n_failed; i++)
        if (o->failed[i].from < to && from < o->failed[i].to)
            return true;
    for (uint32_t i = 0; o && o->inflight && i < ss->writes.n; i++) {
        const struct write *w = ss->writes.v[i];
        if (!w || w->open != o || !w->next_server) /* the tail's show when they are durable there, and nowhere before */
            continue;
        const struct extent e = record_extent(&w->record, 0);
        if (e.rec_off < to && from < e.rec_off + e.rec_len)
            return true;
    }
    return false;
}

void open_close(struct ss *ss)
{
    while (!list_empty(&ss->open_lru))
        open_forget(ss, CONTAINER_OF(list_first(&ss->open_lru), struct open_chunk, lru));
}
