/* SPDX-License-Identifier: MIT */
/* get -r: directories first, files and links in parallel; a directory gets its mode and time when all in it is there. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tree.h"

/* The local file is there already, as far as the flags ask. */
static bool is_there(const struct options *o, const char *local, const struct dfs_attr *a)
{
    struct stat st;
    struct sync_side source = {a->size, a->mtime_ns}, target;
    if (!sync_wanted(o) || stat(local, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    target = (struct sync_side){(uint64_t)st.st_size, sync_mtime(&st)};
    return sync_skips(o, &source, &target);
}

static void get_start(struct job *j)
{
    char error[320];
    if (tree_only_says(j))
        return;
    int err = xfer_get(j->tree->cli, j->path, j->path2, on_tree_file, j, error);
    if (err)
        job_fail(j, err, error);
}

static void on_compared(void *arg, int status, const char *error)
{
    struct job *j = arg;
    if (status == 1) {
        get_start(j);
        return;
    }
    if (status == 0)
        progress_skip(j->tree->cli, j->source.size);
    on_tree_file(j, status, error);
}

static void get_file(struct tree *t, struct branch *parent, char *remote, char *local, const struct dfs_attr *a)
{
    const struct options *o = &t->cli->opt;
    struct stat st;
    if (is_there(o, local, a)) {
        progress_skip(t->cli, a->size);
        free(remote);
        free(local);
        return;
    }
    struct job *j = job_new(t, parent, remote, local, a->size);
    j->source = (struct sync_side){a->size, a->mtime_ns};
    if (t->cli->gave_up) /* while it waited for its turn */
        job_end(j);
    else if (o->checksum && stat(local, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == a->size)
        sync_compare(t->cli, local, remote, on_compared, j);
    else
        get_start(j);
}

static void on_link(void *arg, int status, const struct dfs_result *r)
{
    struct job *j = arg;
    if (status) {
        job_fail(j, status, r->error);
        return;
    }
    char there[PATH_MAX + 1];
    ssize_t n = readlink(j->path2, there, sizeof there);
    if (n >= 0 && (size_t)n == strlen(r->target) && memcmp(there, r->target, (size_t)n) == 0) {
        progress_skip(j->tree->cli, 0);
        job_end(j);
        return;
    }
    if (tree_only_says(j))
        return;
    if (unlink(j->path2) != 0 && errno != ENOENT) {
        job_fail(j, 0, strerror(errno));
        return;
    }
    if (symlink(r->target, j->path2) != 0) {
        job_fail(j, 0, strerror(errno));
        return;
    }
    j->tree->cli->progress.files++;
    job_end(j);
}

static void get_link(struct tree *t, struct branch *parent, char *remote, char *local)
{
    struct job *j = job_new(t, parent, remote, local, 0);
    int err = dfs_stat(t->cli->client, remote, DFS_NOFOLLOW, on_link, j);
    if (err)
        job_fail(j, err, dfs_strerror(err));
}

/* What has no content to fetch. Takes over both paths. */
static void leave_out(struct tree *t, char *remote, char *local, const struct dfs_attr *a)
{
    cli_warn(t->cli, remote, "is a %s: left out", text_type(a->type));
    free(remote);
    free(local);
}

static void directory_last(struct branch *n)
{
    struct timespec when[2] = {{.tv_nsec = UTIME_OMIT},
                               {n->attr.mtime_ns / (int64_t)NS_PER_SEC, n->attr.mtime_ns % (int64_t)NS_PER_SEC}};
    if (n->tree->cli->opt.dry_run) {
        branch_free(n);
        return;
    }
    if (utimensat(AT_FDCWD, n->path2, when, 0) != 0 || chmod(n->path2, n->attr.mode & 07777) != 0)
        cli_fail(n->tree->cli, n->path2, "%s", strerror(errno));
    branch_free(n);
}

/* It may be there already; what else is there makes errno ENOTDIR. */
static bool directory_made(const char *path)
{
    struct stat st;
    if (mkdir(path, 0700) == 0)
        return true;
    if (errno == EEXIST && stat(path, &st) == 0) {
        errno = ENOTDIR;
        return S_ISDIR(st.st_mode);
    }
    return false;
}

/* Takes over both paths. */
static void get_directory(struct tree *t, struct branch *parent, char *remote, char *local, const struct dfs_attr *a)
{
    struct branch *n = branch_new(t, parent, remote, local, directory_last);
    struct page p;
    char *after = xstrdup("");
    n->attr = *a;
    if (!t->cli->opt.dry_run && !directory_made(local)) {
        cli_fail(t->cli, local, "%s", strerror(errno));
        n->last = branch_free;
        branch_drop(n);
        free(after);
        return;
    }
    for (bool eof = false; !eof;) {
        if (page_read(t->cli, remote, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n && !t->cli->gave_up; i++) {
            const struct dfs_entry *e = &p.v[i];
            if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
                continue; /* no server of ours sends these, and they would lead out of the target */
            char *from = path_join(remote, e->name), *to = path_join(local, e->name);
            if (e->attr.type == DFS_DIRECTORY)
                get_directory(t, n, from, to, &e->attr);
            else if (e->attr.type == DFS_SYMLINK)
                get_link(t, n, from, to);
            else if (e->attr.type == DFS_FILE)
                get_file(t, n, from, to, &e->attr);
            else
                leave_out(t, from, to, &e->attr);
        }
        eof = p.eof || t->cli->gave_up;
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
    branch_drop(n);
}

void tree_get(struct cli *cli, const char *remote, const char *local)
{
    struct tree t = {.cli = cli};
    struct call k = CALL(cli);
    int err = call_wait(&k, dfs_stat(cli->client, remote, cli->opt.recursive ? DFS_NOFOLLOW : 0, on_call, &k));
    if (err)
        cli_fail_call(cli, err, remote, k.error);
    else if (k.attr.type == DFS_DIRECTORY && !cli->opt.recursive)
        cli_fail(cli, remote, "is a directory (-r fetches it with all it holds)");
    else if (k.attr.type == DFS_DIRECTORY)
        get_directory(&t, NULL, xstrdup(remote), xstrdup(local), &k.attr);
    else if (k.attr.type == DFS_SYMLINK)
        get_link(&t, NULL, xstrdup(remote), xstrdup(local));
    else
        get_file(&t, NULL, xstrdup(remote), xstrdup(local), &k.attr);
    call_free(&k);
    tree_finish(&t);
}
