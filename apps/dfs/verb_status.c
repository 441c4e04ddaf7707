/* SPDX-License-Identifier: MIT */
/* status and df: the cluster on one screen. */
#include "cli.h"

static uint64_t inodes_of(const struct dfs_totals *t) { return t->files + t->directories + t->symlinks; }

/* The end of an object. */
static void removed_json(const struct dfs_totals *trash, const struct dfs_totals *reclaiming)
{
    printf(",\"trash_files\":%" PRIu64 ",\"trash_bytes\":%" PRIu64 ",\"reclaiming\":%" PRIu64
           ",\"reclaiming_bytes\":%" PRIu64 "}\n",
           trash->files, trash->bytes, inodes_of(reclaiming), reclaiming->bytes);
}

static void removed_text(const struct dfs_totals *trash, const struct dfs_totals *reclaiming)
{
    char size[32], files[64];
    if (inodes_of(trash) > 0)
        printf("%s in the trash, %s\n", text_count(trash->files, "file", "files", files),
               text_size(trash->bytes, size));
    if (inodes_of(reclaiming) == 0 && reclaiming->bytes > 0)
        printf("%s removed for good or replaced, space not yet given back\n", text_size(reclaiming->bytes, size));
    else if (inodes_of(reclaiming) > 0)
        printf("%s removed for good, %s, space not yet given back\n",
               text_count(reclaiming->files, "file", "files", files), text_size(reclaiming->bytes, size));
}

/* Below this share of free space df tells why space does not come back at once. */
#define TIGHT_PERCENT 20

static void take_df(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    const struct dfs_statfs *f = &r->fs;
    uint64_t left = f->capacity - min_u64(f->used, f->capacity);
    char size[32], used[32], avail[32];
    if (cli->opt.json) {
        printf("{\"capacity\":%" PRIu64 ",\"used\":%" PRIu64 ",\"available\":%" PRIu64 ",\"files\":%" PRIu64
               ",\"directories\":%" PRIu64 ",\"chunks\":%" PRIu64,
               f->capacity, f->used, left, f->files, f->directories, f->chunks);
        removed_json(&f->trash, &f->reclaiming);
        return;
    }
    printf("%12s %12s %12s %5s %12s %12s\n", "Size", "Used", "Available", "Use%", "Files", "Directories");
    printf("%12s %12s %12s %4u%% %12" PRIu64 " %12" PRIu64 "\n", text_size(f->capacity, size), text_size(f->used, used),
           text_size(left, avail), f->capacity ? (unsigned)((double)f->used * 100 / (double)f->capacity + 0.5) : 0,
           f->files, f->directories);
    printf("Sizes are raw: a file with two copies counts twice.\n");
    removed_text(&f->trash, &f->reclaiming);
    if (left <= f->capacity / 100 * TIGHT_PERCENT || left < GIB)
        printf("StorageServers keep space back so that they can still remove, a fiftieth or two segments a folder "
               "(dfs-ss --segment-size), whichever is more: nothing new goes into that.\n");
    if (left <= f->capacity / 100 * TIGHT_PERCENT)
        printf("What was just removed for good or replaced takes up space until nobody can be reading it any more, "
               "10 minutes unless dfs-nm --reader-grace says otherwise.\n");
}

int verb_df(struct cli *cli)
{
    struct call k = CALL(cli);
    k.take = take_df;
    k.take_arg = cli;
    if (call_wait(&k, dfs_statfs(cli->client, on_call, &k)) != 0)
        cli_fail(cli, NULL, "%s", k.error);
    call_free(&k);
    return 0;
}

/* The end of a server's object. */
static void disks_json(const struct dfs_server *v)
{
    printf(",\"disks\":[");
    for (size_t i = 0; i < v->n_disks; i++) {
        const struct dfs_disk *d = &v->disks[i];
        printf("%s{\"state\":\"%s\",\"capacity\":%" PRIu64 ",\"used\":%" PRIu64 ",\"read_errors\":%" PRIu64
               ",\"write_errors\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"scrubbed\":%" PRIu64
               ",\"scrub_passes\":%" PRIu64 "}",
               i ? "," : "", d->failed ? "failed" : "ok", d->capacity, d->used, d->read_errors, d->write_errors,
               d->damaged, d->scrubbed, d->scrub_passes);
    }
    printf("]}");
}

/* How far the background has verified what is there, and disks that deserve a look. */
static void disks_text(const struct dfs_server *v)
{
    uint64_t scrubbed = 0, passes = UINT64_MAX;
    char size[32], times[64];
    for (size_t i = 0; i < v->n_disks; i++) {
        const struct dfs_disk *d = &v->disks[i];
        scrubbed += d->scrubbed;
        if (d->scrub_passes < passes)
            passes = d->scrub_passes;
        if (d->failed || d->read_errors || d->write_errors || d->damaged)
            printf("       folder %zu %s: %" PRIu64 " read errors, %" PRIu64 " write errors, %" PRIu64
                   " chunks damaged\n",
                   i, d->failed ? "FAILED" : "in use", d->read_errors, d->write_errors, d->damaged);
    }
    if (scrubbed)
        printf("       verified since its start: %s, all there is %s\n", text_size(scrubbed, size),
               text_count(passes, "time", "times", times));
}

static void status_json(const struct dfs_status *s)
{
    printf("{\"cluster\":\"%s\",\"leader\":%u,\"term\":%" PRIu64 ",\"epoch\":%" PRIu64 ",\"nameservers\":[", s->cluster,
           s->leader, s->term, s->epoch);
    for (size_t i = 0; i < s->n_nameservers; i++) {
        const struct dfs_nameserver *n = &s->nameservers[i];
        printf("%s{\"id\":%u,\"address\":", i ? "," : "", n->id);
        json_string(stdout, n->address);
        printf(",\"state\":\"%s\"}", n->state);
    }
    printf("],\"servers\":[");
    for (size_t i = 0; i < s->n_servers; i++) {
        const struct dfs_server *v = &s->servers[i];
        printf("%s{\"id\":\"%u\",\"uuid\":\"%s\",\"address\":", i ? "," : "", v->id, v->uuid);
        json_string(stdout, v->address);
        printf(",\"state\":\"%s\",\"domain\":", v->state);
        json_string(stdout, v->domain);
        printf(",\"capacity\":%" PRIu64 ",\"used\":%" PRIu64 ",\"chunks\":%" PRIu64, v->capacity, v->used, v->chunks);
        disks_json(v);
    }
    printf("],\"files\":%" PRIu64 ",\"directories\":%" PRIu64 ",\"symlinks\":%" PRIu64 ",\"chunks\":%" PRIu64
           ",\"bytes\":%" PRIu64 ",\"goal\":%u,\"sessions\":%" PRIu64 ",\"log_first\":%" PRIu64 ",\"log_last\":%" PRIu64
           ",\"snapshot\":%" PRIu64 ",\"reads_per_second\":%" PRIu64 ",\"mutations_per_second\":%" PRIu64
           ",\"quarantine\":%s,\"quarantined\":%" PRIu64,
           s->files, s->directories, s->symlinks, s->chunks, s->bytes, s->goal, s->sessions, s->log_first, s->log_last,
           s->snapshot, s->reads_per_s, s->mutations_per_s, s->quarantine ? "true" : "false", s->quarantined);
    removed_json(&s->trash, &s->reclaiming);
}

static void status_text(const struct dfs_status *s)
{
    char bytes[32], used[32], size[32], n[4][64];
    size_t up = 0;
    for (size_t i = 0; i < s->n_servers; i++)
        up += strcmp(s->servers[i].state, "up") == 0;
    printf("cluster %s\n", s->cluster);
    printf("%s, %s, %s; %s in %s\n", text_count(s->files, "file", "files", n[0]),
           text_count(s->directories, "directory", "directories", n[1]),
           text_count(s->symlinks, "symbolic link", "symbolic links", n[2]), text_size(s->bytes, bytes),
           text_count(s->chunks, "chunk", "chunks", n[3]));
    removed_text(&s->trash, &s->reclaiming);
    printf("%s/s, %s/s; %s\n", text_count(s->reads_per_s, "read", "reads", n[0]),
           text_count(s->mutations_per_s, "change", "changes", n[1]),
           text_count(s->sessions, "session", "sessions", n[2]));
    if (s->quarantine)
        printf("restored: %" PRIu64 " copies of chunks it does not know are kept (dfs nm quarantine)\n",
               s->quarantined);
    if (s->n_servers == 0)
        printf("no StorageServer yet: nothing can be stored (dfs-ss --data DIR --nm HOST:PORT adds one)\n");
    else if (s->n_servers == 1)
        printf("new files get 1 copy, because there is only one StorageServer: its loss would lose them\n");
    else
        printf("new files get %u copies\n", s->goal);
    printf("\nNameServers\n");
    for (size_t i = 0; i < s->n_nameservers; i++)
        printf("  %-4u %-24s %s\n", s->nameservers[i].id, s->nameservers[i].address, s->nameservers[i].state);
    printf("  term %" PRIu64 ", epoch %" PRIu64 "; log from %" PRIu64 " to %" PRIu64 ", snapshot of %" PRIu64 "\n",
           s->term, s->epoch, s->log_first, s->log_last, s->snapshot);
    printf("\nStorageServers (%zu of %zu up)\n", up, s->n_servers);
    for (size_t i = 0; i < s->n_servers; i++) {
        const struct dfs_server *v = &s->servers[i];
        printf("  %-4u %-24s %-9s %9s of %-9s %8" PRIu64 " chunk%s%s%s\n", v->id, v->address, v->state,
               text_size(v->used, used), text_size(v->capacity, size), v->chunks, v->chunks == 1 ? "" : "s",
               *v->domain ? "  " : "", v->domain);
        disks_text(v);
    }
}

static void take_status(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    if (cli->opt.json)
        status_json(r->status);
    else
        status_text(r->status);
}

int verb_status(struct cli *cli)
{
    struct call k = CALL(cli);
    k.take = take_status;
    k.take_arg = cli;
    if (call_wait(&k, dfs_status(cli->client, on_call, &k)) != 0)
        cli_fail(cli, NULL, "%s", k.error);
    call_free(&k);
    return 0;
}
