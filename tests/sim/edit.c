/* SPDX-License-Identifier: MIT */
#include "sim/edit.h"

#include <stdio.h>

#include "sim/work.h"

static void on_next(void *arg, uint64_t a, uint64_t b);

static struct sim *sim_of(const struct editor *e) { return e->work->cluster->sim; }

static void plan_next(struct editor *e)
{
    sim_plan(sim_of(e), 1 + sim_below(sim_of(e), e->work->cluster->swarm.think), on_next, e, 0, 0);
}

/* --- reading --- */

static int sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct editor *e = arg;
    uint64_t at = offset - (uint64_t)e->first * EDIT_CELL;
    if (at != e->got || len > sizeof e->buf - at)
        sim_fail(sim_of(e), "edit: bytes at %" PRIu64 " come after %u", at, e->got);
    else
        memcpy(e->buf + at, p, len);
    e->got += (uint32_t)len;
    return 0;
}

static void sink_restart(void *arg) { ((struct editor *)arg)->got = 0; }

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i])
            return false;
    return true;
}

/* A cell behind the end of the file is as absent as one of zeros. */
static void check_cells(struct editor *e)
{
    for (uint32_t i = 0; i < e->n; i++) {
        uint32_t at = i * EDIT_CELL, have = e->got > at ? (uint32_t)min_u64(e->got - at, EDIT_CELL) : 0;
        const uint8_t *p = e->buf + at;
        bool absent = all_zero(p, have);
        if (!absent && have < EDIT_CELL)
            sim_fail(sim_of(e), "%s: cell %u ends in the middle", e->file->path, e->first + i);
        else if (!reg_read(&e->file->cells[e->first + i], e->start, sim_of(e)->now, absent ? NULL : p, have))
            sim_fail(sim_of(e), "%s: cell %u: %s, id %" PRIu64 ", cannot be what was there", e->file->path,
                     e->first + i, absent ? "nothing" : "this content", have >= 8 ? get_u64(p) : 0);
    }
}

/* What lies before the first data is absent. (Behind the first hole it need not be: repair stores small holes as zeros.) */
static void check_gap(struct editor *e, uint64_t data)
{
    for (uint32_t i = e->first; i < EDIT_CELLS && (i + 1ULL) * EDIT_CELL <= data; i++)
        if (!reg_read(&e->file->cells[i], e->start, sim_of(e)->now, NULL, 0))
            sim_fail(sim_of(e), "%s: cell %u is said to be a hole, and cannot be", e->file->path, i);
}

/* --- the end of an operation --- */

static void writes_end(struct editor *e, int status)
{
    for (uint32_t i = 0; i < e->n && status == 0; i++)
        reg_end(&e->file->cells[e->first + i], e->write[i], sim_of(e)->now);
}

static void on_done(void *arg, int status, const struct dfs_result *r)
{
    struct editor *e = arg;
    struct work *w = e->work;
    bool gone = status == DFS_EBADF || status == DFS_ECANCELED; /* the handle went with its session, or its client */
    e->active = false;
    w->ops++;
    w->failed_ops += status != 0;
    sim_note(sim_of(e), e->client->name, "edited", (uint64_t)e->kind, (uint64_t)-status);
    sim_say(sim_of(e), e->client->name, "edit %d %s cells %u+%u -> %s %s", e->kind, e->file->path, e->first, e->n,
            status ? dfs_errname(status) : "ok", status && r ? r->error : "");
    bool may_fail = gone || status == DFS_ENODATA || status == DFS_ENOSERVERS; /* too few copies are left of it */
    e->was_cut |= work_was_cut(status, r);
    if (status && w->strict && !may_fail && !(e->was_cut && status == DFS_EUNKNOWN))
        sim_fail(sim_of(e), "edit: operation %d on %s fails in a healthy cluster: %s", e->kind, e->file->path,
                 r ? r->error : dfs_errname(status));
    if (e->kind == OP_OPEN && status == 0) {
        e->handle = r->file;
        e->was_cut = false;
    }
    if (e->kind == OP_CLOSE || gone)
        e->handle = 0;
    if (e->kind == OP_PWRITE || e->kind == OP_TRUNCATE || e->kind == OP_PUNCH)
        writes_end(e, status);
    if (e->kind == OP_PWRITE || e->kind == OP_PUNCH)
        work_count_write(w, status, r);
    if (e->kind == OP_GET && status == 0)
        check_cells(e);
    if (e->kind == OP_SEEK && (status == 0 || status == DFS_ENODATA))
        check_gap(e, status == 0 ? r->offset : UINT64_MAX);
    plan_next(e);
}

/* --- the next one --- */

static void draw_range(struct editor *e)
{
    struct sim *s = sim_of(e);
    e->first = (uint32_t)sim_below(s, EDIT_CELLS);
    e->n = 1 + (uint32_t)sim_below(s, min_u64(EDIT_CELLS - e->first, sim_chance(s, 200) ? EDIT_CELLS : 4));
    if (sim_chance(s, 200)) { /* all of it: StorageServers keep what is that large in segments of its own */
        e->first = 0;
        e->n = EDIT_CELLS;
    }
}

static void fill_cells(struct editor *e)
{
    struct work *w = e->work;
    for (uint32_t i = 0; i < e->n; i++) {
        struct value v = {++w->next_value, EDIT_CELL};
        value_fill(v, 0, e->buf + i * EDIT_CELL, EDIT_CELL);
        e->write[i] = reg_begin(&e->file->cells[e->first + i], v, sim_of(e)->now);
    }
}

/* What is cut off or punched is absent, as in the beginning. */
static void clear_cells(struct editor *e)
{
    if (e->kind == OP_TRUNCATE) {
        e->first = sim_chance(sim_of(e), 300) ? 0 : e->first;
        e->n = EDIT_CELLS - e->first;
    }
    for (uint32_t i = 0; i < e->n; i++)
        e->write[i] = reg_begin(&e->file->cells[e->first + i], (struct value){0}, sim_of(e)->now);
}

static void draw(struct editor *e)
{
    struct sim *s = sim_of(e);
    unsigned pick = (unsigned)sim_below(s, 100);
    draw_range(e);
    if (!e->handle) {
        e->file = &e->work->edit_files[sim_below(s, EDIT_FILES)];
        e->kind = OP_OPEN;
    } else {
        e->kind = e->ops_left == 0 || pick < 8 ? OP_CLOSE
                  : pick < 16                  ? OP_TRUNCATE
                  : pick < 54                  ? OP_GET
                  : pick < 88                  ? OP_PWRITE
                  : pick < 96                  ? OP_PUNCH
                                               : OP_SEEK;
    }
}

static void on_next(void *arg, uint64_t unused_a, uint64_t unused_b)
{
    struct editor *e = arg;
    (void)unused_a;
    (void)unused_b;
    if (!e->client->up) {
        e->handle = 0;
        if (e->ops_left > 0)
            plan_next(e);
        return;
    }
    if (e->ops_left == 0 && !e->handle)
        return;
    draw(e);
    e->ops_left -= e->ops_left > 0;
    e->start = sim_of(e)->now;
    e->got = 0;
    if (e->kind == OP_PWRITE)
        fill_cells(e);
    if (e->kind == OP_TRUNCATE || e->kind == OP_PUNCH)
        clear_cells(e);
    struct client_request r = {.kind = e->kind,
                               .path = e->file->path,
                               .mode = 0644,
                               .flags = e->kind == OP_SEEK ? DFS_SEEK_DATA : DFS_READ | DFS_WRITE | DFS_CREATE,
                               .file = e->handle,
                               .offset = e->kind == OP_TRUNCATE ? 0 : (uint64_t)e->first * EDIT_CELL,
                               .length = (uint64_t)(e->kind == OP_TRUNCATE ? e->first : e->n) * EDIT_CELL,
                               .value = e->kind == OP_PWRITE ? e->buf : NULL,
                               .value_len = e->kind == OP_PWRITE ? (size_t)e->n * EDIT_CELL : 0,
                               .sink = {.write = sink_write, .restart = sink_restart, .arg = e},
                               .cb = on_done,
                               .arg = e};
    sim_note(sim_of(e), e->client->name, "edit", (uint64_t)e->kind, e->first);
    sim_say(sim_of(e), e->client->name, "edit %d %s cells %u+%u id %" PRIu64 " …", e->kind, e->file->path, e->first,
            e->n, e->work->next_value);
    e->active = true;
    int err = client_start(e->client->client, &r);
    if (err)
        sim_fail(sim_of(e), "client_start refuses to edit: %s", dfs_errname(err));
    node_touch(e->client);
}

void edit_init(struct work *w)
{
    for (uint32_t i = 0; i < EDIT_FILES; i++) {
        snprintf(w->edit_files[i].path, SIM_PATH_MAX, "/shared/e%u", i);
        for (uint32_t k = 0; k < EDIT_CELLS; k++)
            reg_init(&w->edit_files[i].cells[k], "");
    }
    for (uint32_t i = 0; i < EDITORS; i++)
        w->editors[i] = (struct editor){.work = w,
                                        .number = i,
                                        .client = cluster_client(w->cluster, i % w->cluster->swarm.clients),
                                        .file = &w->edit_files[0]};
}

void edit_start(struct work *w, uint32_t ops)
{
    for (uint32_t i = 0; i < EDITORS; i++) {
        w->editors[i].ops_left = ops;
        plan_next(&w->editors[i]);
    }
}

bool edit_done(const struct work *w)
{
    for (uint32_t i = 0; i < EDITORS; i++)
        if (w->editors[i].ops_left > 0 || w->editors[i].active || w->editors[i].handle)
            return false;
    return true;
}

void edit_close(struct work *w)
{
    for (uint32_t i = 0; i < EDIT_FILES; i++)
        for (uint32_t k = 0; k < EDIT_CELLS; k++)
            reg_close(&w->edit_files[i].cells[k]);
}
