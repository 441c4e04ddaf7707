/* SPDX-License-Identifier: MIT */
/* Delegations of directories, as NFS has them (RFC 8881, 10.9), but for names to be made: a session that has one is the only one
 * that makes names in the directory, and so it knows without asking whether a name is free. A mount makes files there by itself,
 * under numbers it got with the delegation, and tells of each once, with its content (meta_op_make).
 *
 *              delegate                           return, revoke, session gone
 *   nobody's -----------> one session's: others wait ----------------------------> nobody's
 *
 * Others wait for whatever may depend on names that were promised: to be told that a name is not there, what is in the
 * directory, or when it changed; and to change a name in it. A name that is there is answered as ever: only new ones are
 * promised. What is made in a directory with a default ACL is not what its maker says: there is no delegation of one, and it
 * gets none while another session has it. When a holder is to be asked for it, and when it is taken from one that does not answer, is the leader's
 * business (group/delegations.c). */
#include <stdio.h>
#include <stdlib.h>

#include "meta/state.h"

#define DELEGATIONS_MAX 1024u /* of a session */
#define INODES_MAX 4096u      /* numbers given at a time */

static struct session *holder(const struct meta *m, uint64_t dir)
{
    return idmap_find(&m->sessions, meta_delegated_to(m, dir));
}

uint64_t meta_delegated_to(const struct meta *m, uint64_t dir) { return u64map_get(&m->delegations, dir); }

uint64_t meta_n_delegations(const struct meta *m) { return m->delegations.count; }

void meta_ignore_delegations(struct meta *m, bool ignored) { m->ignore_delegations = ignored; }

bool meta_delegation_add(struct meta *m, uint64_t dir, uint64_t session)
{
    struct session *s = idmap_find(&m->sessions, session);
    const struct inode *in = meta_inode(m, dir);
    if (s == NULL || in == NULL || !is_dir(in) || s->n_delegations == DELEGATIONS_MAX || meta_delegated_to(m, dir) != 0)
        return false;
    u64map_put(&m->delegations, dir, session);
    s->n_delegations++;
    return true;
}

void meta_delegation_gone(struct meta *m, uint64_t dir)
{
    struct session *s = holder(m, dir);
    if (s == NULL)
        return;
    s->n_delegations--;
    u64map_remove(&m->delegations, dir);
}

uint64_t *meta_delegated(const struct meta *m, uint32_t *n)
{
    uint64_t *dirs = m->delegations.count > 0 ? calloc(m->delegations.count, sizeof *dirs) : NULL;
    *n = (uint32_t)m->delegations.count;
    if (dirs == NULL)
        return NULL;
    for (size_t i = 0, k = 0; i < m->delegations.cap; i++)
        if (m->delegations.slots[i].value != 0)
            dirs[k++] = m->delegations.slots[i].key;
    qsort(dirs, *n, sizeof *dirs, compare_u64);
    return dirs;
}

void meta_delegations_drop(struct meta *m, uint64_t session)
{
    const struct session *s = idmap_find(&m->sessions, session);
    for (size_t i = 0; s->n_delegations > 0;) {
        size_t cap = m->delegations.cap;
        assert(i < cap);
        if (m->delegations.slots[i].value != session) {
            i++;
            continue;
        }
        meta_delegation_gone(m, m->delegations.slots[i].key); /* another may come to its place */
        if (m->delegations.cap != cap)
            i = 0; /* the table has become smaller: all are somewhere else */
    }
}

/* --- what is in whose way --- */

struct use { /* a path in a message */
    uint64_t dir;
    struct str path;
    uint32_t walk;
    enum { ENTRY, WHOLE, CHANGE } what; /* is it about an entry, or all there is to a directory, or changes the name it ends in? */
};

#define FOLLOWS (WALK_FOLLOW | WALK_SLASH_FOLLOWS)

static uint32_t follow(uint32_t flags, uint32_t unless)
{
    return flags & unless ? WALK_SLASH_FOLLOWS : FOLLOWS;
}

static uint32_t uses_read(const struct msg *r, struct use *u)
{
    switch (r->type) {
    case MSG_TYPE_lookup:
        *u = (struct use){r->lookup.dir, r->lookup.path, follow(r->lookup.flags, LOOKUP_NOFOLLOW), WHOLE};
        return 1;
    case MSG_TYPE_readdir:
        *u = (struct use){r->readdir.dir, r->readdir.path, FOLLOWS, WHOLE};
        return 1;
    case MSG_TYPE_locate:
        *u = (struct use){r->locate.dir, r->locate.path, FOLLOWS, ENTRY};
        return 1;
    case MSG_TYPE_usage:
        *u = (struct use){r->usage.dir, r->usage.path, 0, WHOLE};
        return 1;
    case MSG_TYPE_getxattr:
        *u = (struct use){r->getxattr.dir, r->getxattr.path, follow(r->getxattr.flags, XATTR_NOFOLLOW), ENTRY};
        return 1;
    case MSG_TYPE_listxattr:
        *u = (struct use){r->listxattr.dir, r->listxattr.path, follow(r->listxattr.flags, XATTR_NOFOLLOW), ENTRY};
        return 1;
    default:
        return 0;
    }
}

/* Those that are about what is there, and may find that nothing is. */
static uint32_t uses_there(const struct msg *r, struct use *u)
{
    switch (r->type) {
    case MSG_TYPE_setattr:
        *u = (struct use){r->setattr.dir, r->setattr.path, follow(r->setattr.flags, SETATTR_NOFOLLOW), WHOLE};
        return 1;
    case MSG_TYPE_setxattr:
        *u = (struct use){r->setxattr.dir, r->setxattr.path, follow(r->setxattr.flags, XATTR_NOFOLLOW),
                          meta_is_acl(r->setxattr.name) ? WHOLE : ENTRY};
        return 1;
    case MSG_TYPE_removexattr:
        *u = (struct use){r->removexattr.dir, r->removexattr.path, follow(r->removexattr.flags, XATTR_NOFOLLOW), ENTRY};
        return 1;
    case MSG_TYPE_truncate:
        *u = (struct use){r->truncate.dir, r->truncate.path, FOLLOWS, ENTRY};
        return r->truncate.handle == 0;
    case MSG_TYPE_open:
        *u = (struct use){r->open.dir, r->open.path, r->open.flags & OPEN_EXCL ? 0 : FOLLOWS, ENTRY};
        return 1;
    case MSG_TYPE_create:
        *u = (struct use){r->create.dir, r->create.path, r->create.flags & CREATE_EXCL ? 0 : FOLLOWS, ENTRY};
        return 1;
    case MSG_TYPE_publish:
        *u = (struct use){r->publish.dir, r->publish.path, r->publish.flags & CREATE_EXCL ? 0 : FOLLOWS, ENTRY};
        return 1;
    case MSG_TYPE_delegate:
        *u = (struct use){r->delegate.dir, STR(""), 0, WHOLE};
        return 1;
    default:
        return uses_read(r, u);
    }
}

/* Without a path it goes where it was. */
static struct use use_of_restore(const struct meta *m, const struct msg_trash_restore *r)
{
    const struct trashed *t = r->path.len == 0 ? idmap_find(&m->trash, r->trash) : NULL;
    return t != NULL && t->path != NULL ? (struct use){ROOT_INO, str_of(t->path), 0, CHANGE}
                                        : (struct use){r->dir, r->path, 0, CHANGE};
}

static uint32_t uses_of(const struct meta *m, const struct msg *r, struct use u[2])
{
    switch (r->type) {
    case MSG_TYPE_make:
        *u = (struct use){r->make.dir, r->make.path, 0, CHANGE};
        return 1;
    case MSG_TYPE_mkdir:
        *u = (struct use){r->mkdir.dir, r->mkdir.path, 0, CHANGE};
        return 1;
    case MSG_TYPE_symlink:
        *u = (struct use){r->symlink.dir, r->symlink.path, 0, CHANGE};
        return 1;
    case MSG_TYPE_mknod:
        *u = (struct use){r->mknod.dir, r->mknod.path, 0, CHANGE};
        return 1;
    case MSG_TYPE_unlink:
        *u = (struct use){r->unlink.dir, r->unlink.path, 0, CHANGE};
        return 1;
    case MSG_TYPE_rmdir:
        *u = (struct use){r->rmdir.dir, r->rmdir.path, 0, CHANGE};
        return 1;
    case MSG_TYPE_remove:
        *u = (struct use){r->remove.dir, r->remove.path, 0, CHANGE};
        return 1;
    case MSG_TYPE_trash_restore:
        *u = use_of_restore(m, &r->trash_restore);
        return 1;
    case MSG_TYPE_rename:
        u[0] = (struct use){r->rename.dir, r->rename.path, 0, CHANGE};
        u[1] = (struct use){r->rename.to_dir, r->rename.to_path, 0, CHANGE};
        return 2;
    case MSG_TYPE_link:
        u[0] = (struct use){r->link.dir, r->link.path, 0, ENTRY};
        u[1] = (struct use){r->link.to_dir, r->link.to_path, 0, CHANGE};
        return 2;
    default:
        return uses_there(r, u);
    }
}

static bool is_anothers(const struct meta *m, uint64_t dir, uint64_t session)
{
    uint64_t has = dir != 0 ? meta_delegated_to(m, dir) : 0;
    return has != 0 && has != session;
}

static uint64_t in_way_of(const struct meta *m, const struct use *u, uint64_t session)
{
    struct walk w = {.links = 0};
    if (meta_walk(m, u->dir, u->path, u->walk, &w) != 0)
        return 0; /* that is the answer, or a directory is missing, and none is promised */
    if (u->what != ENTRY && is_anothers(m, w.ino, session))
        return w.ino;
    return (w.ino == 0 || u->what == CHANGE) && is_anothers(m, w.parent, session) ? w.parent : 0;
}

/* mkdir -p: the first directory that is missing is made where it is missing. */
static uint64_t in_way_of_parents(const struct meta *m, const struct msg_mkdir *r, uint64_t session)
{
    for (uint32_t i = 1; i <= r->path.len; i++) {
        struct walk w = {.links = 0};
        if (i < r->path.len && r->path.p[i] != '/')
            continue;
        if (meta_walk(m, r->dir, (struct str){r->path.p, i}, WALK_FOLLOW, &w) != 0)
            return 0;
        if (w.ino == 0)
            return is_anothers(m, w.parent, session) ? w.parent : 0;
    }
    return 0;
}

static uint64_t session_of(const struct msg *msg)
{
    if (msg->type == MSG_TYPE_lookup)
        return msg->lookup.session;
    return msg->type == MSG_TYPE_readdir ? msg->readdir.session : meta_session_of(msg);
}

uint64_t meta_delegation_in_way(const struct meta *m, const struct msg *msg)
{
    struct use u[2];
    if (m->delegations.count == 0 || m->ignore_delegations)
        return 0;
    uint64_t session = session_of(msg), dir = 0;
    const struct session *s = session != 0 ? idmap_find(&m->sessions, session) : NULL;
    if (s != NULL && s->n_delegations == m->delegations.count)
        return 0; /* all there are */
    if (msg->type == MSG_TYPE_mkdir && msg->mkdir.flags & MKDIR_PARENTS)
        return in_way_of_parents(m, &msg->mkdir, session);
    uint32_t n = uses_of(m, msg, u);
    for (uint32_t i = 0; dir == 0 && i < n; i++)
        dir = in_way_of(m, &u[i], session);
    return dir;
}

/* --- operations --- */

int meta_op_delegate(struct meta *m, const struct msg_delegate *r, struct msg *reply)
{
    const struct inode *in = meta_inode(m, r->dir);
    if (in == NULL || (is_dir(in) && meta_top(m, r->dir) != ROOT_INO))
        return DFS_ENOENT;
    if (!is_dir(in))
        return DFS_ENOTDIR;
    if (meta_has_default_acl(m, r->dir)) {
        snprintf(m->text, sizeof m->text, "what is made there inherits an access control list");
        return DFS_ENOTSUP;
    }
    bool kept = meta_delegated_to(m, r->dir) == r->id.session; /* another's would have been in the way */
    if (!kept && !meta_delegation_add(m, r->dir, r->id.session)) {
        snprintf(m->text, sizeof m->text, "a session may have %u directories", DELEGATIONS_MAX);
        return DFS_EMFILE;
    }
    uint32_t n = (uint32_t)min_u64(r->inodes, INODES_MAX);
    reply->type = MSG_TYPE_delegate_reply;
    reply->delegate_reply = (struct msg_delegate_reply){
        .first = m->next_ino, .inodes = n, .kept = kept};
    m->next_ino += n;
    meta_fill_attr(m, r->dir, in, &reply->delegate_reply.attr);
    return 0;
}

int meta_op_delegate_return(struct meta *m, const struct msg_delegate_return *r, struct msg *reply)
{
    if (meta_delegated_to(m, r->dir) == r->id.session)
        meta_delegation_gone(m, r->dir);
    reply->type = MSG_TYPE_delegate_return_reply;
    reply->delegate_return_reply.reserved = 0;
    return 0;
}

void meta_apply_delegate_revoke(struct meta *m, const struct msg_delegate_revoke *r)
{
    if (meta_delegated_to(m, r->dir) == r->session)
        meta_delegation_gone(m, r->dir);
}
