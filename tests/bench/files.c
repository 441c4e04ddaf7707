/* SPDX-License-Identifier: MIT */
/* Figures of files written in place, on the cluster DFS_NM names: bench/files append|extend|overwrite CLIENTS DEPTH SIZE
 * SECONDS [GOAL]. append: all clients add records of SIZE bytes to one file, which is then read and must hold each once; extend:
 * each writes a file of its own from its start on; overwrite: each writes blocks at random places of a file of 64 MiB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/base.h"
#include "base/rand.h"
#include "dfs/dfs.h"

#define OVERWRITTEN (64u * MIB)
#define CLIENTS_MAX 64u

enum mode { APPEND, EXTEND, OVERWRITE };

struct writer {
    struct dfs_client *client;
    uint64_t file, next, acked;
    unsigned number, busy;
    uint8_t *buf;
};

struct bench {
    uv_loop_t loop;
    enum mode mode;
    unsigned clients, depth, ready;
    size_t size;
    uint64_t end, began, filled;
    struct rng rng;
    struct writer w[CLIENTS_MAX];
};

static uint64_t mono(void) { return uv_hrtime(); }

static void die(const char *what, int status, const struct dfs_result *r)
{
    fprintf(stderr, "files: %s: %s: %s\n", what, dfs_errname(status), r ? r->error : "");
    exit(1);
}

/* --- writing --- */

struct request {
    struct bench *b;
    struct writer *w;
};

static void on_written(void *arg, int status, const struct dfs_result *r);

static void start(struct bench *b, struct writer *w)
{
    struct request *q = xcalloc(1, sizeof *q);
    *q = (struct request){b, w};
    w->busy++;
    int rc;
    if (b->mode == APPEND) {
        put_u64(w->buf, w->number);
        put_u64(w->buf + 8, w->next++);
        rc = dfs_append(w->client, w->file, w->buf, b->size, on_written, q);
    } else {
        uint64_t at = b->mode == EXTEND ? w->next++ : rng_below(&b->rng, OVERWRITTEN / b->size);
        rc = dfs_pwrite(w->client, w->file, at * b->size, w->buf, b->size, on_written, q);
    }
    if (rc)
        die("start", rc, NULL);
}

static void on_written(void *arg, int status, const struct dfs_result *r)
{
    struct request *q = arg;
    if (status)
        die("write", status, r);
    q->w->acked++;
    q->w->busy--;
    if (mono() < q->b->end)
        start(q->b, q->w);
    free(q);
}

static bool busy(const struct bench *b)
{
    for (unsigned i = 0; i < b->clients; i++)
        if (b->w[i].busy)
            return true;
    return false;
}

static void on_opened(void *arg, int status, const struct dfs_result *r)
{
    struct request *q = arg;
    if (status)
        die("open", status, r);
    q->w->file = r->file;
    q->b->ready++;
    free(q);
}

static void on_done(void *arg, int status, const struct dfs_result *r)
{
    if (status)
        die("call", status, r);
    ++*(unsigned *)arg;
}

/* --- checking what was appended --- */

struct check {
    struct bench *b;
    uint8_t *seen[CLIENTS_MAX], part[4096];
    uint64_t records;
};

static int check_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct check *k = arg;
    for (size_t i = 0; i < len; i++) {
        size_t at = (size_t)((offset + i) % k->b->size);
        k->part[at] = ((const uint8_t *)p)[i];
        if (at + 1 < k->b->size)
            continue;
        uint64_t who = get_u64(k->part), which = get_u64(k->part + 8);
        bool torn = who >= k->b->clients || which >= k->b->w[who].next;
        for (size_t n = 16; n < k->b->size && !torn; n++)
            torn = k->part[n] != (uint8_t)who;
        if (torn || k->seen[who][which]++) {
            fprintf(stderr, "files: the record before byte %llu is torn, or there twice\n",
                    (unsigned long long)(offset + i));
            exit(1);
        }
        k->records++;
    }
    return 0;
}

static void check(struct bench *b, uint64_t acked)
{
    struct check *k = xcalloc(1, sizeof *k);
    unsigned done = 0;
    k->b = b;
    for (unsigned i = 0; i < b->clients; i++)
        k->seen[i] = xcalloc(b->w[i].next + 1, 1);
    int rc = dfs_get(b->w[0].client, "/bench-append", 0, UINT64_MAX, &(struct dfs_sink){.write = check_write, .arg = k},
                     on_done, &done);
    if (rc)
        die("get", rc, NULL);
    while (!done)
        uv_run(&b->loop, UV_RUN_ONCE);
    printf("records: %llu acknowledged, %llu in the file, each once, none torn\n", (unsigned long long)acked,
           (unsigned long long)k->records);
    if (k->records != acked)
        exit(1);
    for (unsigned i = 0; i < b->clients; i++)
        free(k->seen[i]);
    free(k);
}

/* --- the run --- */

static void open_all(struct bench *b)
{
    for (unsigned i = 0; i < b->clients; i++) {
        struct writer *w = &b->w[i];
        char path[64];
        int rc = dfs_client_open(&b->loop, NULL, &w->client);
        if (rc)
            die("connect", rc, NULL);
        w->number = i;
        w->buf = xcalloc(b->size, 1);
        memset(w->buf, (int)i, b->size);
        snprintf(path, sizeof path, b->mode == APPEND ? "/bench-append" : "/bench-file%u", i);
        struct request *q = xcalloc(1, sizeof *q);
        *q = (struct request){b, w};
        unsigned flags = DFS_READ | DFS_WRITE | DFS_CREATE | (b->mode == EXTEND || i == 0 ? DFS_TRUNCATE : 0);
        rc = dfs_open(w->client, path, flags, 0644, on_opened, q);
        if (rc)
            die("open", rc, NULL);
        while (b->ready <= i)
            uv_run(&b->loop, UV_RUN_ONCE);
    }
}

/* What is overwritten has to be there. */
static void fill_all(struct bench *b)
{
    uint8_t *mib = xcalloc(1, MIB);
    for (unsigned i = 0; i < b->clients; i++)
        for (uint64_t at = 0; at < OVERWRITTEN; at += MIB) {
            unsigned done = 0;
            int rc = dfs_pwrite(b->w[i].client, b->w[i].file, at, mib, MIB, on_done, &done);
            if (rc)
                die("fill", rc, NULL);
            while (!done)
                uv_run(&b->loop, UV_RUN_ONCE);
        }
    free(mib);
}

static void close_all(struct bench *b)
{
    for (unsigned i = 0; i < b->clients; i++) {
        unsigned done = 0;
        if (dfs_close(b->w[i].client, b->w[i].file, on_done, &done) == 0)
            while (!done)
                uv_run(&b->loop, UV_RUN_ONCE);
        dfs_client_close(b->w[i].client, NULL, NULL);
        free(b->w[i].buf);
    }
    uv_run(&b->loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"append", "extend", "overwrite"};
    struct bench *b = xcalloc(1, sizeof *b);
    uint64_t acked = 0;
    int mode = 0;
    if (argc != 6) {
        fprintf(stderr, "usage: files append|extend|overwrite CLIENTS DEPTH SIZE SECONDS\n");
        return 2;
    }
    while (mode < 3 && strcmp(argv[1], names[mode]) != 0)
        mode++;
    b->mode = (enum mode)mode;
    b->clients = (unsigned)atoi(argv[2]);
    b->depth = (unsigned)atoi(argv[3]);
    b->size = (size_t)atoi(argv[4]);
    if (mode == 3 || b->clients == 0 || b->clients > CLIENTS_MAX || b->size < 16 || (mode == 0 && b->size > 4096))
        return 2;
    rng_seed(&b->rng, 1);
    uv_loop_init(&b->loop);
    open_all(b);
    if (b->mode == OVERWRITE)
        fill_all(b);
    b->began = mono();
    b->end = b->began + (uint64_t)atoi(argv[5]) * NS_PER_SEC;
    for (unsigned i = 0; i < b->clients; i++)
        for (unsigned k = 0; k < b->depth; k++)
            start(b, &b->w[i]);
    while (busy(b))
        uv_run(&b->loop, UV_RUN_ONCE);
    double seconds = (double)(mono() - b->began) / (double)NS_PER_SEC;
    for (unsigned i = 0; i < b->clients; i++)
        acked += b->w[i].acked;
    printf("%s: %u clients, %u in flight each, %zu bytes: %.0f/s, %.1f MiB/s\n", names[mode], b->clients, b->depth,
           b->size, (double)acked / seconds, (double)acked * (double)b->size / seconds / (double)MIB);
    if (b->mode == APPEND)
        check(b, acked);
    close_all(b);
    free(b);
    return 0;
}
