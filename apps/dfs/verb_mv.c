/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "sync.h"

/* The reason may be about either path. */
static void fail_both(struct cli *cli, const char *from, const char *to, const char *reason)
{
    char *both = xcalloc(1, strlen(from) + strlen(to) + sizeof " to ");
    sprintf(both, "%s to %s", from, to);
    cli_fail(cli, both, "%s", reason);
    free(both);
}

int verb_mv(struct cli *cli)
{
    size_t n = cli->n_args - 1;
    const char *dst = cli->args[n];
    bool into;
    if (!cli_target(cli, dst, &into))
        return 1;
    if (n > 1 && !into) {
        cli_fail(cli, dst, "is not a directory (dfs mkdir makes one)");
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        char *base = path_base(cli->args[i]), *to = into ? path_join(dst, base) : xstrdup(dst);
        struct call k = CALL(cli);
        unsigned flags = cli->opt.skip_existing ? DFS_EXCL : 0;
        int err = call_wait(&k, dfs_rename(cli->client, cli->args[i], to, flags, on_call, &k));
        if (!err)
            sync_say(cli, cli->args[i], to);
        else if (!(err == DFS_EEXIST && flags))
            fail_both(cli, cli->args[i], to, err == DFS_EINVAL ? "cannot be moved into itself" : k.error);
        call_free(&k);
        free(base);
        free(to);
    }
    return 0;
}

int verb_ln(struct cli *cli)
{
    const char *target = cli->args[0], *path = cli->args[1];
    bool into;
    if (!cli_target(cli, path, &into))
        return 1;
    char *base = path_base(target), *at = into ? path_join(path, base) : xstrdup(path);
    struct call k = CALL(cli);
    int err = call_wait(&k, cli->opt.symbolic ? dfs_symlink(cli->client, target, at, on_call, &k)
                                              : dfs_link(cli->client, target, at, on_call, &k));
    if (err == DFS_EPERM)
        cli_fail(cli, target, "a directory can have one name only (-s makes a symbolic link)");
    else if (err)
        cli_fail(cli, at, "%s", k.error);
    call_free(&k);
    free(base);
    free(at);
    return 0;
}
