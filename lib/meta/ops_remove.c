/* SPDX-License-Identifier: MIT */
/* Operations that take names away: unlink, rmdir, rename. Which error wins where several could is as on Linux. */
#include "meta/state.h"

int meta_op_unlink(struct meta *m, const struct stamp *st, const struct msg_unlink *r, struct msg *reply)
{
    struct walk w = {.links = 0};
    int rv = meta_walk(m, r->dir, r->path, 0, &w);
    if (rv != 0)
        return rv;
    if (w.ino == 0)
        return DFS_ENOENT;
    if (w.kind != LAST_NAME)
        return is_dir(meta_inode(m, w.ino)) ? DFS_EISDIR : DFS_ENOTDIR;
    if (is_dir(meta_inode(m, w.ino)))
        return DFS_EISDIR;
    if (w.slash)
        return DFS_ENOTDIR;
    meta_unlink(m, st, w.parent, w.name);
    reply->type = MSG_TYPE_unlink_reply;
    reply->unlink_reply = (struct msg_unlink_reply){.dir_ns = st->time_ns};
    return 0;
}

int meta_op_rmdir(struct meta *m, const struct stamp *st, const struct msg_rmdir *r, struct msg *reply)
{
    struct walk w = {.links = 0};
    int rv = meta_walk(m, r->dir, r->path, 0, &w);
    if (rv != 0)
        return rv;
    if (w.ino == 0)
        return DFS_ENOENT;
    const struct inode *in = meta_inode(m, w.ino);
    if (!is_dir(in))
        return DFS_ENOTDIR;
    if (w.kind != LAST_NAME)
        return w.kind == LAST_DOT ? DFS_EINVAL : w.kind == LAST_DOTDOT ? DFS_ENOTEMPTY : DFS_EBUSY;
    if (in->size > 0)
        return DFS_ENOTEMPTY;
    meta_unlink(m, st, w.parent, w.name);
    reply->type = MSG_TYPE_rmdir_reply;
    reply->rmdir_reply.reserved = 0;
    return 0;
}

/* What stands against moving `from` to `to`, both walked; 0 if nothing does. */
static int check_swap(const struct meta *m, const struct walk *a, const struct walk *b)
{
    if (a->kind != LAST_NAME || b->kind != LAST_NAME)
        return DFS_EBUSY;
    if (a->ino == 0 || b->ino == 0)
        return DFS_ENOENT;
    bool dir_a = is_dir(meta_inode(m, a->ino)), dir_b = is_dir(meta_inode(m, b->ino));
    if ((a->slash && !dir_a) || (b->slash && !dir_b))
        return DFS_ENOTDIR;
    bool within = (dir_a && meta_is_above(m, a->ino, b->parent)) || (dir_b && meta_is_above(m, b->ino, a->parent));
    return within ? DFS_EINVAL : 0;
}

static int check_rename(const struct meta *m, const struct walk *from, const struct walk *to, bool excl)
{
    if (from->kind != LAST_NAME)
        return DFS_EBUSY;
    if (to->kind != LAST_NAME)
        return excl ? DFS_EEXIST : DFS_EBUSY;
    if (from->ino == 0)
        return DFS_ENOENT;
    if (excl && to->ino != 0)
        return DFS_EEXIST;
    bool dir = is_dir(meta_inode(m, from->ino));
    if (!dir && (from->slash || to->slash))
        return DFS_ENOTDIR;
    if (dir && meta_is_above(m, from->ino, to->parent))
        return DFS_EINVAL;
    if (to->ino == 0 || to->ino == from->ino)
        return 0;
    const struct inode *target = meta_inode(m, to->ino);
    if (is_dir(target) && meta_is_above(m, to->ino, from->parent))
        return DFS_ENOTEMPTY;
    if (dir && !is_dir(target))
        return DFS_ENOTDIR;
    if (!dir && is_dir(target))
        return DFS_EISDIR;
    return is_dir(target) && target->size > 0 ? DFS_ENOTEMPTY : 0;
}

int meta_op_rename(struct meta *m, const struct stamp *st, const struct msg_rename *r, struct msg *reply)
{
    struct walk from = {.links = 0}, to = {.links = 0};
    int rv = meta_walk(m, r->dir, r->path, 0, &from);
    if (rv == 0)
        rv = meta_walk(m, r->to_dir, r->to_path, 0, &to);
    if (rv == 0)
        rv = r->flags & RENAME_SWAP ? check_swap(m, &from, &to) : check_rename(m, &from, &to, r->flags & RENAME_EXCL);
    if (rv != 0)
        return rv;
    reply->type = MSG_TYPE_rename_reply;
    reply->rename_reply.reserved = 0;
    if (to.ino == from.ino)
        return 0;
    if (r->flags & RENAME_SWAP) {
        meta_swap(m, st, &from, &to);
        return 0;
    }
    if (to.ino != 0)
        meta_unlink(m, st, to.parent, to.name);
    meta_move(m, st, from.parent, from.name, to.parent, to.name);
    return 0;
}
