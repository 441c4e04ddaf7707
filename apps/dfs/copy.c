/* SPDX-License-Identifier: MIT */
/* One file of the cluster to another name: a get whose bytes wait in a queue for a put.
 *
 *   get --> sink: queue, until it is full --> resume put --> source: from the queue, until it is empty --> resume get
 *
 * When the put asks for bytes again that are gone, the get starts over there. All gets must be of one generation of the
 * file, otherwise the put is not let end. */
#include <stdlib.h>

#include "cli.h"

#define QUEUE_BYTES (4 * MIB)

struct piece {
    struct list link;
    uint32_t len;
    uint8_t bytes[];
};

struct copy {
    struct cli *cli;
    char *from, *to;
    struct dfs_attr attr; /* of the source, as first seen */
    uint64_t get, put;    /* the calls' numbers; get 0: none is under way */
    struct list queue;
    uint64_t queued, at;  /* bytes in the queue; offset of its first byte */
    uint32_t taken;       /* bytes of the first piece that are gone */
    bool complete, again; /* the get has given all; start another when it has ended */
    uint64_t acked;
    int failed; /* why the get ended */
    char why[320];
    bool over; /* the put has ended, with: */
    int status;
    char error[320];
    xfer_done done;
    void *arg;
};

static void get_start(struct copy *c, uint64_t offset);
static void copy_end(struct copy *c);

static void queue_drop(struct copy *c)
{
    LIST_FOR_EACH (e, &c->queue) {
        list_remove(e);
        free(CONTAINER_OF(e, struct piece, link));
    }
    c->queued = c->taken = 0;
}

static int on_bytes(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct copy *c = arg;
    (void)offset;
    if (c->again || c->over)
        return DFS_ECANCELED;
    if (c->queued > 0 && c->queued + len > QUEUE_BYTES)
        return DFS_EAGAIN;
    struct piece *piece = xcalloc(1, sizeof *piece + len);
    piece->len = (uint32_t)len;
    memcpy(piece->bytes, p, len);
    list_push(&c->queue, &piece->link);
    c->queued += len;
    dfs_resume(c->cli->client, c->put);
    return 0;
}

static void on_get(void *arg, int status, const struct dfs_result *r)
{
    struct copy *c = arg;
    c->get = 0;
    if (c->over) {
        copy_end(c);
        return;
    }
    if (c->again) {
        c->again = false;
        get_start(c, c->at);
        return;
    }
    if (status == 0 && (r->attr.generation != c->attr.generation || r->attr.ino != c->attr.ino))
        status = DFS_EREPLACED;
    c->complete = status == 0;
    c->failed = status;
    if (status)
        snprintf(c->why, sizeof c->why, "%s", status == DFS_EREPLACED ? dfs_strerror(status) : r->error);
    dfs_resume(c->cli->client, c->put);
}

static void get_start(struct copy *c, uint64_t offset)
{
    struct dfs_client *client = c->cli->client;
    queue_drop(c);
    c->at = offset;
    c->complete = false;
    c->failed = dfs_get(client, c->from, offset, UINT64_MAX, &(struct dfs_sink){on_bytes, NULL, c}, on_get, c);
    c->get = c->failed ? 0 : dfs_last_call(client);
}

/* Takes up to len bytes off the queue. */
static size_t queue_take(struct copy *c, uint8_t *out, size_t len)
{
    size_t got = 0;
    while (got < len && !list_empty(&c->queue)) {
        struct piece *piece = CONTAINER_OF(list_first(&c->queue), struct piece, link);
        size_t n = (size_t)min_u64(len - got, piece->len - c->taken);
        memcpy(out + got, piece->bytes + c->taken, n);
        got += n;
        c->taken += (uint32_t)n;
        if (c->taken < piece->len)
            break;
        list_remove(&piece->link);
        free(piece);
        c->taken = 0;
    }
    c->queued -= got;
    c->at += got;
    return got;
}

static int on_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    struct copy *c = arg;
    *got = 0;
    if (c->failed)
        return c->failed;
    if (offset != c->at) {
        c->at = offset;
        c->again = c->get != 0;
        if (c->again)
            dfs_cancel(c->cli->client, c->get);
        else
            get_start(c, offset);
        return c->failed ? c->failed : DFS_EAGAIN;
    }
    if (c->again || (c->queued < len && !c->complete)) {
        dfs_resume(c->cli->client, c->get);
        return DFS_EAGAIN;
    }
    *got = queue_take(c, buf, len);
    dfs_resume(c->cli->client, c->get);
    return 0;
}

static void on_progress(void *arg, uint64_t bytes)
{
    struct copy *c = arg;
    c->cli->progress.bytes += bytes - c->acked;
    c->acked = bytes;
}

static void copy_free(struct copy *c)
{
    queue_drop(c);
    free(c->from);
    free(c->to);
    free(c);
}

static void copy_end(struct copy *c)
{
    c->cli->progress.files += c->status == 0;
    c->done(c->arg, c->status, c->error);
    copy_free(c);
}

static void on_put(void *arg, int status, const struct dfs_result *r)
{
    struct copy *c = arg;
    c->over = true;
    c->status = status;
    snprintf(c->error, sizeof c->error, "%s", c->failed && *c->why ? c->why : r->error);
    if (c->get)
        dfs_cancel(c->cli->client, c->get); /* its end is ours */
    else
        copy_end(c);
}

int xfer_copy(struct cli *cli, const char *from, const char *to, const struct dfs_attr *a, xfer_done done, void *arg,
              char error[320])
{
    struct copy *c = xcalloc(1, sizeof *c);
    struct dfs_source source = {on_read, on_progress, c, true, a->size};
    struct dfs_put_options o = {.mode = a->mode, .goal = a->goal};
    if (cli->opt.preserve) {
        o.mtime_ns = a->mtime_ns;
        o.uid = a->uid;
        o.gid = a->gid;
        o.flags = DFS_OWNER;
    }
    *c = (struct copy){.cli = cli, .from = xstrdup(from), .to = xstrdup(to), .attr = *a, .done = done, .arg = arg};
    list_init(&c->queue);
    int err = dfs_put(cli->client, to, &source, &o, on_put, c);
    if (err) {
        snprintf(error, 320, "%s", dfs_strerror(err));
        copy_free(c);
        return err;
    }
    c->put = dfs_last_call(cli->client);
    get_start(c, 0);
    return 0;
}
