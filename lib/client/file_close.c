/* SPDX-License-Identifier: MIT */
/* Open files: fsync and close. Both tell the first error of a write since the last one. The happy path of a close is: locks
 * are let go, the time of what was written is told, the NameServer forgets the handle; a file it never heard of needs none of
 * this (lazy.c). Possible failures are: writes under way (EBUSY), the session (the handle is gone with it, and so is the
 * file's), others (it stays open, with its locks). */
#include "client/file.h"

/* --- sync --- */

static void build_touch(struct rpc *r, struct msg *m, struct arena *a)
{
    (void)a;
    m->type = MSG_TYPE_extend;
    m->extend = (struct msg_extend){.id = rpc_id(r), .handle = r->t.op->req.file};
}

/* What went wrong before is told once. */
static void end_telling(struct op *op, struct file *f, int status, const struct event *ev)
{
    int error = f ? f->error : 0;
    if (f)
        f->error = 0;
    if (error)
        op_end(op, error, "an earlier write failed: %s", dfs_strerror(error));
    else if (status)
        op_fail_rpc(op, status, ev);
    else
        op_end_ok(op);
}

static void on_touch(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    struct file *f = file_find(op->c, op->req.file);
    (void)fx;
    if (op->ended)
        return;
    if (f && status == 0)
        f->dirty = false;
    end_telling(op, f, status, ev);
}

void file_write_ended(struct file *f)
{
    const struct list *first = list_first(&f->writes);
    uint64_t below = first ? CONTAINER_OF(first, struct pwrite, of_file)->serial : UINT64_MAX;
    LIST_FOR_EACH (e, &f->syncing) {
        struct op *op = CONTAINER_OF(e, struct op, syncing);
        if (op->ended || op->sync_after >= below)
            continue;
        list_remove(e);
        if (f->dirty) { /* whatever failed: what is there may have changed */
            op->rpc.t.wake = 0;
            op->rpc.patience = f->error ? FULL_PATIENCE : 0;
            list_push(&f->c->sleeping, &op->rpc.t.link);
        } else {
            end_telling(op, f, 0, NULL);
        }
    }
}

void file_sync_begin(struct op *op, struct effects *fx)
{
    struct file *f = file_find(op->c, op->req.file);
    (void)fx;
    if (!f || f->session != op->c->session) {
        op_end(op, DFS_EBADF, "%s", dfs_strerror(DFS_EBADF));
        return;
    }
    rpc_init(&op->rpc, op->c, op, build_touch, on_touch);
    op->rpc.mutation = op->rpc.needs_session = true;
    op->rpc.since = op->c->now.mono;
    op->sync_after = f->last_write;
    list_push(&f->syncing, &op->syncing);
    file_write_ended(f);
}

/* --- close --- */

/* A change of content that did not move the size is told with the close: the time of the last change. */
static void build_close(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct file *f = file_find(r->t.c, r->t.op->req.file);
    if (f && f->dirty) {
        m->type = MSG_TYPE_extend;
        m->extend = (struct msg_extend){.id = rpc_id(r), .handle = f->handle};
        return;
    }
    (void)a;
    m->type = MSG_TYPE_close;
    m->close = (struct msg_close){.id = rpc_id(r), .handle = f ? f->handle : 0};
}

static void on_close(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    struct file *f = file_find(op->c, op->req.file);
    if (op->ended)
        return;
    if ((status == 0 || status == DFS_ENOSPC) && f && f->dirty) { /* a full disk costs the time, not the close */
        f->dirty = false;
        rpc_start(r, fx);
        return;
    }
    if (f && status != 0 && status != DFS_EBADF && status != DFS_ESESSION) { /* it is open still, with its locks */
        op_fail_rpc(op, status, ev);
        return;
    }
    end_telling(op, f, status, ev);
    if (f)
        file_free(f);
}

static bool in_use(const struct client *c, const struct file *f)
{
    for (const struct list *e = c->running.next; e != &c->running; e = e->next) {
        const struct op *op = CONTAINER_OF(e, struct op, link);
        bool names = op->req.kind == OP_FSYNC || op->req.kind == OP_FILL;
        if ((op->pwrite && op->pwrite->file == f) || (names && op->req.file == f->id))
            return true;
    }
    return false;
}

void file_close_begin(struct op *op, struct effects *fx)
{
    struct file *f = file_find(op->c, op->req.file);
    if (!f) {
        op_end(op, DFS_EBADF, "%s", dfs_strerror(DFS_EBADF));
        return;
    }
    if (in_use(op->c, f)) {
        op_end(op, DFS_EBUSY, "it is being written to");
        return;
    }
    locks_end(op->c, op->req.file);
    rpc_init(&op->rpc, op->c, op, build_close, on_close);
    op->rpc.mutation = op->rpc.needs_session = true;
    if (!list_empty(&f->telling)) {
        file_hold(f, &op->rpc, fx);
    } else if (f->handle && f->lazy) {
        rpc_start_late(&op->rpc);
    } else if (f->handle) {
        rpc_start(&op->rpc, fx);
    } else {
        file_free(f);
        op_end_ok(op);
    }
}
