/* SPDX-License-Identifier: MIT */
/* nm: who the NameServers are, taking one out, handing over leadership. */
#include <stdlib.h>

#include "cli.h"

static void take_list(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    const struct dfs_status *s = r->status;
    for (size_t i = 0; i < s->n_nameservers && !cli->opt.json; i++)
        printf("%-4u %-24s %s\n", s->nameservers[i].id, s->nameservers[i].address, s->nameservers[i].state);
    if (!cli->opt.json)
        return;
    printf("[");
    for (size_t i = 0; i < s->n_nameservers; i++) {
        printf("%s{\"id\":%u,\"address\":", i ? "," : "", s->nameservers[i].id);
        json_string(stdout, s->nameservers[i].address);
        printf(",\"state\":\"%s\"}", s->nameservers[i].state);
    }
    printf("]\n");
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

static bool parse_id(struct cli *cli, uint32_t *id)
{
    char *end;
    unsigned long v;
    *id = 0;
    if (cli->n_args < 2)
        return true;
    v = strtoul(cli->args[1], &end, 10);
    if (*end != '\0' || v == 0 || v >= 0xffffff) {
        cli_fail(cli, cli->args[1], "not the number of a NameServer (see dfs nm list)");
        cli->status = 2;
        return false;
    }
    *id = (uint32_t)v;
    return true;
}

int verb_nm(struct cli *cli)
{
    const char *what = cli->args[0];
    struct call k = CALL(cli);
    uint32_t id = 0;
    int err;
    if (strcmp(what, "list") == 0 && cli->n_args == 1)
        return list(cli);
    if (strcmp(what, "backup") == 0 && cli->n_args == 2)
        return verb_nm_backup(cli, cli->args[1]);
    if (strcmp(what, "restore") == 0 && cli->n_args == 3)
        return verb_nm_restore(cli, cli->args[1], cli->args[2]);
    if (strcmp(what, "quarantine") == 0)
        return verb_nm_quarantine(cli, cli->n_args > 1 ? cli->args[1] : NULL, cli->n_args > 2 ? cli->args[2] : NULL);
    if ((strcmp(what, "transfer") == 0 || strcmp(what, "remove") == 0) && !parse_id(cli, &id))
        return 0;
    if (strcmp(what, "transfer") == 0 && cli->n_args <= 2)
        err = dfs_nm_transfer(cli->client, id, on_call, &k);
    else if (strcmp(what, "remove") == 0 && cli->n_args == 2)
        err = dfs_nm_remove(cli->client, id, on_call, &k);
    else {
        cli_fail(cli, what,
                 "expected list, remove ID, transfer [ID], backup FILE, restore FILE DIR or quarantine [recover "
                 "[all]|drop]");
        cli->status = 2;
        return 0;
    }
    if (call_wait(&k, err) != 0)
        cli_fail(cli, what, "%s", k.error);
    else if (cli->opt.json)
        printf("{\"id\":%u}\n", id);
    call_free(&k);
    return 0;
}
