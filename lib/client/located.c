/* SPDX-License-Identifier: MIT */
/* Where a file's chunks are, as the NameServer said it in one answer; shared by the gets that use it. */
#include <stdlib.h>

#include "client/get.h"

/* Chunks in rising order, none longer than a chunk may be; the first is there, or a hole. */
static bool is_sane(const struct located *p)
{
    const struct msg_locate_reply *m = &p->msg.locate_reply;
    if (m->chunk_size == 0 || m->chunk_size % DFS_BLOCK != 0)
        return false;
    for (uint32_t i = 0; i < m->n_chunks; i++)
        if (m->chunks[i].length > m->chunk_size || (i && m->chunks[i].index <= m->chunks[i - 1].index))
            return false;
    return located_covers(p, p->first);
}

/* A chunk that is being written has as many bytes as the file says. */
static void open_chunks(struct msg_locate_reply *p)
{
    for (uint32_t i = 0; i < p->n_chunks; i++) {
        struct wire_chunk_loc *loc = &p->chunks[i];
        uint64_t start = (uint64_t)loc->index * p->chunk_size;
        if (loc->open)
            loc->length = start < p->attr.size ? (uint32_t)min_u64(p->attr.size - start, p->chunk_size) : 0;
    }
}

int located_new(const struct event *ev, uint32_t first, uint64_t asked, struct located **out)
{
    struct located *p = xcalloc(1, sizeof *p);
    p->refs = 1;
    p->first = first;
    p->asked = asked;
    arena_init(&p->arena, WIRE_ARENA_MAX);
    p->head = slice_ref(ev->head);
    int err = msg_decode(ev->msg->type, slice_data(p->head), p->head.len, &p->msg, &p->arena);
    if (!err && p->msg.locate_reply.attr.type != INODE_DIRECTORY && !is_sane(p))
        err = DFS_EPROTO;
    if (err) {
        located_drop(p);
        return err;
    }
    open_chunks(&p->msg.locate_reply);
    *out = p;
    return 0;
}

struct located *located_ref(struct located *p)
{
    p->refs++;
    return p;
}

void located_drop(struct located *p)
{
    if (!p || --p->refs > 0)
        return;
    slice_drop(&p->head);
    arena_close(&p->arena);
    free(p);
}

const struct wire_chunk_loc *located_find(const struct located *page, uint32_t index)
{
    const struct msg_locate_reply *p = page ? &page->msg.locate_reply : NULL;
    uint32_t lo = 0, hi = p ? p->n_chunks : 0;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (p->chunks[mid].index < index)
            lo = mid + 1;
        else
            hi = mid;
    }
    return p && lo < p->n_chunks && p->chunks[lo].index == index ? &p->chunks[lo] : NULL;
}

bool located_covers(const struct located *page, uint32_t index)
{
    const struct msg_locate_reply *p = &page->msg.locate_reply;
    if (index < page->first)
        return false;
    return p->eof || (p->n_chunks && index <= p->chunks[p->n_chunks - 1].index);
}
