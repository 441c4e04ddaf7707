/* SPDX-License-Identifier: MIT */
/* Lists a tree, one path a line.
 *
 *   cc list.c $(pkg-config --cflags --libs dfs) && ./a.out /PATH */
#include <dfs/dfs.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The names of the directories in one that is being read: a call must not be made while another is under way. */
struct level {
    char **names;
    size_t n;
    const char *path;
};

static int each(void *arg, const struct dfs_entry *e)
{
    struct level *l = arg;
    printf("%12" PRIu64 " %s/%s\n", e->attr.type == DFS_FILE ? e->attr.size : 0, l->path, e->name);
    if (e->attr.type != DFS_DIRECTORY)
        return 0;
    char **more = realloc(l->names, (l->n + 1) * sizeof *more);
    if (!more)
        return DFS_ENOMEM;
    l->names = more;
    l->names[l->n++] = strdup(e->name);
    return 0;
}

static int list(struct dfs_sync *dfs, const char *path)
{
    struct level l = {.path = path};
    int err = dfs_sync_readdir(dfs, *path ? path : "/", each, &l);
    if (err)
        fprintf(stderr, "list: %s: %s\n", path, dfs_sync_error(dfs));
    for (size_t i = 0; i < l.n; i++) {
        char below[4096];
        snprintf(below, sizeof below, "%s/%s", path, l.names[i]);
        if (!err)
            err = list(dfs, below);
        free(l.names[i]);
    }
    free(l.names);
    return err;
}

int main(int argc, char **argv)
{
    struct dfs_sync *dfs;
    const char *path = argc > 1 && strcmp(argv[1], "/") != 0 ? argv[1] : "";
    int err = dfs_sync_open(&(struct dfs_options){.program = "list", .timeout_ms = 10000}, &dfs);
    if (err) {
        fprintf(stderr, "list: %s\n", dfs_strerror(err));
        return 1;
    }
    err = list(dfs, path);
    dfs_sync_close(dfs);
    return err != 0;
}
