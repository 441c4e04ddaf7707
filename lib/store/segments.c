/* SPDX-License-Identifier: MIT */
/* The life of segment files. The happy path is: made when the lane runs low, header flushed, used, full, its extents
 * superseded or deleted, unlinked. Possible failures are: no space (writes are refused until there is some), anything
 * else while creating or writing (the disk is given up). A failed unlink costs space only. */
#include <stdlib.h>

#include "base/crc.h"
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
    st->free -= min_u64(st->free, h.size);
    st->lanes[class].next = segment_add(ss, st->number, &h, SEG_CREATING);
    segment_op(ss, st->lanes[class].next, DISK_CREATE, (struct slice){0}, fx);
}

/* --- graves --- */

static void tomb_add(struct ss *ss, struct grave *g, uint32_t slot)
{
    struct segment *t = segment_at(ss, slot);
    if (t->tombs == t->cap_tombs) {
        t->cap_tombs = t->cap_tombs ? t->cap_tombs * 2 : 8;
        t->tomb_list = xrealloc(t->tomb_list, t->cap_tombs, sizeof *t->tomb_list);
    }
    g->tomb = slot;
    g->at = t->tombs;
    t->tomb_list[t->tombs++] = g;
}

static void tomb_remove(struct ss *ss, struct grave *g)
{
    struct segment *t = segment_at(ss, g->tomb);
    t->tomb_list[g->at] = t->tomb_list[--t->tombs];
    t->tomb_list[g->at]->at = g->at;
    ss->clean_look = true;
    segment_check(ss, t);
}

static void grave_unref(struct ss *ss, struct grave *g)
{
    if (--g->refs)
        return;
    tomb_remove(ss, g);
    free(g);
}

static int by_moved(const void *a, const void *b)
{
    const struct moved_tomb *x = a, *y = b;
    if (x->chunk != y->chunk)
        return x->chunk < y->chunk ? -1 : 1;
    return x->copy < y->copy ? -1 : x->copy > y->copy;
}

/* A tombstone does not wait for records in its own segment: both go together. */
static void drop_own_graves(struct ss *ss, struct segment *s)
{
    uint32_t kept = 0, n = s->n_graves;
    for (uint32_t i = 0; i < n; i++)
        if (s->graves[i]->tomb == s->slot)
            grave_unref(ss, s->graves[i]);
        else
            s->graves[kept++] = s->graves[i];
    s->n_graves = kept;
}

void tombs_relink(struct ss *ss, struct segment *from, struct moved_tomb *v, uint32_t n)
{
    if (n)
        qsort(v, n, sizeof *v, by_moved);
    for (uint32_t i = from->tombs; n && i-- > 0;) {
        struct grave *g = from->tomb_list[i];
        struct moved_tomb key = {.chunk = g->chunk, .copy = g->copy}, *to = bsearch(&key, v, n, sizeof *v, by_moved);
        if (!to)
            continue;
        tomb_remove(ss, g);
        tomb_add(ss, g, to->slot);
    }
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        if (v[i].slot != last)
            drop_own_graves(ss, segment_at(ss, v[i].slot));
        last = v[i].slot;
    }
}

static void segment_free(struct segment *s)
{
    free(s->entries);
    free(s->graves);
    free(s->tomb_list);
    free(s->moved);
    free(s);
}

static void segment_forget(struct ss *ss, struct segment *s)
{
    ss->segments[s->slot] = NULL;
    for (uint32_t i = 0; i < s->n_graves; i++)
        grave_unref(ss, s->graves[i]);
    for (uint32_t i = 0; i < s->n_moved; i++) {
        struct chunk *c = index_find(&ss->index, s->moved[i]);
        if (c)
            index_untouch(c, s->slot);
    }
    segment_free(s);
}

void store_fail(struct ss *ss, struct store *st, int err, const char *what, struct effects *fx)
{
    if (!st->failed)
        fx_log(fx, LOG_ERROR, "store.disk_failed",
               "folder=%u what=\"%s\" error=%s advice=\"it takes no more writes; replace the disk and restart\"",
               st->number, what, dfs_errname(err));
    if (!st->failed)
        report_soon(ss); /* its chunks are missing from now on */
    st->errors.write++;
    st->failed = true;
    for (int class = 0; class < SEGMENT_CLASSES; class ++)
        queue_refuse(ss, &st->lanes[class], DFS_EIO, fx);
}

bool store_passes(int err) { return err == DFS_ENOSPC || err == DFS_EMFILE || err == DFS_ENOMEM; }

static void create_failed(struct ss *ss, struct segment *s, const struct event *ev, struct effects *fx)
{
    struct store *st = &ss->stores[s->disk];
    struct lane *l = &st->lanes[s->header.class];
    l->next = NULL;
    if (!store_passes(ev->status)) {
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
    } else if (s->state == SEG_HEADING && ev->status == 0) {
        s->state = SEG_READY;
    } else if (s->state == SEG_CREATING || s->state == SEG_HEADING) {
        create_failed(ss, s, ev, fx);
    } else if (s->state == SEG_SEALED) { /* its summary */
        s->closed = ev->status == 0;
        if (s->closed)
            segment_tail(ss, s, fx);
        else if (ev->status != DFS_ENOSPC)
            store_fail(ss, st, ev->status, "sealing a segment", fx);
        segment_unpin(ss, s);
    } else if (s->state == SEG_UNLINKING) {
        if (ev->status)
            fx_log(fx, LOG_WARN, "store.unlink_failed", "folder=%u segment=%" PRIx64 " error=%s", s->disk, s->header.id,
                   dfs_errname(ev->status));
        else {
            st->free += s->header.size - min_u64(s->punched, s->header.size); /* about */
            segment_forget(ss, s);
        }
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
        for (uint32_t k = 0; s && k < s->tombs; k++)
            free(s->tomb_list[k]);
        if (s)
            segment_free(s);
    }
    free(ss->segments);
}

/* --- burying --- */

static void grave_mark(struct ss *ss, struct grave *g, uint32_t slot)
{
    struct segment *s = segment_at(ss, slot);
    if (!s || slot == g->tomb)
        return; /* a tombstone does not wait for its own segment */
    if (s->n_graves && s->graves[s->n_graves - 1] == g)
        return; /* marked already: graves are dug one at a time */
    if (s->n_graves == s->cap_graves) {
        s->cap_graves = s->cap_graves ? s->cap_graves * 2 : 8;
        s->graves = xrealloc(s->graves, s->cap_graves, sizeof(struct grave *));
    }
    s->graves[s->n_graves++] = g;
    g->refs++;
}

void grave_extend(struct ss *ss, const struct segment *s, uint64_t chunk, uint64_t copy, uint32_t slot)
{
    for (uint32_t i = 0; i < s->n_graves; i++)
        if (s->graves[i]->chunk == chunk && s->graves[i]->copy >= copy) {
            grave_mark(ss, s->graves[i], slot);
            return;
        }
}

void chunk_bury(struct ss *ss, struct chunk *c, uint64_t chunk, uint64_t copy, uint32_t tomb, const uint32_t *strays,
                uint32_t n_strays)
{
    struct grave *g = xcalloc(1, sizeof *g);
    const uint32_t *touched = NULL;
    uint32_t n = c ? chunk_segments(c, &touched) : 0;
    g->chunk = chunk;
    g->copy = copy;
    g->tomb = tomb;
    for (uint32_t i = 0; i < n; i++)
        grave_mark(ss, g, touched[i]);
    for (uint32_t i = 0; i < n_strays; i++)
        grave_mark(ss, g, strays[i]);
    if (g->refs)
        tomb_add(ss, g, tomb);
    else
        free(g);
    if (c) {
        ss->stores[c->disk].chunks--;
        index_remove(&ss->index, c);
    }
}

/* --- cleaning --- */

int64_t segment_dead(const struct segment *s) { return (int64_t)s->payload - s->live_bytes; }

uint64_t store_share(const struct ss *ss, uint64_t limit)
{
    return ss->n_stores == 1 ? limit : max_u64(limit / ss->n_stores, INFLIGHT_SHARE_MIN);
}

uint64_t store_reserve(const struct ss *ss) { return 2ULL * ss->segment_size[CLASS_SMALL]; }

uint32_t segment_drain(struct segment *s)
{
    uint32_t drain = s->phase + 1U;
    s->phase ^= 1;
    return drain;
}

bool segment_drained(const struct segment *s, uint32_t drain) { return s->readers[drain - 1] == 0; }

void segment_tail(struct ss *ss, struct segment *s, struct effects *fx)
{
    struct store *st = &ss->stores[s->disk];
    uint64_t from = round_up(s->end, DFS_BLOCK),
             to = (s->summary_at ? s->summary_at : s->header.size) / DFS_BLOCK * DFS_BLOCK;
    if (st->failed || st->no_punch || from >= to)
        return;
    char name[DISK_NAME_MAX + 1];
    segment_name(name, sizeof name, s->header.id);
    struct disk_op *op = ss_disk_op(st, DISK_PUNCH, name, 0, token_make(TOKEN_CLEAN, st->number, CLEAN_TAIL));
    op->offset = from;
    op->length = to - from;
    fx_disk(fx, op);
}

/* --- summary --- */

void segment_note(struct segment *s, const struct record *r)
{
    if (s->n_records == s->cap_records) {
        s->cap_records = s->cap_records ? s->cap_records * 2 : 16;
        s->entries = xrealloc(s->entries, s->cap_records, SUMMARY_ENTRY);
    }
    summary_put(s->entries + (size_t)s->n_records++ * SUMMARY_ENTRY, r);
}

struct buf *segment_summary(struct segment *s, uint32_t size, uint32_t *position, uint32_t *len)
{
    uint64_t wanted = summary_size(s->n_records);
    if (size < wanted || s->end > (size - wanted) / RECORD_ALIGN * RECORD_ALIGN)
        return NULL;
    *position = (uint32_t)((size - wanted) / RECORD_ALIGN * RECORD_ALIGN);
    *len = size - *position;
    struct buf *buf = buf_new(*len);
    if (buf) {
        uint32_t used = s->n_records * SUMMARY_ENTRY;
        struct summary m = {*position, s->end, s->n_records, crc32c(0, s->entries, used)};
        struct record r = {.kind = RECORD_SEAL,
                           .position = *position,
                           .durable = s->end,
                           .prev = s->last,
                           .prev_chunk = s->last_chunk};
        memset(buf->data, 0, *len);
        record_put(buf->data, &r, s->header.id, s->header.generation, s->seed);
        if (used)
            memcpy(buf->data + RECORD_HEADER, s->entries, used);
        trailer_put(buf->data + *len - SUMMARY_TRAILER, &m, s->header.id, s->seed);
    }
    free(s->entries);
    s->entries = NULL;
    s->cap_records = 0;
    return buf;
}
