/* SPDX-License-Identifier: MIT */
/* Patterns in operands, expanded in the cluster: "/logs/2024-*" + "/" + "*.gz", one directory at a time. A name that exists as
 * it is written is taken as it is, so that a file called "a*" can be named. */
#include <fnmatch.h>
#include <stdlib.h>

#include "tree.h"

struct globbed {
    char **v;
    const char **args; /* what the verb was given */
    size_t n, cap;
};

static void add(struct globbed *g, const char *path)
{
    if (g->n == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 16;
        g->v = xrealloc(g->v, g->cap, sizeof *g->v);
    }
    g->v[g->n++] = xstrdup(path);
}

static bool is_pattern(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\\')
            i++;
        else if (strchr("*?[", s[i]))
            return true;
    }
    return false;
}

/* The component without the backslashes that only made its characters plain. */
static char *unescaped(const char *s, size_t len)
{
    char *out = xcalloc(1, len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\\' && i + 1 < len)
            i++;
        out[n++] = s[i];
    }
    return out;
}

static void expand(struct cli *cli, struct globbed *g, const char *dir, const char *rest);

static void expand_in(struct cli *cli, struct globbed *g, const char *dir, const char *pattern, const char *rest)
{
    char *after = xstrdup("");
    struct page p;
    for (bool eof = false; !eof;) {
        if (page_read(cli, dir, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n; i++) {
            if (fnmatch(pattern, p.v[i].name, FNM_PERIOD) != 0 || (*rest && p.v[i].attr.type == DFS_FILE))
                continue;
            char *path = path_join(dir, p.v[i].name);
            expand(cli, g, path, rest);
            free(path);
        }
        eof = p.eof;
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
}

/* What dir with the components in rest stands for. */
static void expand(struct cli *cli, struct globbed *g, const char *dir, const char *rest)
{
    struct dfs_attr attr;
    while (*rest == '/')
        rest++;
    size_t len = strcspn(rest, "/");
    if (len == 0) {
        if (cli_lstat(cli, dir, &attr) == 0)
            add(g, dir);
        return;
    }
    char *part = is_pattern(rest, len) ? xstrndup(rest, len) : unescaped(rest, len);
    if (is_pattern(rest, len)) {
        if (cli_stat(cli, dir, &attr) == 0 && attr.type == DFS_DIRECTORY)
            expand_in(cli, g, dir, part, rest + len);
    } else {
        char *path = path_join(dir, part);
        expand(cli, g, path, rest + len);
        free(path);
    }
    free(part);
}

bool cli_expand(struct cli *cli)
{
    struct globbed *g = cli->globbed = xcalloc(1, sizeof *g);
    for (size_t i = 0; i < cli->n_args; i++) {
        const char *arg = cli->args[i];
        struct dfs_attr attr;
        size_t before = g->n;
        bool plain = verb_operand(cli->verb, i, cli->n_args) != 'R' || !is_pattern(arg, strlen(arg)) ||
                     cli_lstat(cli, arg, &attr) == 0;
        if (plain)
            add(g, arg);
        else
            expand(cli, g, *arg == '/' ? "/" : "", arg);
        if (g->n == before && !cli->opt.force)
            cli_fail(cli, arg, "nothing fits this pattern");
    }
    bool lost = g->n < cli->n_args && g->n < (cli->verb->min_args ? cli->verb->min_args : 1);
    g->args = xcalloc(g->n + 1, sizeof *g->args);
    for (size_t i = 0; i < g->n; i++)
        g->args[i] = g->v[i];
    free(cli->args);
    cli->args = g->args;
    cli->n_args = g->n;
    return !lost;
}

void cli_expand_free(struct cli *cli)
{
    struct globbed *g = cli->globbed;
    for (size_t i = 0; g && i < g->n; i++)
        free(g->v[i]);
    if (g)
        free(g->v);
    free(g);
}
