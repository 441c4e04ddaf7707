/* SPDX-License-Identifier: MIT */
/* Group commit. Writes gather in a lane's queue while its flush is under way; when that is done, the next batch is
 * everything gathered: one vectored write and one flush. Where much gathers, it is written ahead in pieces, beside each
 * other and beside the flush under way, and the next flush covers those that were written: receiving, copying and the
 * disk work at the same time. One flush at a time per lane; each record says up to where the segment was durable when it
 * was written: recovery relies on it (scan.h).
 *
 *   queue --write ahead--> early --flush--> flight --done--> chain_local
 *   queue ----------write and flush-------> flight
 *
 * An error fails all that is under way in the lane, and nothing more is submitted before all of it came back. */
#include <stdlib.h>

#include "base/crc.h"
#include "store/impl.h"

void append_queue(struct ss *ss, struct write *w) { list_push(&ss->stores[w->disk].lanes[w->class].queue, &w->link); }

void queue_refuse(struct ss *ss, struct lane *l, int err, struct effects *fx)
{
    while (!list_empty(&l->queue)) {
        struct write *w = CONTAINER_OF(list_first(&l->queue), struct write, link);
        list_remove(&w->link);
        chain_local(ss, w, err, fx);
    }
}

/* Nothing more is appended. A segment that ends as it should gets its summary, which also says that all before it is
 * durable: only then may payloads be punched, since a hole behind what is proven would look like a torn tail. */
static void lane_seal(struct ss *ss, struct lane *l, bool good, struct effects *fx)
{
    struct segment *s = l->active;
    uint32_t len = 0, position = 0;
    struct buf *buf = good ? segment_summary(s, s->header.size, &position, &len) : NULL;
    s->state = SEG_SEALED;
    l->active = NULL;
    ss->clean_look = true;
    segment_check(ss, s);
    if (!buf)
        return;
    char name[DISK_NAME_MAX + 1];
    segment_name(name, sizeof name, s->header.id);
    struct disk_op *op = ss_disk_op(&ss->stores[s->disk], DISK_WRITE, name, 1, token_make(TOKEN_SEGMENT, 0, s->slot));
    op->offset = position;
    op->flush = true;
    op->data[0] = slice_take(buf, 0, len);
    s->summary_at = position;
    s->summary_len = len;
    s->pins++; /* until it is written */
    fx_disk(fx, op);
}

static bool room_for(const struct segment *s, uint64_t end, uint32_t records)
{
    return round_up(end, RECORD_ALIGN) + summary_size(s->n_records + records) <= s->header.size;
}

static bool fits(const struct write *w, const struct segment *s)
{
    return room_for(s, layout_of(w->class, &w->record, s->end).end, 1);
}

/* An active segment with room for the first of the queue, or NULL: one is on its way, or there is no space. */
static struct segment *lane_segment(struct ss *ss, struct store *st, struct lane *l, enum segment_class class,
                                    struct now now, struct effects *fx)
{
    struct write *first = CONTAINER_OF(list_first(&l->queue), struct write, link);
    if (l->active && !fits(first, l->active))
        lane_seal(ss, l, true, fx);
    if (!l->active && l->next && l->next->state == SEG_READY) {
        l->active = l->next;
        l->active->state = SEG_ACTIVE;
        l->durable = l->active->end;
        l->next = NULL;
    }
    bool low = !l->active || l->active->end > l->active->header.size / 4 * 3;
    if (low && !l->next && st->full_until <= now.mono)
        segment_create(ss, st, class, fx);
    return l->active;
}

/* How many of the queue fit into this batch, and the bytes of their headers, checksums and padding. */
static uint32_t batch_measure(const struct lane *l, const struct segment *s, uint32_t limit, uint32_t *meta)
{
    uint64_t at = s->end, payload = 0;
    uint32_t n = 0;
    *meta = 0;
    for (struct list *e = l->queue.next; e != &l->queue && n < BATCH_RECORDS && payload < limit; e = e->next) {
        const struct write *w = CONTAINER_OF(e, struct write, link);
        struct record_layout lay = layout_of(w->class, &w->record, at);
        if (!room_for(s, lay.end, n + 1))
            break;
        *meta += (uint32_t)(lay.end - at) - record_payload(&w->record);
        payload += record_payload(&w->record);
        at = lay.end;
        n++;
    }
    return n;
}

/* Writes header, CRCs and padding of one record at p; returns the bytes in front of its payload. */
static uint32_t record_fill(struct segment *s, struct write *w, uint32_t durable, uint8_t *p)
{
    struct record *r = &w->record;
    struct record_layout lay = layout_of(w->class, r, s->end);
    r->position = s->end;
    r->durable = durable;
    r->prev = s->last;
    r->prev_chunk = s->last_chunk;
    r->crcs_crc = crc32c(0, w->crcs, 4ULL * lay.n_crcs);
    record_put(p, r, s->header.id, s->header.generation, s->seed);
    if (lay.n_crcs)
        memcpy(p + RECORD_HEADER, w->crcs, 4ULL * lay.n_crcs);
    uint32_t used = RECORD_HEADER + 4 * lay.n_crcs, front = (uint32_t)lay.payload - s->end;
    memset(p + used, 0, front - used);
    segment_note(s, r);
    s->last = r->position;
    s->last_chunk = r->chunk;
    s->end = (uint32_t)lay.end;
    return front;
}

static void slice_push(struct disk_op *op, uint32_t *n, struct slice s)
{
    if (s.len)
        op->data[(*n)++] = s;
    else
        slice_drop(&s);
}

static struct disk_op *lane_op(struct store *st, const struct segment *s, enum disk_kind kind, uint32_t n_data,
                               uint32_t ahead)
{
    char name[DISK_NAME_MAX + 1];
    segment_name(name, sizeof name, s->header.id);
    return ss_disk_op(st, kind, name, n_data, token_make(TOKEN_BATCH, st->number, s->header.class | ahead));
}

static void list_move(struct list *from, struct list *to)
{
    while (!list_empty(from)) {
        struct list *e = list_first(from);
        list_remove(e);
        list_push(to, e);
    }
}

/* What was written ahead, up to the first that is still being written, needs its flush only. */
static void flush_submit(struct store *st, struct lane *l, struct effects *fx)
{
    uint32_t done = 0;
    for (; done < l->n_ahead && l->ahead[done].written; done++) {
        for (uint32_t i = 0; i < l->ahead[done].n; i++) {
            struct list *e = list_first(&l->early);
            list_remove(e);
            list_push(&l->flight, e);
        }
        l->early_bytes -= l->ahead[done].bytes;
        l->covers = l->ahead[done].end;
    }
    l->n_ahead -= done;
    memmove(l->ahead, l->ahead + done, l->n_ahead * sizeof l->ahead[0]);
    l->flushing = true;
    fx_disk(fx, lane_op(st, l->active, DISK_FLUSH, 0, 0));
}

/* False: out of memory, the next turn tries again. */
static bool batch_submit(struct ss *ss, struct store *st, struct lane *l, struct segment *s, bool ahead,
                         struct effects *fx)
{
    uint32_t meta, n = batch_measure(l, s, ahead ? AHEAD_PIECE : BATCH_BYTES, &meta);
    struct buf *buf = buf_new(meta);
    if (!buf)
        return false;
    uint32_t which = ahead ? TOKEN_AHEAD | (uint32_t)++l->ahead_serial << TOKEN_AHEAD_SERIAL : 0;
    struct disk_op *op = lane_op(st, s, DISK_WRITE, n * 3 + 1, which);
    uint32_t at = 0, from = 0, n_data = 0;
    op->offset = s->end;
    op->flush = !ahead && !ss->cfg.relaxed;
    if (!ahead) {
        list_move(&l->early, &l->flight);
        l->n_ahead = l->early_bytes = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct write *w = CONTAINER_OF(list_first(&l->queue), struct write, link);
        list_remove(&w->link);
        list_push(ahead ? &l->early : &l->flight, &w->link);
        w->segment = s;
        s->pins++;
        s->unsettled++;
        s->payload += record_payload(&w->record);
        uint64_t start = s->end;
        uint32_t front = record_fill(s, w, l->durable, buf->data + at);
        slice_push(op, &n_data, slice_take(buf_ref(buf), from, at + front - from));
        slice_push(op, &n_data, slice_ref(w->payload.part[0]));
        slice_push(op, &n_data, slice_ref(w->payload.part[1]));
        at += front;
        from = at;
        uint32_t pad = (uint32_t)(s->end - start) - front - record_payload(&w->record);
        memset(buf->data + at, 0, pad);
        at += pad;
    }
    slice_push(op, &n_data, slice_take(buf, from, at - from));
    op->n_data = n_data;
    if (ahead) {
        uint32_t bytes = s->end - (uint32_t)op->offset;
        l->ahead[l->n_ahead++] = (struct ahead){.serial = l->ahead_serial, .n = n, .bytes = bytes, .end = s->end};
        l->early_bytes += bytes;
        l->writing++;
    } else {
        l->flushing = true;
        l->covers = s->end;
    }
    fx_disk(fx, op);
    return true;
}

/* Payload that waits, counted no further than needed to tell whether it is more than a piece. */
static uint64_t queue_bytes(const struct lane *l)
{
    uint64_t bytes = 0;
    for (struct list *e = l->queue.next; e != &l->queue && bytes <= AHEAD_PIECE; e = e->next)
        bytes += record_payload(&CONTAINER_OF(e, struct write, link)->record);
    return bytes;
}

static bool may_ahead(const struct lane *l)
{
    return l->writing < AHEAD_WRITES && l->n_ahead < AHEAD_MAX && l->early_bytes < EARLY_BYTES;
}

static void lane_turn(struct ss *ss, struct store *st, enum segment_class class, struct now now, struct effects *fx)
{
    struct lane *l = &st->lanes[class];
    while (!l->sick) {
        uint64_t waiting = ss->cfg.relaxed ? 0 : queue_bytes(l);
        struct write *first = list_empty(&l->queue) ? NULL : CONTAINER_OF(list_first(&l->queue), struct write, link);
        bool room = first && l->active && fits(first, l->active), big = waiting > AHEAD_PIECE;
        if (!l->flushing && l->n_ahead && l->ahead[0].written && (!room || l->writing || big))
            flush_submit(st, l, fx);
        bool idle = !l->flushing && l->n_ahead == 0; /* else no other segment may be begun */
        bool at_once = !l->flushing && !l->writing && !big;
        if (!first || (!room && !idle) || (!at_once && (waiting < AHEAD_MIN || !may_ahead(l))))
            return;
        struct segment *s = lane_segment(ss, st, l, class, now, fx);
        if (!s && !l->next)
            queue_refuse(ss, l, DFS_ENOSPC, fx);
        if (!s || !batch_submit(ss, st, l, s, !at_once, fx))
            return;
    }
}

static bool lane_waits(const struct lane *l) { return l->flushing || l->writing || (!l->active && l->next); }

/* Neither failed nor of use: whoever is given a new chunk there would wait with it. */
static void slow_turn(struct store *st, struct now now, struct effects *fx)
{
    bool slow = false;
    for (int class = 0; class < SEGMENT_CLASSES; class ++) {
        struct lane *l = &st->lanes[class];
        if (!lane_waits(l))
            l->since = now.mono;
        slow |= now.mono - l->since > SLOW_AFTER;
    }
    if (slow != st->slow)
        fx_log(fx, LOG_WARN, slow ? "store.disk_slow" : "store.disk_answers", "folder=%u", st->number);
    st->slow = slow;
}

void append_turn(struct ss *ss, struct store *st, struct now now, struct effects *fx)
{
    slow_turn(st, now, fx);
    for (int class = 0; class < SEGMENT_CLASSES && !st->failed; class ++)
        lane_turn(ss, st, (enum segment_class) class, now, fx);
}

static void writes_end(struct ss *ss, struct list *from, int err, struct effects *fx)
{
    struct list done;
    list_init(&done);
    list_move(from, &done);
    while (!list_empty(&done)) {
        struct write *w = CONTAINER_OF(list_first(&done), struct write, link);
        list_remove(&w->link);
        chain_local(ss, w, err == DFS_ENOSPC ? err : err ? DFS_EIO : 0, fx);
    }
}

void append_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    struct store *st = &ss->stores[token_a(ev->token)];
    struct lane *l = &st->lanes[token_b(ev->token) % TOKEN_AHEAD];
    int err = ev->status;
    bool ahead = token_b(ev->token) & TOKEN_AHEAD;
    l->since = ev->now.mono;
    if (ahead) {
        uint32_t i = 0;
        while (l->ahead[i].serial != token_b(ev->token) >> TOKEN_AHEAD_SERIAL)
            i++;
        l->ahead[i].written = true;
        l->writing--;
    } else {
        l->flushing = false;
        l->durable = l->covers;
    }
    /* Whatever failed, nothing else of this disk is believed: a flush that fails may take other writes with it. */
    if (err && err != DFS_ENOSPC)
        store_fail(ss, st, err, "writing a batch", fx);
    if (!err && st->failed)
        err = DFS_EIO;
    if (err && !l->sick)
        l->sick = err;
    if (l->sick) {
        if (l->writing || l->flushing)
            return;
        int sick = l->sick;
        l->sick = 0;
        if (l->active && !st->failed)
            lane_seal(ss, l, false, fx);
        writes_end(ss, &l->flight, sick, fx);
        writes_end(ss, &l->early, sick, fx);
        l->early_bytes = l->n_ahead = 0;
    } else if (!ahead) {
        writes_end(ss, &l->flight, 0, fx);
    }
}
