/* SPDX-License-Identifier: MIT */
/* One request of the kernel and the library's call for it.
 *
 * A signal to a process that waits for us comes as an interrupt. Most signals are no wish to end (a timer, a child that
 * exited), and open() or mkdir() that fail with EINTR surprise programs; so an interrupted call has two more seconds, after
 * which it is plain that it waits for servers that are gone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mount.h"

int errno_of(int err)
{
    static const struct {
        int dfs, posix;
    } table[] = {
        {DFS_EIO, EIO},
        {DFS_ENOMEM, ENOMEM},
        {DFS_EINVAL, EINVAL},
        {DFS_ENOENT, ENOENT},
        {DFS_EEXIST, EEXIST},
        {DFS_ENOTDIR, ENOTDIR},
        {DFS_EISDIR, EISDIR},
        {DFS_ENOTEMPTY, ENOTEMPTY},
        {DFS_ENAMETOOLONG, ENAMETOOLONG},
        {DFS_ELOOP, ELOOP},
        {DFS_EACCES, EACCES},
        {DFS_ENOSPC, ENOSPC},
        {DFS_EROFS, EROFS},
        {DFS_EXDEV, EXDEV},
        {DFS_EFBIG, EFBIG},
        {DFS_ENOTSUP, EOPNOTSUPP},
        {DFS_EBUSY, EBUSY},
        {DFS_EMFILE, ENFILE},
        {DFS_EPERM, EPERM},
        {DFS_EMLINK, EMLINK},
        {DFS_ENODATA, ENODATA},
        {DFS_EBADF, ESTALE},
        {DFS_ELOCKED, EAGAIN},
        {DFS_EDEADLK, EDEADLK},
        {DFS_ETOOBIG, E2BIG},
        {DFS_ETIMEDOUT, ETIMEDOUT},
        {DFS_EUNREACH, EHOSTUNREACH},
        {DFS_EREPLACED, ESTALE},
        {DFS_ENOSERVERS, ENOSPC},
        {DFS_ECANCELED, EINTR},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].dfs == err)
            return table[i].posix;
    return err ? EIO : 0;
}

int call_errno(const struct call *k, int status)
{
    if (k->interrupted && (status == DFS_ETIMEDOUT || status == DFS_EUNKNOWN))
        return EINTR;
    return errno_of(status);
}

static void drop_parts(struct call *k)
{
    for (unsigned i = 0; i < k->n_parts; i++)
        dfs_keep_end(k->parts[i].kept);
    k->n_parts = 0;
}

bool call_gather(struct call *k)
{
    size_t at = 0;
    if (k->buf)
        return true;
    k->buf = malloc(k->size);
    if (!k->buf)
        return false;
    for (unsigned i = 0; i < k->n_parts; i++) {
        memcpy(k->buf + at, k->parts[i].p, k->parts[i].len);
        at += k->parts[i].len;
    }
    drop_parts(k);
    return true;
}

/* A large read comes in one or two pieces, as a rule, which need not be copied. */
static int take(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct call *k = arg;
    uint64_t at = offset - k->offset;
    if (at > k->size || len > k->size - at)
        return DFS_EPROTO;
    struct dfs_kept *kept = !k->buf && k->n_parts < PARTS_MAX ? dfs_keep(k->m->client) : NULL;
    if (kept) {
        k->parts[k->n_parts++] = (struct part){p, len, kept};
        return 0;
    }
    if (!call_gather(k))
        return DFS_ENOMEM;
    memcpy(k->buf + at, p, len);
    return 0;
}

static void start_anew(void *arg) { drop_parts(arg); /* what is in a buf is written over */ }

void call_read(struct call *k, uint64_t file)
{
    struct dfs_sink sink = {.write = take, .restart = start_anew, .arg = k};
    call_go(k, dfs_pread(k->m->client, file, k->offset, k->size, &sink, on_call, k));
}

void call_at(struct mount *m, fuse_req_t req, fuse_ino_t dir, fuse_ino_t to)
{
    struct dfs_context at = {.dir = ino_of(m, dir), .to_dir = ino_of(m, to)};
    if (req) {
        const struct fuse_ctx *who = fuse_req_ctx(req);
        at.owner = true;
        at.uid = who->uid;
        at.gid = who->gid;
        at.umask = m->opt.acl ? who->umask : 0; /* otherwise the kernel has taken it from the mode */
    }
    dfs_set_context(m->client, &at);
}

struct call *call_new(struct mount *m, fuse_req_t req, fuse_ino_t ino, call_done done)
{
    struct call *k = xcalloc(1, sizeof *k);
    k->m = m;
    k->req = req;
    k->ino = ino_of(m, ino);
    k->done = done;
    k->order = ++m->last_call;
    k->began = uv_now(&m->loop);
    m->calls++;
    call_at(m, req, ino, ino);
    return k;
}

struct call *call_new_change(struct mount *m, fuse_req_t req, fuse_ino_t ino, call_done done)
{
    struct call *k = call_new(m, req, ino, done);
    k->alters[0] = k->ino;
    return k;
}

void call_free(struct call *k)
{
    k->m->calls--;
    drop_parts(k);
    free(k->buf);
    free(k);
}

void on_call(void *arg, int status, const struct dfs_result *r)
{
    struct call *k = arg;
    k->number = 0;
    for (size_t i = 0; i < ARRAY_LEN(k->alters); i++)
        if (k->alters[i])
            dirs_changed(k->m, k->alters[i], status == 0 ? r->dir_ns : 0);
    if (k->alters_any)
        dirs_forget(k->m);
    k->done(k, status, r);
}

static void on_interrupt(fuse_req_t req, void *arg)
{
    struct call *k = arg;
    (void)req;
    k->interrupted = true;
    if (k->number)
        dfs_set_deadline(k->m->client, k->number, INTERRUPT_GRACE_MS);
}

void call_go(struct call *k, int err)
{
    if (err) {
        static const struct dfs_result none = {.error = ""};
        k->done(k, err, &none);
        return;
    }
    k->number = dfs_last_call(k->m->client);
    fuse_req_interrupt_func(k->req, on_interrupt, k);
}

void on_done(struct call *k, int status, const struct dfs_result *r)
{
    (void)r;
    fuse_reply_err(k->req, call_errno(k, status));
    call_free(k);
}
