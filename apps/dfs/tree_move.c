/* SPDX-License-Identifier: MIT */
/* A file whose target is in the cluster: is it there already? */
#include <stdlib.h>

#include "tree.h"

/* The rest of a job whose target was looked at. */
struct look {
    struct job *job;
    void (*move)(struct job *j);
};

static void skip(struct job *j)
{
    progress_skip(j->tree->cli, j->source.size);
    job_end(j);
}

static void look_end(struct look *l, bool has_it)
{
    struct job *j = l->job;
    void (*move)(struct job * j) = l->move;
    free(l);
    if (has_it)
        skip(j);
    else
        move(j);
}

static void look_fail(struct look *l, int status, const char *error)
{
    job_fail(l->job, status, error);
    free(l);
}

static void on_compared(void *arg, int status, const char *error)
{
    if (status < 0)
        look_fail(arg, status, error);
    else
        look_end(arg, status == 0);
}

static void on_target(void *arg, int status, const struct dfs_result *r)
{
    struct look *l = arg;
    struct job *j = l->job;
    struct cli *cli = j->tree->cli;
    struct sync_side target = {r->attr.size, r->attr.mtime_ns};
    if (status == DFS_ENOENT || (status == 0 && r->attr.type != DFS_FILE))
        look_end(l, false);
    else if (status)
        look_fail(l, status, r->error);
    else if (sync_skips(&cli->opt, &j->source, &target))
        look_end(l, true);
    else if (sync_compares(&cli->opt, &j->source, &target))
        sync_compare(cli, j->path, j->path2, on_compared, l);
    else
        look_end(l, false);
}

void tree_move(struct job *j, void (*move)(struct job *j))
{
    struct cli *cli = j->tree->cli;
    if (cli->gave_up) { /* while it waited for its turn */
        job_end(j);
        return;
    }
    if (!sync_wanted(&cli->opt)) {
        move(j);
        return;
    }
    struct look *l = xcalloc(1, sizeof *l);
    *l = (struct look){j, move};
    int err = dfs_stat(cli->client, j->path2, 0, on_target, l);
    if (err)
        look_fail(l, err, dfs_strerror(err));
}

bool tree_only_says(struct job *j)
{
    struct cli *cli = j->tree->cli;
    sync_say(cli, j->path, j->path2);
    if (!cli->opt.dry_run)
        return false;
    cli->progress.files++;
    cli->progress.bytes += j->source.size;
    job_end(j);
    return true;
}
