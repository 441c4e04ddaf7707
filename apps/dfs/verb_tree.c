/* SPDX-License-Identifier: MIT */
/* tree: one page a level is kept, so the size of the tree does not matter. */
#include <stdlib.h>

#include "tree.h"

struct drawing {
    struct cli *cli;
    struct bytes margin; /* what stands in front of the branches */
    const char *tee, *corner, *bar;
    bool drawn; /* something was */
    uint64_t files, directories;
};

static void show(struct drawing *d, const char *name, const struct dfs_attr *a)
{
    char size[32];
    if (d->cli->opt.human && a->type == DFS_FILE) /* a directory's size is no size of data */
        printf("%9s  ", text_size(a->size, size));
    text_colored(d->cli, name, a);
    putchar('\n');
}

static void draw_below(struct drawing *d, const char *path, uint64_t depth);

/* One entry, when it is known whether another follows. */
static void draw_entry(struct drawing *d, const char *dir, const struct dfs_entry *e, bool last, uint64_t depth)
{
    bool is_dir = e->attr.type == DFS_DIRECTORY;
    size_t before = d->margin.len;
    char *path = path_join(dir, e->name);
    d->directories += is_dir;
    d->files += !is_dir;
    if (d->cli->opt.json) {
        json_attr_open(stdout, path, &e->attr, NULL);
    } else {
        printf("%.*s%s", (int)d->margin.len, (const char *)d->margin.p, last ? d->corner : d->tee);
        show(d, e->name, &e->attr);
    }
    if (is_dir && depth > 1 && !bytes_printf(&d->margin, "%s", last ? "    " : d->bar))
        draw_below(d, path, depth - 1);
    if (d->cli->opt.json)
        printf(last ? "}" : "},\n");
    d->margin.len = before;
    free(path);
}

static bool is_shown(const struct cli *cli, const struct dfs_entry *e)
{
    return (e->name[0] != '.' || cli->opt.all || cli->opt.json) &&
           (!cli->opt.directory || e->attr.type == DFS_DIRECTORY);
}

static void draw_below(struct drawing *d, const char *path, uint64_t depth)
{
    struct page p, previous = {NULL, 0, false};
    char *after = xstrdup("");
    const struct dfs_entry *held = NULL; /* not drawn yet: is it the last? */
    if (d->cli->opt.json)
        printf(",\"children\":[");
    for (bool eof = false; !eof;) {
        if (page_read(d->cli, path, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n && !ferror(stdout); i++) {
            if (!is_shown(d->cli, &p.v[i]))
                continue;
            if (held)
                draw_entry(d, path, held, false, depth);
            held = &p.v[i];
        }
        eof = p.eof || ferror(stdout);
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        if (!held || (p.n > 0 && held >= p.v && held < p.v + p.n)) {
            page_free(&previous);
            previous = p;
        } else {
            page_free(&p); /* nothing of it is held */
        }
    }
    if (held)
        draw_entry(d, path, held, true, depth);
    page_free(&previous);
    free(after);
    if (d->cli->opt.json)
        putchar(']');
}

static bool terminal_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *v = getenv(names[i]);
        if (v && *v)
            return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
    }
    return false;
}

static void draw(struct drawing *d, const char *path)
{
    struct cli *cli = d->cli;
    struct call k = CALL(cli);
    if (call_wait(&k, dfs_stat(cli->client, path, 0, on_call, &k)) != 0) {
        cli_fail(cli, path, "%s", k.error);
        return;
    }
    if (cli->opt.json) {
        fputs(d->drawn ? ",\n" : "", stdout);
        json_attr_open(stdout, path, &k.attr, NULL);
    } else {
        show(d, path, &k.attr);
    }
    d->drawn = true;
    if (k.attr.type == DFS_DIRECTORY && cli->opt.depth > 0)
        draw_below(d, path, cli->opt.depth);
    if (cli->opt.json)
        putchar('}');
    call_free(&k);
}

int verb_tree(struct cli *cli)
{
    bool utf8 = terminal_is_utf8();
    char n[2][64];
    struct drawing d = {
        .cli = cli, .tee = utf8 ? "├── " : "|-- ", .corner = utf8 ? "└── " : "`-- ", .bar = utf8 ? "│   " : "|   "};
    bytes_init(&d.margin, 64 * KIB);
    if (cli->opt.json)
        putchar('[');
    if (cli->n_args == 0)
        draw(&d, "/");
    for (size_t i = 0; i < cli->n_args; i++)
        draw(&d, cli->args[i]);
    if (cli->opt.json)
        printf("]\n");
    else if (d.drawn)
        printf("\n%s, %s\n", text_count(d.directories, "directory", "directories", n[0]),
               text_count(d.files, "file", "files", n[1]));
    bytes_close(&d.margin);
    return 0;
}
