/* SPDX-License-Identifier: MIT */
/* Extended attributes. Few inodes have any, so they lie beside the inodes, packed; a change makes the packing anew. Which
 * error wins where several could is as on Linux. Access control lists are some of them: acl.c. */
#include <stdlib.h>

#include "meta/state.h"

#define PREFIX "user."

const struct xattrs *meta_xattrs(const struct meta *m, uint64_t ino)
{
    return (const struct xattrs *)(uintptr_t)u64map_get(&m->xattrs, ino);
}

void meta_xattrs_put(struct meta *m, uint64_t ino, struct inode *in, const void *data, uint32_t len)
{
    struct xattrs *old = (struct xattrs *)(uintptr_t)u64map_get(&m->xattrs, ino);
    if (len > 0) {
        struct xattrs *x = xcalloc(1, sizeof *x + len);
        x->len = len;
        memcpy(x->data, data, len);
        m->heap_bytes += heap_cost(sizeof *x + len);
        u64map_put(&m->xattrs, ino, (uint64_t)(uintptr_t)x);
        in->flags |= INODE_XATTRS;
    } else {
        u64map_remove(&m->xattrs, ino);
        in->flags &= INODE_FLAGS & ~INODE_XATTRS;
    }
    m->heap_bytes -= old != NULL ? heap_cost(sizeof *old + old->len) : 0;
    free(old);
}

void meta_xattrs_free_all(struct meta *m)
{
    for (size_t i = 0; i < m->xattrs.cap; i++)
        free((struct xattrs *)(uintptr_t)m->xattrs.slots[i].value);
    u64map_close(&m->xattrs);
}

/* --- the packing --- */

struct attribute {
    struct str name, value;
    uint32_t at, len; /* in the packing, heads included */
};

/* The attribute at a->at + a->len; false: no more. */
static bool next(const void *data, uint32_t len, struct attribute *a)
{
    const char *p = data;
    uint32_t at = a->at + a->len;
    if (at == len)
        return false;
    a->at = at;
    a->name = (struct str){p + at + 1, (uint8_t)p[at]};
    a->value = (struct str){p + at + META_XATTR_HEAD + a->name.len, get_u32(p + at + 1 + a->name.len)};
    a->len = META_XATTR_HEAD + a->name.len + a->value.len;
    return true;
}

static bool name_fine(struct str name)
{
    return meta_is_acl(name) || (name.len > sizeof PREFIX - 1 && name.len <= META_XATTR_NAME_MAX &&
           memcmp(name.p, PREFIX, sizeof PREFIX - 1) == 0 && memchr(name.p, '\0', name.len) == NULL);
}

bool meta_xattrs_fine(const void *data, uint32_t len)
{
    struct attribute a = {.name = STR("")};
    if (len > META_XATTR_TOTAL_MAX)
        return false;
    while (a.at + a.len < len) {
        struct str last = a.name;
        uint32_t left = len - a.at - a.len;
        const uint8_t *p = (const uint8_t *)data + a.at + a.len;
        if (left < META_XATTR_HEAD || left - META_XATTR_HEAD < p[0] ||
            left - META_XATTR_HEAD - p[0] < get_u32(p + 1 + p[0]))
            return false;
        next(data, len, &a);
        if (!name_fine(a.name) || a.value.len > META_XATTR_VALUE_MAX || str_cmp(last, a.name) >= 0)
            return false;
    }
    return true;
}

/* Where name is, or (false, a->len 0) would be put. */
static bool find(const struct xattrs *x, struct str name, struct attribute *a)
{
    *a = (struct attribute){.name = STR("")};
    while (x != NULL && next(x->data, x->len, a)) {
        int order = str_cmp(a->name, name);
        if (order == 0)
            return true;
        if (order > 0) {
            a->len = 0;
            return false;
        }
    }
    a->at += a->len;
    a->len = 0;
    return false;
}

/* Puts `with` (may be empty) where `a` lies. */
static void replace(struct meta *m, uint64_t ino, const struct attribute *a, const void *with, uint32_t len)
{
    static const struct xattrs none = {.len = 0};
    const struct xattrs *x = meta_xattrs(m, ino);
    x = x != NULL ? x : &none;
    uint32_t total = x->len - a->len + len;
    uint8_t *data = xcalloc(total + 1, 1);
    memcpy(data, x->data, a->at);
    memcpy(data + a->at, with, len);
    memcpy(data + a->at + len, x->data + a->at + a->len, x->len - a->at - a->len);
    meta_xattrs_put(m, ino, meta_inode(m, ino), data, total);
    free(data);
}

bool meta_xattr_find(const struct meta *m, uint64_t ino, struct str name, struct str *value)
{
    struct attribute a;
    if (!find(meta_xattrs(m, ino), name, &a))
        return false;
    *value = a.value;
    return true;
}

int meta_xattr_put(struct meta *m, uint64_t ino, struct str name, struct str value)
{
    struct attribute a;
    const struct xattrs *x = meta_xattrs(m, ino);
    find(x, name, &a);
    uint32_t len = META_XATTR_HEAD + name.len + value.len;
    if ((x != NULL ? x->len : 0) - a.len + len > META_XATTR_TOTAL_MAX)
        return DFS_ENOSPC;
    uint8_t *packed = xcalloc(len, 1);
    packed[0] = (uint8_t)name.len;
    memcpy(packed + 1, name.p, name.len);
    put_u32(packed + 1 + name.len, value.len);
    if (value.len > 0)
        memcpy(packed + META_XATTR_HEAD + name.len, value.p, value.len);
    replace(m, ino, &a, packed, len);
    free(packed);
    return 0;
}

void meta_xattr_drop(struct meta *m, uint64_t ino, struct str name)
{
    struct attribute a;
    if (find(meta_xattrs(m, ino), name, &a))
        replace(m, ino, &a, "", 0);
}

/* --- operations --- */

static int check_name(struct str name)
{
    if (meta_is_acl(name))
        return 0;
    if (name.len == 0 || name.len > META_XATTR_NAME_MAX)
        return DFS_ENAMETOOLONG;
    if (name.len < sizeof PREFIX - 1 || memcmp(name.p, PREFIX, sizeof PREFIX - 1) != 0)
        return DFS_ENOTSUP;
    return name_fine(name) ? 0 : DFS_EINVAL;
}

static int walk(const struct meta *m, uint64_t dir, struct str path, uint32_t flags, uint64_t *ino)
{
    if (flags & ~(XATTR_MUST_BE_NEW | XATTR_MUST_EXIST | XATTR_NOFOLLOW))
        return DFS_EINVAL;
    return meta_walk_existing(m, dir, path, flags & XATTR_NOFOLLOW ? 0 : WALK_FOLLOW, ino);
}

/* May it have an attribute of this name? */
static int check_type(const struct inode *in, struct str name)
{
    if (meta_is_acl(name))
        return inode_type(in) == INODE_SYMLINK ? DFS_ENOTSUP : 0;
    return inode_type(in) == INODE_FILE || is_dir(in) ? 0 : DFS_EPERM;
}

static void changed(struct meta *m, const struct stamp *st, uint64_t ino)
{
    meta_inode(m, ino)->ctime_ns = st->time_ns;
    meta_changed(m, ino);
}

int meta_op_setxattr(struct meta *m, const struct stamp *st, const struct msg_setxattr *r, struct msg *reply)
{
    struct str old;
    uint64_t ino;
    int rv = check_name(r->name);
    if (rv != 0)
        return rv;
    if (r->value.len > META_XATTR_VALUE_MAX)
        return DFS_ETOOBIG;
    rv = walk(m, r->dir, r->path, r->flags & ~XATTR_DROP_SETGID, &ino);
    if (rv != 0)
        return rv;
    struct inode *in = meta_inode(m, ino);
    rv = check_type(in, r->name);
    if (rv != 0)
        return rv;
    bool there = meta_xattr_find(m, ino, r->name, &old);
    if (there && (r->flags & XATTR_MUST_BE_NEW))
        return DFS_EEXIST;
    if (!there && (r->flags & XATTR_MUST_EXIST))
        return DFS_ENODATA;
    if (meta_is_acl(r->name))
        rv = meta_acl_set(m, ino, in, r->name, r->value, r->flags & XATTR_DROP_SETGID);
    else
        rv = meta_xattr_put(m, ino, r->name, r->value);
    if (rv != 0)
        return rv;
    changed(m, st, ino);
    reply->type = MSG_TYPE_setxattr_reply;
    reply->setxattr_reply.reserved = 0;
    return 0;
}

int meta_op_removexattr(struct meta *m, const struct stamp *st, const struct msg_removexattr *r, struct msg *reply)
{
    struct str old;
    uint64_t ino;
    int rv = check_name(r->name);
    if (rv == 0)
        rv = walk(m, r->dir, r->path, r->flags, &ino);
    if (rv == 0)
        rv = check_type(meta_inode(m, ino), r->name);
    if (rv != 0)
        return rv;
    bool there = meta_xattr_find(m, ino, r->name, &old);
    if (!there && !meta_is_acl(r->name)) /* of an ACL Linux does not say so */
        return DFS_ENODATA;
    meta_xattr_drop(m, ino, r->name);
    if (there)
        changed(m, st, ino);
    reply->type = MSG_TYPE_removexattr_reply;
    reply->removexattr_reply.reserved = 0;
    return 0;
}

int meta_read_getxattr(const struct meta *m, const struct msg_getxattr *r, struct msg *reply)
{
    uint64_t ino;
    int rv = check_name(r->name);
    if (rv == 0)
        rv = walk(m, r->dir, r->path, r->flags, &ino);
    if (rv != 0)
        return rv;
    if (!meta_xattr_find(m, ino, r->name, &reply->getxattr_reply.value))
        return DFS_ENODATA;
    reply->type = MSG_TYPE_getxattr_reply;
    return 0;
}

int meta_read_listxattr(const struct meta *m, const struct msg_listxattr *r, struct msg *reply, struct arena *a)
{
    struct msg_listxattr_reply *out = &reply->listxattr_reply;
    struct attribute at = {.name = STR("")};
    uint64_t ino;
    int rv = walk(m, r->dir, r->path, r->flags, &ino);
    if (rv != 0)
        return rv;
    const struct xattrs *x = meta_xattrs(m, ino);
    reply->type = MSG_TYPE_listxattr_reply;
    *out = (struct msg_listxattr_reply){.n_xattrs = 0};
    if (x == NULL)
        return 0;
    /* The shortest has a name of one letter behind the prefix, and no value. */
    out->xattrs = arena_alloc(a, x->len / (META_XATTR_HEAD + sizeof PREFIX), sizeof *out->xattrs);
    if (out->xattrs == NULL)
        return DFS_ENOMEM;
    while (next(x->data, x->len, &at))
        out->xattrs[out->n_xattrs++] = (struct wire_xattr){.name = at.name, .size = at.value.len};
    return 0;
}
