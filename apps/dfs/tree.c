/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <stdlib.h>

#define FLIGHT_WEIGHT_MAX (8 * MIB) /* a transfer's window: more of a file is never in memory */

struct branch *branch_new(struct tree *t, struct branch *parent, char *path, char *path2,
                          void (*last)(struct branch *n))
{
    struct branch *n = xcalloc(1, sizeof *n);
    n->tree = t;
    n->parent = parent;
    n->refs = 1;
    n->path = path;
    n->path2 = path2;
    n->last = last;
    if (parent)
        parent->refs++;
    t->cli->tree = true;
    return n;
}

void branch_drop(struct branch *n)
{
    if (n && --n->refs == 0)
        n->last(n);
}

void branch_free(struct branch *n)
{
    struct branch *parent = n->parent;
    if (parent)
        parent->failed = parent->failed || n->failed;
    free(n->path);
    free(n->path2);
    free(n);
    branch_drop(parent);
}

struct job *job_new(struct tree *t, struct branch *n, char *path, char *path2, uint64_t size)
{
    uint64_t weight = min_u64(size, FLIGHT_WEIGHT_MAX);
    while (t->in_flight > 0 && (t->in_flight >= CLI_FLIGHT_MAX || t->bytes + weight > CLI_FLIGHT_BYTES))
        uv_run(&t->cli->loop, UV_RUN_ONCE);
    struct job *j = xcalloc(1, sizeof *j);
    *j = (struct job){.tree = t, .branch = n, .bytes = weight, .path = path, .path2 = path2};
    t->in_flight++;
    t->bytes += weight;
    if (n)
        n->refs++;
    return j;
}

void job_end(struct job *j)
{
    struct branch *n = j->branch;
    j->tree->in_flight--;
    j->tree->bytes -= j->bytes;
    free(j->path);
    free(j->path2);
    free(j->target);
    free(j);
    branch_drop(n);
}

void job_fail(struct job *j, int status, const char *error)
{
    j->tree->cli->progress.failed++;
    cli_fail_call(j->tree->cli, status, j->path, error);
    if (j->branch)
        j->branch->failed = true;
    job_end(j);
}

void tree_finish(struct tree *t)
{
    while (t->in_flight > 0)
        uv_run(&t->cli->loop, UV_RUN_ONCE);
    for (size_t i = 0; i < t->n_unmade; i++)
        free(t->unmade[i]);
    free(t->unmade);
}

void on_tree_file(void *job, int status, const char *error)
{
    if (status)
        job_fail(job, status, error);
    else
        job_end(job);
}

/* --- directories --- */

static void on_made(void *arg, int status, const struct dfs_result *r)
{
    struct job *j = arg;
    struct tree *t = j->tree;
    t->making--;
    if (!status) {
        job_end(j);
        return;
    }
    t->unmade = xrealloc(t->unmade, t->n_unmade + 1, sizeof *t->unmade);
    t->unmade[t->n_unmade++] = xstrdup(j->path);
    job_fail(j, status, status == DFS_EEXIST ? "is not a directory" : r->error);
}

void tree_mkdir(struct tree *t, char *path, uint32_t mode)
{
    if (t->cli->opt.dry_run || t->cli->gave_up) {
        free(path);
        return;
    }
    struct job *j = job_new(t, NULL, path, NULL, 0);
    t->making++;
    int err = dfs_mkdir(t->cli->client, path, mode & 07777, DFS_PARENTS, on_made, j);
    if (err)
        on_made(j, err, &(struct dfs_result){.error = dfs_strerror(err)});
}

void tree_made(struct tree *t)
{
    while (t->making > 0)
        uv_run(&t->cli->loop, UV_RUN_ONCE);
}

bool tree_is_unmade(const struct tree *t, const char *path)
{
    for (size_t i = 0; i < t->n_unmade; i++)
        if (strcmp(t->unmade[i], path) == 0)
            return true;
    return false;
}

/* --- pages --- */

static void take_page(void *arg, const struct dfs_result *r)
{
    struct page *p = arg;
    p->n = r->n_entries;
    p->eof = r->eof || r->n_entries == 0;
    p->v = xcalloc(p->n + 1, sizeof *p->v);
    for (size_t i = 0; i < p->n; i++) {
        p->v[i].name = xstrdup(r->entries[i].name);
        p->v[i].attr = r->entries[i].attr;
    }
}

int page_take(struct call *k, const char *path, const char *after, struct page *out)
{
    *out = (struct page){NULL, 0, true};
    k->take = take_page;
    k->take_arg = out;
    return call_wait(k, dfs_readdir(k->cli->client, path, after, 0, on_call, k));
}

int page_read(struct cli *cli, const char *path, const char *after, struct page *out)
{
    struct call k = CALL(cli);
    int err = page_take(&k, path, after, out);
    if (err)
        cli_fail_call(cli, err, path, k.error);
    call_free(&k);
    return err;
}

void page_free(struct page *p)
{
    for (size_t i = 0; i < p->n; i++)
        free((char *)p->v[i].name);
    free(p->v);
}
