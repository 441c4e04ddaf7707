/* SPDX-License-Identifier: MIT */
/* Several NameServer cores over simulated disks, with a network of queues between them: time moves in steps of 10 ms,
 * and everything that can happen at an instant does. Nodes can be killed, and cut off from each other. */
#ifndef DFS_TEST_GROUP_RIG_H
#define DFS_TEST_GROUP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "group/nm.h"
#include "meta/meta.h"
#include "support/memdisk.h"

#define GROUP_MAX 4u
#define GROUP_STEP (10 * NS_PER_MS)
#define CLIENT 99u

struct wire {
    uint32_t from, to;
    bool reply;
    int status; /* of a reply that never came */
    uint16_t type;
    struct slice head;
    struct payload payload;
    uint64_t token;
};

struct member {
    struct disk *disk;
    struct nm *nm;
    struct effects fx;
    char address[32];
    bool cut;       /* off from all others */
    bool held;      /* its disk takes operations, and finishes none */
    uint32_t votes; /* answers to requests for its vote that have left it */
    bool deaf;      /* does not read: requests stay with whoever sent them */
    struct wire *unread;
    uint32_t n_unread;
    uint64_t unread_bytes;
    bool paused;    /* SIGSTOP: nothing reaches it, and it does nothing */
    uint32_t level; /* as in struct nm_config */
    char logged[16384];
};

struct group {
    struct member m[GROUP_MAX];
    struct now now;
    struct wire queue[4096];
    uint32_t head, tail;
    uint64_t snapshot_bytes;
    uint32_t (*level_needed)(const struct msg *m);
    bool may_die; /* a node that gives up is taken away, instead of failing the test */
    int answer;   /* of the last client request: 1: none yet, else 0 or its error */
    uint16_t answer_type;
    uint32_t joined; /* of an nm_join_reply */
    uint64_t session, number;
};

static inline struct member *group_at(struct group *g, struct str address)
{
    for (uint32_t i = 0; i < GROUP_MAX; i++)
        if (str_eq(str_of(g->m[i].address), address))
            return &g->m[i];
    return NULL;
}

static inline void group_push(struct group *g, struct wire w)
{
    g->queue[g->tail++ % ARRAY_LEN(g->queue)] = w;
    assert_true(g->tail - g->head < ARRAY_LEN(g->queue));
}

static inline bool group_linked(const struct group *g, uint32_t a, uint32_t b)
{
    return g->m[a].nm != NULL && g->m[b].nm != NULL && !g->m[a].cut && !g->m[b].cut && !g->m[a].paused &&
           !g->m[b].paused;
}

static inline void group_client_answer(struct group *g, const struct effect *e)
{
    struct arena a;
    struct msg msg;

    arena_init(&a, WIRE_ARENA_MAX);
    assert_int_equal(msg_decode(e->type, slice_data(e->frame) + 32, e->frame.len - 32, &msg, &a), 0);
    assert_int_equal(g->answer, 1);
    g->answer = e->type == MSG_TYPE_error ? -(int)msg.error.code : 0;
    g->answer_type = e->type;
    if (e->type == MSG_TYPE_session_open_reply)
        g->session = msg.session_open_reply.session;
    if (e->type == MSG_TYPE_nm_join_reply)
        g->joined = msg.nm_join_reply.id;
    arena_close(&a);
}

static inline void group_send(struct group *g, uint32_t from, struct effect *e)
{
    bool reply = e->kind == EFF_REPLY;
    struct member *target = reply ? NULL : group_at(g, e->addr);
    uint32_t to = reply ? (uint32_t)e->to.conn : target != NULL ? (uint32_t)(target - g->m) : GROUP_MAX;
    struct wire w = {.from = from, .to = to, .reply = reply, .type = e->type};

    if (!reply && (to == GROUP_MAX || !group_linked(g, from, to))) {
        group_push(g, (struct wire){.from = to, .to = from, .reply = true, .status = DFS_EUNREACH, .token = e->token});
        return;
    }
    w.token = reply ? e->to.request : e->token;
    w.head = slice_sub(e->frame, 32, e->frame.len - 32);
    w.payload = payload_ref(&e->payload);
    group_push(g, w);
}

static inline void group_effects(struct group *g, uint32_t i)
{
    struct member *m = &g->m[i];

    for (uint32_t k = 0; k < m->fx.n; k++) {
        struct effect *e = &m->fx.v[k];
        size_t used = strlen(m->logged);

        switch (e->kind) {
        case EFF_REPLY:
            if (e->to.conn == CLIENT)
                group_client_answer(g, e);
            else
                group_send(g, i, e);
            break;
        case EFF_CALL:
            m->votes += e->type == MSG_TYPE_peer_vote_result;
            group_send(g, i, e);
            break;
        case EFF_DISK:
            m->disk->ops->submit(m->disk, e->op);
            e->op = NULL;
            break;
        case EFF_SNAPSHOT: {
            struct event ev = {.kind = EV_SNAPSHOT, .now = g->now, .token = e->token};

            ev.status = nm_write_snapshot(m->nm, m->disk);
            fx_reset(&m->fx); /* it is the last effect of a turn */
            nm_event(m->nm, &ev, &m->fx);
            group_effects(g, i);
            return;
        }
        case EFF_LOG:
            if (used < sizeof m->logged - 512)
                snprintf(m->logged + used, sizeof m->logged - used, "%.*s\n", STR_ARG(e->text));
            break;
        case EFF_FATAL:
            if (g->may_die) {
                snprintf(m->logged, sizeof m->logged, "%.*s", STR_ARG(e->text));
                break;
            }
            fail_msg("%s gives up: %.*s", m->address, STR_ARG(e->text));
        }
    }
    fx_reset(&m->fx);
}

static inline void group_keep_unread(struct member *m, const struct wire *w)
{
    m->unread = xrealloc(m->unread, m->n_unread + 1, sizeof *m->unread);
    m->unread[m->n_unread++] = *w;
    m->unread_bytes += w->head.len + payload_len(&w->payload);
}

/* It reads again. */
static inline void group_hear(struct group *g, uint32_t i)
{
    struct member *m = &g->m[i];

    for (uint32_t k = 0; k < m->n_unread; k++)
        group_push(g, m->unread[k]);
    free(m->unread);
    m->unread = NULL;
    m->n_unread = 0;
    m->deaf = false;
}

static inline void group_deliver(struct group *g, struct wire *w)
{
    struct member *m = w->to < GROUP_MAX ? &g->m[w->to] : NULL;
    struct arena a;
    struct msg msg;

    if (m != NULL && m->deaf && !w->reply) {
        group_keep_unread(m, w);
        return;
    }
    arena_init(&a, WIRE_ARENA_MAX);
    if (m != NULL && m->nm != NULL && (w->status != 0 || group_linked(g, w->from, w->to))) {
        struct event ev = {.kind = w->reply ? EV_REPLY : EV_REQUEST,
                           .now = g->now,
                           .token = w->token,
                           .status = w->status,
                           .to = {w->from, w->token},
                           .peer = "peer",
                           .head = w->head,
                           .payload = &w->payload};

        if (w->status == 0) {
            assert_int_equal(msg_decode(w->type, slice_data(w->head), w->head.len, &msg, &a), 0);
            ev.msg = &msg;
            if (w->reply && w->type == MSG_TYPE_error)
                ev.status = -(int)msg.error.code;
        }
        nm_event(m->nm, &ev, &m->fx);
        group_effects(g, w->to);
    } else if (!w->reply) {
        group_push(
            g, (struct wire){.from = w->to, .to = w->from, .reply = true, .status = DFS_ECONNLOST, .token = w->token});
    }
    arena_close(&a);
    slice_drop(&w->head);
    payload_drop(&w->payload);
}

static inline bool group_disk(struct group *g, uint32_t i)
{
    struct member *m = &g->m[i];
    struct disk_op *op;

    if (m->nm == NULL || m->held || memdisk_pending(m->disk) == 0)
        return false;
    op = memdisk_complete(m->disk, 0);
    struct event ev = {.kind = EV_DISK, .now = g->now, .token = op->token, .status = op->status, .op = op};

    nm_event(m->nm, &ev, &m->fx);
    group_effects(g, i);
    disk_op_free(op);
    return true;
}

static inline void group_settle(struct group *g)
{
    bool busy = true;

    while (busy) {
        busy = false;
        for (uint32_t i = 0; i < GROUP_MAX; i++) {
            if (g->m[i].nm == NULL || g->m[i].paused)
                continue;
            nm_turn(g->m[i].nm, g->now, &g->m[i].fx);
            group_effects(g, i);
            busy |= group_disk(g, i);
        }
        for (; g->head != g->tail; busy = true) {
            struct wire w = g->queue[g->head++ % ARRAY_LEN(g->queue)];

            group_deliver(g, &w);
        }
    }
}

static inline void group_pass(struct group *g, uint64_t ns)
{
    for (uint64_t end = g->now.mono + ns; g->now.mono < end;) {
        g->now.mono += GROUP_STEP;
        g->now.wall += (int64_t)GROUP_STEP;
        group_settle(g);
    }
}

static inline int group_open(struct group *g, uint32_t i, bool init, bool join, char *why, size_t len)
{
    struct nm_config cfg = {.address = g->m[i].address,
                            .init = init,
                            .join = {g->m[0].address},
                            .n_join = join,
                            .cluster_hi = 7,
                            .cluster_lo = 8,
                            .uuid_hi = 100 + i,
                            .uuid_lo = g->now.mono,
                            .seed = 5 + i + g->now.mono,
                            .level = g->m[i].level,
                            .level_needed = g->level_needed,
                            .snapshot_log_bytes = g->snapshot_bytes,
                            .log_segment_bytes = 64 * KIB};

    return nm_open(&cfg, g->m[i].disk, g->now, &g->m[i].nm, why, len);
}

static inline void group_start(struct group *g, uint32_t i, bool init, bool join)
{
    char why[512] = "";

    if (group_open(g, i, init, join, why, sizeof why) != 0)
        fail_msg("node %u: %s", i, why);
}

static inline void group_kill(struct group *g, uint32_t i)
{
    nm_close(g->m[i].nm);
    g->m[i].nm = NULL;
    fx_reset(&g->m[i].fx);
    memdisk_kill(g->m[i].disk);
}

static inline struct group *group_new(uint64_t snapshot_bytes)
{
    struct group *g = calloc(1, sizeof *g);

    g->now = (struct now){.mono = 1000 * NS_PER_SEC, .wall = 1700000000LL * (int64_t)NS_PER_SEC};
    g->snapshot_bytes = snapshot_bytes;
    for (uint32_t i = 0; i < GROUP_MAX; i++) {
        g->m[i].disk = memdisk_new(i + 1, 64 * MIB);
        snprintf(g->m[i].address, sizeof g->m[i].address, "10.0.0.%u:4610", i + 1);
        fx_init(&g->m[i].fx);
    }
    group_start(g, 0, true, false);
    group_settle(g);
    return g;
}

static inline void group_free(struct group *g)
{
    for (; g->head != g->tail; g->head++) {
        slice_drop(&g->queue[g->head % ARRAY_LEN(g->queue)].head);
        payload_drop(&g->queue[g->head % ARRAY_LEN(g->queue)].payload);
    }
    for (uint32_t i = 0; i < GROUP_MAX; i++) {
        nm_close(g->m[i].nm);
        fx_close(&g->m[i].fx);
        memdisk_free(g->m[i].disk);
    }
    free(g);
}

/* Which node serves; -1: none. */
static inline int group_leader(const struct group *g)
{
    for (uint32_t i = 0; i < GROUP_MAX; i++)
        if (g->m[i].nm != NULL && !g->m[i].cut && !g->m[i].paused && nm_serving(g->m[i].nm))
            return (int)i;
    return -1;
}

/* Sends as a client would, and lets time pass until there is an answer: 0 or its error; 1: none came. */
static inline int group_call(struct group *g, uint32_t i, const struct msg *m, uint64_t patience)
{
    struct bytes b;
    struct arena a;
    struct msg copy;
    struct slice head;

    bytes_init(&b, WIRE_HEAD_MAX);
    arena_init(&a, WIRE_ARENA_MAX);
    assert_int_equal(msg_encode(m, &b), 0);
    head = slice_copy(b.p, (uint32_t)b.len);
    assert_int_equal(msg_decode(m->type, slice_data(head), head.len, &copy, &a), 0);
    struct event ev = {
        .kind = EV_REQUEST, .now = g->now, .to = {CLIENT, 1}, .peer = "client", .msg = &copy, .head = head};

    g->answer = 1;
    nm_event(g->m[i].nm, &ev, &g->m[i].fx);
    group_effects(g, i);
    group_settle(g);
    for (uint64_t end = g->now.mono + patience; g->answer == 1 && g->now.mono < end;)
        group_pass(g, GROUP_STEP);
    slice_drop(&head);
    bytes_close(&b);
    arena_close(&a);
    return g->answer;
}

static inline int group_mkdir(struct group *g, uint32_t i, const char *path)
{
    struct msg m = {.type = MSG_TYPE_mkdir};

    if (g->session == 0) {
        struct msg open = {.type = MSG_TYPE_session_open};

        open.session_open.nonce = 77;
        open.session_open.who = STR("test");
        assert_int_equal(group_call(g, i, &open, 2 * NS_PER_SEC), 0);
    }
    m.mkdir.id = (struct wire_request_id){.session = g->session, .number = ++g->number, .seen = g->number};
    m.mkdir.dir = ROOT_INO;
    m.mkdir.path = str_of(path);
    return group_call(g, i, &m, 2 * NS_PER_SEC);
}

static inline int group_lookup(struct group *g, uint32_t i, const char *path)
{
    struct msg m = {.type = MSG_TYPE_lookup};

    m.lookup.dir = ROOT_INO;
    m.lookup.path = str_of(path);
    return group_call(g, i, &m, NS_PER_SEC);
}

static inline int group_add(void *arg, const void *p, size_t n) { return bytes_add(arg, p, n); }

static inline void group_assert_same(struct group *g, uint32_t a, uint32_t b)
{
    struct bytes x, y;

    bytes_init(&x, 64 * MIB);
    bytes_init(&y, 64 * MIB);
    assert_int_equal(nm_applied(g->m[a].nm), nm_applied(g->m[b].nm));
    assert_int_equal(meta_save(nm_meta(g->m[a].nm), group_add, &x), 0);
    assert_int_equal(meta_save(nm_meta(g->m[b].nm), group_add, &y), 0);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.p, y.p, x.len);
    bytes_close(&x);
    bytes_close(&y);
}

/* Starts node i as a newcomer and waits until it has a vote. */
static inline void group_join(struct group *g, uint32_t i)
{
    uint32_t before = nm_voters(g->m[(uint32_t)group_leader(g)].nm);

    group_start(g, i, false, true);
    group_pass(g, 3 * NS_PER_SEC);
    assert_int_equal(nm_voters(g->m[(uint32_t)group_leader(g)].nm), before + 1);
}

#endif
