/* SPDX-License-Identifier: MIT */
/* The kernel's side: requests are read from FUSE's descriptor when libuv says that there are some, and handed to libfuse, which
 * calls our operations. When the folder is unmounted, reading says so. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mount.h"

#define REQUEST_MAX (1024u * 1024) /* bytes of a read or a write */
#define BACKGROUND_MAX 64u         /* requests of read-ahead under way */
/* Requests taken before the loop looks at anything else. */
#define TURN_MAX 16u

/* False: the kernel, or libfuse, has not got it. */
static bool want_acl(struct mount *m, struct fuse_conn_info *conn)
{
    const unsigned both = FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK; /* whether the umask counts is for the NameServer to say */
    if ((conn->capable & both) != both) {
        say("%s: -o acl: this kernel does not do that for FUSE", m->opt.dir);
        return false;
    }
    conn->want |= both;
    return true;
}

static void op_init(void *arg, struct fuse_conn_info *conn)
{
    struct mount *m = arg;
    conn->max_write = REQUEST_MAX;
    conn->max_readahead = REQUEST_MAX;
    conn->max_background = BACKGROUND_MAX;
    conn->time_gran = 1;
    conn->want &= ~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE);
    conn->want |= conn->capable & (FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_DIO | FUSE_CAP_CACHE_SYMLINKS);
    m->parallel = conn->want & FUSE_CAP_PARALLEL_DIROPS;
    if (m->opt.acl && !want_acl(m, conn)) {
        m->status = 1;
        mount_leave(m);
    }
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
    (void)ino;
    (void)n;
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    (void)count;
    (void)forgets;
    fuse_reply_none(req);
}

static const struct fuse_lowlevel_ops operations = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .symlink = op_symlink,
    .rename = op_rename,
    .link = op_link,
    .open = op_open,
    .create = op_create,
    .read = op_read,
    .write_buf = op_write_buf,
    .flush = op_flush,
    .fsync = op_fsync,
    .release = op_release,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_releasedir,
    .fsyncdir = op_fsyncdir,
    .fallocate = op_fallocate,
    .lseek = op_lseek,
    .copy_file_range = op_copy_file_range,
    .getlk = op_getlk,
    .setlk = op_setlk,
    .flock = op_flock,
    .statfs = op_statfs,
    .setxattr = op_setxattr,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .removexattr = op_removexattr,
};

void session_take(struct mount *m, const struct fuse_buf *buf)
{
    if (!setid_comes_first(m, buf))
        fuse_session_process_buf(m->se, buf);
}

static void on_request(uv_poll_t *h, int status, int events)
{
    struct mount *m = h->data;
    (void)events;
    for (unsigned i = 0; i < TURN_MAX && status == 0; i++) {
        int n = fuse_session_receive_buf(m->se, &m->buf);
        if (n == -EAGAIN || n == -EINTR)
            return;
        if (n <= 0)
            status = UV_EOF;
        else if (!held(m, &m->buf))
            session_take(m, &m->buf);
    }
    if (status != 0) {
        uv_poll_stop(h);
        mount_leave(m);
    }
}

static void give_up(struct mount *m, int err)
{
    if (!m->ending)
        say("%s: the kernel cannot be answered: %s", m->opt.dir, strerror(err));
    m->status = 1;
    mount_leave(m);
}

/* What libfuse does not say for us. Before 3.17 it forgets that look-ups in one directory may run side by side (its change #861);
 * and that a file loses its setuid bit by a write is our affair (setid.c), or the kernel would ask before each. Kernels before
 * 5.11 do not hear that, and go on asking. */
static void amend_init(const struct mount *m, struct iovec *v, int n)
{
    struct fuse_init_out *init = v[n - 1].iov_base;
    if (n == 2 && v[1].iov_len >= offsetof(struct fuse_init_out, flags) + sizeof init->flags)
        init->flags |= FUSE_HANDLE_KILLPRIV_V2 | (m->parallel ? FUSE_PARALLEL_DIROPS : 0);
}

/* An answer the kernel did not take would leave a program waiting for good: it is told of an error instead. If not even that can
 * be said, the connection has to go, and all who wait with it; so it does if the first of all was not taken, or was an error: the
 * kernel asks nothing more then, and refuses everybody. ENOENT: nobody waits any more. */
static ssize_t to_kernel(int fd, struct iovec *v, int n, void *arg)
{
    struct mount *m = arg;
    struct fuse_out_header h = {0};
    if (v[0].iov_len >= sizeof h)
        memcpy(&h, v[0].iov_base, sizeof h);
    bool notice = h.unique == 0, first = !notice && !m->answered; /* notices are sent by threads of the pool, answers by the loop */
    if (first && h.error == 0)
        amend_init(m, v, n);
    ssize_t written = fd >= 0 ? writev(fd, v, n) : -1;
    int err = fd >= 0 ? errno : ENOENT;
    if (first)
        m->answered = true;
    if (first && written >= 0 && h.error != 0)
        give_up(m, -h.error);
    else if (first && written >= 0 && !m->ending)
        mount_ready(m); /* now: with this answer the kernel sets how far it reads ahead */
    errno = err;
    if (written >= 0 || err == ENOENT || v[0].iov_len < sizeof h)
        return written;
    h.len = sizeof h;
    h.error = -EIO;
    if (!notice && ((write(fd, &h, sizeof h) < 0 && errno != ENOENT) || first))
        give_up(m, err);
    errno = err;
    return -1;
}

void session_refuse(struct mount *m, uint64_t unique, int err)
{
    struct fuse_out_header h = {.len = sizeof h, .error = -err, .unique = unique};
    struct iovec v = {&h, sizeof h};
    to_kernel(fuse_session_fd(m->se), &v, 1, m);
}

static ssize_t from_kernel(int fd, void *buf, size_t len, void *arg)
{
    (void)arg;
    return read(fd, buf, len);
}

/* A comma in it would end the option; FUSE takes a backslash before it. */
static void escape(char *out, size_t len, const char *text)
{
    size_t n = 0;
    for (; *text && n + 3 < len; text++) {
        if (*text == ',' || *text == '\\')
            out[n++] = '\\';
        out[n++] = *text;
    }
    out[n] = 0;
}

static bool open_session(struct mount *m)
{
    const struct mount_options *o = &m->opt;
    char name[1024], words[2048];
    bool others = o->allow_other || (geteuid() == 0 && !o->no_allow_other);
    escape(name, sizeof name, o->source);
    snprintf(words, sizeof words, "default_permissions,fsname=%s,subtype=dfs%s%s%s%s", name,
             others ? ",allow_other" : "", o->read_only ? ",ro" : "", *o->passed ? "," : "", o->passed);
    char *argv[] = {(char[]){"dfs-mount"}, (char[]){"-o"}, words, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(3, argv);
    m->se = fuse_session_new(&args, &operations, sizeof operations, m);
    fuse_opt_free_args(&args);
    return m->se != NULL;
}

static int listen_to_kernel(struct mount *m)
{
    static const struct fuse_custom_io io = {.writev = to_kernel, .read = from_kernel};
    int fd = fuse_session_fd(m->se);
    int err = fuse_session_custom_io(m->se, &io, fd);
    if (err != 0)
        return err;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    err = uv_poll_init(&m->loop, &m->poll, fd);
    if (err != 0)
        return err;
    m->poll.data = m;
    return uv_poll_start(&m->poll, UV_READABLE, on_request);
}

bool session_start(struct mount *m)
{
    int err = 0;
    if (open_session(m) && fuse_session_mount(m->se, m->opt.dir) == 0) {
        err = listen_to_kernel(m);
        if (err == 0)
            return true;
        fuse_session_unmount(m->se);
    }
    /* libfuse has said why, as a rule */
    say("%s: it cannot be mounted%s%s", m->opt.dir, err ? ": " : "", err ? strerror(-err) : "");
    if (m->se)
        fuse_session_destroy(m->se);
    m->se = NULL;
    return false;
}

void session_end(struct mount *m)
{
    if (!m->se)
        return;
    uv_close((uv_handle_t *)&m->poll, NULL);
    fuse_session_unmount(m->se); /* what is answered from now on goes nowhere */
}

void session_free(struct mount *m)
{
    if (!m->se)
        return;
    fuse_session_destroy(m->se);
    free(m->buf.mem);
    m->se = NULL;
}
