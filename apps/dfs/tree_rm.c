/* SPDX-License-Identifier: MIT */
/* rm -r: names in parallel; a directory goes when all in it has gone. */
#include <stdlib.h>

#include "tree.h"

static void on_unlink(void *arg, int status, const struct dfs_result *r)
{
    struct job *j = arg;
    if (status && status != DFS_ENOENT) /* somebody else was faster: as wanted */
        job_fail(j, r->error);
    else
        job_end(j);
}

static void on_rmdir(void *arg, int status, const struct dfs_result *r)
{
    struct branch *n = arg;
    n->tree->in_flight--;
    if (status && status != DFS_ENOENT) {
        cli_fail(n->tree->cli, n->path, "%s", r->error);
        n->failed = true;
    }
    branch_free(n);
}

static void directory_last(struct branch *n)
{
    if (n->failed) {
        branch_free(n); /* what is left was reported already */
        return;
    }
    int err = dfs_rmdir(n->tree->cli->client, n->path, on_rmdir, n);
    if (!err) {
        n->tree->in_flight++;
        return;
    }
    cli_fail(n->tree->cli, n->path, "%s", dfs_strerror(err));
    n->failed = true;
    branch_free(n);
}

static void rm_name(struct tree *t, struct branch *parent, char *path)
{
    struct job *j = job_new(t, parent, path, NULL, 0);
    int err = dfs_unlink(t->cli->client, path, on_unlink, j);
    if (err)
        job_fail(j, dfs_strerror(err));
}

/* Takes over path. */
static void rm_directory(struct tree *t, struct branch *parent, char *path)
{
    struct branch *n = branch_new(t, parent, path, NULL, directory_last);
    char *after = xstrdup("");
    struct page p;
    for (bool eof = false; !eof;) {
        if (page_read(t->cli, path, after, &p) != 0) {
            n->failed = true;
            break;
        }
        for (size_t i = 0; i < p.n; i++) {
            char *name = path_join(path, p.v[i].name);
            if (p.v[i].attr.type == DFS_DIRECTORY)
                rm_directory(t, n, name);
            else
                rm_name(t, n, name);
        }
        eof = p.eof;
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
    branch_drop(n);
}

void tree_rm(struct cli *cli, const char *remote)
{
    struct tree t = {.cli = cli};
    rm_directory(&t, NULL, xstrdup(remote));
    tree_finish(&t);
}
