/* SPDX-License-Identifier: MIT */
/* One file into the cluster. Standard input is kept in an unlinked temporary file as far back as libdfs may ask for it
 * again; a pipe that is slow makes libdfs wait, but never our loop for long. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

/* Two chunks may be asked for again; the rest is what is read ahead. */
#define SPOOL_BYTES (192 * MIB)
#define PIPE_WAIT_MS 500 /* for a part that libdfs asks for, however it trickles in */

struct put {
    struct cli *cli;
    int fd; /* the file, or the spool */
    bool spooled, ended;
    uint64_t have; /* spool: bytes taken from standard input */
    uint64_t acked;
    uint64_t size; /* of a file, when it was opened */
    xfer_done done;
    void *arg;
};

static int read_at(int fd, uint64_t offset, uint8_t *p, size_t len, size_t *got)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(fd, p + *got, len - *got, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return DFS_EIO;
        if (n == 0)
            return 0;
        *got += (size_t)n;
    }
    return 0;
}

static int file_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    return read_at(((struct put *)arg)->fd, offset, buf, len, got);
}

/* Takes what standard input has into the spool. 0, or DFS_EAGAIN if it had nothing until then (uv_hrtime). */
static int spool_more(struct put *p, uint64_t until)
{
    uint8_t buf[64 * 1024];
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    size_t want = (size_t)min_u64(sizeof buf, SPOOL_BYTES - p->have % SPOOL_BYTES);
    uint64_t now = uv_hrtime();
    if (poll(&in, 1, now < until ? (int)((until - now) / NS_PER_MS) : 0) <= 0)
        return DFS_EAGAIN;
    ssize_t n = read(STDIN_FILENO, buf, want);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? DFS_EAGAIN : DFS_EIO;
    if (n == 0)
        p->ended = true;
    for (ssize_t at = 0; at < n;) {
        ssize_t w = pwrite(p->fd, buf + at, (size_t)(n - at), (off_t)((p->have + (uint64_t)at) % SPOOL_BYTES));
        if (w <= 0)
            return w < 0 && errno == ENOSPC ? DFS_ENOSPC : DFS_EIO;
        at += w;
    }
    p->have += (uint64_t)n;
    return 0;
}

static int spool_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    struct put *p = arg;
    uint64_t until = uv_hrtime() + PIPE_WAIT_MS * NS_PER_MS;
    while (!p->ended && p->have < offset + len) {
        int err = uv_hrtime() < until ? spool_more(p, until) : DFS_EAGAIN;
        if (err)
            return err;
    }
    if (p->have > SPOOL_BYTES && offset < p->have - SPOOL_BYTES)
        return DFS_EIO; /* longer ago than libdfs may ask for */
    uint64_t n = offset < p->have ? min_u64(len, p->have - offset) : 0;
    uint64_t at = offset % SPOOL_BYTES, first = min_u64(n, SPOOL_BYTES - at);
    size_t more = 0;
    int err = read_at(p->fd, at, buf, (size_t)first, got);
    if (!err && n > first)
        err = read_at(p->fd, 0, (uint8_t *)buf + first, (size_t)(n - first), &more);
    *got += more;
    return err ? err : *got == n ? 0 : DFS_EIO;
}

static void on_progress(void *arg, uint64_t bytes)
{
    struct put *p = arg;
    p->cli->progress.bytes += bytes - p->acked; /* may go back: modulo 2^64 that is right */
    p->acked = bytes;
}

static void on_put(void *arg, int status, const struct dfs_result *r)
{
    struct put *p = arg;
    p->cli->progress.files += status == 0;
    p->done(p->arg, status, r->error);
    close(p->fd);
    free(p);
}

static int open_source(struct put *p, const char *local, struct dfs_put_options *o, char error[320])
{
    struct stat st;
    p->spooled = strcmp(local, "-") == 0;
    if (p->spooled) {
        FILE *f = tmpfile();
        p->fd = f ? dup(fileno(f)) : -1;
        if (f)
            fclose(f);
    } else {
        p->fd = open(local, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    if (p->fd < 0) {
        snprintf(error, 320, "%s", strerror(errno));
        return DFS_EIO;
    }
    if (p->spooled)
        return 0;
    if (fstat(p->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        snprintf(error, 320,
                 S_ISDIR(st.st_mode) ? "is a directory (-r stores it with all it holds)" : "not a regular file");
        return DFS_EINVAL;
    }
    p->size = (uint64_t)st.st_size;
    o->mode = st.st_mode & 07777;
    o->mtime_ns = (int64_t)st.st_mtim.tv_sec * (int64_t)NS_PER_SEC + st.st_mtim.tv_nsec;
    return 0;
}

int xfer_put(struct cli *cli, const char *local, const char *remote, xfer_done done, void *arg, char error[320])
{
    struct put *p = xcalloc(1, sizeof *p);
    struct dfs_put_options o = {0};
    p->cli = cli;
    p->fd = -1;
    p->done = done;
    p->arg = arg;
    int err = open_source(p, local, &o, error);
    if (!err) {
        struct dfs_source source = {p->spooled ? spool_read : file_read, on_progress, p, !p->spooled, p->size};
        err = dfs_put(cli->client, remote, &source, &o, on_put, p);
        if (err)
            snprintf(error, 320, "%s", dfs_strerror(err));
    }
    if (err) {
        if (p->fd >= 0)
            close(p->fd);
        free(p);
    }
    return err;
}

void on_xfer_wait(void *arg, int status, const char *error)
{
    struct xfer_wait *w = arg;
    w->done = true;
    w->status = status;
    snprintf(w->error, sizeof w->error, "%s", error);
}

int xfer_finish(struct cli *cli, struct xfer_wait *w, int err, const char *named)
{
    while (!err && !w->done)
        uv_run(&cli->loop, UV_RUN_ONCE);
    if (!err)
        err = w->status;
    if (err)
        cli_fail_call(cli, err, named, w->error);
    return err;
}
