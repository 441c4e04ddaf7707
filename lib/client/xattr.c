/* SPDX-License-Identifier: MIT */
/* Extended attributes: what path.c does, for their messages. */
#include "client/internal.h"

void xattr_build(struct rpc *r, struct msg *m)
{
    const struct client_request *q = &r->t.op->req;
    struct str path = str_of(q->path), name = str_of(q->path2);
    uint32_t flags = (q->flags & DFS_NOFOLLOW ? XATTR_NOFOLLOW : 0) | (q->flags & DFS_EXCL ? XATTR_MUST_BE_NEW : 0) |
                     (q->flags & DFS_REPLACE ? XATTR_MUST_EXIST : 0) |
                     (q->flags & DFS_DROP_SETGID ? XATTR_DROP_SETGID : 0);
    switch (q->kind) {
    case OP_GETXATTR:
        m->type = MSG_TYPE_getxattr;
        m->getxattr = (struct msg_getxattr){q->at.dir, path, flags, name};
        return;
    case OP_LISTXATTR:
        m->type = MSG_TYPE_listxattr;
        m->listxattr = (struct msg_listxattr){q->at.dir, path, flags};
        return;
    case OP_SETXATTR:
        m->type = MSG_TYPE_setxattr;
        m->setxattr = (struct msg_setxattr){rpc_id(r), q->at.dir, path, flags, name, {q->value, (uint32_t)q->value_len}};
        return;
    default:
        m->type = MSG_TYPE_removexattr;
        m->removexattr = (struct msg_removexattr){rpc_id(r), q->at.dir, path, flags, name};
        return;
    }
}

static void answer_get(struct op *op, const struct msg_getxattr_reply *m)
{
    void *copy = arena_alloc(&op->arena, m->value.len, 1);
    if (!copy) {
        op_end(op, DFS_ENOMEM, "the attribute is too large for this program's memory");
        return;
    }
    if (m->value.len)
        memcpy(copy, m->value.p, m->value.len);
    op->result.value = copy;
    op->result.value_len = m->value.len;
}

static void answer_list(struct op *op, const struct msg_listxattr_reply *m)
{
    struct dfs_xattr *x = arena_alloc(&op->arena, m->n_xattrs, sizeof *x);
    if (!x) {
        op_end(op, DFS_ENOMEM, "the list of attributes is too large for this program's memory");
        return;
    }
    for (uint32_t i = 0; i < m->n_xattrs; i++) {
        x[i] = (struct dfs_xattr){op_string(op, m->xattrs[i].name), m->xattrs[i].size};
        if (!x[i].name)
            return;
    }
    op->result.xattrs = x;
    op->result.n_xattrs = m->n_xattrs;
}

void xattr_answer(struct op *op, const struct msg *m)
{
    if (m->type == MSG_TYPE_getxattr_reply)
        answer_get(op, &m->getxattr_reply);
    else if (m->type == MSG_TYPE_listxattr_reply)
        answer_list(op, &m->listxattr_reply);
}
