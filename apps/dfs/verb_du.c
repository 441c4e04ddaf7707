/* SPDX-License-Identifier: MIT */
/* du: the NameServer keeps totals for every directory, so that nothing is walked but the directories to be shown. */
#include <stdlib.h>

#include "cli.h"

struct du {
    struct cli *cli;
    size_t printed;
};

static void show(struct du *d, const char *path, const struct dfs_totals *t)
{
    char size[32];
    if (d->cli->opt.json) {
        fputs(d->printed++ ? ",\n{" : "{", stdout);
        json_name(stdout, "path", path);
        printf(",\"bytes\":%" PRIu64 ",\"files\":%" PRIu64 ",\"directories\":%" PRIu64 ",\"symlinks\":%" PRIu64 "}",
               t->bytes, t->files, t->directories, t->symlinks);
        return;
    }
    if (d->cli->opt.human)
        text_size(t->bytes, size);
    else
        snprintf(size, sizeof size, "%" PRIu64, t->bytes);
    printf("%12s %10" PRIu64 " ", size, t->files);
    text_name(stdout, path);
    putchar('\n');
}

struct page { /* copied out of a result */
    struct dfs_totals totals;
    struct dfs_usage *v;
    size_t n;
    char *next;
    bool eof;
};

static void take_page(void *arg, const struct dfs_result *r)
{
    struct page *p = arg;
    p->totals = r->totals;
    p->n = r->n_usage;
    p->v = xcalloc(p->n + 1, sizeof *p->v);
    for (size_t i = 0; i < p->n; i++)
        p->v[i] = (struct dfs_usage){xstrdup(r->usage[i].name), r->usage[i].totals};
    p->next = xstrdup(r->next);
    p->eof = r->eof;
}

static bool read_page(struct du *d, const char *path, const char *after, uint32_t limit, struct page *p)
{
    struct call k = CALL(d->cli);
    k.take = take_page;
    k.take_arg = p;
    if (call_wait(&k, dfs_usage(d->cli->client, path, after, limit, on_call, &k)) != 0) {
        cli_fail(d->cli, path, "%s", k.error);
        return false;
    }
    call_free(&k);
    return true;
}

static void free_page(struct page *p)
{
    for (size_t i = 0; i < p->n; i++)
        free((char *)p->v[i].name);
    free(p->v);
    free(p->next);
}

/* The directories in path, deepest first, as du does; false: it could not be read. */
static bool below(struct du *d, const char *path, uint64_t depth, struct dfs_totals *totals)
{
    char *after = xstrdup("");
    bool fine = true, eof = false;
    while (fine && !eof) {
        struct page p = {0};
        fine = read_page(d, path, after, depth ? 0 : 1, &p);
        for (size_t i = 0; fine && depth && i < p.n; i++) {
            char *name = path_join(path, p.v[i].name);
            struct dfs_totals t = p.v[i].totals;
            if (depth == 1 || t.directories == 0 || below(d, name, depth - 1, &t))
                show(d, name, &t);
            free(name);
        }
        *totals = p.totals;
        eof = p.eof || depth == 0 || ferror(stdout);
        free(after);
        after = p.next ? xstrdup(p.next) : NULL;
        free_page(&p);
    }
    free(after);
    return fine;
}

int verb_du(struct cli *cli)
{
    static const char *const root[] = {"/"};
    const char *const *paths = cli->n_args ? cli->args : root;
    size_t n = cli->n_args ? cli->n_args : 1;
    struct du d = {.cli = cli};
    struct dfs_totals sum = {0};
    if (cli->opt.json)
        putchar('[');
    for (size_t i = 0; i < n; i++) {
        struct dfs_totals t;
        uint64_t depth = cli->opt.summary ? 0 : cli->opt.depth == UINT64_MAX ? 1 : cli->opt.depth;
        if (!below(&d, paths[i], depth, &t))
            continue;
        show(&d, paths[i], &t);
        sum.bytes += t.bytes;
        sum.files += t.files;
    }
    if (cli->opt.total && !cli->opt.json)
        show(&d, "total", &sum);
    if (cli->opt.json)
        printf("]\n");
    return 0;
}
