/* SPDX-License-Identifier: MIT */
/* What an administrator hears from the leader, and what it does about servers that come and go. */
#include "nm_rig.h"

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

static void servers(struct rig *r, uint32_t n)
{
    char addr[32];

    for (uint32_t i = 1; i <= n; i++) {
        snprintf(addr, sizeof addr, "127.0.0.1:462%u", i);
        assert_int_equal(rig_register(r, i, addr), i);
    }
}

static void pass_alive(struct rig *r, uint32_t from, uint32_t to, uint64_t ns)
{
    for (; ns > 0; ns -= NS_PER_SEC / 2) {
        for (uint32_t i = from; i <= to; i++)
            assert_int_equal(rig_heartbeat(r, i, i * 10, NULL), 0);
        rig_pass(r, NS_PER_SEC / 2);
    }
}

/* Stores a file of one chunk where the leader wants it. */
static struct wire_granted store(struct rig *r, const char *path)
{
    const struct msg *reply;
    struct wire_published p;
    struct msg m = {.type = MSG_TYPE_publish};

    assert_int_equal(rig_grant(r, 1, &reply), 0);
    const struct wire_granted *g = &reply->grant_reply.chunks[0];
    p = (struct wire_published){.length = 100, .crc = 1, .grant = g->grant};
    m.publish.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.publish.dir = ROOT_INO;
    m.publish.path = str_of(path);
    m.publish.size = 100;
    m.publish.chunks = &p;
    m.publish.n_chunks = 1;
    assert_int_equal(rig_call(r, &m, NULL), 0);
    return *g;
}

static int server_set(struct rig *r, uint32_t server, uint8_t action, const struct msg **reply)
{
    struct msg m = {.type = MSG_TYPE_server_set};

    m.server_set.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.server_set.server = server;
    m.server_set.action = action;
    return rig_call(r, &m, reply);
}

static const struct msg_health_reply *health(struct rig *r)
{
    struct msg m = {.type = MSG_TYPE_health};
    const struct msg *reply;

    assert_int_equal(rig_call(r, &m, &reply), 0);
    return &reply->health_reply;
}

static bool advises(const struct msg_health_reply *h, const char *text)
{
    for (uint32_t i = 0; i < h->n_advice; i++)
        if (memmem(h->advice[i].text.p, h->advice[i].text.len, text, strlen(text)) != NULL)
            return true;
    return false;
}

static void health_goes_from_green_over_yellow_to_red_and_back(void **state)
{
    struct rig *r = rig_of(state);
    const struct msg_health_reply *h = health(r);

    assert_int_equal(h->status, HEALTH_YELLOW); /* nothing can be stored */
    assert_true(advises(h, "dfs-ss --data"));
    servers(r, 1);
    h = health(r);
    assert_int_equal(h->status, HEALTH_GREEN);
    assert_true(advises(h, "second"));
    servers(r, 2);
    pass_alive(r, 1, 2, NS_PER_SEC);
    store(r, "/f");
    h = health(r);
    assert_int_equal(h->status, HEALTH_GREEN);
    assert_int_equal(h->n_advice, 0);
    pass_alive(r, 1, 1, 4 * NS_PER_SEC);
    h = health(r);
    assert_int_equal(h->status, HEALTH_YELLOW);
    assert_int_equal(h->under_replicated, 1);
    assert_int_equal(h->endangered, 1);
    assert_int_equal(h->missing, 0);
    assert_true(advises(h, "storage server 2 (127.0.0.1:4622) is down"));
    assert_true(advises(h, "dfs server drain 2"));
    rig_pass(r, 4 * NS_PER_SEC);
    h = health(r);
    assert_int_equal(h->status, HEALTH_RED);
    assert_int_equal(h->missing, 1);
    assert_true(advises(h, "dfs fsck"));
    pass_alive(r, 1, 2, NS_PER_SEC);
    assert_int_equal(health(r)->status, HEALTH_GREEN);
}

static void a_server_that_is_nearly_full_or_lost_a_disk_is_told_of(void **state)
{
    struct rig *r = rig_of(state);
    struct wire_disk_info disks[2] = {{.failed = 0}, {.failed = 1}};
    struct msg m = {.type = MSG_TYPE_heartbeat};
    const struct msg_health_reply *h;

    servers(r, 2);
    m.heartbeat = (struct msg_heartbeat){.server = 1, .incarnation = 10, .capacity = 100 * GIB, .used = 95 * GIB};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    m.heartbeat =
        (struct msg_heartbeat){.server = 2, .incarnation = 20, .capacity = 100 * GIB, .disks = disks, .n_disks = 2};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    h = health(r);
    assert_int_equal(h->status, HEALTH_YELLOW);
    assert_true(advises(h, "95 % full") || advises(h, "94 % full"));
    assert_true(advises(h, "gave up 1 of its 2 data folders"));
    assert_false(advises(h, "trash"));
    store(r, "/f");
    m = (struct msg){.type = MSG_TYPE_remove};
    m.remove.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.remove.dir = ROOT_INO;
    m.remove.path = STR("/f");
    m.remove.flags = REMOVE_KEEP;
    assert_int_equal(rig_call(r, &m, NULL), 0);
    assert_true(advises(health(r), "and empty the trash")); /* to remove files alone makes no room */
}

static void an_empty_server_is_drained_at_once_and_a_full_one_when_it_is_empty(void **state)
{
    struct rig *r = rig_of(state);
    const struct msg *reply;
    struct wire_granted g;

    servers(r, 3);
    pass_alive(r, 1, 3, NS_PER_SEC);
    g = store(r, "/f");
    uint32_t holder = g.replicas[0].server, spare = 6 - g.replicas[0].server - g.replicas[1].server;

    assert_int_equal(server_set(r, spare, SERVER_DRAIN, &reply), 0);
    assert_int_equal(reply->server_set_reply.state, SERVER_DRAINED);
    assert_true(advises(health(r), "dfs server remove"));
    assert_int_equal(server_set(r, spare, SERVER_UNDRAIN, NULL), 0);
    assert_int_equal(server_set(r, holder, SERVER_DRAIN, &reply), 0);
    assert_int_equal(reply->server_set_reply.state, SERVER_DRAINING);
    assert_true(advises(health(r), "1 chunks to go"));
    for (uint32_t i = 0; i < 20; i++) { /* nothing new goes there */
        assert_int_equal(rig_grant(r, 1, &reply), 0);
        assert_int_not_equal(reply->grant_reply.chunks[0].replicas[0].server, holder);
        assert_int_not_equal(reply->grant_reply.chunks[0].replicas[1].server, holder);
    }
    struct msg m = {.type = MSG_TYPE_unlink};
    m.unlink.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.unlink.dir = ROOT_INO;
    m.unlink.path = STR("/f");
    assert_int_equal(rig_call(r, &m, NULL), 0);
    pass_alive(r, 1, 3, NS_PER_SEC);
    assert_int_equal(meta_server_by_id(nm_meta(r->nm), holder)->state, SERVER_DRAINED);
    assert_int_equal(server_set(r, holder, SERVER_REMOVE, NULL), 0);
    assert_int_equal(rig_heartbeat(r, holder, holder * 10, NULL), DFS_ESTALE); /* and to register is refused */
}

static void register_in(struct rig *r, uint64_t uuid, const char *domain)
{
    char addr[32];
    struct msg m = {.type = MSG_TYPE_ss_register};

    snprintf(addr, sizeof addr, "127.0.0.1:47%02u", (unsigned)uuid);
    m.ss_register = (struct msg_ss_register){.uuid_hi = 1,
                                             .uuid_lo = uuid,
                                             .incarnation = uuid * 10,
                                             .addr = str_of(addr),
                                             .domain = str_of(domain),
                                             .capacity = 100 * GIB};
    assert_int_equal(rig_call(r, &m, NULL), 0);
}

static void copies_go_to_different_racks_then_to_different_hosts(void **state)
{
    static const char *const domains[] = {"r1/a", "r1/a", "r1/b", "r1/c", "r2/a", "r2/a"};
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_grant};
    const struct msg *reply;

    for (uint32_t i = 0; i < ARRAY_LEN(domains); i++)
        register_in(r, i + 1, domains[i]);
    m.grant = (struct msg_grant){.session = r->session, .count = 64, .goal = 3};
    for (uint32_t round = 0; round < 5; round++) {
        assert_int_equal(rig_call(r, &m, &reply), 0);
        for (uint32_t i = 0; i < reply->grant_reply.n_chunks; i++) {
            const struct wire_granted *g = &reply->grant_reply.chunks[i];
            uint32_t racks[2] = {0};

            assert_int_equal(g->n_replicas, 3);
            for (uint32_t k = 0; k < 3; k++) {
                racks[domains[g->replicas[k].server - 1][1] - '1']++;
                for (uint32_t l = 0; l < k; l++)
                    if (strcmp(domains[g->replicas[k].server - 1], domains[g->replicas[l].server - 1]) == 0)
                        fail_msg("two copies on %s", domains[g->replicas[k].server - 1]);
            }
            assert_true(racks[0] == 2 && racks[1] == 1); /* r2 has one host only */
        }
    }
}

static void readers_are_told_whom_not_to_ask(void **state)
{
    struct rig *r = rig_of(state);
    struct msg m = {.type = MSG_TYPE_locate}, beat = {.type = MSG_TYPE_heartbeat};
    const struct msg *reply;

    servers(r, 2);
    store(r, "/f");
    m.locate = (struct msg_locate){.dir = ROOT_INO, .path = STR("/f")};
    beat.heartbeat = (struct msg_heartbeat){.server = 1, .incarnation = 10, .capacity = 100 * GIB, .load = 100};
    assert_int_equal(rig_call(r, &beat, NULL), 0);
    assert_int_equal(rig_heartbeat(r, 2, 20, NULL), 0);
    assert_int_equal(rig_call(r, &m, &reply), 0);
    for (uint32_t i = 0; i < 2; i++) {
        const struct wire_replica *p = &reply->locate_reply.chunks[0].replicas[i];

        assert_int_equal(p->rank, p->server == 1 ? REPLICA_BUSY : REPLICA_FINE);
    }
    pass_alive(r, 2, 2, 2 * NS_PER_SEC); /* not down yet */
    assert_int_equal(rig_call(r, &m, &reply), 0);
    for (uint32_t i = 0; i < 2; i++) {
        const struct wire_replica *p = &reply->locate_reply.chunks[0].replicas[i];

        assert_int_equal(p->rank, p->server == 1 ? REPLICA_SILENT : REPLICA_FINE);
    }
}

int main(void)
{
#define HEALTH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        HEALTH_TEST(health_goes_from_green_over_yellow_to_red_and_back),
        HEALTH_TEST(a_server_that_is_nearly_full_or_lost_a_disk_is_told_of),
        HEALTH_TEST(an_empty_server_is_drained_at_once_and_a_full_one_when_it_is_empty),
        HEALTH_TEST(copies_go_to_different_racks_then_to_different_hosts),
        HEALTH_TEST(readers_are_told_whom_not_to_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
