/* SPDX-License-Identifier: MIT */
/* Looks paths up and prints what it is told of them, for watch.sh: dfs-watcher PATH… Each time it looks up again. */
#include <dfs/dfs.h>
#include <stdio.h>
#include <uv.h>

static struct dfs_client *client;
static char **paths;
static int n_paths, waiting;

static void on_stat(void *arg, int status, const struct dfs_result *r)
{
    (void)arg;
    (void)status;
    (void)r;
    if (--waiting == 0) {
        printf("looked\n");
        fflush(stdout);
    }
}

static void look_up(void)
{
    if (waiting > 0)
        return;
    for (int i = 0; i < n_paths; i++)
        waiting += dfs_stat(client, paths[i], DFS_NOFOLLOW, on_stat, NULL) == 0;
}

static void on_change(void *arg, const struct dfs_invalidation *v, size_t n)
{
    (void)arg;
    if (!v)
        printf("all\n");
    for (size_t i = 0; v && i < n; i++)
        printf("%llu %s\n", (unsigned long long)v[i].ino, v[i].name ? v[i].name : "-");
    look_up();
}

int main(int argc, char **argv)
{
    uv_loop_t loop;
    paths = argv + 1;
    n_paths = argc - 1;
    uv_loop_init(&loop);
    if (dfs_client_open(&loop, NULL, &client) != 0)
        return 1;
    dfs_on_invalidate(client, on_change, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
}
