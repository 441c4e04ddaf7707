/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "sync.h"

int verb_get(struct cli *cli)
{
    size_t n = cli->n_args - 1;
    const char *dst = cli->args[n];
    struct stat st;
    bool piped = strcmp(dst, "-") == 0;
    bool into = !piped && stat(dst, &st) == 0 && S_ISDIR(st.st_mode);
    if (!into && !piped && (n > 1 || (dst[0] && dst[strlen(dst) - 1] == '/' && !cli->opt.recursive))) {
        cli_fail(cli, dst, "is not a directory (mkdir makes one)");
        return 1;
    }
    if (piped && cli->opt.recursive) {
        cli_fail(cli, NULL, "a tree does not fit through standard output");
        return 1;
    }
    progress_start(cli, 0);
    for (size_t i = 0; i < n && !cli->gave_up; i++) {
        const char *src = cli->args[i];
        char *base = path_base(src), *to = into ? path_join(dst, base) : xstrdup(dst);
        struct xfer_wait w = {.status = 0};
        const struct options *o = &cli->opt;
        cli->alone = !into && *base ? xstrdup(src) : NULL; /* the only one then */
        if (cli->progress.on)
            progress_expect(cli, src);
        if (o->recursive || (!piped && (sync_wanted(o) || o->dry_run || o->verbose)))
            tree_get(cli, src, to);
        else if (xfer_finish(cli, &w, xfer_get(cli, src, to, on_xfer_wait, &w, w.error), src) != 0)
            cli->progress.failed++;
        free(base);
        free(to);
    }
    if (!piped)
        sync_summary(cli);
    return 0;
}

int verb_cat(struct cli *cli)
{
    for (size_t i = 0; i < cli->n_args && !cli->gave_up; i++) {
        struct xfer_wait w = {.status = 0};
        xfer_finish(cli, &w, xfer_get(cli, cli->args[i], "-", on_xfer_wait, &w, w.error), cli->args[i]);
    }
    return 0;
}
