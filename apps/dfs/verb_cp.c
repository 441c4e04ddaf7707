/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "sync.h"

int verb_cp(struct cli *cli)
{
    size_t n = cli->n_args - 1;
    const char *dst = cli->args[n];
    bool into;
    cli->opt.recursive |= cli->opt.archive;
    cli->opt.preserve |= cli->opt.archive;
    if (!cli_target(cli, dst, &into))
        return 1;
    if (!into && (n > 1 || (dst[0] && dst[strlen(dst) - 1] == '/' && !cli->opt.recursive))) {
        cli_fail(cli, dst, "is not a directory (dfs mkdir makes one)");
        return 1;
    }
    progress_start(cli, 0);
    for (size_t i = 0; i < n && !cli->gave_up; i++) {
        char *base = path_base(cli->args[i]), *to = into ? path_join(dst, base) : xstrdup(dst);
        cli->alone = !into && *base ? xstrdup(cli->args[i]) : NULL; /* the only one then */
        if (cli->progress.on)
            progress_expect(cli, cli->args[i]);
        tree_copy(cli, cli->args[i], to);
        free(base);
        free(to);
    }
    sync_summary(cli);
    return 0;
}
