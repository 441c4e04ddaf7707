/* SPDX-License-Identifier: MIT */
/* Repair, as the leader directs it: what is done about which chunk, when, and in which order. */
#include "repair_rig.h"

#include "group/health.h"

static struct cluster *k;

static int setup(void **state)
{
    struct rig *r = malloc(sizeof *r);

    k = calloc(1, sizeof *k);
    rig_init(r, 1, 64 * MIB);
    r->cfg.repair_grace = 10 * NS_PER_SEC;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    free(*state);
    free(k);
    return 0;
}

static uint64_t under_replicated(void)
{
    struct meta_health h;

    meta_health(nm_meta(k->r->nm), &h);
    return h.under_replicated;
}

static uint32_t all_copies(void)
{
    uint32_t n = 0;

    for (uint32_t id = 1; id <= k->n; id++)
        n += k->fakes[id].copies;
    return n;
}

static int set_server(uint32_t id, uint8_t action)
{
    struct msg m = {.type = MSG_TYPE_server_set};

    m.server_set.id =
        (struct wire_request_id){.session = k->r->session, .number = ++k->r->number, .seen = k->r->number};
    m.server_set.server = id;
    m.server_set.action = action;
    return rig_call(k->r, &m, NULL);
}

static void what_a_lost_server_held_is_copied(void **state)
{
    cluster_open(k, *state, 4);
    for (uint32_t i = 0; i < 100; i++)
        cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    cluster_expect_whole(k);
    k->fakes[1].up = false;
    cluster_pass(k, 5 * NS_PER_SEC);
    assert_true(under_replicated() > 0);
    assert_int_equal(all_copies(), 0); /* it may come back */
    cluster_pass(k, 12 * NS_PER_SEC);
    assert_int_equal(under_replicated(), 0);
    cluster_expect_whole(k);
}

static void one_back_within_the_grace_costs_nothing(void **state)
{
    cluster_open(k, *state, 3);
    for (uint32_t i = 0; i < 20; i++)
        cluster_file(k);
    k->fakes[1].up = false;
    cluster_pass(k, 6 * NS_PER_SEC);
    fake_start(k, 1);
    cluster_pass(k, 20 * NS_PER_SEC);
    assert_int_equal(all_copies(), 0);
    cluster_expect_whole(k);
}

static uint64_t open_to_write(const char *path)
{
    struct rig *r = k->r;
    struct msg m = {.type = MSG_TYPE_open};
    const struct msg *reply;

    m.open = (struct msg_open){.id = {.session = r->session, .number = ++r->number, .seen = r->number},
                               .dir = ROOT_INO,
                               .path = str_of(path),
                               .flags = OPEN_WRITE};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    return reply->open_reply.handle;
}

/* Whether the chunk may be written to. */
static bool is_opened(uint64_t handle)
{
    struct msg m = {.type = MSG_TYPE_chunk_open};
    uint32_t id;

    m.chunk_open = (struct msg_chunk_open){.session = k->r->session, .handle = handle};
    id = rig_send(k->r, &m);
    for (uint32_t i = 0; i < 40 && k->r->answers[id].times == 0; i++)
        cluster_pass(k, NS_PER_SEC / 20);
    assert_int_equal(k->r->answers[id].times, 1);
    assert_true(k->r->answers[id].err == 0 || k->r->answers[id].err == DFS_ENOSERVERS);
    return k->r->answers[id].err == 0;
}

/* Asks until the chunk may be written to; how often it was refused. */
static uint32_t open_chunk(uint64_t handle)
{
    for (uint32_t refused = 0; refused < 20; refused++) {
        if (is_opened(handle))
            return refused;
        cluster_pass(k, NS_PER_SEC / 4);
    }
    fail_msg("the chunk is not opened");
    return 0;
}

static void close_file(uint64_t handle)
{
    struct rig *r = k->r;
    struct msg m = {.type = MSG_TYPE_close};

    m.close.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = r->number};
    m.close.handle = handle;
    assert_int_equal(rig_call(r, &m, NULL), 0);
}

/* The grace is for what nobody waits for. */
static void a_writer_does_not_wait_for_the_grace(void **state)
{
    struct meta_placement p;
    uint64_t handle;

    cluster_open(k, *state, 3);
    for (uint32_t i = 0; i < 20; i++)
        cluster_file(k);
    p = placement_of(k, k->chunks[0]);
    k->fakes[p.servers[1]].up = false;
    cluster_pass(k, 3 * NS_PER_SEC);
    handle = open_to_write("f0");
    assert_true(open_chunk(handle) <= 2);
    assert_int_equal(all_copies(), 1);
    close_file(handle);
    cluster_pass(k, 2 * NS_PER_SEC);
    fake_start(k, p.servers[1]);
    cluster_pass(k, 20 * NS_PER_SEC);
    assert_int_equal(all_copies(), 1);
    cluster_expect_whole(k);
}

/* What failed many times is tried seldom, but once a second for as long as a writer waits. */
static void a_writer_does_not_wait_for_copies_that_failed(void **state)
{
    struct meta_placement p;
    uint64_t handle;
    uint32_t tried;

    cluster_open(k, *state, 3);
    cluster_file(k);
    p = placement_of(k, k->chunks[0]);
    k->fakes[p.servers[1]].up = false;
    for (uint32_t id = 1; id <= 3; id++)
        k->fakes[id].copy_error = DFS_EUNREACH;
    cluster_pass(k, 60 * NS_PER_SEC);
    tried = all_copies();
    assert_true(tried >= 3 && tried <= 8);
    cluster_pass(k, 4 * NS_PER_SEC);
    assert_int_equal(all_copies(), tried);
    handle = open_to_write("f0");
    for (uint32_t i = 0; i < 12; i++) {
        assert_false(is_opened(handle));
        cluster_pass(k, NS_PER_SEC / 4);
    }
    assert_true(all_copies() >= tried + 2 && all_copies() <= tried + 4);
    for (uint32_t id = 1; id <= 3; id++)
        k->fakes[id].copy_error = 0;
    assert_true(open_chunk(handle) <= 8);
    assert_int_equal(placement_of(k, k->chunks[0]).live, 2);
}

/* A chunk that is open for as long as somebody likes does not keep its server from being drained; its writer waits for one
 * copy, and one that has nowhere else to go writes where it was. */
static void a_writer_is_moved_from_a_server_that_is_drained(void **state)
{
    struct meta_placement p;
    uint64_t handle;
    uint32_t gone;

    cluster_open(k, *state, 2);
    cluster_file(k);
    handle = open_to_write("f0");
    assert_int_equal(open_chunk(handle), 0);
    p = placement_of(k, k->chunks[0]);
    gone = p.servers[1];
    k->n = 3;
    fake_start(k, 3);
    assert_int_equal(set_server(gone, SERVER_DRAIN), 0);
    cluster_pass(k, 5 * NS_PER_SEC);
    assert_int_equal(k->fakes[gone].n, 0);
    assert_int_equal(meta_server_by_id(nm_meta(k->r->nm), gone)->state, SERVER_DRAINED);
    assert_int_equal(open_chunk(handle), 0);
    cluster_pass(k, NS_PER_SEC);
    assert_int_equal(placement_of(k, k->chunks[0]).live, 2);
}

static void a_writer_stays_where_there_is_no_other_place(void **state)
{
    uint64_t handle;

    cluster_open(k, *state, 2);
    k->goal = 2;
    cluster_file(k);
    assert_int_equal(set_server(2, SERVER_DRAIN), 0);
    handle = open_to_write("f0");
    assert_int_equal(open_chunk(handle), 0);
    cluster_pass(k, 5 * NS_PER_SEC);
    assert_true(on_server(k, k->chunks[0], 2));
}

/* It comes back when others have taken over: what it holds is deleted, but only once it is sure that they have it. */
static void one_back_too_late_gives_up_its_copies(void **state)
{
    cluster_open(k, *state, 4);
    for (uint32_t i = 0; i < 50; i++)
        cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    k->fakes[1].up = false;
    cluster_pass(k, 20 * NS_PER_SEC);
    assert_int_equal(under_replicated(), 0);
    fake_start(k, 1);
    assert_true(k->fakes[1].n > 0);
    cluster_pass(k, 10 * NS_PER_SEC);
    assert_int_equal(k->fakes[1].n, 0);
    cluster_expect_whole(k);
}

static void two_lost_of_three_are_not_waited_for(void **state)
{
    struct meta_placement p;
    uint64_t chunk;

    cluster_open(k, *state, 6);
    k->goal = 3;
    chunk = cluster_file(k);
    p = placement_of(k, chunk);
    assert_int_equal(p.goal, 3);
    k->fakes[p.servers[0]].up = k->fakes[p.servers[1]].up = false;
    cluster_pass(k, 6 * NS_PER_SEC); /* less than the grace */
    assert_int_equal(placement_of(k, chunk).live, 2);
    cluster_pass(k, 12 * NS_PER_SEC);
    cluster_expect_whole(k);
}

static void a_damaged_copy_is_replaced_once_another_was_read(void **state)
{
    uint64_t chunk;
    struct meta_placement p;

    cluster_open(k, *state, 3);
    chunk = cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    p = placement_of(k, chunk);
    fake_find(&k->fakes[p.servers[0]], chunk)->damaged = true;
    struct msg m = {.type = MSG_TYPE_chunk_suspect,
                    .chunk_suspect = {.chunk = chunk, .version = 1, .server = p.servers[0]}};
    assert_int_equal(rig_call(k->r, &m, NULL), 0);
    cluster_pass(k, 5 * NS_PER_SEC);
    assert_true(k->fakes[p.servers[0]].verifies >= 1);
    assert_true(k->fakes[p.servers[1]].verifies >= 1);
    cluster_expect_whole(k);
}

static void the_only_copy_is_kept_however_bad(void **state)
{
    uint64_t chunk;
    struct meta_placement p;
    struct repair_health h;

    cluster_open(k, *state, 3);
    chunk = cluster_file(k);
    p = placement_of(k, chunk);
    fake_find(&k->fakes[p.servers[0]], chunk)->damaged = true;
    fake_find(&k->fakes[p.servers[1]], chunk)->damaged = true;
    k->fakes[p.servers[0]].report_at = k->fakes[p.servers[1]].report_at = 0;
    cluster_pass(k, 10 * NS_PER_SEC);
    assert_non_null(fake_find(&k->fakes[p.servers[0]], chunk));
    assert_non_null(fake_find(&k->fakes[p.servers[1]], chunk));
    repair_fill_health(k->r->nm, &h);
    assert_int_equal(h.corrupt, 1);
    assert_true(repair_is_corrupt(k->r->nm, chunk));
}

static void missing_copies_are_found_by_the_report(void **state)
{
    cluster_open(k, *state, 3);
    for (uint32_t i = 0; i < 40; i++)
        cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    for (uint32_t i = 0; i < 40; i += 3)
        fake_lose(&k->fakes[1], k->chunks[i]);
    k->fakes[1].report_at = 0;
    cluster_pass(k, 15 * NS_PER_SEC);
    cluster_expect_whole(k);
}

static void a_wiped_server_is_filled_again(void **state)
{
    cluster_open(k, *state, 2);
    for (uint32_t i = 0; i < 40; i++)
        cluster_file(k);
    k->fakes[1].n = 0;
    k->fakes[1].report_at = 0;
    cluster_pass(k, 15 * NS_PER_SEC);
    cluster_expect_whole(k);
}

/* A folder from an old backup: chunks of another length, and some that have moved on. */
static void an_old_copy_is_never_taken_for_the_new_one(void **state)
{
    cluster_open(k, *state, 4);
    for (uint32_t i = 0; i < 30; i++)
        cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    k->fakes[1].up = false;
    cluster_pass(k, NS_PER_SEC);
    for (uint32_t i = 0; i < 30; i++)
        fake_put(&k->fakes[1], k->chunks[i], i % 3 > 0, i % 3 > 1 ? FAKE_LENGTH - 1 : FAKE_LENGTH);
    fake_start(k, 1);
    cluster_pass(k, 25 * NS_PER_SEC);
    cluster_expect_whole(k);
}

static void a_second_server_brings_the_second_copy(void **state)
{
    cluster_open(k, *state, 1);
    for (uint32_t i = 0; i < 20; i++)
        cluster_file(k);
    k->n = 2;
    fake_start(k, 2);
    cluster_pass(k, 5 * NS_PER_SEC);
    cluster_expect_whole(k);
    assert_int_equal(k->fakes[2].n, 20);
}

static void a_server_is_drained_until_it_may_go(void **state)
{
    cluster_open(k, *state, 4);
    for (uint32_t i = 0; i < 60; i++)
        cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    assert_int_equal(set_server(1, SERVER_DRAIN), 0);
    assert_int_not_equal(set_server(1, SERVER_REMOVE), 0);
    for (uint32_t i = 0; i < 60; i++) /* never fewer copies than the goal meanwhile */
        for (uint32_t s = 0; s < 20; s++) {
            struct meta_placement p = placement_of(k, k->chunks[i]);
            assert_true(p.live + p.leaving >= 2);
            cluster_pass(k, s == 0 ? NS_PER_SEC / 20 : 0);
        }
    cluster_pass(k, 10 * NS_PER_SEC);
    assert_int_equal(k->fakes[1].n, 0);
    assert_int_equal(meta_server_by_id(nm_meta(k->r->nm), 1)->state, SERVER_DRAINED);
    cluster_expect_whole(k);
    assert_int_equal(set_server(1, SERVER_REMOVE), 0);
}

/* It is not known to be down yet; what it held may be gone with it. */
static void a_copy_on_a_silent_server_lets_no_other_go(void **state)
{
    cluster_open(k, *state, 2);
    for (uint32_t i = 0; i < 20; i++)
        cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    k->fakes[1].up = false;
    while (!leader_suspects(k->r->nm, live_get(k->r->nm, 1)))
        cluster_pass(k, NS_PER_SEC / 10);
    assert_int_equal(meta_server_by_id(nm_meta(k->r->nm), 1)->state, SERVER_UP);
    assert_int_equal(set_server(2, SERVER_DRAIN), 0);
    cluster_pass(k, 10 * NS_PER_SEC);
    assert_int_equal(k->fakes[2].n, 20);
    assert_int_equal(meta_server_by_id(nm_meta(k->r->nm), 2)->state, SERVER_DRAINING);
    fake_start(k, 1);
    cluster_pass(k, 10 * NS_PER_SEC);
    assert_int_equal(k->fakes[2].n, 0);
    assert_int_equal(meta_server_by_id(nm_meta(k->r->nm), 2)->state, SERVER_DRAINED);
}

/* It may be of an older version, and has been taken for the one that was asked for. */
static void a_copy_made_for_an_earlier_leader_lets_no_other_go(void **state)
{
    cluster_open(k, *state, 3);
    for (uint32_t i = 0; i < 20; i++)
        cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    for (uint32_t id = 2; id <= 3; id++)
        k->fakes[id].late = true;
    assert_int_equal(set_server(1, SERVER_DRAIN), 0);
    cluster_pass(k, 20 * NS_PER_SEC);
    for (uint32_t i = 0; i < 20; i++) {
        struct meta_placement p = placement_of(k, k->chunks[i]);
        for (uint32_t s = 0; s < p.n; s++)
            assert_non_null(fake_find(&k->fakes[p.servers[s]], k->chunks[i]));
    }
}

static void a_removed_server_has_nothing_left_to_do(void **state)
{
    struct tasks *tasks;

    cluster_open(k, *state, 4);
    for (uint32_t i = 0; i < 60; i++)
        cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    assert_int_equal(set_server(1, SERVER_DRAIN), 0);
    k->fakes[1].silent = true; /* it never deletes what it is told to */
    while (meta_server_by_id(nm_meta(k->r->nm), 1)->state != SERVER_DRAINED)
        cluster_pass(k, NS_PER_MS);
    tasks = &k->r->nm->lead.tasks;
    assert_true(tasks->n > 0);
    assert_int_equal(set_server(1, SERVER_REMOVE), 0);
    assert_int_equal(tasks->n, 0);
    k->fakes[1].up = false;
    cluster_pass(k, 10 * NS_PER_SEC);
    cluster_expect_whole(k);
}

static void copies_go_to_other_racks(void **state)
{
    k->domains[1] = k->domains[2] = "a";
    k->domains[3] = k->domains[4] = "b";
    cluster_open(k, *state, 2);
    for (uint32_t i = 0; i < 20; i++)
        cluster_file(k);
    k->n = 4;
    fake_start(k, 3);
    fake_start(k, 4);
    cluster_pass(k, 20 * NS_PER_SEC);
    cluster_expect_whole(k);
    for (uint32_t i = 0; i < 20; i++) {
        struct meta_placement p = placement_of(k, k->chunks[i]);
        assert_false(p.domains_shared);
    }
}

static void a_failed_copy_is_tried_again_elsewhere_in_time(void **state)
{
    cluster_open(k, *state, 4);
    for (uint32_t i = 0; i < 20; i++)
        cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    k->fakes[1].up = false;
    k->fakes[2].copy_error = DFS_ENOSPC;
    cluster_pass(k, 40 * NS_PER_SEC);
    cluster_expect_whole(k);
}

/* Nothing is ordered twice or forgotten when leaders come and go. */
static void a_new_leader_goes_on(void **state)
{
    struct rig *r = *state;

    cluster_open(k, r, 4);
    for (uint32_t i = 0; i < 60; i++)
        cluster_file(k);
    cluster_pass(k, NS_PER_SEC);
    k->fakes[1].up = false;
    for (uint32_t round = 0; round < 5; round++) {
        cluster_pass(k, 11 * NS_PER_SEC + round * NS_PER_SEC / 20);
        rig_stop(r);
        memdisk_crash(r->disk, CRASH_DROP_ALL);
        rig_start(r, false);
        for (uint32_t id = 2; id <= 4; id++) {
            k->fakes[id].asking = false;
            k->fakes[id].report_at = 0;
        }
    }
    cluster_pass(k, 20 * NS_PER_SEC);
    cluster_expect_whole(k);
}

static void a_full_server_gives_some_to_an_empty_one(void **state)
{
    cluster_open(k, *state, 2);
    for (uint32_t i = 0; i < 40; i++)
        cluster_file(k);
    for (uint32_t id = 1; id <= 2; id++)
        k->fakes[id].used = 100 * GIB - 100 * MIB; /* so that some bytes matter */
    k->n = 3;
    fake_start(k, 3);
    cluster_pass(k, 5 * NS_PER_SEC);
    assert_int_equal(k->fakes[3].n, 0); /* five bytes each are no reason */
    cluster_expect_whole(k);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_a_lost_server_held_is_copied),
        T(one_back_within_the_grace_costs_nothing),
        T(a_writer_does_not_wait_for_the_grace),
        T(a_writer_does_not_wait_for_the_grace),
        T(a_writer_does_not_wait_for_copies_that_failed),
        T(a_writer_is_moved_from_a_server_that_is_drained),
        T(a_writer_stays_where_there_is_no_other_place),
        T(one_back_too_late_gives_up_its_copies),
        T(two_lost_of_three_are_not_waited_for),
        T(a_damaged_copy_is_replaced_once_another_was_read),
        T(the_only_copy_is_kept_however_bad),
        T(missing_copies_are_found_by_the_report),
        T(a_wiped_server_is_filled_again),
        T(an_old_copy_is_never_taken_for_the_new_one),
        T(a_second_server_brings_the_second_copy),
        T(a_server_is_drained_until_it_may_go),
        T(a_copy_on_a_silent_server_lets_no_other_go),
        T(a_copy_made_for_an_earlier_leader_lets_no_other_go),
        T(a_removed_server_has_nothing_left_to_do),
        T(copies_go_to_other_racks),
        T(a_failed_copy_is_tried_again_elsewhere_in_time),
        T(a_new_leader_goes_on),
        T(a_full_server_gives_some_to_an_empty_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
