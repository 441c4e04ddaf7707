/* SPDX-License-Identifier: MIT */
/* The leader's clockwork: servers come and go, chunks are granted, die and are collected, sessions expire. */
#include "nm_rig.h"

#include "base/crc.h"

static struct rig *rig_of(void **state) { return *state; }

static int setup(void **state)
{
    struct rig *r = malloc(sizeof *r);

    rig_init(r, 3, 64 * MIB);
    *state = r;
    rig_start(r, true);
    rig_session(r);
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    free(*state);
    return 0;
}

static uint8_t state_of(struct rig *r, uint32_t id) { return meta_server_by_id(nm_meta(r->nm), id)->state; }

static void three_servers(struct rig *r)
{
    assert_int_equal(rig_register(r, 1, "127.0.0.1:4621"), 1);
    assert_int_equal(rig_register(r, 2, "127.0.0.1:4622"), 2);
    assert_int_equal(rig_register(r, 3, "127.0.0.1:4623"), 3);
}

static void beat(struct rig *r, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i <= to; i++)
        assert_int_equal(rig_heartbeat(r, i, i * 10, NULL), 0);
}

/* Lets time pass while servers 1..n are alive. */
static void pass_alive(struct rig *r, uint32_t n, uint64_t ns)
{
    for (; ns >= NS_PER_SEC; ns -= NS_PER_SEC) {
        rig_forget_answers(r);
        beat(r, 1, n);
        rig_pass(r, NS_PER_SEC);
    }
}

static void test_a_silent_server_is_suspect_then_down_then_up(void **state)
{
    struct rig *r = rig_of(state);
    struct msg status = {.type = MSG_TYPE_status};
    const struct msg *reply;

    three_servers(r);
    rig_pass(r, 1500 * NS_PER_MS);
    beat(r, 2, 3);
    assert_int_equal(rig_call(r, &status, &reply), 0);
    assert_int_equal(reply->status_reply.servers[0].state, SERVER_SUSPECT);
    assert_int_equal(reply->status_reply.servers[1].state, SERVER_UP);
    rig_pass(r, 1300 * NS_PER_MS);
    assert_int_equal(state_of(r, 1), SERVER_DOWN);
    assert_int_equal(state_of(r, 2), SERVER_UP);
    assert_non_null(strstr(r->logged, "nm.server_down"));
    beat(r, 1, 1);
    rig_settle(r);
    assert_int_equal(state_of(r, 1), SERVER_UP);
}

static void test_a_restart_gives_every_server_its_time_again(void **state)
{
    struct rig *r = rig_of(state);

    three_servers(r);
    rig_stop(r);
    r->now.mono += 3600 * NS_PER_SEC;
    rig_start(r, false);
    rig_pass(r, 2 * NS_PER_SEC);
    assert_int_equal(state_of(r, 1), SERVER_UP);
    rig_pass(r, NS_PER_SEC);
    assert_int_equal(state_of(r, 1), SERVER_DOWN);
}

static void test_a_strange_heartbeat_must_register(void **state)
{
    struct rig *r = rig_of(state);

    three_servers(r);
    assert_int_equal(rig_heartbeat(r, 1, 999, NULL), DFS_ESTALE);
    assert_int_equal(rig_heartbeat(r, 4, 40, NULL), DFS_ESTALE);
    assert_int_equal(rig_heartbeat(r, 0, 0, NULL), DFS_ESTALE);
}

static void test_a_copy_of_a_data_folder_is_refused(void **state)
{
    struct rig *r = rig_of(state);
    struct msg copy = {.type = MSG_TYPE_ss_register};
    const struct msg *reply;

    three_servers(r);
    copy.ss_register = (struct msg_ss_register){
        .uuid_hi = 1, .uuid_lo = 1, .incarnation = 11, .addr = STR("127.0.0.1:4699"), .capacity = 100 * GIB};
    for (int i = 0; i < 8; i++) { /* as long as the first is heard */
        assert_int_equal(rig_call(r, &copy, &reply), DFS_EIDENTITY);
        rig_pass(r, 250 * NS_PER_MS);
        assert_int_equal(rig_heartbeat(r, 1, 10, NULL), 0);
    }
    assert_non_null(strstr(reply->error.text.p, "copy"));
    assert_string_equal(meta_server_by_id(nm_meta(r->nm), 1)->addr, "127.0.0.1:4621");
    rig_pass(r, 600 * NS_PER_MS); /* it has ended: this is the same server, somewhere else */
    assert_int_equal(rig_call(r, &copy, NULL), 0);
    assert_string_equal(meta_server_by_id(nm_meta(r->nm), 1)->addr, "127.0.0.1:4699");
    assert_int_equal(rig_heartbeat(r, 1, 10, NULL), DFS_ESTALE);
    assert_int_equal(rig_heartbeat(r, 1, 11, NULL), 0);
}

static void test_numbers_are_logged_when_they_moved(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_heartbeat};

    three_servers(r);
    pass_alive(r, 3, 11 * NS_PER_SEC);
    uint32_t before = r->n_writes;

    beat(r, 1, 3);
    rig_settle(r);
    assert_int_equal(r->n_writes, before);
    m.heartbeat = (struct msg_heartbeat){.server = 1, .incarnation = 10, .capacity = 100 * GIB, .used = 50 * GIB};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    rig_settle(r);
    assert_int_equal(meta_server_by_id(nm_meta(r->nm), 1)->used, 50 * GIB);
}

static void test_grants_go_to_distinct_up_servers(void **state)
{
    struct rig *r = rig_of(state);
    const struct msg *reply;
    uint32_t per_server[4] = {0};

    assert_int_equal(rig_grant(r, 1, NULL), DFS_ENOSERVERS);
    three_servers(r);
    for (uint32_t round = 0; round < 10; round++) {
        assert_int_equal(rig_grant(r, 100, &reply), 0);
        assert_int_equal(reply->grant_reply.n_chunks, 64);
        for (uint32_t i = 0; i < 64; i++) {
            const struct wire_granted *g = &reply->grant_reply.chunks[i];

            assert_int_equal(g->n_replicas, 2);
            assert_int_not_equal(g->replicas[0].server, g->replicas[1].server);
            per_server[g->replicas[0].server]++;
            per_server[g->replicas[1].server]++;
        }
    }
    for (uint32_t i = 1; i <= 3; i++) /* 1280 replicas over three equal servers */
        assert_in_range(per_server[i], 330, 520);
}

static void test_grants_avoid_and_refuse(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_grant};
    struct wire_server_id avoid[2] = {{2}, {3}};
    const struct msg *reply;

    three_servers(r);
    m.grant = (struct msg_grant){.session = r->session, .count = 20, .goal = 3, .avoid = avoid, .n_avoid = 1};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(reply->grant_reply.chunks[i].n_replicas, 2); /* fewer than the goal, at least two */
        for (uint32_t k = 0; k < 2; k++)
            assert_int_not_equal(reply->grant_reply.chunks[i].replicas[k].server, 2);
    }
    m.grant.n_avoid = 2;
    assert_int_equal(rig_call(r, &m, &reply), DFS_ENOSERVERS);
    m.grant.goal = 1;
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->grant_reply.chunks[0].replicas[0].server, 1);
    m.grant.session = 4242;
    assert_int_equal(rig_call(r, &m, NULL), DFS_ESESSION);
    m.grant.session = r->session;
    m.grant.count = 0;
    assert_int_equal(rig_call(r, &m, NULL), DFS_EINVAL);
    m.grant.count = 1;
    m.grant.goal = 200;
    assert_int_equal(rig_call(r, &m, NULL), DFS_EINVAL);
}

static void test_full_servers_take_nothing(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_heartbeat};
    const struct msg *reply;

    three_servers(r);
    m.heartbeat = (struct msg_heartbeat){.server = 1, .incarnation = 10, .capacity = 100 * GIB, .used = 99 * GIB};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    assert_int_equal(rig_grant(r, 10, &reply), 0);
    for (uint32_t i = 0; i < 10; i++)
        for (uint32_t k = 0; k < 2; k++)
            assert_int_not_equal(reply->grant_reply.chunks[i].replicas[k].server, 1);
    m.heartbeat.server = 2;
    m.heartbeat.incarnation = 20;
    assert_int_equal(rig_call(r, &m, NULL), 0);
    assert_int_equal(rig_grant(r, 1, NULL), DFS_ENOSPC);
}

static void test_grants_are_unique_across_restarts(void **state)
{
    struct rig *r = rig_of(state);
    const struct msg *reply;
    uint64_t last = 0;

    three_servers(r);
    for (uint32_t round = 0; round < 5; round++) {
        beat(r, 1, 3);
        assert_int_equal(rig_grant(r, 10, &reply), 0);
        for (uint32_t i = 0; i < 10; i++) {
            assert_true(reply->grant_reply.chunks[i].chunk > last);
            last = reply->grant_reply.chunks[i].chunk;
        }
        rig_stop(r);
        memdisk_crash(r->disk, CRASH_RANDOM);
        rig_start(r, false);
    }
}

static struct msg publish(struct rig *r, const char *path, const struct wire_granted *g, struct wire_published *p)
{
    struct msg m = {.type = MSG_TYPE_publish};

    *p = (struct wire_published){.index = 0, .length = 5, .crc = crc32c(0, "hello", 5), .grant = g->grant};
    m.publish.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.publish.dir = ROOT_INO;
    m.publish.path = str_of(path);
    m.publish.mode = 0644;
    m.publish.size = 5;
    m.publish.chunks = p;
    m.publish.n_chunks = 1;
    return m;
}

static int report(struct rig *r, uint32_t server, uint64_t chunk, uint32_t *removed)
{
    struct msg m = {.type = MSG_TYPE_report};
    struct wire_held id = {.chunk = chunk, .version = 1};
    const struct msg *reply;
    int err;

    m.report =
        (struct msg_report){.server = server, .incarnation = server * 10, .chunks = &id, .n_chunks = 1, .eof = 1};
    err = rig_call(r, &m, &reply);
    *removed = err == 0 ? reply->report_reply.n_remove : 0;
    return err;
}

static void test_an_orphan_is_collected_only_below_the_horizon(void **state)
{
    struct rig *r = rig_of(state);
    const struct msg *reply;
    uint64_t orphan;
    uint32_t removed;

    three_servers(r);
    assert_int_equal(rig_grant(r, 1, &reply), 0);
    orphan = reply->grant_reply.chunks[0].chunk;
    pass_alive(r, 3, 55 * NS_PER_SEC);
    assert_int_equal(report(r, 1, orphan, &removed), 0);
    assert_int_equal(removed, 0); /* its client may still publish it */
    pass_alive(r, 3, 20 * NS_PER_SEC);
    assert_int_equal(report(r, 1, orphan, &removed), 0);
    assert_int_equal(removed, 1);
}

static int hold(struct rig *r, uint64_t oldest)
{
    struct msg m = {.type = MSG_TYPE_hold};

    m.hold.session = r->session;
    m.hold.oldest = oldest;
    return rig_call(r, &m, NULL);
}

static void test_a_held_grant_outlives_its_lifetime(void **state)
{
    struct rig *r = rig_of(state);
    const struct msg *reply;
    uint64_t chunk;
    uint32_t removed;

    three_servers(r);
    assert_int_equal(rig_grant(r, 1, &reply), 0);
    chunk = reply->grant_reply.chunks[0].chunk;
    for (uint32_t i = 0; i < 5; i++) {
        pass_alive(r, 3, 50 * NS_PER_SEC);
        assert_int_equal(hold(r, chunk), 0);
        assert_int_equal(report(r, 1, chunk, &removed), 0);
        assert_int_equal(removed, 0); /* its client is slow, not gone */
    }
    pass_alive(r, 3, 200 * NS_PER_SEC);
    assert_int_equal(report(r, 1, chunk, &removed), 0);
    assert_int_equal(removed, 1);
    r->session++;
    assert_int_equal(hold(r, chunk), DFS_ESESSION);
}

static void test_the_horizon_waits_a_lifetime_after_a_restart(void **state)
{
    struct rig *r = rig_of(state);
    const struct msg *reply;
    struct wire_published p;
    struct msg m;

    three_servers(r);
    pass_alive(r, 3, 50 * NS_PER_SEC);
    assert_int_equal(rig_grant(r, 1, &reply), 0);
    m = publish(r, "/f", &reply->grant_reply.chunks[0], &p);
    struct slice token = slice_copy(p.grant.p, p.grant.len);

    p.grant.p = (const char *)slice_data(token);
    rig_stop(r);
    rig_start(r, false);
    pass_alive(r, 3, 55 * NS_PER_SEC);
    assert_int_equal(rig_call(r, &m, NULL), 0); /* granted by the epoch before, alive for its full time */
    pass_alive(r, 3, 10 * NS_PER_SEC);
    assert_true(meta_horizon(nm_meta(r->nm)) > 1);
    slice_drop(&token);
}

static void test_a_removed_chunk_is_ordered_deleted_after_the_grace(void **state)
{
    struct rig *r = rig_of(state);
    const struct msg *reply;
    struct wire_published p;
    struct msg m;
    uint64_t chunk;
    uint32_t holder, orders = 0;

    three_servers(r);
    for (uint32_t i = 0; i < 3; i++) { /* past the grace that a new leader waits */
        pass_alive(r, 3, 250 * NS_PER_SEC);
        assert_int_equal(rig_grant(r, 1, NULL), 0);
    }
    assert_int_equal(rig_grant(r, 1, &reply), 0);
    chunk = reply->grant_reply.chunks[0].chunk;
    holder = reply->grant_reply.chunks[0].replicas[0].server;
    m = publish(r, "/gone", &reply->grant_reply.chunks[0], &p);
    assert_int_equal(rig_call(r, &m, NULL), 0);
    m = (struct msg){.type = MSG_TYPE_unlink};
    m.unlink.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.unlink.dir = ROOT_INO;
    m.unlink.path = STR("/gone");
    assert_int_equal(rig_call(r, &m, NULL), 0);
    pass_alive(r, 3, 590 * NS_PER_SEC);
    assert_true(meta_knows_chunk(nm_meta(r->nm), chunk));
    pass_alive(r, 3, 5 * NS_PER_SEC);
    rig_pass(r, 8 * NS_PER_SEC); /* nobody asks for orders meanwhile */
    assert_false(meta_knows_chunk(nm_meta(r->nm), chunk));
    for (uint32_t s = 1; s <= 3; s++) {
        assert_int_equal(rig_heartbeat(r, s, s * 10, &reply), 0);
        orders += reply->heartbeat_reply.n_remove;
        if (s == holder) {
            assert_int_equal(reply->heartbeat_reply.n_remove, 1);
            assert_int_equal(reply->heartbeat_reply.remove[0].chunk, chunk);
            assert_int_equal(reply->heartbeat_reply.epoch, meta_epoch(nm_meta(r->nm)));
        }
    }
    assert_int_equal(orders, 2);
    assert_int_equal(rig_heartbeat(r, holder, holder * 10, &reply), 0);
    assert_int_equal(reply->heartbeat_reply.n_remove, 0);
}

static struct str token_for(uint64_t chunk, uint8_t room[64])
{
    struct wire_server_id servers[2] = {{1}, {2}};
    struct wire_grant_token t = {
        .epoch = 1, .chunk = chunk, .version = 1, .goal = 2, .servers = servers, .n_servers = 2};
    struct bytes b;

    bytes_init(&b, 64);
    assert_int_equal(wire_encode(&wire_rec_grant_token, &t, &b), 0);
    memcpy(room, b.p, b.len);
    uint32_t len = (uint32_t)b.len;
    bytes_close(&b);
    return (struct str){(const char *)room, len};
}

static void test_reaping_keeps_up_with_what_is_removed(void **state)
{
    enum { CHUNKS = 12000 };
    struct rig *r = rig_of(state);
    static uint8_t rooms[CHUNKS][64];
    static struct wire_published p[CHUNKS];
    const struct msg *reply;
    struct msg m = {.type = MSG_TYPE_publish};

    three_servers(r);
    assert_int_equal(rig_grant(r, 1, &reply), 0);
    uint64_t first = reply->grant_reply.chunks[0].chunk;
    for (uint32_t i = 0; i < CHUNKS; i++)
        p[i] = (struct wire_published){.index = i, .length = 1, .grant = token_for(first + i, rooms[i])};
    m.publish = (struct msg_publish){.dir = ROOT_INO, .path = STR("/big"), .chunks = p, .n_chunks = CHUNKS};
    m.publish.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.publish.size = (CHUNKS - 1) * (uint64_t)META_CHUNK_SIZE + 1;
    assert_int_equal(rig_call(r, &m, NULL), 0);
    m = (struct msg){.type = MSG_TYPE_unlink};
    m.unlink.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.unlink.dir = ROOT_INO;
    m.unlink.path = STR("/big");
    assert_int_equal(rig_call(r, &m, NULL), 0);
    pass_alive(r, 3, 595 * NS_PER_SEC);
    assert_true(meta_knows_chunk(nm_meta(r->nm), first));
    rig_pass(r, 6 * NS_PER_SEC);
    assert_false(meta_knows_chunk(nm_meta(r->nm), first + CHUNKS - 1));
}

static void test_a_clock_set_forward_reaps_nothing_early(void **state)
{
    struct rig *r = rig_of(state);
    const struct msg *reply;
    struct wire_published p;
    struct msg m;
    uint64_t chunk;

    three_servers(r);
    assert_int_equal(rig_grant(r, 1, &reply), 0);
    chunk = reply->grant_reply.chunks[0].chunk;
    m = publish(r, "/a", &reply->grant_reply.chunks[0], &p);
    assert_int_equal(rig_call(r, &m, NULL), 0);
    m = (struct msg){.type = MSG_TYPE_unlink};
    m.unlink.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.unlink.dir = ROOT_INO;
    m.unlink.path = STR("/a");
    assert_int_equal(rig_call(r, &m, NULL), 0);
    r->now.wall += 86400 * (int64_t)NS_PER_SEC;
    pass_alive(r, 3, 500 * NS_PER_SEC);
    assert_true(meta_knows_chunk(nm_meta(r->nm), chunk));
    assert_true(meta_session_exists(nm_meta(r->nm), r->session));
    pass_alive(r, 3, 150 * NS_PER_SEC);
    assert_false(meta_knows_chunk(nm_meta(r->nm), chunk));
}

static uint64_t publish_and_unlink(struct rig *r, int64_t clock_off)
{
    const struct msg *reply;
    struct wire_published p;

    assert_int_equal(rig_grant(r, 1, &reply), 0);
    uint64_t chunk = reply->grant_reply.chunks[0].chunk;
    struct msg m = publish(r, "/f", &reply->grant_reply.chunks[0], &p);
    assert_int_equal(rig_call(r, &m, NULL), 0);
    m = (struct msg){.type = MSG_TYPE_unlink};
    m.unlink.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.unlink.dir = ROOT_INO;
    m.unlink.path = STR("/f");
    r->now.wall += clock_off;
    assert_int_equal(rig_call(r, &m, NULL), 0);
    r->now.wall -= clock_off;
    return chunk;
}

static void test_a_clock_that_was_ahead_for_a_while_does_not_stop_reaping(void **state)
{
    struct rig *r = rig_of(state);

    three_servers(r);
    uint64_t ahead = publish_and_unlink(r, 86400 * (int64_t)NS_PER_SEC);
    uint64_t after = publish_and_unlink(r, 0);
    pass_alive(r, 3, 590 * NS_PER_SEC);
    assert_true(meta_knows_chunk(nm_meta(r->nm), ahead));
    pass_alive(r, 3, 20 * NS_PER_SEC);
    assert_false(meta_knows_chunk(nm_meta(r->nm), ahead));
    assert_false(meta_knows_chunk(nm_meta(r->nm), after));
}

/* C17: nobody knows how long it was down, if its clock was set meanwhile. */
static void test_a_clock_set_forward_while_down_reaps_nothing_early(void **state)
{
    struct rig *r = rig_of(state);

    three_servers(r);
    uint64_t chunk = publish_and_unlink(r, 0);
    rig_stop(r);
    r->now.wall += 86400 * (int64_t)NS_PER_SEC;
    r->now.mono += NS_PER_SEC;
    rig_start(r, false);
    pass_alive(r, 3, 590 * NS_PER_SEC);
    assert_true(meta_knows_chunk(nm_meta(r->nm), chunk));
    pass_alive(r, 3, 20 * NS_PER_SEC);
    assert_false(meta_knows_chunk(nm_meta(r->nm), chunk));
}

static void test_idle_sessions_expire_and_granted_ones_do_not(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_session_open};
    const struct msg *reply;
    uint64_t idle;

    three_servers(r);
    m.session_open.nonce = 99;
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->session_open_reply.ttl_ms, 600000);
    idle = reply->session_open_reply.session;
    for (uint32_t i = 0; i < 7; i++) {
        pass_alive(r, 3, 100 * NS_PER_SEC);
        beat(r, 1, 3);
        assert_int_equal(rig_grant(r, 1, NULL), 0); /* with r->session */
    }
    assert_false(meta_session_exists(nm_meta(r->nm), idle));
    assert_true(meta_session_exists(nm_meta(r->nm), r->session));
}

static void test_many_idle_sessions_expire_without_delay(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_session_open};

    for (uint32_t i = 1; i <= 5000; i++) {
        m.session_open = (struct msg_session_open){.nonce = 1000 + i, .who = STR("t")};
        assert_int_equal(rig_call(r, &m, NULL), 0);
        if (i % 1000 == 0)
            rig_forget_answers(r);
    }
    assert_int_equal(meta_sessions(nm_meta(r->nm)), 5001); /* one is the rig's */
    rig_pass(r, 660 * NS_PER_SEC);
    assert_int_equal(meta_sessions(nm_meta(r->nm)), 0);
}

#define LEADER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEADER_TEST(test_a_silent_server_is_suspect_then_down_then_up),
        LEADER_TEST(test_a_restart_gives_every_server_its_time_again),
        LEADER_TEST(test_a_strange_heartbeat_must_register),
        LEADER_TEST(test_a_copy_of_a_data_folder_is_refused),
        LEADER_TEST(test_numbers_are_logged_when_they_moved),
        LEADER_TEST(test_grants_go_to_distinct_up_servers),
        LEADER_TEST(test_grants_avoid_and_refuse),
        LEADER_TEST(test_full_servers_take_nothing),
        LEADER_TEST(test_grants_are_unique_across_restarts),
        LEADER_TEST(test_an_orphan_is_collected_only_below_the_horizon),
        LEADER_TEST(test_a_held_grant_outlives_its_lifetime),
        LEADER_TEST(test_the_horizon_waits_a_lifetime_after_a_restart),
        LEADER_TEST(test_a_removed_chunk_is_ordered_deleted_after_the_grace),
        LEADER_TEST(test_reaping_keeps_up_with_what_is_removed),
        LEADER_TEST(test_a_clock_set_forward_reaps_nothing_early),
        LEADER_TEST(test_a_clock_that_was_ahead_for_a_while_does_not_stop_reaping),
        LEADER_TEST(test_a_clock_set_forward_while_down_reaps_nothing_early),
        LEADER_TEST(test_idle_sessions_expire_and_granted_ones_do_not),
        LEADER_TEST(test_many_idle_sessions_expire_without_delay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
