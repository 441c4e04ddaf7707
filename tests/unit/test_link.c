/* SPDX-License-Identifier: MIT */
/* Two links, their bytes carried from one to the other by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/rand.h"
#include "wire/calls.h"
#include "wire/link.h"
#include "wire/pending.h"

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

static void pair_open(struct pair *p, const struct link_self *client, const struct link_self *server)
{
    memset(p, 0, sizeof *p);
    p->client.link = link_new(client, false, 0);
    p->server.link = link_new(server, true, 0);
    p->piece = UINT32_MAX;
    arena_init(&p->arena, WIRE_ARENA_MAX);
    fx_init(&p->fx);
    rng_seed(&p->rng, 5);
}

static void side_close(struct side *s)
{
    for (size_t i = 0; i < s->n; i++)
        link_event_drop(&s->inbox[i]);
    link_free(s->link);
}

static void pair_close(struct pair *p)
{
    side_close(&p->client);
    side_close(&p->server);
    arena_close(&p->arena);
    fx_close(&p->fx);
}

static void drain(struct pair *p, struct side *s)
{
    struct link_event ev;

    while (link_next(s->link, 0, &p->arena, &ev)) {
        assert_true(s->n < INBOX);
        s->inbox[s->n++] = ev;
    }
}

/* Gives bytes to a link as a socket would. */
static void feed(struct pair *p, struct side *to, const uint8_t *bytes, uint64_t n)
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
static bool carry(struct pair *p, struct side *from, struct side *to)
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

static void run(struct pair *p)
{
    bool busy = true;

    while (busy) {
        busy = carry(p, &p->client, &p->server);
        busy |= carry(p, &p->server, &p->client);
    }
    drain(p, &p->client);
    drain(p, &p->server);
}

static void greet(struct pair *p)
{
    link_connected(p->client.link);
    run(p);
    assert_int_equal(link_state(p->client.link), LINK_READY);
    assert_int_equal(link_state(p->server.link), LINK_READY);
    assert_int_equal(p->client.inbox[0].kind, LINK_UP);
    assert_int_equal(p->server.inbox[0].kind, LINK_UP);
    p->client.n = p->server.n = 0;
}

static void call_lookup(struct pair *p, const char *path, uint64_t token, uint64_t deadline)
{
    struct msg m = {.type = MSG_TYPE_lookup, .lookup = {.dir = ROOT_INO, .path = str_of(path)}};
    struct effect *e;

    fx_reset(&p->fx);
    fx_call(&p->fx, "x:1", &m, NULL, token, 0);
    e = &p->fx.v[0];
    link_call(p->client.link, e->type, e->frame, e->payload, token, deadline);
    e->frame = (struct slice){NULL, 0, 0};
}

static void answer(struct pair *p, uint64_t request, const struct msg *m)
{
    struct effect *e;

    fx_reset(&p->fx);
    fx_reply(&p->fx, (struct reply_to){0, request}, m, NULL);
    e = &p->fx.v[0];
    link_reply(p->server.link, request, e->type, e->frame, e->payload);
    e->frame = (struct slice){NULL, 0, 0};
}

static void answer_lookup(struct pair *p, const struct link_event *request)
{
    struct msg m = {.type = MSG_TYPE_lookup_reply, .lookup_reply = {.target = request->msg.lookup.path}};

    answer(p, request->request, &m);
}

/* --- the happy path --- */

static void test_both_introduce_themselves(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, &client_self, &server_self);
    assert_int_equal(link_state(p.client.link), LINK_OPENING);
    assert_int_equal(link_state(p.server.link), LINK_GREETING);
    p.piece = 1;
    greet(&p);
    assert_int_equal(link_peer(p.server.link)->node, 77);
    assert_int_equal(link_peer(p.server.link)->role, ROLE_CLIENT);
    assert_true(str_eq(link_peer(p.server.link)->software, STR("dfs test")));
    assert_int_equal(link_peer(p.client.link)->cluster_lo, 2);
    assert_true(str_eq(link_peer(p.client.link)->software, STR("dfs-nm test")));
    assert_true(link_deadline(p.client.link) == UINT64_MAX);
    pair_close(&p);
}

static void test_answers_in_any_order_find_their_calls(void **state)
{
    struct pair p;
    char path[16];

    (void)state;
    pair_open(&p, &client_self, &server_self);
    p.piece = 0;
    /* Calls wait in the link until HELLO is done. */
    for (unsigned i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "file%u", i);
        call_lookup(&p, path, 1000 + i, 50);
    }
    assert_int_equal(link_outstanding(p.client.link), 200);
    link_connected(p.client.link);
    run(&p);
    assert_int_equal(p.server.n, 201);
    for (unsigned i = 0; i < 200; i++)
        answer_lookup(&p, &p.server.inbox[1 + (i * 77) % 200]);
    run(&p);
    assert_int_equal(link_outstanding(p.client.link), 0);
    assert_int_equal(p.client.n, 201);
    for (unsigned i = 1; i <= 200; i++) {
        const struct link_event *ev = &p.client.inbox[i];

        snprintf(path, sizeof path, "file%u", (unsigned)ev->token - 1000);
        assert_int_equal(ev->kind, LINK_REPLY);
        assert_int_equal(ev->status, 0);
        assert_true(ev->has_msg);
        assert_true(str_eq(ev->msg.lookup_reply.target, str_of(path)));
    }
    pair_close(&p);
}

static void test_an_error_answer_carries_its_message(void **state)
{
    struct pair p;
    struct msg m = {.type = MSG_TYPE_error, .error = {.code = -DFS_ENOTLEADER, .leader = STR("b:1")}};
    struct msg odd = {.type = MSG_TYPE_error, .error = {.code = 999}};

    (void)state;
    pair_open(&p, &client_self, &server_self);
    greet(&p);
    call_lookup(&p, "a", 1, 50);
    call_lookup(&p, "b", 2, 50);
    run(&p);
    answer(&p, p.server.inbox[0].request, &m);
    answer(&p, p.server.inbox[1].request, &odd);
    run(&p);
    assert_int_equal(p.client.inbox[0].status, DFS_ENOTLEADER);
    assert_true(str_eq(p.client.inbox[0].msg.error.leader, STR("b:1")));
    assert_int_equal(p.client.inbox[1].status, DFS_EIO);
    pair_close(&p);
}

static void test_a_second_answer_is_dropped(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, &client_self, &server_self);
    greet(&p);
    call_lookup(&p, "a", 1, 50);
    run(&p);
    answer_lookup(&p, &p.server.inbox[0]);
    answer_lookup(&p, &p.server.inbox[0]);
    link_reply(p.server.link, 0, 1, (struct slice){NULL, 0, 0}, (struct payload){0});
    run(&p);
    assert_int_equal(p.client.n, 1);
    assert_int_equal(link_state(p.client.link), LINK_READY);
    assert_int_equal(link_state(p.server.link), LINK_READY);
    pair_close(&p);
}

/* --- deadlines --- */

static void test_a_late_answer_is_nobodys(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, &client_self, &server_self);
    greet(&p);
    call_lookup(&p, "slow", 1, 500);
    call_lookup(&p, "slower", 2, 900);
    call_lookup(&p, "quick", 3, 100);
    run(&p);
    assert_int_equal(link_deadline(p.client.link), 100);
    link_expire(p.client.link, 99);
    run(&p);
    assert_int_equal(p.client.n, 0);
    link_expire(p.client.link, 500);
    run(&p);
    assert_int_equal(p.client.n, 2);
    assert_int_equal(p.client.inbox[0].token, 3);
    assert_int_equal(p.client.inbox[0].status, DFS_ETIMEDOUT);
    assert_false(p.client.inbox[0].has_msg);
    assert_int_equal(p.client.inbox[1].token, 1);
    assert_int_equal(link_deadline(p.client.link), 900);
    for (size_t i = 0; i < 3; i++)
        answer_lookup(&p, &p.server.inbox[i]);
    run(&p);
    assert_int_equal(p.client.n, 3);
    assert_int_equal(p.client.inbox[2].token, 2);
    assert_int_equal(p.client.inbox[2].status, 0);
    assert_int_equal(link_state(p.client.link), LINK_READY);
    pair_close(&p);
}

static void test_a_missing_hello_fails_both_sides(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, &client_self, &server_self);
    call_lookup(&p, "a", 1, 100 * NS_PER_SEC);
    assert_true(link_deadline(p.server.link) == LINK_HELLO_DEADLINE);
    link_expire(p.server.link, LINK_HELLO_DEADLINE - 1);
    assert_int_equal(link_state(p.server.link), LINK_GREETING);
    link_expire(p.server.link, LINK_HELLO_DEADLINE);
    assert_int_equal(link_state(p.server.link), LINK_FAILED);
    assert_string_equal(link_why(p.server.link), "no HELLO in time");
    link_connected(p.client.link);
    link_expire(p.client.link, LINK_HELLO_DEADLINE);
    drain(&p, &p.client);
    assert_int_equal(p.client.n, 1);
    assert_int_equal(p.client.inbox[0].status, DFS_EUNREACH);
    assert_true(link_deadline(p.client.link) == UINT64_MAX);
    pair_close(&p);
}

/* --- ends --- */

static void test_a_lost_connection_ends_every_call(void **state)
{
    struct pair p;
    struct slice out[8];

    (void)state;
    pair_open(&p, &client_self, &server_self);
    greet(&p);
    call_lookup(&p, "on its way", 1, 50);
    assert_int_equal(link_out(p.client.link, out, 8), 1);
    call_lookup(&p, "still here", 2, 60);
    link_fail(p.client.link, DFS_ECONNLOST);
    call_lookup(&p, "too late", 3, 70);
    assert_int_equal(link_out(p.client.link, out, 8), 0);
    assert_int_equal(link_deadline(p.client.link), 0);
    drain(&p, &p.client);
    assert_int_equal(p.client.n, 3);
    assert_int_equal(p.client.inbox[0].token, 1);
    assert_int_equal(p.client.inbox[0].status, DFS_ECONNLOST);
    assert_int_equal(p.client.inbox[1].status, DFS_EUNREACH);
    assert_int_equal(p.client.inbox[2].status, DFS_EUNREACH);
    assert_int_equal(link_outstanding(p.client.link), 0);
    pair_close(&p);
}

static void test_a_call_without_encoding_still_ends(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, &client_self, &server_self);
    greet(&p);
    link_call(p.client.link, MSG_TYPE_lookup, (struct slice){NULL, 0, 0}, (struct payload){0}, 9, 1000);
    assert_int_equal(link_deadline(p.client.link), 0);
    drain(&p, &p.client);
    assert_int_equal(p.client.n, 1);
    assert_int_equal(p.client.inbox[0].token, 9);
    assert_int_equal(p.client.inbox[0].status, DFS_EIO);
    assert_int_equal(link_state(p.client.link), LINK_READY);
    pair_close(&p);
}

/* --- strangers --- */

static void test_another_cluster_is_refused_and_told_so(void **state)
{
    static const struct link_self foreign = {.cluster_hi = 9, .cluster_lo = 9, .role = ROLE_STORAGE};
    struct pair p;

    (void)state;
    pair_open(&p, &foreign, &server_self);
    link_connected(p.client.link);
    run(&p);
    assert_int_equal(link_state(p.server.link), LINK_FAILED);
    assert_string_equal(link_why(p.server.link), "HELLO names another cluster");
    assert_int_equal(link_state(p.client.link), LINK_FAILED);
    assert_string_equal(link_why(p.client.link), "HELLO was refused: HELLO names another cluster");
    pair_close(&p);
}

static void put_frame(struct bytes *out, uint16_t type, uint64_t request, const void *head, uint32_t len)
{
    uint8_t header[FRAME_HEADER];

    frame_put_header(header, type, request, head, len, 0);
    assert_int_equal(bytes_add(out, header, sizeof header), 0);
    assert_int_equal(bytes_add(out, head, len), 0);
}

/* What the accepter thinks of these bytes, after HELLO or instead of it. */
static void check_refused(bool after_hello, uint16_t type, const void *head, uint32_t len, const char *why)
{
    struct pair p;
    struct bytes b;

    pair_open(&p, &client_self, &server_self);
    bytes_init(&b, 65536);
    if (after_hello)
        greet(&p);
    put_frame(&b, type, 1000, head, len);
    feed(&p, &p.server, b.p, b.len);
    assert_int_equal(link_state(p.server.link), LINK_FAILED);
    assert_string_equal(link_why(p.server.link), why);
    assert_int_equal(p.server.n, 0);
    bytes_close(&b);
    pair_close(&p);
}

static void test_nonsense_is_refused_in_words(void **state)
{
    static const uint8_t large[8192];
    static const uint8_t hello[37] = {0};

    (void)state;
    check_refused(false, MSG_TYPE_ping, large, 8, "the first message is not HELLO");
    check_refused(false, MSG_TYPE_hello, "short", 5, "the first message is not HELLO");
    check_refused(false, MSG_TYPE_hello, large, sizeof large, "frame announces a length over its limit");
    check_refused(true, MSG_TYPE_lookup, "short", 5, "malformed lookup");
    check_refused(true, MSG_TYPE_hello, hello, sizeof hello, "a second HELLO");
    check_refused(true, MSG_TYPE_lookup_reply, large, 100, "an answer to a request that was never made");
}

static void test_another_major_version_is_refused(void **state)
{
    struct pair p;
    struct slice out[1];
    uint8_t bytes[200];

    (void)state;
    pair_open(&p, &client_self, &server_self);
    link_connected(p.client.link);
    assert_int_equal(link_out(p.client.link, out, 1), 1);
    memcpy(bytes, slice_data(out[0]), out[0].len);
    bytes[4] = FRAME_MAJOR + 1;
    feed(&p, &p.server, bytes, out[0].len);
    assert_int_equal(link_state(p.server.link), LINK_FAILED);
    assert_string_equal(link_why(p.server.link), "frame of another major version");
    pair_close(&p);
}

/* A new client's message, a command of the log, a ping: the link answers itself, and goes on. */
static void test_unknown_requests_and_pings_are_answered_by_the_link(void **state)
{
    static const uint8_t head[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const uint16_t types[] = {0x7777, MSG_TYPE_reserve, MSG_TYPE_ping};
    struct pair p;
    struct bytes b;
    struct slice out[8];
    uint64_t said = 0;

    (void)state;
    pair_open(&p, &client_self, &server_self);
    bytes_init(&b, 65536);
    greet(&p);
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        put_frame(&b, types[i], 500 + i, head, sizeof head);
    feed(&p, &p.server, b.p, b.len);
    assert_int_equal(p.server.n, 0);
    assert_int_equal(link_out(p.server.link, out, 8), 3);
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *f = slice_data(out[i]);

        assert_int_equal(get_u64(f + 8), 500 + i);
        assert_int_equal(get_u16(f + 6), i < 2 ? MSG_TYPE_error : MSG_TYPE_ping_reply);
        if (i < 2)
            assert_int_equal(get_u16(f + FRAME_HEADER), -DFS_ENOTSUP);
        else
            assert_memory_equal(f + FRAME_HEADER, head, sizeof head);
        said += out[i].len;
    }
    assert_int_equal(link_out_bytes(p.server.link), said);
    link_sent(p.server.link, said);
    call_lookup(&p, "still works", 1, 50);
    run(&p);
    assert_int_equal(p.server.n, 1);
    bytes_close(&b);
    pair_close(&p);
}

static void test_a_caller_survives_a_wrong_answer(void **state)
{
    static const uint8_t head[8] = {0};
    struct pair p;
    struct bytes b;

    (void)state;
    pair_open(&p, &client_self, &server_self);
    bytes_init(&b, 65536);
    greet(&p);
    call_lookup(&p, "a", 1, 50);
    run(&p);
    put_frame(&b, MSG_TYPE_ping_reply, 2, head, sizeof head);
    feed(&p, &p.client, b.p, b.len);
    assert_int_equal(link_state(p.client.link), LINK_FAILED);
    assert_string_equal(link_why(p.client.link), "lookup answered by ping_reply");
    assert_int_equal(p.client.n, 1);
    assert_int_equal(p.client.inbox[0].status, DFS_EPROTO);
    bytes_close(&b);
    pair_close(&p);
}

static void test_random_bytes_never_hurt(void **state)
{
    struct rng r;

    (void)state;
    rng_seed(&r, 31);
    for (int round = 0; round < 300; round++) {
        struct pair p;
        struct slice out[1];
        uint8_t bytes[400];
        size_t len;

        pair_open(&p, &client_self, &server_self);
        p.piece = 0;
        link_connected(p.client.link);
        assert_int_equal(link_out(p.client.link, out, 1), 1);
        len = out[0].len;
        memcpy(bytes, slice_data(out[0]), len);
        for (size_t i = len; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)rng_next(&r);
        for (uint64_t n = rng_below(&r, 3); n > 0; n--)
            bytes[rng_below(&r, len)] ^= (uint8_t)(1u << rng_below(&r, 8));
        feed(&p, &p.server, bytes, sizeof bytes);
        assert_int_equal(link_state(p.server.link), LINK_FAILED);
        assert_true(strlen(link_why(p.server.link)) > 0);
        pair_close(&p);
    }
}

/* --- limits --- */

static void test_reading_pauses_while_too_much_is_unanswered(void **state)
{
    struct pair p;
    uint64_t requests[LINK_MAX_REQUESTS];

    (void)state;
    pair_open(&p, &client_self, &server_self);
    greet(&p);
    for (uint32_t i = 0; i < LINK_MAX_REQUESTS; i++) {
        assert_false(link_paused(p.server.link));
        call_lookup(&p, "x", i, 50);
        run(&p);
        requests[i] = p.server.inbox[0].request;
        link_event_drop(&p.server.inbox[0]);
        p.server.n = 0;
    }
    assert_true(link_paused(p.server.link));
    assert_false(link_paused(p.client.link));
    for (uint32_t i = 0; i < LINK_MAX_REQUESTS; i++) {
        struct msg m = {.type = MSG_TYPE_lookup_reply};

        answer(&p, requests[i], &m);
        assert_false(link_paused(p.server.link));
    }
    link_fail(p.client.link, DFS_ECANCELED);
    for (uint32_t i = 0; i < LINK_MAX_REQUESTS; i++) {
        struct link_event ev;

        assert_true(link_next(p.client.link, 0, &p.arena, &ev));
        assert_int_equal(ev.status, DFS_ECANCELED);
    }
    pair_close(&p);
}

static void test_unread_answers_pause_reading(void **state)
{
    struct pair p;
    struct msg m = {.type = MSG_TYPE_chunk_read_reply};
    struct buf *data = buf_new(WIRE_PAYLOAD_MAX);

    (void)state;
    pair_open(&p, &client_self, &server_self);
    greet(&p);
    memset(data->data, 7, data->cap);
    for (unsigned i = 0; i < 17; i++)
        call_lookup(&p, "x", i, 50);
    run(&p);
    for (unsigned i = 0; i < 17; i++) {
        struct payload payload = payload_of(slice_take(buf_ref(data), 0, data->cap));
        struct effect *e;

        assert_int_equal(link_paused(p.server.link), i == 16);
        fx_reset(&p.fx);
        fx_reply(&p.fx, (struct reply_to){0, 1}, &m, &payload);
        e = &p.fx.v[0];
        link_reply(p.server.link, p.server.inbox[i].request, e->type, e->frame, e->payload);
        *e = (struct effect){.kind = EFF_LOG};
    }
    assert_true(link_out_bytes(p.server.link) > LINK_MAX_OUT_BYTES);
    assert_true(link_paused(p.server.link));
    buf_unref(data);
    pair_close(&p);
}

/* --- the tables beneath --- */

static void check_tables(const struct calls *c, const bool *in, const uint64_t *deadline, uint64_t n)
{
    uint64_t least = UINT64_MAX;
    uint32_t count = 0;

    for (uint64_t id = 1; id < n; id++) {
        assert_int_equal(calls_find(c, id) != NULL, in[id]);
        count += in[id];
        least = in[id] && deadline[id] < least ? deadline[id] : least;
    }
    assert_int_equal(c->n, count);
    assert_int_equal(calls_first(c) != NULL ? calls_first(c)->deadline : UINT64_MAX, least);
}

static void test_calls_are_found_and_ordered(void **state)
{
    enum { IDS = 300 };
    struct calls c = {0};
    bool in[IDS] = {false};
    uint64_t deadline[IDS] = {0};
    struct rng r;

    (void)state;
    rng_seed(&r, 3);
    for (int i = 0; i < 20000; i++) {
        uint64_t id = 1 + rng_below(&r, IDS - 1);

        if (in[id]) {
            assert_int_equal(calls_find(&c, id)->token, id * 3);
            calls_remove(&c, id);
        } else if (rng_chance(&r, i / 5000 % 2 ? 200 : 900)) {
            deadline[id] = rng_below(&r, 1000);
            calls_add(&c, &(struct call){.id = id, .token = id * 3, .deadline = deadline[id]});
        } else {
            continue;
        }
        in[id] = !in[id];
        if (i % 50 == 0)
            check_tables(&c, in, deadline, IDS);
    }
    calls_close(&c);
}

static void test_handles_serve_once(void **state)
{
    struct pending p = {0};
    uint64_t h[100], id;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++)
            h[i] = pending_add(&p, 5, i);
        assert_int_equal(p.n, 100);
        assert_int_equal(p.bytes, 4950);
        for (unsigned i = 0; i < 100; i++) {
            assert_true(pending_take(&p, h[i], &id));
            assert_false(pending_take(&p, h[i], &id));
            assert_int_equal(id, 5);
        }
        assert_int_equal(p.bytes, 0);
    }
    pending_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_introduce_themselves),
        cmocka_unit_test(test_answers_in_any_order_find_their_calls),
        cmocka_unit_test(test_an_error_answer_carries_its_message),
        cmocka_unit_test(test_a_second_answer_is_dropped),
        cmocka_unit_test(test_a_late_answer_is_nobodys),
        cmocka_unit_test(test_a_missing_hello_fails_both_sides),
        cmocka_unit_test(test_a_lost_connection_ends_every_call),
        cmocka_unit_test(test_a_call_without_encoding_still_ends),
        cmocka_unit_test(test_another_cluster_is_refused_and_told_so),
        cmocka_unit_test(test_nonsense_is_refused_in_words),
        cmocka_unit_test(test_another_major_version_is_refused),
        cmocka_unit_test(test_unknown_requests_and_pings_are_answered_by_the_link),
        cmocka_unit_test(test_a_caller_survives_a_wrong_answer),
        cmocka_unit_test(test_random_bytes_never_hurt),
        cmocka_unit_test(test_reading_pauses_while_too_much_is_unanswered),
        cmocka_unit_test(test_unread_answers_pause_reading),
        cmocka_unit_test(test_calls_are_found_and_ordered),
        cmocka_unit_test(test_handles_serve_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
