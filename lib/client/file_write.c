/* SPDX-License-Identifier: MIT */
/* One write to an open file: frames to the heads of its chunks' chains. A frame keeps its number when it is sent again,
 * in whatever version, so that it takes effect once (B14). */
#include <stdlib.h>

#include "base/crc.h"
#include "client/file.h"

static void frame_free(struct frame *f)
{
    task_stop(&f->t);
    list_remove(&f->link);
    list_remove(&f->of_client);
    slice_drop(&f->data);
    free(f);
}

bool place_is_full(const struct place *p)
{
    return p->refused && p->file->c->now.mono - p->refused_at < 2 * FULL_PATIENCE;
}

/* Servers without space cannot take the chunk's next version either, and the NameServer asks to wait until they have: not
 * long. 0: that is over. */
static void place_refused_by_full(struct frame *fr, uint32_t version)
{
    struct place *p = file_place_known(fr->write->file, fr->index);
    if (!p)
        return;
    p->refused = version;
    p->refused_at = p->file->c->now.mono;
    p->rpc.patience = version ? FULL_PATIENCE : 0;
}

/* It was written, which says nothing where others of the same version were refused. */
static void place_accepted(struct frame *fr)
{
    const struct place *p = file_place_known(fr->write->file, fr->index);
    if (p && p->refused && p->refused < fr->version)
        place_refused_by_full(fr, 0);
}

/* It is durable where it was last sent, in that generation. */
static void frame_done(struct frame *f, struct effects *fx)
{
    struct pwrite *w = f->write;
    w->generation = max_u64(w->generation, f->generation);
    w->op->progress = w->op->c->now.mono;
    place_accepted(f);
    frame_free(f);
    if (list_empty(&w->frames) && !file_punch_more(w, fx))
        file_commit(w->file, w);
}

/* All frames below this number have their answers. */
static uint64_t numbers_seen(const struct client *c)
{
    const struct list *first = list_first(&c->frames);
    return first ? CONTAINER_OF(first, struct frame, of_client)->number : 0;
}

/* Where the file ends in its last chunk, as far as is known: its head knows of bytes, not of holes behind them. */
static uint32_t append_floor(const struct file *f, const struct place *p)
{
    uint64_t start = (uint64_t)p->at * FILE_CHUNK;
    uint64_t size = f->generation == p->generation ? max_u64(f->size, p->size) : p->size;
    return size > start ? (uint32_t)min_u64(size - start, FILE_CHUNK) : 0;
}

static void end_full(const struct frame *f)
{
    op_end(f->write->op, DFS_ENOSPC, "no space left on the storage servers that hold chunk %u (dfs df)",
           f->append ? f->at : f->index);
}

static void frame_run(struct task *t, struct effects *fx)
{
    struct frame *f = CONTAINER_OF(t, struct frame, t);
    struct wire_replica chain[MAX_REPLICAS];
    struct msg m;
    if (t->op->ended)
        return;
    const struct place *p = file_place(f->write->file, f, fx);
    if (!p)
        return;
    if (f->over) {
        end_full(f);
        return;
    }
    if (f->append && f->first && f->chunk != p->chunk) {
        op_end(t->op, DFS_EUNKNOWN,
               "the file goes on in another chunk; whether this was appended before cannot be told");
        return;
    }
    const struct gone *gone = f->first ? place_was_cut(p, f->chunk) : NULL;
    if (gone) {
        if (!gone->doubtful && f->fate == FATE_TAKEN)
            frame_done(f, fx); /* it came before the file was made shorter, which took all of it */
        else
            op_end(t->op, DFS_EUNKNOWN, "the file was made shorter, and whether this came before cannot be told");
        return;
    }
    f->first = f->chunk == p->chunk ? f->first : 0;
    memset(&m, 0, sizeof m);
    m.type = MSG_TYPE_chunk_write;
    m.chunk_write = (struct msg_chunk_write){
        .chunk = p->chunk,
        .version = p->version,
        .session = f->write->file->session,
        .number = f->number,
        .file = f->write->file->ino,
        .index = p->at,
        .offset = f->offset,
        .length = f->hole > 0 ? f->hole : f->data.len,
        .crcs = {(const char *)f->crcs, f->n_crcs * 4},
        .chain = chain,
        .n_chain = p->n - 1,
        .flags = WRITE_MAPPED,
        .kind = f->append     ? WRITE_APPEND
                : f->hole > 0 ? WRITE_PUNCH
                              : WRITE_DATA,
        .seen = numbers_seen(t->c),
        .limit = f->append ? FILE_CHUNK : 0,
        .floor = f->append ? append_floor(f->write->file, p) : 0,
        .first = f->first,
        .after = f->first ? f->after : 0,
    };
    for (uint32_t i = 1; i < p->n; i++)
        chain[i - 1] = (struct wire_replica){.server = p->chain[i].server, .addr = str_of(p->chain[i].addr)};
    struct payload payload = payload_of(slice_ref(f->data));
    f->after = f->first ? f->after : p->sequence;
    f->version = p->version;
    f->chunk = p->chunk;
    f->at = p->at;
    f->generation = p->generation;
    f->fate = FATE_UNKNOWN;
    task_send(t, p->chain[0].addr, &m, &payload, 2 * t->c->cfg.call_timeout, fx);
}

/* What became of a frame whose answer is an error. */
static enum frame_fate fate_of(int status)
{
    switch (status) {
    case DFS_EUNKNOWN:
        return FATE_TAKEN;
    case DFS_ESTALE:
    case DFS_EAGAIN:
    case DFS_EBUSY:
    case DFS_ENOCHUNK:
    case DFS_EUNREACH:
    case DFS_EFBIG:
    case DFS_ECORRUPT: /* damaged on the way to the chain's head */
        return FATE_REFUSED;
    default:
        return FATE_UNKNOWN;
    }
}

/* What is sent from now on comes behind it. One that was sent before may be answered with its place in an older version. */
static void note_sequence(const struct frame *f, uint64_t sequence)
{
    struct place *p = file_place_known(f->write->file, f->index);
    if (p && !f->first && p->chunk == f->chunk && p->version == f->version && sequence <= UINT32_MAX)
        p->sequence = (uint32_t)max_u64(p->sequence, sequence);
}

/* Where servers are full some of them may have it all the same: with the end of the chunk's version that is settled, and then told. */
static void frame_gives_up(struct frame *f, struct place *p, const struct event *ev, struct effects *fx)
{
    struct str text = error_text(ev->status, ev);
    f->over = p && place_is_full(p);
    if (f->over) {
        place_failed(p, f->version);
        frame_run(&f->t, fx);
        return;
    }
    op_end(f->write->op, ev->status, "chunk %u cannot be written: %.*s", f->append ? f->at : f->index, STR_ARG(text));
}

static void frame_reply(struct task *t, const struct event *ev, struct effects *fx)
{
    struct frame *f = CONTAINER_OF(t, struct frame, t);
    struct pwrite *w = f->write;
    struct op *op = w->op;
    if (op->ended)
        return;
    if (ev->status == 0) {
        note_sequence(f, ev->msg->chunk_write_reply.sequence);
        if (f->append)
            op->req.offset = op->result.offset = (uint64_t)f->at * FILE_CHUNK + ev->msg->chunk_write_reply.offset;
        frame_done(f, fx);
        return;
    }
    if (ev->status == DFS_ENOSPC)
        place_refused_by_full(f, f->version);
    else if (!ev->msg) /* a server that is silent may be back later, whatever others have said */
        place_refused_by_full(f, 0);
    f->fate = fate_of(ev->status);
    if (f->fate != FATE_REFUSED && !f->first)
        f->first = f->version;
    struct place *p = file_place_known(w->file, f->index);
    bool full = p && place_is_full(p) && dfs_err_may_retry(ev->status);
    if (op_overdue_with(op, full ? DFS_ENOSPC : ev->status)) {
        frame_gives_up(f, p, ev, fx);
        return;
    }
    if (ev->status == DFS_ENODATA) {
        op_end(op, DFS_EUNKNOWN, "this was sent before, and whether it is in the file cannot be told any more");
        return;
    }
    if (f->append && ev->status == DFS_EFBIG) {
        f->first = 0; /* it is not in this chunk, or its head would know */
        if (p)
            p->full = f->chunk;
        place_failed(p, f->version);
        frame_run(t, fx);
        return;
    }
    if (ev->status != DFS_EAGAIN && ev->status != DFS_EBUSY && ev->status != DFS_ECORRUPT)
        place_failed(p, f->version);
    task_sleep(t);
}

void frame_refused(struct task *t, int status, const struct event *ev)
{
    struct frame *f = CONTAINER_OF(t, struct frame, t);
    struct place *p = file_place_known(f->write->file, f->index);
    bool again = dfs_err_may_retry(status), full = place_is_full(p);
    if (again && !op_overdue_with(t->op, full ? DFS_ENOSPC : status)) {
        task_sleep(t);
    } else if (again && full) {
        p->refused_at = t->c->now.mono; /* nothing is known to have changed, for whoever comes next */
        end_full(f);
    } else {
        op_fail_rpc(t->op, status, ev);
    }
}

/* CRC32C of each block of the chunk's grid that the frame touches, of its own bytes only. */
static void frame_sum(struct frame *f)
{
    const uint8_t *p = slice_data(f->data);
    uint32_t at = 0;
    for (uint32_t i = 0; i < f->n_crcs; i++) {
        uint32_t n = (uint32_t)min_u64(f->data.len - at, DFS_BLOCK - (f->offset + at) % DFS_BLOCK);
        f->crcs[i] = crc32c(0, p + at, n);
        at += n;
    }
}

struct frame *frame_add(struct pwrite *w, uint32_t index, uint32_t in_chunk, struct slice data, uint32_t hole)
{
    uint32_t n = hole > 0 ? 0 : blocks_count(in_chunk, data.len);
    struct frame *f = xcalloc(1, sizeof *f + n * sizeof f->crcs[0]);
    task_init(&f->t, w->op->c, w->op, frame_run, frame_reply);
    f->write = w;
    f->index = index;
    f->offset = in_chunk;
    f->hole = hole;
    f->number = w->op->c->next_write++;
    f->data = data;
    f->n_crcs = n;
    frame_sum(f);
    list_push(&w->frames, &f->link);
    list_push(&w->op->c->frames, &f->of_client);
    return f;
}

struct pwrite *file_write_new(struct op *op)
{
    struct file *f = file_to_write(op);
    if (!f)
        return NULL;
    struct pwrite *w = xcalloc(1, sizeof *w);
    op->pwrite = w;
    w->op = op;
    w->file = f;
    list_init(&w->frames);
    list_init(&w->link);
    w->serial = ++f->last_write;
    list_push(&f->writes, &w->of_file);
    return w;
}

void file_write_go(struct pwrite *w, struct effects *fx)
{
    const struct op *op = w->op;
    LIST_FOR_EACH (e, &w->frames) {
        if (op->ended)
            return;
        frame_run(&CONTAINER_OF(e, struct frame, link)->t, fx);
    }
}

void file_write_begin(struct op *op, struct effects *fx)
{
    struct pwrite *w = file_write_new(op);
    if (!w)
        return;
    if (op->req.value_len == 0) {
        op_end_ok(op);
        return;
    }
    if (op->req.kind == OP_APPEND)
        frame_add(w, CHUNK_LAST, 0, slice_take(buf_ref(op->value), 0, (uint32_t)op->req.value_len), 0)->append = true;
    for (uint64_t at = 0; at < op->req.value_len && op->req.kind != OP_APPEND;) {
        uint64_t offset = op->req.offset + at;
        uint64_t n = min_u64(op->req.value_len - at, FILE_CHUNK - offset % FILE_CHUNK);
        n = min_u64(n, FILE_FRAME - offset % DFS_BLOCK);
        frame_add(w, (uint32_t)(offset / FILE_CHUNK), (uint32_t)(offset % FILE_CHUNK),
                  slice_take(buf_ref(op->value), (uint32_t)at, (uint32_t)n), 0);
        at += n;
    }
    file_write_go(w, fx);
}

void file_write_free(struct op *op)
{
    struct pwrite *w = op->pwrite;
    if (!w)
        return;
    list_remove(&w->link);
    LIST_FOR_EACH (e, &w->frames)
        frame_free(CONTAINER_OF(e, struct frame, link));
    list_remove(&w->of_file);
    if (op->status && !w->file->error)
        w->file->error = op->status;
    w->file->dirty = w->file->dirty || op->status; /* some of it may be there */
    file_write_ended(w->file);
    free(w);
    op->pwrite = NULL;
}
