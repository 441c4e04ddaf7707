/* SPDX-License-Identifier: MIT */
/* The life of a lone NameServer: made, started, asked, stopped, started again. */
#include "nm_rig.h"

static struct rig *rig_of(void **state) { return *state; }

static int setup(void **state)
{
    struct rig *r = malloc(sizeof *r);

    rig_init(r, 1, 64 * MIB);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    free(*state);
    return 0;
}

static void test_starts_with_init_only(void **state)
{
    struct rig *r = rig_of(state);
    uint64_t hi, lo;

    assert_int_equal(rig_open(r, false), DFS_ENOENT);
    assert_non_null(strstr(r->why, "--init"));
    rig_start(r, true);
    nm_cluster(r->nm, &hi, &lo);
    assert_int_equal(hi, 0xc1);
    assert_int_equal(lo, 0xc2);
    assert_int_equal(nm_id(r->nm), 1);
    rig_stop(r);
    assert_int_equal(rig_open(r, true), DFS_EEXIST);
    rig_start(r, false);
}

static void test_an_interrupted_init_can_be_repeated(void **state)
{
    for (uint32_t n = 1; n < 12; n++) {
        struct rig *r = malloc(sizeof *r);
        int err;

        rig_init(r, n, 64 * MIB);
        memdisk_fail(r->disk, DISK_FLUSH, n, DFS_EIO, true);
        err = rig_open(r, true);
        if (err == 0)
            rig_stop(r);
        memdisk_crash(r->disk, CRASH_RANDOM);
        memdisk_fail(r->disk, DISK_FLUSH, 0, 0, false);
        if (rig_open(r, true) == DFS_EEXIST)
            assert_int_equal(rig_open(r, false), 0);
        assert_non_null(r->nm);
        rig_settle(r);
        assert_true(nm_serving(r->nm));
        rig_free(r);
        free(r);
    }
    (void)state;
}

static void test_refuses_a_log_without_identity(void **state)
{
    struct rig *r = rig_of(state);

    rig_start(r, true);
    rig_stop(r);
    assert_int_equal(r->disk->ops->unlink(r->disk, "identity"), 0);
    assert_int_equal(rig_open(r, false), DFS_ECORRUPT);
    assert_int_equal(rig_open(r, true), DFS_ECORRUPT);
    assert_non_null(strstr(r->why, "identity"));
}

static void test_serves_nothing_before_its_epoch(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_lookup};
    uint32_t before;

    m.lookup.dir = ROOT_INO;
    m.lookup.path = STR("");
    assert_int_equal(rig_open(r, true), 0);
    assert_int_equal(nm_deadline(r->nm), 0);
    rig_turn(r);
    assert_true(memdisk_pending(r->disk) > 0); /* open_epoch is on its way to the disk */
    before = rig_send(r, &m);
    assert_int_equal(r->answers[before].err, DFS_EAGAIN);
    assert_int_equal(rig_heartbeat(r, 1, 1, NULL), DFS_EAGAIN); /* settles afterwards */
    assert_int_equal(rig_lookup(r, ""), 0);
    assert_true(meta_epoch(nm_meta(r->nm)) > 0);
}

static void test_answers_a_mutation_after_its_flush(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m;
    uint32_t id;

    rig_start(r, true);
    rig_session(r);
    m = rig_mkdir(r, "/a");
    id = rig_send(r, &m);
    rig_turn(r);
    assert_int_equal(r->answers[id].times, 0);
    assert_int_equal(memdisk_pending(r->disk), 1);
    assert_int_equal(rig_lookup(r, "/a"), DFS_ENOENT); /* not committed, not seen; then the disk is done */
    assert_int_equal(r->answers[id].times, 1);
    assert_int_equal(r->answers[id].err, 0);
    assert_int_equal(rig_lookup(r, "/a"), 0);
}

static void test_one_turn_is_one_write(void **state)
{
    struct rig *r = rig_of(state);
    uint32_t first, before;
    char path[32];

    rig_start(r, true);
    rig_session(r);
    before = r->n_writes;
    first = r->requests;
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/d%d", i);
        struct msg m = rig_mkdir(r, path);

        rig_send(r, &m);
    }
    rig_turn(r);
    assert_int_equal(r->n_writes, before + 1);
    for (int i = 0; i < 50; i++) { /* these gather while the write is in flight */
        snprintf(path, sizeof path, "/e%d", i);
        struct msg m = rig_mkdir(r, path);

        rig_send(r, &m);
        rig_turn(r);
    }
    assert_int_equal(r->n_writes, before + 1);
    rig_settle(r);
    assert_int_equal(r->n_writes, before + 2);
    for (uint32_t i = first; i < first + 150; i++) {
        assert_int_equal(r->answers[i].times, 1);
        assert_int_equal(r->answers[i].err, 0);
    }
}

static void test_apply_decides_between_two_of_one_turn(void **state)
{
    struct rig *r = rig_of(state);
    struct msg a, b;
    uint32_t x, y;

    rig_start(r, true);
    rig_session(r);
    a = rig_mkdir(r, "/same");
    b = rig_mkdir(r, "/same");
    x = rig_send(r, &a);
    y = rig_send(r, &b);
    rig_settle(r);
    assert_int_equal(r->answers[x].err, 0);
    assert_int_equal(r->answers[y].err, DFS_EEXIST);
}

static void test_a_retry_after_a_restart_takes_effect_once(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m;

    rig_start(r, true);
    rig_session(r);
    m = rig_mkdir(r, "/once");
    assert_int_equal(rig_call(r, &m, NULL), 0);
    rig_stop(r);
    memdisk_crash(r->disk, CRASH_DROP_ALL);
    rig_start(r, false);
    assert_int_equal(rig_call(r, &m, NULL), 0); /* not EEXIST */
    assert_int_equal(rig_lookup(r, "/once"), 0);
}

static void test_a_failed_flush_ends_the_process(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m;
    uint32_t id;

    rig_start(r, true);
    rig_session(r);
    memdisk_fail(r->disk, DISK_FLUSH, 1, DFS_EIO, false);
    m = rig_mkdir(r, "/lost");
    id = rig_send(r, &m);
    rig_settle(r);
    assert_int_equal(r->answers[id].times, 0); /* never acknowledged */
    assert_non_null(strstr(r->fatal, "log-"));
    assert_false(nm_serving(r->nm));
    assert_int_equal(rig_lookup(r, "/lost"), DFS_ECLOSING);
}

static void fill(struct rig *r, const char *prefix, int n)
{
    char path[64];

    rig_forget_answers(r);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "/%s%06d", prefix, i);
        struct msg m = rig_mkdir(r, path);

        m.mkdir.id.seen = m.mkdir.id.number;
        assert_int_equal(rig_call(r, &m, NULL), 0);
    }
}

static uint32_t count_files(struct rig *r, const char *prefix);
struct counting {
    const char *prefix;
    uint32_t n;
};

static void on_counted(void *arg, const char *name, uint64_t size)
{
    struct counting *c = arg;

    (void)size;
    c->n += strncmp(name, c->prefix, strlen(c->prefix)) == 0;
}

static uint32_t count_files(struct rig *r, const char *prefix)
{
    struct counting c = {.prefix = prefix};

    assert_int_equal(r->disk->ops->list(r->disk, on_counted, &c), 0);
    return c.n;
}

static void same_after_restart(struct rig *r)
{
    struct bytes before, after;
    int err;

    rig_settle(r);
    before = rig_state(r);
    rig_stop(r);
    memdisk_crash(r->disk, CRASH_DROP_ALL);
    err = rig_open(r, false); /* without the new epoch yet */
    if (err != 0)
        fail_msg("%s: %s", dfs_errname(err), r->why);
    after = rig_state(r);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.p, after.p, before.len);
    bytes_close(&before);
    bytes_close(&after);
    rig_settle(r);
    assert_true(nm_serving(r->nm));
}

static void test_rolls_segments_and_replays_them(void **state)
{
    struct rig *r = rig_of(state);

    rig_start(r, true);
    rig_session(r);
    fill(r, "roll", 1500);
    assert_true(count_files(r, "log-0") > 2);
    same_after_restart(r);
    assert_int_equal(rig_lookup(r, "/roll000000"), 0);
    assert_int_equal(rig_lookup(r, "/roll001499"), 0);
    fill(r, "more", 50);
    same_after_restart(r);
}

static void test_snapshots_trim_the_log(void **state)
{
    struct rig *r = rig_of(state);
    char why[128];

    r->cfg.snapshot_log_bytes = 2 * SEGMENT;
    rig_start(r, true);
    rig_session(r);
    fill(r, "snap", 3000);
    assert_int_equal(count_files(r, "snap-"), 2);
    assert_true(count_files(r, "log-0") <= 6);
    assert_int_equal(meta_verify(nm_meta(r->nm), why, sizeof why), 0);
    same_after_restart(r);
    fill(r, "later", 1000);
    same_after_restart(r);
    assert_int_equal(rig_lookup(r, "/snap000000"), 0);
    assert_int_equal(rig_lookup(r, "/later000999"), 0);
    assert_int_equal(count_files(r, "snap-"), 2);
}

struct newest {
    char name[DISK_NAME_MAX + 1];
};

static void on_newest(void *arg, const char *name, uint64_t size)
{
    struct newest *n = arg;

    (void)size;
    if (strncmp(name, "snap-", 5) == 0 && strcmp(name, n->name) > 0)
        snprintf(n->name, sizeof n->name, "%s", name);
}

static void test_a_damaged_snapshot_costs_nothing(void **state)
{
    struct rig *r = rig_of(state);
    struct newest newest = {{0}};
    struct bytes before, after;

    r->cfg.snapshot_log_bytes = 2 * SEGMENT;
    rig_start(r, true);
    rig_session(r);
    fill(r, "snap", 2500);
    before = rig_state(r);
    rig_stop(r);
    assert_int_equal(r->disk->ops->list(r->disk, on_newest, &newest), 0);
    assert_true(memdisk_flip(r->disk, newest.name, 1000, 0x10));
    assert_int_equal(rig_open(r, false), 0);
    after = rig_state(r);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.p, after.p, before.len);
    bytes_close(&before);
    bytes_close(&after);
    rig_settle(r);
    assert_non_null(strstr(r->logged, newest.name));
    fill(r, "again", 2500); /* the next snapshots replace it */
    assert_int_equal(count_files(r, "snap-"), 2);
    same_after_restart(r);
}

static void test_a_failed_snapshot_is_tried_again(void **state)
{
    struct rig *r = rig_of(state);

    r->cfg.snapshot_log_bytes = SEGMENT / 2;
    rig_start(r, true);
    rig_session(r);
    memdisk_fail(r->disk, DISK_RENAME, 1, DFS_EIO, false); /* before the first segment is full */
    fill(r, "snap", 900);
    assert_non_null(strstr(r->logged, "nm.snapshot_failed"));
    assert_int_equal(count_files(r, "snap-0"), 0);
    assert_int_equal(count_files(r, "snap.tmp"), 0); /* what is left of it may be all the disk had */
    rig_pass(r, 61 * NS_PER_SEC);
    fill(r, "more", 10);
    assert_int_equal(count_files(r, "snap-0"), 1);
}

static void test_restarts_do_not_put_off_the_snapshot(void **state)
{
    struct rig *r = rig_of(state);

    r->cfg.snapshot_log_bytes = 4 * SEGMENT;
    rig_start(r, true);
    rig_session(r);
    for (int i = 0; i < 12; i++) {
        char prefix[32];

        snprintf(prefix, sizeof prefix, "r%d-", i);
        fill(r, prefix, 150);
        rig_stop(r);
        rig_start(r, false);
    }
    assert_int_equal(count_files(r, "snap-0"), 1);
}

/* The log between two snapshots is a quarter of what they cost, also after a restart. */
static void test_snapshots_come_with_what_they_cost(void **state)
{
    struct rig *r = rig_of(state);
    uint32_t taken = 0;

    r->cfg.snapshot_log_bytes = 1024;
    rig_start(r, true);
    rig_session(r);
    fill(r, "first", 1000);
    r->logged[0] = '\0';
    fill(r, "second", 200);
    for (const char *p = r->logged; (p = strstr(p, "nm.snapshot_taken")) != NULL; p++)
        taken++;
    assert_in_range(taken, 1, 4);
    rig_stop(r);
    r->logged[0] = '\0';
    rig_start(r, false);
    fill(r, "third", 20);
    assert_null(strstr(r->logged, "nm.snapshot_begin"));
}

static void test_relaxed_acknowledges_before_the_flush(void **state)
{
    struct rig *r = rig_of(state);

    r->cfg.relaxed = true;
    rig_start(r, true);
    rig_session(r);
    rig_pass(r, NS_PER_SEC);
    fill(r, "quick", 30);
    rig_stop(r);
    memdisk_crash(r->disk, CRASH_DROP_ALL);
    rig_start(r, false);
    assert_int_equal(rig_lookup(r, "/quick000029"), DFS_ENOENT); /* what it says on the tin */
    rig_stop(r);
    rig_start(r, false);
    rig_forget_answers(r);
    r->number = 0;
    rig_session(r);
    fill(r, "kept", 800); /* several segments */
    rig_pass(r, NS_PER_SEC);
    rig_stop(r);
    memdisk_crash(r->disk, CRASH_DROP_ALL);
    rig_start(r, false);
    assert_int_equal(rig_lookup(r, "/kept000799"), 0); /* flushed within a tenth of a second */
}

static void test_bad_times_are_refused(void **state)
{
    struct rig *r = rig_of(state);

    r->cfg.serve_lease = 5 * NS_PER_SEC;
    assert_int_equal(rig_open(r, true), DFS_EINVAL);
    assert_non_null(strstr(r->why, "serve lease"));
    r->cfg.serve_lease = 0;
    r->cfg.read_lease = 2 * NS_PER_SEC;
    assert_int_equal(rig_open(r, true), DFS_EINVAL);
    assert_non_null(strstr(r->why, "wait of a new leader"));
}

static void test_status_tells_who_leads(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_status};
    const struct msg *reply;

    rig_start(r, true);
    rig_session(r);
    rig_register(r, 1, "127.0.0.1:4620");
    assert_int_equal(rig_heartbeat(r, 1, 10, NULL), 0);
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->status_reply.leader, 1);
    assert_int_equal(reply->status_reply.term, 2);
    assert_int_equal(reply->status_reply.epoch, 2);
    assert_int_equal(reply->status_reply.log_first, 1);
    assert_int_equal(reply->status_reply.sessions, 1);
    assert_int_equal(reply->status_reply.n_nameservers, 1);
    assert_int_equal(reply->status_reply.nameservers[0].state, NM_LEADER);
    assert_int_equal(reply->status_reply.n_servers, 1);
    assert_int_equal(reply->status_reply.servers[0].used, GIB);
}

static void test_status_tells_how_much_was_done(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_status};
    const struct msg *reply;
    char path[16];

    rig_start(r, true);
    rig_session(r);
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "/%d", i);
        struct msg make = rig_mkdir(r, path);
        assert_int_equal(rig_call(r, &make, NULL), 0);
        assert_int_equal(rig_lookup(r, path), 0);
        assert_int_equal(rig_lookup(r, path), 0);
    }
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->status_reply.reads_per_s, 0); /* the second is not over */
    rig_pass(r, 4 * NS_PER_SEC);
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->status_reply.reads_per_s, 17); /* of 81 in five seconds */
    assert_int_equal(reply->status_reply.mutations_per_s, 9); /* of 41 */
    rig_pass(r, 8 * NS_PER_SEC);
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->status_reply.mutations_per_s, 0);
}

static void test_one_host_cannot_take_all_sessions(void **state)
{
    struct rig *r = rig_of(state);
    struct msg open = {.type = MSG_TYPE_session_open}, close = {.type = MSG_TYPE_session_close};
    const struct msg *reply;

    r->cfg.sessions_per_host = 3;
    rig_start(r, true);
    for (uint64_t i = 1; i <= 3; i++) {
        open.session_open = (struct msg_session_open){.nonce = i, .who = STR("t")};
        assert_int_equal(rig_call(r, &open, &reply), 0);
    }
    close.session_close.id = (struct wire_request_id){reply->session_open_reply.session, 1, 1};
    assert_int_equal(rig_call(r, &open, NULL), 0); /* the third again */
    open.session_open.nonce = 4;
    assert_int_equal(rig_call(r, &open, &reply), DFS_EMFILE);
    assert_non_null(memmem(reply->error.text.p, reply->error.text.len, "3 sessions", 10));
    assert_int_equal(rig_call(r, &close, NULL), 0);
    rig_pass(r, 2 * NS_PER_SEC); /* what has ended is noticed in a second */
    assert_int_equal(rig_call(r, &open, NULL), 0);
    open.session_open.nonce = 5;
    assert_int_equal(rig_call(r, &open, NULL), DFS_EMFILE);
}

static void test_unknown_and_foreign_requests_are_answered(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_chunk_read};

    rig_start(r, true);
    assert_int_equal(rig_call(r, &m, NULL), DFS_ENOTSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_starts_with_init_only, setup, teardown),
        cmocka_unit_test(test_an_interrupted_init_can_be_repeated),
        cmocka_unit_test_setup_teardown(test_refuses_a_log_without_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serves_nothing_before_its_epoch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_a_mutation_after_its_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_turn_is_one_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_apply_decides_between_two_of_one_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_retry_after_a_restart_takes_effect_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_flush_ends_the_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rolls_segments_and_replays_them, setup, teardown),
        cmocka_unit_test_setup_teardown(test_snapshots_trim_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_snapshot_costs_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_snapshot_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restarts_do_not_put_off_the_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_snapshots_come_with_what_they_cost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_relaxed_acknowledges_before_the_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_times_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_status_tells_who_leads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_host_cannot_take_all_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_status_tells_how_much_was_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_and_foreign_requests_are_answered, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
