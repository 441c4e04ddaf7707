/* SPDX-License-Identifier: MIT */
/* A chunk that has to be written again when its source is long past it, as a pipe is: it is read back, frame by frame, from
 * a server that still has it, and has to be what was read from the source then. */
#include <stdlib.h>

#include "client/put.h"
#include "wire/pieces.h"

/* The next of those that had it, if there is one that has not just failed. */
static const struct grant_replica *next_holder(struct put_chunk *k)
{
    const struct grant *g = k->back.from;
    for (uint32_t i = 0; i < g->n && suspect_is(k->put->op->c, g->r[k->back.at].server); i++)
        k->back.at = (k->back.at + 1) % g->n;
    return &g->r[k->back.at];
}

static uint32_t frame_length(const struct put_chunk *k)
{
    return (uint32_t)min_u64(PUT_FRAME - k->read % PUT_FRAME, k->back.length - k->read);
}

static void back_run(struct task *t, struct effects *fx)
{
    struct put_chunk *k = CONTAINER_OF(t, struct put_chunk, back.t);
    const struct grant *g = k->back.from;
    struct msg m = {.type = MSG_TYPE_chunk_read};
    if (t->op->ended)
        return;
    m.chunk_read = (struct msg_chunk_read){.grant = g->token,
                                           .chunk = g->chunk,
                                           .version = g->version,
                                           .offset = k->read,
                                           .length = frame_length(k)};
    task_send(t, next_holder(k)->addr, &m, NULL, t->c->cfg.call_timeout, fx);
}

/* What an answer brought, checked; NULL and *err: it is no good. */
static struct buf *frame_of(const struct put_chunk *k, const struct event *ev, int *err)
{
    static const struct payload none;
    const struct payload *p = ev->payload ? ev->payload : &none;
    uint32_t n = frame_length(k);
    *err = ev->status;
    if (!*err && ev->msg->type != MSG_TYPE_chunk_read_reply)
        *err = DFS_EPROTO;
    if (!*err)
        *err = pieces_check(&ev->msg->chunk_read_reply, p);
    struct buf *b = *err ? NULL : buf_new(n);
    if (!*err && !b)
        *err = DFS_ENOMEM;
    if (b && !pieces_overlay(&ev->msg->chunk_read_reply, p, k->read, n, b->data)) {
        buf_unref(b);
        b = NULL;
        *err = DFS_ECORRUPT; /* it has lost a part */
    }
    return b;
}

static void back_failed(struct put_chunk *k, const struct event *ev, int err)
{
    const struct grant *g = k->back.from;
    struct op *op = k->put->op;
    if (op_overdue(op)) {
        struct str text = error_text(err, err == ev->status ? ev : NULL);
        op_end(op, err, "chunk %u was on a server that was lost, and cannot be read back from %s: %.*s", k->index,
               g->r[k->back.at].addr, STR_ARG(text));
        return;
    }
    suspect_add(op->c, g->r[k->back.at].server);
    task_sleep(&k->back.t);
}

static void back_reply(struct task *t, const struct event *ev, struct effects *fx)
{
    struct put_chunk *k = CONTAINER_OF(t, struct put_chunk, back.t);
    int err;
    if (t->op->ended)
        return;
    struct buf *b = frame_of(k, ev, &err);
    if (!b) {
        back_failed(k, ev, err);
        return;
    }
    t->attempts = 0;
    k->back.busy = false;
    put_chunk_add(k, slice_take(b, 0, frame_length(k)), fx);
    k->full = k->read == k->back.length;
    if (k->full && k->crc != k->back.crc) {
        op_end(t->op, DFS_ECORRUPT, "chunk %u was on a server that was lost, and what others have of it is damaged",
               k->index);
        return;
    }
    if (k->grant)
        put_pump(k->put, fx);
    else
        k->wait.run(&k->wait, fx); /* takes a grant, now or later, and pumps on */
}

void put_back_init(struct put_chunk *k) { task_init(&k->back.t, k->put->op->c, k->put->op, back_run, back_reply); }

void put_back_from_here(struct put_chunk *k)
{
    free(k->back.from);
    k->back.from = k->grant;
    k->back.length = k->read;
    k->back.crc = k->crc;
    k->back.at = 0;
    k->grant = NULL;
}

void put_back_read(struct put_chunk *k, struct effects *fx)
{
    k->back.busy = true;
    back_run(&k->back.t, fx);
}
