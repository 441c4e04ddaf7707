/* SPDX-License-Identifier: MIT */
/* Versions of a chunk, as the leader moves them (CONSISTENCY B10 to B13).
 *
 *   FENCE   takes no more writes in this version; what is under way becomes durable, or fails; what is here is told: the last
 *           write, the length, the CRC of all bytes. All histories of a version begin alike, for there was one head and there
 *           are no gaps; what was acknowledged is in each of them. So it is read on, but for what is not known to be durable on all, until
 *           the next version has begun; a copy that is not to be in that is cut off by another fence first (B12).
 *   STAMP   one that holds exactly what the leader says (nothing, of a new chunk) begins the next version: a record says
 *           so, durably, before the answer. The file may have been truncated: then it says that the chunk ends earlier. So a copy of this version is known to hold what all of them agreed on, whatever happens later.
 *
 * A fence is not durable and need not be: after a start, as after a lapsed lease, no chunk takes writes in its version. */
#include <stdlib.h>

#include "store/impl.h"

/* --- fences --- */

static void show_durable(struct ss *ss, const struct open_chunk *o)
{
    for (uint32_t i = 0; i < ss->writes.n; i++) {
        struct write *w = ss->writes.v[i];
        if (w && w->open == o)
            write_show(ss, w);
    }
}

static uint32_t kept(const struct ss_task *t, uint32_t length)
{
    return t->keep && t->keep < length ? t->keep : length;
}

static void fence_tell(struct ss *ss, struct ss_task *t, struct now now)
{
    struct chunk *c = index_find(&ss->index, t->chunk);
    struct open_chunk *o = open_find(ss, t->chunk);
    if (o)
        show_durable(ss, o);
    if (c && !(t->told & RESULT_STEADY) && ss->stores[c->disk].identity.cut)
        t->told |= RESULT_DOUBT;
    if (!c || c->flags & CHUNK_DELETING) {
        ss_task_end(ss, t, DFS_ENOCHUNK);
    } else if (ss->stores[c->disk].failed) {
        ss_task_end(ss, t, DFS_EIO); /* after a start all of it may be there */
    } else if (c->flags & CHUNK_DAMAGED) {
        ss_task_end(ss, t, DFS_ECORRUPT);
    } else if (chunk_length(c) == 0) {
        t->crc = 0;
        ss_task_end(ss, t, 0);
    } else {
        t->own = true;
        t->version = c->version;
        t->length = kept(t, chunk_length(c));
        fetch_start(ss, t, now);
    }
}

void fence_start(struct ss *ss, struct ss_task *t, struct now now)
{
    const struct chunk *c = index_find(&ss->index, t->chunk);
    struct open_chunk *o = open_find(ss, t->chunk);
    if (t->flags & TASK_CUT_OFF) {
        if (o)
            o->fenced = o->cut_off = true;
        t->told = RESULT_CUT_OFF;
        ss_task_end(ss, t, 0);
        return;
    }
    if (c && c->version > t->version) {
        ss_task_end(ss, t, DFS_ESTALE);
        return;
    }
    if (o) {
        t->told = o->steady && o->lapse == ss->lapses ? RESULT_STEADY : 0;
        o->fenced = true;
    }
    if (t->state == SS_TASK_WAITING) {
        t->state = SS_TASK_RUNNING;
        list_remove(&t->link);
        list_push(&ss->tasks_running, &t->link);
    }
    if (!o || o->pending == 0)
        fence_tell(ss, t, now);
}

void fence_settled(struct ss *ss, uint64_t chunk)
{
    struct ss_task *t = ss_task_find(ss, chunk);
    if (!t || t->kind != TASK_FENCE || t->state != SS_TASK_RUNNING || !list_empty(&t->parts))
        return;
    t->state = SS_TASK_WAITING;
    list_remove(&t->link);
    list_push(ss->tasks_waiting.next, &t->link);
}

/* --- stamps --- */

/* 0: it is here already; 1: it can begin; or the error. */
static int stamp_check(struct ss *ss, const struct ss_task *t, const struct chunk *c)
{
    const struct open_chunk *o = open_find(ss, t->chunk);
    if (!c && t->version == 0 && t->length == 0)
        return 1;
    if (!c || c->flags & CHUNK_DELETING)
        return DFS_ENOCHUNK;
    if (c->flags & CHUNK_DAMAGED || ss->stores[c->disk].failed)
        return DFS_ECORRUPT;
    if (chunk_length(c) == kept(t, t->length) && c->version == t->to && c->sequence == 0)
        return 0;
    if (chunk_length(c) != t->length || c->version != t->version ||
        (t->of_sequence != UINT64_MAX && t->of_sequence != c->sequence) || t->to <= c->version)
        return DFS_ESTALE;
    return o && o->pending ? DFS_EAGAIN : 1;
}

void stamp_start(struct ss *ss, struct ss_task *t, struct now now)
{
    const struct chunk *c = index_find(&ss->index, t->chunk);
    struct store *st = c ? &ss->stores[c->disk] : NULL;
    const struct open_chunk *o = open_find(ss, t->chunk);
    if (o)
        show_durable(ss, o); /* else the sum would not be of all that is here */
    int rv = stamp_check(ss, t, c);
    if (rv > 0 && !c) {
        int err = store_pick(ss, now.mono, &st);
        rv = err ? err : rv;
    }
    if (rv <= 0) {
        ss_task_end(ss, t, rv);
        return;
    }
    struct write *w = write_new(ss, st->number, CLASS_SMALL);
    uint32_t end = ss->cfg.keep_cut ? t->length : kept(t, t->length);
    w->record = (struct record){.kind = RECORD_TRUNCATE,
                                .flags = t->flags & TASK_OPEN ? RECORD_OPEN : 0,
                                .version = t->to,
                                .chunk = t->chunk,
                                .copy = c ? c->copy : ss->next_copy++,
                                .number = c ? chunk_sum(c, end, UINT64_MAX) : 1,
                                .offset = end};
    w->stamp = t;
    w->local_done = w->down_done = true;
    t->state = SS_TASK_RUNNING;
    list_remove(&t->link);
    list_push(&ss->tasks_running, &t->link);
    append_queue(ss, w);
    if (c)
        open_keep(ss, c, t->to, 0); /* behind the stamp: on a full disk that needs no more room for it */
}

/* Who wrote what in the version before is remembered: a request may be repeated in this one (B14). */
static void open_begin(struct ss *ss, struct chunk *c, uint32_t was, uint32_t length, bool open)
{
    struct open_chunk *o = open_find(ss, c->id);
    if (!o) {
        o = open ? open_add(ss, c->id) : NULL;
        if (!o)
            return; /* takes no writes then: the leader is asked for another version */
        o->forgot = length > 0 ? order_of(c->version, 0) : 0;
    }
    o->version = c->version;
    o->sequence = 0;
    o->length = length;
    o->copy = c->copy;
    o->disk = c->disk;
    o->lapse = ss->lapses;
    o->steady = true;
    o->broken = o->cut_off = o->unsure = false;
    if (o->flights_of != was)
        o->n_flights = 0; /* the version before settled those; what this one settles is not known until it is logged */
    o->fenced = !open;
    for (uint32_t i = 0; i < o->n_recent; i++)
        o->recent[i].write = NULL; /* durable everywhere, whoever has still to answer for it */
}

void stamp_written(struct ss *ss, struct write *w, int err)
{
    struct ss_task *t = w->stamp;
    struct chunk *c = index_find(&ss->index, t->chunk);
    if (!err && !c && t->version == 0) {
        c = index_add(&ss->index, t->chunk, w->record.copy, t->to, w->disk);
        ss->stores[w->disk].chunks++;
    }
    if (!err && (!c || c->copy != w->record.copy))
        err = DFS_ENOCHUNK;
    if (!err) {
        struct extent e = record_extent(&w->record, w->segment->slot);
        index_insert(&ss->index, c, &e);
        c->flags &= (uint8_t) ~(CHUNK_OPEN | CHUNK_BROKEN);
        c->flags |= t->flags & TASK_OPEN ? CHUNK_OPEN : 0;
        open_begin(ss, c, t->version, w->record.offset, t->flags & TASK_OPEN);
    }
    write_free(ss, w);
    ss_task_end(ss, t, err);
}
