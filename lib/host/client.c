/* SPDX-License-Identifier: MIT */
/* libdfs: the client core joined to a network on the caller's loop.
 *
 * Work is done in the loop's callbacks only: an event from the network is one step of the core; a call from the program
 * queues an operation and starts the idle handle, whose callback runs the core's turn in the same round of the loop. */
#include <stdlib.h>
#include <unistd.h>

#include "base/rand.h"
#include "client/client.h"
#include "host/client_config.h"
#include "uv/net.h"

struct dfs_client {
    struct client *core;
    struct net *net;
    struct link_self self;
    struct effects fx;
    struct dfs_context at;
    uv_timer_t timer;
    uv_idle_t idle;
    bool turning, closing;
    unsigned open_handles; /* timer, idle, net */
    void (*done)(void *arg);
    void *done_arg;
};

static void on_idle(uv_idle_t *h);

/* Carries out what the core asked for, and arranges the next turn. */
static void apply(struct dfs_client *c)
{
    for (uint32_t i = 0; i < c->fx.n; i++)
        if (c->fx.v[i].kind == EFF_CALL)
            net_call(c->net, &c->fx.v[i]);
    fx_reset(&c->fx);
}

static void turn_soon(struct dfs_client *c)
{
    if (!c->turning && !c->closing) {
        c->turning = true;
        uv_idle_start(&c->idle, on_idle);
    }
}

static void on_timer(uv_timer_t *h) { turn_soon(h->data); }

static void arm(struct dfs_client *c)
{
    uint64_t at = client_deadline(c->core), now = now_sample().mono;
    if (at == UINT64_MAX)
        uv_timer_stop(&c->timer);
    else if (at <= now)
        turn_soon(c);
    else
        uv_timer_start(&c->timer, on_timer, (at - now + NS_PER_MS - 1) / NS_PER_MS, 0);
}

static void on_event(void *arg, const struct event *ev)
{
    struct dfs_client *c = arg;
    if (!c->core)
        return; /* closed: nobody waits for it */
    client_event(c->core, ev, &c->fx);
    apply(c);
    arm(c);
}

static void on_closed(struct dfs_client *c)
{
    if (--c->open_handles > 0)
        return;
    void (*done)(void *arg) = c->done;
    void *arg = c->done_arg;
    fx_close(&c->fx);
    free(c);
    if (done)
        done(arg);
}

static void on_handle_closed(uv_handle_t *h) { on_closed(h->data); }
static void on_net_closed(void *arg) { on_closed(arg); }

static void close_now(struct dfs_client *c)
{
    struct client *core = c->core;
    client_goodbye(core, now_sample(), &c->fx);
    apply(c);
    net_flush(c->net);
    c->core = NULL;
    client_free(core);
    net_close(c->net, on_net_closed, c);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
    uv_close((uv_handle_t *)&c->idle, on_handle_closed);
}

static void on_idle(uv_idle_t *h)
{
    struct dfs_client *c = h->data;
    c->turning = false;
    uv_idle_stop(h);
    if (c->closing) {
        close_now(c);
        return;
    }
    client_turn(c->core, now_sample(), &c->fx);
    apply(c);
    net_flush(c->net);
    arm(c);
}

int dfs_client_open(struct uv_loop_s *loop, const struct dfs_options *o, struct dfs_client **out)
{
    char names[CLIENT_MAX_NAMESERVERS][CLIENT_ADDRESS_ROOM], hosts[CLIENT_MAX_HOSTS][CLIENT_ADDRESS_ROOM];
    uint64_t random[3];
    struct client_config cfg = {
        .program = o && o->program ? o->program : "libdfs",
        .timeout = o ? o->timeout_ms * NS_PER_MS : 0,
        .window = o ? o->window : 0,
        .uid = geteuid(),
        .gid = getegid(),
    };
    int err = client_config_nameservers(&cfg, o ? o->nameservers : NULL, names);
    if (!err)
        err = entropy_get(random, sizeof random);
    if (err)
        return err;
    client_config_hosts(&cfg, hosts);
    cfg.nonce = random[0];
    cfg.seed = random[1];
    struct dfs_client *c = xcalloc(1, sizeof *c);
    c->self = (struct link_self){.node = random[2], .role = ROLE_CLIENT, .software = "libdfs"};
    err = net_new(loop, &c->self, NULL, NULL, &(struct net_handlers){on_event, c}, &c->net);
    if (err) {
        free(c);
        return err;
    }
    c->core = client_new(&cfg);
    fx_init(&c->fx);
    uv_timer_init(loop, &c->timer);
    uv_idle_init(loop, &c->idle);
    c->timer.data = c->idle.data = c;
    c->open_handles = 3;
    *out = c;
    return 0;
}

void dfs_client_close(struct dfs_client *c, void (*done)(void *arg), void *arg)
{
    if (c->closing)
        return;
    /* from the loop, never from inside a callback of ours: the core may be in the middle of a step */
    turn_soon(c);
    c->closing = true;
    c->done = done;
    c->done_arg = arg;
}

static int start(struct dfs_client *c, const struct client_request *r)
{
    if (c->closing)
        return DFS_ECLOSING;
    struct client_request q = *r;
    if (q.at.dir == 0)
        q.at = c->at;
    int err = client_start(c->core, &q);
    if (!err)
        turn_soon(c);
    return err;
}

void dfs_set_context(struct dfs_client *c, const struct dfs_context *x)
{
    c->at = x ? *x : (struct dfs_context){.dir = 0};
}

uint64_t dfs_last_call(const struct dfs_client *c) { return c->core ? client_last(c->core) : 0; }

void dfs_cancel(struct dfs_client *c, uint64_t call)
{
    if (!c->core)
        return;
    client_cancel(c->core, call);
    turn_soon(c);
}

void dfs_set_deadline(struct dfs_client *c, uint64_t call, uint64_t ms)
{
    uint64_t now = now_sample().mono, ns = 0;
    if (!c->core)
        return;
    bool none = ms == 0 || __builtin_mul_overflow(ms, NS_PER_MS, &ns) || ns > UINT64_MAX - now;
    client_set_deadline(c->core, call, none ? UINT64_MAX : now + ns);
    turn_soon(c);
}

const char *dfs_trouble(const struct dfs_client *c, uint64_t ms)
{
    return c->core ? client_trouble(c->core, now_sample().mono, ms * NS_PER_MS) : NULL;
}

void dfs_resume(struct dfs_client *c, uint64_t call)
{
    if (!c->core)
        return;
    client_resume(c->core, call);
    turn_soon(c);
}

int dfs_stat(struct dfs_client *c, const char *path, unsigned flags, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_STAT, .path = path, .flags = flags, .cb = cb, .arg = arg});
}

int dfs_readdir(struct dfs_client *c, const char *path, const char *after, uint32_t limit, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_READDIR, .path = path, .path2 = after, .limit = limit, .cb = cb, .arg = arg});
}

int dfs_mkdir(struct dfs_client *c, const char *path, uint32_t mode, unsigned flags, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_MKDIR, .path = path, .mode = mode, .flags = flags, .cb = cb, .arg = arg});
}

int dfs_create(struct dfs_client *c, const char *path, uint32_t mode, unsigned flags, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_CREATE, .path = path, .mode = mode, .flags = flags, .cb = cb, .arg = arg});
}

int dfs_mknod(struct dfs_client *c, const char *path, uint8_t type, uint32_t mode, uint64_t device, dfs_cb cb,
              void *arg)
{
    return start(c,
                 &(struct client_request){
                     .kind = OP_MKNOD, .path = path, .limit = type, .mode = mode, .id = device, .cb = cb, .arg = arg});
}

int dfs_symlink(struct dfs_client *c, const char *target, const char *path, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_SYMLINK, .path = path, .path2 = target, .cb = cb, .arg = arg});
}

int dfs_unlink(struct dfs_client *c, const char *path, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_UNLINK, .path = path, .cb = cb, .arg = arg});
}

int dfs_rmdir(struct dfs_client *c, const char *path, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_RMDIR, .path = path, .cb = cb, .arg = arg});
}

int dfs_rename(struct dfs_client *c, const char *from, const char *to, unsigned flags, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_RENAME, .path = from, .path2 = to, .flags = flags, .cb = cb, .arg = arg});
}

int dfs_setattr(struct dfs_client *c, const char *path, const struct dfs_setattr *s, unsigned flags, dfs_cb cb,
                void *arg)
{
    return start(
        c, &(struct client_request){.kind = OP_SETATTR, .path = path, .set = *s, .flags = flags, .cb = cb, .arg = arg});
}

int dfs_link(struct dfs_client *c, const char *path, const char *to, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_LINK, .path = path, .path2 = to, .cb = cb, .arg = arg});
}

int dfs_usage(struct dfs_client *c, const char *path, const char *after, uint32_t limit, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_USAGE, .path = path, .path2 = after, .limit = limit, .cb = cb, .arg = arg});
}

int dfs_setxattr(struct dfs_client *c, const char *path, const char *name, const void *p, size_t len, unsigned flags,
                 dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_SETXATTR,
                                             .path = path,
                                             .path2 = name,
                                             .value = p,
                                             .value_len = len,
                                             .flags = flags,
                                             .cb = cb,
                                             .arg = arg});
}

int dfs_getxattr(struct dfs_client *c, const char *path, const char *name, unsigned flags, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_GETXATTR, .path = path, .path2 = name, .flags = flags, .cb = cb, .arg = arg});
}

int dfs_listxattr(struct dfs_client *c, const char *path, unsigned flags, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_LISTXATTR, .path = path, .path2 = "", .flags = flags, .cb = cb, .arg = arg});
}

int dfs_removexattr(struct dfs_client *c, const char *path, const char *name, unsigned flags, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_REMOVEXATTR, .path = path, .path2 = name, .flags = flags, .cb = cb, .arg = arg});
}

int dfs_remove(struct dfs_client *c, const char *path, unsigned flags, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_REMOVE, .path = path, .flags = flags, .cb = cb, .arg = arg});
}

int dfs_trash_list(struct dfs_client *c, uint64_t after, uint32_t limit, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_TRASH_LIST, .path = "", .id = after, .limit = limit, .cb = cb, .arg = arg});
}

int dfs_trash_restore(struct dfs_client *c, uint64_t id, const char *to, dfs_cb cb, void *arg)
{
    return start(
        c, &(struct client_request){.kind = OP_TRASH_RESTORE, .id = id, .path = to ? to : "", .cb = cb, .arg = arg});
}

int dfs_trash_empty(struct dfs_client *c, uint64_t id, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_TRASH_EMPTY, .path = "", .id = id, .cb = cb, .arg = arg});
}

int dfs_trash_keep(struct dfs_client *c, uint64_t ms, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_TRASH_KEEP, .path = "", .id = ms, .cb = cb, .arg = arg});
}

int dfs_statfs(struct dfs_client *c, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_STATFS, .cb = cb, .arg = arg});
}

int dfs_status(struct dfs_client *c, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_STATUS, .cb = cb, .arg = arg});
}

int dfs_server_process(struct dfs_client *c, const char *address, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_PROCESS, .path = address, .cb = cb, .arg = arg});
}

int dfs_health(struct dfs_client *c, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_HEALTH, .cb = cb, .arg = arg});
}

int dfs_fsck(struct dfs_client *c, uint64_t dir, const char *path, const char *after, uint32_t limit, dfs_cb cb,
             void *arg)
{
    return start(c,
                 &(struct client_request){
                     .kind = OP_FSCK, .id = dir, .path = path, .path2 = after, .limit = limit, .cb = cb, .arg = arg});
}

int dfs_server_set(struct dfs_client *c, uint32_t id, unsigned action, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_SERVER_SET, .path = "", .limit = id, .mode = action, .cb = cb, .arg = arg});
}

int dfs_rebalance(struct dfs_client *c, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_REBALANCE, .cb = cb, .arg = arg});
}

int dfs_give_up(struct dfs_client *c, uint64_t ino, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_GIVE_UP, .id = ino, .cb = cb, .arg = arg});
}

int dfs_nm_remove(struct dfs_client *c, uint32_t id, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_NM_REMOVE, .limit = id, .cb = cb, .arg = arg});
}

int dfs_nm_transfer(struct dfs_client *c, uint32_t id, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_NM_TRANSFER, .limit = id, .cb = cb, .arg = arg});
}

int dfs_quarantine_drop(struct dfs_client *c, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_QUARANTINE_DROP, .cb = cb, .arg = arg});
}

int dfs_recover(struct dfs_client *c, unsigned what, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_RECOVER, .limit = what, .cb = cb, .arg = arg});
}

int dfs_nm_backup(struct dfs_client *c, const struct dfs_sink *sink, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_BACKUP, .sink = *sink, .cb = cb, .arg = arg});
}

int dfs_put(struct dfs_client *c, const char *path, const struct dfs_source *src, const struct dfs_put_options *o,
            dfs_cb cb, void *arg)
{
    struct client_request r = {.kind = OP_PUT, .path = path, .source = *src, .cb = cb, .arg = arg};
    if (o)
        r.put = *o;
    return start(c, &r);
}

int dfs_get(struct dfs_client *c, const char *path, uint64_t offset, uint64_t length, const struct dfs_sink *sink,
            dfs_cb cb, void *arg)
{
    return start(
        c, &(struct client_request){
               .kind = OP_GET, .path = path, .offset = offset, .length = length, .sink = *sink, .cb = cb, .arg = arg});
}

/* --- open files --- */

int dfs_open(struct dfs_client *c, const char *path, unsigned flags, uint32_t mode, dfs_cb cb, void *arg)
{
    return start(
        c, &(struct client_request){.kind = OP_OPEN, .path = path, .flags = flags, .mode = mode, .cb = cb, .arg = arg});
}

struct dfs_kept *dfs_keep(struct dfs_client *c) { return c->core ? (struct dfs_kept *)client_keep(c->core) : NULL; }

void dfs_keep_end(struct dfs_kept *kept) { buf_unref((struct buf *)kept); }

void dfs_refresh(struct dfs_client *c, uint64_t file)
{
    if (c->core)
        client_refresh(c->core, file);
}

int dfs_close(struct dfs_client *c, uint64_t file, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_CLOSE, .file = file, .cb = cb, .arg = arg});
}

int dfs_pwrite(struct dfs_client *c, uint64_t file, uint64_t offset, const void *p, size_t len, dfs_cb cb, void *arg)
{
    return start(
        c, &(struct client_request){
               .kind = OP_PWRITE, .file = file, .offset = offset, .value = p, .value_len = len, .cb = cb, .arg = arg});
}

int dfs_fill(struct dfs_client *c, uint64_t file, const void *p, size_t len, dfs_cb cb, void *arg)
{
    return start(
        c, &(struct client_request){.kind = OP_FILL, .file = file, .value = p, .value_len = len, .cb = cb, .arg = arg});
}

int dfs_delegate(struct dfs_client *c, uint64_t dir, uint32_t inodes, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_DELEGATE, .path = "", .at = {.dir = dir}, .limit = inodes, .cb = cb, .arg = arg});
}

int dfs_delegate_return(struct dfs_client *c, uint64_t dir, dfs_cb cb, void *arg)
{
    return start(
        c, &(struct client_request){.kind = OP_DELEGATE_RETURN, .path = "", .at = {.dir = dir}, .cb = cb, .arg = arg});
}

int dfs_make(struct dfs_client *c, const char *name, const struct dfs_make *what, const void *p, size_t len, dfs_cb cb,
             void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_MAKE,
                        .path = name,
                        .at = {.dir = what->dir, .owner = true, .uid = what->uid, .gid = what->gid},
                        .id = what->ino,
                        .mode = what->mode,
                        .put = {.goal = what->goal},
                        .set = {.mtime_ns = what->mtime_ns, .atime_ns = what->atime_ns},
                        .flags = DFS_LAZY | DFS_READ | DFS_WRITE,
                        .value = p,
                        .value_len = len,
                        .cb = cb,
                        .arg = arg,
                    });
}

int dfs_pread(struct dfs_client *c, uint64_t file, uint64_t offset, uint64_t length, const struct dfs_sink *sink,
              dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_GET,
                                             .path = "",
                                             .file = file,
                                             .offset = offset,
                                             .length = length,
                                             .sink = *sink,
                                             .cb = cb,
                                             .arg = arg});
}

int dfs_append(struct dfs_client *c, uint64_t file, const void *p, size_t len, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_APPEND, .file = file, .value = p, .value_len = len, .cb = cb, .arg = arg});
}

int dfs_truncate(struct dfs_client *c, const char *path, uint64_t size, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_TRUNCATE, .path = path, .length = size, .cb = cb, .arg = arg});
}

int dfs_ftruncate(struct dfs_client *c, uint64_t file, uint64_t size, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_TRUNCATE, .file = file, .length = size, .cb = cb, .arg = arg});
}

int dfs_extend(struct dfs_client *c, uint64_t file, uint64_t size, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_EXTEND, .file = file, .length = size, .cb = cb, .arg = arg});
}

int dfs_punch(struct dfs_client *c, uint64_t file, uint64_t offset, uint64_t length, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){
                        .kind = OP_PUNCH, .file = file, .offset = offset, .length = length, .cb = cb, .arg = arg});
}

int dfs_seek(struct dfs_client *c, uint64_t file, uint64_t offset, unsigned what, dfs_cb cb, void *arg)
{
    return start(c,
                 &(struct client_request){
                     .kind = OP_SEEK, .path = "", .file = file, .offset = offset, .flags = what, .cb = cb, .arg = arg});
}

int dfs_fsync(struct dfs_client *c, uint64_t file, dfs_cb cb, void *arg)
{
    return start(c, &(struct client_request){.kind = OP_FSYNC, .file = file, .cb = cb, .arg = arg});
}

static int start_lock(struct dfs_client *c, enum client_op_kind kind, uint64_t file, const struct dfs_lock *l,
                      unsigned flags, dfs_cb cb, void *arg)
{
    return start(
        c, &(struct client_request){.kind = kind, .file = file, .lock = *l, .flags = flags, .cb = cb, .arg = arg});
}

int dfs_lock(struct dfs_client *c, uint64_t file, const struct dfs_lock *l, unsigned flags, dfs_cb cb, void *arg)
{
    return start_lock(c, OP_LOCK, file, l, flags, cb, arg);
}

int dfs_unlock(struct dfs_client *c, uint64_t file, const struct dfs_lock *l, dfs_cb cb, void *arg)
{
    return start_lock(c, OP_UNLOCK, file, l, 0, cb, arg);
}

int dfs_lock_query(struct dfs_client *c, uint64_t file, const struct dfs_lock *l, dfs_cb cb, void *arg)
{
    return start_lock(c, OP_LOCK_QUERY, file, l, 0, cb, arg);
}

void dfs_on_invalidate(struct dfs_client *c, void (*fn)(void *arg, const struct dfs_invalidation *v, size_t n),
                       void *arg)
{
    if (!c->core)
        return;
    client_watch(c->core, fn, arg);
    turn_soon(c);
}
