/* SPDX-License-Identifier: MIT */
/* Delegations of directories, and the files made under them: chunks are granted and written as a put's are (put.c), and one change
 * makes the file, under the number it was promised with, maps them, and opens it. */
#include "client/file.h"

void delegate_build(struct rpc *r, struct msg *m)
{
    const struct client_request *q = &r->t.op->req;
    if (q->kind == OP_DELEGATE) {
        m->type = MSG_TYPE_delegate;
        m->delegate = (struct msg_delegate){.id = rpc_id(r), .dir = q->at.dir, .inodes = q->limit};
    } else {
        m->type = MSG_TYPE_delegate_return;
        m->delegate_return = (struct msg_delegate_return){.id = rpc_id(r), .dir = q->at.dir};
    }
}

/* It is counted on for four fifths of its time, from before it was asked for: the leader counts from later, by a clock that
 * may be a little faster. A call that waited for another holder asked for the last time when the last message left, unless one
 * before got no answer. */
void delegate_answer(struct op *op, const struct msg_delegate_reply *m)
{
    const struct client *c = op->c;
    uint64_t asked = op->rpc.uncertain ? op->rpc.since : op->rpc.sent;
    uint64_t used = c->now.mono - asked, all = c->delegation_ttl / 5 * 4;
    op->result.attr = attr_of(&m->attr);
    op->result.delegation = (struct dfs_delegation){
        .first = m->first, .inodes = m->inodes, .ms = used < all ? (all - used) / NS_PER_MS : 0, .kept = m->kept != 0};
}

void make_begin(struct op *op, struct effects *fx) { put_value_begin(op, op->req.put.goal, fx); }

void make_build(struct rpc *r, struct msg *m, struct wire_published *chunks, uint32_t n, uint64_t size)
{
    const struct client_request *q = &r->t.op->req;
    m->type = MSG_TYPE_make;
    m->make = (struct msg_make){.id = rpc_id(r),
                                .dir = q->at.dir,
                                .path = str_of(q->path),
                                .ino = q->id,
                                .mode = q->mode,
                                .uid = q->at.uid,
                                .gid = q->at.gid,
                                .mtime_ns = q->set.mtime_ns,
                                .atime_ns = q->set.atime_ns,
                                .umask = q->at.umask,
                                .size = size,
                                .chunks = chunks,
                                .n_chunks = n};
}
