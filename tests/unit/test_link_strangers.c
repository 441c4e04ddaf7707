/* SPDX-License-Identifier: MIT */
/* Links and those who are not what they should be: each is refused in words, and nothing else happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "unit/link_pair.h"

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
    assert_int_equal(p.client.inbox[0].status, DFS_ECONNLOST); /* its request may have been carried out */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_cluster_is_refused_and_told_so),
        cmocka_unit_test(test_nonsense_is_refused_in_words),
        cmocka_unit_test(test_another_major_version_is_refused),
        cmocka_unit_test(test_unknown_requests_and_pings_are_answered_by_the_link),
        cmocka_unit_test(test_a_caller_survives_a_wrong_answer),
        cmocka_unit_test(test_random_bytes_never_hurt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
