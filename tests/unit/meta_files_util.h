/* SPDX-License-Identifier: MIT */
/* Clients of the state machine that open files and lock them: for the tests of both. */
#ifndef TESTS_UNIT_META_FILES_UTIL_H
#define TESTS_UNIT_META_FILES_UTIL_H

#include "test_meta_util.h"

struct client { /* a session of its own in the world */
    uint64_t session, number;
};

static inline struct wire_request_id next_id(struct client *c)
{
    ++c->number;
    return (struct wire_request_id){.session = c->session, .number = c->number, .seen = c->number};
}

static inline struct client client_open(struct world *w, uint64_t nonce)
{
    return (struct client){.session = world_open_session(w, nonce)};
}

static inline void client_close(struct world *w, struct client *c)
{
    struct msg m = {.type = MSG_TYPE_session_close, .session_close = {.id = next_id(c)}};
    assert_int_equal(world_apply(w, &m), 0);
}

static inline int f_open(struct world *w, struct client *c, uint64_t dir, const char *path, uint32_t flags,
                         uint64_t *handle)
{
    struct msg m = {.type = MSG_TYPE_open};
    m.open = (struct msg_open){.id = next_id(c), .dir = dir, .path = str_of(path), .flags = flags, .mode = 0600};
    int rv = world_apply(w, &m);
    if (rv == 0)
        *handle = w->reply.open_reply.handle;
    return rv;
}

static inline int f_close(struct world *w, struct client *c, uint64_t handle)
{
    struct msg m = {.type = MSG_TYPE_close, .close = {.id = next_id(c), .handle = handle}};
    return world_apply(w, &m);
}

static inline int f_extend(struct world *w, struct client *c, uint64_t handle, uint64_t size)
{
    struct msg m = {.type = MSG_TYPE_extend, .extend = {.id = next_id(c), .handle = handle, .size = size}};
    return world_apply(w, &m);
}

static inline int f_lock(struct world *w, struct client *c, uint64_t handle, uint64_t owner, uint8_t space,
                         uint8_t type, uint64_t start, uint64_t end, uint32_t flags, uint64_t *ticket)
{
    struct msg m = {.type = MSG_TYPE_lock};
    m.lock = (struct msg_lock){.id = next_id(c),
                               .handle = handle,
                               .owner = owner,
                               .space = space,
                               .type = type,
                               .flags = flags,
                               .start = start,
                               .end = end};
    int rv = world_apply(w, &m);
    if (ticket != NULL)
        *ticket = rv == 0 ? w->reply.lock_reply.ticket : UINT64_MAX;
    return rv;
}

static inline int f_unlock(struct world *w, struct client *c, uint64_t handle, uint64_t owner, uint8_t space,
                           uint64_t start, uint64_t end)
{
    struct msg m = {.type = MSG_TYPE_unlock};
    m.unlock = (struct msg_unlock){
        .id = next_id(c), .handle = handle, .owner = owner, .space = space, .start = start, .end = end};
    return world_apply(w, &m);
}

/* The type of the lock that would keep this one out; 0: none. */
static inline uint8_t f_query(struct world *w, uint64_t handle, uint64_t owner, uint8_t space, uint8_t type,
                              uint64_t start, uint64_t end)
{
    struct msg m = {.type = MSG_TYPE_lock_query};
    m.lock_query = (struct msg_lock_query){
        .handle = handle, .owner = owner, .space = space, .type = type, .start = start, .end = end};
    arena_reset(&w->arena);
    assert_int_equal(meta_read(w->m, &m, &w->reply, &w->arena), 0);
    return w->reply.lock_query_reply.type;
}

static inline void verify(struct world *w)
{
    char why[200] = "";
    if (meta_verify(w->m, why, sizeof why) != 0)
        fail_msg("meta_verify: %s", why);
    assert_survives_restart(w->m);
}

static inline void with_servers(struct world *w)
{
    world_start(w, 0);
    world_add_server(w, 1);
    world_add_server(w, 2);
}

struct two { /* two clients with one file open */
    struct world w;
    struct client a, b;
    uint64_t ha, hb;
};

static inline void two_start(struct two *t)
{
    with_servers(&t->w);
    t->a = client_open(&t->w, 1);
    t->b = client_open(&t->w, 2);
    assert_int_equal(f_open(&t->w, &t->a, ROOT_INO, "/f", OPEN_WRITE | OPEN_CREATE, &t->ha), 0);
    assert_int_equal(f_open(&t->w, &t->b, ROOT_INO, "/f", OPEN_WRITE, &t->hb), 0);
}

#endif
