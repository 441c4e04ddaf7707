/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "sync.h"

static void put_one(struct cli *cli, const char *src, const char *dst, const struct stat *st)
{
    struct xfer_wait w = {.status = 0};
    const struct options *o = &cli->opt;
    if (st && ((o->recursive && !S_ISREG(st->st_mode)) ||
               (!S_ISDIR(st->st_mode) && (sync_wanted(o) || o->dry_run || o->verbose)))) {
        tree_put(cli, src, dst);
        return;
    }
    int err = xfer_put(cli, src, dst, on_xfer_wait, &w, w.error);
    char *both = xcalloc(1, strlen(src) + strlen(dst) + sizeof " to ");
    sprintf(both, "%s to %s", src, dst); /* "no such file" may be about either */
    if (xfer_finish(cli, &w, err, err ? src : both) != 0)
        cli->progress.failed++;
    free(both);
}

int verb_put(struct cli *cli)
{
    size_t n = cli->n_args - 1;
    const char *dst = cli->args[n];
    bool into;
    if (!cli_target(cli, dst, &into))
        return 1;
    if (!into && (n > 1 || (dst[0] && dst[strlen(dst) - 1] == '/' && !cli->opt.recursive))) {
        cli_fail(cli, dst, "is not a directory (dfs mkdir makes one)");
        return 1;
    }
    progress_start(cli, 0);
    for (size_t i = 0; i < n && !cli->gave_up; i++) {
        const char *src = cli->args[i];
        struct stat st;
        bool piped = strcmp(src, "-") == 0, known = !piped && lstat(src, &st) == 0;
        if (into && piped) {
            cli_fail(cli, dst, "is a directory; standard input has no name of its own to go under");
            continue;
        }
        if (known && !cli->opt.recursive && S_ISLNK(st.st_mode))
            known = stat(src, &st) == 0; /* a link named on its own is followed, as by cp */
        if (known && cli->progress.on)
            progress_expect_local(cli, src);
        char *base = path_base(src), *to = into ? path_join(dst, base) : xstrdup(dst);
        cli->alone = !into && *base ? xstrdup(src) : NULL; /* the only one then */
        put_one(cli, src, to, known ? &st : NULL);
        free(base);
        free(to);
    }
    sync_summary(cli);
    return 0;
}
