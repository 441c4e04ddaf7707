/* SPDX-License-Identifier: MIT */
/* A symbolic link in the cluster, in the place of another if there is one. */
#include <stdlib.h>
#include <unistd.h>

#include "tree.h"

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
static void link_failed(struct job *j, int status, const char *error)
{
    if (j->step < 2) {
        job_fail(j, status, error);
        return;
    }
    char *other = link_temp(j);
    cli_fail_call(j->tree->cli, status, j->path, error);
    if (dfs_unlink(j->tree->cli->client, other, on_link_temp_gone, j) != 0)
        job_end(j);
    free(other);
}

/* A link that exists is replaced in one step: made under another name, then renamed. */
static void on_link(void *arg, int status, const struct dfs_result *r)
{
    struct job *j = arg;
    struct dfs_client *c = j->tree->cli->client;
    char *other = link_temp(j);
    int again = DFS_EINVAL; /* 0: on_link comes once more */
    if (status == DFS_EEXIST && j->step == 0) {
        j->step = 1;
        status = again = dfs_symlink(c, j->target, other, on_link, j);
    } else if (status == 0 && j->step == 1) {
        j->step = 2;
        status = again = dfs_rename(c, other, j->path2, 0, on_link, j);
    }
    free(other);
    if (again == 0)
        return;
    if (status) {
        link_failed(j, status, *r->error ? r->error : dfs_strerror(status));
        return;
    }
    j->tree->cli->progress.files++;
    job_end(j);
}

static void link_make(struct job *j)
{
    if (tree_only_says(j))
        return;
    int err = dfs_symlink(j->tree->cli->client, j->target, j->path2, on_link, j);
    if (err)
        job_fail(j, err, dfs_strerror(err));
}

static void on_looked(void *arg, int status, const struct dfs_result *r)
{
    struct job *j = arg;
    bool same = status == 0 && r->attr.type == DFS_SYMLINK && strcmp(r->target, j->target) == 0;
    if (same || (status == 0 && j->tree->cli->opt.skip_existing)) {
        progress_skip(j->tree->cli, 0);
        job_end(j);
        return;
    }
    link_make(j);
}

void tree_link(struct job *j, const char *target)
{
    struct cli *cli = j->tree->cli;
    j->target = xstrdup(target);
    if (!sync_wanted(&cli->opt) && !cli->opt.dry_run) {
        link_make(j);
        return;
    }
    int err = dfs_stat(cli->client, j->path2, DFS_NOFOLLOW, on_looked, j);
    if (err)
        job_fail(j, err, dfs_strerror(err));
}
