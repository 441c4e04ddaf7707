/* SPDX-License-Identifier: MIT */
#include "cli.h"

static void print(const char *path, const struct dfs_attr *a, const char *target)
{
    char mode[11], mtime[40], ctime[40], size[32];
    text_mode(a, mode);
    text_time(a->mtime_ns, mtime);
    text_time(a->ctime_ns, ctime);
    printf("%-10s ", "path");
    text_name(stdout, path);
    printf("\n%-10s %s", "type", text_type(a->type));
    if (target && *target) {
        printf(" to ");
        text_name(stdout, target);
    }
    printf("\n%-10s %" PRIu64 " (%s)\n", "size", a->size, text_size(a->size, size));
    printf("%-10s %04o (%s)\n%-10s uid %u, gid %u\n", "mode", a->mode, mode, "owner", a->uid, a->gid);
    printf("%-10s %s\n%-10s %s\n", "modified", mtime, "changed", ctime);
    if (a->type == DFS_FILE)
        printf("%-10s %u, goal %u copies\n", "chunks", a->chunks, a->goal);
    printf("%-10s inode %" PRIu64 ", generation %" PRIu64 ", links %u\n", "identity", a->ino, a->generation, a->nlink);
}

static void take_xattrs(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    for (size_t i = 0; i < r->n_xattrs; i++) {
        if (cli->opt.json) {
            fputs(i ? "," : ",\"xattrs\":[", stdout);
            json_string(stdout, r->xattrs[i].name);
        } else {
            printf("%-10s ", i ? "" : "xattrs");
            text_name(stdout, r->xattrs[i].name);
            printf(" (%zu bytes)\n", r->xattrs[i].size);
        }
    }
    if (cli->opt.json && r->n_xattrs)
        putchar(']');
}

static void print_xattrs(struct cli *cli, const char *path)
{
    struct call k = CALL(cli);
    k.take = take_xattrs;
    k.take_arg = cli;
    int err = call_wait(&k, dfs_listxattr(cli->client, path, DFS_NOFOLLOW, on_call, &k));
    if (err && err != DFS_ENOENT) /* it went meanwhile */
        cli_fail(cli, path, "%s", k.error);
    call_free(&k);
}

int verb_stat(struct cli *cli)
{
    size_t printed = 0;
    if (cli->opt.json && cli->n_args > 1)
        putchar('[');
    for (size_t i = 0; i < cli->n_args; i++) {
        struct call k = CALL(cli);
        if (call_wait(&k, dfs_stat(cli->client, cli->args[i], DFS_NOFOLLOW, on_call, &k)) != 0) {
            cli_fail(cli, cli->args[i], "%s", k.error);
        } else {
            fputs(printed++ ? (cli->opt.json ? ",\n" : "\n") : "", stdout);
            if (cli->opt.json)
                json_attr_open(stdout, cli->args[i], &k.attr, k.target);
            else
                print(cli->args[i], &k.attr, k.target);
            print_xattrs(cli, cli->args[i]);
            if (cli->opt.json)
                putchar('}');
        }
        call_free(&k);
    }
    if (cli->opt.json && (printed || cli->n_args > 1))
        printf(cli->n_args > 1 ? "]\n" : "\n");
    return 0;
}
