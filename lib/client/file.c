/* SPDX-License-Identifier: MIT */
/* Open files. The happy path of a write is: its chunks are opened at the NameServer, once; each frame goes to the head of
 * its chain; when all are durable the size is committed if it has grown, one commit for all writes that wait (C18). Possible
 * failures are: a server of the chain (the chunk is opened anew, in the next version, and the frame sent again under its
 * number), too few servers (asked again until the timeout), the session (the handle is gone with it: EBADF). */
#include "client/file.h"

#include <stdlib.h>

#include "client/get.h"

struct file *file_find(struct client *c, uint64_t id)
{
    for (struct list *e = c->files.next; e != &c->files; e = e->next) {
        struct file *f = CONTAINER_OF(e, struct file, link);
        if (f->id == id)
            return f;
    }
    return NULL;
}

struct file *file_to_write(struct op *op)
{
    struct file *f = file_find(op->c, op->req.file);
    if (f && f->may_write && f->session == op->c->session)
        return f;
    op_end(op, DFS_EBADF, "the file is not open for writing");
    return NULL;
}

/* --- places --- */

static void build_open_chunk(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct place *p = CONTAINER_OF(r, struct place, rpc);
    (void)a;
    m->type = MSG_TYPE_chunk_open;
    m->chunk_open = (struct msg_chunk_open){.session = r->session,
                                            .handle = p->file->handle,
                                            .index = p->index,
                                            .failed = p->failed,
                                            .was = p->chunk,
                                            .full = p->full};
}

static bool place_take(struct place *p, const struct msg_chunk_open_reply *m)
{
    if (m->n_replicas == 0 || m->chunk_size != FILE_CHUNK)
        return false;
    if (m->cut && p->chunk && p->chunk != m->chunk)
        p->gone[p->n_gone++ % PLACE_GONE] = (struct gone){p->chunk, m->cut != CHUNK_CUT};
    if (p->chunk != m->chunk || p->version != m->version)
        p->sequence = 0;
    p->chunk = m->chunk;
    p->generation = m->generation;
    p->size = m->size;
    p->at = m->index;
    p->version = m->version;
    p->n = m->n_replicas;
    for (uint32_t i = 0; i < p->n; i++) {
        struct str addr = m->replicas[i].addr;
        p->chain[i].server = m->replicas[i].server;
        memcpy(p->chain[i].addr, addr.p, addr.len);
        p->chain[i].addr[addr.len] = 0;
    }
    p->state = PLACE_KNOWN;
    return true;
}

/* What waits for this chunk cannot be written, or not yet. */
static void place_refused(struct place *p, int status, const struct event *ev)
{
    LIST_FOR_EACH (e, &p->waiting) {
        struct task *t = CONTAINER_OF(e, struct task, link);
        list_remove(&t->link);
        frame_refused(t, status, ev);
    }
}

static void on_open_chunk(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct place *p = CONTAINER_OF(r, struct place, rpc);
    p->state = PLACE_UNKNOWN;
    if (status == 0 && !place_take(p, &ev->msg->chunk_open_reply))
        status = DFS_EPROTO;
    if (status == 0 && p->file->session != r->session)
        status = DFS_EBADF; /* the handle went with its session */
    if (status == 0)
        tasks_run(&p->waiting, fx);
    else
        place_refused(p, status, ev);
}

struct place *file_place_known(struct file *f, uint32_t index)
{
    struct place *p;
    HASH_FIND(hh, f->places, &index, sizeof index, p);
    return p;
}

static struct place *place_of(struct file *f, uint32_t index)
{
    struct place *p = file_place_known(f, index);
    if (p)
        return p;
    p = xcalloc(1, sizeof *p);
    p->file = f;
    p->index = index;
    list_init(&p->waiting);
    rpc_init(&p->rpc, f->c, NULL, build_open_chunk, on_open_chunk);
    p->rpc.needs_session = true;
    HASH_ADD(hh, f->places, index, sizeof p->index, p);
    return p;
}

struct place *file_place(struct file *f, struct frame *fr, struct effects *fx)
{
    struct place *p = place_of(f, fr->index);
    if (p->state == PLACE_KNOWN)
        return p;
    list_push(&p->waiting, &fr->t.link);
    if (p->state == PLACE_UNKNOWN) {
        p->state = PLACE_ASKING;
        p->rpc.patience = place_is_full(p) ? FULL_PATIENCE : 0;
        rpc_start(&p->rpc, fx);
    }
    return NULL;
}

const struct gone *place_was_cut(const struct place *p, uint64_t chunk)
{
    for (uint32_t i = 0; i < PLACE_GONE; i++)
        if (chunk && p->gone[i].chunk == chunk)
            return &p->gone[i];
    return NULL;
}

void place_failed(struct place *p, uint32_t version)
{
    if (!p || p->state != PLACE_KNOWN || p->version != version)
        return; /* another frame has said so */
    p->failed = version;
    p->state = PLACE_UNKNOWN;
}

/* --- sizes --- */

static uint64_t write_end(const struct pwrite *w) { return w->op->req.offset + w->op->req.value_len; }

/* Nothing of it is behind the committed end, or it came before the file was made shorter and is ordered before that. */
static bool is_within(const struct pwrite *w, uint64_t generation, uint64_t size)
{
    return w->op->req.kind == OP_PUNCH || w->generation < generation ||
           (w->generation == generation && write_end(w) <= size);
}

static void build_extend(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct file *f = CONTAINER_OF(r, struct file, extend);
    (void)a;
    m->type = MSG_TYPE_extend;
    m->extend =
        (struct msg_extend){.id = rpc_id(r), .handle = f->handle, .size = f->wanted, .generation = f->wanted_generation};
}

/* One for all that wait; those that come while it is under way wait for the next. */
static void gather_run(struct task *t, struct effects *fx)
{
    struct file *f = CONTAINER_OF(t, struct file, gather);
    f->extending = !list_empty(&f->committing);
    if (!f->extending) /* canceled since */
        return;
    f->wanted = f->wanted_generation = 0;
    for (struct list *e = f->committing.next; e != &f->committing; e = e->next) {
        const struct pwrite *w = CONTAINER_OF(e, struct pwrite, link);
        if (w->generation > f->wanted_generation)
            f->wanted = 0;
        f->wanted_generation = max_u64(f->wanted_generation, w->generation);
        if (w->generation == f->wanted_generation)
            f->wanted = max_u64(f->wanted, write_end(w));
    }
    rpc_start(&f->extend, fx);
}

/* With the next turn: what one flush made durable is told in one batch of answers, of which this may be the first. */
static void extend_soon(struct file *f)
{
    f->extending = true;
    f->gather.wake = 0;
    list_push(&f->c->sleeping, &f->gather.link);
}

/* What an answer says of the file's end. */
static void take_size(struct file *f, const struct wire_attr *a)
{
    if (a->generation < f->generation)
        return;
    f->size = a->generation > f->generation ? a->size : max_u64(f->size, a->size);
    f->generation = a->generation;
}

void file_changed(struct op *op, const struct wire_attr *a)
{
    struct file *f = file_find(op->c, op->req.file);
    if (f)
        take_size(f, a);
    file_touched(op->c, a->ino);
    op->result.attr = attr_of(a);
}

static void on_extend(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct file *f = CONTAINER_OF(r, struct file, extend);
    (void)fx;
    f->extending = false;
    if (status == 0) {
        take_size(f, &ev->msg->extend_reply.attr);
        f->dirty = false;
        file_touched(f->c, f->ino);
    }
    LIST_FOR_EACH (e, &f->committing) {
        struct pwrite *w = CONTAINER_OF(e, struct pwrite, link);
        if (status == 0 && !is_within(w, f->wanted_generation, f->wanted) && !is_within(w, f->generation, f->size))
            continue; /* it came while this one was under way */
        list_remove(&w->link);
        w->op->result.bytes = w->op->req.value_len;
        if (status == 0)
            op_end_ok(w->op);
        else
            op_fail_rpc(w->op, status, ev);
    }
    if (!list_empty(&f->committing))
        extend_soon(f);
}

void file_commit(struct file *f, struct pwrite *w)
{
    f->dirty = true;
    file_touched(f->c, f->ino);
    if (is_within(w, f->generation, f->size)) {
        w->op->result.bytes = w->op->req.value_len;
        op_end_ok(w->op);
        return;
    }
    list_push(&f->committing, &w->link);
    if (!f->extending)
        extend_soon(f);
}

void file_free(struct file *f)
{
    struct place *p, *next;
    task_stop(&f->gather);
    rpc_stop(&f->extend);
    rpc_stop(&f->tell);
    list_remove(&f->untold);
    list_remove(&f->telling);
    located_drop(f->page);
    HASH_ITER(hh, f->places, p, next)
    {
        HASH_DELETE(hh, f->places, p);
        rpc_stop(&p->rpc);
        free(p);
    }
    list_remove(&f->link);
    free(f);
}

/* --- open --- */

static void build_open(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct op *op = r->t.op;
    const struct client_request *q = &op->req;
    (void)a;
    m->type = MSG_TYPE_open;
    m->open =
        (struct msg_open){.id = rpc_id(r),
                          .dir = q->at.dir,
                          .path = str_of(q->path),
                          .mode = q->mode,
                          .uid = q->at.uid,
                          .gid = q->at.gid,
                          .umask = q->at.umask,
                          .flags = (q->flags & DFS_READ ? OPEN_READ : 0) | (q->flags & DFS_WRITE ? OPEN_WRITE : 0) |
                                   (q->flags & DFS_CREATE ? OPEN_CREATE : 0) | (q->flags & DFS_EXCL ? OPEN_EXCL : 0)};
}

static void file_cut_opened(struct op *op, struct effects *fx);

struct file *file_new(struct op *op, const struct wire_attr *a)
{
    struct file *f = xcalloc(1, sizeof *f);
    f->c = op->c;
    f->ino = a->ino;
    f->size = a->size;
    f->generation = a->generation;
    f->goal = a->goal_chosen ? a->goal : 0;
    f->may_write = op->req.flags & DFS_WRITE;
    f->lazy = op->req.flags & DFS_LAZY;
    list_init(&f->committing);
    list_init(&f->writes);
    list_init(&f->syncing);
    list_init(&f->untold);
    list_init(&f->telling);
    list_init(&f->waiting);
    rpc_init(&f->extend, f->c, NULL, build_extend, on_extend);
    task_init(&f->gather, f->c, NULL, gather_run, NULL);
    f->extend.mutation = f->extend.needs_session = true;
    list_push(&f->c->files, &f->link);
    op->result.attr = attr_of(a);
    return f;
}

void file_opened(struct rpc *r, uint64_t handle, const struct wire_attr *a, int64_t dir_ns)
{
    struct op *op = r->t.op;
    struct file *f = file_new(op, a);
    op->result.file = f->id = f->handle = handle;
    f->session = r->session;
    hold_arm(f->c);
    op->result.dir_ns = dir_ns;
}

static void on_open(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    (void)fx;
    if (op->ended)
        return;
    if (status != 0) {
        op_fail_rpc(op, status, ev);
        return;
    }
    const struct msg_open_reply *m = &ev->msg->open_reply;
    file_opened(r, m->handle, &m->attr, m->dir_ns);
    if (op->req.flags & DFS_TRUNCATE && m->attr.size > 0)
        file_cut_opened(op, fx);
    else
        op_end_ok(op);
}

void file_open_begin(struct op *op, struct effects *fx)
{
    const unsigned durable = DFS_WRITE | DFS_CREATE | DFS_EXCL;
    if (op->req.flags & DFS_LAZY && op->req.flags & DFS_READ && !(op->req.flags & durable)) {
        lazy_open_begin(op, fx);
        return;
    }
    rpc_init(&op->rpc, op->c, op, build_open, on_open);
    op->rpc.mutation = op->rpc.needs_session = true;
    rpc_start(&op->rpc, fx);
}

/* --- truncate --- */

static void build_truncate(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct client_request *q = &r->t.op->req;
    (void)a;
    m->type = MSG_TYPE_truncate;
    m->truncate = (struct msg_truncate){.id = rpc_id(r),
                                        .handle = q->file,
                                        .dir = q->at.dir,
                                        .path = str_of(q->file ? "" : q->path),
                                        .size = q->length};
}

/* Where it was cut nothing can be written in the version we know. */
static void places_cut(struct file *f, uint64_t size)
{
    struct place *p, *next;
    HASH_ITER(hh, f->places, p, next)
    if ((p->index + 1ULL) * FILE_CHUNK > size)
        place_failed(p, p->version);
}

static void on_truncate(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    struct file *f = op->req.file ? file_find(op->c, op->req.file) : NULL;
    (void)fx;
    if (op->ended)
        return;
    if (status != 0) {
        if (f && op->req.kind == OP_OPEN)
            file_free(f);
        op_fail_rpc(op, status, ev);
        return;
    }
    const struct wire_attr *a = &ev->msg->truncate_reply.attr;
    if (f && a->generation > f->generation)
        places_cut(f, op->req.length);
    file_changed(op, a);
    op_end_ok(op);
}

static void truncate_start(struct op *op, struct effects *fx)
{
    rpc_init(&op->rpc, op->c, op, build_truncate, on_truncate);
    op->rpc.mutation = op->rpc.needs_session = true;
    rpc_start(&op->rpc, fx);
}

static void file_cut_opened(struct op *op, struct effects *fx)
{
    op->req.file = op->result.file;
    op->req.length = 0;
    truncate_start(op, fx);
}

void file_truncate_begin(struct op *op, struct effects *fx)
{
    const struct file *f = op->req.file ? file_find(op->c, op->req.file) : NULL;
    if (op->req.file && (!f || !f->may_write))
        op_end(op, DFS_EBADF, "the file is not open for writing");
    else
        truncate_start(op, fx);
}

/* --- a size that only grows --- */

static void build_grow(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct client_request *q = &r->t.op->req;
    (void)a;
    m->type = MSG_TYPE_extend;
    m->extend = (struct msg_extend){.id = rpc_id(r), .handle = q->file, .size = q->length};
}

static void on_grown(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    (void)fx;
    if (op->ended)
        return;
    if (status != 0) {
        op_fail_rpc(op, status, ev);
        return;
    }
    file_changed(op, &ev->msg->extend_reply.attr);
    op_end_ok(op);
}

void file_extend_begin(struct op *op, struct effects *fx)
{
    if (!file_to_write(op))
        return;
    rpc_init(&op->rpc, op->c, op, build_grow, on_grown);
    op->rpc.mutation = op->rpc.needs_session = true;
    rpc_start(&op->rpc, fx);
}

void files_close(struct client *c)
{
    while (!list_empty(&c->files))
        file_free(CONTAINER_OF(list_first(&c->files), struct file, link));
}
