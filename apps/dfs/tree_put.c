/* SPDX-License-Identifier: MIT */
/* put -r: the directories of a directory first, then files and links in parallel; a directory gets its time when all in it
 * is there. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tree.h"

static void put_start(struct job *j)
{
    char error[320];
    if (tree_only_says(j))
        return;
    int err = xfer_put(j->tree->cli, j->path, j->path2, on_tree_file, j, error);
    if (err)
        job_fail(j, err, error);
}

static void put_file(struct tree *t, struct branch *parent, char *local, char *remote, const struct stat *st)
{
    struct job *j = job_new(t, parent, local, remote, (uint64_t)st->st_size);
    j->source = (struct sync_side){(uint64_t)st->st_size, sync_mtime(st)};
    tree_move(j, put_start);
}

static void put_link(struct tree *t, struct branch *parent, char *local, char *remote)
{
    char target[PATH_MAX + 1];
    struct job *j = job_new(t, parent, local, remote, 0);
    ssize_t n = readlink(local, target, sizeof target - 1);
    if (n < 0) {
        job_fail(j, 0, strerror(errno));
        return;
    }
    target[n] = 0;
    tree_link(j, target);
}

/* --- what is not in the source any more (--delete) --- */

static void on_removed(void *arg, int status, const struct dfs_result *r)
{
    struct job *j = arg;
    if (status && status != DFS_ENOENT) {
        job_fail(j, status, r->error);
        return;
    }
    j->tree->cli->progress.removed++;
    job_end(j);
}

static void prune_one(struct tree *t, struct branch *n, char *path)
{
    struct cli *cli = t->cli;
    struct job *j = job_new(t, n, path, NULL, 0);
    if (!cli->opt.json && (cli->opt.verbose || cli->opt.dry_run)) {
        fputs("remove ", stdout);
        text_name(stdout, path);
        putchar('\n');
    }
    int err = cli->opt.dry_run ? DFS_ENOENT : dfs_remove(cli->client, path, DFS_TREE | DFS_KEEP, on_removed, j);
    if (cli->opt.dry_run)
        on_removed(j, err, NULL);
    else if (err)
        job_fail(j, err, dfs_strerror(err));
}

static void prune(struct tree *t, struct branch *n)
{
    char *after = xstrdup("");
    struct page p;
    struct dfs_attr attr;
    bool eof = t->cli->opt.dry_run && cli_lstat(t->cli, n->path2, &attr) != 0;
    while (!eof) {
        if (page_read(t->cli, n->path2, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n; i++) {
            char *local = path_join(n->path, p.v[i].name);
            struct stat st;
            if (lstat(local, &st) != 0 && errno == ENOENT)
                prune_one(t, n, path_join(n->path2, p.v[i].name));
            free(local);
        }
        eof = p.eof;
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
}

/* --- directories --- */

static void on_dated(void *arg, int status, const struct dfs_result *r)
{
    struct branch *n = arg;
    if (status)
        cli_fail_call(n->tree->cli, status, n->path2, r->error);
    n->tree->in_flight--;
    branch_free(n);
}

/* All of it is there: its modification time is what it was. */
static void directory_last(struct branch *n)
{
    struct dfs_setattr set = {.what = DFS_SET_MTIME, .mtime_ns = n->attr.mtime_ns};
    struct cli *cli = n->tree->cli;
    if (cli->opt.dry_run || n->failed || cli->gave_up ||
        dfs_setattr(cli->client, n->path2, &set, 0, on_dated, n) != 0) {
        branch_free(n);
        return;
    }
    n->tree->in_flight++;
}

static bool is_directory(int folder, const struct dirent *e)
{
    struct stat st;
    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* The directories in d, all at once: what goes into them needs them. */
static void make_directories(struct tree *t, DIR *d, const char *remote)
{
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (!is_dots(e->d_name) && is_directory(dirfd(d), e) &&
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            tree_mkdir(t, path_join(remote, e->d_name), st.st_mode);
    }
    tree_made(t);
    rewinddir(d);
}

static void put_entry(struct tree *t, struct branch *parent, char *local, char *remote);

/* The directory exists in the cluster. Takes over both paths. */
static void put_directory(struct tree *t, struct branch *parent, char *local, char *remote, const struct stat *st)
{
    struct branch *n = branch_new(t, parent, local, remote, directory_last);
    n->attr.mtime_ns = sync_mtime(st);
    DIR *d = opendir(local);
    if (!d) {
        cli_fail(t->cli, local, "%s", strerror(errno));
        n->failed = true;
        branch_drop(n);
        return;
    }
    make_directories(t, d, remote);
    for (struct dirent *e; (errno = 0, !t->cli->gave_up && (e = readdir(d)));)
        if (!is_dots(e->d_name))
            put_entry(t, n, path_join(local, e->d_name), path_join(remote, e->d_name));
    if (errno)
        cli_fail(t->cli, local, "%s", strerror(errno));
    else if (t->cli->opt.prune && !t->cli->gave_up)
        prune(t, n);
    closedir(d);
    branch_drop(n);
}

/* Takes over both paths. */
static void put_entry(struct tree *t, struct branch *parent, char *local, char *remote)
{
    struct stat st;
    if (lstat(local, &st) != 0) {
        cli_fail(t->cli, local, "%s", strerror(errno));
    } else if (S_ISREG(st.st_mode)) {
        put_file(t, parent, local, remote, &st);
        return;
    } else if (S_ISLNK(st.st_mode)) {
        put_link(t, parent, local, remote);
        return;
    } else if (S_ISDIR(st.st_mode)) {
        if (!tree_is_unmade(t, remote)) {
            put_directory(t, parent, local, remote, &st);
            return;
        }
    } else {
        cli_fail(t->cli, local, "skipped: neither a file, a directory nor a symbolic link");
    }
    free(local);
    free(remote);
}

void tree_put(struct cli *cli, const char *local, const char *remote)
{
    struct tree t = {.cli = cli};
    struct stat st = {0};
    bool follow = !cli->opt.recursive; /* a link named on its own is followed, as by cp */
    if ((follow ? stat(local, &st) : lstat(local, &st)) == 0 && S_ISDIR(st.st_mode)) {
        tree_mkdir(&t, xstrdup(remote), st.st_mode);
        tree_made(&t);
    }
    if (follow && S_ISREG(st.st_mode))
        put_file(&t, NULL, xstrdup(local), xstrdup(remote), &st);
    else
        put_entry(&t, NULL, xstrdup(local), xstrdup(remote));
    tree_finish(&t);
}
