/* SPDX-License-Identifier: MIT */
/* The client and its loop, waiting for one call, and what is said on stderr. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static void say(struct cli *cli, const char *path, const char *fmt, va_list ap)
{
    progress_clear(cli);
    fflush(stdout);
    fprintf(stderr, "dfs: %s%s", cli->verb->name, path ? " " : "");
    text_name(stderr, path ? path : "");
    fputs(": ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

void cli_fail(struct cli *cli, const char *path, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(cli, path, fmt, ap);
    va_end(ap);
    cli->status = 1;
}

void cli_warn(struct cli *cli, const char *path, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(cli, path, fmt, ap);
    va_end(ap);
}

void cli_did(const struct cli *cli, const char *what, const char *path)
{
    if (!cli->opt.verbose || cli->opt.json)
        return;
    printf("%s ", what);
    text_name(stdout, path);
    putchar('\n');
}

/* The library has tried for as long as it may: the next file would wait as long, for the same. */
static bool is_hopeless(int status)
{
    return status == DFS_EUNREACH || status == DFS_ETIMEDOUT || status == DFS_ECONNLOST || status == DFS_EUNKNOWN ||
           status == DFS_ENOSERVERS || status == DFS_ENOSPC;
}

void cli_fail_call(struct cli *cli, int status, const char *path, const char *error)
{
    if (cli->gave_up && is_hopeless(status)) {
        cli->untold++;
        cli->status = 1;
        return;
    }
    cli_fail(cli, path, "%s", error);
    cli->gave_up = cli->gave_up || is_hopeless(status);
}

/* Ctrl-C: what was half written goes, and we end as the signal would have ended us. */
static void on_signal(uv_signal_t *h, int number)
{
    struct cli *cli = h->data;
    progress_clear(cli);
    LIST_FOR_EACH (e, &cli->temps)
        unlink(CONTAINER_OF(e, struct temp, link)->path);
    signal(number, SIG_DFL);
    raise(number);
}

void cli_signals_default(struct cli *cli)
{
    for (unsigned i = 0; i < ARRAY_LEN(cli->signals); i++)
        uv_signal_stop(&cli->signals[i]);
}

/* --color, or on a terminal unless it or its user has no liking for them (https://no-color.org). */
static bool colors_wanted(const char *when)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    if (when && strcmp(when, "auto") != 0)
        return strcmp(when, "always") == 0;
    return isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb") != 0;
}

int cli_open(struct cli *cli)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    list_init(&cli->temps);
    cli->colors = colors_wanted(cli->opt.color);
    int err = uv_loop_init(&cli->loop);
    if (err) {
        fprintf(stderr, "dfs: no event loop: %s\n", uv_strerror(err));
        return DFS_ENOMEM;
    }
    err = dfs_client_open(
        &cli->loop, &(struct dfs_options){.nameservers = cli->opt.nm, .program = "dfs", .timeout_ms = cli->timeout_ms},
        &cli->client);
    if (err) {
        const char *from = cli->opt.nm ? cli->opt.nm : getenv("DFS_NM");
        fprintf(stderr, "dfs: \"%s\" is not a list of NameServers: %s\n", from ? from : "", dfs_strerror(err));
        uv_loop_close(&cli->loop);
        return err;
    }
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        uv_signal_init(&cli->loop, &cli->signals[i]);
        cli->signals[i].data = cli;
        uv_signal_start(&cli->signals[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&cli->signals[i]);
    }
    uv_timer_init(&cli->loop, &cli->progress.timer);
    return 0;
}

/* What a run over many files came to. */
static void say_gave_up(struct cli *cli)
{
    bool moves = cli->verb->run == verb_put || cli->verb->run == verb_get || cli->verb->run == verb_cp;
    if (!cli->gave_up || (!cli->opt.recursive && cli->untold == 0))
        return;
    if (cli->untold > 0)
        cli_fail(cli, NULL, "gave up: %" PRIu64 " more failed likewise", cli->untold);
    if (!moves || !cli->opt.recursive)
        return;
    char done[64];
    text_count(cli->progress.files, "file is", "files are", done);
    if (cli->alone && cli->tree) /* DST is there now, and would receive it under its name */
        cli_fail(cli, NULL, "%s done; with -c added, and \"%s/.\" in place of \"%s\", it goes on from there", done,
                 cli->alone, cli->alone);
    else
        cli_fail(cli, NULL, "%s done; with -c added it goes on from there", done);
}

int cli_close(struct cli *cli)
{
    say_gave_up(cli);
    free(cli->alone);
    progress_stop(cli);
    dfs_client_close(cli->client, NULL, NULL);
    uv_close((uv_handle_t *)&cli->progress.timer, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(cli->signals); i++)
        uv_close((uv_handle_t *)&cli->signals[i], NULL);
    uv_run(&cli->loop, UV_RUN_DEFAULT);
    uv_loop_close(&cli->loop);
    if (fflush(stdout) != 0 || ferror(stdout))
        cli_stdout_failed(cli);
    return cli->status;
}

void cli_stdout_failed(struct cli *cli)
{
    if (errno == EPIPE) { /* the reader has seen enough; libdfs ignores the signal that would have ended us */
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    cli_fail(cli, NULL, "standard output: %s", strerror(errno));
}

void on_call(void *arg, int status, const struct dfs_result *r)
{
    struct call *k = arg;
    k->done = true;
    k->status = status;
    snprintf(k->error, sizeof k->error, "%s", r->error);
    if (status != 0)
        return;
    k->attr = r->attr;
    if (r->target)
        k->target = xstrdup(r->target);
    if (k->take)
        k->take(k->take_arg, r);
}

int call_wait(struct call *k, int err)
{
    if (err) {
        snprintf(k->error, sizeof k->error, "%s", dfs_strerror(err));
        return err;
    }
    while (!k->done)
        uv_run(&k->cli->loop, UV_RUN_ONCE);
    return k->status;
}

void call_free(struct call *k)
{
    free(k->target);
    k->target = NULL;
}

static int stat_with(struct cli *cli, const char *path, unsigned flags, struct dfs_attr *attr)
{
    struct call k = CALL(cli);
    int err = call_wait(&k, dfs_stat(cli->client, path, flags, on_call, &k));
    *attr = k.attr;
    call_free(&k);
    return err;
}

int cli_lstat(struct cli *cli, const char *path, struct dfs_attr *attr)
{
    return stat_with(cli, path, DFS_NOFOLLOW, attr);
}
int cli_stat(struct cli *cli, const char *path, struct dfs_attr *attr) { return stat_with(cli, path, 0, attr); }

bool cli_target(struct cli *cli, const char *path, bool *into)
{
    struct call k = CALL(cli);
    int err = call_wait(&k, dfs_stat(cli->client, path, 0, on_call, &k));
    *into = err == 0 && k.attr.type == DFS_DIRECTORY;
    if (err && err != DFS_ENOENT)
        cli_fail(cli, path, "%s", k.error);
    call_free(&k);
    return !err || err == DFS_ENOENT;
}
