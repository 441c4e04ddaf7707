/* SPDX-License-Identifier: MIT */
#include "sim/locks.h"

#include <stdio.h>

#include "sim/work.h"

static void on_next(void *arg, uint64_t a, uint64_t b);

static struct sim *sim_of(const struct locker *l) { return l->work->cluster->sim; }
static struct locked_file *file_of(const struct locker *l) { return &l->work->locked; }

static void plan_next(struct locker *l)
{
    sim_plan(sim_of(l), 1 + sim_below(sim_of(l), l->work->cluster->swarm.think), on_next, l, 0, 0);
}

/* --- who has the lock --- */

/* It certainly had it up to `to`, and so had nobody else. */
static void held_until(struct locker *l, uint64_t to)
{
    l->to = to;
    l->sure_exclusive = l->exclusive;
    for (uint32_t i = 0; i < LOCKERS; i++) {
        const struct locker *o = &l->work->lockers[i];
        if (o != l && (o->sure_exclusive || l->exclusive) && max_u64(o->from, l->from) < min_u64(o->to, l->to))
            sim_fail(sim_of(l), "locks: %u and %u had the lock at %" PRIu64, o->number, l->number,
                     max_u64(o->from, l->from));
    }
}

/* --- what is read --- */

static int sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct locker *l = arg;
    if (offset != l->got || len > sizeof l->buf - offset)
        sim_fail(sim_of(l), "locks: bytes at %" PRIu64 " come after %u", offset, l->got);
    else
        memcpy(l->buf + offset, p, len);
    l->got += (uint32_t)len;
    return 0;
}

static void sink_restart(void *arg) { ((struct locker *)arg)->got = 0; }

static bool is_late(const struct locked_file *f, uint64_t id)
{
    for (uint32_t i = 0; i < f->n_late; i++)
        if (f->late[i] == id)
            return true;
    return f->n_late == LATE_MAX;
}

static void check_read(struct locker *l)
{
    uint64_t id = l->got ? get_u64(l->buf) : 0;
    if (!reg_read(&file_of(l)->content, l->start, sim_of(l)->now, l->got ? l->buf : NULL, l->got))
        sim_fail(sim_of(l), "locks: id %" PRIu64 ", %u bytes, cannot be what is there", id, l->got);
    l->unjudged = true;
    l->found = id;
}

static void judge(struct locker *l)
{
    if (l->unjudged && l->knows && l->found != l->expected && !is_late(file_of(l), l->found))
        sim_fail(sim_of(l), "locks: %u has the lock and finds %" PRIu64 " where it left %" PRIu64, l->number, l->found,
                 l->expected);
    if (l->unjudged) {
        l->knows = true;
        l->expected = l->found;
    }
    l->unjudged = false;
}

/* --- the end of an operation --- */

static void write_ended(struct locker *l, int status)
{
    struct locked_file *f = file_of(l);
    if (status == 0) {
        reg_end(&f->content, l->write, sim_of(l)->now);
        l->knows = true;
        l->expected = l->writing;
        l->unjudged = false;
        return;
    }
    l->knows = l->unjudged = false;
    if (status != DFS_EBADF && status != DFS_ECANCELED && f->n_late < LATE_MAX)
        f->late[f->n_late++] = l->writing;
}

static void lock_ended(struct locker *l, int status)
{
    if (status == 0 && l->holds) {
        held_until(l, l->start);
        judge(l);
    } else if (status == 0) {
        l->holds = true;
        l->from = sim_of(l)->now;
        l->to = l->from;
        l->knows = l->unjudged = false;
    } else if (status == DFS_ELOCKED && l->holds) {
        sim_fail(sim_of(l), "locks: %u lives, and its lock is another's", l->number);
    }
}

static bool may_fail(const struct locker *l, int status)
{
    return status == DFS_EBADF || status == DFS_ECANCELED || status == DFS_ENOSERVERS ||
           (l->kind == OP_LOCK && (status == DFS_ELOCKED || status == DFS_ETIMEDOUT));
}

static void on_done(void *arg, int status, const struct dfs_result *r)
{
    struct locker *l = arg;
    struct work *w = l->work;
    l->active = false;
    w->ops++;
    w->failed_ops += status != 0;
    sim_note(sim_of(l), l->client->name, "locker", (uint64_t)l->kind, (uint64_t)-status);
    sim_say(sim_of(l), l->client->name, "locker %u op %d -> %s %s", l->number, l->kind,
            status ? dfs_errname(status) : "ok", status && r ? r->error : "");
    if (status && w->strict && !may_fail(l, status))
        sim_fail(sim_of(l), "locks: operation %d fails in a healthy cluster: %s", l->kind,
                 r ? r->error : dfs_errname(status));
    if (l->kind == OP_OPEN && status == 0)
        l->handle = r->file;
    if (l->kind == OP_LOCK)
        lock_ended(l, status);
    if (l->kind == OP_PWRITE)
        write_ended(l, status);
    if (l->kind == OP_GET && status == 0)
        check_read(l);
    if (status == DFS_EBADF || (l->kind == OP_CLOSE && status == 0)) {
        l->handle = 0;
        l->holds = false;
    }
    plan_next(l);
}

/* --- the next one --- */

static void draw(struct locker *l)
{
    struct sim *s = sim_of(l);
    unsigned pick = (unsigned)sim_below(s, 100);
    if (!l->handle)
        l->kind = OP_OPEN;
    else if (l->ops_left == 0)
        l->kind = OP_CLOSE;
    else if (!l->holds)
        l->kind = pick < 3 ? OP_CLOSE : OP_LOCK;
    else if (l->unjudged)
        l->kind = OP_LOCK;
    else if (!l->knows)
        l->kind = OP_GET;
    else
        l->kind = pick < 3 ? OP_CLOSE : pick < 20 ? OP_UNLOCK : pick < 60 || !l->exclusive ? OP_GET : OP_PWRITE;
}

static void prepare(struct locker *l)
{
    struct work *w = l->work;
    l->start = sim_of(l)->now;
    l->got = 0;
    if (l->kind == OP_LOCK && !l->holds)
        l->exclusive = !sim_chance(sim_of(l), 300);
    if (l->kind == OP_UNLOCK || l->kind == OP_CLOSE)
        l->holds = false;
    if (l->kind == OP_PWRITE) {
        struct value v = {++w->next_value, LOCKED_BYTES};
        value_fill(v, 0, l->buf, LOCKED_BYTES);
        l->writing = v.id;
        l->write = reg_begin(&file_of(l)->content, v, l->start);
    }
}

/* Some of those that wait lose patience. */
static void limit(struct locker *l)
{
    struct sim *s = sim_of(l);
    struct client *c = l->client->client;
    if (l->kind == OP_LOCK && !l->holds && sim_chance(s, 200))
        client_set_deadline(c, client_last(c), node_now(l->client).mono + sim_below(s, 3 * NS_PER_SEC));
}

static void on_next(void *arg, uint64_t unused_a, uint64_t unused_b)
{
    struct locker *l = arg;
    (void)unused_a;
    (void)unused_b;
    if (!l->client->up) {
        l->handle = 0;
        l->holds = false;
        if (l->ops_left > 0)
            plan_next(l);
        return;
    }
    if (l->ops_left == 0 && !l->handle)
        return;
    draw(l);
    l->ops_left -= l->ops_left > 0;
    prepare(l);
    struct client_request r = {
        .kind = l->kind,
        .path = file_of(l)->path,
        .mode = 0644,
        .flags = l->kind == OP_OPEN                        ? DFS_READ | DFS_WRITE | DFS_CREATE
                 : !l->holds && sim_chance(sim_of(l), 700) ? DFS_WAIT
                                                           : 0,
        .file = l->handle,
        .lock = {.owner = l->number, .type = l->exclusive ? DFS_LOCK_EXCLUSIVE : DFS_LOCK_SHARED},
        .length = LOCKED_BYTES,
        .value = l->kind == OP_PWRITE ? l->buf : NULL,
        .value_len = l->kind == OP_PWRITE ? LOCKED_BYTES : 0,
        .sink = {.write = sink_write, .restart = sink_restart, .arg = l},
        .cb = on_done,
        .arg = l};
    sim_note(sim_of(l), l->client->name, "locker starts", (uint64_t)l->kind, l->number);
    sim_say(sim_of(l), l->client->name, "locker %u op %d%s …", l->number, l->kind, l->exclusive ? " exclusive" : "");
    l->active = true;
    int err = client_start(l->client->client, &r);
    if (err)
        sim_fail(sim_of(l), "client_start refuses a locker: %s", dfs_errname(err));
    limit(l);
    node_touch(l->client);
}

void locks_init(struct work *w)
{
    snprintf(w->locked.path, SIM_PATH_MAX, "/shared/e-locked");
    reg_init(&w->locked.content, "");
    for (uint32_t i = 0; i < LOCKERS; i++)
        w->lockers[i] = (struct locker){
            .work = w, .number = i, .client = cluster_client(w->cluster, i % w->cluster->swarm.clients)};
}

void locks_start(struct work *w, uint32_t ops)
{
    for (uint32_t i = 0; i < LOCKERS; i++) {
        w->lockers[i].ops_left = ops;
        plan_next(&w->lockers[i]);
    }
}

bool locks_done(const struct work *w)
{
    for (uint32_t i = 0; i < LOCKERS; i++)
        if (w->lockers[i].ops_left > 0 || w->lockers[i].active || w->lockers[i].handle)
            return false;
    return true;
}

void locks_close(struct work *w) { reg_close(&w->locked.content); }
