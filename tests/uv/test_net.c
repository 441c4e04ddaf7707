/* SPDX-License-Identifier: MIT */
/* Two and more nodes on real loopback: what net.h promises, and what happens when a peer breaks every rule. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/rand.h"
#include "support/tcp_echo.h"

#define MANY_CONNECTIONS 1000u

struct fixture {
    uv_loop_t loop;
    struct echo_node server, client;
};

static void open_with(struct fixture *f, const struct net_limits *limits)
{
    uv_loop_init(&f->loop);
    echo_open(&f->server, &f->loop, limits, true);
    echo_open(&f->client, &f->loop, NULL, false);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    open_with(f, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    echo_close(&f->client);
    echo_close(&f->server);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    return 0;
}

static void answer(struct echo_node *e, struct reply_to to)
{
    struct effects fx;
    struct msg m = {.type = MSG_TYPE_lookup_reply};
    fx_init(&fx);
    fx_reply(&fx, to, &m, NULL);
    net_reply(e->net, &fx.v[0]);
    fx_close(&fx);
}

static void on_sigpipe(int number) { (void)number; }

static void sigpipe_is_ignored_unless_the_program_handles_it(void **state)
{
    void (*const before[])(int) = {SIG_DFL, SIG_IGN, on_sigpipe}, (*const after[])(int) = {SIG_IGN, SIG_IGN, on_sigpipe};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(before); i++) {
        void *fixture;
        signal(SIGPIPE, before[i]);
        setup(&fixture);
        teardown(&fixture);
        assert_ptr_equal(signal(SIGPIPE, SIG_IGN), after[i]);
    }
}

static void a_call_is_answered(void **state)
{
    struct fixture *f = *state;
    echo_lookup(&f->client, f->server.address, "/a/b", 42, NS_PER_SEC);
    assert_int_equal(f->client.replies, 0); /* never before the call has returned */
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    assert_int_equal(f->client.last_status, 0);
    assert_int_equal(f->client.last_token, 42);
    assert_int_equal(net_counters(f->server.net)->accepted, 1);
}

static void many_calls_share_one_connection(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 6000; i++)
        echo_lookup(&f->client, f->server.address, "/some/path", i, 30 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 6000));
    assert_int_equal(f->client.ok, 6000);
    assert_int_equal(net_counters(f->server.net)->accepted, 1);
}

/* Whoever has too much outstanding waits, and nothing is lost by it. */
static void reading_pauses_at_the_limit_and_goes_on(void **state)
{
    struct fixture *f = *state;
    f->server.mute = true;
    for (uint32_t i = 0; i < 10000; i++)
        echo_lookup(&f->client, f->server.address, "/some/path", i, 60 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->server.requests, LINK_MAX_REQUESTS));
    for (uint32_t i = 0; i < 50; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_in_range(f->server.requests, LINK_MAX_REQUESTS, LINK_MAX_REQUESTS + 2000);
    f->server.mute = false;
    echo_answer_held(&f->server);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 10000));
    assert_int_equal(f->client.ok, 10000);
}

static void names_are_resolved(void **state)
{
    struct fixture *f = *state;
    char address[64];
    snprintf(address, sizeof address, "localhost%s", strrchr(f->server.address, ':'));
    echo_lookup(&f->client, address, "/x", 1, 5 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    assert_int_equal(f->client.last_status, 0);
}

/* More than the socket's buffers hold, in both directions at once. */
static void large_payloads_arrive_whole(void **state)
{
    struct fixture *f = *state;
    uint32_t len = WIRE_PAYLOAD_MAX, count = 48;
    uint8_t *data = malloc(len);
    struct rng rng;
    rng_seed(&rng, 1);
    for (uint32_t i = 0; i < len; i++)
        data[i] = (uint8_t)rng_next(&rng);
    f->client.expect = data;
    f->client.expect_len = len;
    for (uint32_t i = 0; i < count; i++)
        echo_write(&f->client, f->server.address, data, len, i);
    assert_true(echo_run_until(&f->loop, &f->client.replies, count));
    assert_int_equal(f->client.matched, count);
    free(data);
}

/* However fast one peer sends, the others, and the disks, get their turn in between. */
static void a_flood_from_one_peer_leaves_others_their_turn(void **state)
{
    struct fixture *f = *state;
    uint64_t before = 0, most = 0;
    pid_t child = fork();
    if (child == 0) {
        struct echo_node sender;
        uv_loop_t loop;
        uint8_t *data = calloc(1, WIRE_PAYLOAD_MAX);
        uv_loop_init(&loop);
        echo_open(&sender, &loop, NULL, false);
        for (uint32_t i = 0; i < 100; i++)
            echo_write(&sender, f->server.address, data, WIRE_PAYLOAD_MAX, i);
        _exit(echo_run_until(&loop, &sender.replies, 100) && sender.ok == 100 ? 0 : 1);
    }
    while (f->server.requests < 100) {
        uv_run(&f->loop, UV_RUN_ONCE);
        most = max_u64(most, net_counters(f->server.net)->bytes_in - before);
        before = net_counters(f->server.net)->bytes_in;
        usleep(2000); /* so that much has gathered */
    }
    for (int status = 0; waitpid(child, &status, WNOHANG) == 0;)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    print_message("at most %" PRIu64 " bytes in a turn\n", most);
    assert_true(most < 2 * 1024 * 1024 + 2 * WIRE_PAYLOAD_MAX);
}

static void an_address_where_nobody_listens_cannot_be_reached(void **state)
{
    struct fixture *f = *state;
    char address[64];
    struct echo_node gone;
    echo_open(&gone, &f->loop, NULL, true);
    snprintf(address, sizeof address, "%s", gone.address);
    echo_close(&gone);
    echo_lookup(&f->client, address, "/x", 1, NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    assert_int_equal(f->client.last_status, DFS_EUNREACH);
    echo_lookup(&f->client, "no address at all", "/x", 2, NS_PER_SEC);
    assert_int_equal(f->client.replies, 1);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 2));
    assert_int_equal(f->client.last_status, DFS_EUNREACH);
    assert_int_equal(f->client.last_token, 2);
}

static void a_call_has_a_deadline(void **state)
{
    struct fixture *f = *state;
    f->server.mute = true;
    uint64_t start = now_sample().mono;
    echo_lookup(&f->client, f->server.address, "/x", 1, 200 * NS_PER_MS);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    uint64_t took = now_sample().mono - start;
    assert_int_equal(f->client.last_status, DFS_ETIMEDOUT);
    assert_true(took >= 200 * NS_PER_MS && took < 2 * NS_PER_SEC);
    /* the connection lives on */
    f->server.mute = false;
    echo_lookup(&f->client, f->server.address, "/x", 2, NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 2));
    assert_int_equal(f->client.last_status, 0);
    assert_int_equal(net_counters(f->server.net)->accepted, 1);
}

static void a_broken_connection_ends_its_calls_and_the_next_connects_anew(void **state)
{
    struct fixture *f = *state;
    char address[64];
    struct echo_node server;
    echo_open(&server, &f->loop, NULL, true);
    snprintf(address, sizeof address, "%s", server.address);
    server.mute = true;
    echo_lookup(&f->client, address, "/x", 1, 10 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &server.requests, 1));
    echo_close(&server);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    assert_int_equal(f->client.last_status, DFS_ECONNLOST);
    /* the same address again, a new server behind it */
    echo_open(&server, &f->loop, NULL, false);
    assert_int_equal(net_listen(server.net, address, server.address, sizeof server.address), 0);
    echo_lookup(&f->client, address, "/x", 2, 10 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 2));
    assert_int_equal(f->client.last_status, 0);
    echo_close(&server);
}

static void an_answer_to_a_connection_that_is_gone_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct echo_node client;
    echo_open(&client, &f->loop, NULL, false);
    f->server.mute = true;
    echo_lookup(&client, f->server.address, "/x", 1, 10 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->server.requests, 1));
    assert_true(net_busy(f->server.net));
    echo_close(&client);
    while (net_counters(f->server.net)->conns > 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    struct reply_to late = f->server.held;
    /* another client takes its place, with a request of the same number */
    echo_lookup(&f->client, f->server.address, "/x", 2, 10 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->server.requests, 2));
    assert_int_equal((uint32_t)late.conn, (uint32_t)f->server.held.conn);
    answer(&f->server, late);
    for (uint32_t i = 0; i < 20; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->client.replies, 0);
    answer(&f->server, f->server.held);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    assert_int_equal(f->client.last_status, 0);
    assert_false(net_busy(f->server.net));
}

static void closing_ends_outstanding_calls(void **state)
{
    struct fixture *f = *state;
    struct echo_node client;
    echo_open(&client, &f->loop, NULL, false);
    f->server.mute = true;
    echo_lookup(&client, f->server.address, "/x", 1, 10 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->server.requests, 1));
    net_close(client.net, NULL, NULL);
    assert_int_equal(client.replies, 0);
    assert_true(echo_run_until(&f->loop, &client.replies, 1));
    assert_int_equal(client.last_status, DFS_ECANCELED);
    fclose(client.log.out);
    free(client.log_text);
}

/* Keeps a good client busy while a bad one does its worst; the good one must not notice. */
static void good_client_is_served(struct fixture *f, uint32_t calls)
{
    uint32_t before = f->client.ok;
    for (uint32_t i = 0; i < calls; i++) {
        echo_lookup(&f->client, f->server.address, "/good", i, 5 * NS_PER_SEC);
        assert_true(echo_run_until(&f->loop, &f->client.replies, f->client.replies + 1));
    }
    assert_int_equal(f->client.ok, before + calls);
}

static void expect_logged(struct fixture *f, const char *what)
{
    uint64_t until = now_sample().mono + 8 * NS_PER_SEC;
    while (!strstr(echo_log(&f->server), what) && now_sample().mono < until)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    if (!strstr(echo_log(&f->server), what))
        fail_msg("\"%s\" is not in the log: %s", what, echo_log(&f->server));
}

static void garbage_is_logged_with_its_peer_and_others_are_served(void **state)
{
    struct fixture *f = *state;
    uint8_t junk[4096];
    char peer[64];
    struct rng rng;
    rng_seed(&rng, 7);
    for (uint32_t i = 0; i < sizeof junk; i++)
        junk[i] = (uint8_t)rng_next(&rng);
    good_client_is_served(f, 1);
    int fd = raw_connect(f->server.address);
    struct sockaddr_storage self;
    socklen_t len = sizeof self;
    getsockname(fd, (struct sockaddr *)&self, &len);
    snprintf(peer, sizeof peer, "peer=127.0.0.1:%u", ntohs(((struct sockaddr_in *)&self)->sin_port));
    raw_send(fd, junk, sizeof junk);
    expect_logged(f, peer);
    good_client_is_served(f, 10);
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0); /* closed by the server */
    close(fd);
    assert_int_equal(net_counters(f->server.net)->broken, 1);
}

static void half_a_frame_is_logged(void **state)
{
    struct fixture *f = *state;
    uint8_t header[FRAME_HEADER];
    frame_put_header(header, MSG_TYPE_hello, 1, "x", 1, 0);
    int fd = raw_connect(f->server.address);
    raw_send(fd, header, 20);
    for (uint32_t i = 0; i < 20; i++)
        good_client_is_served(f, 1);
    close(fd);
    expect_logged(f, "closed by the peer");
}

/* A header with a true checksum that announces four gigabytes must cost nothing. */
static void a_giant_length_is_refused_unread(void **state)
{
    struct fixture *f = *state;
    uint8_t header[FRAME_HEADER];
    frame_put_header(header, MSG_TYPE_hello, 1, "", 0, 0);
    put_u32(header + 16, UINT32_MAX);
    int fd = raw_connect(f->server.address);
    raw_send(fd, header, sizeof header);
    expect_logged(f, "net.broken");
    good_client_is_served(f, 3);
    close(fd);
}

static void a_flood_of_bad_peers_is_not_a_flood_of_lines(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 100; i++) {
        int fd = raw_connect(f->server.address);
        raw_send(fd, "GET / HTTP/1.0\r\n\r\n and more than a frame's header", 50);
        good_client_is_served(f, 1);
        close(fd);
    }
    uint32_t lines = 0;
    for (const char *p = echo_log(&f->server); (p = strstr(p, "net.broken")) != NULL; p++)
        lines++;
    assert_in_range(lines, 1, 60);
    assert_int_equal(net_counters(f->server.net)->broken, 100);
}

static void a_peer_that_never_says_hello_is_dropped(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(f->server.address);
    raw_send(fd, "D", 1);
    uint64_t start = now_sample().mono;
    while (net_counters(f->server.net)->broken == 0 && now_sample().mono - start < 8 * NS_PER_SEC)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(net_counters(f->server.net)->broken, 1);
    assert_in_range(now_sample().mono - start, 4 * NS_PER_SEC, 7 * NS_PER_SEC);
    close(fd);
}

static void idle_connections_are_closed(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct net_limits limits = {.idle_timeout = 150 * NS_PER_MS};
    open_with(f, &limits);
    (void)state;
    good_client_is_served(f, 1);
    uint64_t start = now_sample().mono;
    while (net_counters(f->server.net)->conns > 0 && now_sample().mono - start < 3 * NS_PER_SEC)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(net_counters(f->server.net)->conns, 0);
    good_client_is_served(f, 1);
    void *s = f;
    teardown(&s);
}

static void connections_over_the_limit_are_refused_by_name(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct net_limits limits = {.max_conns = 2};
    int fds[4];
    open_with(f, &limits);
    (void)state;
    good_client_is_served(f, 1);
    for (uint32_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = raw_connect(f->server.address);
    expect_logged(f, "too many connections");
    assert_int_equal(net_counters(f->server.net)->refused, 3);
    good_client_is_served(f, 3);
    for (uint32_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    void *s = f;
    teardown(&s);
}

/* Out of descriptors, accepting pauses, the loop does not spin, and those who are connected are served. */
static void out_of_descriptors_the_server_lives_on(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, low;
    int fds[8];
    good_client_is_served(f, 1);
    for (uint32_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = raw_connect(f->server.address);
    int probe = dup(0);
    close(probe);
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = (rlim_t)probe;
    setrlimit(RLIMIT_NOFILE, &low);
    expect_logged(f, "net.accept_paused");
    good_client_is_served(f, 5);
    uint64_t until = now_sample().mono + 150 * NS_PER_MS;
    uint32_t rounds = 0;
    while (now_sample().mono < until) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        rounds += uv_backend_timeout(&f->loop) == 0;
        usleep(1000);
    }
    uint32_t lines = 0;
    for (const char *p = echo_log(&f->server); (p = strstr(p, "net.accept_paused")) != NULL; p++)
        lines++;
    assert_in_range(lines, 1, 4);
    assert_in_range(rounds, 0, 20);
    setrlimit(RLIMIT_NOFILE, &old);
    uint64_t start = now_sample().mono;
    while (net_counters(f->server.net)->accepted < 9 && now_sample().mono - start < 3 * NS_PER_SEC)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(net_counters(f->server.net)->accepted, 9);
    for (uint32_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}

static void a_thousand_connections_are_served(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct echo_node many;
    struct net_limits limits = {.calls_per_addr = 16};
    (void)state;
    open_with(f, NULL);
    int fds[MANY_CONNECTIONS - 16];
    for (uint32_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = raw_connect(f->server.address);
        if (i % 100 == 0)
            uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    echo_open(&many, &f->loop, &limits, false);
    for (uint32_t i = 0; i < 1600; i++)
        echo_lookup(&many, f->server.address, "/x", i, 10 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &many.replies, 1600));
    assert_int_equal(many.ok, 1600);
    assert_int_equal(net_counters(f->server.net)->conns, MANY_CONNECTIONS);
    for (uint32_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    echo_close(&many);
    void *s = f;
    teardown(&s);
}

static void a_stopping_server_answers_what_it_has_and_takes_no_more(void **state)
{
    struct fixture *f = *state;
    f->server.mute = true;
    echo_lookup(&f->client, f->server.address, "/x", 1, 5 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->server.requests, 1));
    net_stop(f->server.net);
    echo_lookup(&f->client, f->server.address, "/late", 2, 100 * NS_PER_MS);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    assert_int_equal(f->client.last_token, 2);
    assert_int_equal(f->server.requests, 1);
    assert_true(net_busy(f->server.net));
    answer(&f->server, f->server.held);
    net_flush(f->server.net);
    assert_false(net_busy(f->server.net));
    assert_true(echo_run_until(&f->loop, &f->client.replies, 2));
    assert_int_equal(f->client.last_token, 1);
    assert_int_equal(f->client.last_status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(many_calls_share_one_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_pauses_at_the_limit_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_from_one_peer_leaves_others_their_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(names_are_resolved, setup, teardown),
        cmocka_unit_test_setup_teardown(large_payloads_arrive_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_where_nobody_listens_cannot_be_reached, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_has_a_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_connection_ends_its_calls_and_the_next_connects_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_to_a_connection_that_is_gone_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_ends_outstanding_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(garbage_is_logged_with_its_peer_and_others_are_served, setup, teardown),
        cmocka_unit_test_setup_teardown(half_a_frame_is_logged, setup, teardown),
        cmocka_unit_test_setup_teardown(a_giant_length_is_refused_unread, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_of_bad_peers_is_not_a_flood_of_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_never_says_hello_is_dropped, setup, teardown),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(connections_over_the_limit_are_refused_by_name),
        cmocka_unit_test_setup_teardown(out_of_descriptors_the_server_lives_on, setup, teardown),
        cmocka_unit_test(sigpipe_is_ignored_unless_the_program_handles_it),
        cmocka_unit_test(a_thousand_connections_are_served),
        cmocka_unit_test_setup_teardown(a_stopping_server_answers_what_it_has_and_takes_no_more, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
