/* SPDX-License-Identifier: MIT */
/* Advisory locks on open files. The place in the queue is the NameServers' replicated state, so nothing is lost with a
 * leader: the client asks the next one about the same ticket.
 *
 *   ASKING (lock) ---- had it ------------------------------------> ended
 *      | a ticket
 *      v
 *   WAITING (lock_wait, again and again) ---- had it -------------> ended
 *      | canceled, or its deadline is over
 *      v
 *   GIVING UP (lock_cancel) ---- it was waiting, or had it after all ---> ended
 *
 * Possible failures are: the session (its handles and places are gone: EBADF), the NameServers while it gives up (it ends
 * as it was told to, and the ticket goes with the file's close). */
#include <stdlib.h>

#include "client/file.h"

struct locking {
    uint64_t ticket;    /* 0: none yet */
    int give_up;        /* why; 0: it waits */
    struct task notice; /* wakes up to give up … */
    bool told;          /* … and, when nobody answers, to end */
};

static bool overlaps(const struct dfs_lock *a, const struct dfs_lock *b)
{
    return a->range == b->range && (!a->range || (a->start <= b->end && b->start <= a->end));
}

static uint8_t space_of(const struct dfs_lock *l) { return l->range ? LOCK_RANGE : LOCK_FILE; }
static uint64_t start_of(const struct dfs_lock *l) { return l->range ? l->start : 0; }
static uint64_t end_of(const struct dfs_lock *l) { return l->range ? l->end : UINT64_MAX; }

/* --- giving up --- */

static void end_given_up(struct op *op)
{
    int status = op->locking->give_up;
    op_end(op, status, "%s", status == DFS_ETIMEDOUT ? "locked by another until the deadline" : "canceled");
}

static void build_cancel(struct rpc *r, struct msg *m, struct arena *a)
{
    (void)a;
    m->type = MSG_TYPE_lock_cancel;
    m->lock_cancel = (struct msg_lock_cancel){.id = rpc_id(r), .ticket = r->t.op->locking->ticket};
}

static void on_cancel(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    (void)fx;
    if (status == 0 && !ev->msg->lock_cancel_reply.waited)
        op_end_ok(op);
    else
        end_given_up(op);
}

static void cancel_start(struct op *op, struct effects *fx)
{
    rpc_stop(&op->rpc);
    rpc_init(&op->rpc, op->c, op, build_cancel, on_cancel);
    op->rpc.mutation = op->rpc.needs_session = true;
    rpc_start(&op->rpc, fx);
}

static void notice_run(struct task *t, struct effects *fx)
{
    struct op *op = t->op;
    struct locking *k = op->locking;
    if (op->ended)
        return;
    if (k->told) {
        end_given_up(op); /* nobody answers */
        return;
    }
    k->told = true;
    t->wake = op->c->now.mono + op->c->cfg.call_timeout;
    list_push(&op->c->sleeping, &t->link);
    if (k->ticket)
        cancel_start(op, fx);
}

bool lock_give_up(struct op *op, int status)
{
    struct locking *k = op->locking;
    if (!k || op->req.kind != OP_LOCK || k->give_up)
        return false;
    k->give_up = status;
    k->notice.wake = 0;
    list_push(&op->c->sleeping, &k->notice.link);
    return true;
}

/* --- waiting --- */

static void build_wait(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct op *op = r->t.op;
    const struct file *f = file_find(op->c, op->req.file);
    (void)a;
    m->type = MSG_TYPE_lock_wait;
    m->lock_wait = (struct msg_lock_wait){
        .session = f ? f->session : 0, .ticket = op->locking->ticket, .wait_ms = wait_ms(op->c)};
}

static void on_wait(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    const struct file *f = file_find(op->c, op->req.file);
    if (op->ended)
        return;
    if (status == DFS_ESESSION && f) {
        session_lost(op->c, f->session);
        op_end(op, DFS_EBADF, "the file went with its session");
    } else if (status != 0) {
        op_fail_rpc(op, status, ev);
    } else if (ev->msg->lock_wait_reply.waiting) {
        rpc_start(r, fx);
    } else {
        op_end_ok(op);
    }
}

static void wait_start(struct op *op, struct effects *fx)
{
    rpc_init(&op->rpc, op->c, op, build_wait, on_wait);
    rpc_start(&op->rpc, fx);
}

/* --- asking --- */

static void build_lock(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct client_request *q = &r->t.op->req;
    const struct dfs_lock *l = &q->lock;
    const struct file *f = file_find(r->t.c, q->file);
    uint64_t handle = f ? f->handle : 0;
    (void)a;
    if (q->kind == OP_LOCK) {
        m->type = MSG_TYPE_lock;
        m->lock = (struct msg_lock){rpc_id(r),   handle,   l->owner,
                                    space_of(l), l->type,  q->flags & DFS_WAIT ? LOCK_WAIT : 0,
                                    start_of(l), end_of(l)};
    } else if (q->kind == OP_UNLOCK) {
        m->type = MSG_TYPE_unlock;
        m->unlock = (struct msg_unlock){rpc_id(r), handle, l->owner, space_of(l), start_of(l), end_of(l)};
    } else {
        m->type = MSG_TYPE_lock_query;
        m->lock_query = (struct msg_lock_query){handle, l->owner, space_of(l), l->type, start_of(l), end_of(l)};
    }
}

static void take_query(struct op *op, const struct msg_lock_query_reply *m)
{
    op->result.lock = (struct dfs_lock){
        .owner = m->owner, .type = m->type, .range = op->req.lock.range, .start = m->start, .end = m->end};
    op->result.lock_here = m->type != 0 && m->session == op->c->session;
}

static void on_lock(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    if (op->ended)
        return;
    if (status != 0) {
        op_fail_rpc(op, status, ev);
        return;
    }
    if (ev->msg->type == MSG_TYPE_lock_query_reply)
        take_query(op, &ev->msg->lock_query_reply);
    if (ev->msg->type != MSG_TYPE_lock_reply || ev->msg->lock_reply.ticket == 0) {
        op_end_ok(op);
        return;
    }
    op->locking->ticket = ev->msg->lock_reply.ticket;
    if (op->locking->give_up)
        cancel_start(op, fx);
    else
        wait_start(op, fx);
}

static void end_waiting(struct op *op) { op_end(op, DFS_ECANCELED, "given up by another call"); }

void locks_end(struct client *c, uint64_t file)
{
    LIST_FOR_EACH (e, &c->running) {
        struct op *op = CONTAINER_OF(e, struct op, link);
        if (op->req.kind == OP_LOCK && op->req.file == file)
            end_waiting(op);
    }
}

/* Whoever waits for some of what is unlocked, through whichever handle of the file. */
static void end_unlocked(struct client *c, uint64_t ino, const struct dfs_lock *l)
{
    LIST_FOR_EACH (e, &c->running) {
        struct op *op = CONTAINER_OF(e, struct op, link);
        const struct file *f = op->req.kind == OP_LOCK ? file_find(c, op->req.file) : NULL;
        if (f && f->ino == ino && op->req.lock.owner == l->owner && overlaps(&op->req.lock, l))
            end_waiting(op);
    }
}

void lock_begin(struct op *op, struct effects *fx)
{
    struct file *f = file_find(op->c, op->req.file);
    if (!f || (f->handle && f->session != op->c->session)) {
        op_end(op, DFS_EBADF, "%s", dfs_strerror(DFS_EBADF));
        return;
    }
    if (op->req.kind == OP_UNLOCK)
        end_unlocked(op->c, f->ino, &op->req.lock);
    op->locking = xcalloc(1, sizeof *op->locking);
    task_init(&op->locking->notice, op->c, op, notice_run, NULL);
    rpc_init(&op->rpc, op->c, op, build_lock, on_lock);
    op->rpc.mutation = op->rpc.needs_session = op->req.kind != OP_LOCK_QUERY;
    if (f->handle)
        rpc_start(&op->rpc, fx);
    else
        file_hold(f, &op->rpc, fx);
}

void lock_free(struct op *op)
{
    if (op->locking)
        task_stop(&op->locking->notice);
    free(op->locking);
}
