/* SPDX-License-Identifier: MIT */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <time.h>

#include "cli.h"
#include "tree.h"

struct listing {
    struct cli *cli;
    size_t printed; /* objects of the JSON array */
    uint32_t uid, gid; /* whose names are kept */
    char owner[64], group[64];
};

/* Looked up once as long as the owner stays the same. */
static void names_of(struct listing *l, const struct dfs_attr *a)
{
    if (!l->owner[0] || l->uid != a->uid) {
        const struct passwd *p = getpwuid(a->uid);
        snprintf(l->owner, sizeof l->owner, p ? "%s" : "%.0s%u", p ? p->pw_name : "", a->uid);
        l->uid = a->uid;
    }
    if (!l->group[0] || l->gid != a->gid) {
        const struct group *g = getgrgid(a->gid);
        snprintf(l->group, sizeof l->group, g ? "%s" : "%.0s%u", g ? g->gr_name : "", a->gid);
        l->gid = a->gid;
    }
}

static void print_long(struct listing *l, const char *name, const struct dfs_attr *a, const char *target)
{
    char mode[11], size[32], when[32];
    time_t at = (time_t)(a->mtime_ns / (int64_t)NS_PER_SEC), now = time(NULL);
    struct tm tm;
    text_mode(a, mode);
    names_of(l, a);
    localtime_r(&at, &tm);
    bool recent = at <= now && now - at < 182 * 24 * 3600;
    strftime(when, sizeof when, recent ? "%b %e %H:%M" : "%b %e  %Y", &tm);
    if (l->cli->opt.human)
        text_size(a->size, size);
    else
        snprintf(size, sizeof size, "%" PRIu64, a->size);
    printf("%s %3u %-8s %-8s %*s %s ", mode, a->nlink, l->owner, l->group, l->cli->opt.human ? 9 : 12, size, when);
    text_name(stdout, name);
    if (target && *target) {
        fputs(" -> ", stdout);
        text_name(stdout, target);
    }
    putchar('\n');
}

/* name: as shown; path: whole. */
static void print_one(struct listing *l, const char *name, const char *path, const struct dfs_attr *a)
{
    struct call k = CALL(l->cli);
    if (a->type == DFS_SYMLINK && (l->cli->opt.long_form || l->cli->opt.json))
        (void)call_wait(&k, dfs_stat(l->cli->client, path, DFS_NOFOLLOW, on_call, &k));
    if (l->cli->opt.json) {
        fputs(l->printed ? ",\n" : "", stdout);
        json_attr(stdout, path, a, k.target);
    } else if (l->cli->opt.long_form) {
        print_long(l, name, a, k.target);
    } else {
        text_name(stdout, name);
        putchar('\n');
    }
    l->printed++;
    call_free(&k);
}

static void list_directory(struct listing *l, const char *path)
{
    struct cli *cli = l->cli;
    char *after = xstrdup("");
    struct page p;
    for (bool eof = false; !eof;) {
        if (page_read(cli, path, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n && !ferror(stdout); i++) {
            if (p.v[i].name[0] == '.' && !cli->opt.all && !cli->opt.json)
                continue;
            char *whole = path_join(path, p.v[i].name);
            print_one(l, p.v[i].name, whole, &p.v[i].attr);
            free(whole);
        }
        eof = p.eof || ferror(stdout);
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
}

int verb_ls(struct cli *cli)
{
    static const char *const root[] = {"/"};
    const char *const *paths = cli->n_args ? cli->args : root;
    size_t n = cli->n_args ? cli->n_args : 1;
    struct listing l = {.cli = cli};
    if (cli->opt.json)
        putchar('[');
    for (size_t i = 0; i < n; i++) {
        struct call k = CALL(cli);
        int err = call_wait(&k, dfs_stat(cli->client, paths[i], cli->opt.long_form ? DFS_NOFOLLOW : 0, on_call, &k));
        if (err == DFS_ENOENT && !cli->opt.long_form) { /* a dangling link is there all the same */
            call_free(&k);
            k = CALL(cli);
            err = call_wait(&k, dfs_stat(cli->client, paths[i], DFS_NOFOLLOW, on_call, &k));
        }
        if (err) {
            cli_fail(cli, paths[i], "%s", k.error);
        } else if (k.attr.type != DFS_DIRECTORY) {
            print_one(&l, paths[i], paths[i], &k.attr);
        } else {
            if (n > 1 && !cli->opt.json)
                printf("%s%s:\n", i ? "\n" : "", paths[i]);
            list_directory(&l, paths[i]);
        }
        call_free(&k);
    }
    if (cli->opt.json)
        printf("]\n");
    return 0;
}
