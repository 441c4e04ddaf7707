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
    free(o->flights);
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

/* Forgets one. NULL: it would be this one. At a start they come in about the order in which they were written. */
static struct recent *recent_oldest(struct open_chunk *o, const struct recent *more)
{
    struct recent *oldest = o->seen ? NULL : &o->recent[o->next_recent++ % RECENT_MAX];
    if (!oldest || !goes_before(oldest, more)) {
        oldest = NULL;
        for (uint32_t i = 0; i < o->n_recent; i++)
            if (goes_before(&o->recent[i], oldest ? oldest : more))
                oldest = &o->recent[i];
    }
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
    if (o->n_recent == RECENT_MAX)
        return recent_oldest(o, more);
    uint32_t n = o->n_recent ? 2 * o->n_recent : RECENT_WRITERS / 4;
    o->recent = xrealloc(o->recent, n, sizeof *o->recent);
    memset(o->recent + o->n_recent, 0, (n - o->n_recent) * sizeof *o->recent);
    free_one = &o->recent[o->n_recent];
    o->n_recent = n;
    return free_one;
}

static void recent_add(struct open_chunk *o, const struct recent *more)
{
    struct recent *place = more->session ? recent_place(o, more) : NULL;
    if (place)
        *place = *more;
}

void open_note(struct ss *ss, struct open_chunk *o, const struct record *r, struct write *w)
{
    struct recent *known = o->told.seen ? open_request(o, r->session, r->number) : NULL; /* it is told of */
    if (known)
        known->session = 0;
    recent_add(o, &(struct recent){.session = r->session,
                                   .number = r->number,
                                   .seen = o->seen,
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

void open_note_told(struct open_chunk *o, const struct record *r)
{
    struct told *t = &o->told;
    uint64_t until = order_of(r->version, r->sequence);
    if (!r->session) {
        if (until >= t->until)
            *t = (struct told){until, min_u64(r->number, until), r->length, t->version, t->seen};
        return;
    }
    if (r->version > t->version) {
        t->version = r->version;
        t->seen = 0;
    }
    t->seen += r->version == t->version;
    if (!open_request(o, r->session, r->number))
        recent_add(o, &(struct recent){.session = r->session,
                                       .number = r->number,
                                       .offset = r->offset,
                                       .length = r->length,
                                       .kind = r->flags & WRITER_KIND,
                                       .version = r->version - (uint32_t)min_u64(r->flags >> WRITER_AGO_SHIFT, r->version),
                                       .sequence = (uint32_t)r->sequence});
}

static struct recent *recent_list(const struct open_chunk *o, uint32_t *n)
{
    struct recent *v = xcalloc(o->n_recent + 1, sizeof *v);
    *n = 0;
    for (uint32_t i = 0; i < o->n_recent; i++)
        if (o->recent[i].session)
            v[(*n)++] = o->recent[i];
    return v;
}

static int by_session(const void *a, const void *b)
{
    uint64_t i = ((const struct recent *)a)->session, j = ((const struct recent *)b)->session;
    return (i > j) - (i < j);
}

static int by_order(const void *a, const void *b)
{
    uint64_t i = recent_order(a), j = recent_order(b);
    return (i > j) - (i < j);
}

/* Without those that have their answers; the oldest first. */
static uint32_t may_be_repeated(struct recent *v, uint32_t n)
{
    uint32_t kept = 0;
    qsort(v, n, sizeof *v, by_session);
    for (uint32_t i = 0, next; i < n; i = next) {
        uint64_t seen = 0;
        for (next = i; next < n && v[next].session == v[i].session; next++)
            seen = max_u64(seen, v[next].seen);
        for (uint32_t k = i; k < next; k++)
            if (v[k].number >= seen)
                v[kept++] = v[k];
    }
    qsort(v, kept, sizeof *v, by_order);
    return kept;
}

uint32_t open_writers(struct ss *ss, uint64_t chunk, struct wire_writer **out, uint64_t *forgot, struct arena *a)
{
    const struct chunk *c = index_find(&ss->index, chunk);
    const struct open_chunk *o = open_find(ss, chunk);
    struct wire_writer *told = o ? arena_alloc(a, o->n_recent, sizeof *told) : NULL;
    *out = told;
    *forgot = told ? o->forgot : c ? order_of(c->version, c->sequence) : 0;
    if (!told)
        return 0;
    uint32_t n;
    struct recent *v = recent_list(o, &n);
    n = may_be_repeated(v, n);
    for (uint32_t i = 0; i < n; i++)
        told[i] = (struct wire_writer){.session = v[i].session,
                                       .number = v[i].number,
                                       .kind = v[i].kind,
                                       .offset = v[i].offset,
                                       .length = v[i].length,
                                       .version = v[i].version,
                                       .sequence = v[i].sequence};
    free(v);
    return n;
}

/* Down to the last write that is not known: v is sorted, and loses those above. */
static uint64_t known_down_from(uint64_t at, const struct recent *v, uint32_t *n)
{
    for (; (uint32_t)at > 0 && *n > 0 && recent_order(&v[*n - 1]) >= at; --*n)
        at -= recent_order(&v[*n - 1]) == at;
    return at;
}

void open_miss(struct open_chunk *o)
{
    const struct told *t = &o->told;
    uint32_t n;
    struct recent *v = recent_list(o, &n);
    qsort(v, n, sizeof *v, by_order);
    uint64_t at = known_down_from(order_of(o->version, o->sequence), v, &n);
    if (at <= t->until && t->forgot < at && t->n == (t->version == t->until >> 32 ? t->seen : 0))
        at = known_down_from(t->forgot, v, &n);
    if (at > order_of(1, 0)) /* nothing is older than the first version */
        o->forgot = max_u64(o->forgot, at);
    o->told = (struct told){0};
    free(v);
}

static void keep_record(struct ss *ss, const struct chunk *c, struct record r)
{
    struct write *w = write_new(ss, c->disk, CLASS_SMALL);
    w->record = r;
    w->record.kind = RECORD_WRITER;
    w->record.chunk = c->id;
    w->record.copy = c->copy;
    append_queue(ss, w);
}

void open_keep(struct ss *ss, const struct chunk *c, uint32_t version, uint64_t sequence)
{
    const struct open_chunk *o = open_find(ss, c->id);
    uint32_t n;
    if (!o)
        return;
    struct recent *v = recent_list(o, &n);
    n = may_be_repeated(v, n);
    uint32_t left_out = n > RECENT_WRITERS ? n - RECENT_WRITERS : 0;
    for (uint32_t i = left_out; i < n; i++) {
        uint32_t ago = (uint32_t)min_u64(version - v[i].version, WRITER_AGO_MAX);
        keep_record(ss, c,
                    (struct record){.flags = (uint8_t)(v[i].kind | ago << WRITER_AGO_SHIFT),
                                    .version = version,
                                    .sequence = v[i].sequence,
                                    .session = v[i].session,
                                    .number = v[i].number,
                                    .offset = v[i].offset,
                                    .length = v[i].length});
    }
    uint64_t forgot = left_out ? max_u64(o->forgot, recent_order(&v[left_out - 1])) : o->forgot;
    keep_record(ss, c,
                (struct record){
                    .version = version, .sequence = sequence, .number = forgot, .length = n - left_out});
    free(v);
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
        o = n || forgot < order_of(c->version, 0) ? open_add(ss, c->id) : NULL;
    if (!o)
        return;
    o->version = c->version;
    o->sequence = c->sequence;
    o->length = chunk_length(c);
    o->copy = c->copy;
    o->disk = c->disk;
    o->steady = false;
    o->fenced = true;
    o->n_flights = 0;
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

/* --- writes in flight --- */

void open_flight(struct open_chunk *o, const struct record *r)
{
    const struct extent e = record_extent(r, 0);
    if (o->flights_of != r->version)
        o->n_flights = 0; /* there are writes in this version, so it was logged, and settled those */
    o->flights_of = r->version;
    if (o->n_flights == FLIGHTS_MAX) { /* a head takes no more; this one does not tell, being of an older version, say */
        o->unsure = true;
        return;
    }
    if (o->n_flights == o->cap_flights) {
        o->cap_flights = o->cap_flights ? 2 * o->cap_flights : 4;
        o->flights = xrealloc(o->flights, o->cap_flights, sizeof *o->flights);
    }
    o->flights[o->n_flights++] = (struct flight){e.rec_off, e.rec_off + e.rec_len, (uint32_t)r->sequence, false};
}

static struct flight *flight_of(struct open_chunk *o, const struct record *r)
{
    for (uint32_t i = 0; i < o->n_flights && o->flights_of == r->version; i++)
        if (o->flights[i].sequence == r->sequence)
            return &o->flights[i];
    return NULL;
}

void open_landed(struct open_chunk *o, const struct record *r)
{
    struct flight *f = flight_of(o, r);
    if (f)
        memmove(f, f + 1, (size_t)(o->flights + --o->n_flights - f) * sizeof *f);
}

void open_failed(struct open_chunk *o, const struct record *r)
{
    struct flight *f = flight_of(o, r);
    if (f)
        f->failed = true;
}

void open_settled(struct open_chunk *o, uint32_t sequence)
{
    uint32_t n = 0;
    while (n < o->n_flights && o->flights[n].sequence < sequence)
        n++;
    o->n_flights -= n;
    if (n)
        memmove(o->flights, o->flights + n, o->n_flights * sizeof *o->flights);
}

uint32_t open_settled_below(const struct open_chunk *o)
{
    return o->n_flights && o->flights_of == o->version ? o->flights[0].sequence : o->sequence;
}

bool open_in_flight(const struct open_chunk *o, uint32_t version, uint32_t from, uint32_t to)
{
    bool settled = o && o->flights_of < version; /* by that version, which whoever asks knows of: it was logged */
    for (uint32_t i = 0; o && !settled && i < o->n_flights; i++) {
        const struct flight *f = &o->flights[i];
        /* at the head what was there before is still right: no member shows the write before the head does */
        bool unsure = !o->head || o->fenced || f->failed || o->flights_of != o->version;
        if (unsure && f->from < to && from < f->to)
            return true;
    }
    return false;
}

/* --- what is not served until its version has moved --- */

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

void open_newer(struct ss *ss, const struct chunk *c)
{
    for (uint32_t i = 0; i < ss->n_newer; i++)
        if (ss->newer[i].chunk == c->id)
            return;
    if (ss->n_newer < NEWER_PAGE)
        ss->newer[ss->n_newer++] = (struct wire_chunk_id){.chunk = c->id, .version = c->version};
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
    for (uint32_t i = 0; kept == 0 && i < ss->n_stores; i++) {
        ss->identity_dirty |= ss->stores[i].identity.cut;
        ss->stores[i].identity.cut = false; /* whoever may have lost something has compared it with the others */
    }
    return kept < UNSETTLED_PAGE ? kept : UNSETTLED_PAGE;
}

void open_close(struct ss *ss)
{
    while (!list_empty(&ss->open_lru))
        open_forget(ss, CONTAINER_OF(list_first(&ss->open_lru), struct open_chunk, lru));
}
