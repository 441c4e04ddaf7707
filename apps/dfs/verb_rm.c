/* SPDX-License-Identifier: MIT */
/* rm and trash. */
#include <errno.h>
#include <stdlib.h>

#include "base/flags.h"
#include "cli.h"

static void rm_one(struct cli *cli, const char *path)
{
    struct call k = CALL(cli);
    unsigned flags = (cli->opt.recursive ? DFS_TREE : 0) | (cli->opt.now ? 0 : DFS_KEEP);
    int err = call_wait(&k, dfs_remove(cli->client, path, flags, on_call, &k));
    call_free(&k);
    if (err == DFS_EISDIR)
        cli_fail(cli, path, "%s (-r removes it with all it holds)", k.error);
    else if (err && !(err == DFS_ENOENT && cli->opt.force))
        cli_fail(cli, path, "%s", k.error);
    else if (!err)
        cli_did(cli, "removed", path);
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

/* --- trash --- */

struct listing {
    struct cli *cli;
    size_t printed;
    uint64_t last, keep_ms;
    bool eof;
};

static void show_json(struct listing *l, const struct dfs_trashed *t, int64_t until_ns)
{
    char removed[40], until[40];
    text_time(t->removed_ns, removed);
    text_time(until_ns, until);
    printf("%s{\"id\":%" PRIu64 ",", l->printed++ ? ",\n" : "", t->id);
    json_name(stdout, "path", t->path);
    printf(",\"type\":\"%s\",\"removed\":\"%s\",\"until\":\"%s\",\"uid\":%u,\"files\":%" PRIu64
           ",\"directories\":%" PRIu64 ",\"symlinks\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
           text_type(t->attr.type), removed, until, t->uid, t->totals.files, t->totals.directories, t->totals.symlinks,
           t->totals.bytes);
}

static void show(struct listing *l, const struct dfs_trashed *t, int64_t until_ns)
{
    char until[40], size[32];
    text_time(until_ns, until);
    if (l->printed++ == 0)
        printf("%8s %-20s %9s %9s %s\n", "ID", "Until", "Files", "Size", "Path");
    printf("%8" PRIu64 " %.19sZ %9" PRIu64 " %9s ", t->id, until, t->totals.files, text_size(t->totals.bytes, size));
    text_name(stdout, *t->path ? t->path : "(its path is too long)");
    putchar('\n');
}

static void take_page(void *arg, const struct dfs_result *r)
{
    struct listing *l = arg;
    for (size_t i = 0; i < r->n_trash; i++) {
        int64_t until = r->trash[i].removed_ns + (int64_t)(r->keep_ms * NS_PER_MS);
        if (l->cli->opt.json)
            show_json(l, &r->trash[i], until);
        else
            show(l, &r->trash[i], until);
        l->last = r->trash[i].id;
    }
    l->keep_ms = r->keep_ms;
    l->eof = r->eof || r->n_trash == 0;
}

static void trash_list(struct cli *cli)
{
    struct listing l = {.cli = cli};
    if (cli->opt.json)
        putchar('[');
    while (!l.eof && !ferror(stdout)) {
        struct call k = CALL(cli);
        k.take = take_page;
        k.take_arg = &l;
        if (call_wait(&k, dfs_trash_list(cli->client, l.last, 0, on_call, &k)) != 0) {
            cli_fail(cli, NULL, "%s", k.error);
            break;
        }
        call_free(&k);
    }
    if (cli->opt.json)
        printf("]\n");
}

static bool id_parse(struct cli *cli, const char *s, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(s, &end, 10);
    if (*s >= '0' && *s <= '9' && !*end && !errno && *out > 0)
        return true;
    cli_fail(cli, NULL, "\"%s\" is no number of an entry (\"dfs trash list\" shows them)", s);
    cli->status = 2;
    return false;
}

static void restore_one(struct cli *cli, const char *arg)
{
    uint64_t id;
    struct call k = CALL(cli);
    if (!id_parse(cli, arg, &id))
        return;
    if (call_wait(&k, dfs_trash_restore(cli->client, id, cli->opt.to, on_call, &k)) != 0) {
        cli_fail(cli, arg, "%s%s", k.error, strstr(k.error, "another place") ? " (--to PATH)" : "");
    } else if (cli->opt.json) {
        json_attr(stdout, k.target, &k.attr, NULL);
        putchar('\n');
    } else {
        text_name(stdout, k.target);
        putchar('\n');
    }
    call_free(&k);
}

static void empty_one(struct cli *cli, const char *arg)
{
    uint64_t id = 0;
    struct call k = CALL(cli);
    if (arg && !id_parse(cli, arg, &id))
        return;
    if (call_wait(&k, dfs_trash_empty(cli->client, id, on_call, &k)) != 0)
        cli_fail(cli, arg, "%s", k.error);
    call_free(&k);
}

static void take_keep(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    char time[32];
    if (cli->opt.json)
        printf("{\"keep_ms\":%" PRIu64 "}\n", r->keep_ms);
    else
        printf("%s\n", text_duration(r->keep_ms, time));
}

static void trash_keep(struct cli *cli, const char *arg)
{
    uint64_t ns = 0;
    struct call k = CALL(cli);
    if (arg && parse_duration(arg, &ns) != 0) {
        cli_fail(cli, NULL, "\"%s\" is no time: give it as 12h or 7d; 0 for no trash", arg);
        cli->status = 2;
        return;
    }
    if (!arg) {
        k.take = take_keep;
        k.take_arg = cli;
    }
    int err =
        arg ? dfs_trash_keep(cli->client, ns / NS_PER_MS, on_call, &k) : dfs_trash_list(cli->client, 0, 1, on_call, &k);
    if (call_wait(&k, err) != 0)
        cli_fail(cli, NULL, "%s", k.error);
    call_free(&k);
}

static int usage(const char *what)
{
    fprintf(stderr, "dfs: trash: %s (try \"dfs trash --help\")\n", what);
    return 2;
}

int verb_trash(struct cli *cli)
{
    const char *what = cli->args[0];
    size_t n = cli->n_args - 1;
    if (cli->opt.to && (strcmp(what, "restore") != 0 || n != 1))
        return cli->status = usage("--to names the place for one entry to be restored");
    if (strcmp(what, "list") == 0 && n == 0)
        trash_list(cli);
    else if (strcmp(what, "restore") == 0 && n > 0)
        for (size_t i = 1; i <= n; i++)
            restore_one(cli, cli->args[i]);
    else if (strcmp(what, "empty") == 0)
        for (size_t i = 0; i < n || i == 0; i++)
            empty_one(cli, n ? cli->args[i + 1] : NULL);
    else if (strcmp(what, "keep") == 0 && n <= 1)
        trash_keep(cli, n ? cli->args[1] : NULL);
    else
        return cli->status = usage("say list, restore ID..., empty [ID...] or keep [TIME]");
    return 0;
}
