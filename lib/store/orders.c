/* SPDX-License-Identifier: MIT */
/* Deletion orders and reports. An order is obeyed only once its epoch is durable in the folders, so that a server that
 * restarts still refuses a deposed NameServer's (CONSISTENCY B16); a chunk is forgotten only once its tombstone is. */
#include <stdlib.h>

#include "store/impl.h"

void orders_take(struct ss *ss, uint64_t epoch, const struct wire_chunk_id *v, uint32_t n, struct effects *fx)
{
    if (epoch < ss->identity.epoch) {
        if (n)
            fx_log(fx, LOG_WARN, "store.order_refused", "epoch=%" PRIu64 " seen=%" PRIu64 " chunks=%u", epoch,
                   ss->identity.epoch, n);
        return;
    }
    if (epoch > ss->identity.epoch) {
        ss->identity.epoch = epoch;
        ss->identity_dirty = true;
    }
    for (uint32_t i = 0; i < n && ss->n_orders < ORDERS_MAX; i++) { /* what is left out is ordered again */
        if (ss->n_orders == ss->cap_orders) {
            ss->cap_orders = ss->cap_orders ? ss->cap_orders * 2 : 64;
            ss->orders = xrealloc(ss->orders, ss->cap_orders, sizeof *ss->orders);
        }
        ss->orders[ss->n_orders++] = (struct order){v[i].chunk, v[i].version};
    }
}

static void order_carry_out(struct ss *ss, const struct order *o)
{
    struct chunk *c = index_find(&ss->index, o->chunk);
    struct open_chunk *open = open_find(ss, o->chunk);
    if (!c || c->version > o->version || c->flags & CHUNK_DELETING || ss->stores[c->disk].failed ||
        (open && open->inflight))
        return;
    struct write *w = write_new(ss, c->disk, CLASS_SMALL);
    w->record = (struct record){.kind = RECORD_DELETE,
                                .chunk = c->id,
                                .copy = c->copy,
                                .version = c->version,
                                .sequence = c->sequence,
                                .epoch = ss->identity.epoch};
    w->down_done = true;
    c->flags |= CHUNK_DELETING;
    ss->deletes++;
    append_queue(ss, w);
}

void orders_turn(struct ss *ss, struct effects *fx)
{
    (void)fx;
    if (ss->saved_epoch < ss->identity.epoch)
        return;
    while (ss->n_orders && ss->deletes < DELETES_INFLIGHT)
        order_carry_out(ss, &ss->orders[--ss->n_orders]);
}

void orders_done(struct ss *ss, struct write *w, int err)
{
    struct chunk *c = index_find(&ss->index, w->record.chunk);
    struct open_chunk *open = open_find(ss, w->record.chunk);
    ss->deletes--;
    if (c && err)
        c->flags &= (uint8_t)~CHUNK_DELETING;
    if (c && !err)
        chunk_bury(ss, c, c->id, w->record.copy, w->segment->slot, NULL, 0);
    if (open && !err)
        open_forget(ss, open);
}

/* --- reports --- */

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report_start(struct ss *ss)
{
    struct chunk *c;
    uint32_t at = 0;
    ss->report = malloc(((size_t)ss->index.n + 1) * sizeof *ss->report);
    ss->n_report = ss->report_at = 0;
    while (ss->report && (c = index_next(&ss->index, &at)))
        if (!ss->stores[c->disk].failed && !(c->flags & CHUNK_DELETING))
            ss->report[ss->n_report++] = c->id;
    if (ss->report)
        qsort(ss->report, ss->n_report, sizeof *ss->report, by_id);
}

void report_turn(struct ss *ss, struct now now, struct effects *fx)
{
    if (ss->nm_state != NM_REGISTERED || ss->report_calling || now.mono < ss->report_next)
        return;
    if (!ss->report)
        report_start(ss);
    struct msg m = {.type = MSG_TYPE_report};
    uint32_t left = ss->n_report - ss->report_at, n = left < REPORT_PAGE ? left : REPORT_PAGE;
    m.report.server = ss->identity.server;
    m.report.incarnation = ss->cfg.incarnation;
    m.report.chunks = xcalloc(n + 1, sizeof *m.report.chunks);
    for (uint32_t i = 0; i < n; i++) {
        const struct chunk *c = index_find(&ss->index, ss->report[ss->report_at + i]);
        if (c)
            m.report.chunks[m.report.n_chunks++] = (struct wire_chunk_id){.chunk = c->id, .version = c->version};
    }
    m.report.eof = n == left;
    ss->report_sent = n;
    ss->report_calling = true;
    fx_call(fx, register_address(ss), &m, NULL, token_make(TOKEN_REPORT, 0, 0), 10 * NS_PER_SEC);
    free(m.report.chunks);
}

void report_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    ss->report_calling = false;
    if (ev->status || ev->msg->type != MSG_TYPE_report_reply) {
        ss->report_next = ev->now.mono + NS_PER_SEC; /* the same page again */
        return;
    }
    const struct msg_report_reply *m = &ev->msg->report_reply;
    orders_take(ss, m->epoch, m->remove, m->n_remove, fx);
    ss->report_at += ss->report_sent;
    if (ss->report_at < ss->n_report)
        return;
    free(ss->report);
    ss->report = NULL;
    ss->report_next = ev->now.mono + ss->cfg.report_period;
}
