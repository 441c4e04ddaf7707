/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "cli.h"

static void rm_one(struct cli *cli, const char *path)
{
    struct call k = CALL(cli);
    int err = call_wait(&k, dfs_unlink(cli->client, path, on_call, &k));
    call_free(&k);
    if (err == DFS_EISDIR && cli->opt.recursive)
        tree_rm(cli, path);
    else if (err == DFS_EISDIR)
        cli_fail(cli, path, "%s (-r removes it with all it holds)", k.error);
    else if (err && !(err == DFS_ENOENT && cli->opt.force))
        cli_fail(cli, path, "%s", k.error);
}

int verb_rm(struct cli *cli)
{
    for (size_t i = 0; i < cli->n_args; i++) {
        char *base = path_base(cli->args[i]);
        if (*base)
            rm_one(cli, cli->args[i]);
        else
            cli_fail(cli, cli->args[i], "refused: name what is to be removed");
        free(base);
    }
    return 0;
}
