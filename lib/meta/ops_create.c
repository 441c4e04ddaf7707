/* SPDX-License-Identifier: MIT */
/* Operations that make names: mkdir, create, symlink, mknod. Which error wins where several could is as on Linux. */
#include <sys/stat.h>

#include "meta/state.h"

static void reply_attr(const struct meta *m, uint64_t ino, uint16_t type, struct msg *reply, struct wire_attr *attr)
{
    reply->type = type;
    meta_fill_attr(m, ino, meta_inode(m, ino), attr);
}

/* What is made in a directory with the setgid bit belongs to the directory's group. */
static uint32_t group_of(const struct meta *m, uint64_t parent, uint32_t gid)
{
    const struct inode *in = meta_inode(m, parent);
    return in->type_mode & S_ISGID ? in->gid : gid;
}

static uint64_t make_dir(struct meta *m, const struct stamp *st, const struct msg_mkdir *r, const struct walk *w)
{
    uint64_t ino;
    const struct inode *parent = meta_inode(m, w->parent);
    uint8_t goal = parent->goal;
    uint32_t mode = r->mode | (parent->type_mode & S_ISGID);
    struct inode *in = meta_inode_new(m, st, INODE_DIRECTORY, mode, r->uid, group_of(m, w->parent, r->gid), &ino);
    in->goal = goal & 31;
    meta_acl_inherit(m, w->parent, ino, in, r->umask);
    meta_link(m, st, w->parent, w->name, ino);
    return ino;
}

/* One name of mkdir -p: a directory that is there is fine, symlinks to one included. */
static int descend_or_make(struct meta *m, const struct stamp *st, const struct msg_mkdir *r, struct str name,
                           struct walk *w, uint64_t *dir)
{
    int rv = meta_walk(m, *dir, name, 0, w);
    if (rv != 0)
        return rv;
    if (w->ino == 0) {
        *dir = make_dir(m, st, r, w);
        return 0;
    }
    rv = meta_walk(m, *dir, name, WALK_FOLLOW, w);
    if (rv != 0)
        return rv;
    if (w->ino == 0)
        return DFS_EEXIST; /* a dangling symlink */
    *dir = w->ino;
    return is_dir(meta_inode(m, w->ino)) ? 0 : DFS_ENOTDIR;
}

static bool names_fit(struct str path)
{
    for (uint32_t i = 0, len = 0; i < path.len; i++) {
        len = path.p[i] == '/' ? 0 : len + 1;
        if (len > WIRE_NAME_MAX)
            return false;
    }
    return true;
}

static int make_parents(struct meta *m, const struct stamp *st, const struct msg_mkdir *r, uint64_t *ino)
{
    struct walk w = {.links = 0};
    uint64_t dir = r->path.len > 0 && r->path.p[0] == '/' ? ROOT_INO : r->dir;
    if (!names_fit(r->path))
        return DFS_ENAMETOOLONG; /* before anything is made */
    for (uint32_t i = 0; i < r->path.len;) {
        uint32_t end = i;
        while (end < r->path.len && r->path.p[end] != '/')
            end++;
        int rv = end > i ? descend_or_make(m, st, r, (struct str){r->path.p + i, end - i}, &w, &dir) : 0;
        i = end + 1;
        if (rv == DFS_ENOTDIR && i >= r->path.len)
            return DFS_EEXIST; /* the last one: something else has that name */
        if (rv != 0)
            return rv;
    }
    const struct inode *in = meta_inode(m, dir);
    if (in == NULL)
        return DFS_ENOENT;
    *ino = dir;
    return is_dir(in) ? 0 : DFS_EEXIST;
}

int meta_op_mkdir(struct meta *m, const struct stamp *st, const struct msg_mkdir *r, struct msg *reply)
{
    struct walk w = {.links = 0};
    uint64_t ino;
    int rv;
    if (r->flags & MKDIR_PARENTS) {
        rv = make_parents(m, st, r, &ino);
        if (rv != 0)
            return rv;
    } else {
        rv = meta_walk(m, r->dir, r->path, 0, &w);
        if (rv != 0)
            return rv;
        if (w.ino != 0)
            return DFS_EEXIST;
        ino = make_dir(m, st, r, &w);
    }
    reply_attr(m, ino, MSG_TYPE_mkdir_reply, reply, &reply->mkdir_reply.attr);
    return 0;
}

int meta_walk_for_file(const struct meta *m, uint64_t dir, struct str path, bool excl, struct walk *w)
{
    w->links = 0;
    int rv = meta_walk(m, dir, path, excl ? 0 : WALK_FOLLOW, w);
    if (rv != 0)
        return rv;
    if (w->kind == LAST_NAME && w->slash)
        return DFS_EISDIR;
    if (w->ino != 0 && excl)
        return DFS_EEXIST;
    if (w->ino == 0)
        return 0;
    switch (inode_type(meta_inode(m, w->ino))) {
    case INODE_FILE: return 0;
    case INODE_DIRECTORY: return DFS_EISDIR;
    case INODE_SYMLINK: return DFS_ELOOP; /* named by its number: an empty path follows nothing */
    default: return DFS_ENOTSUP;          /* it has no bytes of its own */
    }
}

uint64_t meta_file_new(struct meta *m, const struct stamp *st, const struct walk *w, const struct made *what,
                       uint8_t goal)
{
    uint64_t ino = m->next_ino++;
    struct inode *in = meta_file_add(m, st, w, what, ino);
    in->goal = goal != 0 ? goal & 31 : in->goal;
    return ino;
}

struct inode *meta_file_add(struct meta *m, const struct stamp *st, const struct walk *w, const struct made *what,
                            uint64_t ino)
{
    uint32_t gid = group_of(m, w->parent, what->gid);
    struct inode *in = meta_inode_add(m, st, INODE_FILE, what->mode, what->uid, gid, ino);
    in->goal = meta_inode(m, w->parent)->goal;
    meta_acl_inherit(m, w->parent, ino, in, what->umask);
    meta_link(m, st, w->parent, w->name, ino);
    return meta_inode(m, ino);
}

int meta_op_create(struct meta *m, const struct stamp *st, const struct msg_create *r, struct msg *reply)
{
    struct walk w;
    if (r->goal > META_MAX_REPLICAS)
        return DFS_EINVAL;
    int rv = meta_walk_for_file(m, r->dir, r->path, r->flags & CREATE_EXCL, &w);
    if (rv != 0)
        return rv;
    const struct made what = {r->mode, r->umask, r->uid, r->gid};
    if (w.ino == 0)
        w.ino = meta_file_new(m, st, &w, &what, r->goal);
    reply_attr(m, w.ino, MSG_TYPE_create_reply, reply, &reply->create_reply.attr);
    return 0;
}

int meta_op_symlink(struct meta *m, const struct stamp *st, const struct msg_symlink *r, struct msg *reply)
{
    struct walk w = {.links = 0};
    uint64_t ino;
    if (r->target.len == 0)
        return DFS_ENOENT;
    if (r->target.len > WIRE_PATH_MAX)
        return DFS_ENAMETOOLONG;
    if (memchr(r->target.p, '\0', r->target.len) != NULL)
        return DFS_EINVAL;
    int rv = meta_walk(m, r->dir, r->path, 0, &w);
    if (rv != 0)
        return rv;
    if (w.ino != 0)
        return DFS_EEXIST;
    if (w.slash)
        return DFS_ENOENT;
    struct inode *in = meta_inode_new(m, st, INODE_SYMLINK, 0777, r->uid, group_of(m, w.parent, r->gid), &ino);
    in->target = xcalloc(r->target.len, 1);
    memcpy(in->target, r->target.p, r->target.len);
    in->size = r->target.len;
    m->heap_bytes += heap_cost(in->size);
    meta_link(m, st, w.parent, w.name, ino);
    reply_attr(m, ino, MSG_TYPE_symlink_reply, reply, &reply->symlink_reply.attr);
    return 0;
}

int meta_op_mknod(struct meta *m, const struct stamp *st, const struct msg_mknod *r, struct msg *reply)
{
    struct walk w = {.links = 0};
    uint64_t ino;
    bool device = r->type == INODE_CHAR_DEVICE || r->type == INODE_BLOCK_DEVICE;
    if (r->type <= INODE_SYMLINK || r->type > INODE_BLOCK_DEVICE || (r->device != 0 && !device))
        return DFS_EINVAL;
    int rv = meta_walk(m, r->dir, r->path, 0, &w);
    if (rv != 0)
        return rv;
    if (w.ino != 0)
        return DFS_EEXIST;
    if (w.slash)
        return DFS_ENOENT;
    struct inode *in = meta_inode_new(m, st, r->type, r->mode, r->uid, group_of(m, w.parent, r->gid), &ino);
    in->size = r->device;
    meta_acl_inherit(m, w.parent, ino, in, r->umask);
    meta_link(m, st, w.parent, w.name, ino);
    reply_attr(m, ino, MSG_TYPE_mknod_reply, reply, &reply->mknod_reply.attr);
    return 0;
}
