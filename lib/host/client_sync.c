/* SPDX-License-Identifier: MIT */
/* The synchronous face of libdfs: one asynchronous call at a time on a loop of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/base.h"
#include "dfs/dfs.h"

struct dfs_sync {
    uv_loop_t loop;
    struct dfs_client *client;
    bool done;
    int status;
    char error[320];
    void (*take)(void *arg, struct dfs_sync *s, const struct dfs_result *r); /* what a call wants of its result */
    void *take_arg;
};

int dfs_sync_open(const struct dfs_options *o, struct dfs_sync **out)
{
    struct dfs_sync *s = xcalloc(1, sizeof *s);
    if (uv_loop_init(&s->loop) != 0) {
        free(s);
        return DFS_EMFILE;
    }
    int err = dfs_client_open(&s->loop, o, &s->client);
    if (err) {
        uv_loop_close(&s->loop);
        free(s);
        return err;
    }
    *out = s;
    return 0;
}

void dfs_sync_close(struct dfs_sync *s)
{
    if (!s)
        return;
    dfs_client_close(s->client, NULL, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    free(s);
}

const char *dfs_sync_error(const struct dfs_sync *s) { return s->error; }

static void on_done(void *arg, int status, const struct dfs_result *r)
{
    struct dfs_sync *s = arg;
    s->done = true;
    s->status = status;
    if (status != 0)
        snprintf(s->error, sizeof s->error, "%s", r->error);
    else if (s->take)
        s->take(s->take_arg, s, r);
}

/* Runs the loop until the call that returned err at its start has called back. */
static int finish(struct dfs_sync *s, int err)
{
    if (err) {
        s->take = NULL;
        snprintf(s->error, sizeof s->error, "%s", dfs_strerror(err));
        return err;
    }
    s->done = false;
    while (!s->done)
        uv_run(&s->loop, UV_RUN_ONCE);
    s->take = NULL;
    return s->status;
}

static void take_attr(void *arg, struct dfs_sync *s, const struct dfs_result *r)
{
    (void)s;
    *(struct dfs_attr *)arg = r->attr;
}

int dfs_sync_stat(struct dfs_sync *s, const char *path, unsigned flags, struct dfs_attr *out)
{
    s->take = take_attr;
    s->take_arg = out;
    return finish(s, dfs_stat(s->client, path, flags, on_done, s));
}

struct walk {
    int (*each)(void *arg, const struct dfs_entry *e);
    void *arg;
    char *after;
    bool eof;
};

static void take_page(void *arg, struct dfs_sync *s, const struct dfs_result *r)
{
    struct walk *w = arg;
    for (size_t i = 0; i < r->n_entries && s->status == 0; i++)
        s->status = w->each(w->arg, &r->entries[i]);
    w->eof = r->eof || r->n_entries == 0;
    free(w->after);
    w->after = r->n_entries ? xstrdup(r->entries[r->n_entries - 1].name) : NULL;
}

int dfs_sync_readdir(struct dfs_sync *s, const char *path, int (*each)(void *arg, const struct dfs_entry *e), void *arg)
{
    struct walk w = {.each = each, .arg = arg};
    int err = 0;
    while (!err && !w.eof) {
        s->take = take_page;
        s->take_arg = &w;
        err = finish(s, dfs_readdir(s->client, path, w.after ? w.after : "", 0, on_done, s));
    }
    free(w.after);
    return err;
}

int dfs_sync_mkdir(struct dfs_sync *s, const char *path, uint32_t mode, unsigned flags)
{
    return finish(s, dfs_mkdir(s->client, path, mode, flags, on_done, s));
}

int dfs_sync_create(struct dfs_sync *s, const char *path, uint32_t mode, unsigned flags)
{
    return finish(s, dfs_create(s->client, path, mode, flags, on_done, s));
}

int dfs_sync_symlink(struct dfs_sync *s, const char *target, const char *path)
{
    return finish(s, dfs_symlink(s->client, target, path, on_done, s));
}

struct link_out {
    char *buf;
    size_t len;
};

static void take_target(void *arg, struct dfs_sync *s, const struct dfs_result *r)
{
    struct link_out *out = arg;
    if (r->attr.type != DFS_SYMLINK) {
        s->status = DFS_EINVAL;
        snprintf(s->error, sizeof s->error, "not a symbolic link");
    } else if (strlen(r->target) >= out->len) {
        s->status = DFS_ETOOBIG;
        snprintf(s->error, sizeof s->error, "the link's target does not fit the buffer");
    } else {
        memcpy(out->buf, r->target, strlen(r->target) + 1);
    }
}

int dfs_sync_readlink(struct dfs_sync *s, const char *path, char *buf, size_t len)
{
    struct link_out out = {buf, len};
    s->take = take_target;
    s->take_arg = &out;
    return finish(s, dfs_stat(s->client, path, DFS_NOFOLLOW, on_done, s));
}

int dfs_sync_unlink(struct dfs_sync *s, const char *path) { return finish(s, dfs_unlink(s->client, path, on_done, s)); }
int dfs_sync_rmdir(struct dfs_sync *s, const char *path) { return finish(s, dfs_rmdir(s->client, path, on_done, s)); }

int dfs_sync_rename(struct dfs_sync *s, const char *from, const char *to, unsigned flags)
{
    return finish(s, dfs_rename(s->client, from, to, flags, on_done, s));
}

int dfs_sync_setattr(struct dfs_sync *s, const char *path, const struct dfs_setattr *set, unsigned flags)
{
    return finish(s, dfs_setattr(s->client, path, set, flags, on_done, s));
}

int dfs_sync_link(struct dfs_sync *s, const char *path, const char *to)
{
    return finish(s, dfs_link(s->client, path, to, on_done, s));
}

int dfs_sync_remove(struct dfs_sync *s, const char *path, unsigned flags)
{
    return finish(s, dfs_remove(s->client, path, flags, on_done, s));
}

static void take_totals(void *arg, struct dfs_sync *s, const struct dfs_result *r)
{
    (void)s;
    *(struct dfs_totals *)arg = r->totals;
}

int dfs_sync_usage(struct dfs_sync *s, const char *path, struct dfs_totals *out)
{
    s->take = take_totals;
    s->take_arg = out;
    return finish(s, dfs_usage(s->client, path, "", 1, on_done, s));
}

int dfs_sync_put(struct dfs_sync *s, const char *path, const struct dfs_source *src, const struct dfs_put_options *o)
{
    return finish(s, dfs_put(s->client, path, src, o, on_done, s));
}

int dfs_sync_get(struct dfs_sync *s, const char *path, uint64_t offset, uint64_t length, const struct dfs_sink *sink)
{
    return finish(s, dfs_get(s->client, path, offset, length, sink, on_done, s));
}

/* --- from and to memory --- */

struct memory {
    uint8_t *p;
    size_t len, got;
};

static int memory_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    struct memory *m = arg;
    *got = offset < m->len ? (size_t)min_u64(len, m->len - offset) : 0;
    if (*got)
        memcpy(buf, m->p + offset, *got);
    return 0;
}

static int memory_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct memory *m = arg;
    if (offset > m->len || len > m->len - offset)
        return DFS_ETOOBIG;
    memcpy(m->p + offset, p, len);
    m->got = (size_t)offset + len;
    return 0;
}

static void memory_restart(void *arg) { ((struct memory *)arg)->got = 0; }

int dfs_sync_put_bytes(struct dfs_sync *s, const char *path, const void *p, size_t len)
{
    struct memory m = {.p = (uint8_t *)(uintptr_t)p, .len = len};
    return dfs_sync_put(s, path, &(struct dfs_source){.read = memory_read, .arg = &m, .seekable = true, .size = len},
                        NULL);
}

int dfs_sync_get_bytes(struct dfs_sync *s, const char *path, void *p, size_t len, size_t *got)
{
    struct memory m = {.p = p, .len = len};
    int err = dfs_sync_get(s, path, 0, UINT64_MAX, &(struct dfs_sink){memory_write, memory_restart, &m});
    *got = err ? 0 : m.got;
    return err;
}

/* --- open files --- */

static void take_file(void *arg, struct dfs_sync *s, const struct dfs_result *r)
{
    (void)s;
    *(uint64_t *)arg = r->file;
}

int dfs_sync_file_open(struct dfs_sync *s, const char *path, unsigned flags, uint32_t mode, uint64_t *file)
{
    s->take = take_file;
    s->take_arg = file;
    return finish(s, dfs_open(s->client, path, flags, mode, on_done, s));
}

int dfs_sync_file_close(struct dfs_sync *s, uint64_t file) { return finish(s, dfs_close(s->client, file, on_done, s)); }

int dfs_sync_pwrite(struct dfs_sync *s, uint64_t file, uint64_t offset, const void *p, size_t len)
{
    return finish(s, dfs_pwrite(s->client, file, offset, p, len, on_done, s));
}

int dfs_sync_append(struct dfs_sync *s, uint64_t file, const void *p, size_t len)
{
    return finish(s, dfs_append(s->client, file, p, len, on_done, s));
}

int dfs_sync_truncate(struct dfs_sync *s, const char *path, uint64_t size)
{
    return finish(s, dfs_truncate(s->client, path, size, on_done, s));
}

int dfs_sync_ftruncate(struct dfs_sync *s, uint64_t file, uint64_t size)
{
    return finish(s, dfs_ftruncate(s->client, file, size, on_done, s));
}

int dfs_sync_extend(struct dfs_sync *s, uint64_t file, uint64_t size)
{
    return finish(s, dfs_extend(s->client, file, size, on_done, s));
}

int dfs_sync_punch(struct dfs_sync *s, uint64_t file, uint64_t offset, uint64_t length)
{
    return finish(s, dfs_punch(s->client, file, offset, length, on_done, s));
}

static void take_offset(void *arg, struct dfs_sync *s, const struct dfs_result *r)
{
    (void)s;
    *(uint64_t *)arg = r->offset;
}

int dfs_sync_seek(struct dfs_sync *s, uint64_t file, uint64_t offset, unsigned what, uint64_t *at)
{
    s->take = take_offset;
    s->take_arg = at;
    return finish(s, dfs_seek(s->client, file, offset, what, on_done, s));
}

int dfs_sync_fsync(struct dfs_sync *s, uint64_t file) { return finish(s, dfs_fsync(s->client, file, on_done, s)); }

struct range {
    uint64_t offset;
    struct memory m;
};

static int range_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct range *r = arg;
    return memory_write(&r->m, offset - r->offset, p, len);
}

static void range_restart(void *arg) { ((struct range *)arg)->m.got = 0; }

int dfs_sync_pread(struct dfs_sync *s, uint64_t file, uint64_t offset, void *p, size_t len, size_t *got)
{
    struct range r = {.offset = offset, .m = {.p = p, .len = len}};
    int err = finish(
        s, dfs_pread(s->client, file, offset, len, &(struct dfs_sink){range_write, range_restart, &r}, on_done, s));
    *got = err ? 0 : r.m.got;
    return err;
}

int dfs_sync_lock(struct dfs_sync *s, uint64_t file, const struct dfs_lock *l, uint64_t ms)
{
    int err = dfs_lock(s->client, file, l, ms ? DFS_WAIT : 0, on_done, s);
    if (!err && ms > 0 && ms < UINT64_MAX)
        dfs_set_deadline(s->client, dfs_last_call(s->client), ms);
    return finish(s, err);
}

int dfs_sync_unlock(struct dfs_sync *s, uint64_t file, const struct dfs_lock *l)
{
    return finish(s, dfs_unlock(s->client, file, l, on_done, s));
}

static void take_lock(void *arg, struct dfs_sync *s, const struct dfs_result *r)
{
    (void)s;
    *(struct dfs_lock *)arg = r->lock;
}

int dfs_sync_lock_query(struct dfs_sync *s, uint64_t file, const struct dfs_lock *l, struct dfs_lock *out)
{
    s->take = take_lock;
    s->take_arg = out;
    return finish(s, dfs_lock_query(s->client, file, l, on_done, s));
}
