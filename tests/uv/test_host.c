/* SPDX-License-Identifier: MIT */
/* The host with a toy core: events, turns, deadlines, fatal effects, draining; and a snapshot's child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/host.h"
#include "host/snapshot.h"
#include "support/tcp_echo.h"

/* Writes each request's path to the disk, all of a turn with one operation, and answers when it is there. */
struct toy {
    struct host host;
    struct reply_to waiting[1024];
    uint32_t n_waiting, in_flight, turns, events, batches, deadlines;
    uint64_t deadline, deadline_seen;
    bool fatal_next, created, hold;
    char why[128];
    uint32_t fatals, closed, snapshots;
};

static void toy_event(void *core, const struct event *ev, struct effects *fx)
{
    struct toy *t = core;
    struct msg m = {.type = MSG_TYPE_lookup_reply};
    t->events++;
    if (ev->kind == EV_REQUEST) {
        t->waiting[t->n_waiting++] = ev->to;
    } else if (ev->kind == EV_DISK && ev->op->kind == DISK_CREATE) {
        t->created = true;
    } else if (ev->kind == EV_DISK) {
        assert_int_equal(ev->status, 0);
        for (uint32_t i = 0; i < t->in_flight; i++)
            fx_reply(fx, t->waiting[i], &m, NULL);
        memmove(t->waiting, t->waiting + t->in_flight, (t->n_waiting - t->in_flight) * sizeof t->waiting[0]);
        t->n_waiting -= t->in_flight;
        t->in_flight = 0;
    }
}

static void toy_turn(void *core, struct now now, struct effects *fx)
{
    struct toy *t = core;
    if (t->turns++ == 0)
        fx_disk(fx, disk_op_new(DISK_CREATE, "toy", 0));
    if (t->deadline <= now.mono) {
        t->deadlines++;
        t->deadline_seen = now.mono;
        t->deadline = UINT64_MAX;
    }
    if (t->fatal_next && t->n_waiting > 0) {
        struct msg m = {.type = MSG_TYPE_lookup_reply};
        fx_fatal(fx, "the %s failed", "flush");
        fx_reply(fx, t->waiting[0], &m, NULL);
    } else if (t->created && t->n_waiting > 0 && t->in_flight == 0 && !t->hold) {
        struct disk_op *op = disk_op_new(DISK_WRITE, "toy", 1);
        op->data[0] = slice_copy("x", 1);
        op->flush = true;
        t->in_flight = t->n_waiting;
        t->batches++;
        fx_disk(fx, op);
    }
}

static uint64_t toy_deadline(void *core)
{
    return ((struct toy *)core)->deadline;
}

static const struct core_ops toy_ops = {toy_event, toy_turn, toy_deadline};

static void after_turn(void *arg)
{
    (void)arg;
}

static void on_snapshot(void *arg, uint64_t token)
{
    (void)arg;
    (void)token;
}

static void on_fatal(void *arg, const char *why)
{
    struct toy *t = arg;
    t->fatals++;
    snprintf(t->why, sizeof t->why, "%s", why);
}

static void on_closed(void *arg)
{
    struct toy *t = arg;
    t->closed++;
}

struct fixture {
    uv_loop_t loop;
    struct toy toy;
    struct echo_node client;
    char path[64];
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct host_owner owner = {after_turn, on_snapshot, on_fatal, on_closed, &f->toy};
    char why[256];
    snprintf(f->path, sizeof f->path, "/tmp/dfs-test-host-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    uv_loop_init(&f->loop);
    f->toy.deadline = UINT64_MAX;
    assert_int_equal(host_init(&f->toy.host, &f->loop, NULL, &owner, ROLE_STORAGE, "toy", 0), 0);
    assert_int_equal(host_add_disk(&f->toy.host, f->path, why, sizeof why), 0);
    assert_int_equal(host_listen(&f->toy.host, "127.0.0.1:0", why, sizeof why), 0);
    host_run(&f->toy.host, &toy_ops, &f->toy);
    echo_open(&f->client, &f->loop, NULL, false);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char file[96];
    host_close(&f->toy.host);
    while (f->toy.closed == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    echo_close(&f->client);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(f->toy.closed, 1);
    snprintf(file, sizeof file, "%s/toy", f->path);
    unlink(file);
    rmdir(f->path);
    free(f);
    return 0;
}

static void requests_of_one_turn_share_one_flush(void **state)
{
    struct fixture *f = *state;
    for (uint32_t round = 1; round <= 5; round++) {
        for (uint32_t i = 0; i < 100; i++)
            echo_lookup(&f->client, f->toy.host.address, "/x", i, 5 * NS_PER_SEC);
        assert_true(echo_run_until(&f->loop, &f->client.replies, 100 * round));
    }
    assert_int_equal(f->client.ok, 500);
    assert_in_range(f->toy.batches, 5, 15); /* one read may bring a round in two parts */
}

static void the_core_is_woken_at_its_deadline_and_not_before(void **state)
{
    struct fixture *f = *state;
    uint64_t start = now_sample().mono;
    while (f->toy.turns == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    f->toy.deadline = start + 120 * NS_PER_MS;
    f->toy.host.touched = true;
    uint32_t turns = f->toy.turns;
    assert_true(echo_run_until(&f->loop, &f->toy.deadlines, 1));
    assert_in_range(f->toy.deadline_seen - start, 120 * NS_PER_MS, 600 * NS_PER_MS);
    assert_in_range(f->toy.turns - turns, 1, 10); /* it slept in between */
}

static void after_a_fatal_effect_nothing_is_answered(void **state)
{
    struct fixture *f = *state;
    f->toy.fatal_next = true;
    echo_lookup(&f->client, f->toy.host.address, "/x", 1, 300 * NS_PER_MS);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    assert_int_equal(f->client.last_status, DFS_ETIMEDOUT);
    assert_int_equal(f->toy.fatals, 1);
    assert_string_equal(f->toy.why, "the flush failed");
}

static void stopping_answers_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    uint32_t before;
    f->toy.hold = true;
    echo_lookup(&f->client, f->toy.host.address, "/x", 1, 5 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->toy.n_waiting, 1));
    host_stop(&f->toy.host, 5 * NS_PER_SEC);
    before = f->client.replies;
    for (uint32_t i = 0; i < 5; i++)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->client.replies, before);
    assert_int_equal(f->toy.closed, 0);
    f->toy.hold = false;
    f->toy.host.touched = true;
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    assert_int_equal(f->client.last_status, 0);
    assert_true(echo_run_until(&f->loop, &f->toy.closed, 1));
}

static void stopping_does_not_wait_longer_than_its_grace(void **state)
{
    struct fixture *f = *state;
    f->toy.hold = true;
    echo_lookup(&f->client, f->toy.host.address, "/x", 1, 5 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->toy.n_waiting, 1));
    uint64_t start = now_sample().mono;
    host_stop(&f->toy.host, 100 * NS_PER_MS);
    assert_true(echo_run_until(&f->loop, &f->toy.closed, 1));
    assert_in_range(now_sample().mono - start, 100 * NS_PER_MS, 2 * NS_PER_SEC);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    assert_int_equal(f->client.last_status, DFS_ECONNLOST);
}

static void the_host_itself_says_what_the_process_has_used(void **state)
{
    struct fixture *f = *state;
    f->toy.hold = true; /* whatever state the core is in */
    echo_process(&f->client, f->toy.host.address, 1);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 1));
    assert_int_equal(f->client.last_status, 0);
    assert_int_equal(f->toy.n_waiting, 0);
    assert_true(f->client.last_memory > MIB);
    uint64_t before = f->client.last_cpu_us, start = now_sample().mono;
    while (now_sample().mono - start < 50 * NS_PER_MS)
        ;
    echo_process(&f->client, f->toy.host.address, 2);
    assert_true(echo_run_until(&f->loop, &f->client.replies, 2));
    assert_true(f->client.last_cpu_us > before);
}

static void addresses(void **state)
{
    char out[64];
    (void)state;
    assert_true(address_is_loopback("127.0.0.1:1"));
    assert_true(address_is_loopback("127.8.9.1:1"));
    assert_true(address_is_loopback("localhost:1"));
    assert_true(address_is_loopback("[::1]:1"));
    assert_false(address_is_loopback("127.example.org:1"));
    assert_false(address_is_loopback("0.0.0.0:1"));
    assert_false(address_is_loopback("[::]:1"));
    assert_false(address_is_loopback("10.0.0.1:1"));
    assert_true(address_is_wildcard("0.0.0.0:4610"));
    assert_true(address_is_wildcard("[::]:4610"));
    assert_false(address_is_wildcard("10.0.0.1:4610"));
    assert_int_equal(address_advertised(NULL, "127.0.0.1:77", out, sizeof out), 0);
    assert_string_equal(out, "127.0.0.1:77");
    assert_int_equal(address_advertised("box7", "0.0.0.0:77", out, sizeof out), 0);
    assert_string_equal(out, "box7:77");
    assert_int_equal(address_advertised("box7:99", "0.0.0.0:77", out, sizeof out), 0);
    assert_string_equal(out, "box7:99");
}

/* --- the snapshot's child --- */

struct snap_fixture {
    uv_loop_t loop;
    struct snapshot_child child;
    int result; /* what the child's write returns; 1: it never returns */
    int mark;   /* changed after the fork: the child must not see it */
    uint32_t done, closed;
    uint64_t token;
    int status;
};

static int snap_write(void *arg)
{
    struct snap_fixture *f = arg;
    usleep(20000);
    if (f->result == 1)
        pause();
    return f->mark == 1 ? f->result : DFS_EIO;
}

static void snap_done(void *arg, uint64_t token, int status)
{
    struct snap_fixture *f = arg;
    f->done++;
    f->token = token;
    f->status = status;
}

static void snap_closed(void *arg)
{
    ((struct snap_fixture *)arg)->closed++;
}

static int run_snapshot(struct snap_fixture *f, int result)
{
    f->result = result;
    f->mark = 1;
    f->done = 0;
    snapshot_start(&f->child, 9);
    f->mark = 2;
    assert_int_equal(f->done, 0);
    if (result != 1) {
        assert_true(echo_run_until(&f->loop, &f->done, 1));
        assert_int_equal(f->token, 9);
    }
    return f->status;
}

static void a_snapshot_is_written_from_a_frozen_view(void **state)
{
    struct snap_fixture f = {0};
    (void)state;
    uv_loop_init(&f.loop);
    snapshot_init(&f.child, &f.loop, NULL, snap_write, snap_done, &f);
    assert_int_equal(run_snapshot(&f, 0), 0);
    assert_int_equal(run_snapshot(&f, DFS_ENOSPC), DFS_ENOSPC);
    run_snapshot(&f, 1);
    pid_t pid = f.child.pid;
    snapshot_close(&f.child, snap_closed, &f);
    assert_true(echo_run_until(&f.loop, &f.closed, 1));
    assert_int_equal(kill(pid, 0), -1); /* it does not outlive its parent's interest */
    assert_int_equal(uv_loop_close(&f.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_of_one_turn_share_one_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(the_core_is_woken_at_its_deadline_and_not_before, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_fatal_effect_nothing_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(stopping_answers_what_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(stopping_does_not_wait_longer_than_its_grace, setup, teardown),
        cmocka_unit_test_setup_teardown(the_host_itself_says_what_the_process_has_used, setup, teardown),
        cmocka_unit_test(addresses),
        cmocka_unit_test(a_snapshot_is_written_from_a_frozen_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
