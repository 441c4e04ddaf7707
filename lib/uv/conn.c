/* SPDX-License-Identifier: MIT */
/* One connection: bytes between its socket and its link.
 *
 * Reading goes straight into the link's buffers. Writing tries the socket at once with everything the link has queued,
 * and leaves the rest to one outstanding uv_write; slices are borrowed from the link until link_sent, so a link that fails
 * has its socket closed in the same callback, before libuv could look at them again. */
#include <stdlib.h>

#include "uv/net_impl.h"
#include "uv/uverr.h"

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);

/* --- slots: a connection's id is its place and the place's generation, so that a late answer finds nobody --- */

static uint64_t slot_take(struct net *n, struct conn *c)
{
    if (n->free_slot == 0) {
        uint32_t old = n->n_slots, size = old ? old * 2 : 16;
        n->slots = xrealloc(n->slots, size, sizeof *n->slots);
        for (uint32_t i = size; i-- > old;) {
            n->slots[i] = (struct slot){NULL, 1, n->free_slot};
            n->free_slot = i + 1;
        }
        n->n_slots = size;
    }
    uint32_t i = n->free_slot - 1;
    n->free_slot = n->slots[i].next_free;
    n->slots[i].conn = c;
    return (uint64_t)n->slots[i].generation << 32 | i;
}

static void slot_give(struct net *n, uint64_t id)
{
    uint32_t i = (uint32_t)id;
    n->slots[i].conn = NULL;
    n->slots[i].generation++;
    n->slots[i].next_free = n->free_slot;
    n->free_slot = i + 1;
}

struct conn *conn_find(struct net *n, uint64_t id)
{
    uint32_t i = (uint32_t)id;
    if (i >= n->n_slots || n->slots[i].generation != (uint32_t)(id >> 32))
        return NULL;
    return n->slots[i].conn;
}

/* --- beginning and end --- */

struct conn *conn_new(struct net *n, bool accepter)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->link = link_new(n->self, accepter, n->mono);
    if (!c->link) {
        free(c);
        return NULL;
    }
    c->net = n;
    c->accepter = accepter;
    c->active = n->mono;
    uv_tcp_init(n->loop, &c->tcp);
    c->tcp.data = c->write.data = c;
    list_init(&c->all);
    list_init(&c->dirty);
    list_init(&c->later);
    list_init(&c->timer);
    list_push(&n->all, &c->all);
    c->id = slot_take(n, c);
    n->counters.conns++;
    if (accepter)
        n->n_accepted++;
    return c;
}

void conn_reap(struct conn *c)
{
    struct net *n = c->net;
    if (!c->closed || !c->drained || c->pumping || c->dial)
        return;
    list_remove(&c->all);
    list_remove(&c->dirty);
    list_remove(&c->later);
    wheel_remove(c);
    slot_give(n, c->id);
    link_free(c->link);
    free(c);
    n->counters.conns--;
    net_maybe_done(n);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    c->closed = true;
    conn_reap(c);
}

/* A peer that goes away between requests is no news; one that breaks the rules is (G7). */
static void log_end(struct conn *c, int err, const char *why)
{
    struct net *n = c->net;
    bool between = link_state(c->link) == LINK_READY ? !link_mid_frame(c->link) : c->bytes_in == 0;
    bool quiet = n->closing || (err == DFS_ECONNLOST && why && between && link_outstanding(c->link) == 0);
    if (quiet) {
        log_debug(n->log, "net.closed", "peer=%s reason=\"%s\"", c->peer, why ? why : link_why(c->link));
        return;
    }
    n->counters.broken++;
    bool news = c->accepter || c->open || net_unreachable_is_news(n, c->peer);
    if (news && net_may_log(n))
        log_event(n->log, c->accepter ? LOG_WARN : LOG_INFO, c->open ? "net.broken" : "net.unreachable",
                  "peer=%s direction=%s reason=\"%s\"", c->peer, c->accepter ? "in" : "out",
                  why ? why : link_why(c->link));
}

void conn_fail(struct conn *c, int err, const char *why)
{
    if (c->closing)
        return;
    log_end(c, err, why);
    if (link_state(c->link) != LINK_FAILED)
        link_fail(c->link, err);
    c->closing = true;
    dial_forget(c);
    dial_cancel(c);
    list_remove(&c->dirty);
    wheel_remove(c);
    if (c->accepter)
        c->net->n_accepted--;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    conn_mark_later(c);
}

/* --- deadlines and pausing --- */

static uint64_t idle_deadline(const struct conn *c)
{
    if (c->accepter)
        return c->active + c->net->limits.idle_timeout;
    /* The caller hangs up first, so that a new call does not race with the other side's closing. */
    if (link_outstanding(c->link) == 0 && c->open)
        return c->active + c->net->limits.idle_timeout / 2;
    return UINT64_MAX;
}

static void reschedule(struct conn *c)
{
    if (!c->closing)
        wheel_put(c, min_u64(link_deadline(c->link), idle_deadline(c)));
}

void conn_expire(struct conn *c, struct now now)
{
    if (c->closing)
        return;
    if (link_deadline(c->link) <= now.mono) {
        link_expire(c->link, now.mono);
        conn_pump(c, now);
    }
    if (c->closing)
        return;
    if (idle_deadline(c) <= now.mono) {
        conn_fail(c, DFS_ECONNLOST, "idle for too long");
        return;
    }
    reschedule(c);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;
    uint32_t len = 0;
    (void)suggested;
    buf->base = (char *)link_space(c->link, &len);
    buf->len = buf->base ? len : 0;
}

/* Reads while the link takes more: a peer with too much outstanding, or that does not read its answers, waits. */
static void update_reading(struct conn *c)
{
    bool want = c->open && !c->closing && !link_paused(c->link) && !(c->accepter && c->net->stopped);
    if (want == c->reading)
        return;
    c->reading = want;
    if (!want) {
        uv_read_stop((uv_stream_t *)&c->tcp);
        return;
    }
    c->burst = 0;
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    if (c->bytes_in > 0)
        conn_mark_later(c); /* frames that had arrived already may be taken now */
}

/* --- receiving --- */

static void deliver(struct conn *c, struct link_event *le, struct now now)
{
    struct net *n = c->net;
    struct event ev = {.now = now, .peer = c->peer, .status = le->status};
    ev.payload = &le->frame.payload;
    ev.head = le->frame.head;
    switch (le->kind) {
    case LINK_REQUEST:
        ev.kind = EV_REQUEST;
        ev.to = (struct reply_to){c->id, le->request};
        ev.msg = &le->msg;
        n->unanswered++;
        n->counters.requests++;
        break;
    case LINK_REPLY:
        ev.kind = EV_REPLY;
        ev.token = le->token;
        ev.msg = le->has_msg ? &le->msg : NULL;
        n->counters.replies++;
        break;
    default:
        return;
    }
    n->handlers.on_event(n->handlers.arg, &ev);
}

static uint32_t gather(struct conn *c, uv_buf_t bufs[NET_SLICES], uint64_t *total)
{
    struct slice slices[NET_SLICES];
    uint32_t count = link_out(c->link, slices, NET_SLICES);
    *total = 0;
    for (uint32_t i = 0; i < count; i++) {
        bufs[i] = uv_buf_init((char *)slice_data(slices[i]), slices[i].len);
        *total += slices[i].len;
    }
    return count;
}

/* A link that refuses a peer tells it why, if the socket takes it at once. */
static void write_last_words(struct conn *c)
{
    uv_buf_t bufs[NET_SLICES];
    uint64_t total;
    uint32_t count = c->open && !c->writing ? gather(c, bufs, &total) : 0;
    if (count > 0)
        uv_try_write((uv_stream_t *)&c->tcp, bufs, count);
}

void conn_pump(struct conn *c, struct now now)
{
    struct net *n = c->net;
    struct link_event le;
    c->pumping = true;
    while (link_next(c->link, now.mono, &n->arena, &le)) {
        deliver(c, &le, now);
        link_event_drop(&le);
        arena_reset(&n->arena);
    }
    c->pumping = false;
    if (link_state(c->link) == LINK_FAILED) {
        if (!c->closing) {
            write_last_words(c);
            conn_fail(c, DFS_EPROTO, NULL);
        }
        c->drained = true;
        conn_reap(c);
        return;
    }
    update_reading(c);
    conn_mark_dirty(c);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    struct net *n = c->net;
    if (buf->base)
        link_fed(c->link, nread > 0 ? (uint32_t)nread : 0);
    if (nread == 0)
        return;
    if (nread == UV_ENOBUFS) {
        conn_fail(c, DFS_ENOMEM, "no memory to read into");
        return;
    }
    if (nread < 0) {
        bool cut = link_state(c->link) != LINK_FAILED && link_mid_frame(c->link);
        const char *why = cut ? "closed by the peer inside a frame" : "closed by the peer";
        conn_fail(c, DFS_ECONNLOST, nread == UV_EOF ? why : uv_strerror((int)nread));
        return;
    }
    struct now now = now_sample(); /* after the read: rule A5 */
    n->mono = c->active = now.mono;
    n->counters.bytes_in += (uint64_t)nread;
    c->bytes_in += (uint64_t)nread;
    c->burst += (uint64_t)nread;
    conn_pump(c, now);
    if (c->reading && c->burst >= NET_BURST) { /* the flush that follows begins anew */
        c->reading = false;
        uv_read_stop(stream);
    }
}

/* --- sending --- */

static void on_written(uv_write_t *req, int status)
{
    struct conn *c = req->data;
    c->writing = false;
    if (c->closing)
        return;
    if (status < 0) {
        conn_fail(c, DFS_ECONNLOST, uv_strerror(status));
        return;
    }
    link_sent(c->link, c->write_len);
    c->net->counters.bytes_out += c->write_len;
    c->active = max_u64(c->active, c->net->mono);
    conn_mark_dirty(c);
}

static void write_rest(struct conn *c)
{
    uv_buf_t bufs[NET_SLICES];
    uint32_t count = gather(c, bufs, &c->write_len);
    int err = uv_write(&c->write, (uv_stream_t *)&c->tcp, bufs, count, on_written);
    if (err == 0)
        c->writing = true;
    else
        conn_fail(c, DFS_ECONNLOST, uv_strerror(err));
}

void conn_write(struct conn *c)
{
    while (c->open && !c->writing && !c->closing) {
        uv_buf_t bufs[NET_SLICES];
        uint64_t total;
        uint32_t count = gather(c, bufs, &total);
        if (count == 0)
            break;
        int sent = uv_try_write((uv_stream_t *)&c->tcp, bufs, count);
        if (sent < 0 && sent != UV_EAGAIN) {
            conn_fail(c, DFS_ECONNLOST, uv_strerror(sent));
            return;
        }
        if (sent > 0) {
            link_sent(c->link, (uint64_t)sent);
            c->net->counters.bytes_out += (uint64_t)sent;
            c->active = max_u64(c->active, c->net->mono);
        }
        if (sent < 0 || (uint64_t)sent < total)
            write_rest(c);
    }
    if (c->closing)
        return;
    update_reading(c);
    reschedule(c);
}

void conn_mark_dirty(struct conn *c)
{
    if (!c->closing && list_empty(&c->dirty))
        list_push(&c->net->dirty, &c->dirty);
}

void conn_start(struct conn *c)
{
    c->open = true;
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, 30);
    if (!c->accepter)
        link_connected(c->link);
    update_reading(c);
    conn_mark_dirty(c);
}
