/* SPDX-License-Identifier: MIT */
/* xattr: extended attributes. */
#include <unistd.h>

#include "cli.h"

static int usage(const char *what)
{
    fprintf(stderr, "dfs: xattr: %s (try \"dfs xattr --help\")\n", what);
    return 2;
}

static void take_value(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    if (cli->opt.json) {
        json_bytes(stdout, "value", r->value, r->value_len);
        return;
    }
    fwrite(r->value, 1, r->value_len, stdout);
    if (isatty(STDOUT_FILENO))
        putchar('\n');
}

static void take_names(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    if (cli->opt.json)
        putchar('[');
    for (size_t i = 0; i < r->n_xattrs; i++) {
        if (cli->opt.json) {
            fputs(i ? ",{" : "{", stdout);
            json_name(stdout, "name", r->xattrs[i].name);
            printf(",\"size\":%zu}", r->xattrs[i].size);
        } else {
            text_name(stdout, r->xattrs[i].name);
            putchar('\n');
        }
    }
    if (cli->opt.json)
        printf("]\n");
}

int verb_xattr(struct cli *cli)
{
    const char *what = cli->args[0], *path = cli->args[1], *name = cli->args[2];
    size_t n = cli->n_args;
    struct call k = CALL(cli);
    int err;
    if (strcmp(what, "list") == 0 && n == 2) {
        k.take = take_names;
        k.take_arg = cli;
        err = dfs_listxattr(cli->client, path, 0, on_call, &k);
    } else if (strcmp(what, "get") == 0 && n == 3) {
        k.take = take_value;
        k.take_arg = cli;
        err = dfs_getxattr(cli->client, path, name, 0, on_call, &k);
    } else if (strcmp(what, "set") == 0 && n == 4) {
        err = dfs_setxattr(cli->client, path, name, cli->args[3], strlen(cli->args[3]), 0, on_call, &k);
    } else if (strcmp(what, "remove") == 0 && n == 3) {
        err = dfs_removexattr(cli->client, path, name, 0, on_call, &k);
    } else {
        return cli->status = usage("say list PATH, get PATH NAME, set PATH NAME VALUE or remove PATH NAME");
    }
    err = call_wait(&k, err);
    if (err == DFS_ENOTSUP)
        cli_fail(cli, path, "%s: a name must begin with \"user.\"", name);
    else if (err)
        cli_fail(cli, path, "%s", k.error);
    call_free(&k);
    return 0;
}
