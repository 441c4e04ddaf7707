/* SPDX-License-Identifier: MIT */
#include <fnmatch.h>
#include <stdlib.h>
#include <time.h>

#include "parse.h"
#include "tree.h"

struct find {
    struct cli *cli;
    size_t printed;
    char size_sign, time_sign;
    uint64_t size, age; /* bytes, ns */
    int64_t now;        /* ns since the epoch */
};

static bool type_fits(const char *types, uint8_t type)
{
    char letter = type == DFS_DIRECTORY ? 'd' : type == DFS_SYMLINK ? 'l' : 'f';
    return strchr(types, letter) != NULL;
}

static bool size_fits(const struct find *f, const struct dfs_attr *a)
{
    return f->size_sign == '+' ? a->size > f->size : f->size_sign == '-' ? a->size < f->size : a->size == f->size;
}

/* As find counts: +3 is more than three whole days ago, 3 is between three and four. */
static bool time_fits(const struct find *f, const struct dfs_attr *a)
{
    int64_t age = f->now - a->mtime_ns, want = (int64_t)f->age;
    if (f->time_sign)
        return f->time_sign == '+' ? age > want : age < want;
    return age >= want && age < want + (int64_t)(24 * 3600 * NS_PER_SEC);
}

static bool fits(const struct find *f, const char *name, const struct dfs_attr *a)
{
    const struct options *o = &f->cli->opt;
    return (!o->type || type_fits(o->type, a->type)) && (!o->name || fnmatch(o->name, name, 0) == 0) &&
           (!o->iname || fnmatch(o->iname, name, FNM_CASEFOLD) == 0) &&
           (!o->empty || (a->size == 0 && (a->type == DFS_FILE || a->type == DFS_DIRECTORY))) &&
           (!o->size || (a->type == DFS_FILE && size_fits(f, a))) && (!o->mtime || time_fits(f, a));
}

static void look(struct find *f, const char *name, const char *path, const struct dfs_attr *a)
{
    const struct options *o = &f->cli->opt;
    if (!fits(f, name, a))
        return;
    if (o->json) {
        fputs(f->printed++ ? ",\n" : "", stdout);
        json_attr(stdout, path, a, NULL);
        return;
    }
    if (o->zero)
        fputs(path, stdout);
    else
        text_name(stdout, path);
    putchar(o->zero ? 0 : '\n');
}

static void walk(struct find *f, const char *dir, uint64_t depth)
{
    char *after = xstrdup("");
    struct page p;
    for (bool eof = false; !eof;) {
        if (page_read(f->cli, dir, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n && !ferror(stdout); i++) {
            char *path = path_join(dir, p.v[i].name);
            look(f, p.v[i].name, path, &p.v[i].attr);
            if (p.v[i].attr.type == DFS_DIRECTORY && depth > 1)
                walk(f, path, depth - 1);
            free(path);
        }
        eof = p.eof || ferror(stdout);
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
}

static void start(struct find *f, const char *path)
{
    struct cli *cli = f->cli;
    struct call k = CALL(cli);
    char *base = path_base(path);
    if (call_wait(&k, dfs_stat(cli->client, path, DFS_NOFOLLOW, on_call, &k)) != 0) {
        cli_fail(cli, path, "%s", k.error);
    } else {
        look(f, *base ? base : path, path, &k.attr);
        if (k.attr.type == DFS_DIRECTORY && cli->opt.max_depth > 0)
            walk(f, path, cli->opt.max_depth);
    }
    free(base);
    call_free(&k);
}

static int usage(const char *flag, const char *value, const char *expected)
{
    fprintf(stderr, "dfs: find: -%s: \"%s\" is not %s (try \"dfs find --help\")\n", flag, value, expected);
    return 2;
}

static int conditions(struct find *f)
{
    const struct options *o = &f->cli->opt;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    f->now = (int64_t)now.tv_sec * (int64_t)NS_PER_SEC + now.tv_nsec;
    if (o->size && !parse_signed_size(o->size, &f->size_sign, &f->size))
        return usage("size", o->size, "a size such as 4096, +64k, -1g");
    if (o->mtime &&
        (!parse_signed_duration(o->mtime, 24 * 3600 * NS_PER_SEC, &f->time_sign, &f->age) || f->age > INT64_MAX))
        return usage("mtime", o->mtime, "an age such as 3 (days), +12h, -90m");
    if (o->type && (!*o->type || o->type[strspn(o->type, "fdl,")]))
        return usage("type", o->type, "f, d or l");
    return 0;
}

int verb_find(struct cli *cli)
{
    struct find f = {.cli = cli};
    if (conditions(&f) != 0)
        return cli->status = 2;
    if (cli->opt.json)
        putchar('[');
    if (cli->n_args == 0)
        start(&f, "/");
    for (size_t i = 0; i < cli->n_args; i++)
        start(&f, cli->args[i]);
    if (cli->opt.json)
        printf("]\n");
    return 0;
}
