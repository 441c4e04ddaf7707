/* SPDX-License-Identifier: MIT */
/* fsck: which files have something wrong. The NameServer looks at a page of a directory at a time; the walk is ours. */
#include <stdlib.h>

#include "cli.h"

#define TRASH_INO 2u

struct fsck {
    struct cli *cli;
    uint64_t files, unreadable, short_of, other, gave_up;
    bool printed; /* JSON: something stands before the next object */
};

struct fsck_page {
    struct dfs_fsck_entry *v;
    size_t n;
    uint32_t files;
    char *next;
    bool eof;
};

static void take_page(void *arg, const struct dfs_result *r)
{
    struct fsck_page *p = arg;
    p->v = xcalloc(r->n_fsck + 1, sizeof *p->v);
    for (p->n = 0; p->n < r->n_fsck; p->n++) {
        p->v[p->n] = r->fsck[p->n];
        p->v[p->n].name = xstrdup(r->fsck[p->n].name);
    }
    p->files = r->fsck_files;
    p->next = xstrdup(r->next);
    p->eof = r->eof;
}

static void page_close(struct fsck_page *p)
{
    for (size_t i = 0; i < p->n; i++)
        free((char *)(uintptr_t)p->v[i].name);
    free(p->v);
    free(p->next);
}

static const char *state_of(const struct dfs_fsck_entry *e)
{
    return e->missing            ? "missing"
           : e->corrupt          ? "corrupt"
           : e->waiting          ? "waiting"
           : e->under_replicated ? "under-replicated"
           : e->misplaced        ? "misplaced"
                                 : "over-replicated";
}

static void print_one(struct fsck *f, const char *path, const struct dfs_fsck_entry *e)
{
    bool unreadable = e->missing || e->corrupt || e->waiting;
    f->unreadable += unreadable;
    f->short_of += e->under_replicated && !unreadable;
    f->other += !e->under_replicated && !unreadable;
    if (f->cli->opt.json) {
        fputs(f->printed ? ",\n " : "", stdout);
        f->printed = true;
        printf("{");
        json_name(stdout, "path", path);
        printf(",\"state\":\"%s\",\"size\":%" PRIu64 ",\"goal\":%u,\"chunks\":%u,\"missing\":%u,\"corrupt\":%u"
               ",\"under_replicated\":%u,\"misplaced\":%u,\"over_replicated\":%u,\"waiting\":%u}",
               state_of(e), e->size, e->goal, e->chunks, e->missing, e->corrupt, e->under_replicated, e->misplaced,
               e->over_replicated, e->waiting);
        return;
    }
    uint32_t n = e->missing            ? e->missing
                 : e->corrupt          ? e->corrupt
                 : e->waiting          ? e->waiting
                 : e->under_replicated ? e->under_replicated
                 : e->misplaced        ? e->misplaced
                                       : e->over_replicated;
    printf("%-16s %u of %u chunks, goal %u: ", state_of(e), n, e->chunks, e->goal);
    text_name(stdout, path);
    printf("\n");
}

static void check(struct fsck *f, const char *path, uint64_t dir, const char *relative);

static void take_gave_up(void *arg, const struct dfs_result *r) { *(uint32_t *)arg = r->gave_up; }

static void give_up(struct fsck *f, const char *path, const struct dfs_fsck_entry *e)
{
    uint32_t chunks = 0;
    struct call k = CALL(f->cli);
    k.take = take_gave_up;
    k.take_arg = &chunks;
    if (call_wait(&k, dfs_give_up(f->cli->client, e->ino, on_call, &k)) != 0)
        cli_fail(f->cli, path, "%s", k.error);
    call_free(&k);
    f->gave_up += chunks;
}

static void take_entry(struct fsck *f, const char *path, const struct dfs_fsck_entry *e)
{
    char *name = *e->name ? path_join(path, e->name) : xstrdup(path);
    if (e->type == DFS_DIRECTORY)
        check(f, name, e->ino, "");
    else
        print_one(f, name, e);
    if (e->waiting > 0 && f->cli->opt.give_up)
        give_up(f, name, e);
    free(name);
}

/* path is what is printed; relative leads there from the directory with the number dir. */
static void check(struct fsck *f, const char *path, uint64_t dir, const char *relative)
{
    char *after = xstrdup("");
    for (bool eof = false; !eof;) {
        struct fsck_page p = {.eof = true};
        struct call k = CALL(f->cli);
        k.take = take_page;
        k.take_arg = &p;
        int err = call_wait(&k, dfs_fsck(f->cli->client, dir, relative, after, 0, on_call, &k));
        if (err && (dir == 0 || err != DFS_ENOENT)) /* a directory that went meanwhile has no files */
            cli_fail(f->cli, path, "%s", k.error);
        call_free(&k);
        for (size_t i = 0; i < p.n; i++)
            take_entry(f, path, &p.v[i]);
        f->files += p.files;
        eof = p.eof;
        free(after);
        after = xstrdup(p.next ? p.next : "");
        page_close(&p);
    }
    free(after);
}

static int usage(const char *what)
{
    fprintf(stderr, "dfs: fsck: %s; dfs fsck --help explains it\n", what);
    return 2;
}

int verb_fsck(struct cli *cli)
{
    struct fsck f = {.cli = cli};
    if (cli->opt.give_up && cli->n_args == 0)
        return cli->status = usage("--give-up needs the paths of the files that are to go on");
    if (cli->opt.json)
        printf("[");
    for (size_t i = 0; i < cli->n_args; i++)
        check(&f, cli->args[i], 0, cli->args[i]);
    if (cli->n_args == 0) {
        check(&f, "/", 0, "/");
        check(&f, "(trash)", TRASH_INO, "");
    }
    if (cli->opt.json)
        printf("]\n");
    else if (f.files > 0 || cli->status == 0)
        printf("%" PRIu64 " files: %" PRIu64 " cannot be read in full, %" PRIu64 " more are short of copies, %" PRIu64
               " have copies too many or in the wrong place\n",
               f.files, f.unreadable, f.short_of, f.other);
    if (cli->opt.give_up && !cli->opt.json)
        printf("%" PRIu64 " chunks go on without the storage servers they waited for\n", f.gave_up);
    if (f.unreadable > 0)
        cli->status = 1;
    return 0;
}
