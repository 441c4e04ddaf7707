/* SPDX-License-Identifier: MIT */
/* Operations on what is there: setattr, link. Which error wins where several could is as on Linux. */
#include "base/mode.h"
#include "meta/state.h"

#define SETATTR_ALL                                                                                                    \
    (SETATTR_MODE | SETATTR_UID | SETATTR_GID | SETATTR_MTIME | SETATTR_MTIME_NOW | SETATTR_GOAL | SETATTR_ATIME |     \
     SETATTR_ATIME_NOW | SETATTR_KILL_SETID)

/* It stays what it was if only the other time was set; before: what it was. */
static void set_atime(struct meta *m, const struct stamp *st, const struct msg_setattr *r, uint64_t ino,
                      struct inode *in, int64_t before)
{
    if (r->flags & SETATTR_ATIME_NOW)
        meta_set_atime(m, ino, in, st->time_ns);
    else if (r->flags & SETATTR_ATIME)
        meta_set_atime(m, ino, in, r->atime_ns);
    else if (r->flags & (SETATTR_MTIME | SETATTR_MTIME_NOW))
        meta_set_atime(m, ino, in, before);
}

int meta_op_setattr(struct meta *m, const struct stamp *st, const struct msg_setattr *r, struct msg *reply)
{
    uint64_t ino;
    if ((r->flags & SETATTR_ALL) == 0 || (r->flags & ~(SETATTR_ALL | SETATTR_NOFOLLOW)) != 0)
        return DFS_EINVAL;
    if ((r->flags & SETATTR_GOAL) && r->goal > META_MAX_REPLICAS)
        return DFS_EINVAL;
    int rv = meta_walk_existing(m, r->dir, r->path, r->flags & SETATTR_NOFOLLOW ? 0 : WALK_FOLLOW, &ino);
    if (rv != 0)
        return rv;
    struct inode *in = meta_inode(m, ino);
    if ((r->flags & (SETATTR_MODE | SETATTR_GOAL)) && inode_type(in) == INODE_SYMLINK)
        return DFS_ENOTSUP;
    if (r->flags & (SETATTR_UID | SETATTR_GID | SETATTR_KILL_SETID) && !is_dir(in))
        in->type_mode = (uint16_t)mode_without_setid(in->type_mode);
    if (r->flags & SETATTR_MODE)
        in->type_mode = (uint16_t)((in->type_mode & 0xf000) | (r->mode & 07777));
    if (r->flags & SETATTR_MODE)
        meta_acl_follow_mode(m, ino, in);
    if (r->flags & SETATTR_UID)
        in->uid = r->uid;
    if (r->flags & SETATTR_GID)
        in->gid = r->gid;
    int64_t before = meta_atime(m, ino, in);
    if (r->flags & SETATTR_MTIME)
        in->mtime_ns = r->mtime_ns;
    if (r->flags & SETATTR_MTIME_NOW)
        in->mtime_ns = st->time_ns;
    set_atime(m, st, r, ino, in, before);
    if (r->flags & SETATTR_GOAL)
        meta_set_goal(m, in, r->goal);
    in->ctime_ns = st->time_ns;
    meta_changed(m, ino);
    reply->type = MSG_TYPE_setattr_reply;
    meta_fill_attr(m, ino, in, &reply->setattr_reply.attr);
    return 0;
}

int meta_op_link(struct meta *m, const struct stamp *st, const struct msg_link *r, struct msg *reply)
{
    struct walk to = {.links = 0};
    uint64_t ino;
    int rv = meta_walk_existing(m, r->dir, r->path, 0, &ino);
    if (rv == 0)
        rv = meta_walk(m, r->to_dir, r->to_path, 0, &to);
    if (rv != 0)
        return rv;
    if (to.ino != 0)
        return DFS_EEXIST;
    if (to.slash)
        return DFS_ENOENT;
    const struct inode *in = meta_inode(m, ino);
    if (is_dir(in))
        return DFS_EPERM;
    if (in->names == 0 || meta_top(m, inode_home(in)) != ROOT_INO)
        return DFS_ENOENT; /* named by its number, and removed */
    if (in->names >= INODE_NAMES_MAX)
        return DFS_EMLINK;
    meta_link(m, st, to.parent, to.name, ino);
    reply->type = MSG_TYPE_link_reply;
    meta_fill_attr(m, ino, meta_inode(m, ino), &reply->link_reply.attr);
    return 0;
}
