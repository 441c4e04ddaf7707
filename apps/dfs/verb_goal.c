/* SPDX-License-Identifier: MIT */
/* setgoal and getgoal: how many copies there are to be. */
#include <stdlib.h>

#include "cli.h"
#include "tree.h"

#define GOAL_MAX 16

static bool parse_goal(const char *s, uint8_t *goal)
{
    char *end;
    unsigned long v = strtoul(s, &end, 10);
    *goal = (uint8_t)v;
    if (strcmp(s, "default") == 0) {
        *goal = 0;
        return true;
    }
    return *s >= '0' && *s <= '9' && !*end && v >= 1 && v <= GOAL_MAX;
}

static bool set_goal(void *arg, const struct dfs_attr *a, struct dfs_setattr *out)
{
    *out = (struct dfs_setattr){.what = DFS_SET_GOAL, .goal = *(const uint8_t *)arg};
    return a->type != DFS_SYMLINK;
}

int verb_setgoal(struct cli *cli)
{
    uint8_t goal;
    if (!parse_goal(cli->args[0], &goal)) {
        cli_fail(cli, NULL, "\"%s\" is no goal: give a number of copies from 1 to %d, or \"default\"", cli->args[0],
                 GOAL_MAX);
        return cli->status = 2;
    }
    for (size_t i = 1; i < cli->n_args; i++)
        cli_set(cli, cli->args[i], set_goal, &goal);
    return 0;
}

/* --- getgoal --- */

static void show(struct cli *cli, const char *path, const struct dfs_attr *a, bool *first)
{
    if (a->type == DFS_SYMLINK)
        return;
    if (!cli->opt.json) {
        printf("%-2u %-9s ", a->goal, a->goal_chosen ? "" : "(default)");
        text_name(stdout, path);
        printf("\n");
        return;
    }
    printf(*first ? "" : ",\n ");
    printf("{");
    json_name(stdout, "path", path);
    printf(",\"goal\":%u,\"chosen\":%s}", a->goal, a->goal_chosen ? "true" : "false");
    *first = false;
}

static void show_below(struct cli *cli, const char *path, bool *first)
{
    char *after = xstrdup("");
    struct page p;
    for (bool eof = false; !eof;) {
        if (page_read(cli, path, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n; i++) {
            char *name = path_join(path, p.v[i].name);
            show(cli, name, &p.v[i].attr, first);
            if (p.v[i].attr.type == DFS_DIRECTORY)
                show_below(cli, name, first);
            free(name);
        }
        eof = p.eof;
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
}

int verb_getgoal(struct cli *cli)
{
    bool first = true;
    printf(cli->opt.json ? "[" : "");
    for (size_t i = 0; i < cli->n_args; i++) {
        struct call k = CALL(cli);
        int err = call_wait(&k, dfs_stat(cli->client, cli->args[i], 0, on_call, &k));
        struct dfs_attr attr = k.attr;
        call_free(&k);
        if (err) {
            cli_fail(cli, cli->args[i], "%s", k.error);
            continue;
        }
        show(cli, cli->args[i], &attr, &first);
        if (cli->opt.recursive && attr.type == DFS_DIRECTORY)
            show_below(cli, cli->args[i], &first);
    }
    printf(cli->opt.json ? "]\n" : "");
    return 0;
}
