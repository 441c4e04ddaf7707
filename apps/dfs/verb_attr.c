/* SPDX-License-Identifier: MIT */
/* chmod, chown, touch, truncate. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include "cli.h"
#include "parse.h"

void cli_set(struct cli *cli, const char *path, tree_set_fn set, void *arg)
{
    struct dfs_attr attr;
    struct dfs_setattr what = {0};
    struct call k = CALL(cli);
    unsigned flags = cli->opt.no_follow ? DFS_NOFOLLOW : 0;
    int err = call_wait(&k, dfs_stat(cli->client, path, flags, on_call, &k));
    attr = k.attr;
    call_free(&k);
    if (err) {
        cli_fail(cli, path, "%s", k.error);
        return;
    }
    if (cli->opt.recursive) {
        tree_set(cli, path, &attr, set, arg);
        return;
    }
    k = CALL(cli);
    if (set(arg, &attr, &what) && call_wait(&k, dfs_setattr(cli->client, path, &what, flags, on_call, &k)) != 0)
        cli_fail(cli, path, "%s", k.error);
    call_free(&k);
}

/* --- chmod --- */

static bool set_mode(void *arg, const struct dfs_attr *a, struct dfs_setattr *out)
{
    out->what = DFS_SET_MODE;
    return a->type != DFS_SYMLINK && parse_mode(arg, a->mode, a->type == DFS_DIRECTORY, &out->mode);
}

int verb_chmod(struct cli *cli)
{
    uint32_t mode;
    if (!parse_mode(cli->args[0], 0, false, &mode)) {
        cli_fail(cli, NULL, "\"%s\" is no mode: give it as 0644 or u+x,go-w", cli->args[0]);
        return cli->status = 2;
    }
    for (size_t i = 1; i < cli->n_args; i++)
        cli_set(cli, cli->args[i], set_mode, (void *)(uintptr_t)cli->args[0]);
    return 0;
}

/* --- chown --- */

static bool id_parse(const char *s, size_t len, bool group, uint32_t *out)
{
    char name[128], *end;
    if (len == 0 || len >= sizeof name)
        return false;
    memcpy(name, s, len);
    name[len] = 0;
    const struct passwd *p = group ? NULL : getpwnam(name);
    const struct group *g = group ? getgrnam(name) : NULL;
    errno = 0;
    unsigned long id = p ? p->pw_uid : g ? g->gr_gid : strtoul(name, &end, 10);
    *out = (uint32_t)id;
    return p || g || (!*end && !errno && *name != '-' && id < UINT32_MAX);
}

static bool set_owner(void *arg, const struct dfs_attr *a, struct dfs_setattr *out)
{
    (void)a;
    *out = *(struct dfs_setattr *)arg;
    return true;
}

int verb_chown(struct cli *cli)
{
    const char *who = cli->args[0], *colon = strchr(who, ':');
    size_t len = colon ? (size_t)(colon - who) : strlen(who);
    struct dfs_setattr set = {0};
    bool fine = len || colon;
    if (len) {
        set.what |= DFS_SET_UID;
        fine = id_parse(who, len, false, &set.uid);
    }
    if (fine && colon) {
        set.what |= DFS_SET_GID;
        fine = id_parse(colon + 1, strlen(colon + 1), true, &set.gid);
    }
    if (!fine) {
        cli_fail(cli, NULL,
                 "\"%s\" is no owner: give USER, USER:GROUP or :GROUP, as names of this machine or as numbers", who);
        return cli->status = 2;
    }
    for (size_t i = 1; i < cli->n_args; i++)
        cli_set(cli, cli->args[i], set_owner, &set);
    return 0;
}

/* --- touch --- */

static void touch(struct cli *cli, const char *path, const struct dfs_setattr *set)
{
    bool created = false;
    for (;;) {
        struct call k = CALL(cli);
        int err = call_wait(&k, dfs_setattr(cli->client, path, set, 0, on_call, &k));
        call_free(&k);
        if (err == DFS_ENOENT && cli->opt.no_create)
            return;
        if (err != DFS_ENOENT || created) {
            if (err)
                cli_fail(cli, path, "%s", k.error);
            return;
        }
        k = CALL(cli);
        err = call_wait(&k, dfs_create(cli->client, path, 0644, 0, on_call, &k));
        call_free(&k);
        if (err) {
            cli_fail(cli, path, "%s", k.error);
            return;
        }
        if (set->what == DFS_SET_MTIME_NOW)
            return; /* a new file is from now */
        created = true;
    }
}

int verb_touch(struct cli *cli)
{
    struct dfs_setattr set = {.what = DFS_SET_MTIME_NOW};
    if (cli->opt.time) {
        set.what = DFS_SET_MTIME;
        if (!parse_time(cli->opt.time, &set.mtime_ns)) {
            cli_fail(cli, NULL, "\"%s\" is no time: give it as 2024-02-03T04:05:06Z, 2024-02-03 04:05 or @SECONDS",
                     cli->opt.time);
            return cli->status = 2;
        }
    }
    for (size_t i = 0; i < cli->n_args; i++)
        touch(cli, cli->args[i], &set);
    return 0;
}

/* --- truncate --- */

int verb_truncate(struct cli *cli)
{
    uint64_t size;
    if (!cli->opt.size || parse_size(cli->opt.size, &size) != 0) {
        cli_fail(cli, NULL, "give the size as --size 0, 4096, 64k or 1g");
        return cli->status = 2;
    }
    for (size_t i = 0; i < cli->n_args; i++) {
        struct call k = CALL(cli);
        if (call_wait(&k, dfs_truncate(cli->client, cli->args[i], size, on_call, &k)) != 0)
            cli_fail(cli, cli->args[i], "%s", k.error);
        call_free(&k);
    }
    return 0;
}
