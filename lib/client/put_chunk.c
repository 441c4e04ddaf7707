/* SPDX-License-Identifier: MIT */
/* One chunk of a put: frames to the head of its chain.
 *
 * A chunk that loses a server is abandoned, its server avoided for a while, and the chunk written again under another
 * grant (B15): what was written under the first is collected by itself. A frame that the head was too busy for is sent
 * again under the same number. */
#include <stdio.h>
#include <stdlib.h>

#include "client/put.h"

static void chunk_run(struct task *t, struct effects *fx);
static void frame_run(struct task *t, struct effects *fx);
static void frame_reply(struct task *t, const struct event *ev, struct effects *fx);

struct put_chunk *put_chunk_new(struct put *p, uint32_t index)
{
    struct put_chunk *k = xcalloc(1, sizeof *k);
    k->put = p;
    k->index = index;
    task_init(&k->wait, p->op->c, p->op, chunk_run, NULL);
    put_back_init(k);
    list_init(&k->frames);
    return k;
}

static void frame_free(struct put_frame *f)
{
    f->chunk->put->in_flight -= f->data.len;
    task_stop(&f->t);
    list_remove(&f->link);
    slice_drop(&f->data);
    free(f);
}

static void frames_drop(struct put_chunk *k)
{
    LIST_FOR_EACH (e, &k->frames)
        frame_free(CONTAINER_OF(e, struct put_frame, link));
}

void put_chunk_free(struct put_chunk *k)
{
    frames_drop(k);
    task_stop(&k->wait);
    task_stop(&k->back.t);
    free(k->back.from);
    free(k->grant);
    free(k);
}

void put_chunk_again(struct put_chunk *k)
{
    frames_drop(k);
    task_stop(&k->wait);
    task_stop(&k->back.t);
    k->back.busy = false;
    k->put->acked -= k->acked;
    k->read = k->acked = k->crc = 0;
    k->full = false;
    free(k->grant);
    k->grant = NULL;
    k->waiting = true;
    task_sleep(&k->wait);
}

uint32_t put_server_named(const struct grant *g, const struct event *ev)
{
    char text[WIRE_TEXT_MAX + 1];
    if (!ev || !ev->msg || ev->msg->type != MSG_TYPE_error)
        return 0;
    snprintf(text, sizeof text, "%.*s", STR_ARG(ev->msg->error.text));
    const char *at = strstr(text, "server=");
    unsigned long id = at ? strtoul(at + strlen("server="), NULL, 10) : 0;
    for (uint32_t i = 0; i < g->n; i++)
        if (g->r[i].server == id)
            return (uint32_t)id;
    return 0;
}

/* The server that failed: the text of a chain's error names it, otherwise it is the one we called. */
static uint32_t failed_server(const struct put_chunk *k, const struct event *ev)
{
    uint32_t named = put_server_named(k->grant, ev);
    return named ? named : k->grant->r[0].server;
}

static void chunk_failed(struct put_chunk *k, const struct event *ev)
{
    struct op *op = k->put->op;
    uint32_t server = failed_server(k, ev);
    suspect_add(op->c, server);
    if (op_overdue_with(op, ev->status)) {
        struct str text = error_text(ev->status, ev);
        if (ev->status == DFS_ENOSPC)
            op_end(op, ev->status,
                   "no space left on StorageServer %u, and none with more (\"dfs df\" shows what there is)", server);
        else
            op_end(op, ev->status, "chunk %u cannot be written to StorageServer %s: %.*s", k->index,
                   k->grant->r[0].addr, STR_ARG(text));
        return;
    }
    put_chunk_again(k);
}

static void frame_run(struct task *t, struct effects *fx)
{
    struct put_frame *f = CONTAINER_OF(t, struct put_frame, t);
    const struct grant *g = f->chunk->grant;
    struct wire_replica chain[MAX_REPLICAS];
    struct msg m;
    if (t->op->ended)
        return;
    memset(&m, 0, sizeof m);
    m.type = MSG_TYPE_chunk_write;
    m.chunk_write = (struct msg_chunk_write){
        .grant = g->token,
        .chunk = g->chunk,
        .version = g->version,
        .session = g->session,
        .number = f->number,
        .file = f->chunk->put->file,
        .size = f->chunk->put->size,
        .index = f->chunk->index,
        .offset = f->offset,
        .length = f->data.len,
        .crcs = {(const char *)f->crcs, f->n_crcs * 4},
        .chain = chain,
        .n_chain = g->n - 1,
    };
    for (uint32_t i = 1; i < g->n; i++)
        chain[i - 1] = (struct wire_replica){.server = g->r[i].server, .addr = str_of(g->r[i].addr)};
    struct payload payload = payload_of(slice_ref(f->data));
    /* the chain's own deadlines end first, and say which server it was */
    task_send(t, g->r[0].addr, &m, &payload, 2 * t->c->cfg.call_timeout, fx);
}

static void frame_reply(struct task *t, const struct event *ev, struct effects *fx)
{
    struct put_frame *f = CONTAINER_OF(t, struct put_frame, t);
    struct put_chunk *k = f->chunk;
    struct put *p = k->put;
    struct op *op = p->op;
    if (op->ended)
        return;
    switch (ev->status) {
    case 0:
        k->acked += f->data.len;
        p->acked += f->data.len;
        if (p->acked > p->best) { /* writing the same again is no progress */
            p->best = p->acked;
            op->progress = op->c->now.mono;
            k->wait.attempts = 0;
        }
        frame_free(f);
        if (op->req.source.progress)
            op->req.source.progress(op->req.source.arg, p->acked);
        put_pump(p, fx);
        return;
    case DFS_EAGAIN:
    case DFS_EBUSY:
        if (!op_overdue(op)) {
            task_sleep(t);
            return;
        }
        /* fall through */
    default:
        chunk_failed(k, ev);
    }
}

/* There may be a grant now, or the pause before writing the chunk anew is over. */
static void chunk_run(struct task *t, struct effects *fx)
{
    struct put_chunk *k = CONTAINER_OF(t, struct put_chunk, wait);
    struct put *p = k->put;
    k->waiting = false;
    if (t->op->ended)
        return;
    if (!list_empty(&k->frames)) {
        k->grant = grant_acquire(t->c, t->op->req.put.goal, t, fx);
        if (!k->grant) {
            k->waiting = !t->op->ended;
            return;
        }
        p->chunk_size = k->grant->chunk_size;
        LIST_FOR_EACH (e, &k->frames)
            frame_run(&CONTAINER_OF(e, struct put_frame, link)->t, fx);
    }
    put_pump(p, fx);
}

void put_chunk_add(struct put_chunk *k, struct slice data, struct effects *fx)
{
    struct op *op = k->put->op;
    uint32_t n = blocks_count(k->read, data.len);
    struct put_frame *f = xcalloc(1, sizeof *f + n * sizeof f->crcs[0]);
    task_init(&f->t, op->c, op, frame_run, frame_reply);
    f->chunk = k;
    f->number = op->c->next_write++;
    f->offset = k->read;
    f->data = data;
    f->n_crcs = n;
    blocks_crc(slice_data(data), data.len, f->crcs);
    k->crc = blocks_append(op->c, k->crc, f->crcs, data.len);
    k->read += data.len;
    k->longest = (uint32_t)max_u64(k->longest, k->read);
    k->put->in_flight += data.len;
    list_push(&k->frames, &f->link);
    if (k->grant)
        frame_run(&f->t, fx);
}
