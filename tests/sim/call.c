/* SPDX-License-Identifier: MIT */
/* One client operation: from struct op to the client core, and its results back. */
#include <stdio.h>

#include "sim/work.h"

static void call_page(struct call *c, const char *after);

bool status_is_answer(int status)
{
    switch (status) {
    case 0:
    case DFS_ENOENT:
    case DFS_EEXIST:
    case DFS_ENOTDIR:
    case DFS_EISDIR:
    case DFS_ENOTEMPTY:
    case DFS_EINVAL:
    case DFS_ELOOP:
    case DFS_ENAMETOOLONG:
    case DFS_EACCES:
    case DFS_EROFS:
    case DFS_EXDEV:
    case DFS_EFBIG:
    case DFS_ENOTSUP:
        return true;
    default:
        return false;
    }
}

static int source_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    struct call *c = arg;
    uint64_t left = offset < c->op.value.size ? c->op.value.size - offset : 0;
    *got = min_u64(len, left);
    value_fill(c->op.value, offset, buf, *got);
    return 0;
}

static int sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct call *c = arg;
    if (offset != c->got.len)
        sim_fail(c->work->cluster->sim, "get %s: bytes at %" PRIu64 " come after %zu", c->op.path, offset, c->got.len);
    return bytes_add(&c->got, p, len);
}

static void sink_restart(void *arg)
{
    struct call *c = arg;
    bytes_clear(&c->got);
}

static void call_end(struct call *c, int status)
{
    struct sim *s = c->work->cluster->sim;
    c->status = status;
    c->active = false;
    sim_note(s, c->client->name, "done", (uint64_t)c->op.kind, (uint64_t)-status);
    sim_say(s, c->client->name, "%d %s %s -> %s", c->op.kind, c->op.path, c->op.path2,
            status ? dfs_errname(status) : "ok");
    c->done(c->arg);
}

static void list_entries(struct call *c, const struct dfs_result *r)
{
    struct tree *t = &c->listed;
    for (size_t i = 0; i < r->n_entries; i++) {
        if (t->n == TREE_MAX) {
            sim_fail(c->work->cluster->sim, "readdir %s lists more names than were ever made", c->op.path);
            return;
        }
        struct tree_entry *e = &t->v[t->n++];
        *e = (struct tree_entry){.type = r->entries[i].attr.type, .value.size = (uint32_t)r->entries[i].attr.size,
                                 .goal = r->entries[i].attr.goal_chosen ? r->entries[i].attr.goal : 0};
        snprintf(e->path, sizeof e->path, "%.60s", r->entries[i].name);
        if (t->n > 1 && strcmp(e->path, e[-1].path) <= 0)
            sim_fail(c->work->cluster->sim, "readdir %s: '%s' comes after '%s'", c->op.path, e->path, e[-1].path);
    }
}

static void on_done(void *arg, int status, const struct dfs_result *r)
{
    struct call *c = arg;
    if (!c->active) {
        sim_fail(c->work->cluster->sim, "a callback came twice, or late: %s", c->op.path);
        return;
    }
    if (status == 0 && c->op.kind == OP_READDIR) {
        list_entries(c, r);
        if (!r->eof) {
            char after[SIM_PATH_MAX];
            snprintf(after, sizeof after, "%s", c->listed.n ? c->listed.v[c->listed.n - 1].path : "");
            call_page(c, after);
            return;
        }
    }
    if (status == 0) {
        c->attr = r->attr;
        snprintf(c->target, sizeof c->target, "%.60s", r->target ? r->target : "");
    }
    if (status && !status_is_answer(status))
        sim_say(c->work->cluster->sim, c->client->name, "error: %s", r ? r->error : "none given");
    call_end(c, status);
}

static void call_page(struct call *c, const char *after)
{
    struct client_request r = {.kind = c->op.kind,
                               .path = c->op.path,
                               .path2 = c->op.kind == OP_READDIR ? after : c->op.path2,
                               .mode = 0755,
                               .flags = c->op.kind == OP_STAT     ? DFS_NOFOLLOW
                                        : c->op.kind == OP_REMOVE ? DFS_TREE | c->op.flags
                                                                  : 0,
                               .limit =
                                   c->op.kind == OP_READDIR ? 1 + (uint32_t)sim_below(c->work->cluster->sim, 8) : 0,
                               .length = UINT64_MAX,
                               .set = {.what = DFS_SET_GOAL, .goal = c->op.goal},
                               .source = {.read = source_read, .arg = c},
                               .sink = {.write = sink_write, .restart = sink_restart, .arg = c},
                               .cb = on_done,
                               .arg = c};
    int err = client_start(c->client->client, &r);
    if (err) {
        sim_fail(c->work->cluster->sim, "client_start refuses %s: %s", c->op.path, dfs_errname(err));
        return;
    }
    node_touch(c->client);
}

void call_start(struct call *c)
{
    struct sim *s = c->work->cluster->sim;
    c->start = s->now;
    c->active = true;
    c->listed.n = 0;
    c->attr = (struct dfs_attr){0};
    if (c->got.max == 0)
        bytes_init(&c->got, 4 * MIB);
    bytes_clear(&c->got);
    sim_note(s, c->client->name, "begin", (uint64_t)c->op.kind, c->op.value.id);
    sim_say(s, c->client->name, "%d %s %s id %" PRIu64 " size %u …", c->op.kind, c->op.path, c->op.path2,
            c->op.value.id, c->op.value.size);
    call_page(c, "");
}

static void on_abandoned(void *arg) { (void)arg; }

static void on_waited(void *arg) { *(bool *)arg = true; }

int call_wait(struct work *w, struct call *c, enum client_op_kind kind, const char *path)
{
    struct sim *s = w->cluster->sim;
    bool done = false;
    uint64_t end = s->now + 60 * NS_PER_SEC;
    c->work = w;
    c->client = cluster_client(w->cluster, 0);
    c->done = on_waited;
    c->arg = &done;
    c->op = (struct op){.kind = kind};
    snprintf(c->op.path, sizeof c->op.path, "%s", path);
    call_start(c);
    while (!done && s->now < end && sim_step(s))
        ;
    if (!done) {
        sim_fail(s, "operation %d on %s does not end", kind, path);
        c->done = on_abandoned; /* the client's end will still report it */
    }
    return done ? c->status : DFS_ETIMEDOUT;
}

void call_close(struct call *c)
{
    if (c->got.max)
        bytes_close(&c->got);
}
