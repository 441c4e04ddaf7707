/* SPDX-License-Identifier: MIT */
/* dfs_seek: a get (get.c) that asks StorageServers where they have data instead of for the data, and ends with the first
 * place that fits. What no chunk covers is a hole, and so is a chunk's part that none of its records does. */
#include "client/get.h"

static bool wants_hole(const struct get_read *r) { return r->get->op->req.flags == DFS_SEEK_HOLE; }

int seek_take(struct get_read *r, const struct msg_chunk_read_reply *m)
{
    uint64_t begin = r->chunk_offset, end = begin + r->length, first = end, behind = end;
    if (m->n_pieces > 0) {
        first = m->pieces[0].offset;
        behind = first + m->pieces[0].length;
        if (first < begin || first >= end || behind > end || behind == first)
            return DFS_EPROTO;
    }
    r->found = (uint32_t)((wants_hole(r) ? (first > begin ? begin : behind) : first) - begin);
    return 0;
}

void seek_deliver(struct get_read *r)
{
    struct op *op = r->get->op;
    uint32_t found = !r->hole ? r->found : wants_hole(r) ? 0 : r->length;
    if (found == r->length)
        return;
    op->result.offset = r->offset + found;
    op_end_ok(op);
}

void seek_end(struct get *g)
{
    struct op *op = g->op;
    if (op->req.flags == DFS_SEEK_HOLE && op->req.offset < op->result.attr.size) {
        op->result.offset = g->end; /* behind the end there is nothing */
        op_end_ok(op);
    } else {
        op_end(op, DFS_ENODATA, "there is no data from %llu on", (unsigned long long)op->req.offset);
    }
}
