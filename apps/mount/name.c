/* SPDX-License-Identifier: MIT */
/* Operations on names. The kernel has checked permissions (default_permissions), and that a name is no longer than 255 bytes
 * is for the NameServer to say. */
#include <errno.h>
#include <linux/fs.h>

#include "mount.h"

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *m = fuse_req_userdata(req);
    if (promise_lookup(req, parent, name))
        return;
    struct call *k = call_new(m, req, parent, on_entry);
    call_go(k, dfs_stat(m->client, name, DFS_NOFOLLOW, on_call, k));
}

static void on_target(struct call *k, int status, const struct dfs_result *r)
{
    if (status == 0)
        fuse_reply_readlink(k->req, r->target);
    else
        fuse_reply_err(k->req, call_errno(k, status));
    call_free(k);
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    struct mount *m = fuse_req_userdata(req);
    struct call *k = call_new(m, req, ino, on_target);
    call_go(k, dfs_stat(m->client, "", DFS_NOFOLLOW, on_call, k));
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct mount *m = fuse_req_userdata(req);
    delegation_name(m, ino_of(m, parent), name);
    struct call *k = call_new_change(m, req, parent, on_entry);
    call_go(k, dfs_mkdir(m->client, name, mode & 07777, 0, on_call, k));
}

static uint8_t special_type(mode_t mode)
{
    return S_ISFIFO(mode) ? DFS_FIFO : S_ISSOCK(mode) ? DFS_SOCKET : S_ISCHR(mode) ? DFS_CHAR_DEVICE : DFS_BLOCK_DEVICE;
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    struct mount *m = fuse_req_userdata(req);
    delegation_name(m, ino_of(m, parent), name);
    struct call *k = call_new_change(m, req, parent, on_entry);
    uint8_t type = special_type(mode);
    if (S_ISREG(mode))
        call_go(k, dfs_create(m->client, name, mode & 07777, DFS_EXCL, on_call, k));
    else
        call_go(k, dfs_mknod(m->client, name, type, mode & 07777, type >= DFS_CHAR_DEVICE ? rdev : 0, on_call, k));
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *m = fuse_req_userdata(req);
    struct call *k = call_new_change(m, req, parent, on_done);
    call_go(k, dfs_unlink(m->client, name, on_call, k));
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *m = fuse_req_userdata(req);
    struct call *k = call_new_change(m, req, parent, on_done);
    k->alters_any = true;
    call_go(k, dfs_rmdir(m->client, name, on_call, k));
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    struct mount *m = fuse_req_userdata(req);
    delegation_name(m, ino_of(m, parent), name);
    struct call *k = call_new_change(m, req, parent, on_entry);
    call_go(k, dfs_symlink(m->client, target, name, on_call, k));
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *to_name, unsigned flags)
{
    struct mount *m = fuse_req_userdata(req);
    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    delegation_name(m, ino_of(m, to), to_name);
    struct call *k = call_new_change(m, req, parent, on_done);
    k->alters[1] = ino_of(m, to);
    k->alters_any = true;
    call_at(m, req, parent, to);
    unsigned how = (flags & RENAME_NOREPLACE ? DFS_EXCL : 0) | (flags & RENAME_EXCHANGE ? DFS_SWAP : 0);
    call_go(k, dfs_rename(m->client, name, to_name, how, on_call, k));
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t to, const char *name)
{
    struct mount *m = fuse_req_userdata(req);
    delegation_name(m, ino_of(m, to), name);
    struct call *k = call_new_change(m, req, ino, on_entry);
    k->alters[1] = ino_of(m, to);
    call_at(m, req, ino, to);
    call_go(k, dfs_link(m->client, "", name, on_call, k));
}
