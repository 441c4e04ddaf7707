/* SPDX-License-Identifier: MIT */
/* A put: read the source, write chunks, publish.
 *
 * The happy path is: the source's first frame is read, a grant is at hand, frames go to the chain's head as long as the
 * window allows, the source ends, the last acknowledgement arrives, one publish makes the file appear. Possible failures
 * are: a chunk fails (put_chunk.c writes it again, the source is asked for those bytes again), the source fails (nothing
 * appears), the publish is refused because grants are too old or a server was lost (what is concerned is written again, from the
 * source or from another server that has it). A file without bytes is a publish without chunks. */
#include <stdlib.h>

#include "client/file.h"
#include "client/put.h"

static void put_publish(struct put *p, struct effects *fx);

/* The chunk to read for next: the lowest that is not full, or a new one. NULL: not now. */
static struct put_chunk *put_next(struct put *p)
{
    for (uint32_t i = p->first_open; i < p->n_chunks; i++)
        if (!p->chunks[i]->full)
            return p->chunks[i];
    if (p->eof || p->n_chunks - p->first_open >= PUT_CHUNKS_OPEN)
        return NULL;
    if (p->n_chunks == PUT_CHUNKS_MAX) {
        op_end(p->op, DFS_EFBIG, "the file has more than %u chunks", PUT_CHUNKS_MAX);
        return NULL;
    }
    if (p->n_chunks == p->cap_chunks) {
        p->cap_chunks = p->cap_chunks ? p->cap_chunks * 2 : 1;
        p->chunks = xrealloc(p->chunks, p->cap_chunks, sizeof p->chunks[0]);
    }
    struct put_chunk *k = put_chunk_new(p, p->n_chunks);
    p->chunks[p->n_chunks++] = k;
    return k;
}

/* The source has no more than what was read for k. */
static void put_source_ended(struct put *p, struct put_chunk *k)
{
    k->full = true;
    if (k->read < k->longest || k->index + 1 < p->n_chunks) {
        op_end(p->op, DFS_EIO, "the source became shorter while it was read");
        return;
    }
    p->eof = true;
    if (k->read == 0) {
        put_chunk_free(k);
        p->n_chunks--;
    }
}

/* Reads one frame for the chunk. False: there was none, and the chunk may be gone. */
static bool put_read(struct put *p, struct put_chunk *k, struct effects *fx)
{
    struct op *op = p->op;
    uint64_t base = k->index * p->chunk_size; /* index 0 before the size is known */
    /* Frames end where those of a reader do: each of its reads is one of a record then. */
    uint32_t want = k->index == 0 && k->read == 0 ? PUT_FIRST_FRAME : PUT_FRAME - k->read % PUT_FRAME;
    if (p->chunk_size)
        want = (uint32_t)min_u64(want, p->chunk_size - k->read);
    struct buf *b = buf_new(want);
    size_t got = 0;
    if (!b) {
        op_end(op, DFS_ENOMEM, "out of memory");
        return false;
    }
    int err = op->req.source.read(op->req.source.arg, base + k->read, b->data, want, &got);
    if (err == DFS_EAGAIN) {
        buf_unref(b);
        op->progress = op->c->now.mono; /* it is not the cluster that keeps us waiting */
        p->starved = true;
        task_sleep(&p->feed);
        return false;
    }
    p->feed.attempts = 0;
    if (err || got > want) {
        buf_unref(b);
        op_end(op, err ? err : DFS_EINVAL, "the source cannot be read: %s", dfs_strerror(err ? err : DFS_EINVAL));
        return false;
    }
    if (got < want) /* that was the end: the last frame tells, even where nobody knew before */
        p->size = base + k->read + got;
    if (got)
        put_chunk_add(k, slice_take(b, 0, (uint32_t)got), fx);
    else
        buf_unref(b);
    if (got < want)
        put_source_ended(p, k);
    else if (p->chunk_size && k->read == p->chunk_size)
        k->full = true;
    return got > 0;
}

void put_pump(struct put *p, struct effects *fx)
{
    struct op *op = p->op;
    while (!op->ended && !p->publishing) {
        while (p->first_open < p->n_chunks && put_chunk_done(p->chunks[p->first_open]))
            p->first_open++;
        struct put_chunk *k = put_next(p);
        if (op->ended)
            return;
        if (!k) {
            if (p->eof && p->first_open == p->n_chunks)
                put_publish(p, fx);
            return;
        }
        if (k->waiting || k->back.busy || p->starved || p->in_flight >= op->c->cfg.window)
            return;
        if (k->back.from) {
            put_back_read(k, fx);
            return;
        }
        if (put_read(p, k, fx) && !op->ended && !k->grant) {
            k->wait.run(&k->wait, fx); /* takes a grant, now or later, and pumps on */
            return;
        }
    }
}

static void build_publish(struct rpc *r, struct msg *m, struct arena *a)
{
    struct op *op = r->t.op;
    const struct put *p = op->put;
    const struct dfs_put_options *o = &op->req.put;
    struct wire_published *v = arena_alloc(a, p->n_chunks, sizeof *v);
    uint64_t size = 0;
    if (!v) {
        op_end(op, DFS_ENOMEM, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < p->n_chunks; i++) {
        const struct put_chunk *k = p->chunks[i];
        v[i] = (struct wire_published){k->index, k->read, k->crc, k->grant->token};
        size += k->read;
    }
    if (op->req.kind == OP_FILL) {
        file_fill_build(r, m, v, p->n_chunks, size);
        return;
    }
    if (op->req.kind == OP_MAKE) {
        make_build(r, m, v, p->n_chunks, size);
        return;
    }
    m->type = MSG_TYPE_publish;
    m->publish = (struct msg_publish){
        .id = rpc_id(r), .dir = op->req.at.dir, .path = str_of(op->req.path), .mode = o->mode ? o->mode : 0644,
        .uid = o->flags & DFS_OWNER ? o->uid : op->req.at.uid, .gid = o->flags & DFS_OWNER ? o->gid : op->req.at.gid,
        .goal = o->goal, .mtime_ns = o->mtime_ns, .size = size, .flags = o->flags & DFS_EXCL ? CREATE_EXCL : 0,
        .chunks = v, .n_chunks = p->n_chunks,
    };
}

/* What is written again, from the source or, where that is past it, from another server. */
static void chunk_again(struct put *p, struct put_chunk *k)
{
    if (p->n_chunks > PUT_CHUNKS_OPEN && !p->op->req.source.seekable)
        put_back_from_here(k);
    else if (k->index + 1 == p->n_chunks)
        p->eof = false;
    put_chunk_again(k);
}

/* Grants too old: all chunks are written again. Or a server lost since, which the refusal names: those that it had. */
static bool put_again(struct put *p, const struct event *ev, int status)
{
    uint32_t n = 0;
    if ((status != DFS_ESTALE && status != DFS_ENOSERVERS) || p->n_chunks == 0 || p->rewrites == PUT_REWRITES)
        return false;
    p->rewrites++;
    p->best = 0; /* rewriting much takes long: it is progress, as often as it is allowed */
    p->publishing = false;
    p->first_open = 0;
    for (uint32_t i = 0; i < p->n_chunks && status == DFS_ENOSERVERS; i++) {
        uint32_t server = put_server_named(p->chunks[i]->grant, ev);
        if (!server)
            continue;
        suspect_add(p->op->c, server);
        chunk_again(p, p->chunks[i]);
        n++;
    }
    for (uint32_t i = 0; i < p->n_chunks && n == 0; i++)
        chunk_again(p, p->chunks[i]);
    return true;
}

static void on_publish(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    if (op->ended)
        return;
    if (status == 0) {
        if (op->req.kind == OP_FILL) {
            file_changed(op, &ev->msg->fill_reply.attr);
        } else if (op->req.kind == OP_MAKE) {
            const struct msg_make_reply *m = &ev->msg->make_reply;
            file_opened(r, m->handle, &m->attr, m->dir_ns);
        } else {
            op->result.attr = attr_of(&ev->msg->publish_reply.attr);
            files_replaced(op->c, &ev->msg->publish_reply.attr); /* opened while this was on its way */
        }
        op->result.bytes = op->put->acked;
        op_end_ok(op);
        return;
    }
    bool much = op->put->n_chunks > PUT_CHUNKS_OPEN && op->c->now.mono - op->progress < PUT_PATIENCE;
    if (!(status == DFS_ENOSERVERS && much) && put_again(op->put, ev, status))
        return;
    if (status == DFS_ENOSERVERS && !op_overdue(op)) {
        /* a server may come back; the refusal is remembered under the old number, so this goes under a new one */
        task_sleep(&r->t);
        return;
    }
    op_fail_rpc(op, status, ev);
    (void)fx;
}

static void put_publish(struct put *p, struct effects *fx)
{
    p->publishing = true;
    p->op->progress = p->op->c->now.mono;
    if (p->op->req.kind != OP_MAKE) /* the content of a file nobody has open is replaced in place */
        p->op->rpc.behind = files_hold(p->op->c, fx);
    rpc_start(&p->op->rpc, fx);
}

void put_resume(struct op *op)
{
    if (op->put->starved)
        op->put->feed.wake = 0;
}

/* The source had nothing for us a while ago. */
static void feed_run(struct task *t, struct effects *fx)
{
    struct put *p = CONTAINER_OF(t, struct put, feed);
    p->starved = false;
    put_pump(p, fx);
}

void put_begin(struct op *op, struct effects *fx)
{
    op->put = xcalloc(1, sizeof *op->put);
    op->c->puts++;
    op->put->op = op;
    op->put->file = rng_next(&op->c->rng) | 1; /* 0 would mean none */
    op->put->size = op->req.source.size;
    task_init(&op->put->feed, op->c, op, feed_run, NULL);
    rpc_init(&op->rpc, op->c, op, build_publish, on_publish);
    op->rpc.mutation = op->rpc.needs_session = true;
    if (op->req.kind != OP_MAKE)
        files_hold(op->c, fx);
    put_pump(op->put, fx);
}

uint64_t put_lowest_chunk(const struct op *op)
{
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; op->put && i < op->put->n_chunks; i++) {
        const struct put_chunk *k = op->put->chunks[i];
        lowest = k->grant ? min_u64(lowest, k->grant->chunk) : lowest;
        lowest = k->back.from ? min_u64(lowest, k->back.from->chunk) : lowest;
    }
    return lowest;
}

void put_free(struct op *op)
{
    struct put *p = op->put;
    if (!p)
        return;
    if (--op->c->puts == 0)
        hold_disarm(op->c);
    task_stop(&p->feed);
    for (uint32_t i = 0; i < p->n_chunks; i++)
        put_chunk_free(p->chunks[i]);
    free(p->chunks);
    free(p);
    op->put = NULL;
}
