/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "parse.h"

int verb_mkdir(struct cli *cli)
{
    uint32_t mode = 0755;
    if (cli->opt.mode && !parse_mode(cli->opt.mode, 0777, true, &mode)) {
        cli_fail(cli, NULL, "\"%s\" is no mode: give it as 0750 or u=rwx,g=rx,o=", cli->opt.mode);
        return cli->status = 2;
    }
    for (size_t i = 0; i < cli->n_args; i++) {
        struct call k = CALL(cli);
        struct dfs_attr attr;
        unsigned flags = cli->opt.parents ? DFS_PARENTS : 0;
        bool there = flags && cli->opt.verbose && cli_stat(cli, cli->args[i], &attr) == 0;
        int err = call_wait(&k, dfs_mkdir(cli->client, cli->args[i], mode, flags, on_call, &k));
        if (err == DFS_ENOENT)
            cli_fail(cli, cli->args[i], "%s (-p makes missing parents)", k.error);
        else if (err)
            cli_fail(cli, cli->args[i], "%s", k.error);
        else if (!there)
            cli_did(cli, "made", cli->args[i]);
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
