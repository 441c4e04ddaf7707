/* SPDX-License-Identifier: MIT */
/* Files opened with DFS_LAZY: what most opens need is an answer from the NameServer's memory, not a change in its log.
 *
 *            locate                    open for a while, locked, or a name goes      open
 *   opening ---------> unknown to it ------------------------------------------> telling ----> has a handle
 *                        | close: nothing to tell                                   | ENOENT: somebody else was faster
 *                        v                                                          v
 *                       gone                                            lives on what is known, for the reader's grace (C17)
 *
 * So does one of which the NameServer could not be told, once this client gives a name to another content.
 *
 * That answer also says where the chunks are. It is used for reads as long as anything may be kept in a mount, one second,
 * and not after a write of our own: a StorageServer refuses versions that are not current, so what may be too old is the
 * end of the file, and what was a hole. */
#include <stdlib.h>

#include "client/file.h"
#include "client/get.h"

#define LAZY_BIT ((uint64_t)1 << 63) /* in numbers the NameServer has not given */
#define LAZY_DELAY (20 * NS_PER_MS)

/* --- where chunks are --- */

static uint64_t *touched(struct client *c, uint64_t ino) { return &c->touched[ino % CLIENT_TOUCHED]; }

void file_touched(struct client *c, uint64_t ino) { *touched(c, ino) = c->now.mono; }

struct located *file_recent(struct file *f, uint32_t index)
{
    uint64_t now = f->c->now.mono;
    struct located *p = f->page;
    if (!p || !located_covers(p, index))
        return NULL;
    if (f->gone)
        return p;
    bool ours = p->asked > *touched(f->c, f->ino) && p->asked > f->fresh_after;
    return ours && now - p->asked < DFS_LAZY_MS * NS_PER_MS ? p : NULL;
}

void file_lost(struct file *f)
{
    if (f)
        f->gone = f->lazy && !f->handle;
}

void file_recent_put(struct file *f, struct located *p)
{
    if (!f || !f->lazy || f->gone)
        return;
    located_drop(f->page);
    f->page = located_ref(p);
}

void file_recent_drop(struct file *f)
{
    if (f)
        f->fresh_after = f->c->now.mono;
}

/* --- telling the NameServer that it is open --- */

static void build_tell(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct file *f = CONTAINER_OF(r, struct file, tell);
    (void)a;
    m->type = MSG_TYPE_open;
    m->open = (struct msg_open){.id = rpc_id(r), .dir = f->ino, .path = str_of(""), .flags = OPEN_READ};
}

/* What waited for the handle ends: a close had nothing to close. */
static void refuse_waiting(struct file *f, int status, const struct event *ev)
{
    bool closed = false;
    LIST_FOR_EACH (e, &f->waiting) {
        struct op *op = CONTAINER_OF(e, struct task, link)->op;
        list_remove(e);
        if (op->req.kind != OP_CLOSE) {
            op_fail_rpc(op, status, ev);
            continue;
        }
        closed = true;
        op_end_ok(op);
    }
    if (closed)
        file_free(f);
}

static void on_told(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct file *f = CONTAINER_OF(r, struct file, tell);
    struct client *c = f->c;
    list_remove(&f->telling);
    if (status == 0) {
        f->handle = ev->msg->open_reply.handle;
        f->session = r->session;
        hold_arm(c);
        tasks_run(&f->waiting, fx);
    } else {
        f->gone = status == DFS_ENOENT;
        if (!f->gone)
            list_push(&c->unheard, &f->untold);
        refuse_waiting(f, status, ev);
    }
    tasks_run(&c->behind, fx);
}

static void tell(struct file *f, struct effects *fx)
{
    list_remove(&f->untold);
    if (!list_empty(&f->telling) || f->handle || f->gone)
        return;
    list_push(&f->c->tells, &f->telling);
    f->tell_serial = ++f->c->last_tell;
    rpc_start(&f->tell, fx);
}

void file_hold(struct file *f, struct rpc *r, struct effects *fx)
{
    r->since = f->c->now.mono;
    list_push(&f->waiting, &r->t.link);
    if (f->gone)
        refuse_waiting(f, DFS_EBADF, NULL);
    else
        tell(f, fx);
}

uint64_t files_hold(struct client *c, struct effects *fx)
{
    LIST_FOR_EACH (e, &c->untold)
        tell(CONTAINER_OF(e, struct file, untold), fx);
    LIST_FOR_EACH (e, &c->unheard)
        tell(CONTAINER_OF(e, struct file, untold), fx);
    return c->last_tell;
}

void files_replaced(struct client *c, const struct wire_attr *a)
{
    LIST_FOR_EACH (e, &c->files) {
        struct file *f = CONTAINER_OF(e, struct file, link);
        if (f->ino == a->ino && f->page && f->page->msg.locate_reply.attr.generation < a->generation)
            file_lost(f);
    }
}

bool files_held(struct rpc *r)
{
    struct client *c = r->t.c;
    if (!r->behind)
        return true;
    const struct list *oldest = list_first(&c->tells);
    if (oldest && CONTAINER_OF(oldest, struct file, telling)->tell_serial <= r->behind) {
        list_push(&c->behind, &r->t.link);
        return false;
    }
    LIST_FOR_EACH (e, &c->unheard) { /* what these have open may be lost now */
        list_remove(e);
        file_lost(CONTAINER_OF(e, struct file, untold));
    }
    return true;
}

static void untold_run(struct task *t, struct effects *fx)
{
    struct client *c = t->c;
    while (!list_empty(&c->untold)) {
        struct file *f = CONTAINER_OF(list_first(&c->untold), struct file, untold);
        if (f->tell_at > c->now.mono) {
            t->wake = f->tell_at;
            list_push(&c->sleeping, &t->link);
            return;
        }
        tell(f, fx);
    }
}

void lazy_init(struct client *c)
{
    list_init(&c->untold);
    list_init(&c->unheard);
    list_init(&c->tells);
    list_init(&c->behind);
    task_init(&c->untold_timer, c, NULL, untold_run, NULL);
}

/* --- opening --- */

static void build_look(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct client_request *q = &r->t.op->req;
    (void)a;
    m->type = MSG_TYPE_locate;
    m->locate = (struct msg_locate){.dir = q->at.dir, .path = str_of(q->path), .limit = GET_PAGE};
}

static int refusal(uint8_t type)
{
    return type == INODE_FILE ? 0 : type == INODE_DIRECTORY ? DFS_EISDIR : DFS_ENOTSUP;
}

static void on_look(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    struct client *c = op->c;
    struct located *p = NULL;
    (void)fx;
    if (op->ended)
        return;
    if (status == 0)
        status = located_new(ev, 0, r->sent, &p);
    if (status == 0)
        status = refusal(p->msg.locate_reply.attr.type);
    if (status != 0) {
        located_drop(p);
        op_fail_rpc(op, status, ev);
        return;
    }
    struct file *f = file_new(op, &p->msg.locate_reply.attr);
    f->id = LAZY_BIT | ++c->last_lazy;
    f->page = p;
    f->tell_at = c->now.mono + LAZY_DELAY;
    list_push(&c->untold, &f->untold);
    if (list_empty(&c->untold_timer.link)) {
        c->untold_timer.wake = f->tell_at;
        list_push(&c->sleeping, &c->untold_timer.link);
    }
    rpc_init(&f->tell, c, NULL, build_tell, on_told);
    f->tell.mutation = f->tell.needs_session = true;
    op->result.file = f->id;
    op_end_ok(op);
}

void lazy_open_begin(struct op *op, struct effects *fx)
{
    rpc_init(&op->rpc, op->c, op, build_look, on_look);
    rpc_start(&op->rpc, fx);
}
