/* SPDX-License-Identifier: MIT */
/* Extended attributes. Only "user." is kept, and access control lists, which are shown with -o acl; before each write the kernel
 * asks for security.capability, which must not cost a call.
 *
 * With -o acl the kernel reads the ACLs it checks permissions by as programs do, and forgets them, and the mode, whenever one
 * is set. That each follows the other, and what new files inherit, is the NameServer's business (lib/meta/acl.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mount.h"

/* For dfs umount, which waits until the process that answers this has ended. */
#define PID_NAME "dfs.pid"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

static bool is_acl(const char *name) { return strcmp(name, ACL_ACCESS) == 0 || strcmp(name, ACL_DEFAULT) == 0; }

static bool is_ours(const struct mount *m, const char *name)
{
    return strncmp(name, "user.", 5) == 0 || (m->opt.acl && is_acl(name));
}

/* The group of who made the request, or one of its others. */
static bool is_of_group(fuse_req_t req, gid_t gid)
{
    int n = fuse_req_getgroups(req, 0, NULL);
    gid_t *list = n > 0 ? xcalloc((size_t)n, sizeof *list) : NULL;
    int have = list ? fuse_req_getgroups(req, n, list) : 0;
    bool found = fuse_req_ctx(req)->gid == gid;
    for (int i = 0; i < n && i < have; i++)
        found = found || list[i] == gid;
    free(list);
    return found;
}

static void on_owners(struct call *k, int status, const struct dfs_result *r)
{
    if (status != 0) {
        on_done(k, status, r);
        return;
    }
    bool drop = (r->attr.mode & S_ISGID) && !is_of_group(k->req, r->attr.gid);
    k->done = on_done;
    k->alters[0] = k->ino;
    call_at(k->m, k->req, k->ino, k->ino);
    call_go(k, dfs_setxattr(k->m->client, "", ACL_ACCESS, k->buf, k->size, DFS_NOFOLLOW | (drop ? DFS_DROP_SETGID : 0),
                            on_call, k));
}

/* Who may change a file, but is not of its group, must not leave it a program that runs as that. chmod is the kernel's to check;
 * here it leaves that to us. */
static void set_access_acl(struct mount *m, fuse_req_t req, fuse_ino_t ino, const char *value, size_t size)
{
    struct call *k = call_new(m, req, ino, on_owners);
    k->buf = xcalloc(size + 1, 1);
    k->size = size;
    memcpy(k->buf, value, size);
    call_go(k, dfs_stat(m->client, "", DFS_NOFOLLOW, on_call, k));
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
    struct mount *m = fuse_req_userdata(req);
    if (!is_ours(m, name)) {
        fuse_reply_err(req, EOPNOTSUPP);
        return;
    }
    if (strcmp(name, ACL_ACCESS) == 0 && fuse_req_ctx(req)->uid != 0) {
        set_access_acl(m, req, ino, value, size);
        return;
    }
    struct call *k = call_new_change(m, req, ino, on_done);
    unsigned how = (flags & XATTR_CREATE ? DFS_EXCL : 0) | (flags & XATTR_REPLACE ? DFS_REPLACE : 0);
    call_go(k, dfs_setxattr(m->client, "", name, value, size, how | DFS_NOFOLLOW, on_call, k));
}

static void on_value(struct call *k, int status, const struct dfs_result *r)
{
    if (status != 0)
        fuse_reply_err(k->req, call_errno(k, status));
    else if (k->size == 0)
        fuse_reply_xattr(k->req, r->value_len);
    else if (r->value_len > k->size)
        fuse_reply_err(k->req, ERANGE);
    else
        fuse_reply_buf(k->req, r->value, r->value_len);
    call_free(k);
}

static void tell_pid(fuse_req_t req, size_t size)
{
    char text[16];
    size_t len = (size_t)snprintf(text, sizeof text, "%d", (int)getpid());
    if (size == 0)
        fuse_reply_xattr(req, len);
    else if (len > size)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, text, len);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct mount *m = fuse_req_userdata(req);
    if (ino == FUSE_ROOT_ID && strcmp(name, PID_NAME) == 0) {
        tell_pid(req, size);
        return;
    }
    if (!is_ours(m, name)) {
        fuse_reply_err(req, ENODATA);
        return;
    }
    if (promise_getxattr(req, ino)) /* the kernel asks for capabilities whenever a file is first written to */
        return;
    struct call *k = call_new(m, req, ino, on_value);
    k->size = size;
    call_go(k, dfs_getxattr(m->client, "", name, DFS_NOFOLLOW, on_call, k));
}

static void on_list(struct call *k, int status, const struct dfs_result *r)
{
    size_t len = 0, at = 0;
    for (size_t i = 0; status == 0 && i < r->n_xattrs; i++)
        len += is_ours(k->m, r->xattrs[i].name) ? strlen(r->xattrs[i].name) + 1 : 0;
    if (status != 0) {
        fuse_reply_err(k->req, call_errno(k, status));
    } else if (k->size == 0) {
        fuse_reply_xattr(k->req, len);
    } else if (len > k->size) {
        fuse_reply_err(k->req, ERANGE);
    } else {
        char *names = xcalloc(len + 1, 1);
        for (size_t i = 0; i < r->n_xattrs; i++) {
            if (!is_ours(k->m, r->xattrs[i].name))
                continue;
            strcpy(names + at, r->xattrs[i].name);
            at += strlen(r->xattrs[i].name) + 1;
        }
        fuse_reply_buf(k->req, names, len);
        free(names);
    }
    call_free(k);
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    struct mount *m = fuse_req_userdata(req);
    if (promise_listxattr(req, ino, size))
        return;
    struct call *k = call_new(m, req, ino, on_list);
    k->size = size;
    call_go(k, dfs_listxattr(m->client, "", DFS_NOFOLLOW, on_call, k));
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    struct mount *m = fuse_req_userdata(req);
    if (!is_ours(m, name)) {
        fuse_reply_err(req, EOPNOTSUPP);
        return;
    }
    struct call *k = call_new_change(m, req, ino, on_done);
    call_go(k, dfs_removexattr(m->client, "", name, DFS_NOFOLLOW, on_call, k));
}
