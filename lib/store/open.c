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
    for (uint32_t i = 0; i < RECENT_WRITERS && r->session; i++) {
        struct recent *k = &o->recent[i];
        bool same = k->session == r->session && k->number == r->number && k->kind == r->kind && k->offset == r->offset;
        if (same && (k->length == r->length || k->kind == RECORD_PUNCH)) /* a punch was cut to the chunk's length */
            return k;
    }
    return NULL;
}

void open_note(struct ss *ss, struct open_chunk *o, const struct record *r, struct write *w)
{
    if (r->session) {
        o->recent[o->next_recent] = (struct recent){.session = r->session,
                                                    .number = r->number,
                                                    .offset = r->offset,
                                                    .length = r->length,
                                                    .kind = r->kind,
                                                    .sequence = (uint32_t)r->sequence,
                                                    .write = w};
        o->next_recent = (o->next_recent + 1) % RECENT_WRITERS;
    }
    if (r->sequence > o->sequence)
        o->sequence = (uint32_t)r->sequence;
    list_remove(&o->lru);
    list_push(&ss->open_lru, &o->lru);
}

bool open_current(const struct ss *ss, const struct open_chunk *o)
{
    return o && o->steady && !o->fenced && o->lapse == ss->lapses;
}

bool open_in_flight(const struct ss *ss, const struct open_chunk *o, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; o && o->inflight && i < ss->writes.n; i++) {
        const struct write *w = ss->writes.v[i];
        if (!w || w->open != o || w->down_done)
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
