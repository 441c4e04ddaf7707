/* SPDX-License-Identifier: MIT */
#include "sim/append.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/work.h"

#define LOG_PATH "/shared/e-log"

static void on_next(void *arg, uint64_t a, uint64_t b);

static struct sim *sim_of(const struct appender *a) { return a->work->cluster->sim; }

static void plan_next(struct appender *a)
{
    sim_plan(sim_of(a), 1 + sim_below(sim_of(a), a->work->cluster->swarm.think), on_next, a, 0, 0);
}

/* --- reading --- */

static int sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct appender *a = arg;
    if (offset != a->got || len > APPEND_FILE - offset) {
        sim_fail(sim_of(a), LOG_PATH ": bytes at %" PRIu64 " come after %u", offset, a->got);
        return 0;
    }
    memcpy(a->buf + offset, p, len);
    a->got += (uint32_t)len;
    return 0;
}

static void sink_restart(void *arg) { ((struct appender *)arg)->got = 0; }

/* Records carry their id in their first word, as value_fill makes it: it is tried which one fits. */
static struct added *record_at(struct appender *a, uint32_t at)
{
    struct appended *f = &a->work->appended;
    for (uint32_t i = 0; i < f->n; i++) {
        struct added *r = &f->records[i];
        if (r->value.size <= a->got - at && value_is(r->value, a->buf + at, r->value.size))
            return r;
    }
    return NULL;
}

static void check_file(struct appender *a)
{
    struct appended *f = &a->work->appended;
    for (uint32_t at = 0; at < a->got;) {
        struct added *r = record_at(a, at);
        if (!r) {
            sim_fail(sim_of(a), LOG_PATH ": at %u stands nothing that was ever added", at);
            return;
        }
        if ((r->found != UINT64_MAX && r->found != at) || (r->end != UINT64_MAX && r->offset != at)) {
            sim_fail(sim_of(a), LOG_PATH ": record %" PRIu64 " is at %u as well, or not where it was", r->value.id, at);
            return;
        }
        r->found = at;
        at += r->value.size;
    }
    for (uint32_t i = 0; i < f->n; i++) {
        const struct added *r = &f->records[i];
        if (r->end < a->start && (r->found == UINT64_MAX || r->offset + r->value.size > a->got))
            sim_fail(sim_of(a), LOG_PATH ": record %" PRIu64 ", acknowledged before, is not there", r->value.id);
    }
}

/* --- operations --- */

static void on_done(void *arg, int status, const struct dfs_result *r)
{
    struct appender *a = arg;
    struct work *w = a->work;
    bool gone = status == DFS_EBADF || status == DFS_ECANCELED;
    a->active = false;
    w->ops++;
    w->failed_ops += status != 0;
    sim_note(sim_of(a), a->client->name, "added", (uint64_t)a->kind, (uint64_t)-status);
    sim_say(sim_of(a), a->client->name, "append %d -> %s %s at %" PRIu64, a->kind, status ? dfs_errname(status) : "ok",
            status && r ? r->error : "", r ? r->offset : 0);
    if (status && !gone && status != DFS_ENOSERVERS && w->strict)
        sim_fail(sim_of(a), "append: operation %d fails in a healthy cluster: %s", a->kind,
                 r ? r->error : dfs_errname(status));
    if (a->kind == OP_OPEN && status == 0)
        a->handle = r->file;
    if (a->kind == OP_CLOSE || gone)
        a->handle = 0;
    if (a->kind == OP_APPEND)
        work_count_write(w, status, r);
    if (a->kind == OP_APPEND && status == 0) {
        struct added *k = &w->appended.records[a->record];
        k->end = sim_of(a)->now;
        k->offset = r->offset;
        if (k->found != UINT64_MAX && k->found != k->offset)
            sim_fail(sim_of(a), LOG_PATH ": record %" PRIu64 " is not where it was read", k->value.id);
    }
    if (a->kind == OP_GET && status == 0)
        check_file(a);
    plan_next(a);
}

static void draw(struct appender *a)
{
    struct sim *s = sim_of(a);
    struct appended *f = &a->work->appended;
    unsigned pick = (unsigned)sim_below(s, 100);
    if (!a->handle)
        a->kind = OP_OPEN;
    else if (a->ops_left == 0 || pick < 5)
        a->kind = OP_CLOSE;
    else
        a->kind = pick < 30 || f->n == APPEND_RECORDS ? OP_GET : OP_APPEND;
    if (a->kind != OP_APPEND)
        return;
    a->record = f->n++;
    struct value v = {++a->work->next_value, 16 + (uint32_t)sim_below(s, sim_chance(s, 100) ? APPEND_RECORD : 300)};
    f->records[a->record] = (struct added){.value = v, .end = UINT64_MAX, .found = UINT64_MAX};
    value_fill(v, 0, a->buf, v.size);
}

static void on_next(void *arg, uint64_t unused_a, uint64_t unused_b)
{
    struct appender *a = arg;
    (void)unused_a;
    (void)unused_b;
    if (!a->client->up) {
        a->handle = 0;
        if (a->ops_left > 0)
            plan_next(a);
        return;
    }
    if (a->ops_left == 0 && !a->handle)
        return;
    draw(a);
    a->ops_left -= a->ops_left > 0;
    a->start = sim_of(a)->now;
    a->got = 0;
    bool add = a->kind == OP_APPEND;
    struct client_request r = {.kind = a->kind,
                               .path = LOG_PATH,
                               .mode = 0644,
                               .flags = DFS_READ | DFS_WRITE | DFS_CREATE,
                               .file = a->handle,
                               .length = UINT64_MAX,
                               .value = add ? a->buf : NULL,
                               .value_len = add ? a->work->appended.records[a->record].value.size : 0,
                               .sink = {.write = sink_write, .restart = sink_restart, .arg = a},
                               .cb = on_done,
                               .arg = a};
    sim_note(sim_of(a), a->client->name, "add", (uint64_t)a->kind, a->record);
    sim_say(sim_of(a), a->client->name, "append %d id %" PRIu64 " …", a->kind, a->work->next_value);
    a->active = true;
    int err = client_start(a->client->client, &r);
    if (err)
        sim_fail(sim_of(a), "client_start refuses to append: %s", dfs_errname(err));
    node_touch(a->client);
}

void append_init(struct work *w)
{
    for (uint32_t i = 0; i < APPENDERS; i++)
        w->appenders[i] = (struct appender){.work = w,
                                            .client = cluster_client(w->cluster, i % w->cluster->swarm.clients),
                                            .buf = xrealloc(NULL, 1, APPEND_FILE)};
}

void append_start(struct work *w, uint32_t ops)
{
    for (uint32_t i = 0; i < APPENDERS; i++) {
        w->appenders[i].ops_left = ops;
        plan_next(&w->appenders[i]);
    }
}

bool append_done(const struct work *w)
{
    for (uint32_t i = 0; i < APPENDERS; i++)
        if (w->appenders[i].ops_left > 0 || w->appenders[i].active || w->appenders[i].handle)
            return false;
    return true;
}

void append_close(struct work *w)
{
    for (uint32_t i = 0; i < APPENDERS; i++)
        free(w->appenders[i].buf);
}
