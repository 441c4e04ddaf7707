/* SPDX-License-Identifier: MIT */
/* health: is all well, and what to do if not. The exit status is what monitors expect: 0, 1, 2. */
#include "cli.h"

static void health_json(const struct dfs_health *h)
{
    printf("{\"status\":\"%s\",\"under_replicated\":%" PRIu64 ",\"missing\":%" PRIu64 ",\"corrupt\":%" PRIu64
           ",\"repairing\":%" PRIu64 ",\"eta_seconds\":%" PRId64 ",\"endangered\":%" PRIu64
           ",\"over_replicated\":%" PRIu64 ",\"misplaced\":%" PRIu64 ",\"draining\":%" PRIu64
           ",\"goal_too_high\":%" PRIu64 ",\"waiting\":%" PRIu64 ",\"copied\":%" PRIu64 ",\"copied_bytes\":%" PRIu64
           ",\"rebalancing\":%s,\"advice\":[",
           h->status, h->under_replicated, h->missing, h->corrupt, h->repairing, h->eta_seconds, h->endangered,
           h->over_replicated, h->misplaced, h->draining, h->goal_too_high, h->waiting, h->copied, h->copied_bytes,
           h->rebalancing ? "true" : "false");
    for (size_t i = 0; i < h->n_advice; i++) {
        fputs(i ? "," : "", stdout);
        json_string(stdout, h->advice[i]);
    }
    printf("]}\n");
}

static void line(const char *what, uint64_t n, const char *meaning)
{
    if (n > 0)
        printf("  %-17s %10" PRIu64 " %-6s  %s\n", what, n, n == 1 ? "chunk" : "chunks", meaning);
}

static void print_eta(const struct dfs_health *h)
{
    if (h->eta_seconds > 0)
        printf("  repaired in about %" PRId64 ":%02d:%02d\n", h->eta_seconds / 3600, (int)(h->eta_seconds / 60 % 60),
               (int)(h->eta_seconds % 60));
}

static void health_text(const struct cli *cli, const struct dfs_health *h)
{
    static const char *const paint[] = {"\033[32m", "\033[33m", "\033[31m"};
    bool color = cli->colors && h->level >= 0 && h->level < 3;
    printf("health: %s%s%s\n", color ? paint[h->level] : "", h->status, color ? "\033[0m" : "");
    line("missing", h->missing, "cannot be read: no copy on a server that is up");
    line("corrupt", h->corrupt, "cannot be read: all copies that are up are damaged");
    line("waiting", h->waiting, "neither read nor written: a server that was there when they were written is not back");
    line("one copy left", h->endangered, "of a goal of two or more");
    line("under-replicated", h->under_replicated, "fewer copies than their goal");
    line("repairing", h->repairing, "being copied now");
    line("misplaced", h->misplaced, "copies share a failure domain, though they need not");
    line("over-replicated", h->over_replicated, "more copies than their goal");
    line("draining", h->draining, "on a server that is to be emptied");
    print_eta(h);
    if (h->rebalancing)
        printf("  StorageServers are being evened out\n");
    if (h->n_advice > 0)
        printf("what to do\n");
    for (size_t i = 0; i < h->n_advice; i++)
        printf("  - %s\n", h->advice[i]);
}

static void take_health(void *arg, const struct dfs_result *r)
{
    struct cli *cli = arg;
    if (cli->opt.json)
        health_json(r->health);
    else
        health_text(cli, r->health);
    cli->status = r->health->level;
}

int verb_health(struct cli *cli)
{
    struct call k = CALL(cli);
    k.take = take_health;
    k.take_arg = cli;
    if (call_wait(&k, dfs_health(cli->client, on_call, &k)) != 0) {
        cli_fail(cli, NULL, "%s", k.error);
        cli->status = 2;
    }
    call_free(&k);
    return 0;
}
