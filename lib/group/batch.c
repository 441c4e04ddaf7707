/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "group/group.h"
#include "wire/codec.h"

/* A recycled batch keeps its memory up to this size, so that an idle NameServer stays small. */
#define SPARE_MAX_BYTES (128u * 1024)

struct batch *batch_new(struct nm *nm)
{
    struct batch *b = nm->spare;

    if (b != NULL) {
        nm->spare = NULL;
        return b;
    }
    b = xcalloc(1, sizeof *b);
    list_init(&b->link);
    bytes_init(&b->bodies, BATCH_MAX_BYTES + WIRE_BLOB_MAX);
    return b;
}

void batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    buf_unref(b->rec);
    bytes_close(&b->bodies);
    free(b->cmds);
    free(b->to);
    free(b->off);
    free(b);
}

void batch_recycle(struct nm *nm, struct batch *b)
{
    list_remove(&b->link);
    if (nm->spare != NULL || b->bodies.cap > SPARE_MAX_BYTES || b->cap > SPARE_MAX_BYTES / sizeof *b->cmds) {
        batch_free(b);
        return;
    }
    buf_unref(b->rec);
    b->rec = NULL;
    b->n = 0;
    bytes_clear(&b->bodies);
    b->opens_epoch = false;
    b->submitted = 0;
    nm->spare = b;
}

void batch_push(struct nm *nm, struct batch *b)
{
    list_push(&nm->pending, &b->link);
    nm->n_pending++;
    if (nm->unlogged == NULL)
        nm->unlogged = b;
}

static void batch_grow(struct batch *b)
{
    b->cap = b->cap ? b->cap * 2 : 16;
    b->cmds = xrealloc(b->cmds, b->cap, sizeof *b->cmds);
    b->to = xrealloc(b->to, b->cap, sizeof *b->to);
    b->off = xrealloc(b->off, b->cap, sizeof *b->off);
}

/* The batch that takes len more bytes: the last one, or a new one. */
static struct batch *batch_open(struct nm *nm, uint32_t len)
{
    struct batch *b;

    if (!list_empty(&nm->queue)) {
        b = CONTAINER_OF(nm->queue.prev, struct batch, link);
        if (!b->opens_epoch && b->n < BATCH_MAX_COMMANDS && b->bodies.len + len <= BATCH_MAX_BYTES)
            return b;
    }
    b = batch_new(nm);
    list_push(&nm->queue, &b->link);
    return b;
}

int batch_add(struct nm *nm, uint16_t type, const void *body, uint32_t len, struct reply_to to)
{
    struct batch *b;
    uint32_t off;

    if (len > COMMAND_MAX_BYTES)
        return DFS_ETOOBIG;
    if (nm->queued_bytes + len > QUEUE_MAX_BYTES || nm->queued_commands >= QUEUE_MAX_COMMANDS)
        return DFS_EAGAIN;
    b = batch_open(nm, len);
    off = (uint32_t)b->bodies.len;
    if (bytes_add(&b->bodies, body, len) != 0)
        return DFS_EAGAIN;
    if (b->n == b->cap)
        batch_grow(b);
    b->cmds[b->n] = (struct wire_command){.type = type, .body = {NULL, len}};
    b->to[b->n] = to;
    b->off[b->n] = off;
    b->n++;
    nm->queued_bytes += len;
    nm->queued_commands++;
    return 0;
}

int batch_take(struct nm *nm, const struct event *ev)
{
    const struct wire_desc *d = wire_desc_of(ev->msg->type);
    struct bytes out;
    int err;

    if (wire_measure(d, msg_body(ev->msg)) == ev->head.len)
        return batch_add(nm, ev->msg->type, slice_data(ev->head), ev->head.len, ev->to);
    bytes_init(&out, WIRE_HEAD_MAX);
    err = msg_encode(ev->msg, &out);
    if (err == 0)
        err = batch_add(nm, ev->msg->type, out.p, (uint32_t)out.len, ev->to);
    bytes_close(&out);
    return err;
}

bool batch_propose(struct nm *nm, const struct msg *cmd)
{
    struct bytes out;
    int err;

    if (!level_allows(nm, cmd))
        return false;
    bytes_init(&out, WIRE_BLOB_MAX);
    err = msg_encode(cmd, &out);
    if (err == 0)
        err = batch_add(nm, cmd->type, out.p, (uint32_t)out.len, (struct reply_to){0});
    bytes_close(&out);
    return err == 0;
}

int batch_encode(struct batch *b, uint64_t epoch, int64_t time_ns)
{
    struct wire_batch entry = {.epoch = epoch, .time_ns = time_ns, .commands = b->cmds, .n_commands = b->n};
    int64_t len;

    for (uint32_t i = 0; i < b->n; i++)
        b->cmds[i].body.p = (const char *)b->bodies.p + b->off[i];
    len = wire_measure(&wire_rec_batch, &entry);
    if (len < 0)
        return (int)len;
    if (len > LOG_BODY_MAX)
        return DFS_ETOOBIG;
    b->rec = raftlog_buf((uint32_t)len);
    if (b->rec == NULL)
        return DFS_ENOMEM;
    wire_put(&wire_rec_batch, &entry, b->rec->data + LOG_RECORD_HEADER);
    b->len = (uint32_t)len;
    return 0;
}
