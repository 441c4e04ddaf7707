/* SPDX-License-Identifier: MIT */
/* cp: as get -r and put -r in one; the directories of a page first, then files and links in parallel. */
#include <stdlib.h>

#include "tree.h"

struct copying {
    struct tree tree;
    uint64_t target; /* inode of the copy: what is copied into itself would never end */
};

static void copy_start(struct job *j)
{
    char error[320];
    if (tree_only_says(j))
        return;
    int err = xfer_copy(j->tree->cli, j->path, j->path2, &j->attr, on_tree_file, j, error);
    if (err)
        job_fail(j, err, error);
}

static void on_link(void *arg, int status, const struct dfs_result *r)
{
    if (status)
        job_fail(arg, status, r->error);
    else
        tree_link(arg, r->target);
}

/* A file or a link. Takes over both paths. */
static void copy_one(struct copying *c, char *from, char *to, const struct dfs_attr *a)
{
    struct job *j = job_new(&c->tree, NULL, from, to, a->size);
    j->attr = *a;
    j->source = (struct sync_side){a->size, a->mtime_ns};
    if (a->type == DFS_FILE) {
        tree_move(j, copy_start);
        return;
    }
    int err = dfs_stat(c->tree.cli->client, from, DFS_NOFOLLOW, on_link, j);
    if (err)
        job_fail(j, err, dfs_strerror(err));
}

static void copy_directory(struct copying *c, const char *from, const char *to);

static void copy_entry(struct copying *c, char *from, char *to, const struct dfs_attr *a)
{
    if (a->type == DFS_FILE || a->type == DFS_SYMLINK) {
        copy_one(c, from, to, a);
        return;
    }
    if (a->type != DFS_DIRECTORY)
        cli_warn(c->tree.cli, from, "is a %s: left out", text_type(a->type));
    else if (a->ino == c->target)
        cli_fail(c->tree.cli, from, "is what is being copied to: left out");
    else if (!tree_is_unmade(&c->tree, to))
        copy_directory(c, from, to);
    free(from);
    free(to);
}

/* `to` exists. */
static void copy_directory(struct copying *c, const char *from, const char *to)
{
    char *after = xstrdup("");
    struct page p;
    for (bool eof = false; !eof;) {
        if (page_read(c->tree.cli, from, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n; i++)
            if (p.v[i].attr.type == DFS_DIRECTORY && p.v[i].attr.ino != c->target)
                tree_mkdir(&c->tree, path_join(to, p.v[i].name), p.v[i].attr.mode);
        tree_made(&c->tree);
        for (size_t i = 0; i < p.n && !c->tree.cli->gave_up; i++)
            copy_entry(c, path_join(from, p.v[i].name), path_join(to, p.v[i].name), &p.v[i].attr);
        eof = p.eof || c->tree.cli->gave_up;
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
}

void tree_copy(struct cli *cli, const char *from, const char *to)
{
    struct copying c = {.tree = {.cli = cli}};
    struct call k = CALL(cli);
    struct dfs_attr made;
    int err = call_wait(&k, dfs_stat(cli->client, from, cli->opt.recursive ? DFS_NOFOLLOW : 0, on_call, &k));
    if (err) {
        cli_fail_call(cli, err, from, k.error);
    } else if (k.attr.type != DFS_DIRECTORY) {
        if (cli_stat(cli, to, &made) == 0 && made.ino == k.attr.ino)
            cli_fail(cli, from, "and %s are the same file", to);
        else
            copy_one(&c, xstrdup(from), xstrdup(to), &k.attr);
    } else if (!cli->opt.recursive) {
        cli_fail(cli, from, "is a directory (-r copies it with all it holds)");
    } else {
        tree_mkdir(&c.tree, xstrdup(to), k.attr.mode);
        tree_made(&c.tree);
        if (cli_stat(cli, to, &made) == 0)
            c.target = made.ino;
        if (k.attr.ino == c.target)
            cli_fail(cli, from, "and %s are the same directory", to);
        else if (!tree_is_unmade(&c.tree, to))
            copy_directory(&c, from, to);
    }
    call_free(&k);
    tree_finish(&c.tree);
}
