/* SPDX-License-Identifier: MIT */
/* server and rebalance: StorageServers, emptying them, taking them out, evening them out. */
#include <stdlib.h>

#include "cli.h"

static void list_json(const struct dfs_status *s)
{
    printf("[");
    for (size_t i = 0; i < s->n_servers; i++) {
        const struct dfs_server *v = &s->servers[i];
        printf("%s{\"id\":\"%u\",\"uuid\":\"%s\",\"address\":", i ? ",\n " : "", v->id, v->uuid);
        json_string(stdout, v->address);
        printf(",\"state\":\"%s\",\"domain\":", v->state);
        json_string(stdout, v->domain);
        printf(",\"capacity\":%" PRIu64 ",\"used\":%" PRIu64 ",\"chunks\":%" PRIu64 "}", v->capacity, v->used,
               v->chunks);
    }
    printf("]\n");
}

static void list_text(const struct dfs_status *s)
{
    char used[32], size[32];
    for (size_t i = 0; i < s->n_servers; i++) {
        const struct dfs_server *v = &s->servers[i];
        printf("%-4u %-24s %-9s %9s of %-9s %3u%% %8" PRIu64 " chunk%s%s%s\n", v->id, v->address, v->state,
               text_size(v->used, used), text_size(v->capacity, size),
               v->capacity ? (unsigned)((double)v->used * 100 / (double)v->capacity + 0.5) : 0, v->chunks,
               v->chunks == 1 ? "" : "s", *v->domain ? "  " : "", v->domain);
    }
}

static void take_list(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    if (cli->opt.json)
        list_json(r->status);
    else
        list_text(r->status);
}

struct change {
    const struct cli *cli;
    uint32_t id;
};

static void take_change(void *arg, const struct dfs_result *r)
{
    const struct change *c = arg;
    const struct dfs_server_change *s = &r->server;
    char size[32], chunks[64];
    if (c->cli->opt.json) {
        printf("{\"id\":\"%u\",\"state\":\"%s\",\"chunks\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"stuck\":%" PRIu64 "}\n",
               c->id, s->state, s->chunks, s->bytes, s->stuck);
        return;
    }
    if (strcmp(s->state, "draining") != 0) {
        printf("storage server %u is %s\n", c->id, s->state);
        return;
    }
    printf("storage server %u is being drained: %s, %s to go (dfs health shows how far it is)\n", c->id,
           text_count(s->chunks, "chunk", "chunks", chunks), text_size(s->bytes, size));
    if (s->goal == 1)
        printf("only one other storage server stays, so that files have one copy from now on\n");
    if (s->stuck > 0)
        printf("%" PRIu64
               " of them ask for more copies than the servers that stay can hold: they wait until there is another "
               "one, or less is asked for (dfs setgoal)\n",
               s->stuck);
}

static int list(struct cli *cli)
{
    struct call k = CALL(cli);
    k.take = take_list;
    k.take_arg = cli;
    if (call_wait(&k, dfs_status(cli->client, on_call, &k)) != 0)
        cli_fail(cli, NULL, "%s", k.error);
    call_free(&k);
    return 0;
}

static unsigned action_of(const char *word)
{
    return strcmp(word, "drain") == 0     ? DFS_SERVER_DRAIN
           : strcmp(word, "undrain") == 0 ? DFS_SERVER_UNDRAIN
           : strcmp(word, "remove") == 0  ? DFS_SERVER_REMOVE
                                          : 0;
}

int verb_server(struct cli *cli)
{
    const char *what = cli->args[0];
    unsigned action = action_of(what);
    char *end = NULL;
    unsigned long id = cli->n_args == 2 ? strtoul(cli->args[1], &end, 10) : 0;
    if (strcmp(what, "list") == 0 && cli->n_args == 1)
        return list(cli);
    if (action == 0 || cli->n_args != 2) {
        cli_fail(cli, what, "expected list, drain ID, undrain ID or remove ID");
        cli->status = 2;
        return 0;
    }
    if (*end != '\0' || id == 0 || id > UINT32_MAX) {
        cli_fail(cli, cli->args[1], "not the number of a StorageServer (see dfs server list)");
        return cli->status = 2;
    }
    struct change c = {cli, (uint32_t)id};
    struct call k = CALL(cli);
    k.take = take_change;
    k.take_arg = &c;
    if (call_wait(&k, dfs_server_set(cli->client, c.id, action, on_call, &k)) != 0)
        cli_fail(cli, what, "%s", k.error);
    call_free(&k);
    return 0;
}

static void take_rebalance(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    char size[32];
    if (cli->opt.json)
        printf("{\"bytes\":%" PRIu64 "}\n", r->bytes);
    else if (r->bytes == 0)
        printf("the StorageServers are even\n");
    else
        printf("about %s is to be moved (dfs health and dfs server list show how far it is)\n",
               text_size(r->bytes, size));
}

int verb_rebalance(struct cli *cli)
{
    struct call k = CALL(cli);
    k.take = take_rebalance;
    k.take_arg = cli;
    if (call_wait(&k, dfs_rebalance(cli->client, on_call, &k)) != 0)
        cli_fail(cli, NULL, "%s", k.error);
    call_free(&k);
    return 0;
}
