/* SPDX-License-Identifier: MIT */
/* put -r: directories first, files and links in parallel. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tree.h"

static void put_entry(struct tree *t, char *local, char *remote);

static void on_file(void *arg, int status, const char *error)
{
    struct job *j = arg;
    if (status)
        job_fail(j, error);
    else
        job_end(j);
}

static void put_file(struct tree *t, char *local, char *remote, uint64_t size)
{
    char error[320];
    struct job *j = job_new(t, NULL, local, remote, size);
    if (xfer_put(t->cli, j->path, j->path2, on_file, j, error) != 0)
        job_fail(j, error);
}

/* The other name a link is made under. */
static char *link_temp(const struct job *j)
{
    char *other = xcalloc(1, strlen(j->path2) + 32);
    sprintf(other, "%s.dfs-link-%d", j->path2, (int)getpid());
    return other;
}

static void on_link_temp_gone(void *arg, int status, const struct dfs_result *r)
{
    (void)status;
    (void)r;
    job_end(arg);
}

/* It could not be renamed (a directory is in its way, say): the other name must not stay. */
static void link_failed(struct job *j, const char *error)
{
    if (j->step < 2) {
        job_fail(j, error);
        return;
    }
    char *other = link_temp(j);
    cli_fail(j->tree->cli, j->path, "%s", error);
    if (dfs_unlink(j->tree->cli->client, other, on_link_temp_gone, j) != 0)
        job_end(j);
    free(other);
}

/* A link that exists is replaced in one step: made under another name, then renamed. */
static void on_link(void *arg, int status, const struct dfs_result *r)
{
    struct job *j = arg;
    struct dfs_client *c = j->tree->cli->client;
    char target[PATH_MAX + 1], *other = link_temp(j);
    int again = DFS_EINVAL; /* 0: on_link comes once more */
    if (status == DFS_EEXIST && j->step == 0) {
        ssize_t n = readlink(j->path, target, sizeof target - 1);
        target[n > 0 ? n : 0] = 0;
        j->step = 1;
        status = again = dfs_symlink(c, target, other, on_link, j);
    } else if (status == 0 && j->step == 1) {
        j->step = 2;
        status = again = dfs_rename(c, other, j->path2, 0, on_link, j);
    }
    free(other);
    if (again == 0)
        return;
    if (status) {
        link_failed(j, *r->error ? r->error : dfs_strerror(status));
        return;
    }
    j->tree->cli->progress.files++;
    job_end(j);
}

static void put_link(struct tree *t, char *local, char *remote)
{
    char target[PATH_MAX + 1];
    struct job *j = job_new(t, NULL, local, remote, 0);
    ssize_t n = readlink(local, target, sizeof target - 1);
    if (n < 0) {
        job_fail(j, strerror(errno));
        return;
    }
    target[n] = 0;
    int err = dfs_symlink(t->cli->client, target, remote, on_link, j);
    if (err)
        job_fail(j, dfs_strerror(err));
}

/* Takes over neither path. */
static void put_directory(struct tree *t, const char *local, const char *remote, mode_t mode)
{
    struct call k = CALL(t->cli);
    int err = call_wait(&k, dfs_mkdir(t->cli->client, remote, mode & 07777, DFS_PARENTS, on_call, &k));
    call_free(&k);
    if (err) {
        cli_fail(t->cli, remote, "%s", k.error);
        return;
    }
    DIR *d = opendir(local);
    if (!d) {
        cli_fail(t->cli, local, "%s", strerror(errno));
        return;
    }
    for (struct dirent *e; (errno = 0, e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        put_entry(t, path_join(local, e->d_name), path_join(remote, e->d_name));
    }
    if (errno)
        cli_fail(t->cli, local, "%s", strerror(errno));
    closedir(d);
}

/* Takes over both paths. */
static void put_entry(struct tree *t, char *local, char *remote)
{
    struct stat st;
    if (lstat(local, &st) != 0) {
        cli_fail(t->cli, local, "%s", strerror(errno));
    } else if (S_ISREG(st.st_mode)) {
        put_file(t, local, remote, (uint64_t)st.st_size);
        return;
    } else if (S_ISLNK(st.st_mode)) {
        put_link(t, local, remote);
        return;
    } else if (S_ISDIR(st.st_mode)) {
        put_directory(t, local, remote, st.st_mode);
    } else {
        cli_fail(t->cli, local, "skipped: neither a file, a directory nor a symbolic link");
    }
    free(local);
    free(remote);
}

void tree_put(struct cli *cli, const char *local, const char *remote)
{
    struct tree t = {.cli = cli};
    put_entry(&t, xstrdup(local), xstrdup(remote));
    tree_finish(&t);
}
