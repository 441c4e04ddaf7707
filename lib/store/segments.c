/* SPDX-License-Identifier: MIT */
/* The life of segment files. The happy path is: made when the lane runs low, header flushed, used, full, its extents
 * superseded or deleted, unlinked. Possible failures are: no space (writes are refused until there is some), anything
 * else while creating or writing (the disk is given up). A failed unlink costs space only. */
#include <stdlib.h>

#include "store/impl.h"

struct segment *segment_add(struct ss *ss, uint8_t disk, const struct segment_header *h, enum segment_state state)
{
    if (ss->n_segments == ss->cap_segments) {
        ss->cap_segments = ss->cap_segments ? ss->cap_segments * 2 : 16;
        ss->segments = xrealloc(ss->segments, ss->cap_segments, sizeof *ss->segments);
    }
    struct segment *s = xcalloc(1, sizeof *s);
    s->header = *h;
    s->seed = segment_seed(h);
    s->slot = ss->n_segments;
    s->disk = disk;
    s->state = state;
    s->end = SEGMENT_HEADER;
    ss->segments[ss->n_segments++] = s;
    return s;
}

struct segment *segment_at(const struct ss *ss, uint32_t slot)
{
    return slot < ss->n_segments ? ss->segments[slot] : NULL;
}

void segment_check(struct ss *ss, const struct segment *s)
{
    if (s->state == SEG_SEALED && !s->live && !s->pins && !s->tombs)
        ss->collect = true;
}

void segment_unpin(struct ss *ss, struct segment *s)
{
    s->pins--;
    segment_check(ss, s);
}

struct disk_op *ss_disk_op(struct store *st, enum disk_kind kind, const char *name, uint32_t n_data, uint64_t token)
{
    struct disk_op *op = disk_op_new(kind, name, n_data);
    op->disk = st->number;
    op->token = token;
    return op;
}

static void segment_op(struct ss *ss, struct segment *s, enum disk_kind kind, struct slice data, struct effects *fx)
{
    char name[DISK_NAME_MAX + 1];
    segment_name(name, sizeof name, s->header.id);
    struct disk_op *op =
        ss_disk_op(&ss->stores[s->disk], kind, name, data.buf ? 1 : 0, token_make(TOKEN_SEGMENT, 0, s->slot));
    if (data.buf)
        op->data[0] = data;
    op->flush = true;
    if (kind == DISK_CREATE) {
        op->length = s->header.size;
        op->zero = s->header.class == CLASS_SMALL;
    }
    fx_disk(fx, op);
}

void segment_create(struct ss *ss, struct store *st, enum segment_class class, struct effects *fx)
{
    struct segment_header h = {
        .cluster_hi = ss->identity.cluster_hi,
        .cluster_lo = ss->identity.cluster_lo,
        .uuid_hi = ss->identity.uuid_hi,
        .uuid_lo = ss->identity.uuid_lo,
        .id = st->next_segment++,
        .generation = 1,
        .class = (uint8_t) class,
        .size = ss->segment_size[class],
    };
    st->lanes[class].next = segment_add(ss, st->number, &h, SEG_CREATING);
    segment_op(ss, st->lanes[class].next, DISK_CREATE, (struct slice){0}, fx);
}

static void segment_forget(struct ss *ss, struct segment *s)
{
    for (uint32_t i = 0; i < s->n_graves; i++) {
        struct grave *g = s->graves[i];
        if (--g->refs)
            continue;
        struct segment *tomb = segment_at(ss, g->tomb);
        if (tomb) {
            tomb->tombs--;
            segment_check(ss, tomb);
        }
        free(g);
    }
    free(s->graves);
    ss->segments[s->slot] = NULL;
    free(s);
}

void store_fail(struct ss *ss, struct store *st, int err, const char *what, struct effects *fx)
{
    if (!st->failed)
        fx_log(fx, LOG_ERROR, "store.disk_failed",
               "folder=%u what=\"%s\" error=%s advice=\"it takes no more writes; replace the disk and restart\"",
               st->number, what, dfs_errname(err));
    st->failed = true;
    for (int class = 0; class < SEGMENT_CLASSES; class ++)
        queue_refuse(ss, &st->lanes[class], DFS_EIO, fx);
}

static void create_failed(struct ss *ss, struct segment *s, const struct event *ev, struct effects *fx)
{
    struct store *st = &ss->stores[s->disk];
    struct lane *l = &st->lanes[s->header.class];
    l->next = NULL;
    if (ev->status != DFS_ENOSPC && ev->status != DFS_EMFILE && ev->status != DFS_ENOMEM) { /* those pass */
        store_fail(ss, st, ev->status, "creating a segment", fx);
        segment_forget(ss, s);
        return;
    }
    if (st->full_until <= ev->now.mono)
        fx_log(fx, LOG_WARN, ev->status == DFS_ENOSPC ? "store.full" : "store.no_segment",
               "folder=%u segment_bytes=%u error=%s", st->number, s->header.size, dfs_errname(ev->status));
    st->full_until = ev->now.mono + FULL_RETRY;
    queue_refuse(ss, l, DFS_ENOSPC, fx);
    s->state = SEG_UNLINKING; /* whatever is there of it */
    segment_op(ss, s, DISK_UNLINK, (struct slice){0}, fx);
}

void segment_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    struct segment *s = segment_at(ss, token_b(ev->token));
    if (!s)
        return;
    struct store *st = &ss->stores[s->disk];
    if (s->state == SEG_CREATING && ev->status == 0) {
        struct buf *page = buf_new(SEGMENT_HEADER);
        if (page) {
            segment_put_header(page->data, &s->header);
            s->state = SEG_HEADING;
            segment_op(ss, s, DISK_WRITE, slice_take(page, 0, SEGMENT_HEADER), fx);
            return;
        }
        store_fail(ss, st, DFS_ENOMEM, "creating a segment", fx);
    } else if (s->state == SEG_CREATING) {
        create_failed(ss, s, ev, fx);
    } else if (s->state == SEG_HEADING && ev->status == 0) {
        s->state = SEG_READY;
    } else if (s->state == SEG_HEADING) {
        store_fail(ss, st, ev->status, "writing a segment's header", fx);
    } else if (s->state == SEG_UNLINKING) {
        if (ev->status)
            fx_log(fx, LOG_WARN, "store.unlink_failed", "folder=%u segment=%" PRIx64 " error=%s", s->disk, s->header.id,
                   dfs_errname(ev->status));
        else
            segment_forget(ss, s);
    }
}

void segments_collect(struct ss *ss, struct effects *fx)
{
    if (!ss->collect)
        return;
    ss->collect = false;
    for (uint32_t i = 0; i < ss->n_segments; i++) {
        struct segment *s = ss->segments[i];
        if (!s || s->state != SEG_SEALED || s->live || s->pins || s->tombs || ss->stores[s->disk].failed)
            continue;
        s->state = SEG_UNLINKING;
        segment_op(ss, s, DISK_UNLINK, (struct slice){0}, fx);
    }
}

void segments_close(struct ss *ss)
{
    for (uint32_t i = 0; i < ss->n_segments; i++) {
        struct segment *s = ss->segments[i];
        for (uint32_t k = 0; s && k < s->n_graves; k++)
            if (--s->graves[k]->refs == 0)
                free(s->graves[k]);
        if (s)
            free(s->graves);
        free(s);
    }
    free(ss->segments);
}

/* --- graves --- */

static void grave_mark(struct ss *ss, struct grave *g, uint32_t slot)
{
    struct segment *s = segment_at(ss, slot);
    if (!s || slot == g->tomb)
        return;
    if (s->n_graves && s->graves[s->n_graves - 1] == g)
        return; /* marked already: graves are dug one at a time */
    if (s->n_graves == s->cap_graves) {
        s->cap_graves = s->cap_graves ? s->cap_graves * 2 : 8;
        s->graves = xrealloc(s->graves, s->cap_graves, sizeof(struct grave *));
    }
    s->graves[s->n_graves++] = g;
    g->refs++;
}

void chunk_bury(struct ss *ss, struct chunk *c, uint32_t tomb, const uint32_t *strays, uint32_t n_strays)
{
    struct grave *g = xcalloc(1, sizeof *g);
    const uint32_t *touched = NULL;
    uint32_t n = c ? chunk_segments(c, &touched) : 0;
    g->tomb = tomb;
    for (uint32_t i = 0; i < n; i++)
        grave_mark(ss, g, touched[i]);
    for (uint32_t i = 0; i < n_strays; i++)
        grave_mark(ss, g, strays[i]);
    struct segment *t = segment_at(ss, tomb);
    if (g->refs && t)
        t->tombs++;
    else
        free(g);
    if (c) {
        ss->stores[c->disk].chunks--;
        index_remove(&ss->index, c);
    }
}
