/* SPDX-License-Identifier: MIT */
/* A thousand files stored and read back at once, on one event loop and one thread: the asynchronous face of libdfs.
 *
 *   cc thousand.c $(pkg-config --cflags --libs dfs libuv) && ./a.out /DIRECTORY */
#include <dfs/dfs.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#define TRANSFERS 1000
#define SIZE 10000u

struct program;

struct transfer {
    struct program *program;
    unsigned number;
    char path[256];
};

struct program {
    struct dfs_client *dfs;
    const char *directory;
    unsigned running, done, failed;
    struct transfer transfers[TRANSFERS];
};

/* Byte i of a file is a function of its number, so that what is read back can be checked. */
static uint8_t byte_of(const struct transfer *t, uint64_t i) { return (uint8_t)(i * 31 + t->number); }

static int source_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    const struct transfer *t = arg;
    *got = offset < SIZE ? (SIZE - offset < len ? SIZE - offset : len) : 0;
    for (size_t i = 0; i < *got; i++)
        ((uint8_t *)buf)[i] = byte_of(t, offset + i);
    return 0;
}

static int sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    const struct transfer *t = arg;
    for (size_t i = 0; i < len; i++)
        if (((const uint8_t *)p)[i] != byte_of(t, offset + i))
            return DFS_ECORRUPT;
    return 0;
}

static void finish(struct transfer *t, int status, const char *error)
{
    struct program *p = t->program;
    if (status) {
        fprintf(stderr, "thousand: %s: %s\n", t->path, error);
        p->failed++;
    }
    p->done++;
    if (--p->running == 0)
        dfs_client_close(p->dfs, NULL, NULL);
}

static void on_get(void *arg, int status, const struct dfs_result *r)
{
    finish(arg, status ? status : r->bytes == SIZE ? 0 : DFS_EIO, status ? r->error : "too short");
}

static void on_put(void *arg, int status, const struct dfs_result *r)
{
    struct transfer *t = arg;
    struct dfs_sink sink = {.write = sink_write, .arg = t};
    if (status == 0 && dfs_get(t->program->dfs, t->path, 0, UINT64_MAX, &sink, on_get, t) == 0)
        return;
    finish(t, status ? status : DFS_EINVAL, r->error);
}

static void on_mkdir(void *arg, int status, const struct dfs_result *r)
{
    struct program *p = arg;
    if (status) {
        fprintf(stderr, "thousand: %s: %s\n", p->directory, r->error);
        p->failed++;
        dfs_client_close(p->dfs, NULL, NULL);
        return;
    }
    for (unsigned i = 0; i < TRANSFERS; i++) {
        struct transfer *t = &p->transfers[i];
        struct dfs_source source = {.read = source_read, .arg = t, .seekable = true};
        *t = (struct transfer){.program = p, .number = i};
        snprintf(t->path, sizeof t->path, "%s/%04u", p->directory, i);
        p->running++;
        if (dfs_put(p->dfs, t->path, &source, NULL, on_put, t) != 0)
            finish(t, DFS_EINVAL, "cannot be started");
        else
            dfs_set_deadline(p->dfs, dfs_last_call(p->dfs), 60000);
    }
}

int main(int argc, char **argv)
{
    uv_loop_t loop;
    static struct program p; /* large for a stack */
    p.directory = argc > 1 ? argv[1] : "/thousand";
    uv_loop_init(&loop);
    int err = dfs_client_open(&loop, &(struct dfs_options){.program = "thousand"}, &p.dfs);
    if (!err)
        err = dfs_mkdir(p.dfs, p.directory, 0755, DFS_PARENTS, on_mkdir, &p);
    if (err) {
        fprintf(stderr, "thousand: %s\n", dfs_strerror(err));
        return 1;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    printf("%u files stored and read back, %u failed\n", p.done, p.failed);
    return p.failed != 0;
}
