/* SPDX-License-Identifier: MIT */
/* Several NameServers: joining, failing over, and what those may not do that were left behind. */
#include "group_rig.h"

static void fill(struct group *g, uint32_t leader, const char *prefix, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char path[64];

        snprintf(path, sizeof path, "/%s%u", prefix, i);
        assert_int_equal(group_mkdir(g, leader, path), 0);
    }
}

static struct group *three(void)
{
    struct group *g = group_new(0);

    group_join(g, 1);
    group_join(g, 2);
    return g;
}

static uint32_t new_leader(struct group *g)
{
    for (uint32_t i = 0; i < 400 && group_leader(g) < 0; i++)
        group_pass(g, GROUP_STEP);
    assert_true(group_leader(g) >= 0);
    return (uint32_t)group_leader(g);
}

/* What the first NameServer logged while it was alone is read back from its log for the newcomer. */
static void test_newcomers_get_the_whole_log(void **state)
{
    struct group *g = group_new(0);

    (void)state;
    fill(g, 0, "alone", 50);
    group_join(g, 1);
    group_join(g, 2);
    fill(g, 0, "three", 5);
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, 1);
    group_assert_same(g, 0, 2);
    assert_int_equal(nm_id(g->m[1].nm), 2);
    assert_int_equal(nm_id(g->m[2].nm), 3);
    group_free(g);
}

/* The log does not reach back: a snapshot is fetched; and after a restart its log goes on behind it. */
static void test_a_newcomer_takes_over_a_snapshot(void **state)
{
    struct group *g = group_new(1500);

    (void)state;
    fill(g, 0, "alone", 60);
    group_join(g, 1);
    assert_non_null(strstr(g->m[1].logged, "nm.snapshot_installed"));
    fill(g, 0, "two", 3);
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, 1);
    group_kill(g, 1);
    group_start(g, 1, false, false);
    group_pass(g, NS_PER_SEC);
    fill(g, 0, "again", 3);
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, 1);
    group_free(g);
}

static void test_another_takes_over_when_the_leader_dies(void **state)
{
    struct group *g = three();
    uint64_t died;
    uint32_t leader;

    (void)state;
    fill(g, 0, "a", 3);
    group_kill(g, 0);
    died = g->now.mono;
    leader = new_leader(g);
    /* the lease's wait, most of which was the election */
    assert_in_range(g->now.mono - died, 550 * NS_PER_MS, 750 * NS_PER_MS);
    assert_int_equal(group_lookup(g, leader, "/a2"), 0);
    fill(g, leader, "b", 3);
    group_start(g, 0, false, false);
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, leader);
    assert_int_equal(group_mkdir(g, 0, "/c"), DFS_ENOTLEADER);
    group_free(g);
}

/* Its own flush never ends, and those of the others do: what is asked must not wait for that, and is not lost. */
static void test_a_leader_whose_disk_hangs_gives_up(void **state)
{
    struct group *g = three();
    uint64_t since;
    uint32_t leader;

    (void)state;
    fill(g, 0, "a", 3);
    g->m[0].held = true;
    since = g->now.mono;
    assert_int_equal(group_mkdir(g, 0, "/under_way"), DFS_EUNKNOWN);
    leader = new_leader(g);
    assert_int_not_equal(leader, 0);
    assert_in_range(g->now.mono - since, 700 * NS_PER_MS, 2 * NS_PER_SEC); /* before a serve lease is over */
    assert_int_equal(group_lookup(g, leader, "/under_way"), 0);
    fill(g, leader, "b", 3);
    group_pass(g, 5 * NS_PER_SEC);
    assert_int_equal(group_leader(g), leader); /* one that hangs does not stand again */
    g->m[0].held = false;
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, leader);
    group_free(g);
}

/* There is no better one: whoever leads would hand it on and on, and get nothing done. */
static void test_where_all_disks_are_slow_nobody_gives_up(void **state)
{
    struct group *g = three();

    (void)state;
    fill(g, 0, "a", 3);
    for (uint32_t i = 0; i < 3; i++)
        g->m[i].held = true;
    assert_int_equal(group_mkdir(g, 0, "/slow"), 1); /* no answer in two seconds */
    for (uint32_t i = 0; i < 3; i++)
        g->m[i].held = false;
    group_pass(g, NS_PER_SEC);
    assert_int_equal(group_leader(g), 0);
    assert_int_equal(group_lookup(g, 0, "/slow"), 0);
    group_free(g);
}

/* A5: a leader that is cut off answers nothing once its lease is over, though it does not know of its successor; what
 * it took into its log is not said to have failed, and is replaced when it comes back. */
static void test_a_leader_that_is_cut_off_answers_nothing(void **state)
{
    struct group *g = three();
    uint32_t leader;

    (void)state;
    fill(g, 0, "a", 1);
    g->m[0].cut = true;
    assert_int_equal(group_lookup(g, 0, "/a0"), 0); /* the lease still runs */
    group_pass(g, 250 * NS_PER_MS);
    assert_int_equal(group_mkdir(g, 0, "/lost"), DFS_EUNKNOWN);
    assert_int_not_equal(group_lookup(g, 0, "/a0"), 0);
    leader = new_leader(g);
    assert_int_equal(group_lookup(g, leader, "/lost"), DFS_ENOENT);
    fill(g, leader, "b", 2);
    g->m[0].cut = false;
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, leader);
    group_kill(g, 0); /* and its log, which holds the entry that was replaced, opens */
    group_start(g, 0, false, false);
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, leader);
    group_free(g);
}

/* A5: SIGSTOP between two turns, SIGCONT a minute later: the first request it reads is held against the time it is then. */
static void test_a_leader_that_was_stopped_answers_nothing(void **state)
{
    struct group *g = three();
    uint32_t leader;

    (void)state;
    fill(g, 0, "a", 1);
    g->m[0].paused = true;
    leader = new_leader(g);
    fill(g, leader, "new", 1);
    group_pass(g, 60 * NS_PER_SEC);
    g->m[0].paused = false;
    assert_int_equal(group_lookup(g, 0, "/new0"), DFS_ENOTLEADER); /* not ENOENT */
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, leader);
    group_free(g);
}

static uint32_t leading(const struct group *g)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < 3; i++)
        n += g->m[i].nm != NULL && nm_leads(g->m[i].nm, g->now.mono);
    return n;
}

/* No NameServer serves before the lease of any earlier leader is over. */
static void test_never_two_leaders_at_once(void **state)
{
    struct group *g = three();

    (void)state;
    fill(g, 0, "a", 1);
    for (uint32_t round = 0; round < 4; round++) {
        uint32_t leader = new_leader(g);

        assert_int_equal(group_lookup(g, leader, "/a0"), 0);
        g->m[leader].cut = true;
        for (uint32_t i = 0; i < 200; i++) {
            group_pass(g, GROUP_STEP);
            assert_in_range(leading(g), 0, 1);
        }
        g->m[leader].cut = false;
        group_pass(g, NS_PER_SEC);
    }
    group_free(g);
}

/* Two that have just been started do not know how long the lease of the one they do not hear any more runs. */
static void test_a_start_is_no_shorter_wait(void **state)
{
    struct group *g = three();

    (void)state;
    for (uint32_t round = 0; round < 8; round++) {
        uint32_t leader = new_leader(g);
        char name[16];

        snprintf(name, sizeof name, "r%u-", round);
        fill(g, leader, name, 1);
        g->m[leader].cut = true;
        for (uint32_t i = 0; i < 3; i++) {
            if (i != leader) {
                group_kill(g, i);
                group_start(g, i, false, false);
            }
        }
        for (uint32_t i = 0; i < 150; i++) {
            group_pass(g, GROUP_STEP);
            assert_in_range(leading(g), 0, 1);
        }
        g->m[leader].cut = false;
        group_pass(g, NS_PER_SEC);
    }
    group_free(g);
}

/* Not as long as the longest of two: who has not heard of the leader for the least timeout votes. */
static void test_an_election_takes_the_shortest_timeout(void **state)
{
    struct group *g = three();
    uint32_t early = 0;

    (void)state;
    for (uint32_t round = 0; round < 24; round++) {
        uint32_t leader = new_leader(g);

        for (uint32_t i = 0; i < 3; i++)
            g->m[i].logged[0] = '\0';
        group_kill(g, leader);
        group_pass(g, 460 * NS_PER_MS);
        for (uint32_t i = 0; i < 3; i++)
            early += strstr(g->m[i].logged, "state=leader") != NULL;
        group_start(g, leader, false, false);
        group_pass(g, NS_PER_SEC);
    }
    assert_in_range(early, 14, 24); /* three in four; one in four, where both have to doubt the leader */
    group_free(g);
}

static void test_leadership_is_handed_over(void **state)
{
    struct group *g = three();
    struct msg m = {.type = MSG_TYPE_nm_transfer, .nm_transfer = {3}};

    (void)state;
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), 0);
    group_pass(g, 2 * NS_PER_SEC);
    assert_int_equal(group_leader(g), 2);
    m.nm_transfer.id = 9;
    assert_int_equal(group_call(g, 2, &m, NS_PER_SEC), DFS_ENOENT);
    group_free(g);
}

static void test_one_that_is_removed_stays_out(void **state)
{
    struct group *g = three();
    struct msg m = {.type = MSG_TYPE_nm_remove, .nm_remove = {3}};
    uint32_t term_before;

    (void)state;
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), 0);
    group_pass(g, 2 * NS_PER_SEC);
    assert_int_equal(nm_voters(g->m[0].nm), 2);
    assert_non_null(strstr(g->m[2].logged, "nm.removed"));
    term_before = (uint32_t)strlen(g->m[0].logged);
    group_kill(g, 2);
    group_start(g, 2, false, false);
    group_pass(g, 3 * NS_PER_SEC); /* it does not disturb the others */
    assert_non_null(strstr(g->m[2].logged, "nm.refused"));
    assert_int_equal(group_leader(g), 0);
    assert_null(strstr(g->m[0].logged + term_before, "nm.raft_state"));
    fill(g, 0, "after", 2);
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), 0); /* once more is no error */
    m.nm_remove.id = 77;
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), DFS_ENOENT);
    group_free(g);
}

/* A8: an empty folder does not come back under an id that voted; not even by joining again at the same address. */
static void test_a_wiped_folder_is_no_member(void **state)
{
    struct group *g = three();
    struct msg m = {
        .type = MSG_TYPE_nm_join,
        .nm_join = {.uuid_hi = 555, .uuid_lo = 555, .addr = str_of(g->m[2].address), .level = 1},
    };
    char why[512];

    (void)state;
    group_kill(g, 2);
    memdisk_free(g->m[2].disk);
    g->m[2].disk = memdisk_new(99, 64 * MIB);
    assert_int_equal(group_open(g, 2, false, false, why, sizeof why), DFS_ENOENT);
    assert_non_null(strstr(why, "--join"));
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), DFS_EIDENTITY);
    m = (struct msg){.type = MSG_TYPE_nm_remove, .nm_remove = {3}};
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), 0);
    group_pass(g, NS_PER_SEC);
    group_join(g, 2);
    assert_int_equal(nm_id(g->m[2].nm), 4);
    group_free(g);
}

/* Whoever is not a member, or shows another's id, is refused, whatever it says. */
static void test_strangers_are_refused(void **state)
{
    struct group *g = three();
    struct msg m = {.type = MSG_TYPE_peer_vote};

    (void)state;
    m.peer_vote.peer = (struct wire_peer){.from = 2, .to = 1, .uuid_hi = 1, .uuid_lo = 1, .addr = STR("1.2.3.4:5")};
    m.peer_vote.term = 1000;
    m.peer_vote.last_index = 1000;
    m.peer_vote.last_term = 1000;
    m.peer_vote.disrupt = 1;
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), DFS_EIDENTITY);
    m.peer_vote.peer.to = 2;
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), DFS_EIDENTITY);
    m.type = MSG_TYPE_peer_append;
    m.peer_append = (struct msg_peer_append){
        .peer = {.from = 9, .to = 1, .addr = STR("1.2.3.4:5")}, .term = 1, .previous_index = 5, .previous_term = 0};
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), DFS_EPROTO);
    assert_int_equal(group_leader(g), 0);
    fill(g, 0, "a", 1);
    group_free(g);
}

/* Raft would count on from it, over the end: in term 0 this NameServer would not have started again. */
static void test_a_term_beyond_all_counting_is_refused(void **state)
{
    struct group *g = three();
    const struct meta_member *first = meta_member_by_id(nm_meta(g->m[0].nm), 1);
    struct msg m = {.type = MSG_TYPE_peer_vote};

    (void)state;
    m.peer_vote = (struct msg_peer_vote){.peer = {.from = 1,
                                                  .to = 3,
                                                  .uuid_hi = first->uuid_hi,
                                                  .uuid_lo = first->uuid_lo,
                                                  .addr = str_of(g->m[0].address)},
                                         .term = UINT64_MAX,
                                         .disrupt = 1};
    assert_int_equal(group_call(g, 2, &m, NS_PER_SEC), DFS_EPROTO);
    m.peer_vote.term = 1;
    m.peer_vote.last_index = (1ULL << 62) + 1;
    assert_int_equal(group_call(g, 2, &m, NS_PER_SEC), DFS_EPROTO);
    group_kill(g, 2);
    group_start(g, 2, false, false);
    fill(g, 0, "a", 1);
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, 2);
    group_free(g);
}

/* Two of three are left: one has the newest log, the other, which missed some of it, the higher term. */
static void test_the_newest_log_learns_of_a_higher_term(void **state)
{
    struct group *g = three();
    const struct meta_member *first = meta_member_by_id(nm_meta(g->m[0].nm), 1);
    struct msg m = {.type = MSG_TYPE_peer_vote};

    (void)state;
    m.peer_vote.peer = (struct wire_peer){
        .from = 1, .to = 3, .uuid_hi = first->uuid_hi, .uuid_lo = first->uuid_lo, .addr = str_of(g->m[0].address)};
    m.peer_vote.term = 50;
    m.peer_vote.disrupt = 1;
    g->m[2].cut = true;
    fill(g, 0, "a", 3);
    assert_int_equal(group_call(g, 2, &m, NS_PER_SEC), 0);
    group_kill(g, 0);
    g->m[2].cut = false;
    assert_int_equal(new_leader(g), 1);
    fill(g, 1, "b", 1);
    group_free(g);
}

/* A leader sends again what it got no answer for; meanwhile its follower has put it into a snapshot, and dropped it. */
static void test_entries_below_a_snapshot_are_no_news(void **state)
{
    struct group *g = group_new(1500);
    const struct wire_peer_entry late[] = {{.term = 1, .type = 1}, {.term = 1, .type = 1}};
    struct msg m = {.type = MSG_TYPE_peer_append};

    (void)state;
    group_join(g, 1);
    fill(g, 0, "a", 60);
    group_pass(g, NS_PER_SEC);
    const char *first = strstr(g->m[1].logged, "nm.snapshot_taken");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "nm.snapshot_taken")); /* from the second on the log is trimmed */
    const struct meta_member *leader = meta_member_by_id(nm_meta(g->m[0].nm), 1);
    const char *term = strstr(g->m[0].logged, " term=");
    assert_non_null(term);
    m.peer_append = (struct msg_peer_append){.peer = {.from = 1,
                                                      .to = 2,
                                                      .uuid_hi = leader->uuid_hi,
                                                      .uuid_lo = leader->uuid_lo,
                                                      .addr = str_of(g->m[0].address)},
                                             .term = strtoull(term + strlen(" term="), NULL, 10),
                                             .entries = (struct wire_peer_entry *)(uintptr_t)late,
                                             .n_entries = 2};
    assert_int_equal(group_call(g, 1, &m, NS_PER_SEC), 0);
    m.peer_append.previous_index = 3;
    m.peer_append.previous_term = 1;
    assert_int_equal(group_call(g, 1, &m, NS_PER_SEC), 0);
    fill(g, 0, "b", 5);
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, 1);
    group_free(g);
}

/* The first NameServer makes the second a voter, which does not hear of it; then it needs the second's vote. */
static void test_a_voter_that_does_not_know_it_yet_votes(void **state)
{
    uint32_t missed = 0;

    (void)state;
    for (uint64_t at = GROUP_STEP; at < 1200 * NS_PER_MS; at += 2 * GROUP_STEP) {
        struct group *g = group_new(0);

        group_start(g, 1, false, true);
        group_pass(g, at);
        if (strstr(g->m[0].logged, "promote=2") == NULL && strstr(g->m[0].logged, "add=2") != NULL) {
            g->m[1].cut = true;
            group_pass(g, 300 * NS_PER_MS);
            missed += strstr(g->m[0].logged, "promote=2") != NULL;
            group_kill(g, 0);
            group_start(g, 0, false, false);
            g->m[1].cut = false;
            new_leader(g);
        }
        group_free(g);
    }
    assert_true(missed > 0);
}

/* A NameServer whose clock is days ahead of the last leader's gives up no trash when it takes over. */
static void test_a_clock_ahead_of_the_last_leaders_empties_no_trash(void **state)
{
    const int64_t day = 86400 * (int64_t)NS_PER_SEC;
    struct group *g = three();
    struct msg m = {.type = MSG_TYPE_remove};
    uint32_t leader;

    (void)state;
    fill(g, 0, "a", 1);
    m.remove.id = (struct wire_request_id){.session = g->session, .number = ++g->number, .seen = g->number};
    m.remove.dir = ROOT_INO;
    m.remove.path = STR("/a0");
    m.remove.flags = REMOVE_TREE | REMOVE_KEEP;
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), 0);
    group_pass(g, NS_PER_SEC);
    group_kill(g, 0);
    g->now.wall += 3 * day;
    leader = new_leader(g);
    group_pass(g, NS_PER_SEC);
    assert_true(meta_oldest_trash(nm_meta(g->m[leader].nm)) < g->now.wall - 2 * day);
    group_free(g);
}

/* A2: a vote that a power loss could take back must not count. */
static void test_a_vote_leaves_when_it_is_durable(void **state)
{
    struct group *g = three();
    const struct meta_member *third = meta_member_by_id(nm_meta(g->m[0].nm), 3);
    struct msg m = {.type = MSG_TYPE_peer_vote};
    uint32_t before = g->m[1].votes;

    (void)state;
    m.peer_vote.peer = (struct wire_peer){
        .from = 3, .to = 2, .uuid_hi = third->uuid_hi, .uuid_lo = third->uuid_lo, .addr = str_of(g->m[2].address)};
    m.peer_vote.term = 50;
    m.peer_vote.last_index = m.peer_vote.last_term = 50;
    m.peer_vote.disrupt = 1;
    g->m[1].held = true;
    assert_int_equal(group_call(g, 1, &m, NS_PER_SEC), 0);
    assert_int_equal(g->m[1].votes, before);
    g->m[1].held = false;
    group_settle(g);
    assert_int_equal(g->m[1].votes, before + 1);
    group_free(g);
}

/* A large command: the same xattr again. */
static int set_large(struct group *g, uint32_t leader, const void *value, uint32_t len)
{
    struct msg m = {.type = MSG_TYPE_setxattr};

    m.setxattr.id = (struct wire_request_id){.session = g->session, .number = ++g->number, .seen = g->number};
    m.setxattr.dir = ROOT_INO;
    m.setxattr.path = STR("/a");
    m.setxattr.name = STR("user.large");
    m.setxattr.value = (struct str){value, len};
    return group_call(g, leader, &m, 2 * NS_PER_SEC);
}

/* Its connection is there, and takes nothing: what waits for it is bounded, and it gets the rest when it reads again. */
static void test_what_waits_for_one_that_does_not_read_is_bounded(void **state)
{
    const uint64_t bound = 8 * MIB;
    struct group *g = three();
    uint8_t *value = calloc(1, 48 * KIB);

    (void)state;
    assert_int_equal(group_mkdir(g, 0, "/a"), 0);
    g->m[2].deaf = true;
    for (uint32_t i = 0; i < 300; i++) { /* 14 MiB */
        value[0] = (uint8_t)i;
        assert_int_equal(set_large(g, 0, value, 48 * KIB), 0);
        assert_true(g->m[2].unread_bytes <= bound);
    }
    assert_true(g->m[2].unread_bytes > bound / 2); /* it was the bound that held */
    group_hear(g, 2);
    group_pass(g, 2 * NS_PER_SEC);
    group_assert_same(g, 0, 2);
    free(value);
    group_free(g);
}

/* All at once, and every entry that nobody knew to be committed. */
static void test_all_restart(void **state)
{
    struct group *g = three();

    (void)state;
    fill(g, 0, "a", 30);
    for (uint32_t i = 0; i < 3; i++)
        group_kill(g, i);
    for (uint32_t i = 0; i < 3; i++)
        group_start(g, i, false, false);
    uint32_t leader = new_leader(g);

    assert_int_equal(group_lookup(g, leader, "/a29"), 0);
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, 1);
    group_assert_same(g, 0, 2);
    group_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newcomers_get_the_whole_log),
        cmocka_unit_test(test_a_newcomer_takes_over_a_snapshot),
        cmocka_unit_test(test_another_takes_over_when_the_leader_dies),
        cmocka_unit_test(test_a_leader_whose_disk_hangs_gives_up),
        cmocka_unit_test(test_where_all_disks_are_slow_nobody_gives_up),
        cmocka_unit_test(test_a_leader_that_is_cut_off_answers_nothing),
        cmocka_unit_test(test_a_leader_that_was_stopped_answers_nothing),
        cmocka_unit_test(test_never_two_leaders_at_once),
        cmocka_unit_test(test_a_start_is_no_shorter_wait),
        cmocka_unit_test(test_an_election_takes_the_shortest_timeout),
        cmocka_unit_test(test_leadership_is_handed_over),
        cmocka_unit_test(test_one_that_is_removed_stays_out),
        cmocka_unit_test(test_a_wiped_folder_is_no_member),
        cmocka_unit_test(test_strangers_are_refused),
        cmocka_unit_test(test_a_term_beyond_all_counting_is_refused),
        cmocka_unit_test(test_entries_below_a_snapshot_are_no_news),
        cmocka_unit_test(test_the_newest_log_learns_of_a_higher_term),
        cmocka_unit_test(test_a_clock_ahead_of_the_last_leaders_empties_no_trash),
        cmocka_unit_test(test_a_voter_that_does_not_know_it_yet_votes),
        cmocka_unit_test(test_a_vote_leaves_when_it_is_durable),
        cmocka_unit_test(test_what_waits_for_one_that_does_not_read_is_bounded),
        cmocka_unit_test(test_all_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
