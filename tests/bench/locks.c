/* SPDX-License-Identifier: MIT */
/* Uncontended locks: clients that lock and unlock a file each, over and over. locks [CLIENTS [SECONDS]], on the cluster of
 * $DFS_NM; a NameServer alone will do. */
#include <dfs/dfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define CLIENTS_MAX 1024

struct run {
    int open;
    uint64_t pairs, until; /* until: ns of uv_hrtime */
};

struct user {
    struct run *run;
    struct dfs_client *client;
    uint64_t file;
    bool locked;
};

static const struct dfs_lock whole = {.owner = 1, .type = DFS_LOCK_EXCLUSIVE};

static void must(int status, const char *what)
{
    if (status == 0)
        return;
    fprintf(stderr, "locks: %s: %s\n", what, dfs_strerror(status));
    exit(1);
}

static void on_done(void *arg, int status, const struct dfs_result *r)
{
    struct user *u = arg;
    (void)r;
    must(status, u->locked ? "unlock" : "lock");
    u->run->pairs += u->locked;
    u->locked = !u->locked;
    if (u->locked)
        must(dfs_unlock(u->client, u->file, &whole, on_done, u), "unlock");
    else if (uv_hrtime() < u->run->until)
        must(dfs_lock(u->client, u->file, &whole, 0, on_done, u), "lock");
    else
        dfs_client_close(u->client, NULL, NULL);
}

static void on_open(void *arg, int status, const struct dfs_result *r)
{
    struct user *u = arg;
    must(status, "open");
    u->file = r->file;
    u->run->open++;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 16, seconds = argc > 2 ? atoi(argv[2]) : 5;
    uv_loop_t loop;
    struct run run = {0};
    if (n < 1 || n > CLIENTS_MAX || seconds < 1) {
        fprintf(stderr, "usage: locks [CLIENTS [SECONDS]]\n");
        return 2;
    }
    struct user *users = calloc((size_t)n, sizeof *users);
    uv_loop_init(&loop);
    for (int i = 0; users && i < n; i++) {
        char path[32];
        snprintf(path, sizeof path, "/locks-bench-%d", i);
        users[i].run = &run;
        must(dfs_client_open(&loop, NULL, &users[i].client), "client");
        must(dfs_open(users[i].client, path, DFS_READ | DFS_CREATE, 0644, on_open, &users[i]), "open");
    }
    while (run.open < n)
        uv_run(&loop, UV_RUN_ONCE);
    uint64_t began = uv_hrtime();
    run.until = began + (uint64_t)seconds * 1000000000u;
    for (int i = 0; i < n; i++)
        must(dfs_lock(users[i].client, users[i].file, &whole, 0, on_done, &users[i]), "lock");
    uv_run(&loop, UV_RUN_DEFAULT);
    printf("%d clients: %.0f lock/unlock pairs a second\n", n,
           (double)run.pairs / ((double)(uv_hrtime() - began) / 1e9));
    uv_loop_close(&loop);
    free(users);
    return 0;
}
