/* SPDX-License-Identifier: MIT */
/* A state machine with one session and what it takes to talk to it in a line. For the tests of lib/meta. */
#ifndef DFS_TEST_META_UTIL_H
#define DFS_TEST_META_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "meta/meta.h"

#define CLUSTER 0x1234u

struct world {
    struct meta *m;
    uint64_t index, epoch;
    int64_t now;
    uint64_t session, number, seen;
    bool timed; /* nothing is done that only tests need */
    struct meta_result res;
    struct msg reply;
    struct arena arena;
    struct bytes log; /* every command applied, for replays: u64 index, epoch, i64 now, u16 type, u32 len, bytes */
};

static inline void world_log(struct world *w, const struct stamp *st, const struct msg *cmd)
{
    uint8_t head[30];
    struct bytes body;
    bytes_init(&body, WIRE_HEAD_MAX);
    assert_int_equal(msg_encode(cmd, &body), 0);
    put_u64(head, st->index);
    put_u64(head + 8, st->epoch);
    put_u64(head + 16, (uint64_t)st->time_ns);
    put_u16(head + 24, cmd->type);
    put_u32(head + 26, (uint32_t)body.len);
    assert_int_equal(bytes_add(&w->log, head, sizeof head), 0);
    assert_int_equal(bytes_add(&w->log, body.p, body.len), 0);
    bytes_close(&body);
}

/* Fills the stack that the next call will use, so that a field of a reply nobody set differs from run to run. */
static __attribute__((noinline)) void stir_stack(uint64_t pattern)
{
    volatile uint64_t waste[2048];
    for (size_t i = 0; i < ARRAY_LEN(waste); i++)
        waste[i] = pattern * 0x9e3779b97f4a7c15ULL;
    (void)waste[pattern % ARRAY_LEN(waste)];
}

/* Applies cmd as it stands; decodes the reply. 0 or the DFS_E in the reply. */
static int world_apply(struct world *w, const struct msg *cmd)
{
    struct stamp st = {.index = ++w->index, .epoch = w->epoch, .time_ns = w->now};
    w->now += 1000;
    if (w->log.max > 0)
        world_log(w, &st, cmd);
    if (!w->timed)
        stir_stack((uintptr_t)w->m);
    meta_apply(w->m, &st, cmd, &w->res);
    if (cmd->type == MSG_TYPE_open_epoch)
        w->epoch = w->index;
    if (w->res.type == 0)
        return 0;
    arena_reset(&w->arena);
    assert_int_equal(msg_decode(w->res.type, w->res.head, w->res.head_len, &w->reply, &w->arena), 0);
    return w->res.type == MSG_TYPE_error ? -(int)w->reply.error.code : 0;
}

static struct wire_request_id world_next_id(struct world *w)
{
    w->seen = w->number + 1;
    return (struct wire_request_id){.session = w->session, .number = ++w->number, .seen = w->seen};
}

static inline int world_open_epoch(struct world *w)
{
    struct msg c = {.type = MSG_TYPE_open_epoch};
    c.open_epoch = (struct msg_open_epoch){.cluster_lo = CLUSTER, .leader = 1, .addr = STR("a:1")};
    return world_apply(w, &c);
}

static inline uint64_t world_open_session(struct world *w, uint64_t nonce)
{
    struct msg c = {.type = MSG_TYPE_session_open};
    c.session_open = (struct msg_session_open){.nonce = nonce, .who = STR("test")};
    assert_int_equal(world_apply(w, &c), 0);
    return w->reply.session_open_reply.session;
}

static inline void world_start(struct world *w, size_t log_max)
{
    *w = (struct world){.m = meta_new(), .now = 1000000000};
    arena_init(&w->arena, WIRE_ARENA_MAX);
    bytes_init(&w->log, log_max);
    world_open_epoch(w);
    w->session = world_open_session(w, 7);
}

static inline void world_stop(struct world *w)
{
    char why[200] = "";
    if (meta_verify(w->m, why, sizeof why) != 0)
        fail_msg("meta_verify: %s", why);
    meta_free(w->m);
    arena_close(&w->arena);
    bytes_close(&w->log);
}

static inline uint32_t world_add_server(struct world *w, uint32_t n)
{
    char addr[32];
    snprintf(addr, sizeof addr, "10.0.0.%u:4620", n);
    struct msg c = {.type = MSG_TYPE_ss_register};
    c.ss_register = (struct msg_ss_register){
        .uuid_hi = 1, .uuid_lo = n, .incarnation = 1, .addr = str_of(addr), .domain = STR("r1"), .capacity = 1000};
    assert_int_equal(world_apply(w, &c), 0);
    return w->reply.ss_register_reply.server;
}

static inline int world_server_state(struct world *w, uint32_t server, uint8_t state)
{
    struct msg c = {.type = MSG_TYPE_server_state};
    c.server_state = (struct msg_server_state){.server = server, .state = state, .capacity = 1000, .used = 10};
    return world_apply(w, &c);
}

static inline int w_mkdir(struct world *w, const char *path, uint32_t flags)
{
    struct msg c = {.type = MSG_TYPE_mkdir};
    c.mkdir = (struct msg_mkdir){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path), .mode = 0755,
                                 .uid = 10, .gid = 20, .flags = flags};
    return world_apply(w, &c);
}

static inline int w_create(struct world *w, const char *path, uint32_t flags)
{
    struct msg c = {.type = MSG_TYPE_create};
    c.create = (struct msg_create){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path), .mode = 0644,
                                   .uid = 10, .gid = 20, .flags = flags};
    return world_apply(w, &c);
}

static inline int w_symlink(struct world *w, const char *target, const char *path)
{
    struct msg c = {.type = MSG_TYPE_symlink};
    c.symlink = (struct msg_symlink){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path),
                                     .target = str_of(target)};
    return world_apply(w, &c);
}

static inline int w_unlink(struct world *w, const char *path)
{
    struct msg c = {.type = MSG_TYPE_unlink};
    c.unlink = (struct msg_unlink){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path)};
    return world_apply(w, &c);
}

static inline int w_rmdir(struct world *w, const char *path)
{
    struct msg c = {.type = MSG_TYPE_rmdir};
    c.rmdir = (struct msg_rmdir){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path)};
    return world_apply(w, &c);
}

static inline int w_rename(struct world *w, const char *from, const char *to, uint32_t flags)
{
    struct msg c = {.type = MSG_TYPE_rename};
    c.rename = (struct msg_rename){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(from), .to_dir = ROOT_INO,
                                   .to_path = str_of(to), .flags = flags};
    return world_apply(w, &c);
}

static inline int w_hardlink(struct world *w, const char *path, const char *to)
{
    struct msg c = {.type = MSG_TYPE_link};
    c.link = (struct msg_link){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path), .to_dir = ROOT_INO,
                               .to_path = str_of(to)};
    return world_apply(w, &c);
}

static inline int w_setattr(struct world *w, const char *path, struct msg_setattr what)
{
    struct msg c = {.type = MSG_TYPE_setattr};
    what.id = world_next_id(w);
    what.dir = ROOT_INO;
    what.path = str_of(path);
    c.setattr = what;
    return world_apply(w, &c);
}

static inline int w_chmod(struct world *w, const char *path, uint32_t mode)
{
    return w_setattr(w, path, (struct msg_setattr){.flags = SETATTR_MODE, .mode = mode});
}

static inline int w_setxattr(struct world *w, const char *path, const char *name, struct str value, uint32_t flags)
{
    struct msg c = {.type = MSG_TYPE_setxattr};
    c.setxattr = (struct msg_setxattr){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path), .flags = flags,
                                       .name = str_of(name), .value = value};
    return world_apply(w, &c);
}

static inline int w_remove(struct world *w, const char *path, uint32_t flags)
{
    struct msg c = {.type = MSG_TYPE_remove};
    c.remove = (struct msg_remove){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path), .flags = flags,
                                   .uid = 10};
    return world_apply(w, &c);
}

/* to: NULL: where it was */
static inline int w_restore(struct world *w, uint64_t trash, const char *to)
{
    struct msg c = {.type = MSG_TYPE_trash_restore};
    c.trash_restore = (struct msg_trash_restore){.id = world_next_id(w), .trash = trash, .dir = ROOT_INO,
                                                 .path = to ? str_of(to) : STR("")};
    return world_apply(w, &c);
}

/* id 0: all */
static inline int w_trash_empty(struct world *w, uint64_t trash)
{
    struct wire_trash_id entry = {trash};
    struct msg c = {.type = MSG_TYPE_trash_empty};
    c.trash_empty = (struct msg_trash_empty){.id = world_next_id(w), .entries = &entry, .n_entries = trash != 0};
    return world_apply(w, &c);
}

static inline int w_trash_keep(struct world *w, uint64_t keep_ms)
{
    struct msg c = {.type = MSG_TYPE_trash_keep};
    c.trash_keep = (struct msg_trash_keep){.id = world_next_id(w), .keep_ms = keep_ms};
    return world_apply(w, &c);
}

static inline uint32_t w_trash_list(struct world *w, uint64_t after, uint32_t limit)
{
    struct msg c = {.type = MSG_TYPE_trash_list};
    c.trash_list = (struct msg_trash_list){.after = after, .limit = limit};
    arena_reset(&w->arena);
    assert_int_equal(meta_read(w->m, &c, &w->reply, &w->arena), 0);
    return w->reply.trash_list_reply.n_entries;
}

static inline void w_reclaim(struct world *w, int64_t trash_before_ns, uint32_t limit)
{
    struct msg c = {.type = MSG_TYPE_reclaim};
    c.reclaim = (struct msg_reclaim){.trash_before_ns = trash_before_ns, .limit = limit};
    assert_int_equal(world_apply(w, &c), 0);
}

/* One piece for a publish: its grant token is encoded into room. */
#define TOKEN_ROOM 256
static inline struct wire_published piece(uint8_t *room, uint32_t index, uint32_t length, uint64_t chunk,
                                          const uint32_t *servers, uint32_t n)
{
    struct wire_server_id ids[16];
    for (uint32_t i = 0; i < n; i++)
        ids[i].id = servers[i];
    struct wire_grant_token t = {.epoch = 1, .chunk = chunk, .version = 1, .goal = 2, .servers = ids, .n_servers = n,
                                 .signature = STR("")};
    struct bytes b;
    bytes_init(&b, TOKEN_ROOM);
    assert_int_equal(wire_encode(&wire_rec_grant_token, &t, &b), 0);
    memcpy(room, b.p, b.len);
    uint32_t len = (uint32_t)b.len;
    bytes_close(&b);
    return (struct wire_published){.index = index, .length = length, .crc = 0xc0ffee,
                                   .grant = {(const char *)room, len}};
}

static inline int w_publish_pieces(struct world *w, const char *path, uint64_t size, uint32_t flags,
                                   struct wire_published *pieces, uint32_t n)
{
    struct msg c = {.type = MSG_TYPE_publish};
    c.publish = (struct msg_publish){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path), .mode = 0640,
                                     .uid = 10, .gid = 20, .size = size, .flags = flags, .chunks = pieces,
                                     .n_chunks = n};
    return world_apply(w, &c);
}

/* A file of one chunk on servers 1 and 2; size 0: no chunk. */
static inline int w_publish(struct world *w, const char *path, uint32_t size, uint64_t chunk, uint32_t flags)
{
    static const uint32_t servers[] = {1, 2};
    uint8_t room[TOKEN_ROOM];
    struct wire_published p = piece(room, 0, size, chunk, servers, 2);
    return w_publish_pieces(w, path, size, flags, &p, size > 0);
}

static inline int w_lookup(struct world *w, const char *path, uint32_t flags)
{
    struct msg c = {.type = MSG_TYPE_lookup};
    c.lookup = (struct msg_lookup){.dir = ROOT_INO, .path = str_of(path), .flags = flags};
    arena_reset(&w->arena);
    return meta_read(w->m, &c, &w->reply, &w->arena);
}

static inline int w_readdir(struct world *w, const char *path, struct str after, uint32_t limit)
{
    struct msg c = {.type = MSG_TYPE_readdir};
    c.readdir = (struct msg_readdir){.dir = ROOT_INO, .path = str_of(path), .after = after, .limit = limit, .attrs = 1};
    arena_reset(&w->arena);
    return meta_read(w->m, &c, &w->reply, &w->arena);
}

static inline int w_locate(struct world *w, const char *path, uint64_t generation, uint32_t first, uint32_t limit)
{
    struct msg c = {.type = MSG_TYPE_locate};
    c.locate = (struct msg_locate){.dir = ROOT_INO, .path = str_of(path), .generation = generation, .first = first,
                                   .limit = limit};
    arena_reset(&w->arena);
    return meta_read(w->m, &c, &w->reply, &w->arena);
}

static inline const struct wire_attr *w_attr(struct world *w, const char *path) /* of what must be there */
{
    assert_int_equal(w_lookup(w, path, LOOKUP_NOFOLLOW), 0);
    return &w->reply.lookup_reply.attr;
}

/* --- snapshots in memory --- */

static inline int write_bytes(void *arg, const void *p, size_t len) { return bytes_add(arg, p, len); }

struct source {
    const uint8_t *p;
    size_t len, at;
};

static inline int read_source(void *arg, void *p, size_t len)
{
    struct source *s = arg;
    if (len > s->len - s->at)
        return DFS_EIO;
    memcpy(p, s->p + s->at, len);
    s->at += len;
    return 0;
}

static inline struct bytes saved(const struct meta *m)
{
    struct bytes b;
    bytes_init(&b, 1u << 30);
    assert_int_equal(meta_save(m, write_bytes, &b), 0);
    return b;
}

static inline int load_bytes(struct meta *m, const uint8_t *p, size_t len)
{
    struct source s = {p, len, 0};
    char why[200] = "";
    int rv = meta_load(m, read_source, &s);
    if (rv == 0 && meta_verify(m, why, sizeof why) != 0)
        fail_msg("what was loaded does not hold together: %s", why);
    return rv == 0 && s.at != len ? DFS_EIO : rv;
}

static inline void assert_same_state(const struct meta *a, const struct meta *b)
{
    struct bytes x = saved(a), y = saved(b);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.p, y.p, x.len);
    bytes_close(&x);
    bytes_close(&y);
}

/* save, load, save: the same bytes. */
static inline void assert_survives_restart(const struct meta *m)
{
    struct bytes x = saved(m);
    struct meta *again = meta_new();
    assert_int_equal(load_bytes(again, x.p, x.len), 0);
    assert_same_state(m, again);
    meta_free(again);
    bytes_close(&x);
}

#endif
