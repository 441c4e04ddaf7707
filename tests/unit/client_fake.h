/* SPDX-License-Identifier: MIT */
/* A scripted cluster for the client core: calls are collected, a test answers each by hand or lets the fake do it (one
 * NameServer, StorageServers that keep chunks in memory). */
#ifndef TESTS_UNIT_CLIENT_FAKE_H
#define TESTS_UNIT_CLIENT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc.h"
#include "base/rand.h"
#include "client/client.h"
#include "wire/frame.h"

#define FAKE_CALLS 256
#define FAKE_CHUNKS 64
#define FAKE_SERVERS 3

struct fake_call {
    bool used;
    char addr[64];
    uint64_t token;
    struct arena arena;
    struct slice frame;
    struct payload payload;
    struct msg m;
};

struct fake_chunk {
    uint64_t id;
    uint8_t *data;
    uint32_t len;
};

struct fake {
    struct client *c;
    struct effects fx;
    struct now now;
    struct fake_call calls[FAKE_CALLS]; /* in the order made */
    uint32_t suspects;                  /* copies told to be bad */
    uint32_t n_calls;

    /* outcome of the operation under test */
    int ended, status;
    struct dfs_attr attr;
    uint64_t bytes, file, offset;
    struct dfs_delegation delegation;
    int64_t dir_ns;
    struct dfs_process process;
    char error[320];

    /* the cluster's state */
    uint64_t next_chunk, session, ino, generation, size;
    uint32_t chunk_size, goal;
    struct fake_chunk chunks[FAKE_CHUNKS]; /* written */
    uint32_t n_chunks;
    struct wire_chunk_loc map[FAKE_CHUNKS]; /* published */
    struct wire_replica replicas[FAKE_SERVERS];
    uint32_t n_map;
    uint64_t held; /* by the last hold */
    uint32_t holds, grants_asked, grant_calls, publishes, writes, reads;
    uint32_t damage_at; /* which byte of a read is damaged, and how */
    uint8_t damage;
    uint32_t odd; /* writes that end inside a megabyte of their chunk */
};

static inline void fake_on_done(void *arg, int status, const struct dfs_result *r)
{
    struct fake *f = arg;
    f->ended++;
    f->status = status;
    f->attr = r->attr;
    f->bytes = r->bytes;
    f->file = r->file;
    f->offset = r->offset;
    f->delegation = r->delegation;
    f->dir_ns = r->dir_ns;
    if (r->process)
        f->process = *r->process;
    snprintf(f->error, sizeof f->error, "%s", r->error);
}

static inline void fake_collect(struct fake *f)
{
    for (uint32_t i = 0; i < f->fx.n; i++) {
        struct effect *e = &f->fx.v[i];
        if (e->kind != EFF_CALL)
            continue;
        f->suspects += e->type == MSG_TYPE_chunk_suspect;
        if (e->type == MSG_TYPE_chunk_suspect)
            continue; /* nobody waits for the answer */
        assert_true(f->n_calls < FAKE_CALLS);
        struct fake_call *k = &f->calls[f->n_calls++];
        memset(k, 0, sizeof *k);
        k->used = true;
        snprintf(k->addr, sizeof k->addr, "%.*s", STR_ARG(e->addr));
        k->token = e->token;
        k->frame = slice_ref(e->frame);
        k->payload = payload_ref(&e->payload);
        arena_init(&k->arena, WIRE_ARENA_MAX);
        assert_int_equal(msg_decode(e->type, slice_data(k->frame) + FRAME_HEADER, k->frame.len - FRAME_HEADER, &k->m,
                                    &k->arena), 0);
    }
    fx_reset(&f->fx);
}

static inline void fake_turn(struct fake *f)
{
    client_turn(f->c, f->now, &f->fx);
    fake_collect(f);
}

/* Time passes until the client wants to do something. */
static inline void fake_sleep(struct fake *f)
{
    uint64_t at = client_deadline(f->c);
    assert_true(at != UINT64_MAX);
    if (at > f->now.mono)
        f->now.mono = at;
    fake_turn(f);
}

static inline struct fake *fake_new_names(const char *a, const char *b)
{
    struct fake *f = test_calloc(1, sizeof *f);
    struct client_config cfg = {.nameservers = {a, b}, .n_nameservers = b ? 2 : 1, .nonce = 7, .seed = 42,
                                .timeout = 10 * NS_PER_SEC, .window = 4 * MIB, .uid = 1000, .gid = 100};
    f->c = client_new(&cfg);
    fx_init(&f->fx);
    f->now.mono = 1000 * NS_PER_SEC;
    f->session = 11;
    f->next_chunk = 100;
    f->chunk_size = 64 * MIB;
    f->goal = 2;
    f->ino = 5;
    for (uint32_t i = 0; i < FAKE_SERVERS; i++)
        f->replicas[i] = (struct wire_replica){.server = i + 1, .addr = (const struct str[]){STR("ss1:1"), STR("ss2:1"), STR("ss3:1")}[i]};
    return f;
}

static inline struct fake *fake_new(void) { return fake_new_names("nm1:1", NULL); }

static inline void fake_call_drop(struct fake_call *k)
{
    slice_drop(&k->frame);
    payload_drop(&k->payload);
    arena_close(&k->arena);
    k->used = false;
}

static inline void fake_free(struct fake *f)
{
    client_free(f->c);
    fx_close(&f->fx);
    for (uint32_t i = 0; i < f->n_calls; i++)
        if (f->calls[i].used)
            fake_call_drop(&f->calls[i]);
    for (uint32_t i = 0; i < f->n_chunks; i++)
        free(f->chunks[i].data);
    test_free(f);
}

/* The oldest unanswered call. */
static inline struct fake_call *fake_next(struct fake *f)
{
    uint32_t i = 0;
    while (i < f->n_calls && !f->calls[i].used)
        i++;
    if (i == f->n_calls) {
        f->n_calls = 0;
        return NULL;
    }
    return &f->calls[i];
}

static inline struct fake_call *fake_expect(struct fake *f, uint16_t type, const char *addr)
{
    struct fake_call *k = fake_next(f);
    assert_non_null(k);
    assert_string_equal(wire_type_name(k->m.type), wire_type_name(type));
    assert_string_equal(k->addr, addr);
    return k;
}

/* The first unanswered call of this type. */
static inline struct fake_call *fake_find(struct fake *f, uint16_t type)
{
    for (uint32_t i = 0; i < f->n_calls; i++)
        if (f->calls[i].used && f->calls[i].m.type == type)
            return &f->calls[i];
    fail_msg("no %s was called", wire_type_name(type));
    return NULL;
}

/* The call ends without an answer. */
static inline void fake_break(struct fake *f, struct fake_call *k, int status)
{
    struct event ev = {.kind = EV_REPLY, .now = f->now, .token = k->token, .status = status};
    fake_call_drop(k);
    client_event(f->c, &ev, &f->fx);
    fake_collect(f);
    fake_turn(f);
}

/* Answers without a turn after it: others may have come with the same read. */
static inline void fake_tell(struct fake *f, struct fake_call *k, const struct msg *m, struct payload *payload)
{
    struct bytes b;
    struct arena a;
    struct msg decoded;
    bytes_init(&b, WIRE_HEAD_MAX);
    arena_init(&a, WIRE_ARENA_MAX);
    assert_int_equal(msg_encode(m, &b), 0);
    struct slice head = slice_copy(b.p, (uint32_t)b.len);
    assert_int_equal(msg_decode(m->type, slice_data(head), head.len, &decoded, &a), 0);
    struct event ev = {.kind = EV_REPLY, .now = f->now, .token = k->token, .msg = &decoded, .head = head,
                       .payload = payload, .status = m->type == MSG_TYPE_error ? -(int)m->error.code : 0};
    fake_call_drop(k);
    client_event(f->c, &ev, &f->fx);
    fake_collect(f);
    slice_drop(&head);
    arena_close(&a);
    bytes_close(&b);
}

static inline void fake_reply(struct fake *f, struct fake_call *k, const struct msg *m, struct payload *payload)
{
    fake_tell(f, k, m, payload);
    fake_turn(f);
}

static inline void fake_refuse(struct fake *f, struct fake_call *k, int err, const char *text, const char *leader)
{
    struct msg m = {.type = MSG_TYPE_error};
    m.error = (struct msg_error){(uint16_t)-err, str_of(text), str_of(leader)};
    fake_reply(f, k, &m, NULL);
}

static inline void fake_session(struct fake *f, struct fake_call *k)
{
    struct msg m = {.type = MSG_TYPE_session_open_reply};
    m.session_open_reply = (struct msg_session_open_reply){
        .session = f->session, .ttl_ms = 600000, .lock_ttl_ms = 30000, .delegation_ttl_ms = 5000};
    fake_reply(f, k, &m, NULL);
}

static inline bool fake_avoided(const struct msg_grant *g, uint32_t server)
{
    for (uint32_t i = 0; i < g->n_avoid; i++)
        if (g->avoid[i].id == server)
            return true;
    return false;
}

/* Grants chunks on the servers that are not avoided, in turns. */
static inline void fake_grant(struct fake *f, struct fake_call *k)
{
    const struct msg_grant *q = &k->m.grant;
    struct wire_granted v[64];
    struct wire_replica chain[64][FAKE_SERVERS];
    char tokens[64][32];
    f->grant_calls++;
    f->grants_asked += q->count;
    for (uint32_t i = 0; i < q->count; i++) {
        uint64_t id = f->next_chunk++;
        uint32_t n = 0;
        for (uint32_t s = 0; s < FAKE_SERVERS && n < f->goal; s++)
            if (!fake_avoided(q, f->replicas[(s + id) % FAKE_SERVERS].server))
                chain[i][n++] = f->replicas[(s + id) % FAKE_SERVERS];
        snprintf(tokens[i], sizeof tokens[i], "grant-%" PRIu64, id);
        v[i] = (struct wire_granted){.chunk = id, .version = 1, .replicas = chain[i], .n_replicas = n,
                                     .grant = str_of(tokens[i])};
    }
    struct msg m = {.type = MSG_TYPE_grant_reply};
    m.grant_reply = (struct msg_grant_reply){.epoch = 1, .lifetime_ms = 60000, .chunk_size = f->chunk_size, .chunks = v,
                                             .n_chunks = q->count};
    fake_reply(f, k, &m, NULL);
}

static inline struct fake_chunk *fake_chunk(struct fake *f, uint64_t id)
{
    for (uint32_t i = 0; i < f->n_chunks; i++)
        if (f->chunks[i].id == id)
            return &f->chunks[i];
    assert_true(f->n_chunks < FAKE_CHUNKS);
    f->chunks[f->n_chunks] = (struct fake_chunk){.id = id};
    return &f->chunks[f->n_chunks++];
}

static inline void fake_write(struct fake *f, struct fake_call *k)
{
    const struct msg_chunk_write *w = &k->m.chunk_write;
    struct fake_chunk *c = fake_chunk(f, w->chunk);
    assert_int_equal(w->length, payload_len(&k->payload));
    assert_int_equal(w->offset % DFS_BLOCK, 0);
    assert_true((uint64_t)w->offset + w->length <= f->chunk_size);
    f->odd += (w->offset + w->length) % MIB != 0;
    if (w->offset + w->length > c->len) {
        c->data = realloc(c->data, w->offset + w->length);
        c->len = w->offset + w->length;
    }
    payload_copy_out(&k->payload, 0, c->data + w->offset, w->length);
    for (uint32_t at = 0, i = 0; at < w->length; at += DFS_BLOCK, i++)
        assert_int_equal(get_u32(w->crcs.p + i * 4ul),
                         crc32c(0, c->data + w->offset + at, min_u64(DFS_BLOCK, w->length - at)));
    f->writes++;
    struct msg m = {.type = MSG_TYPE_chunk_write_reply};
    fake_reply(f, k, &m, NULL);
}

static inline void fake_publish(struct fake *f, struct fake_call *k)
{
    const struct msg_publish *p = &k->m.publish;
    f->generation++;
    f->size = p->size;
    f->n_map = p->n_chunks;
    for (uint32_t i = 0; i < p->n_chunks; i++) {
        const struct wire_published *w = &p->chunks[i];
        char token[32]; /* what follows it in the message may be a digit */
        snprintf(token, sizeof token, "%.*s", STR_ARG(w->grant));
        uint64_t id = strtoull(token + strlen("grant-"), NULL, 10);
        struct fake_chunk *c = fake_chunk(f, id);
        assert_int_equal(c->len, w->length);
        assert_int_equal(crc32c(0, c->data, c->len), w->crc);
        f->map[i] = (struct wire_chunk_loc){.chunk = id, .index = w->index, .version = 1, .length = w->length,
                                            .crc = w->crc, .replicas = f->replicas, .n_replicas = 2, .grant = STR("read")};
    }
    f->publishes++;
    struct msg m = {.type = MSG_TYPE_publish_reply};
    m.publish_reply.attr = (struct wire_attr){.ino = f->ino, .generation = f->generation, .size = f->size, .type = INODE_FILE};
    fake_reply(f, k, &m, NULL);
}

static inline void fake_locate(struct fake *f, struct fake_call *k)
{
    const struct msg_locate *q = &k->m.locate;
    uint32_t from = 0, n = 0;
    if (q->generation && q->generation != f->generation) {
        fake_refuse(f, k, DFS_EREPLACED, "replaced", "");
        return;
    }
    while (from < f->n_map && f->map[from].index < q->first)
        from++;
    while (from + n < f->n_map && n < q->limit)
        n++;
    struct msg m = {.type = MSG_TYPE_locate_reply};
    m.locate_reply = (struct msg_locate_reply){
        .attr = {.ino = f->ino, .generation = f->generation, .size = f->size, .type = INODE_FILE, .chunks = f->n_map},
        .chunk_size = f->chunk_size, .chunks = f->map + from, .n_chunks = n, .eof = from + n == f->n_map};
    fake_reply(f, k, &m, NULL);
}

/* Answers a read; damage flips a bit of the payload after the checksums were taken. */
static inline void fake_read(struct fake *f, struct fake_call *k, bool damage)
{
    const struct msg_chunk_read *q = &k->m.chunk_read;
    struct fake_chunk *c = fake_chunk(f, q->chunk);
    uint32_t to = (uint32_t)min_u64(c->len, q->offset + q->length), n = to - q->offset;
    assert_int_equal(q->offset % DFS_BLOCK, 0);
    assert_true(q->length <= WIRE_PAYLOAD_MAX && q->offset < c->len);
    uint32_t *crcs = calloc(n / DFS_BLOCK + 1, 4), n_crcs = 0;
    for (uint32_t at = 0; at < n; at += DFS_BLOCK)
        crcs[n_crcs++] = crc32c(0, c->data + q->offset + at, min_u64(DFS_BLOCK, n - at));
    /* in two parts, as it may come from a socket */
    uint32_t cut = n / 3;
    struct payload p = {{slice_copy(c->data + q->offset, cut), slice_copy(c->data + q->offset + cut, n - cut)}};
    if (damage && f->damage)
        slice_data(p.part[f->damage_at >= cut])[f->damage_at - (f->damage_at >= cut ? cut : 0)] ^= f->damage;
    else if (damage)
        slice_data(p.part[1])[0] ^= 1;
    struct wire_piece piece = {q->offset, n};
    struct msg m = {.type = MSG_TYPE_chunk_read_reply};
    m.chunk_read_reply = (struct msg_chunk_read_reply){.length = c->len, .pieces = &piece, .n_pieces = 1,
                                                       .crcs = {(const char *)crcs, n_crcs * 4}};
    f->reads++;
    fake_reply(f, k, &m, &p);
    payload_drop(&p);
    free(crcs);
}

static inline void fake_hold(struct fake *f, struct fake_call *k)
{
    struct msg m = {.type = MSG_TYPE_hold_reply};
    f->holds++;
    f->held = k->m.hold.oldest;
    m.hold_reply.lifetime_ms = 60000;
    fake_reply(f, k, &m, NULL);
}

static inline void fake_answer(struct fake *f, struct fake_call *k)
{
    switch (k->m.type) {
    case MSG_TYPE_hold:
        fake_hold(f, k);
        return;
    case MSG_TYPE_session_open:
        fake_session(f, k);
        return;
    case MSG_TYPE_grant:
        fake_grant(f, k);
        return;
    case MSG_TYPE_chunk_write:
        fake_write(f, k);
        return;
    case MSG_TYPE_publish:
        fake_publish(f, k);
        return;
    case MSG_TYPE_locate:
        fake_locate(f, k);
        return;
    case MSG_TYPE_chunk_read:
        fake_read(f, k, false);
        return;
    default:
        fail_msg("unexpected %s", wire_type_name(k->m.type));
    }
}

/* Lets the fake answer everything until the operation has ended. */
static inline void fake_run(struct fake *f)
{
    for (int i = 0; !f->ended; i++) {
        assert_true(i < 100000);
        struct fake_call *k = fake_next(f);
        if (k)
            fake_answer(f, k);
        else
            fake_sleep(f);
    }
}

static inline void fake_start(struct fake *f, struct client_request r)
{
    f->ended = 0;
    r.cb = fake_on_done;
    r.arg = f;
    assert_int_equal(client_start(f->c, &r), 0);
    assert_int_equal(f->ended, 0);
    fake_turn(f);
}

#endif
