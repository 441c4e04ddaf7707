/* SPDX-License-Identifier: MIT */
#include "sim/keep.h"

#include <stdio.h>

#include "sim/work.h"

static void on_next(void *arg, uint64_t a, uint64_t b);

static struct sim *sim_of(const struct keeper *k) { return k->work->cluster->sim; }

static void plan_next(struct keeper *k)
{
    sim_plan(sim_of(k), 1 + sim_below(sim_of(k), k->work->cluster->swarm.think), on_next, k, 0, 0);
}

/* What is under way may still happen: its names are given up. */
static void begin_anew(struct keeper *k)
{
    k->generation++;
    snprintf(k->path, sizeof k->path, "/shared/e-keep%u-%u", k->number, k->generation);
    snprintf(k->beside, sizeof k->beside, "/shared/e-beside%u-%u", k->number, k->generation);
    k->handle = 0;
    k->step = KEEP_STORE;
}

/* --- bytes --- */

static int source_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    const struct keeper *k = arg;
    *got = (size_t)min_u64(len, offset < k->storing.size ? k->storing.size - offset : 0);
    value_fill(k->storing, offset, buf, *got);
    return 0;
}

static int sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct keeper *k = arg;
    if (offset != k->got || len > sizeof k->buf - offset)
        sim_fail(sim_of(k), "keep: bytes at %" PRIu64 " come after %u", offset, k->got);
    else
        memcpy(k->buf + offset, p, len);
    k->got += (uint32_t)len;
    return 0;
}

static void sink_restart(void *arg) { ((struct keeper *)arg)->got = 0; }

/* --- the end of an operation --- */

static void after_read(struct keeper *k, int status)
{
    if (status == 0 && !value_is(k->value, k->buf, k->got))
        sim_fail(sim_of(k), "keep: %s, open since before operation %d, holds something else: %u bytes", k->path,
                 k->disturb, k->got);
    k->status = status;
    k->step = status == DFS_EBADF                  ? KEEP_STORE
              : status_is_answer(status) && status ? KEEP_CONFIRM
              : sim_chance(sim_of(k), 500)         ? KEEP_DISTURB
                                                   : KEEP_CLOSE;
    if (k->step == KEEP_STORE)
        begin_anew(k);
}

/* The read was refused: with a session that is over it may be, but a lock tells that the file is open. */
static void after_confirm(struct keeper *k, int status)
{
    if (status == 0 || status == DFS_ELOCKED)
        sim_fail(sim_of(k), "keep: %s is open, and after operation %d reading it fails: %s", k->path, k->disturb,
                 dfs_errname(k->status));
    k->step = KEEP_CLOSE;
}

static void on_done(void *arg, int status, const struct dfs_result *r)
{
    struct keeper *k = arg;
    k->active = false;
    k->work->ops++;
    k->work->failed_ops += status != 0;
    sim_note(sim_of(k), k->owner->name, "kept", (uint64_t)k->step, (uint64_t)-status);
    sim_say(sim_of(k), k->owner->name, "keeper %u step %d %s -> %s", k->number, k->step, k->path,
            status ? dfs_errname(status) : "ok");
    switch (k->step) {
    case KEEP_STORE:
        k->step = KEEP_BESIDE;
        k->value = k->storing;
        if (status)
            begin_anew(k);
        break;
    case KEEP_BESIDE:
        k->step = KEEP_OPEN;
        break;
    case KEEP_OPEN:
        k->handle = status == 0 ? r->file : 0;
        k->step = KEEP_DISTURB;
        if (status)
            begin_anew(k);
        break;
    case KEEP_DISTURB:
        k->step = KEEP_READ;
        break;
    case KEEP_READ:
        after_read(k, status);
        break;
    case KEEP_CONFIRM:
        after_confirm(k, status);
        break;
    case KEEP_CLOSE:
        begin_anew(k);
        break;
    }
    plan_next(k);
}

/* --- the next one --- */

static void draw_disturbance(struct keeper *k)
{
    static const enum client_op_kind kinds[] = {OP_UNLINK, OP_REMOVE, OP_PUT, OP_RENAME};
    k->disturb = kinds[sim_below(sim_of(k), ARRAY_LEN(kinds))];
}

static void draw_value(struct keeper *k)
{
    k->storing = (struct value){++k->work->next_value, 8 + (uint32_t)sim_below(sim_of(k), KEPT_MAX - 8)};
}

static struct client_request request(struct keeper *k)
{
    static const enum client_op_kind kinds[] = {
        [KEEP_STORE] = OP_PUT, [KEEP_BESIDE] = OP_PUT,   [KEEP_OPEN] = OP_OPEN,  [KEEP_DISTURB] = 0,
        [KEEP_READ] = OP_GET,  [KEEP_CONFIRM] = OP_LOCK, [KEEP_CLOSE] = OP_CLOSE};
    struct client_request r = {.kind = kinds[k->step],
                               .path = k->path,
                               .path2 = k->path,
                               .flags = k->step != KEEP_OPEN ? 0 : k->lazy ? DFS_READ | DFS_LAZY : DFS_READ,
                               .mode = 0644,
                               .length = UINT64_MAX,
                               .lock = {.owner = k->number, .type = DFS_LOCK_SHARED},
                               .source = {.read = source_read, .arg = k, .seekable = true},
                               .sink = {.write = sink_write, .restart = sink_restart, .arg = k},
                               .cb = on_done,
                               .arg = k};
    if (k->step == KEEP_READ || k->step == KEEP_CONFIRM || k->step == KEEP_CLOSE) {
        r.file = k->handle;
        r.path = "";
    }
    if (k->step == KEEP_DISTURB)
        r.kind = k->disturb;
    if (r.kind == OP_RENAME || k->step == KEEP_BESIDE) /* what is to be renamed over it */
        r.path = k->beside;
    return r;
}

static struct node *actor(const struct keeper *k)
{
    return k->step == KEEP_DISTURB && !k->lazy ? k->other : k->owner;
}

static bool is_here(const struct keeper *k) { return actor(k)->up; }

static void on_next(void *arg, uint64_t unused_a, uint64_t unused_b)
{
    struct keeper *k = arg;
    (void)unused_a;
    (void)unused_b;
    if (k->ops_left == 0 && k->handle)
        k->step = KEEP_CLOSE;
    else if (k->ops_left == 0)
        return;
    if (!is_here(k)) { /* its handles went with it, and what was on its way may yet arrive */
        begin_anew(k);
        plan_next(k);
        k->ops_left -= k->ops_left > 0;
        return;
    }
    k->ops_left -= k->ops_left > 0;
    k->got = 0;
    draw_value(k);
    if (k->step == KEEP_DISTURB)
        draw_disturbance(k);
    else if (k->step == KEEP_OPEN)
        k->lazy = sim_chance(sim_of(k), 500);
    struct client_request r = request(k);
    struct node *n = actor(k);
    k->active = true;
    int err = client_start(n->client, &r);
    if (err)
        sim_fail(sim_of(k), "client_start refuses a keeper: %s", dfs_errname(err));
    node_touch(n);
}

void keep_init(struct work *w)
{
    for (uint32_t i = 0; i < KEEPERS; i++) {
        uint32_t clients = w->cluster->swarm.clients;
        w->keepers[i] = (struct keeper){.work = w,
                                        .number = i,
                                        .owner = cluster_client(w->cluster, i % clients),
                                        .other = cluster_client(w->cluster, (i + 1) % clients)};
        begin_anew(&w->keepers[i]);
    }
}

void keep_start(struct work *w, uint32_t ops)
{
    for (uint32_t i = 0; i < KEEPERS; i++) {
        w->keepers[i].ops_left = ops;
        plan_next(&w->keepers[i]);
    }
}

bool keep_done(const struct work *w)
{
    for (uint32_t i = 0; i < KEEPERS; i++)
        if (w->keepers[i].ops_left > 0 || w->keepers[i].active || w->keepers[i].handle)
            return false;
    return true;
}
