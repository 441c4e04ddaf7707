/* SPDX-License-Identifier: MIT */
/* A NameServer core over a simulated disk, driven by hand: time stands still unless a test moves it. */
#ifndef DFS_TEST_NM_RIG_H
#define DFS_TEST_NM_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "group/nm.h"
#include "meta/meta.h"
#include "support/memdisk.h"

#define SEGMENT (64u * 1024)
#define ANSWERS 4096u

struct answer {
    uint32_t times; /* answered */
    int err;        /* 0 or the error */
    struct msg msg; /* points into head and arena */
    struct slice head;
    struct arena arena;
};

struct rig {
    struct disk *disk;
    struct nm_config cfg;
    struct nm *nm;
    struct effects fx;
    struct now now;
    struct answer answers[ANSWERS]; /* by request number */
    uint32_t requests;
    uint32_t n_writes; /* DISK_WRITEs submitted */
    bool hold_disk;    /* operations stay pending until rig_disk */
    int snapshot_due;  /* 1: written, its event is to come */
    int snapshot_status;
    char fatal[256];
    char why[512];
    char logged[8192]; /* events, one a line */
    uint64_t session, number;
};

static inline void rig_effects(struct rig *r);

static inline int rig_open(struct rig *r, bool init)
{
    r->cfg.init = init;
    r->why[0] = r->fatal[0] = '\0';
    r->snapshot_due = 0;
    return nm_open(&r->cfg, r->disk, r->now, &r->nm, r->why, sizeof r->why);
}

static inline void rig_init(struct rig *r, uint64_t seed, uint64_t capacity)
{
    memset(r, 0, sizeof *r);
    r->disk = memdisk_new(seed, capacity);
    r->now = (struct now){.mono = 1000 * NS_PER_SEC, .wall = 1700000000LL * (int64_t)NS_PER_SEC};
    r->cfg = (struct nm_config){.address = "127.0.0.1:4610",
                                .cluster_hi = 0xc1,
                                .cluster_lo = 0xc2,
                                .uuid_hi = 0xa1,
                                .uuid_lo = 0xa2 + seed,
                                .seed = seed,
                                .log_segment_bytes = SEGMENT};
    fx_init(&r->fx);
    for (uint32_t i = 0; i < ANSWERS; i++)
        arena_init(&r->answers[i].arena, WIRE_ARENA_MAX);
}

static inline void rig_forget_answers(struct rig *r)
{
    for (uint32_t i = 0; i < r->requests; i++) {
        slice_drop(&r->answers[i].head);
        arena_close(&r->answers[i].arena);
        r->answers[i].times = 0;
    }
    r->requests = 0;
}

static inline void rig_stop(struct rig *r)
{
    nm_close(r->nm);
    r->nm = NULL;
    fx_reset(&r->fx);
}

static inline void rig_free(struct rig *r)
{
    rig_stop(r);
    rig_forget_answers(r);
    fx_close(&r->fx);
    memdisk_free(r->disk);
}

static inline void rig_answered(struct rig *r, const struct effect *e)
{
    struct answer *a = &r->answers[e->to.request];

    assert_true(e->to.request < r->requests);
    a->times++;
    a->head = slice_copy(slice_data(e->frame) + 32, e->frame.len - 32);
    assert_int_equal(msg_decode(e->type, slice_data(a->head), a->head.len, &a->msg, &a->arena), 0);
    a->err = e->type == MSG_TYPE_error ? -(int)a->msg.error.code : 0;
}

static inline void rig_effects(struct rig *r)
{
    for (uint32_t i = 0; i < r->fx.n; i++) {
        struct effect *e = &r->fx.v[i];

        switch (e->kind) {
        case EFF_REPLY:
            rig_answered(r, e);
            break;
        case EFF_DISK:
            r->n_writes += e->op->kind == DISK_WRITE;
            r->disk->ops->submit(r->disk, e->op);
            e->op = NULL; /* taken */
            break;
        case EFF_SNAPSHOT:
            r->snapshot_status = nm_write_snapshot(r->nm, r->disk);
            r->snapshot_due = 1;
            break;
        case EFF_LOG: {
            size_t used = strlen(r->logged);

            if (used > sizeof r->logged - 512)
                used = 0;
            snprintf(r->logged + used, sizeof r->logged - used, "%.*s\n", STR_ARG(e->text));
            break;
        }
        case EFF_FATAL:
            snprintf(r->fatal, sizeof r->fatal, "%.*s", STR_ARG(e->text));
            break;
        case EFF_CALL:
            fail_msg("a NameServer calls nobody");
        }
    }
    fx_reset(&r->fx);
}

static inline void rig_turn(struct rig *r)
{
    nm_turn(r->nm, r->now, &r->fx);
    rig_effects(r);
}

/* Completes the i-th pending disk operation. */
static inline void rig_complete(struct rig *r, uint32_t i)
{
    struct disk_op *op = memdisk_complete(r->disk, i);
    struct event ev = {.kind = EV_DISK, .now = r->now, .token = op->token, .status = op->status, .op = op};

    nm_event(r->nm, &ev, &r->fx);
    rig_effects(r);
    disk_op_free(op);
}

/* Turns and completes until nothing is pending. */
static inline void rig_settle(struct rig *r)
{
    rig_turn(r);
    for (;;) {
        if (memdisk_pending(r->disk) > 0) {
            rig_complete(r, 0);
        } else if (r->snapshot_due) {
            struct event ev = {.kind = EV_SNAPSHOT, .now = r->now, .status = r->snapshot_status, .token = 1};

            r->snapshot_due = 0;
            nm_event(r->nm, &ev, &r->fx);
            rig_effects(r);
        } else {
            return;
        }
        rig_turn(r);
    }
}

/* Lets time pass in steps of at most a fifth of a second, turning and settling. */
static inline void rig_pass(struct rig *r, uint64_t ns)
{
    while (ns > 0) {
        uint64_t step = min_u64(ns, NS_PER_SEC / 5);

        r->now.mono += step;
        r->now.wall += (int64_t)step;
        ns -= step;
        rig_settle(r);
    }
}

/* Sends a request; the answer, once there, is answers[returned]. */
static inline uint32_t rig_send(struct rig *r, const struct msg *m)
{
    struct bytes b;
    struct arena a;
    struct msg copy;
    struct slice head;
    uint32_t id = r->requests++;

    assert_true(id < ANSWERS);
    bytes_init(&b, WIRE_HEAD_MAX);
    arena_init(&a, WIRE_ARENA_MAX);
    arena_init(&r->answers[id].arena, WIRE_ARENA_MAX);
    r->answers[id].times = 0;
    assert_int_equal(msg_encode(m, &b), 0);
    head = slice_copy(b.p, (uint32_t)b.len);
    assert_int_equal(msg_decode(m->type, slice_data(head), head.len, &copy, &a), 0);
    struct event ev = {.kind = EV_REQUEST,
                       .now = r->now,
                       .to = {.conn = 1, .request = id},
                       .peer = "127.0.0.1:9",
                       .msg = &copy,
                       .head = head};

    nm_event(r->nm, &ev, &r->fx);
    rig_effects(r);
    slice_drop(&head);
    bytes_close(&b);
    arena_close(&a);
    return id;
}

/* Sends, settles, and expects exactly one answer: 0 or its error. */
static inline int rig_call(struct rig *r, const struct msg *m, const struct msg **reply)
{
    uint32_t id = rig_send(r, m);

    rig_settle(r);
    assert_int_equal(r->answers[id].times, 1);
    if (reply != NULL)
        *reply = &r->answers[id].msg;
    return r->answers[id].err;
}

static inline void rig_start(struct rig *r, bool init)
{
    int err = rig_open(r, init);

    if (err != 0)
        fail_msg("nm_open: %s: %s", dfs_errname(err), r->why);
    rig_settle(r);
    assert_true(nm_serving(r->nm));
}

static inline void rig_session(struct rig *r)
{
    struct msg m = {.type = MSG_TYPE_session_open};
    const struct msg *reply;

    m.session_open.nonce = 77;
    m.session_open.who = STR("test");
    assert_int_equal(rig_call(r, &m, &reply), 0);
    r->session = reply->session_open_reply.session;
}

static inline struct msg rig_mkdir(struct rig *r, const char *path)
{
    struct msg m = {.type = MSG_TYPE_mkdir};

    m.mkdir.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.mkdir.dir = ROOT_INO;
    m.mkdir.path = str_of(path);
    m.mkdir.mode = 0755;
    return m;
}

static inline int rig_lookup(struct rig *r, const char *path)
{
    struct msg m = {.type = MSG_TYPE_lookup};

    m.lookup.dir = ROOT_INO;
    m.lookup.path = str_of(path);
    return rig_call(r, &m, NULL);
}

static inline uint32_t rig_register(struct rig *r, uint64_t uuid, const char *addr)
{
    struct msg m = {.type = MSG_TYPE_ss_register};
    const struct msg *reply;

    m.ss_register = (struct msg_ss_register){
        .uuid_hi = 1, .uuid_lo = uuid, .incarnation = uuid * 10, .addr = str_of(addr), .capacity = 100 * GIB};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    return reply->ss_register_reply.server;
}

static inline int rig_heartbeat(struct rig *r, uint32_t server, uint64_t incarnation, const struct msg **reply)
{
    struct msg m = {.type = MSG_TYPE_heartbeat};

    m.heartbeat =
        (struct msg_heartbeat){.server = server, .incarnation = incarnation, .capacity = 100 * GIB, .used = GIB};
    return rig_call(r, &m, reply);
}

static inline int rig_grant(struct rig *r, uint32_t count, const struct msg **reply)
{
    struct msg m = {.type = MSG_TYPE_grant};

    m.grant = (struct msg_grant){.session = r->session, .count = count};
    return rig_call(r, &m, reply);
}

static inline int rig_add_bytes(void *arg, const void *p, size_t n) { return bytes_add(arg, p, n); }

/* The saved state, for comparing. The caller closes it. */
static inline struct bytes rig_state(const struct rig *r)
{
    struct bytes b;

    bytes_init(&b, 64 * MIB);
    assert_int_equal(meta_save(nm_meta(r->nm), rig_add_bytes, &b), 0);
    return b;
}

#endif
