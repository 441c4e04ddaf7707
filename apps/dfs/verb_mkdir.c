/* SPDX-License-Identifier: MIT */
#include "cli.h"

int verb_mkdir(struct cli *cli)
{
    for (size_t i = 0; i < cli->n_args; i++) {
        struct call k = CALL(cli);
        unsigned flags = cli->opt.parents ? DFS_PARENTS : 0;
        int err = call_wait(&k, dfs_mkdir(cli->client, cli->args[i], 0755, flags, on_call, &k));
        if (err == DFS_ENOENT)
            cli_fail(cli, cli->args[i], "%s (-p makes missing parents)", k.error);
        else if (err)
            cli_fail(cli, cli->args[i], "%s", k.error);
        call_free(&k);
    }
    return 0;
}

int verb_rmdir(struct cli *cli)
{
    for (size_t i = 0; i < cli->n_args; i++) {
        struct call k = CALL(cli);
        int err = call_wait(&k, dfs_rmdir(cli->client, cli->args[i], on_call, &k));
        if (err == DFS_ENOTEMPTY)
            cli_fail(cli, cli->args[i], "%s (\"dfs rm -r\" removes it with all it holds)", k.error);
        else if (err)
            cli_fail(cli, cli->args[i], "%s", k.error);
        call_free(&k);
    }
    return 0;
}
