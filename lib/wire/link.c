/* SPDX-License-Identifier: MIT */
/* One connection's protocol. The states and the contract are in link.h.
 *
 * The happy path: the caller's HELLO leaves before anything else; the accepter checks it and answers; both are READY.
 * A call is written down by its request id, its frame is queued, and the answer with this id ends it. A request from
 * the peer gets a handle, which the host gives back with its reply: what the peer chose as id is only echoed.
 * Possible failures: see fail() and its callers; each leaves a reason in words, and every outstanding call ends. */
#include "wire/link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/calls.h"
#include "wire/codec.h"
#include "wire/outq.h"
#include "wire/pending.h"

#define HELLO_REQUEST 1u
#define HELLO_HEAD_MAX 4096u
#define RECEIVE_HINT_MIN (4u * 1024)
#define RECEIVE_HINT_MAX (64u * 1024)
/* A link that the peer makes answer without reading: pings and refusals beyond this end it. */
#define SAY_MAX_BYTES (2 * LINK_MAX_OUT_BYTES)

struct link {
    const struct link_self *self;
    bool accepter;
    bool refusing; /* failed, but says why to the peer first */
    enum link_state state;
    int lost; /* once failed: how calls end that may have reached the peer */
    char *why;
    uint64_t hello_deadline;
    uint64_t expired; /* calls with a deadline up to here have ended */
    uint64_t next_id;
    uint32_t hint, given; /* how much to read at once; what link_space offered */
    struct frame_parser in;
    struct slice hello; /* a caller's, ahead of the queue */
    struct outq out;
    struct calls calls;
    struct pending requests; /* the peer's */
    struct slice peer_head;  /* what peer.software points into */
    struct msg_hello peer;
};

/* --- life and death --- */

struct link *link_new(const struct link_self *self, bool accepter, uint64_t now)
{
    struct link *l = xcalloc(1, sizeof *l);

    l->self = self;
    l->accepter = accepter;
    l->state = accepter ? LINK_GREETING : LINK_OPENING;
    l->hello_deadline = now + LINK_HELLO_DEADLINE;
    l->next_id = HELLO_REQUEST + 1;
    l->hint = RECEIVE_HINT_MIN;
    /* Before HELLO a peer is nobody: it gets little memory. */
    frame_parser_init(&l->in, HELLO_HEAD_MAX, 0);
    return l;
}

void link_free(struct link *l)
{
    if (l == NULL)
        return;
    frame_parser_close(&l->in);
    slice_drop(&l->hello);
    outq_close(&l->out);
    calls_close(&l->calls);
    pending_close(&l->requests);
    slice_drop(&l->peer_head);
    free(l->why);
    free(l);
}

static void fail(struct link *l, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void fail(struct link *l, int err, const char *fmt, ...)
{
    char why[256];
    va_list ap;

    if (l->state == LINK_FAILED)
        return;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    l->why = xstrdup(why);
    /* Whatever was wrong with an answer's bytes, its request may have been carried out: the caller must know that. */
    l->lost = l->state == LINK_READY ? DFS_ECONNLOST : err;
    l->state = LINK_FAILED;
    frame_parser_close(&l->in);
}

void link_fail(struct link *l, int err)
{
    bool first = l->state != LINK_FAILED;

    fail(l, err, "%s", dfs_strerror(err));
    if (first)
        l->lost = err;
    /* The socket is gone: nothing of ours can leave any more. */
    l->refusing = false;
}

void link_event_drop(struct link_event *ev)
{
    frame_drop(&ev->frame);
    *ev = (struct link_event){0};
}

enum link_state link_state(const struct link *l) { return l->state; }

const char *link_why(const struct link *l) { return l->why != NULL ? l->why : ""; }

uint32_t link_outstanding(const struct link *l) { return l->calls.n; }

bool link_mid_frame(const struct link *l) { return l->in.in_payload || l->in.in.len > 0; }

const struct msg_hello *link_peer(const struct link *l) { return &l->peer; }

/* --- sending --- */

static bool may_queue(const struct link *l) { return l->state != LINK_FAILED; }

static void push_frame(struct link *l, uint16_t type, uint64_t id, struct slice frame, struct payload payload)
{
    uint8_t *p = slice_data(frame);

    frame_put_header(p, type, id, p + FRAME_HEADER, frame.len - FRAME_HEADER, payload_len(&payload));
    outq_push(&l->out, frame);
    for (size_t i = 0; i < PAYLOAD_PARTS; i++)
        outq_push(&l->out, payload.part[i]);
}

/* A message of the link's own, in a buffer of its own. Small, so that running out of memory may abort. */
static struct slice own_frame(const struct msg *m, uint64_t id)
{
    const struct wire_desc *d = wire_desc_of(m->type);
    int64_t len = wire_measure(d, msg_body(m));
    struct buf *b = len >= 0 ? buf_new(FRAME_HEADER + (uint32_t)len) : NULL;

    if (b == NULL)
        return (struct slice){NULL, 0, 0};
    wire_put(d, msg_body(m), b->data + FRAME_HEADER);
    frame_put_header(b->data, m->type, id, b->data + FRAME_HEADER, (uint32_t)len, 0);
    return slice_take(b, 0, FRAME_HEADER + (uint32_t)len);
}

static void say(struct link *l, const struct msg *m, uint64_t id)
{
    struct slice frame = own_frame(m, id);

    if (frame.buf == NULL || outq_bytes(&l->out) > SAY_MAX_BYTES) {
        slice_drop(&frame);
        fail(l, frame.buf == NULL ? DFS_ENOMEM : DFS_ETOOBIG, "the peer does not read its answers");
        return;
    }
    outq_push(&l->out, frame);
}

static void say_error(struct link *l, uint64_t id, int err, const char *text)
{
    struct msg m = {.type = MSG_TYPE_error};

    m.error.code = (uint16_t)-err;
    m.error.text = str_of(text);
    say(l, &m, id);
}

static struct msg_hello our_hello(const struct link *l)
{
    struct str software = str_of(l->self->software != NULL ? l->self->software : "");

    software.len = (uint32_t)min_u64(software.len, WIRE_TEXT_MAX);
    return (struct msg_hello){
        .minor = WIRE_MINOR,
        .cluster_hi = l->self->cluster_hi,
        .cluster_lo = l->self->cluster_lo,
        .role = l->self->role,
        .node = l->self->node,
        .software = software,
    };
}

void link_connected(struct link *l)
{
    struct msg m = {.type = MSG_TYPE_hello};

    if (l->state != LINK_OPENING)
        return;
    m.hello = our_hello(l);
    l->hello = own_frame(&m, HELLO_REQUEST);
    l->state = LINK_GREETING;
    if (l->hello.buf == NULL)
        fail(l, DFS_ENOMEM, "out of memory");
}

void link_call(struct link *l, uint16_t type, struct slice frame, struct payload payload, uint64_t token,
               uint64_t deadline)
{
    struct call c = {.token = token, .type = type, .deadline = deadline, .status = DFS_ETIMEDOUT};

    c.id = l->next_id++;
    c.start = l->out.queued;
    if (frame.buf == NULL || !may_queue(l)) {
        /* What could not be encoded ends at once: its deadline is past. */
        if (frame.buf == NULL) {
            c.deadline = 0;
            c.status = DFS_EIO;
        }
        slice_drop(&frame);
        payload_drop(&payload);
    } else {
        push_frame(l, type, c.id, frame, payload);
    }
    calls_add(&l->calls, &c);
}

uint32_t link_out(struct link *l, struct slice *out, uint32_t max)
{
    bool open = l->state == LINK_READY || (l->state == LINK_FAILED && l->refusing);
    uint32_t n = 0;

    if (l->hello.buf != NULL && l->state != LINK_FAILED && max > 0)
        out[n++] = l->hello;
    if (open)
        n += outq_peek(&l->out, out + n, max - n);
    return n;
}

void link_sent(struct link *l, uint64_t n)
{
    uint64_t of_hello = min_u64(n, l->hello.len);

    if (l->hello.buf != NULL) {
        l->hello.off += (uint32_t)of_hello;
        l->hello.len -= (uint32_t)of_hello;
        if (l->hello.len == 0)
            slice_drop(&l->hello);
    }
    outq_sent(&l->out, n - of_hello);
}

uint64_t link_out_bytes(const struct link *l) { return l->hello.len + outq_bytes(&l->out); }

void link_reply(struct link *l, uint64_t request, uint16_t type, struct slice frame, struct payload payload)
{
    uint64_t peer_id;

    if (!may_queue(l) || !pending_take(&l->requests, request, &peer_id)) {
        slice_drop(&frame);
        payload_drop(&payload);
        return;
    }
    if (frame.buf == NULL) {
        payload_drop(&payload);
        fail(l, DFS_ENOMEM, "out of memory for an answer");
        return;
    }
    push_frame(l, type, peer_id, frame, payload);
}

bool link_paused(const struct link *l)
{
    if (l->state == LINK_FAILED)
        return true;
    /* Only who serves pauses: a caller that stopped reading answers while its requests wait could wait for ever. */
    return l->accepter && (l->requests.n >= LINK_MAX_REQUESTS || l->requests.bytes >= LINK_MAX_REQUEST_BYTES ||
                           outq_bytes(&l->out) >= LINK_MAX_OUT_BYTES);
}

/* --- receiving --- */

uint8_t *link_space(struct link *l, uint32_t *len)
{
    uint8_t *p = frame_parser_space(&l->in, l->hint, len);

    if (p == NULL && l->state != LINK_FAILED)
        fail(l, DFS_ENOMEM, "out of memory while receiving");
    l->given = *len;
    return p;
}

void link_fed(struct link *l, uint32_t n)
{
    /* A peer that fills its buffer gets a larger one, an idle one a small one. */
    if (n == l->given)
        l->hint = (uint32_t)min_u64(l->hint * 2, RECEIVE_HINT_MAX);
    else if (n < l->hint / 4)
        l->hint = (uint32_t)max_u64(l->hint / 2, RECEIVE_HINT_MIN);
    if (l->state != LINK_FAILED)
        frame_parser_fed(&l->in, n);
}

static void become_ready(struct link *l, struct frame *f, struct link_event *ev)
{
    /* Our own copy: the frame's slice would keep a whole receive buffer alive as long as the link. */
    l->peer_head = slice_copy(slice_data(f->head), f->head.len);
    if (l->peer_head.buf != NULL && l->peer.software.len > 0)
        l->peer.software.p =
            (const char *)l->peer_head.buf->data + ((const uint8_t *)l->peer.software.p - slice_data(f->head));
    else
        l->peer.software = STR("");
    l->in.max_head = WIRE_HEAD_MAX;
    l->in.max_payload = WIRE_PAYLOAD_MAX;
    l->state = LINK_READY;
    ev->kind = LINK_UP;
}

static bool cluster_fits(const struct link *l, const struct msg_hello *peer)
{
    const struct link_self *s = l->self;
    bool known = (s->cluster_hi | s->cluster_lo) != 0 && (peer->cluster_hi | peer->cluster_lo) != 0;

    return !known || (s->cluster_hi == peer->cluster_hi && s->cluster_lo == peer->cluster_lo);
}

/* Says why to the peer, then fails: the host writes out link_out's rest, if it can at once, before it closes. */
static void refuse(struct link *l, uint64_t id, int err, const char *text)
{
    say_error(l, id, err, text);
    fail(l, err, "%s", text);
    l->refusing = true;
}

/* The accepter's turn: the first frame must be HELLO. */
static bool take_hello(struct link *l, struct frame *f, struct arena *a, struct link_event *ev)
{
    struct msg answer = {.type = MSG_TYPE_hello_reply};
    struct msg m;
    struct msg_hello ours;

    if (f->type != MSG_TYPE_hello || msg_decode(f->type, slice_data(f->head), f->head.len, &m, a) != 0) {
        fail(l, DFS_EPROTO, "the first message is not HELLO");
        return false;
    }
    if (!cluster_fits(l, &m.hello)) {
        refuse(l, f->request, DFS_ECLUSTER, "HELLO names another cluster");
        return false;
    }
    ours = our_hello(l);
    memcpy(&answer.hello_reply, &ours, sizeof ours);
    say(l, &answer, f->request);
    if (l->state == LINK_FAILED)
        return false;
    l->peer = m.hello;
    become_ready(l, f, ev);
    return true;
}

/* The caller's turn: the first frame must answer our HELLO. */
static bool take_hello_reply(struct link *l, struct frame *f, struct arena *a, struct link_event *ev)
{
    struct msg m;
    bool answer = f->request == HELLO_REQUEST && (f->type == MSG_TYPE_hello_reply || f->type == MSG_TYPE_error);

    if (!answer || msg_decode(f->type, slice_data(f->head), f->head.len, &m, a) != 0) {
        fail(l, DFS_EPROTO, "the first message is not an answer to HELLO");
        return false;
    }
    if (f->type == MSG_TYPE_error) {
        fail(l, wire_error_from(m.error.code), "HELLO was refused: %.*s", STR_ARG(m.error.text));
        return false;
    }
    memcpy(&l->peer, &m.hello_reply, sizeof l->peer);
    if (!cluster_fits(l, &l->peer)) {
        fail(l, DFS_ECLUSTER, "the peer belongs to another cluster");
        return false;
    }
    become_ready(l, f, ev);
    return true;
}

_Static_assert(sizeof(struct msg_hello) == sizeof(struct msg_hello_reply), "HELLO and its answer are one record");

/* Moves the frame into an event. */
static void give_frame(struct link_event *ev, struct frame *f)
{
    ev->frame = *f;
    *f = (struct frame){0};
}

static bool take_reply(struct link *l, struct frame *f, struct arena *a, struct link_event *ev)
{
    const struct call *c = calls_find(&l->calls, f->request);
    int rc;

    if (c == NULL) {
        /* An answer that came after its deadline is nobody's; one to a request never made is nonsense. */
        if (f->request >= l->next_id || f->request <= HELLO_REQUEST)
            fail(l, DFS_EPROTO, "an answer to a request that was never made");
        return false;
    }
    if (f->type != MSG_TYPE_error && f->type != (c->type | MSG_REPLY_BIT)) {
        fail(l, DFS_EPROTO, "%s answered by %s", wire_type_name(c->type), wire_type_name(f->type));
        return false;
    }
    rc = msg_decode(f->type, slice_data(f->head), f->head.len, &ev->msg, a);
    if (rc != 0 && rc != DFS_ENOMEM) {
        fail(l, DFS_EPROTO, "malformed %s", wire_type_name(f->type));
        return false;
    }
    ev->kind = LINK_REPLY;
    ev->token = c->token;
    ev->has_msg = rc == 0;
    ev->status = rc == 0 && f->type == MSG_TYPE_error ? wire_error_from(ev->msg.error.code) : rc;
    calls_remove(&l->calls, f->request);
    give_frame(ev, f);
    return true;
}

/* PING, and what no host would know what to do with. true: dealt with. */
static bool answer_here(struct link *l, const struct frame *f, const struct msg *m)
{
    struct msg answer = {.type = MSG_TYPE_ping_reply};
    enum msg_class class = wire_class_of(f->type);

    if (f->type == MSG_TYPE_ping) {
        answer.ping_reply.nonce = m->ping.nonce;
        say(l, &answer, f->request);
    } else if (f->type == MSG_TYPE_hello) {
        fail(l, DFS_EPROTO, "a second HELLO");
    } else if (class == CLASS_NONE || class == CLASS_COMMAND || !l->accepter) {
        say_error(l, f->request, DFS_ENOTSUP, "not a request that is known here");
    } else {
        return false;
    }
    return true;
}

static bool take_request(struct link *l, struct frame *f, struct arena *a, struct link_event *ev)
{
    int rc = msg_decode(f->type, slice_data(f->head), f->head.len, &ev->msg, a);

    if (rc == DFS_ENOMEM) {
        say_error(l, f->request, DFS_ENOMEM, "the request is too large for the memory left");
        return false;
    }
    if (rc != 0 && rc != DFS_ENOTSUP) {
        fail(l, DFS_EPROTO, "malformed %s", wire_type_name(f->type));
        return false;
    }
    if (answer_here(l, f, &ev->msg))
        return false;
    ev->kind = LINK_REQUEST;
    ev->request = pending_add(&l->requests, f->request, f->head.len + payload_len(&f->payload));
    ev->has_msg = true;
    give_frame(ev, f);
    return true;
}

/* true: *ev is an event. */
static bool take_frame(struct link *l, struct frame *f, struct arena *a, struct link_event *ev)
{
    if (l->state == LINK_GREETING)
        return l->accepter ? take_hello(l, f, a, ev) : take_hello_reply(l, f, a, ev);
    return f->type & MSG_REPLY_BIT ? take_reply(l, f, a, ev) : take_request(l, f, a, ev);
}

/* A call that ends without an answer. */
static bool take_ended(struct link *l, struct link_event *ev)
{
    const struct call *c = calls_first(&l->calls);

    if (c == NULL || (c->deadline > l->expired && l->state != LINK_FAILED))
        return false;
    ev->kind = LINK_REPLY;
    ev->token = c->token;
    ev->status = c->status;
    if (c->deadline > l->expired) /* so the link has failed */
        ev->status = c->start < l->out.shown ? l->lost : DFS_EUNREACH;
    calls_remove(&l->calls, c->id);
    return true;
}

bool link_next(struct link *l, uint64_t now, struct arena *a, struct link_event *ev)
{
    (void)now;
    for (;;) {
        struct frame f;
        bool done;
        int rc;

        ev->kind = LINK_NONE;
        ev->status = 0;
        ev->has_msg = false;
        ev->frame = (struct frame){0};
        if (take_ended(l, ev))
            return true;
        if (l->state != LINK_GREETING && l->state != LINK_READY)
            return false;
        rc = frame_parser_next(&l->in, &f);
        if (rc == 0)
            return false;
        if (rc < 0) {
            fail(l, rc, "%s", frame_error_text(&l->in));
            continue;
        }
        done = take_frame(l, &f, a, ev);
        frame_drop(&f);
        if (done)
            return true;
    }
}

/* --- time --- */

void link_expire(struct link *l, uint64_t now)
{
    l->expired = max_u64(l->expired, now);
    if ((l->state == LINK_OPENING || l->state == LINK_GREETING) && now >= l->hello_deadline) {
        bool opening = l->state == LINK_OPENING;

        fail(l, opening ? DFS_EUNREACH : DFS_ETIMEDOUT, opening ? "no connection in time" : "no HELLO in time");
    }
}

uint64_t link_deadline(const struct link *l)
{
    const struct call *c = calls_first(&l->calls);
    uint64_t at = c != NULL ? c->deadline : UINT64_MAX;

    if (l->state == LINK_FAILED)
        return c != NULL ? 0 : UINT64_MAX;
    if (l->state == LINK_OPENING || l->state == LINK_GREETING)
        at = min_u64(at, l->hello_deadline);
    return at;
}
