/* SPDX-License-Identifier: MIT */
/* Two links, their bytes carried from one to the other by hand. Include <cmocka.h> first. */
#ifndef DFS_TESTS_LINK_PAIR_H
#define DFS_TESTS_LINK_PAIR_H

#include "base/rand.h"
#include "wire/link.h"

static const struct link_self client_self = {.role = ROLE_CLIENT, .node = 77, .software = "dfs test"};
static const struct link_self server_self = {
    .cluster_hi = 1, .cluster_lo = 2, .node = 3, .role = ROLE_NAME, .software = "dfs-nm test"};

#define INBOX 600

struct side {
    struct link *link;
    struct link_event inbox[INBOX];
    size_t n;
};

struct pair {
    struct side client, server;
    struct arena arena;
    struct effects fx; /* for its encoder */
    struct rng rng;
    uint32_t piece; /* how many bytes the network carries at once, at most; 0: random */
};

static inline void pair_open(struct pair *p, const struct link_self *client, const struct link_self *server)
{
    memset(p, 0, sizeof *p);
    p->client.link = link_new(client, false, 0);
    p->server.link = link_new(server, true, 0);
    p->piece = UINT32_MAX;
    arena_init(&p->arena, WIRE_ARENA_MAX);
    fx_init(&p->fx);
    rng_seed(&p->rng, 5);
}

static inline void side_close(struct side *s)
{
    for (size_t i = 0; i < s->n; i++)
        link_event_drop(&s->inbox[i]);
    link_free(s->link);
}

static inline void pair_close(struct pair *p)
{
    side_close(&p->client);
    side_close(&p->server);
    arena_close(&p->arena);
    fx_close(&p->fx);
}

static inline void drain(struct pair *p, struct side *s)
{
    struct link_event ev;

    while (link_next(s->link, 0, &p->arena, &ev)) {
        assert_true(s->n < INBOX);
        s->inbox[s->n++] = ev;
    }
}

/* Gives bytes to a link as a socket would. */
static inline void feed(struct pair *p, struct side *to, const uint8_t *bytes, uint64_t n)
{
    while (n > 0 && link_state(to->link) != LINK_FAILED) {
        uint32_t space, len;
        uint8_t *at = link_space(to->link, &space);

        assert_non_null(at);
        len = (uint32_t)min_u64(min_u64(space, p->piece ? p->piece : 1 + rng_below(&p->rng, 50)), n);
        memcpy(at, bytes, len);
        link_fed(to->link, len);
        bytes += len;
        n -= len;
        drain(p, to);
    }
}

/* Carries what one side has to say. true: it said something. */
static inline bool carry(struct pair *p, struct side *from, struct side *to)
{
    struct slice out[3];
    uint32_t n = link_out(from->link, out, 3);
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < n; i++) {
        feed(p, to, slice_data(out[i]), out[i].len);
        bytes += out[i].len;
    }
    link_sent(from->link, bytes);
    return bytes > 0;
}

static inline void run(struct pair *p)
{
    bool busy = true;

    while (busy) {
        busy = carry(p, &p->client, &p->server);
        busy |= carry(p, &p->server, &p->client);
    }
    drain(p, &p->client);
    drain(p, &p->server);
}

static inline void greet(struct pair *p)
{
    link_connected(p->client.link);
    run(p);
    assert_int_equal(link_state(p->client.link), LINK_READY);
    assert_int_equal(link_state(p->server.link), LINK_READY);
    assert_int_equal(p->client.inbox[0].kind, LINK_UP);
    assert_int_equal(p->server.inbox[0].kind, LINK_UP);
    p->client.n = p->server.n = 0;
}

static inline void call_lookup(struct pair *p, const char *path, uint64_t token, uint64_t deadline)
{
    struct msg m = {.type = MSG_TYPE_lookup, .lookup = {.dir = ROOT_INO, .path = str_of(path)}};
    struct effect *e;

    fx_reset(&p->fx);
    fx_call(&p->fx, "x:1", &m, NULL, token, 0);
    e = &p->fx.v[0];
    link_call(p->client.link, e->type, e->frame, e->payload, token, deadline);
    e->frame = (struct slice){NULL, 0, 0};
}

static inline void answer(struct pair *p, uint64_t request, const struct msg *m)
{
    struct effect *e;

    fx_reset(&p->fx);
    fx_reply(&p->fx, (struct reply_to){0, request}, m, NULL);
    e = &p->fx.v[0];
    link_reply(p->server.link, request, e->type, e->frame, e->payload);
    e->frame = (struct slice){NULL, 0, 0};
}

static inline void answer_lookup(struct pair *p, const struct link_event *request)
{
    struct msg m = {.type = MSG_TYPE_lookup_reply, .lookup_reply = {.target = request->msg.lookup.path}};

    answer(p, request->request, &m);
}

#endif
