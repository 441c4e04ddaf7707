/* SPDX-License-Identifier: MIT */
/* A chunk read as a whole, in parts of a frame: to be copied from another server, or (own) to verify what is here.
 *
 * The happy path of a copy is: parts asked for as the window allows, each verified, appended like any write; the last
 * part is appended when all others are durable, so that what a crash leaves of an unfinished copy is shorter than the
 * chunk, never full of holes. When all of it is durable and fits the chunk's checksum, it becomes visible at once: until
 * then no reader and no report sees it. Possible failures are:
 *   - a source fails, or its bytes do not fit: the next one is asked for this part and all that follow;
 *   - no source is left, the disk fails, the whole does not fit: what was appended is buried like any chunk.
 *
 * While others want the servers, less is fetched than could be (--repair-rate). */
#include <stdlib.h>

#include "base/crc.h"
#include "store/impl.h"
#include "wire/pieces.h"

/* --- how much --- */

static bool is_busy(const struct ss *ss, uint64_t mono)
{
    return ss->cfg.repair_rate != UINT64_MAX && (lately(ss->foreground, mono) || lately(ss->source_busy, mono));
}

/* A token bucket that holds one tick's bytes: what was not used is gone, what was taken too much is owed. */
static void budget_grow(struct ss *ss, uint64_t mono)
{
    int64_t share = (int64_t)(ss->cfg.repair_rate / (NS_PER_SEC / FETCH_TICK)) + 1;
    if (mono < ss->fetch_next)
        return;
    ss->fetch_next = mono + FETCH_TICK;
    ss->fetch_budget = share + (ss->fetch_budget < 0 ? ss->fetch_budget : 0);
}

static bool window_open(const struct ss *ss, uint64_t bytes)
{
    return ss->n_fetched < FETCH_PARTS && ss->fetch_bytes < bytes;
}

bool fetch_room(struct ss *ss, uint64_t mono)
{
    if (!is_busy(ss, mono))
        return window_open(ss, FETCH_BYTES);
    budget_grow(ss, mono);
    return ss->fetch_budget > 0 && window_open(ss, FETCH_BYTES_BUSY);
}

uint64_t fetch_wake(const struct ss *ss, uint64_t mono)
{
    bool waiting = !list_empty(&ss->parts_wanted) || !list_empty(&ss->tasks_waiting);
    return waiting && is_busy(ss, mono) && ss->fetch_budget <= 0 ? ss->fetch_next : UINT64_MAX;
}

/* --- parts --- */

static struct part *part_new(struct ss *ss, struct ss_task *t, uint32_t offset, uint32_t length, struct list *before)
{
    struct part *p = xcalloc(1, sizeof *p);
    list_init(&p->wanted);
    p->task = t;
    p->offset = offset;
    p->length = length;
    p->slot = slots_add(&ss->parts, p);
    list_push(before, &p->link); /* before this one: at the end, if it is the list's head */
    t->undone++;
    return p;
}

static void part_free(struct ss *ss, struct part *p)
{
    if (p->write)
        write_free(ss, p->write);
    list_remove(&p->link);
    list_remove(&p->wanted);
    slots_remove(&ss->parts, p->slot);
    free(p);
}

static struct part *part_of(struct list *e) { return CONTAINER_OF(e, struct part, link); }

static bool is_last(const struct part *p) { return p->link.next == &p->task->parts; }

static void part_release(struct ss *ss, struct part *p)
{
    p->task->busy--;
    ss->n_fetched--;
    ss->fetch_bytes -= p->length;
}

/* --- the end --- */

static void parts_free(struct ss *ss, struct ss_task *t)
{
    while (!list_empty(&t->parts))
        part_free(ss, part_of(list_first(&t->parts)));
}

/* What is durable of a copy that failed is deleted as a chunk is, or a start would find it again. */
static void fetch_bury(struct ss *ss, struct ss_task *t)
{
    struct chunk *c = index_add(&ss->index, t->chunk, t->copy, t->version, t->disk);
    ss->stores[t->disk].chunks++;
    c->flags |= CHUNK_DELETING;
    LIST_FOR_EACH (e, &t->parts) {
        const struct part *p = part_of(e);
        if (p->write && p->state == PART_DONE)
            index_touch(&ss->index, c, p->write->segment->slot);
    }
    t->state = SS_TASK_CLEARING;
    chunk_delete(ss, c);
    parts_free(ss, t);
}

static bool any_durable(const struct ss_task *t)
{
    LIST_FOR_EACH (e, &t->parts)
        if (part_of(e)->write && part_of(e)->state == PART_DONE)
            return true;
    return false;
}

static void fetch_fail(struct ss *ss, struct ss_task *t, int err)
{
    struct part *last = part_of(t->parts.prev);
    if (!t->error)
        t->error = err;
    LIST_FOR_EACH (e, &t->parts)
        list_remove(&part_of(e)->wanted);
    if (last->state == PART_HELD) {
        part_release(ss, last);
        last->state = PART_WANTED;
    }
    if (t->busy)
        return; /* until what is under way has come back */
    if (!t->own && !ss->stores[t->disk].failed && any_durable(t)) {
        fetch_bury(ss, t);
        return;
    }
    parts_free(ss, t);
    ss_task_end(ss, t, t->error);
}

/* The copy here is bad: known as such from now on; who asked for a good one asks again. What the disk did not read it may
 * read the next time: only the leader is told. */
static void own_failed(struct ss *ss, struct ss_task *t, int err, struct effects *fx)
{
    struct chunk *c = index_find(&ss->index, t->chunk);
    if (c && chunk_holds(ss, c, t->version) && (err == DFS_ECORRUPT || (err == DFS_EIO && t->kind == TASK_COPY)))
        chunk_damaged(ss, c, "found when it was read as a whole", fx);
    fetch_fail(ss, t, err);
}

static void fetch_show(struct ss *ss, struct ss_task *t)
{
    struct chunk *c = index_add(&ss->index, t->chunk, t->copy, t->version, t->disk);
    ss->stores[t->disk].chunks++;
    LIST_FOR_EACH (e, &t->parts) {
        const struct part *p = part_of(e);
        const struct record *r = p->write ? &p->write->record : NULL;
        if (r)
            index_insert(&ss->index, c,
                         &(struct extent){.rec_off = r->offset,
                                          .rec_len = r->length,
                                          .segment = p->write->segment->slot,
                                          .position = r->position,
                                          .order = order_of(r->version, r->sequence)});
    }
    open_take_writers(ss, c, t->writers, t->n_writers, t->forgot);
    open_keep(ss, c, c->version, c->sequence);
}

static void fetch_finish(struct ss *ss, struct ss_task *t, struct effects *fx)
{
    uint32_t crc = 0;
    LIST_FOR_EACH (e, &t->parts)
        crc = crc32c_combine(crc, part_of(e)->crc, part_of(e)->length);
    if (t->kind == TASK_FENCE)
        t->crc = crc; /* that is what was asked for */
    if (crc != t->crc && !(ss->cfg.trust_copies && !t->own)) {
        t->suspect = t->own || t->source >= t->n_sources ? 0 : t->sources[t->source].server;
        if (t->own)
            own_failed(ss, t, DFS_ECORRUPT, fx);
        else
            fetch_fail(ss, t, DFS_ECORRUPT);
        return;
    }
    if (!t->own)
        fetch_show(ss, t);
    parts_free(ss, t);
    ss_task_end(ss, t, 0);
}

/* --- writing --- */

static void part_append(struct ss *ss, struct part *p)
{
    p->state = PART_WRITING;
    append_queue(ss, p->write);
}

/* The chunk's last part, if it waits for this one. */
static void part_done(struct ss *ss, struct part *p, struct effects *fx)
{
    struct ss_task *t = p->task;
    part_release(ss, p);
    p->state = PART_DONE;
    t->undone--;
    if (t->error) {
        fetch_fail(ss, t, t->error);
        return;
    }
    struct part *last = part_of(t->parts.prev);
    if (t->undone == 0)
        fetch_finish(ss, t, fx);
    else if (t->undone == 1 && last->state == PART_HELD)
        part_append(ss, last);
}

void fetch_written(struct ss *ss, struct write *w, int err, struct effects *fx)
{
    struct part *p = w->part;
    payload_drop(&w->payload);
    if (!err) {
        part_done(ss, p, fx);
        return;
    }
    part_release(ss, p);
    p->write = NULL;
    write_free(ss, w);
    fetch_fail(ss, p->task, err);
}

/* The payload is the part's bytes; crcs those of its blocks. Both are taken over. m: where they come from. */
static void part_write(struct ss *ss, struct part *p, const struct msg_chunk_read_reply *m, struct payload *payload,
                       uint8_t *crcs)
{
    struct ss_task *t = p->task;
    struct write *w = write_new(ss, t->disk, p->length < LARGE_PAYLOAD ? CLASS_SMALL : CLASS_LARGE);
    w->record = (struct record){.kind = RECORD_DATA,
                                .flags = RECORD_COPIED,
                                .version = t->version,
                                .chunk = t->chunk,
                                .copy = t->copy,
                                .sequence = ++t->sequence,
                                .file = m->file,
                                .index = m->index,
                                .size = m->size,
                                .offset = p->offset,
                                .length = p->length};
    w->payload = *payload;
    w->crcs = crcs;
    w->part = p;
    p->write = w;
    if (is_last(p) && t->undone > 1)
        p->state = PART_HELD;
    else
        part_append(ss, p);
}

/* --- reading --- */

static void part_ask(struct ss *ss, struct part *p, struct effects *fx)
{
    struct ss_task *t = p->task;
    p->state = PART_ASKED;
    if (t->own) {
        const struct chunk *c = index_find(&ss->index, t->chunk);
        if (c && chunk_holds(ss, c, t->version) && !(c->flags & CHUNK_DELETING))
            read_own(ss, c, p, fx);
        else
            part_answer(ss, p, DFS_ENOCHUNK, NULL, NULL, fx);
        return;
    }
    struct msg m = {.type = MSG_TYPE_chunk_read};
    m.chunk_read = (struct msg_chunk_read){.grant = {(const char *)slice_data(t->grant), t->grant.len},
                                           .chunk = t->chunk,
                                           .version = t->version,
                                           .offset = p->offset,
                                           .length = p->length,
                                           .flags = READ_REPAIR};
    fx_call(fx, t->sources[t->source].addr, &m, NULL, token_make(TOKEN_FETCH, t->source & 0xff, p->slot),
            FETCH_TIMEOUT);
}

/* Two of half the size each: their answers fit a frame. */
static void part_split(struct ss *ss, struct part *p, struct effects *fx)
{
    uint32_t half = (uint32_t)round_up(p->length / 2, DFS_BLOCK);
    struct part *rest = part_new(ss, p->task, p->offset + half, p->length - half, p->link.next);
    p->length = half;
    ss->n_fetched++;
    p->task->busy++;
    part_ask(ss, rest, fx);
    part_ask(ss, p, fx);
}

/* The part's bytes with the CRCs of their blocks, taken out of an answer that has been checked; crcs is NULL: no memory. */
static void take_whole(const struct part *p, const struct msg_chunk_read_reply *m, const struct payload *from,
                       struct payload *payload, uint8_t **crcs)
{
    uint32_t n = blocks_touched(p->offset, p->length);
    *payload = (struct payload){0};
    *crcs = malloc(4ULL * n + 1);
    if (!*crcs)
        return;
    if (m->n_pieces == 1 && m->pieces[0].offset == p->offset && m->pieces[0].length == p->length) {
        *payload = payload_ref(from);
        memcpy(*crcs, m->crcs.p, 4ULL * n);
        return;
    }
    struct buf *b = buf_new(p->length);
    if (!b) {
        free(*crcs);
        *crcs = NULL;
        return;
    }
    (void)pieces_overlay(m, from, p->offset, p->length, b->data);
    for (uint32_t i = 0; i < n; i++)
        put_u32(*crcs + 4ULL * i, crc32c(0, b->data + i * DFS_BLOCK, min_u64(p->length - i * DFS_BLOCK, DFS_BLOCK)));
    *payload = payload_of(slice_take(b, 0, p->length));
}

uint32_t crc_of_zeros(uint32_t length)
{
    static const uint8_t zeros[DFS_BLOCK];
    uint32_t crc = 0;
    for (uint32_t at = 0; at < length; at += DFS_BLOCK)
        crc = crc32c(crc, zeros, min_u64(length - at, DFS_BLOCK));
    return crc;
}

static void writers_take(struct ss_task *t, const struct msg_chunk_read_reply *m)
{
    free(t->writers);
    t->writers = xcalloc(m->n_writers + 1, sizeof *t->writers);
    t->n_writers = m->n_writers;
    t->forgot = order_of(m->forgot, m->forgot_at ? m->forgot_at : UINT32_MAX);
    if (m->n_writers)
        memcpy(t->writers, m->writers, m->n_writers * sizeof *t->writers);
}

/* A good answer. */
static void part_take(struct ss *ss, struct part *p, const struct msg_chunk_read_reply *m, const struct payload *from,
                      struct effects *fx)
{
    struct payload payload;
    uint8_t *crcs;
    if (!p->task->own)
        writers_take(p->task, m);
    if (m->n_pieces == 0 && (p->task->own || !is_last(p))) { /* a hole; the end is always written, to be known */
        p->crc = crc_of_zeros(p->length);
        part_done(ss, p, fx);
        return;
    }
    take_whole(p, m, from, &payload, &crcs);
    if (!crcs) {
        part_release(ss, p);
        fetch_fail(ss, p->task, DFS_ENOMEM);
        return;
    }
    p->crc = payload_crc(&payload, 0, p->length);
    if (!p->task->own) {
        part_write(ss, p, m, &payload, crcs);
        return;
    }
    payload_drop(&payload);
    free(crcs);
    part_done(ss, p, fx);
}

static bool try_next_source(struct ss_task *t, int err, uint32_t asked)
{
    if (t->own)
        return false;
    if (err == DFS_ECORRUPT)
        t->suspect = t->sources[asked].server;
    if (asked == t->source) /* else another part has moved on from it already */
        t->source++;
    return t->source < t->n_sources;
}

static void part_failed(struct ss *ss, struct part *p, int err, uint32_t asked, struct effects *fx)
{
    struct ss_task *t = p->task;
    if (err == DFS_ETOOBIG && p->length > DFS_BLOCK && !t->error) {
        part_split(ss, p, fx);
    } else if (!t->error && try_next_source(t, err, asked)) {
        part_ask(ss, p, fx);
    } else {
        part_release(ss, p);
        if (t->own)
            own_failed(ss, t, err, fx);
        else
            fetch_fail(ss, t, err);
    }
}

static int answer_check(const struct ss *ss, const struct ss_task *t, const struct msg_chunk_read_reply *m,
                        const struct payload *payload)
{
    if (ss->cfg.trust_copies && !t->own)
        return 0;
    return m->length != t->length && t->kind != TASK_FENCE ? DFS_ECORRUPT : pieces_check(m, payload);
}

static void part_answered(struct ss *ss, struct part *p, int status, const struct msg_chunk_read_reply *m,
                          const struct payload *payload, uint32_t asked, struct effects *fx)
{
    static const struct payload nothing;
    payload = payload ? payload : &nothing;
    if (!status)
        status = answer_check(ss, p->task, m, payload);
    if (status || p->task->error)
        part_failed(ss, p, status, asked, fx);
    else
        part_take(ss, p, m, payload, fx);
}

void part_answer(struct ss *ss, struct part *p, int status, const struct msg_chunk_read_reply *m,
                 const struct payload *payload, struct effects *fx)
{
    part_answered(ss, p, status, m, payload, 0, fx);
}

void fetch_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    uint32_t slot = token_b(ev->token);
    struct part *p = slot < ss->parts.n ? ss->parts.v[slot] : NULL;
    int status = ev->status;
    if (!p || p->state != PART_ASKED)
        return;
    if (!status && ev->msg->type != MSG_TYPE_chunk_read_reply)
        status = DFS_EPROTO;
    if (!status && ev->msg->chunk_read_reply.busy)
        ss->source_busy = ev->now.mono;
    part_answered(ss, p, status, status ? NULL : &ev->msg->chunk_read_reply, ev->payload, token_a(ev->token), fx);
}

/* To what is fetched at a time while others are busy; the rest is wanted next. */
static void part_trim(struct ss *ss, struct part *p)
{
    if (p->length <= FETCH_PART_BUSY)
        return;
    struct part *rest = part_new(ss, p->task, p->offset + FETCH_PART_BUSY, p->length - FETCH_PART_BUSY, p->link.next);
    list_push(p->wanted.next, &rest->wanted);
    p->length = FETCH_PART_BUSY;
}

void fetch_pump(struct ss *ss, struct now now, struct effects *fx)
{
    while (!list_empty(&ss->parts_wanted)) {
        struct part *p = CONTAINER_OF(list_first(&ss->parts_wanted), struct part, wanted);
        bool awaited = p->task->kind == TASK_FENCE; /* by a writer */
        if (!(awaited ? window_open(ss, FETCH_BYTES) : fetch_room(ss, now.mono)))
            return;
        if (!awaited && is_busy(ss, now.mono)) {
            part_trim(ss, p);
            ss->fetch_budget -= (int64_t)max_u64(p->length, FETCH_LEAST);
        }
        list_remove(&p->wanted);
        p->task->busy++;
        ss->n_fetched++;
        ss->fetch_bytes += p->length;
        part_ask(ss, p, fx);
    }
}

void fetch_start(struct ss *ss, struct ss_task *t, struct now now)
{
    struct store *st = NULL;
    int err = t->own ? 0 : store_pick(ss, now.mono, &st);
    if (!err && !t->own && t->n_sources == 0)
        err = DFS_EINVAL;
    if (!err && (t->length == 0 || t->length > CHUNK_LIMIT))
        err = DFS_EINVAL;
    if (err) {
        ss_task_end(ss, t, err);
        return;
    }
    t->copy = ss->next_copy;
    ss->next_copy += !t->own;
    t->disk = st ? st->number : 0;
    t->source = t->sequence = t->undone = t->busy = 0;
    struct list *before = t->kind == TASK_FENCE ? ss->parts_wanted.next : &ss->parts_wanted;
    for (uint32_t at = 0; at < t->length; at += FETCH_PART) {
        struct part *p = part_new(ss, t, at, (uint32_t)min_u64(t->length - at, FETCH_PART), &t->parts);
        list_push(before, &p->wanted);
    }
}
