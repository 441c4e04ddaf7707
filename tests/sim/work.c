/* SPDX-License-Identifier: MIT */
#include "sim/work.h"

#include <stdio.h>
#include <stdlib.h>

static void on_next(void *arg, uint64_t a, uint64_t b);

static struct sim *sim_of(const struct actor *a) { return a->work->cluster->sim; }

static void plan_next(struct actor *a)
{
    sim_plan(sim_of(a), 1 + sim_below(sim_of(a), a->work->cluster->swarm.think), on_next, a, 0, 0);
}

static struct value fresh_value(struct actor *a)
{
    struct sim *s = sim_of(a);
    uint32_t most = sim_chance(s, 100) ? a->work->cluster->swarm.max_file : 9000;
    uint32_t size = sim_chance(s, 60)    ? 0
                    : sim_chance(s, 100) ? 4096 * (uint32_t)sim_below(s, 4)
                                         : 1 + (uint32_t)sim_below(s, most);
    return (struct value){++a->work->next_value, size};
}

/* --- the actor's own directory --- */

static void draw_path(struct actor *a, char *out)
{
    struct sim *s = sim_of(a);
    char top = (char)('a' + sim_below(s, 4));
    if (sim_chance(s, 500))
        snprintf(out, SIM_PATH_MAX, "%.40s/%c", a->root, top);
    else
        snprintf(out, SIM_PATH_MAX, "%.40s/%c/%c", a->root, top, (char)('x' + sim_below(s, 2)));
}

static void draw_symlink(struct actor *a, char *out)
{
    snprintf(out, SIM_PATH_MAX, "%.40s/s%d", a->root, (int)sim_below(sim_of(a), 2));
}

static void draw_rename(struct actor *a, struct op *op)
{
    if (sim_chance(sim_of(a), 150)) {
        draw_symlink(a, op->path);
        draw_symlink(a, op->path2);
        return;
    }
    draw_path(a, op->path);
    draw_path(a, op->path2);
    if (tree_is_child(op->path, op->path2)) { /* POSIX leaves open which error a target above the source gives */
        struct op back = *op;
        snprintf(op->path, sizeof op->path, "%s", back.path2);
        snprintf(op->path2, sizeof op->path2, "%s", back.path);
        return;
    }
    if (tree_count(&a->tree, op->path) > 0 && strchr(op->path2 + strlen(a->root) + 1, '/')) /* the tree stays shallow */
        snprintf(op->path2, SIM_PATH_MAX, "%.40s/%c", a->root, (char)('a' + sim_below(sim_of(a), 4)));
}

static void draw_own(struct actor *a, struct op *op)
{
    static const struct {
        enum client_op_kind kind;
        unsigned weight;
    } mix[] = {{OP_PUT, 28},   {OP_GET, 22},  {OP_STAT, 9},   {OP_READDIR, 8}, {OP_MKDIR, 9},  {OP_UNLINK, 6},
               {OP_RENAME, 9}, {OP_RMDIR, 2}, {OP_REMOVE, 2}, {OP_SYMLINK, 2}, {OP_SETATTR, 3}};
    struct sim *s = sim_of(a);
    unsigned pick = (unsigned)sim_below(s, 100), i = 0;
    while (i + 1 < ARRAY_LEN(mix) && pick >= mix[i].weight)
        pick -= mix[i++].weight;
    *op = (struct op){.kind = mix[i].kind};
    if (op->kind == OP_RENAME) {
        draw_rename(a, op);
        return;
    }
    if (op->kind == OP_SYMLINK || ((op->kind == OP_STAT || op->kind == OP_UNLINK) && sim_chance(s, 200)))
        draw_symlink(a, op->path);
    else if ((op->kind == OP_READDIR || op->kind == OP_SETATTR) && sim_chance(s, 500))
        snprintf(op->path, sizeof op->path, "%s", a->root);
    else
        draw_path(a, op->path);
    if (op->kind == OP_SYMLINK)
        snprintf(op->path2, sizeof op->path2, "to/%u", (unsigned)sim_below(s, 1000));
    if (op->kind == OP_PUT)
        op->value = fresh_value(a);
    if (op->kind == OP_SETATTR) /* nothing that one server's loss would lose */
        op->goal = (uint8_t)(sim_chance(s, 300) ? 0 : 2 + sim_below(s, 2));
    if (op->kind == OP_REMOVE && sim_chance(s, 500))
        op->flags = DFS_KEEP;
}

static void taint(struct actor *a, const struct tree *after)
{
    struct work *w = a->work;
    w->tainted = xrealloc(w->tainted, w->n_tainted + 1, sizeof *w->tainted);
    w->tainted[w->n_tainted++] = (struct tainted){a->tree, *after};
    a->tree.n = 0;
    a->has_root = false;
    a->generation++;
}

static void check_get(struct actor *a, const struct tree_entry *e)
{
    struct call *c = &a->call;
    if (!value_is(e->value, c->got.p, c->got.len))
        sim_fail(sim_of(a), "get %s: %zu bytes that begin with id %" PRIu64 " instead of the %u of id %" PRIu64,
                 c->op.path, c->got.len, c->got.len >= 8 ? get_u64(c->got.p) : 0, e->value.size, e->value.id);
}

static void check_list(struct actor *a)
{
    struct call *c = &a->call;
    uint32_t known = tree_count(&a->tree, c->op.path);
    if (c->listed.n != known)
        sim_fail(sim_of(a), "readdir %s: %u names instead of %u", c->op.path, c->listed.n, known);
    for (uint32_t i = 0; i < c->listed.n; i++) {
        char path[2 * SIM_PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", c->op.path, c->listed.v[i].path);
        const struct tree_entry *e = tree_find(&a->tree, path);
        if (!e || e->type != c->listed.v[i].type)
            sim_fail(sim_of(a), "readdir lists %s, which %s", path, e ? "is of another type" : "is not there");
        else if (e->goal != c->listed.v[i].goal)
            sim_fail(sim_of(a), "readdir gives %s goal %u instead of %u", path, c->listed.v[i].goal, e->goal);
        else if (e->type == DFS_FILE && e->value.size != c->listed.v[i].value.size)
            sim_fail(sim_of(a), "readdir gives %s %u bytes instead of %u", path, c->listed.v[i].value.size,
                     e->value.size);
    }
}

static void check_stat(struct actor *a, const struct tree_entry *e)
{
    struct call *c = &a->call;
    if (c->attr.type != e->type || (e->type == DFS_FILE && c->attr.size != e->value.size))
        sim_fail(sim_of(a), "stat %s: type %u size %" PRIu64 " instead of type %u size %u", c->op.path, c->attr.type,
                 c->attr.size, e->type, e->value.size);
    if (c->attr.goal_chosen != (e->goal != 0) || (e->goal != 0 && c->attr.goal != e->goal))
        sim_fail(sim_of(a), "stat %s: goal %u, %s, instead of %u", c->op.path, c->attr.goal,
                 c->attr.goal_chosen ? "chosen" : "the default", e->goal);
    if (e->type == DFS_SYMLINK && strcmp(c->target, e->target) != 0)
        sim_fail(sim_of(a), "symlink %s points to '%s' instead of '%s'", c->op.path, c->target, e->target);
}

/* What a read of the tree must answer. */
static int expect_read(const struct tree *t, const struct op *op, const struct tree_entry **e)
{
    struct op probe = {.kind = OP_UNLINK};
    snprintf(probe.path, sizeof probe.path, "%s", op->path);
    struct tree copy = *t;
    int err = tree_step(&copy, &probe); /* walks the same path */
    *e = tree_find(t, op->path);
    if (!*e)
        return err;
    if (op->kind == OP_GET && (*e)->type == DFS_DIRECTORY)
        return DFS_EISDIR;
    return op->kind == OP_READDIR && (*e)->type != DFS_DIRECTORY ? DFS_ENOTDIR : 0;
}

static void finish_read(struct actor *a)
{
    struct call *c = &a->call;
    const struct tree_entry *e;
    int expected = expect_read(&a->tree, &c->op, &e);
    if (!status_is_answer(c->status))
        return;
    if (c->status != expected)
        sim_fail(sim_of(a), "operation %d on %s: %s instead of %s", c->op.kind, c->op.path, dfs_errname(c->status),
                 dfs_errname(expected));
    else if (expected == 0 && c->op.kind == OP_GET)
        check_get(a, e);
    else if (expected == 0 && c->op.kind == OP_STAT)
        check_stat(a, e);
    else if (expected == 0)
        check_list(a);
}

static void finish_own(struct actor *a)
{
    struct call *c = &a->call;
    if (c->op.kind == OP_GET || c->op.kind == OP_STAT || c->op.kind == OP_READDIR) {
        finish_read(a);
        return;
    }
    struct tree after = a->tree;
    int expected = tree_step(&after, &c->op);
    if (c->status == DFS_EUNKNOWN || c->status == DFS_ECANCELED)
        taint(a, &after);
    else if (status_is_answer(c->status) && c->status != expected)
        sim_fail(sim_of(a), "operation %d on %s %s: %s instead of %s", c->op.kind, c->op.path, c->op.path2,
                 dfs_errname(c->status), dfs_errname(expected));
    else if (c->status == 0 && (a->work->cluster->swarm.sabotage != SABOTAGE_WRONG_ORACLE || c->op.kind != OP_PUT))
        a->tree = after;
}

/* The first operation in a directory of its own makes it. */
static void finish_root(struct actor *a)
{
    struct call *c = &a->call;
    if (c->status == DFS_EUNKNOWN || c->status == DFS_ECANCELED) {
        a->generation++;
        return;
    }
    if (c->status == 0) {
        a->has_root = true;
        a->tree.n = 0;
        (void)tree_step(&a->tree, &(struct op){.kind = OP_MKDIR, .path = ""});
        snprintf(a->tree.v[0].path, SIM_PATH_MAX, "%s", a->root);
    } else if (status_is_answer(c->status)) {
        sim_fail(sim_of(a), "mkdir %s: %s", a->root, dfs_errname(c->status));
    }
}

/* --- the shared names --- */

static void draw_shared(struct actor *a, struct op *op)
{
    struct sim *s = sim_of(a);
    a->reg = &a->work->shared[sim_below(s, WORK_SHARED)];
    unsigned pick = (unsigned)sim_below(s, 100);
    *op = (struct op){.kind = pick < 45 ? OP_GET : pick < 85 ? OP_PUT : OP_UNLINK};
    snprintf(op->path, sizeof op->path, "%s", a->reg->path);
    if (op->kind == OP_GET)
        return;
    if (op->kind == OP_PUT)
        op->value = fresh_value(a);
    if (op->kind == OP_PUT && sim_chance(s, 300)) { /* under another name first, and then renamed over */
        snprintf(a->rename_to, sizeof a->rename_to, "%s", a->reg->path);
        snprintf(op->path, sizeof op->path, "/shared/t%" PRIu64, op->value.id);
        return;
    }
    a->reg_write = reg_begin(a->reg, op->value, s->now);
}

static void check_shared_read(struct actor *a, const void *p, size_t len)
{
    struct call *c = &a->call;
    if (!reg_read(a->reg, c->start, sim_of(a)->now, p, len))
        sim_fail(sim_of(a), "get %s: %s (%zu bytes, id %" PRIu64 ") cannot be what was there", c->op.path,
                 p ? "this content" : "ENOENT", len, p && len >= 8 ? get_u64(p) : 0);
}

/* The second half of put and rename; true if it was begun. */
static bool begin_rename(struct actor *a)
{
    struct call *c = &a->call;
    bool go = c->status == 0 && a->rename_to[0] && c->op.kind == OP_PUT && a->call.client->up;
    if (go) {
        c->op.kind = OP_RENAME;
        snprintf(c->op.path2, sizeof c->op.path2, "%s", a->rename_to);
        a->reg_write = reg_begin(a->reg, c->op.value, sim_of(a)->now);
    }
    a->rename_to[0] = 0;
    return go;
}

static void finish_shared(struct actor *a)
{
    struct call *c = &a->call;
    struct sim *s = sim_of(a);
    bool unknown = c->status == DFS_EUNKNOWN || c->status == DFS_ECANCELED;
    if (c->op.kind == OP_GET) {
        if (c->status == 0)
            check_shared_read(a, c->got.p ? c->got.p : (uint8_t *)"", c->got.len);
        else if (c->status == DFS_ENOENT)
            check_shared_read(a, NULL, 0);
        else if (status_is_answer(c->status))
            sim_fail(s, "get %s: %s", c->op.path, dfs_errname(c->status));
        return;
    }
    if (strcmp(c->op.path, a->reg->path) != 0 && c->op.kind == OP_PUT) /* the put of a name that nobody knows */
        return;
    if (c->status == 0)
        reg_end(a->reg, a->reg_write, s->now);
    else if (!unknown)
        reg_failed(a->reg, a->reg_write);
    if (c->status == DFS_ENOENT && c->op.kind == OP_UNLINK)
        check_shared_read(a, NULL, 0);
    else if (c->status && status_is_answer(c->status))
        sim_fail(s, "operation %d on %s: %s", c->op.kind, c->op.path, dfs_errname(c->status));
}

/* --- actors --- */

static void on_call_done(void *arg)
{
    struct actor *a = arg;
    struct work *w = a->work;
    struct call *c = &a->call;
    w->ops++;
    w->unknown_ops += c->status == DFS_EUNKNOWN || c->status == DFS_ECANCELED;
    bool failed = !status_is_answer(c->status) && c->status != DFS_EREPLACED;
    w->failed_ops += failed;
    if (failed && w->strict)
        sim_fail(sim_of(a), "operation %d on %s fails in a healthy cluster: %s", c->op.kind, c->op.path,
                 dfs_errname(c->status));
    if (a->shared) {
        finish_shared(a);
        if (begin_rename(a)) {
            call_start(c);
            return;
        }
    } else if (!a->has_root) {
        finish_root(a);
    } else {
        finish_own(a);
    }
    plan_next(a);
}

static void on_next(void *arg, uint64_t unused_a, uint64_t unused_b)
{
    (void)unused_a;
    (void)unused_b;
    struct actor *a = arg;
    struct call *c = &a->call;
    if (a->ops_left == 0)
        return;
    if (!c->client->up) {
        plan_next(a);
        return;
    }
    a->ops_left--;
    a->shared = sim_chance(sim_of(a), 250);
    if (a->shared) {
        draw_shared(a, &c->op);
    } else if (a->has_root) {
        draw_own(a, &c->op);
    } else {
        snprintf(a->root, sizeof a->root, "/p%u.%u", a->number, a->generation);
        c->op = (struct op){.kind = OP_MKDIR};
        snprintf(c->op.path, sizeof c->op.path, "%s", a->root);
        a->ops_left++;
    }
    call_start(c);
}

void work_init(struct work *w, struct cluster *c)
{
    *w = (struct work){.cluster = c, .n_actors = (uint32_t)min_u64(c->swarm.actors, WORK_ACTORS)};
    for (uint32_t i = 0; i < WORK_SHARED; i++) {
        char path[SIM_PATH_MAX];
        snprintf(path, sizeof path, "/shared/k%u", i);
        reg_init(&w->shared[i], path);
    }
    append_init(w);
    for (uint32_t i = 0; i < w->n_actors; i++) {
        struct actor *a = &w->actors[i];
        a->work = w;
        a->number = i;
        a->call =
            (struct call){.work = w, .client = cluster_client(c, i % c->swarm.clients), .done = on_call_done, .arg = a};
    }
    edit_init(w);
    locks_init(w);
    keep_init(w);
    delegate_init(w);
}

void work_start(struct work *w, uint32_t ops)
{
    append_start(w, ops);
    for (uint32_t i = 0; i < w->n_actors; i++) {
        w->actors[i].ops_left = ops;
        plan_next(&w->actors[i]);
    }
    edit_start(w, ops);
    locks_start(w, ops);
    keep_start(w, ops);
    delegate_start(w, ops);
}

void work_close(struct work *w)
{
    append_close(w);
    call_close(&w->own);
    for (uint32_t i = 0; i < w->n_actors; i++)
        call_close(&w->actors[i].call);
    for (uint32_t i = 0; i < WORK_SHARED; i++)
        reg_close(&w->shared[i]);
    edit_close(w);
    locks_close(w);
    delegate_close(w);
    free(w->tainted);
}

static bool is_undecided(int status, const struct dfs_result *r)
{
    return status == DFS_EUNKNOWN && r && strstr(r->error, "cannot be told");
}

bool work_was_cut(int status, const struct dfs_result *r)
{
    return is_undecided(status, r) && strstr(r->error, "shorter");
}

/* Not those whose time was over before anybody answered: there, nobody was asked long enough. */
void work_count_write(struct work *w, int status, const struct dfs_result *r)
{
    w->writes++;
    w->cut += work_was_cut(status, r);
    w->undecided += is_undecided(status, r) && !work_was_cut(status, r);
}

bool work_done(const struct work *w)
{
    if (!append_done(w))
        return false;
    for (uint32_t i = 0; i < w->n_actors; i++)
        if (w->actors[i].ops_left > 0 || w->actors[i].call.active)
            return false;
    return edit_done(w) && locks_done(w) && keep_done(w) && delegate_done(w);
}
