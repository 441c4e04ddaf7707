/* SPDX-License-Identifier: MIT */
/* Two releases in one cluster: a new kind of log entry is written only once every NameServer knows it, and what a
 * NameServer cannot apply ends it (CONSISTENCY A6; DESIGN 8). Here "the newer release" is of level 2 and rmdir is its new
 * kind. */
#include "group_rig.h"

#include "base/crc.h"
#include "group/group.h"
#include "wire/codec.h"

static uint32_t needed(const struct msg *m) { return m->type == MSG_TYPE_rmdir ? 2 : 1; }

static struct group *three(uint32_t first, uint32_t second, uint32_t third)
{
    struct group *g = group_new(0);
    char why[512];

    g->level_needed = needed;
    g->m[0].level = first;
    g->m[1].level = second;
    g->m[2].level = third;
    group_kill(g, 0);
    assert_int_equal(group_open(g, 0, false, false, why, sizeof why), 0);
    group_pass(g, NS_PER_SEC);
    group_join(g, 1);
    group_join(g, 2);
    return g;
}

static int remove_it(struct group *g, uint32_t i, const char *path)
{
    struct msg m = {.type = MSG_TYPE_rmdir};

    m.rmdir.id = (struct wire_request_id){.session = g->session, .number = ++g->number, .seen = g->number};
    m.rmdir.dir = ROOT_INO;
    m.rmdir.path = str_of(path);
    return group_call(g, i, &m, 2 * NS_PER_SEC);
}

static void restart_as(struct group *g, uint32_t i, uint32_t level)
{
    group_kill(g, i);
    g->m[i].level = level;
    group_start(g, i, false, false);
    group_pass(g, 2 * NS_PER_SEC);
}

/* A rolling update: the new kind is refused, clearly, until the last one has been restarted. */
static void test_a_new_kind_waits_for_the_last_update(void **state)
{
    struct group *g = three(1, 1, 1);
    struct msg lead = {.type = MSG_TYPE_nm_transfer, .nm_transfer = {1}};

    (void)state;
    assert_int_equal(group_mkdir(g, 0, "/a"), 0);
    restart_as(g, 0, 2);
    assert_int_equal(group_call(g, (uint32_t)group_leader(g), &lead, NS_PER_SEC), 0);
    group_pass(g, 2 * NS_PER_SEC);
    assert_int_equal(group_leader(g), 0);
    assert_int_equal(meta_level(nm_meta(g->m[0].nm)), 1);
    assert_int_equal(remove_it(g, 0, "/a"), DFS_ENOTSUP);
    restart_as(g, 1, 2);
    assert_int_equal(remove_it(g, 0, "/a"), DFS_ENOTSUP);
    restart_as(g, 2, 2);
    assert_int_equal(meta_level(nm_meta(g->m[0].nm)), 2);
    assert_int_equal(remove_it(g, 0, "/a"), 0);
    group_pass(g, NS_PER_SEC);
    group_assert_same(g, 0, 1);
    group_assert_same(g, 0, 2);
    group_free(g);
}

/* Whoever missed the level's rise cannot take part any more, and says what to do. */
static void test_an_old_release_cannot_come_back(void **state)
{
    struct group *g = three(2, 2, 2);
    struct msg m = {
        .type = MSG_TYPE_nm_join,
        .nm_join = {.uuid_hi = 555, .uuid_lo = 555, .addr = STR("10.0.0.9:1"), .level = 1},
    };

    (void)state;
    assert_int_equal(group_call(g, 0, &m, NS_PER_SEC), DFS_EVERSION);
    group_kill(g, 2);
    g->m[2].level = 1;
    g->may_die = true;
    group_start(g, 2, false, false);
    group_pass(g, NS_PER_SEC);
    assert_non_null(strstr(g->m[2].logged, "update this NameServer"));
    assert_int_equal(group_mkdir(g, 0, "/without-it"), 0);
    group_free(g);
}

/* A field that only a newer client and newer followers know must not get past a leader that does not. */
static void test_the_log_holds_what_the_leader_understood(void **state)
{
    struct group *g = three(1, 1, 1);
    struct msg m = {.type = MSG_TYPE_mkdir}, copy;
    struct arena a;
    struct bytes b;
    struct slice head;

    (void)state;
    assert_int_equal(group_mkdir(g, 0, "/session"), 0);
    arena_init(&a, WIRE_ARENA_MAX);
    bytes_init(&b, WIRE_HEAD_MAX);
    m.mkdir.id = (struct wire_request_id){.session = g->session, .number = ++g->number, .seen = g->number};
    m.mkdir.dir = ROOT_INO;
    m.mkdir.path = STR("/later");
    assert_int_equal(msg_encode(&m, &b), 0);
    assert_int_equal(bytes_add(&b, "UNHEARD-OF", 10), 0);
    head = slice_copy(b.p, (uint32_t)b.len);
    assert_int_equal(msg_decode(m.type, slice_data(head), head.len, &copy, &a), 0);
    struct event ev = {
        .kind = EV_REQUEST, .now = g->now, .to = {CLIENT, 1}, .peer = "client", .msg = &copy, .head = head};

    g->answer = 1;
    nm_event(g->m[0].nm, &ev, &g->m[0].fx);
    group_effects(g, 0);
    group_pass(g, NS_PER_SEC);
    assert_int_equal(g->answer, 0);
    assert_int_equal(group_lookup(g, 0, "/later"), 0);
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t size;
        const uint8_t *log = memdisk_peek(g->m[i].disk, "log-0000000000000001", &size);

        assert_non_null(log);
        assert_null(memmem(log, size, "UNHEARD-OF", 10));
        assert_non_null(memmem(log, size, "/later", 6));
    }
    slice_drop(&head);
    bytes_close(&b);
    arena_close(&a);
    group_free(g);
}

/* As if the leader, node 0, sent this one, and it was committed. */
static void forge_entry(struct group *g, uint32_t to, const struct bytes *body)
{
    const struct meta_member *first = meta_member_by_id(nm_meta(g->m[0].nm), 1);
    const struct nm *nm = g->m[to].nm;
    struct wire_peer_entry entry = {.term = nm->applied_term,
                                    .type = RAFT_COMMAND,
                                    .length = (uint32_t)body->len,
                                    .crc = crc32c(0, body->p, body->len)};
    struct msg m = {.type = MSG_TYPE_peer_append};
    struct payload payload = payload_of(slice_copy(body->p, (uint32_t)body->len));

    m.peer_append = (struct msg_peer_append){
        .peer = {.from = 1,
                 .to = nm->id.raft_id,
                 .uuid_hi = first->uuid_hi,
                 .uuid_lo = first->uuid_lo,
                 .addr = str_of(g->m[0].address),
                 .level = 1},
        .term = nm->applied_term,
        .previous_index = nm->applied,
        .previous_term = nm->applied_term,
        .commit = nm->applied + 1,
        .entries = &entry,
        .n_entries = 1,
    };
    struct event ev = {
        .kind = EV_REQUEST, .now = g->now, .to = {CLIENT, 1}, .peer = "peer", .msg = &m, .payload = &payload};

    g->answer = 1;
    nm_event(g->m[to].nm, &ev, &g->m[to].fx);
    group_effects(g, to);
    group_settle(g);
    assert_int_equal(g->answer, 0);
    payload_drop(&payload);
}

/* A6: an entry this process cannot read is not skipped; the state would go its own way. */
static void test_an_entry_of_an_unknown_kind_ends_the_process(void **state)
{
    struct group *g = three(1, 1, 1);
    struct wire_command cmd = {.type = 0x03ff, .body = STR("?")};
    struct wire_batch entry = {.epoch = meta_epoch(nm_meta(g->m[0].nm)), .commands = &cmd, .n_commands = 1};
    struct bytes body;
    char why[512] = "";

    (void)state;
    bytes_init(&body, 4096);
    assert_int_equal(wire_encode(&wire_rec_batch, &entry, &body), 0);
    group_pass(g, NS_PER_SEC);
    g->may_die = true;
    forge_entry(g, 2, &body);
    assert_non_null(strstr(g->m[2].logged, "cannot be applied"));
    group_kill(g, 2);
    g->may_die = false;
    assert_int_equal(group_open(g, 2, false, false, why, sizeof why),
                     0); /* not known to be committed, after a restart */
    bytes_close(&body);
    group_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_kind_waits_for_the_last_update),
        cmocka_unit_test(test_an_old_release_cannot_come_back),
        cmocka_unit_test(test_the_log_holds_what_the_leader_understood),
        cmocka_unit_test(test_an_entry_of_an_unknown_kind_ends_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
