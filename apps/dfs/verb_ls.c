/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include "listing.h"
#include "tree.h"

/* Items held for columns; beyond, a block of columns follows the other. */
#define BLOCK_ITEMS 20000u

/* All of a directory has to be known before its first name is printed. */
static bool is_sorted(const struct options *o) { return o->by_time || o->by_size || o->reverse; }

static bool is_shown(const struct cli *cli, const struct dfs_entry *e)
{
    return e->name[0] != '.' || cli->opt.all || cli->opt.json;
}

/* Calls each entry that is to be shown, page by page. */
static void each_entry(struct listing *l, const char *path,
                       void (*each)(struct listing *l, const char *dir, const struct dfs_entry *e),
                       void (*page_done)(struct listing *l))
{
    char *after = xstrdup("");
    struct page p;
    for (bool eof = false; !eof;) {
        if (page_read(l->cli, path, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n && !ferror(stdout); i++)
            if (is_shown(l->cli, &p.v[i]))
                each(l, path, &p.v[i]);
        eof = p.eof || ferror(stdout);
        if (page_done)
            page_done(l);
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
}

static void add_entry(struct listing *l, const char *dir, const struct dfs_entry *e)
{
    listing_add(l, dir, e->name, &e->attr);
}

static void flush_page(struct listing *l)
{
    const struct options *o = &l->cli->opt;
    bool columns = !o->json && !o->long_form && !o->single && !o->zero && isatty(STDOUT_FILENO);
    if (!is_sorted(o) && (!columns || l->n >= BLOCK_ITEMS))
        listing_flush(l);
}

static void list_directory(struct listing *l, const char *path, bool heading);

static void descend(struct listing *l, const char *dir, const struct dfs_entry *e)
{
    if (e->attr.type != DFS_DIRECTORY)
        return;
    char *path = path_join(dir, e->name);
    list_directory(l, path, true);
    free(path);
}

static void list_directory(struct listing *l, const char *path, bool heading)
{
    struct cli *cli = l->cli;
    if (heading && !cli->opt.json) {
        fputs(l->printed++ ? "\n" : "", stdout);
        text_name(stdout, path);
        printf(":\n");
    }
    each_entry(l, path, add_entry, flush_page);
    listing_flush(l);
    if (cli->opt.recursive)
        each_entry(l, path, descend, NULL); /* read once more: a page a level is all that is kept */
}

/* An operand's attributes; a dangling link is there all the same. */
static int operand_stat(struct cli *cli, const char *path, struct dfs_attr *a)
{
    const struct options *o = &cli->opt;
    struct call k = CALL(cli);
    unsigned flags = o->long_form || o->directory ? DFS_NOFOLLOW : 0;
    int err = call_wait(&k, dfs_stat(cli->client, path, flags, on_call, &k));
    if (err == DFS_ENOENT && !flags) {
        call_free(&k);
        k = CALL(cli);
        err = call_wait(&k, dfs_stat(cli->client, path, DFS_NOFOLLOW, on_call, &k));
    }
    if (err)
        cli_fail(cli, path, "%s", k.error);
    *a = k.attr;
    call_free(&k);
    return err;
}

int verb_ls(struct cli *cli)
{
    static const char *const root[] = {"/"};
    const char *const *paths = cli->n_args ? cli->args : root;
    size_t n = cli->n_args ? cli->n_args : 1;
    struct listing l = {.cli = cli};
    bool *directory = xcalloc(n, sizeof *directory);
    if (cli->opt.json)
        putchar('[');
    for (size_t i = 0; i < n; i++) {
        struct dfs_attr a;
        if (operand_stat(cli, paths[i], &a) != 0)
            continue;
        directory[i] = a.type == DFS_DIRECTORY && !cli->opt.directory;
        if (!directory[i])
            listing_add(&l, NULL, paths[i], &a);
    }
    l.printed += !cli->opt.json && l.n > 0;
    listing_flush(&l);
    for (size_t i = 0; i < n; i++)
        if (directory[i])
            list_directory(&l, paths[i], n > 1 || cli->opt.recursive);
    if (cli->opt.json)
        printf("]\n");
    listing_close(&l);
    free(directory);
    return 0;
}
