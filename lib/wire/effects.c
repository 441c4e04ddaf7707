/* SPDX-License-Identifier: MIT */
/* Effects: messages are encoded at once, one behind the other into shared blocks, with room for the frame header in
 * front of each; what is sent are slices of the block. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/codec.h"
#include "wire/core.h"
#include "wire/frame.h"

#define BLOCK_SIZE (64u * 1024)
/* Addresses and log lines of one step, and what a core builds its messages in. */
#define FX_ARENA_MAX (2 * WIRE_ARENA_MAX)

void fx_init(struct effects *fx)
{
    *fx = (struct effects){0};
    bytes_init(&fx->scratch, WIRE_TEXT_MAX);
    arena_init(&fx->arena, FX_ARENA_MAX);
}

void fx_close(struct effects *fx)
{
    fx_reset(fx);
    free(fx->v);
    buf_unref(fx->block);
    bytes_close(&fx->scratch);
    arena_close(&fx->arena);
    *fx = (struct effects){0};
}

void fx_reset(struct effects *fx)
{
    for (uint32_t i = 0; i < fx->n; i++) {
        slice_drop(&fx->v[i].frame);
        payload_drop(&fx->v[i].payload);
        disk_op_free(fx->v[i].op);
    }
    fx->n = 0;
    arena_reset(&fx->arena);
    if (fx->block != NULL && fx->block->refs == 1)
        fx->block_used = 0;
}

static struct effect *add(struct effects *fx, enum effect_kind kind)
{
    struct effect *e;

    if (fx->n == fx->cap) {
        fx->cap = fx->cap > 0 ? fx->cap * 2 : 16;
        fx->v = xrealloc(fx->v, fx->cap, sizeof *fx->v);
    }
    e = &fx->v[fx->n++];
    *e = (struct effect){.kind = kind};
    return e;
}

/* Room for a frame of this many bytes, header included; its reference is the caller's. .buf is NULL when memory is
 * out: the host then fails the connection or the call, the server goes on. */
static struct slice frame_space(struct effects *fx, uint32_t len)
{
    struct slice s;

    if (len > BLOCK_SIZE / 4) {
        struct buf *own = buf_new(len);

        return slice_take(own, 0, own != NULL ? len : 0);
    }
    if (fx->block == NULL || len > fx->block->cap - fx->block_used) {
        buf_unref(fx->block);
        fx->block = buf_new(BLOCK_SIZE);
        fx->block_used = 0;
        if (fx->block == NULL)
            return (struct slice){NULL, 0, 0};
    }
    s = slice_take(buf_ref(fx->block), fx->block_used, len);
    fx->block_used += len;
    return s;
}

/* 0, or why the message has no encoding. */
static int encode(struct effects *fx, const struct msg *m, struct slice *frame)
{
    const struct wire_desc *d = wire_desc_of(m->type);
    int64_t len = d != NULL ? wire_measure(d, msg_body(m)) : DFS_ENOTSUP;

    *frame = (struct slice){NULL, 0, 0};
    if (len < 0)
        return (int)len;
    if (len > WIRE_HEAD_MAX)
        return DFS_ETOOBIG;
    *frame = frame_space(fx, FRAME_HEADER + (uint32_t)len);
    if (frame->buf == NULL)
        return DFS_ENOMEM;
    wire_put(d, msg_body(m), slice_data(*frame) + FRAME_HEADER);
    return 0;
}

/* Moves the references. */
static struct payload payload_take(struct payload *p)
{
    struct payload moved = {0};

    if (p != NULL) {
        moved = *p;
        *p = (struct payload){0};
    }
    return moved;
}

void fx_reply(struct effects *fx, struct reply_to to, const struct msg *m, struct payload *payload)
{
    struct payload moved = payload_take(payload);
    struct slice frame;
    struct effect *e;
    int rc = encode(fx, m, &frame);

    if (rc != 0 && m->type != MSG_TYPE_error) {
        payload_drop(&moved);
        fx_fail(fx, to, DFS_EIO, "the answer (%s) could not be encoded: %s", wire_type_name(m->type), dfs_strerror(rc));
        return;
    }
    e = add(fx, EFF_REPLY);
    e->to = to;
    e->type = m->type;
    e->frame = frame;
    e->payload = moved;
}

void fx_reply_bytes(struct effects *fx, struct reply_to to, uint16_t type, const void *head, uint32_t len)
{
    struct effect *e;
    struct slice frame = {NULL, 0, 0};

    if (len > WIRE_HEAD_MAX) {
        fx_fail(fx, to, DFS_EIO, "the answer (%s) is over its limit", wire_type_name(type));
        return;
    }
    frame = frame_space(fx, FRAME_HEADER + len);
    if (frame.buf != NULL && len > 0)
        memcpy(slice_data(frame) + FRAME_HEADER, head, len);
    e = add(fx, EFF_REPLY);
    e->to = to;
    e->type = type;
    e->frame = frame;
}

static void reply_error(struct effects *fx, struct reply_to to, int err, struct str text, struct str leader)
{
    struct msg m = {.type = MSG_TYPE_error};

    m.error.code = (uint16_t)-err;
    m.error.text = text;
    m.error.leader = leader;
    fx_reply(fx, to, &m, NULL);
}

void fx_fail(struct effects *fx, struct reply_to to, int err, const char *fmt, ...)
{
    char text[WIRE_TEXT_MAX];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    n = n < 0 ? 0 : (int)min_u64((uint64_t)n, sizeof text - 1);
    reply_error(fx, to, err, (struct str){text, (uint32_t)n}, STR(""));
}

void fx_not_leader(struct effects *fx, struct reply_to to, const char *leader)
{
    struct str l = str_of(leader);

    if (l.len > WIRE_ADDR_MAX)
        l.len = 0;
    reply_error(fx, to, DFS_ENOTLEADER, STR("not the leader"), l);
}

/* A copy that lives until fx_reset; empty when the arena is full. NUL-terminated behind its length. */
static struct str keep(struct effects *fx, const char *p, size_t len)
{
    char *copy = arena_alloc(&fx->arena, len + 1, 1);

    if (copy == NULL)
        return STR("");
    memcpy(copy, p, len);
    return (struct str){copy, (uint32_t)len};
}

void fx_call(struct effects *fx, const char *addr, const struct msg *m, struct payload *payload, uint64_t token,
             uint64_t timeout)
{
    struct effect *e;
    struct slice frame;

    /* A message that does not encode leaves an empty frame, which the link answers for the peer: the caller gets its
     * one reply in every case. */
    if (encode(fx, m, &frame) != 0)
        frame = (struct slice){NULL, 0, 0};
    e = add(fx, EFF_CALL);
    e->type = m->type;
    e->frame = frame;
    e->payload = payload_take(payload);
    e->token = token;
    e->timeout = timeout;
    e->addr = keep(fx, addr, strlen(addr));
}

void fx_disk(struct effects *fx, struct disk_op *op) { add(fx, EFF_DISK)->op = op; }

void fx_snapshot(struct effects *fx, uint64_t token) { add(fx, EFF_SNAPSHOT)->token = token; }

void fx_move(struct effects *fx, struct effects *from)
{
    for (uint32_t i = 0; i < from->n; i++) {
        struct effect *old = &from->v[i];
        struct effect *e = add(fx, old->kind);

        *e = *old;
        if (old->addr.p != NULL)
            e->addr = keep(fx, old->addr.p, old->addr.len);
        if (old->text.p != NULL)
            e->text = keep(fx, old->text.p, old->text.len);
        *old = (struct effect){0};
    }
    fx_reset(from);
}

static struct str keep_text(struct effects *fx, const char *event, const char *fmt, va_list ap)
{
    char text[WIRE_TEXT_MAX];
    int n = event != NULL ? snprintf(text, sizeof text, "%s ", event) : 0;
    size_t used = min_u64(n < 0 ? 0 : (uint64_t)n, sizeof text - 1);

    n = vsnprintf(text + used, sizeof text - used, fmt, ap);
    used = min_u64(used + (n < 0 ? 0 : (uint64_t)n), sizeof text - 1);
    return keep(fx, text, used);
}

void fx_log(struct effects *fx, int level, const char *event, const char *fmt, ...)
{
    struct effect *e = add(fx, EFF_LOG);
    va_list ap;

    e->level = level;
    va_start(ap, fmt);
    e->text = keep_text(fx, event, fmt, ap);
    va_end(ap);
}

void fx_fatal(struct effects *fx, const char *fmt, ...)
{
    struct effect *e = add(fx, EFF_FATAL);
    va_list ap;

    va_start(ap, fmt);
    e->text = keep_text(fx, NULL, fmt, ap);
    va_end(ap);
}
