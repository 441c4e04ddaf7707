/* SPDX-License-Identifier: MIT */
/* One file out of the cluster: into a temporary file beside its target, renamed when it is complete. What is not a
 * regular file (a device, a pipe, standard output) is written to directly. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

struct get {
    struct cli *cli;
    int fd;
    bool direct; /* no temporary file: bytes cannot be taken back */
    char *target;
    char *name; /* of where it goes, for errors: a full disk here is not one of the cluster */
    struct temp temp;
    xfer_done done;
    void *arg;
    int saved_errno; /* why a write failed */
};

static int errno_to_dfs(int e)
{
    return e == ENOSPC ? DFS_ENOSPC : e == EROFS ? DFS_EROFS : e == EFBIG ? DFS_EFBIG : DFS_EIO;
}

static int on_bytes(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct get *g = arg;
    const uint8_t *at = p;
    size_t left = len;
    while (left > 0) {
        ssize_t n = g->direct ? write(g->fd, at, left) : pwrite(g->fd, at, left, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            g->saved_errno = errno;
            if (g->fd == STDOUT_FILENO && errno == EPIPE)
                cli_stdout_failed(g->cli);
            return errno_to_dfs(errno);
        }
        at += n;
        left -= (size_t)n;
        offset += (uint64_t)n;
    }
    g->cli->progress.bytes += len;
    return 0;
}

static void on_restart(void *arg)
{
    struct get *g = arg;
    if (ftruncate(g->fd, 0) != 0)
        g->saved_errno = errno; /* the bytes come again, over the old ones; a longer rest is cut at the end */
}

static void get_free(struct get *g)
{
    if (g->temp.path) {
        unlink(g->temp.path);
        list_remove(&g->temp.link);
        free(g->temp.path);
    }
    if (g->fd >= 0 && g->fd != STDOUT_FILENO)
        close(g->fd);
    free(g->target);
    free(g->name);
    free(g);
}

/* The file is complete: size, mode and time as stored, and its name. */
static int get_publish(struct get *g, const struct dfs_attr *a)
{
    struct timespec t = {a->mtime_ns / (int64_t)NS_PER_SEC, a->mtime_ns % (int64_t)NS_PER_SEC};
    if (t.tv_nsec < 0) {
        t.tv_nsec += (long)NS_PER_SEC;
        t.tv_sec--;
    }
    if (g->direct)
        return 0;
    if (ftruncate(g->fd, (off_t)a->size) != 0 || fchmod(g->fd, a->mode & 07777) != 0 ||
        futimens(g->fd, (struct timespec[]){{.tv_nsec = UTIME_OMIT}, t}) != 0)
        return errno;
    int fd = g->fd;
    g->fd = -1;
    if (close(fd) != 0 || rename(g->temp.path, g->target) != 0) /* delayed write errors show here */
        return errno;
    list_remove(&g->temp.link);
    free(g->temp.path);
    g->temp.path = NULL;
    return 0;
}

static void on_get(void *arg, int status, const struct dfs_result *r)
{
    struct get *g = arg;
    const char *error = r->error;
    char text[320];
    int e = status == 0 ? get_publish(g, &r->attr) : g->saved_errno;
    if (e) {
        status = errno_to_dfs(e);
        snprintf(text, sizeof text, "to %s: %s", g->name, strerror(e));
        error = text;
    } else if (status == 0) {
        g->cli->progress.files++;
    } else if (status == DFS_EISDIR) {
        error = g->cli->verb->run == verb_get ? "is a directory (-r fetches it with all it holds)" : "is a directory";
    }
    g->done(g->arg, status, error);
    get_free(g);
}

/* ".NAME.dfs-XXXXXX" beside the target. */
static int temp_open(struct get *g)
{
    const char *slash = strrchr(g->target, '/');
    size_t dir = slash ? (size_t)(slash + 1 - g->target) : 0;
    size_t len = strlen(g->target) + 16;
    g->temp.path = xcalloc(1, len);
    /* a long name is cut: the temporary one has to fit, too */
    snprintf(g->temp.path, len, "%.*s.%.200s.dfs-XXXXXX", (int)dir, g->target, g->target + dir);
    g->fd = mkostemp(g->temp.path, O_CLOEXEC);
    if (g->fd < 0) {
        free(g->temp.path);
        g->temp.path = NULL;
        return errno;
    }
    list_push(&g->cli->temps, &g->temp.link);
    return 0;
}

/* 0 or an errno. */
static int open_target(struct get *g, const char *local)
{
    struct stat st;
    if (strcmp(local, "-") == 0) {
        g->direct = true;
        g->fd = STDOUT_FILENO;
        fflush(stdout);
        cli_signals_default(g->cli);
        return 0;
    }
    bool there = stat(local, &st) == 0;
    if (there && S_ISDIR(st.st_mode))
        return EISDIR;
    if (there && !S_ISREG(st.st_mode)) {
        g->direct = true;
        g->fd = open(local, O_WRONLY | O_CLOEXEC);
        return g->fd < 0 ? errno : 0;
    }
    g->target = there ? realpath(local, NULL) : NULL; /* through a link, as cp does */
    if (!g->target)
        g->target = xstrdup(local);
    return temp_open(g);
}

int xfer_get(struct cli *cli, const char *remote, const char *local, xfer_done done, void *arg, char error[320])
{
    struct get *g = xcalloc(1, sizeof *g);
    g->cli = cli;
    g->fd = -1;
    g->name = xstrdup(strcmp(local, "-") == 0 ? "standard output" : local);
    g->done = done;
    g->arg = arg;
    list_init(&g->temp.link);
    int e = open_target(g, local);
    if (e) {
        snprintf(error, 320, "to %s: %s", local, strerror(e));
        get_free(g);
        return errno_to_dfs(e);
    }
    struct dfs_sink sink = {on_bytes, g->direct ? NULL : on_restart, g};
    int err = dfs_get(cli->client, remote, 0, UINT64_MAX, &sink, on_get, g);
    if (err) {
        snprintf(error, 320, "%s", dfs_strerror(err));
        get_free(g);
    }
    return err;
}
