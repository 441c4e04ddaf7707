/* SPDX-License-Identifier: MIT */
/* A hole in an open file: what the file has of the range, chunk by chunk, is punched by records that are written as data is
 * (file_write.c), so that it takes effect once, on all servers of a chunk. Where there is no chunk there is a hole already, and none
 * is made. The happy path is: a page of chunks is located, their frames go out; when all are durable, the next page. */
#include "client/file.h"

/* Chunks punched at a time. */
#define PUNCH_PAGE 64u

static uint64_t punch_end(const struct op *op)
{
    return op->req.offset + min_u64(op->req.length, UINT64_MAX - op->req.offset);
}

static void build_look(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct pwrite *w = r->t.op->pwrite;
    (void)a;
    m->type = MSG_TYPE_locate;
    m->locate = (struct msg_locate){.dir = w->file->ino, .path = STR(""), .first = w->next, .limit = PUNCH_PAGE};
}

static void punch_chunk(struct pwrite *w, uint32_t index)
{
    uint64_t start = (uint64_t)index * FILE_CHUNK;
    uint64_t from = max_u64(w->op->req.offset, start), to = min_u64(punch_end(w->op), start + FILE_CHUNK);
    if (from < to)
        frame_add(w, index, (uint32_t)(from - start), (struct slice){0}, (uint32_t)(to - from));
}

static void on_look(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    struct pwrite *w = op->pwrite;
    if (op->ended)
        return;
    if (status != 0) {
        op_fail_rpc(op, status, ev);
        return;
    }
    const struct msg_locate_reply *m = &ev->msg->locate_reply;
    w->more = !m->eof && m->n_chunks > 0;
    for (uint32_t i = 0; i < m->n_chunks; i++) {
        if (m->chunk_size != FILE_CHUNK || m->chunks[i].index < w->next || m->chunks[i].index == UINT32_MAX) {
            op_end(op, DFS_EPROTO, "NameServer %s sent a list of chunks that makes no sense", op->c->nm);
            return;
        }
        w->next = m->chunks[i].index + 1;
        punch_chunk(w, m->chunks[i].index);
    }
    w->more = w->more && (uint64_t)w->next * FILE_CHUNK < punch_end(op);
    if (!list_empty(&w->frames))
        file_write_go(w, fx);
    else if (!file_punch_more(w, fx))
        file_commit(w->file, w);
}

bool file_punch_more(struct pwrite *w, struct effects *fx)
{
    if (w->more)
        rpc_start(&w->op->rpc, fx);
    return w->more;
}

void file_punch_begin(struct op *op, struct effects *fx)
{
    struct pwrite *w = file_write_new(op);
    if (!w)
        return;
    if (op->req.length == 0) {
        op_end_ok(op);
        return;
    }
    w->next = (uint32_t)min_u64(op->req.offset / FILE_CHUNK, UINT32_MAX - 1);
    w->more = true;
    rpc_init(&op->rpc, op->c, op, build_look, on_look);
    file_punch_more(w, fx);
}
