/* SPDX-License-Identifier: MIT */
/* Group commit. Writes gather in a lane's queue while its batch is under way; when that is flushed, the next batch is
 * everything gathered: one vectored write and one flush. One batch at a time per lane, so that a batch starts only
 * after the one before is durable: recovery relies on it (scan.h). */
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

static struct record_layout layout_of(const struct write *w, uint64_t position)
{
    return record_layout(w->class, position, w->record.offset, w->record.length);
}

static void lane_seal(struct ss *ss, struct lane *l)
{
    struct segment *s = l->active;
    s->state = SEG_SEALED;
    l->active = NULL;
    segment_check(ss, s);
}

/* An active segment with room for the first of the queue, or NULL: one is on its way, or there is no space. */
static struct segment *lane_segment(struct ss *ss, struct store *st, struct lane *l, enum segment_class class,
                                    struct now now, struct effects *fx)
{
    struct write *first = CONTAINER_OF(list_first(&l->queue), struct write, link);
    if (l->active && layout_of(first, l->active->end).end > l->active->header.size)
        lane_seal(ss, l);
    if (!l->active && l->next && l->next->state == SEG_READY) {
        l->active = l->next;
        l->active->state = SEG_ACTIVE;
        l->next = NULL;
    }
    bool low = !l->active || l->active->end > l->active->header.size / 4 * 3;
    if (low && !l->next && st->full_until <= now.mono)
        segment_create(ss, st, class, fx);
    return l->active;
}

/* How many of the queue fit into this batch, and the bytes of their headers, checksums and padding. */
static uint32_t batch_measure(const struct lane *l, const struct segment *s, uint32_t *meta)
{
    uint64_t at = s->end, payload = 0;
    uint32_t n = 0;
    *meta = 0;
    for (struct list *e = l->queue.next; e != &l->queue && n < BATCH_RECORDS && payload < BATCH_BYTES; e = e->next) {
        const struct write *w = CONTAINER_OF(e, struct write, link);
        struct record_layout lay = layout_of(w, at);
        if (lay.end > s->header.size)
            break;
        *meta += (uint32_t)(lay.end - at) - w->record.length;
        payload += w->record.length;
        at = lay.end;
        n++;
    }
    return n;
}

/* Writes header, CRCs and padding of one record at p; returns the bytes in front of its payload. */
static uint32_t record_fill(struct segment *s, struct write *w, uint32_t batch, uint8_t *p)
{
    struct record *r = &w->record;
    struct record_layout lay = layout_of(w, s->end);
    r->position = s->end;
    r->batch = batch;
    r->prev = s->last;
    r->prev_chunk = s->last_chunk;
    r->crcs_crc = crc32c(0, w->crcs, 4ULL * lay.n_crcs);
    record_put(p, r, s->header.id, s->header.generation, s->seed);
    if (lay.n_crcs)
        memcpy(p + RECORD_HEADER, w->crcs, 4ULL * lay.n_crcs);
    uint32_t used = RECORD_HEADER + 4 * lay.n_crcs, front = (uint32_t)lay.payload - s->end;
    memset(p + used, 0, front - used);
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

static void batch_submit(struct ss *ss, struct store *st, struct lane *l, struct segment *s, uint32_t n, uint32_t meta,
                         struct effects *fx)
{
    struct buf *buf = buf_new(meta);
    if (!buf)
        return; /* the next turn tries again */
    char name[DISK_NAME_MAX + 1];
    segment_name(name, sizeof name, s->header.id);
    struct disk_op *op =
        ss_disk_op(st, DISK_WRITE, name, n * 3 + 1, token_make(TOKEN_BATCH, st->number, s->header.class));
    uint32_t at = 0, from = 0, n_data = 0, batch = s->end;
    op->offset = s->end;
    op->flush = !ss->cfg.relaxed;
    for (uint32_t i = 0; i < n; i++) {
        struct write *w = CONTAINER_OF(list_first(&l->queue), struct write, link);
        list_remove(&w->link);
        list_push(&l->flight, &w->link);
        w->segment = s;
        s->pins++;
        uint64_t start = s->end;
        uint32_t front = record_fill(s, w, batch, buf->data + at);
        slice_push(op, &n_data, slice_take(buf_ref(buf), from, at + front - from));
        slice_push(op, &n_data, slice_ref(w->payload.part[0]));
        slice_push(op, &n_data, slice_ref(w->payload.part[1]));
        at += front;
        from = at;
        uint32_t pad = (uint32_t)(s->end - start) - front - w->record.length;
        memset(buf->data + at, 0, pad);
        at += pad;
    }
    slice_push(op, &n_data, slice_take(buf, from, at - from));
    op->n_data = n_data;
    l->busy = true;
    fx_disk(fx, op);
}

void append_turn(struct ss *ss, struct store *st, struct now now, struct effects *fx)
{
    for (int class = 0; class < SEGMENT_CLASSES && !st->failed; class ++) {
        struct lane *l = &st->lanes[class];
        if (l->busy || list_empty(&l->queue))
            continue;
        struct segment *s = lane_segment(ss, st, l, class, now, fx);
        if (s) {
            uint32_t meta, n = batch_measure(l, s, &meta);
            batch_submit(ss, st, l, s, n, meta, fx);
        } else if (!l->next) {
            queue_refuse(ss, l, DFS_ENOSPC, fx);
        }
    }
}

void append_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    struct store *st = &ss->stores[token_a(ev->token)];
    struct lane *l = &st->lanes[token_b(ev->token)];
    int err = ev->status;
    l->busy = false;
    /* Whatever failed, nothing else of this disk is believed: a flush that fails may take other writes with it. */
    if (err == DFS_ENOSPC && !st->failed)
        lane_seal(ss, l);
    else if (err)
        store_fail(ss, st, err, "writing a batch", fx);
    if (!err && st->failed)
        err = DFS_EIO;
    struct list done;
    list_init(&done);
    while (!list_empty(&l->flight)) {
        struct list *e = list_first(&l->flight);
        list_remove(e);
        list_push(&done, e);
    }
    while (!list_empty(&done)) {
        struct write *w = CONTAINER_OF(list_first(&done), struct write, link);
        list_remove(&w->link);
        chain_local(ss, w, err == DFS_ENOSPC ? err : err ? DFS_EIO : 0, fx);
    }
}
