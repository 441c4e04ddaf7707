/* SPDX-License-Identifier: MIT */
/* A get: locate, read, deliver in order.
 *
 * The happy path is: locate gives the first page of chunks, reads of up to a frame go out as long as the window allows,
 * over all chunks and replicas; what is verified waits until everything before it was delivered. Possible failures are: a
 * replica fails (get_read.c asks another), all fail (located anew), the file was replaced meanwhile (from the start, with
 * the new content), the sink fails (that ends it). A page is left only when all its reads were delivered. */
#include <stdlib.h>

#include "base/crc.h"
#include "client/file.h"
#include "client/get.h"

static void on_locate(struct rpc *r, int status, const struct event *ev, struct effects *fx);

static void page_drop(struct get *g)
{
    located_drop(g->page);
    g->page = NULL;
    g->located = g->recent = false;
}

/* --- locating --- */

static void build_locate(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct get *g = r->t.op->get;
    const struct file *f = g->file ? file_find(r->t.c, r->t.op->req.file) : NULL;
    (void)a;
    m->type = MSG_TYPE_locate;
    m->locate = (struct msg_locate){.dir = g->file ? g->file : r->t.op->req.at.dir,
                                    .path = str_of(r->t.op->req.path),
                                    .generation = g->generation,
                                    .first = g->page_first,
                                    .limit = GET_PAGE,
                                    .handle = f ? f->handle : 0};
}

/* What the page says of the file holds for the get from now on. */
static void page_use(struct get *g)
{
    struct op *op = g->op;
    const struct msg_locate_reply *p = &g->page->msg.locate_reply;
    g->located = true;
    g->page_first = g->page->first;
    g->ino = p->attr.ino;
    g->generation = p->attr.generation;
    g->chunk_size = p->chunk_size;
    g->end = max_u64(op->req.offset,
                     min_u64(p->attr.size, op->req.offset + min_u64(op->req.length, UINT64_MAX - op->req.offset)));
    op->result.attr = attr_of(&p->attr);
}

/* True: the open file has no inode any more, or not its content. What was known of it still is there for a while, and so are
 * its bytes (C17). */
static bool get_stays(struct get *g, struct effects *fx)
{
    const struct file *f = g->file ? file_find(g->op->c, g->op->req.file) : NULL;
    if (!f || !f->gone)
        return false;
    g->locating = false;
    if (!located_covers(f->page, g->page_first)) {
        op_end(g->op, DFS_ESTALE, "the file was removed or replaced, and it is not known any more where this part of it was");
        return true;
    }
    page_drop(g);
    g->page = located_ref(f->page);
    page_use(g);
    tasks_run(&g->waiting, fx);
    get_pump(g, fx);
    return true;
}

void get_locate(struct get *g, uint32_t first, struct effects *fx)
{
    if (g->locating)
        return;
    g->locating = true;
    page_drop(g);
    g->page_first = first;
    if (!get_stays(g, fx))
        rpc_start(&g->op->rpc, fx);
}

static void reads_drop(struct get *g)
{
    LIST_FOR_EACH (e, &g->reads)
        get_read_free(CONTAINER_OF(e, struct get_read, link));
    g->in_flight = 0;
}

/* An open file was made shorter: it goes on with what there is now. */
static void get_go_on(struct get *g, struct effects *fx)
{
    const struct list *first = list_first(&g->reads);
    uint64_t at = g->delivered + (first ? CONTAINER_OF(first, struct get_read, link)->given : 0);
    reads_drop(g);
    g->generation = g->ino = 0;
    g->next = g->delivered = at;
    g->run_index = UINT32_MAX;
    get_locate(g, g->chunk_size ? (uint32_t)(at / g->chunk_size) : 0, fx);
}

/* The content is another one now: from the start. */
static void get_restart(struct get *g, struct effects *fx)
{
    struct op *op = g->op;
    if (g->file) {
        get_go_on(g, fx);
        return;
    }
    const struct list *first = list_first(&g->reads);
    bool delivered = g->delivered > op->req.offset || (first && CONTAINER_OF(first, struct get_read, link)->given > 0);
    if ((delivered && !op->req.sink.restart) || ++g->restarts > GET_RESTARTS) {
        op_end(op, DFS_EREPLACED, "replaced while it was being read");
        return;
    }
    if (delivered)
        op->req.sink.restart(op->req.sink.arg);
    reads_drop(g);
    g->generation = g->ino = 0;
    g->next = g->delivered = op->req.offset;
    g->run_index = UINT32_MAX;
    get_locate(g, 0, fx);
}

void get_locate_again(struct get *g, struct get_read *r, struct effects *fx)
{
    file_recent_drop(file_find(g->op->c, g->op->req.file));
    g->recent = g->located = false;
    list_push(&g->waiting, &r->t.link);
    get_locate(g, (uint32_t)(g->delivered / g->chunk_size), fx);
}

static void on_locate(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    struct get *g = op->get;
    struct located *page = NULL;
    g->locating = false;
    if (op->ended)
        return;
    if (status == DFS_EREPLACED) {
        get_restart(g, fx);
        return;
    }
    if (status == DFS_ENOENT && g->file)
        file_lost(file_find(op->c, op->req.file));
    if (get_stays(g, fx))
        return;
    if (status == 0)
        status = located_new(ev, g->page_first, r->sent, &page);
    if (status == DFS_EPROTO) {
        op_end(op, DFS_EPROTO, "NameServer %s sent a list of chunks that makes no sense", op->c->nm);
        return;
    }
    if (status != 0) {
        op_fail_rpc(op, status, ev);
        return;
    }
    page_drop(g);
    g->page = page;
    const struct msg_locate_reply *p = &page->msg.locate_reply;
    if (p->attr.type == INODE_DIRECTORY) {
        op_end(op, DFS_EISDIR, "%s", dfs_strerror(DFS_EISDIR));
        return;
    }
    if (g->chunk_size && g->ino && p->chunk_size != g->chunk_size) {
        op_end(op, DFS_EPROTO, "NameServer %s says that chunks have another size now", op->c->nm);
        return;
    }
    if (g->ino && (p->attr.ino != g->ino || p->attr.generation != g->generation)) {
        get_restart(g, fx);
        return;
    }
    if (!g->ino) /* locating once more is no progress */
        op->progress = op->c->now.mono;
    page_use(g);
    if (g->file)
        file_recent_put(file_find(op->c, op->req.file), page);
    tasks_run(&g->waiting, fx);
    get_pump(g, fx);
}

/* --- delivering --- */

struct buf *client_keep(struct client *c) { return c->given ? buf_ref(c->given) : NULL; }

/* The sink takes what it is given, or nothing of it. */
static int deliver(struct get_read *r, struct buf *in, const void *p, uint32_t n)
{
    const struct dfs_sink *sink = &r->get->op->req.sink;
    struct client *c = r->get->op->c;
    c->given = in;
    int err = sink->write(sink->arg, r->offset + r->given, p, n);
    c->given = NULL;
    if (!err)
        r->given += n;
    return err;
}

static int deliver_zeros(struct get_read *r)
{
    static const uint8_t zeros[64 * 1024];
    int err = 0;
    while (r->given < r->length && !err)
        err = deliver(r, NULL, zeros, (uint32_t)min_u64(r->length - r->given, sizeof zeros));
    return err;
}

static int deliver_payload(struct get_read *r)
{
    uint32_t skip = r->skip + r->given, left = r->length - r->given;
    int err = 0;
    for (unsigned i = 0; i < PAYLOAD_PARTS && left > 0 && !err; i++) {
        struct slice s = r->payload.part[i];
        if (skip >= s.len) {
            skip -= s.len;
            continue;
        }
        uint32_t n = (uint32_t)min_u64(s.len - skip, left);
        err = deliver(r, s.buf, slice_data(s) + skip, n);
        left -= n;
        skip = 0;
    }
    return err;
}

/* The chunk's own checksum, over reads delivered one after the other. False: it does not fit. */
static bool run_check(struct get *g, const struct get_read *r)
{
    if (r->open) {
        g->run_index = UINT32_MAX; /* it has none while it is written */
        return true;
    }
    if (r->chunk_offset == 0) {
        g->run_index = r->index;
        g->run_crc = r->crc;
    } else if (g->run_index == r->index && g->run_at == r->chunk_offset) {
        g->run_crc = crc32c_combine(g->run_crc, r->crc, r->length);
    } else {
        g->run_index = UINT32_MAX; /* not from the chunk's start */
        return true;
    }
    g->run_at = r->chunk_offset + r->length;
    return g->run_at < r->chunk_length || g->run_crc == r->chunk_crc || g->op->c->cfg.trust_payload;
}

static void get_deliver(struct get *g)
{
    struct op *op = g->op;
    while (!op->ended && !g->full && !list_empty(&g->reads)) {
        struct get_read *r = CONTAINER_OF(list_first(&g->reads), struct get_read, link);
        int err;
        if (!r->done)
            return;
        if (get_seeks(g))
            seek_deliver(r);
        if (!get_seeks(g) && !r->hole && !r->checked && !run_check(g, r)) {
            op_end(op, DFS_ECORRUPT, "chunk %u (id %" PRIx64 ") does not fit its checksum", r->index, r->chunk);
            return;
        }
        r->checked = true;
        if (get_seeks(g))
            err = 0;
        else if (r->hole)
            err = deliver_zeros(r);
        else
            err = r->copy.buf ? deliver(r, r->copy.buf, slice_data(r->copy), r->length) : deliver_payload(r);
        if (err == DFS_EAGAIN) {
            g->full = true;
            task_sleep(&g->drain);
            return;
        }
        if (err) {
            op_end(op, err, "what was read cannot be passed on: %s", dfs_strerror(err));
            return;
        }
        g->drain.attempts = 0;
        g->delivered += r->length;
        if (!r->hole)
            g->in_flight -= r->length;
        get_read_free(r);
    }
}

/* --- asking --- */

/* The next range to ask for, within one chunk or one hole. */
static struct get_read *get_next(struct get *g)
{
    const struct wire_chunk_loc *loc = located_find(g->page, (uint32_t)(g->next / g->chunk_size));
    uint64_t at = g->next % g->chunk_size;
    uint64_t n = min_u64(g->chunk_size - at, g->end - g->next);
    bool hole = !loc || at >= loc->length;
    if (!hole) {
        n = min_u64(n, loc->length - at);
        n = get_seeks(g) ? n : min_u64(n, GET_FRAME - at % DFS_BLOCK);
    }
    struct get_read *r = get_read_new(g, g->next, (uint32_t)n);
    r->hole = r->done = hole;
    if (!hole)
        g->in_flight += n;
    g->next += n;
    list_push(&g->reads, &r->link);
    return r;
}

void get_pump(struct get *g, struct effects *fx)
{
    struct op *op = g->op;
    get_deliver(g);
    while (!op->ended && g->located && g->next < g->end && g->in_flight < op->c->cfg.window) {
        if (!located_covers(g->page, (uint32_t)(g->next / g->chunk_size))) {
            if (list_empty(&g->reads))
                get_locate(g, (uint32_t)(g->next / g->chunk_size), fx);
            return;
        }
        struct get_read *r = get_next(g);
        if (r->hole)
            get_deliver(g);
        else
            get_read_start(r, fx);
    }
    if (!op->ended && g->located && g->delivered >= g->end) {
        op->result.bytes = g->delivered - op->req.offset;
        if (get_seeks(g))
            seek_end(g);
        else
            op_end_ok(op);
    }
}

/* The sink had no room a while ago. */
static void drain_run(struct task *t, struct effects *fx)
{
    struct get *g = CONTAINER_OF(t, struct get, drain);
    g->full = false;
    t->op->progress = t->c->now.mono; /* it was not the cluster that kept us waiting */
    get_pump(g, fx);
}

void get_resume(struct op *op)
{
    if (op->get->full)
        op->get->drain.wake = 0;
}

void get_begin(struct op *op, struct effects *fx)
{
    struct get *g = xcalloc(1, sizeof *g);
    op->get = g;
    g->op = op;
    g->next = g->delivered = op->req.offset;
    g->spread = (uint32_t)rng_next(&op->c->rng);
    g->run_index = UINT32_MAX;
    if (get_seeks(g))
        op->req.length = UINT64_MAX;
    list_init(&g->reads);
    list_init(&g->waiting);
    task_init(&g->drain, op->c, op, drain_run, NULL);
    rpc_init(&op->rpc, op->c, op, build_locate, on_locate);
    if (op->req.file) {
        struct file *f = file_find(op->c, op->req.file);
        if (!f) {
            op_end(op, DFS_EBADF, "%s", dfs_strerror(DFS_EBADF));
            return;
        }
        g->file = f->ino;
        g->page = get_seeks(g) ? NULL : file_recent(f, (uint32_t)(op->req.offset / FILE_CHUNK));
        if (g->page) {
            located_ref(g->page);
            page_use(g);
            g->recent = true;
            get_pump(g, fx);
            return;
        }
    }
    get_locate(g, op->req.file ? (uint32_t)min_u64(op->req.offset / FILE_CHUNK, UINT32_MAX) : 0, fx);
}

void get_free(struct op *op)
{
    struct get *g = op->get;
    if (!g)
        return;
    task_stop(&g->drain);
    reads_drop(g);
    page_drop(g);
    free(g);
    op->get = NULL;
}
