/* SPDX-License-Identifier: MIT */
#include "host/host.h"

#include <stdio.h>

#define DRAIN_POLL_MS 10u

static void on_timer(uv_timer_t *timer);

/* --- effects --- */

static void write_log(struct host *h, const struct effect *e)
{
    char event[64];
    const char *space = memchr(e->text.p, ' ', e->text.len);
    uint32_t n = space ? (uint32_t)(space - e->text.p) : e->text.len;
    struct str rest = {e->text.p + n + (space ? 1 : 0), e->text.len - n - (space ? 1 : 0)};
    snprintf(event, sizeof event, "%.*s", (int)n, e->text.p);
    log_event(h->log, (enum log_level)e->level, event, "%.*s", STR_ARG(rest));
}

static void fail(struct host *h, struct str text)
{
    char why[WIRE_TEXT_MAX];
    snprintf(why, sizeof why, "%.*s", STR_ARG(text));
    h->failed = true;
    h->owner.fatal(h->owner.arg, why);
}

static void submit(struct host *h, struct effect *e)
{
    struct disk_op *op = e->op;
    if (op->disk >= h->n_disks) {
        fail(h, STR("an operation for a data folder that does not exist"));
        return;
    }
    e->op = NULL;
    h->disks[op->disk]->ops->submit(h->disks[op->disk], op);
}

/* After a fatal effect nothing more leaves: an answer now might promise what is not so (A2). */
static void execute(struct host *h)
{
    for (uint32_t i = 0; i < h->fx.n && !h->failed; i++) {
        struct effect *e = &h->fx.v[i];
        switch (e->kind) {
        case EFF_REPLY:
            net_reply(h->net, e);
            break;
        case EFF_CALL:
            net_call(h->net, e);
            break;
        case EFF_DISK:
            submit(h, e);
            break;
        case EFF_SNAPSHOT:
            h->owner.snapshot(h->owner.arg, e->token);
            break;
        case EFF_LOG:
            write_log(h, e);
            break;
        case EFF_FATAL:
            fail(h, e->text);
            break;
        }
    }
    fx_reset(&h->fx);
}

/* --- events and turns --- */

static void give_event(struct host *h, const struct event *ev)
{
    if (!h->core || h->dead || h->failed)
        return;
    h->ops->event(h->core, ev, &h->fx);
    execute(h);
    h->touched = true;
}

/* Of the process, which cores know nothing about. */
static void answer_process(struct host *h, struct reply_to to)
{
    char name[UV_MAXHOSTNAMESIZE];
    struct msg m = {.type = MSG_TYPE_process_reply};
    process_usage(&m.process_reply, name, sizeof name);
    fx_reply(&h->fx, to, &m, NULL);
    execute(h);
    h->touched = true; /* the turn's end flushes */
}

static void on_net_event(void *arg, const struct event *ev)
{
    struct host *h = arg;
    if (ev->kind == EV_REQUEST && ev->msg->type == MSG_TYPE_process && h->core && !h->dead && !h->failed)
        answer_process(h, ev->to);
    else
        give_event(h, ev);
}

static void on_disk_done(void *arg, struct disk_op *op)
{
    struct event ev = {.kind = EV_DISK, .now = now_sample(), .token = op->token, .status = op->status, .op = op};
    give_event(arg, &ev);
    disk_op_free(op);
}

void host_snapshot_done(struct host *h, uint64_t token, int status)
{
    struct event ev = {.kind = EV_SNAPSHOT, .now = now_sample(), .token = token, .status = status};
    give_event(h, &ev);
}

static void arm(struct host *h, uint64_t now)
{
    uint64_t deadline = h->ops->deadline(h->core);
    if (deadline == h->armed && deadline > now)
        return;
    h->armed = deadline;
    if (deadline == UINT64_MAX) {
        uv_timer_stop(&h->timer);
        return;
    }
    /* At least a millisecond, so that a deadline which stays in the past cannot spin the loop. */
    uint64_t ms = deadline > now ? (deadline - now + NS_PER_MS - 1) / NS_PER_MS : 1;
    uv_update_time(h->loop);
    uv_timer_start(&h->timer, on_timer, ms, 0);
}

static void turn(struct host *h)
{
    if (!h->touched || !h->core || h->dead || h->failed)
        return;
    struct now now = now_sample();
    h->touched = false;
    h->ops->turn(h->core, now, &h->fx);
    execute(h);
    if (h->failed)
        return;
    net_flush(h->net);
    h->owner.after_turn(h->owner.arg);
    arm(h, now.mono);
}

static void on_timer(uv_timer_t *timer)
{
    struct host *h = timer->data;
    h->armed = 0;
    h->touched = true;
}

/* What timers and idle callbacks brought is finished before the loop waits, what the poll brought right after it. */
static void on_prepare(uv_prepare_t *prepare)
{
    turn(prepare->data);
}

static void on_check(uv_check_t *check)
{
    turn(check->data);
}

/* --- beginning --- */

int host_init(struct host *h, uv_loop_t *loop, const struct logger *log, const struct host_owner *owner, uint8_t role,
              const char *software, uint32_t max_conns)
{
    struct net_handlers handlers = {on_net_event, h};
    struct net_limits limits = {.max_conns = max_conns};
    *h = (struct host){.loop = loop, .log = log, .owner = *owner};
    h->self = (struct link_self){.role = role, .software = software};
    int err = net_new(loop, &h->self, &limits, log, &handlers, &h->net);
    if (err)
        return err;
    fx_init(&h->fx);
    uv_timer_init(loop, &h->timer);
    uv_timer_init(loop, &h->drain);
    uv_prepare_init(loop, &h->prepare);
    uv_check_init(loop, &h->check);
    h->timer.data = h->drain.data = h->prepare.data = h->check.data = h;
    h->n_handles = 4;
    return 0;
}

int host_add_disk(struct host *h, const char *path, char *why, size_t why_len)
{
    struct disk_handlers handlers = {on_disk_done, h};
    if (h->n_disks == HOST_MAX_DISKS) {
        snprintf(why, why_len, "at most %u data folders", HOST_MAX_DISKS);
        return DFS_EINVAL;
    }
    int err = uv_disk_open(h->loop, path, &handlers, &h->disks[h->n_disks]);
    if (err) {
        snprintf(why, why_len, "data folder %s: %s", path,
                 err == DFS_EBUSY ? "in use by another server (its lock is held)" : dfs_strerror(err));
        return err;
    }
    h->n_disks++;
    h->n_open++;
    return 0;
}

int host_listen(struct host *h, const char *address, char *why, size_t why_len)
{
    int err = net_listen(h->net, address, h->address, sizeof h->address);
    if (err)
        snprintf(why, why_len, "cannot listen on %s: %s", address,
                 err == DFS_EBUSY ? "the port is in use" : dfs_strerror(err));
    return err;
}

void host_run(struct host *h, const struct core_ops *ops, void *core)
{
    h->ops = ops;
    h->core = core;
    h->touched = true;
    uv_prepare_start(&h->prepare, on_prepare);
    uv_check_start(&h->check, on_check);
}

/* --- end: the network first, so that nobody is told anything any more; then disks; then our own handles --- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct host *h = handle->data;
    if (--h->n_handles > 0)
        return;
    fx_close(&h->fx);
    h->owner.closed(h->owner.arg);
}

static void close_handles(struct host *h)
{
    uv_close((uv_handle_t *)&h->timer, on_handle_closed);
    uv_close((uv_handle_t *)&h->drain, on_handle_closed);
    uv_close((uv_handle_t *)&h->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&h->check, on_handle_closed);
}

static void on_disk_closed(void *arg)
{
    struct host *h = arg;
    if (--h->n_open == 0)
        close_handles(h);
}

static void on_net_closed(void *arg)
{
    struct host *h = arg;
    if (h->n_disks == 0)
        close_handles(h);
    for (uint32_t i = 0, n = h->n_disks; i < n; i++)
        uv_disk_close(h->disks[i], on_disk_closed, h);
}

void host_close(struct host *h)
{
    if (h->dead)
        return;
    h->dead = h->stopping = true;
    uv_timer_stop(&h->drain);
    net_close(h->net, on_net_closed, h);
}

static void on_drain(uv_timer_t *timer)
{
    struct host *h = timer->data;
    if (!net_busy(h->net) || now_sample().mono >= h->drain_until)
        host_close(h);
}

void host_stop(struct host *h, uint64_t grace)
{
    if (h->stopping)
        return;
    h->stopping = true;
    h->drain_until = now_sample().mono + grace;
    net_stop(h->net);
    net_flush(h->net);
    uv_timer_start(&h->drain, on_drain, 0, DRAIN_POLL_MS);
}
