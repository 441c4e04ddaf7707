/* SPDX-License-Identifier: MIT */
/* Deletion orders. An order is obeyed only once its epoch is durable in the folders, so that a server that
 * restarts still refuses a deposed NameServer's (CONSISTENCY B16); a chunk is forgotten only once its tombstone is. */
#include <stdlib.h>

#include "store/impl.h"

void orders_take(struct ss *ss, uint64_t epoch, const struct wire_chunk_id *v, uint32_t n, struct effects *fx)
{
    if (!epoch_seen(ss, epoch)) {
        if (n)
            fx_log(fx, LOG_WARN, "store.order_refused", "epoch=%" PRIu64 " seen=%" PRIu64 " chunks=%u", epoch,
                   ss->identity.epoch, n);
        return;
    }
    for (uint32_t i = 0; i < n && ss->n_orders < ORDERS_MAX; i++) { /* what is left out is ordered again */
        if (ss->n_orders == ss->cap_orders) {
            ss->cap_orders = ss->cap_orders ? ss->cap_orders * 2 : 64;
            ss->orders = xrealloc(ss->orders, ss->cap_orders, sizeof *ss->orders);
        }
        ss->orders[ss->n_orders++] = (struct order){v[i].chunk, v[i].version};
    }
}

void chunk_delete(struct ss *ss, struct chunk *c)
{
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

static void order_carry_out(struct ss *ss, const struct order *o)
{
    struct chunk *c = index_find(&ss->index, o->chunk);
    struct open_chunk *open = open_find(ss, o->chunk);
    if (!c || c->version > o->version || c->flags & CHUNK_DELETING || ss->stores[c->disk].failed ||
        (open && open->inflight))
        return;
    chunk_delete(ss, c);
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
    struct ss_task *j = ss_task_find(ss, w->record.chunk);
    ss->deletes--;
    if (c && err)
        c->flags &= (uint8_t)~CHUNK_DELETING;
    if (c && !err)
        chunk_bury(ss, c, c->id, w->record.copy, w->segment->slot, NULL, 0);
    if (open && !err)
        open_forget(ss, open);
    if (j)
        ss_task_cleared(ss, j, err);
}
