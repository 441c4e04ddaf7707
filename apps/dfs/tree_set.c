/* SPDX-License-Identifier: MIT */
/* chmod -R and chown -R: attributes of a whole tree, in parallel. Symbolic links are not followed. */
#include <stdlib.h>

#include "tree.h"

struct change {
    struct tree tree;
    tree_set_fn set;
    void *arg;
};

static void on_set(void *arg, int status, const struct dfs_result *r)
{
    struct job *j = arg;
    if (status)
        job_fail(j, status, r->error);
    else
        job_end(j);
}

/* Takes over path. */
static void set_one(struct change *c, char *path, const struct dfs_attr *a)
{
    struct dfs_setattr set = {0};
    if (!c->set(c->arg, a, &set)) {
        free(path);
        return;
    }
    struct job *j = job_new(&c->tree, NULL, path, NULL, 0);
    int err = dfs_setattr(c->tree.cli->client, path, &set, DFS_NOFOLLOW, on_set, j);
    if (err)
        job_fail(j, err, dfs_strerror(err));
}

static void set_below(struct change *c, const char *path)
{
    char *after = xstrdup("");
    struct page p;
    for (bool eof = false; !eof;) {
        if (page_read(c->tree.cli, path, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n && !c->tree.cli->gave_up; i++) {
            char *name = path_join(path, p.v[i].name);
            if (p.v[i].attr.type == DFS_DIRECTORY)
                set_below(c, name);
            set_one(c, name, &p.v[i].attr);
        }
        eof = p.eof || c->tree.cli->gave_up;
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
}

void tree_set(struct cli *cli, const char *remote, const struct dfs_attr *attr, tree_set_fn set, void *arg)
{
    struct change c = {.tree = {.cli = cli}, .set = set, .arg = arg};
    if (attr->type == DFS_DIRECTORY)
        set_below(&c, remote);
    set_one(&c, xstrdup(remote), attr);
    tree_finish(&c.tree);
}
