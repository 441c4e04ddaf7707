/* SPDX-License-Identifier: MIT */
/* lock: a command that runs while a lock is held, as flock(1) does it. */
#include <signal.h>
#include <stdlib.h>

#include "cli.h"

/* How often we look whether the lock is still ours. */
#define LOOK_EVERY_MS 5000
#define NOT_FOUND 127 /* as shells say it */

struct locked {
    struct cli *cli;
    const char *path;
    uint64_t file, call; /* call: the one that waits */
    struct dfs_lock lock;
    int signal; /* that ended the waiting */
    uv_process_t child;
    bool running, lost;
    int status;
    uv_timer_t timer;
    bool looking;
};

/* Ctrl-C while we wait gives up the place in the queue; the command gets its own, and what is sent to us alone is for it. */
static void on_signal(uv_signal_t *h, int number)
{
    struct locked *l = h->data;
    if (l->running) {
        if (number == SIGTERM)
            uv_process_kill(&l->child, number);
        return;
    }
    l->signal = number;
    if (l->call)
        dfs_cancel(l->cli->client, l->call);
}

static void take_signals(struct locked *l)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        l->cli->signals[i].data = l;
        uv_signal_start(&l->cli->signals[i], on_signal, numbers[i]);
    }
}

static void take_file(void *arg, const struct dfs_result *r) { ((struct locked *)arg)->file = r->file; }

static bool open_file(struct locked *l)
{
    struct call k = CALL(l->cli);
    k.take = take_file;
    k.take_arg = l;
    if (call_wait(&k, dfs_open(l->cli->client, l->path, DFS_READ | DFS_CREATE, 0644, on_call, &k)) != 0) {
        cli_fail(l->cli, l->path, "%s", k.error);
        return false;
    }
    return true;
}

/* False: it is not ours; said, unless that is what was asked for. */
static bool take_lock(struct locked *l)
{
    struct cli *cli = l->cli;
    struct call k = CALL(cli);
    bool wait = !cli->opt.no_wait && cli->opt.wait != 0;
    int err = dfs_lock(cli->client, l->file, &l->lock, wait ? DFS_WAIT : 0, on_call, &k);
    l->call = dfs_last_call(cli->client);
    if (!err && wait && cli->opt.wait != UINT64_MAX)
        dfs_set_deadline(cli->client, l->call, (cli->opt.wait + NS_PER_MS - 1) / NS_PER_MS);
    err = call_wait(&k, err);
    l->call = 0;
    if (err == 0)
        return true;
    if (err == DFS_ELOCKED || err == DFS_ETIMEDOUT)
        cli->status = (int)cli->opt.conflict;
    else if (!l->signal)
        cli_fail(cli, l->path, "%s", k.error);
    return false;
}

/* --- the command --- */

static void on_look(void *arg, int status, const struct dfs_result *r)
{
    struct locked *l = arg;
    (void)r;
    l->looking = false;
    if (status != DFS_EBADF && status != DFS_ELOCKED)
        return;
    l->lost = true;
    cli_fail(l->cli, l->path, "the lock is lost, for the NameServers did not hear of us; others may have it now");
    uv_timer_stop(&l->timer);
}

/* Locking what is locked changes nothing, and fails where it is not. */
static void on_timer(uv_timer_t *t)
{
    struct locked *l = t->data;
    if (!l->looking)
        l->looking = dfs_lock(l->cli->client, l->file, &l->lock, 0, on_look, l) == 0;
}

static void on_exit_of_child(uv_process_t *p, int64_t status, int number)
{
    struct locked *l = p->data;
    l->running = false;
    l->status = number ? 128 + number : (int)status;
    uv_close((uv_handle_t *)p, NULL);
}

static void run_command(struct locked *l)
{
    struct cli *cli = l->cli;
    const char *const *command = cli->args + 1; /* a NULL stands behind its arguments */
    uv_stdio_container_t io[3];
    command += strcmp(command[0], "--") == 0 && command[1] != NULL; /* as others have it typed */
    uv_process_options_t o = {
        .exit_cb = on_exit_of_child,
        .file = command[0],
        .args = (char **)(uintptr_t)command,
        .stdio_count = 3,
        .stdio = io,
    };
    for (int i = 0; i < 3; i++)
        io[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = i};
    l->child.data = l;
    int err = uv_spawn(&cli->loop, &l->child, &o);
    if (err != 0) {
        cli_fail(cli, command[0], "%s", uv_strerror(err));
        l->status = NOT_FOUND;
        uv_close((uv_handle_t *)&l->child, NULL);
        return;
    }
    l->running = true;
    uv_timer_init(&cli->loop, &l->timer);
    l->timer.data = l;
    uv_timer_start(&l->timer, on_timer, LOOK_EVERY_MS, LOOK_EVERY_MS);
    while (l->running || l->looking) {
        if (!l->running)
            uv_timer_stop(&l->timer);
        uv_run(&cli->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&l->timer, NULL);
}

static void give_up(struct locked *l)
{
    struct cli *cli = l->cli;
    struct call k = CALL(cli);
    int err = call_wait(&k, dfs_unlock(cli->client, l->file, &l->lock, on_call, &k));
    if (err && !l->lost)
        cli_fail(cli, l->path, "the lock may have been lost before the command ended: %s", k.error);
}

int verb_lock(struct cli *cli)
{
    struct locked l = {.cli = cli, .path = cli->args[0]};
    l.lock = (struct dfs_lock){.owner = 1, .type = cli->opt.shared ? DFS_LOCK_SHARED : DFS_LOCK_EXCLUSIVE};
    take_signals(&l);
    if (!l.signal && open_file(&l) && !l.signal && take_lock(&l)) {
        if (!l.signal)
            run_command(&l);
        give_up(&l);
        if (l.status)
            cli->status = l.status;
    }
    if (l.signal) { /* the session is ended first, so that nobody waits for us */
        cli_close(cli);
        signal(l.signal, SIG_DFL);
        raise(l.signal);
    }
    return 0;
}
