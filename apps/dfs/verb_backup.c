/* SPDX-License-Identifier: MIT */
/* nm backup, restore, quarantine: the namespace out of the cluster and back. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "host/nm_offline.h"

struct backup {
    struct cli *cli;
    const char *file;
    int fd;
    struct temp temp; /* what is being written; path NULL: standard output */
    int saved_errno;
    uint64_t bytes;
};

static int on_bytes(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct backup *b = arg;
    const uint8_t *at = p;
    while (len > 0) {
        ssize_t n = b->temp.path ? pwrite(b->fd, at, len, (off_t)offset) : write(b->fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            b->saved_errno = errno;
            if (!b->temp.path && errno == EPIPE)
                cli_stdout_failed(b->cli);
            return errno == ENOSPC ? DFS_ENOSPC : DFS_EIO;
        }
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
        b->cli->progress.bytes += (uint64_t)n;
    }
    return 0;
}

static void on_restart(void *arg)
{
    struct backup *b = arg;
    b->cli->progress.bytes = 0; /* they come again, over the old ones; a longer rest is cut at the end */
}

static void take_bytes(void *arg, const struct dfs_result *r) { *(uint64_t *)arg = r->bytes; }

/* "FILE.tmp-XXXXXX"; 0 or an errno. */
static int temp_make(struct backup *b)
{
    size_t len = strlen(b->file) + sizeof ".tmp-XXXXXX";
    b->temp.path = xcalloc(1, len);
    snprintf(b->temp.path, len, "%s.tmp-XXXXXX", b->file);
    b->fd = mkostemp(b->temp.path, O_CLOEXEC);
    if (b->fd < 0) {
        free(b->temp.path);
        b->temp.path = NULL;
        return errno;
    }
    list_push(&b->cli->temps, &b->temp.link);
    return 0;
}

static int sync_folder_of(const char *file)
{
    char *copy = xstrdup(file);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC), e = 0;
    if (fd < 0 || fsync(fd) != 0)
        e = errno;
    if (fd >= 0)
        close(fd);
    free(copy);
    return e;
}

/* Whole and checked, durable, then under its name. */
static void publish(struct backup *b)
{
    char why[640];
    if (ftruncate(b->fd, (off_t)b->bytes) != 0 || fsync(b->fd) != 0) {
        cli_fail(b->cli, b->file, "%s", strerror(errno));
    } else if (nm_offline_check(b->temp.path, why, sizeof why) != 0) {
        cli_fail(b->cli, b->file, "the NameServer's snapshot cannot be used: %s", why);
    } else if (rename(b->temp.path, b->file) != 0) {
        cli_fail(b->cli, b->file, "%s", strerror(errno));
    } else {
        list_remove(&b->temp.link);
        free(b->temp.path);
        b->temp.path = NULL;
        int e = sync_folder_of(b->file);
        if (e)
            cli_fail(b->cli, b->file, "its folder cannot be flushed: %s", strerror(e));
    }
}

static void temp_drop(struct backup *b)
{
    if (!b->temp.path)
        return;
    unlink(b->temp.path);
    list_remove(&b->temp.link);
    free(b->temp.path);
}

int verb_nm_backup(struct cli *cli, const char *file)
{
    struct backup b = {.cli = cli, .file = file, .fd = STDOUT_FILENO};
    bool direct = strcmp(file, "-") == 0;
    struct dfs_sink sink = {on_bytes, direct ? NULL : on_restart, &b};
    struct call k = CALL(cli);
    int e = direct ? 0 : temp_make(&b);
    if (e) {
        cli_fail(cli, file, "%s", strerror(e));
        return 0;
    }
    k.take = take_bytes;
    k.take_arg = &b.bytes;
    if (!direct)
        progress_start(cli, 0);
    int err = call_wait(&k, dfs_nm_backup(cli->client, &sink, on_call, &k));
    progress_stop(cli);
    if (err)
        cli_fail(cli, file, "%s", b.saved_errno ? strerror(b.saved_errno) : k.error);
    else if (!direct)
        publish(&b);
    if (cli->status == 0 && !direct && cli->opt.json)
        printf("{\"bytes\":%" PRIu64 "}\n", b.bytes);
    temp_drop(&b);
    if (!direct)
        close(b.fd);
    call_free(&k);
    return 0;
}

int verb_nm_restore(struct cli *cli, const char *file, const char *folder)
{
    struct nm_restored r;
    char why[1024];
    if (nm_offline_restore(file, folder, &r, why, sizeof why) != 0) {
        cli_fail(cli, "restore", "%s", why);
        return 0;
    }
    if (cli->opt.json) {
        printf("{\"cluster\":\"%016" PRIx64 "%016" PRIx64 "\",\"index\":%" PRIu64 ",\"files\":%" PRIu64
               ",\"directories\":%" PRIu64 "}\n",
               r.cluster_hi, r.cluster_lo, r.index, r.files, r.directories);
        return 0;
    }
    printf(
        "%" PRIu64 " files, %" PRIu64 " directories. Now:\n"
        "  dfs-nm --data %s        a lone NameServer of the cluster; further ones --join it with empty folders\n"
        "The cluster's other NameServers must not run again. Chunks stored after the backup was made are kept until\n"
        "you give them up: dfs nm quarantine\n",
        r.files, r.directories, folder);
    return 0;
}

static void take_quarantine(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    const struct dfs_status *s = r->status;
    if (cli->opt.json)
        printf("{\"quarantine\":%s,\"copies\":%" PRIu64 "}\n", s->quarantine ? "true" : "false", s->quarantined);
    else if (!s->quarantine)
        printf("there is no quarantine\n");
    else
        printf("%" PRIu64 " copies of chunks that the restored namespace does not know are kept, as far as the\n"
               "StorageServers that are up have reported. To make files of them: dfs nm quarantine recover; to give\n"
               "them up: dfs nm quarantine drop\n",
               s->quarantined);
}

#define RECOVER_POLL_MS 300

struct recovery {
    struct dfs_recovery r;
    char error[160];
};

static void take_recovery(void *arg, const struct dfs_result *r)
{
    struct recovery *v = arg;
    v->r = *r->recovery;
    snprintf(v->error, sizeof v->error, "%s", r->recovery->error);
    v->r.error = v->error;
}

/* False: it failed, and that was said. */
static bool recover_ask(struct cli *cli, unsigned what, struct recovery *v)
{
    struct call k = CALL(cli);
    k.take = take_recovery;
    k.take_arg = v;
    int err = call_wait(&k, dfs_recover(cli->client, what, on_call, &k));
    if (err)
        cli_fail(cli, "recover", "%s", k.error);
    call_free(&k);
    return err == 0;
}

static void recover_tell(struct cli *cli, const struct dfs_recovery *r, bool all)
{
    if (cli->opt.json) {
        printf("{\"servers\":%u,\"reported\":%u,\"whole\":%" PRIu64 ",\"incomplete\":%" PRIu64
               ",\"chunks_left\":%" PRIu64 "}\n",
               r->servers, r->reported, r->whole, r->incomplete, r->left);
        return;
    }
    printf("%u StorageServers reported: %" PRIu64 " whole files are in /recovered\n", r->reported, r->whole);
    if (r->incomplete > 0)
        printf("%" PRIu64 " files lack something%s\n", r->incomplete,
               all ? ": what there is of them is in /recovered/incomplete"
                   : "; if no StorageServer is missing: dfs nm quarantine recover all");
    if (r->left > 0)
        printf("%" PRIu64 " chunks stay in quarantine\n", r->left);
}

static void recover(struct cli *cli, bool all)
{
    struct recovery v = {.error = ""};
    if (!recover_ask(cli, all ? DFS_RECOVER_ALL : DFS_RECOVER_WHOLE, &v))
        return;
    uint64_t run = v.r.run;
    while (v.r.run == run && v.r.state != DFS_RECOVERY_DONE) {
        usleep(RECOVER_POLL_MS * 1000);
        if (!recover_ask(cli, DFS_RECOVER_LOOK, &v))
            return;
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r%u of %u servers, %" PRIu64 " copies, %" PRIu64 " files \r", v.r.reported, v.r.servers,
                    v.r.copies, v.r.whole);
    }
    if (v.r.run != run)
        cli_fail(cli, "recover", "another NameServer leads now: what was recovered stays; start it again for the rest");
    else if (v.error[0])
        cli_fail(cli, "recover", "%s", v.error);
    else
        recover_tell(cli, &v.r, all);
}

int verb_nm_quarantine(struct cli *cli, const char *what, const char *more)
{
    struct call k = CALL(cli);
    int err;
    if (what && strcmp(what, "recover") == 0 && (!more || strcmp(more, "all") == 0)) {
        recover(cli, more != NULL);
        return 0;
    }
    if (!what || (strcmp(what, "list") == 0 && !more)) {
        k.take = take_quarantine;
        k.take_arg = cli;
        err = dfs_status(cli->client, on_call, &k);
    } else if (strcmp(what, "drop") == 0 && !more) {
        err = dfs_quarantine_drop(cli->client, on_call, &k);
    } else {
        cli_fail(cli, what, "expected list, recover [all] or drop");
        cli->status = 2;
        return 0;
    }
    if (call_wait(&k, err) != 0)
        cli_fail(cli, "quarantine", "%s", k.error);
    call_free(&k);
    return 0;
}
