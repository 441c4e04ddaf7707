/* SPDX-License-Identifier: MIT */
/* The client core's face: starting, stepping, ending. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/file.h"

#define CLIENT_PWRITE_MAX (64u * 1024 * 1024)
#define OP_ARENA_MAX (16u * 1024 * 1024)

struct client *client_new(const struct client_config *cfg)
{
    if (cfg->n_nameservers == 0 || cfg->n_nameservers > CLIENT_MAX_NAMESERVERS)
        return NULL;
    struct client *c = xcalloc(1, sizeof *c);
    c->cfg = *cfg;
    c->cfg.timeout = cfg->timeout ? cfg->timeout : CLIENT_TIMEOUT;
    c->cfg.call_timeout = cfg->call_timeout ? cfg->call_timeout : CLIENT_CALL_TIMEOUT;
    c->cfg.window = cfg->window ? cfg->window : CLIENT_WINDOW;
    for (uint32_t i = 0; i < cfg->n_nameservers; i++)
        c->names[i] = xstrdup(cfg->nameservers[i]);
    for (uint32_t i = 0; i < cfg->n_hosts && i < CLIENT_MAX_HOSTS; i++)
        c->hosts[i] = xstrdup(cfg->hosts[i]);
    c->program = xstrdup(cfg->program ? cfg->program : "libdfs");
    rng_seed(&c->rng, cfg->seed);
    snprintf(c->nm, sizeof c->nm, "%s", c->names[0]);
    list_init(&c->starting);
    list_init(&c->running);
    list_init(&c->ended);
    list_init(&c->sleeping);
    list_init(&c->dated);
    list_init(&c->need_session);
    list_init(&c->need_window);
    list_init(&c->numbered);
    list_init(&c->files);
    list_init(&c->frames);
    c->free_slot = UINT32_MAX;
    c->next_number = c->next_write = 1;
    session_init(c);
    hold_init(c);
    lazy_init(c);
    late_init(c);
    suspicion_init(c);
    watch_init(c);
    blocks_init(c);
    return c;
}

/* --- ops --- */

static void op_free(struct op *op)
{
    rpc_stop(&op->rpc);
    put_free(op);
    get_free(op);
    file_write_free(op);
    lock_free(op);
    list_remove(&op->link);
    list_remove(&op->dated);
    list_remove(&op->syncing);
    arena_close(&op->arena);
    free((char *)op->req.path);
    free((char *)op->req.path2);
    buf_unref(op->value);
    op->c->active--;
    free(op);
}

static void op_mark(struct op *op, int status)
{
    op->ended = true;
    op->status = status;
    rpc_stop(&op->rpc);
    list_remove(&op->link);
    list_push(&op->c->ended, &op->link);
}

void op_end(struct op *op, int status, const char *fmt, ...)
{
    if (op->ended)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(op->error, sizeof op->error, fmt, ap);
    va_end(ap);
    op_mark(op, status);
}

void op_end_ok(struct op *op)
{
    if (!op->ended)
        op_mark(op, 0);
}

bool op_overdue(const struct op *op) { return op->c->now.mono - op->progress >= op->c->cfg.timeout; }

bool op_overdue_with(const struct op *op, int status)
{
    uint64_t most = status == DFS_ENOSPC ? min_u64(op->c->cfg.timeout, FULL_PATIENCE) : op->c->cfg.timeout;
    return op->c->now.mono - op->progress >= most;
}

char *op_string(struct op *op, struct str s)
{
    char *p = arena_alloc(&op->arena, 1, (size_t)s.len + 1);
    if (!p) {
        op_end(op, DFS_ENOMEM, "the answer is too large for this program's memory");
        return NULL;
    }
    if (s.len)
        memcpy(p, s.p, s.len);
    return p;
}

struct dfs_attr attr_of(const struct wire_attr *a)
{
    return (struct dfs_attr){
        .ino = a->ino,
        .generation = a->generation,
        .size = a->size,
        .mtime_ns = a->mtime_ns,
        .ctime_ns = a->ctime_ns,
        .atime_ns = a->atime_ns,
        .mode = a->mode,
        .uid = a->uid,
        .gid = a->gid,
        .nlink = a->nlink,
        .chunks = a->chunks,
        .type = a->type,
        .goal = a->goal,
        .goal_chosen = a->goal_chosen != 0,
    };
}

/* The callbacks of all that ended in this step. A callback may start further operations. */
static void ops_deliver(struct client *c)
{
    while (!list_empty(&c->ended)) {
        struct op *op = CONTAINER_OF(list_first(&c->ended), struct op, link);
        list_remove(&op->link);
        op->result.error = op->error;
        op->req.cb(op->req.arg, op->status, &op->result);
        op_free(op);
    }
}

static void op_begin(struct op *op, struct effects *fx)
{
    list_remove(&op->link);
    list_push(&op->c->running, &op->link);
    op->progress = op->c->now.mono;
    switch (op->req.kind) {
    case OP_PUT:
        put_begin(op, fx);
        return;
    case OP_FILL:
        file_fill_begin(op, fx);
        return;
    case OP_MAKE:
        make_begin(op, fx);
        return;
    case OP_GET:
    case OP_SEEK:
        get_begin(op, fx);
        return;
    case OP_BACKUP:
        backup_begin(op, fx);
        return;
    case OP_OPEN:
        file_open_begin(op, fx);
        return;
    case OP_CLOSE:
        file_close_begin(op, fx);
        return;
    case OP_PWRITE:
    case OP_APPEND:
        file_write_begin(op, fx);
        return;
    case OP_PUNCH:
        file_punch_begin(op, fx);
        return;
    case OP_EXTEND:
        file_extend_begin(op, fx);
        return;
    case OP_TRUNCATE:
        file_truncate_begin(op, fx);
        return;
    case OP_FSYNC:
        file_sync_begin(op, fx);
        return;
    case OP_LOCK:
    case OP_UNLOCK:
    case OP_LOCK_QUERY:
        lock_begin(op, fx);
        return;
    case OP_PROCESS:
        process_begin(op, fx);
        return;
    default:
        path_begin(op, fx);
        return;
    }
}

static int path_check(const char *path)
{
    if (!path)
        return DFS_EINVAL;
    return strlen(path) > WIRE_PATH_MAX ? DFS_ENAMETOOLONG : 0;
}

static int lock_check(const struct client_request *r)
{
    const struct dfs_lock *l = &r->lock;
    bool typed = l->type == DFS_LOCK_SHARED || l->type == DFS_LOCK_EXCLUSIVE;
    return (!typed && r->kind != OP_UNLOCK) || (l->range && l->start > l->end) ? DFS_EINVAL : 0;
}

static int request_check(const struct client_request *r)
{
    int err = 0;
    if (!r->cb)
        return DFS_EINVAL;
    if (r->kind < OP_STATFS || r->kind == OP_PUT || r->kind == OP_OPEN || r->kind == OP_MAKE ||
        ((r->kind == OP_GET || r->kind == OP_TRUNCATE) && !r->file))
        err = path_check(r->path);
    if (r->kind == OP_PROCESS)
        return r->path && *r->path && strlen(r->path) <= WIRE_ADDR_MAX ? 0 : DFS_EINVAL;
    if (!err && (r->kind == OP_SYMLINK || r->kind == OP_RENAME || r->kind == OP_LINK || op_is_xattr(r->kind) ||
                 (r->kind <= OP_USAGE && r->path2)))
        err = path_check(r->path2);
    if (r->kind == OP_APPEND)
        return r->value_len > DFS_APPEND_MAX ? DFS_ETOOBIG : 0;
    if (!err && (r->kind == OP_PWRITE || r->kind == OP_FILL || r->kind == OP_MAKE))
        return r->value_len > CLIENT_PWRITE_MAX ? DFS_ETOOBIG : r->offset > INT64_MAX ? DFS_EFBIG : 0;
    if (r->kind == OP_SEEK && r->flags != DFS_SEEK_DATA && r->flags != DFS_SEEK_HOLE)
        return DFS_EINVAL;
    if (r->kind == OP_PUNCH || r->kind == OP_SEEK)
        return r->offset > INT64_MAX ? DFS_EFBIG : 0;
    if (!err && r->kind >= OP_LOCK && r->kind <= OP_LOCK_QUERY)
        err = lock_check(r);
    if (!err && r->value_len > WIRE_BLOB_MAX)
        err = DFS_ETOOBIG;
    if (!err && r->kind == OP_PUT && (!r->source.read || r->put.goal > MAX_REPLICAS))
        err = DFS_EINVAL;
    if (!err && (r->kind == OP_GET || r->kind == OP_BACKUP) && !r->sink.write)
        err = DFS_EINVAL;
    return err;
}

static void context_fill(const struct client *c, struct dfs_context *at)
{
    at->dir = at->dir ? at->dir : ROOT_INO;
    at->to_dir = at->to_dir ? at->to_dir : ROOT_INO;
    if (at->owner)
        return;
    at->uid = c->cfg.uid;
    at->gid = c->cfg.gid;
}

int client_start(struct client *c, const struct client_request *r)
{
    int err = request_check(r);
    if (err)
        return err;
    if (c->closing)
        return DFS_ECLOSING;
    struct buf *value = r->value_len ? buf_new((uint32_t)r->value_len) : NULL;
    if (r->value_len && !value)
        return DFS_ENOMEM;
    struct op *op = xcalloc(1, sizeof *op);
    op->c = c;
    op->req = *r;
    op->value = value;
    context_fill(c, &op->req.at);
    op->req.path = xstrdup(r->path ? r->path : "");
    op->req.path2 = xstrdup(r->path2 ? r->path2 : "");
    op->req.value = value ? memcpy(value->data, r->value, r->value_len) : NULL;
    arena_init(&op->arena, OP_ARENA_MAX);
    list_init(&op->link);
    list_init(&op->dated);
    list_init(&op->syncing);
    op->number = ++c->last_op;
    list_push(&c->starting, &op->link);
    c->active++;
    return 0;
}

/* --- steps --- */

void client_event(struct client *c, const struct event *ev, struct effects *fx)
{
    c->now = ev->now;
    if (ev->kind == EV_REPLY)
        tasks_reply(c, ev, fx);
    ops_deliver(c);
}

void client_turn(struct client *c, struct now now, struct effects *fx)
{
    c->now = now;
    ops_expire(c);
    tasks_wake(c, fx);
    ops_deliver(c);
    while (!list_empty(&c->starting)) {
        op_begin(CONTAINER_OF(list_first(&c->starting), struct op, link), fx);
        ops_deliver(c);
    }
}

void client_refresh(struct client *c, uint64_t file) { file_recent_drop(file_find(c, file)); }

uint64_t client_deadline(const struct client *c)
{
    if (!list_empty(&c->starting))
        return 0;
    uint64_t at = list_empty(&c->ended) ? ops_deadline(c) : 0;
    for (const struct list *e = c->sleeping.next; e != &c->sleeping; e = e->next)
        at = min_u64(at, CONTAINER_OF(e, struct task, link)->wake);
    return at;
}

uint32_t client_active(const struct client *c) { return c->active; }

static void ops_cancel(struct list *ops)
{
    LIST_FOR_EACH (e, ops)
        op_end(CONTAINER_OF(e, struct op, link), DFS_ECANCELED, "canceled");
}

void client_free(struct client *c)
{
    if (!c)
        return;
    c->closing = true;
    ops_cancel(&c->starting);
    ops_cancel(&c->running);
    ops_deliver(c);
    rpc_stop(&c->session_rpc);
    files_close(c);
    task_stop(&c->untold_timer);
    task_stop(&c->late_timer);
    hold_close(c);
    suspicion_close(c);
    watch_close(c);
    grants_close(c);
    for (uint32_t i = 0; i < c->cfg.n_nameservers; i++)
        free(c->names[i]);
    for (uint32_t i = 0; i < CLIENT_MAX_HOSTS; i++)
        free(c->hosts[i]);
    free(c->program);
    free(c->slots);
    free(c);
}
