/* SPDX-License-Identifier: MIT */
/* What a link does for two who behave: HELLO, calls and answers, deadlines, ends, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "unit/link_pair.h"

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

/* A HELLO of a release before the fields it lacks, and of one that has more: both are taken. */
static void test_releases_greet_each_other(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct msg m = {.type = MSG_TYPE_hello};
        uint8_t header[FRAME_HEADER];
        struct bytes head;
        struct pair p;

        m.hello = (struct msg_hello){.minor = i == 0 ? 0 : WIRE_MINOR + 7, .role = ROLE_NAME, .software = STR("dfs x")};
        bytes_init(&head, 4096);
        assert_int_equal(msg_encode(&m, &head), 0);
        if (i == 1)
            assert_int_equal(bytes_add(&head, "fields of a later release", 25), 0);
        pair_open(&p, &client_self, &server_self);
        frame_put_header(header, MSG_TYPE_hello, 1, head.p, (uint32_t)head.len, 0);
        feed(&p, &p.server, header, sizeof header);
        feed(&p, &p.server, head.p, head.len);
        assert_int_equal(link_state(p.server.link), LINK_READY);
        assert_int_equal(link_peer(p.server.link)->minor, m.hello.minor);
        assert_true(str_eq(link_peer(p.server.link)->software, STR("dfs x")));
        pair_close(&p);
        bytes_close(&head);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_introduce_themselves),
        cmocka_unit_test(test_releases_greet_each_other),
        cmocka_unit_test(test_answers_in_any_order_find_their_calls),
        cmocka_unit_test(test_an_error_answer_carries_its_message),
        cmocka_unit_test(test_a_second_answer_is_dropped),
        cmocka_unit_test(test_a_late_answer_is_nobodys),
        cmocka_unit_test(test_a_missing_hello_fails_both_sides),
        cmocka_unit_test(test_a_lost_connection_ends_every_call),
        cmocka_unit_test(test_a_call_without_encoding_still_ends),
        cmocka_unit_test(test_reading_pauses_while_too_much_is_unanswered),
        cmocka_unit_test(test_unread_answers_pause_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
