/* SPDX-License-Identifier: MIT */
/* A NameServer that lost everything: what StorageServers tell of their chunks is put together again, and what lacks
 * something is not taken for whole. */
#include "nm_rig.h"

#include "group/backup.h"

#define WALL (1800000000LL * (int64_t)NS_PER_SEC) /* 2027 */
#define CHUNK META_CHUNK_SIZE

static int setup(void **state)
{
    struct rig *r = malloc(sizeof *r);

    rig_init(r, 8, 64 * MIB);
    r->now.wall = WALL;
    r->cfg.rebuild = true;
    *state = r;
    rig_start(r, true);
    rig_pass(r, NS_PER_SEC);
    assert_true(nm_serving(r->nm));
    assert_int_equal(rig_register(r, 1, "127.0.0.1:4621"), 1);
    assert_int_equal(rig_register(r, 2, "127.0.0.1:4622"), 2);
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    free(*state);
    return 0;
}

static const struct msg_recover_reply *recover(struct rig *r, uint8_t what)
{
    struct msg m = {.type = MSG_TYPE_recover};
    const struct msg *reply;

    m.recover.what = what;
    assert_int_equal(rig_call(r, &m, &reply), 0);
    return &reply->recover_reply;
}

static int tell(struct rig *r, uint32_t server, uint64_t run, const struct wire_found *v, uint32_t n, bool eof)
{
    struct msg m = {.type = MSG_TYPE_inventory};

    m.inventory = (struct msg_inventory){.server = server,
                                         .incarnation = server * 10,
                                         .run = run,
                                         .chunks = (struct wire_found *)(uintptr_t)v,
                                         .n_chunks = n,
                                         .eof = eof};
    return rig_call(r, &m, NULL);
}

static uint64_t wanted(struct rig *r, uint32_t server)
{
    const struct msg *reply;

    assert_int_equal(rig_heartbeat(r, server, server * 10, &reply), 0);
    assert_true(reply->heartbeat_reply.inventory == 0 || reply->heartbeat_reply.inventory_below > 1ULL << 40);
    return reply->heartbeat_reply.inventory;
}

/* Both servers tell what they hold; the outcome. */
static struct msg_recover_reply run(struct rig *r, uint8_t what, const struct wire_found *a, uint32_t n_a,
                                    const struct wire_found *b, uint32_t n_b)
{
    uint64_t id = recover(r, what)->run;

    assert_int_equal(wanted(r, 1), id);
    assert_int_equal(wanted(r, 2), id);
    assert_int_equal(tell(r, 1, id, a, n_a, true), 0);
    assert_int_equal(wanted(r, 1), 0);
    assert_int_equal(recover(r, RECOVER_LOOK)->state, RECOVER_GATHERING);
    assert_int_equal(tell(r, 2, id, b, n_b, true), 0);
    rig_pass(r, 50 * NS_PER_MS);
    assert_int_equal(recover(r, RECOVER_LOOK)->state, RECOVER_DONE);
    return *recover(r, RECOVER_LOOK);
}

static struct wire_found held(uint64_t chunk, uint64_t file, uint32_t index, uint32_t length, uint64_t size)
{
    return (struct wire_found){.chunk = chunk,
                               .version = 1,
                               .length = length,
                               .crc = (uint32_t)chunk * 77,
                               .whole = 1,
                               .file = file,
                               .index = index,
                               .size = size};
}

static const struct wire_attr *attr_of(struct rig *r, const char *path)
{
    struct msg m = {.type = MSG_TYPE_lookup};
    const struct msg *reply;

    m.lookup.dir = ROOT_INO;
    m.lookup.path = str_of(path);
    return rig_call(r, &m, &reply) == 0 ? &reply->lookup_reply.attr : NULL;
}

static const struct msg_locate_reply *locate(struct rig *r, const char *path)
{
    struct msg m = {.type = MSG_TYPE_locate};
    const struct msg *reply;

    m.locate = (struct msg_locate){.dir = ROOT_INO, .path = str_of(path), .limit = 100};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    return &reply->locate_reply;
}

static void test_whole_files_come_back(void **state)
{
    struct rig *r = *state;
    const struct wire_found a[] = {held(1, 0xaaaa, 0, 500, 500), held(2, 0xbbbb, 0, CHUNK, 0)};
    const struct wire_found b[] = {held(1, 0xaaaa, 0, 500, 500), held(3, 0xbbbb, 1, 10, CHUNK + 10ULL)};
    struct msg_recover_reply done = run(r, RECOVER_WHOLE, a, 2, b, 2);
    const struct msg_locate_reply *l;
    const struct wire_attr *at;
    char why[128];

    assert_int_equal(done.whole, 2);
    assert_int_equal(done.incomplete + done.left, 0);
    assert_int_equal(done.servers, 2);
    assert_int_equal(done.reported, 2);
    at = attr_of(r, "/recovered/000000000000aaaa");
    assert_int_equal(at->size, 500);
    assert_int_equal(at->mode, 0600);
    assert_int_equal(at->uid, 0);
    assert_int_equal(attr_of(r, "/recovered")->mode, 0700);
    l = locate(r, "/recovered/000000000000aaaa");
    assert_int_equal(l->n_chunks, 1);
    assert_int_equal(l->chunks[0].crc, 77);
    assert_int_equal(l->chunks[0].n_replicas, 2);
    l = locate(r, "/recovered/000000000000bbbb");
    assert_int_equal(l->attr.size, CHUNK + 10ULL);
    assert_int_equal(l->n_chunks, 2);
    assert_int_equal(l->chunks[1].chunk, 3);
    assert_int_equal(l->chunks[1].n_replicas, 1);
    assert_int_equal(meta_verify(nm_meta(r->nm), why, sizeof why), 0);

    /* it is in the log: a restart knows it, and nothing is left to be recovered */
    rig_stop(r);
    r->cfg.rebuild = false;
    rig_start(r, false);
    rig_pass(r, NS_PER_SEC);
    assert_non_null(attr_of(r, "/recovered/000000000000bbbb"));
    done = run(r, RECOVER_ALL, a, 2, b, 2);
    assert_int_equal(done.copies + done.whole + done.incomplete, 0);
}

static void test_what_lacks_something_is_told_apart(void **state)
{
    struct rig *r = *state;
    struct wire_found damaged = held(7, 0x7, 0, 100, 100);
    const struct wire_found a[] = {
        held(1, 0x1, 1, 10, CHUNK + 10ULL), /* without its first chunk */
        held(2, 0x2, 0, CHUNK, 0),          /* full, and nobody says that nothing follows */
        held(3, 0x3, 0, 50, 60),            /* too short */
        held(4, 0, 0, 70, 70),              /* of no file */
        held(5, 0, 0, 70, 70),
    };
    struct msg_recover_reply done;

    damaged.whole = 0;
    done = run(r, RECOVER_WHOLE, a, 5, &damaged, 1);
    assert_int_equal(done.whole, 0);
    assert_int_equal(done.incomplete, 6);
    assert_int_equal(done.left, 6);
    assert_null(attr_of(r, "/recovered"));
    done = run(r, RECOVER_ALL, a, 5, &damaged, 1);
    assert_int_equal(done.whole, 0);
    assert_int_equal(done.left, 1); /* the damaged one */
    assert_int_equal(attr_of(r, "/recovered/incomplete/0000000000000001")->size, CHUNK + 10ULL);
    assert_int_equal(attr_of(r, "/recovered/incomplete/0000000000000002")->size, CHUNK);
    assert_int_equal(attr_of(r, "/recovered/incomplete/0000000000000003")->size, 60);
    assert_int_equal(attr_of(r, "/recovered/incomplete/0000000000000004")->size, 70);
    assert_int_equal(attr_of(r, "/recovered/incomplete/0000000000000005")->size, 70);
    assert_null(attr_of(r, "/recovered/incomplete/0000000000000007"));
    /* the missing piece turns up: what it belongs to was made already, so it stands beside it */
    const struct wire_found late = held(9, 0x1, 0, CHUNK, 0);
    run(r, RECOVER_ALL, &late, 1, NULL, 0);
    assert_non_null(attr_of(r, "/recovered/incomplete/0000000000000001-9"));
}

static void test_the_better_of_two_claims_is_taken(void **state)
{
    struct rig *r = *state;
    struct wire_found torn = held(1, 0x1, 0, 300, 1000), stale = held(3, 0x3, 0, 10, 10), odd = held(4, 0x4, 0, 10, 10);
    const struct wire_found a[] = {held(2, 0x1, 0, 1000, 1000), held(3, 0x3, 0, 20, 20), held(4, 0x4, 0, 10, 10)};
    struct wire_found b[4];
    struct msg_recover_reply done;

    /* 1 was given up by its writer for 2; 3 is of an older version on the other server; of 4 the copies differ */
    ((struct wire_found *)(uintptr_t)a)[1].version = 2;
    odd.crc++;
    b[0] = torn;
    b[1] = stale;
    b[2] = odd;
    done = run(r, RECOVER_WHOLE, a, 3, b, 3);
    assert_int_equal(done.whole, 3);
    assert_int_equal(done.left, 1);
    assert_int_equal(locate(r, "/recovered/0000000000000001")->chunks[0].chunk, 2);
    assert_int_equal(locate(r, "/recovered/0000000000000003")->chunks[0].version, 2);
    assert_int_equal(locate(r, "/recovered/0000000000000003")->chunks[0].n_replicas, 1);
    assert_int_equal(locate(r, "/recovered/0000000000000004")->chunks[0].n_replicas, 1);
}

static void test_pages_and_servers_that_come_and_go(void **state)
{
    struct rig *r = *state;
    const struct wire_found one = held(1, 0x1, 0, 5, 5), two = held(2, 0x2, 0, 5, 5);
    const struct msg_recover_reply *look;
    uint64_t id = recover(r, RECOVER_WHOLE)->run;

    assert_int_equal(tell(r, 1, id + 1, &one, 1, true), DFS_ENOENT); /* another run's */
    assert_int_equal(tell(r, 1, id, &one, 1, false), 0);
    assert_int_equal(tell(r, 1, id, &one, 1, false), 0); /* the answer was lost: the page again */
    assert_int_equal(tell(r, 1, id, &two, 1, true), 0);
    assert_int_equal(tell(r, 1, id, &two, 1, true), DFS_ENOENT);
    assert_int_equal(recover(r, RECOVER_WHOLE)->run, id); /* one is under way */
    for (int i = 0; i < 20; i++) {                        /* server 2 goes: nobody waits for it */
        rig_forget_answers(r);
        assert_int_equal(rig_heartbeat(r, 1, 10, NULL), 0);
        rig_pass(r, 200 * NS_PER_MS);
    }
    look = recover(r, RECOVER_LOOK);
    assert_int_equal(look->state, RECOVER_DONE);
    assert_int_equal(look->reported, 1);
    assert_int_equal(look->whole, 2);
    assert_int_equal(locate(r, "/recovered/0000000000000001")->chunks[0].n_replicas, 1); /* counted once */
}

static void test_nothing_is_recovered_without_a_quarantine_or_over_a_file(void **state)
{
    struct rig *r = *state;
    const struct wire_found one = held(1, 0x1, 0, 5, 5);
    struct msg m = {.type = MSG_TYPE_create}, drop = {.type = MSG_TYPE_quarantine_drop},
               begin = {.type = MSG_TYPE_recover};
    struct msg_recover_reply done;

    rig_session(r);
    m.create = (struct msg_create){.dir = ROOT_INO, .path = STR("/recovered"), .mode = 0644};
    m.create.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    done = run(r, RECOVER_WHOLE, &one, 1, &one, 1);
    assert_int_equal(done.whole, 0);
    assert_int_equal(done.left, 1); /* still there, for when the name is free */
    assert_int_equal(rig_call(r, &drop, NULL), 0);
    begin.recover.what = RECOVER_WHOLE;
    assert_int_equal(rig_call(r, &begin, NULL), DFS_EINVAL);
}

static void test_many_files_go_through_the_log_in_pieces(void **state)
{
    struct rig *r = *state;
    uint64_t id = recover(r, RECOVER_WHOLE)->run;
    struct wire_found page[1000];
    uint64_t index = meta_index(nm_meta(r->nm));

    for (uint32_t p = 0; p < 5; p++) {
        for (uint32_t i = 0; i < 1000; i++)
            page[i] =
                held(1 + p * 1000 + i, 1 + (p * 1000 + i) / 2, i % 2, i % 2 ? 9 : CHUNK, i % 2 ? CHUNK + 9ULL : 0);
        assert_int_equal(tell(r, 1, id, page, 1000, p == 4), 0);
    }
    assert_int_equal(tell(r, 2, id, page, 1000, true), 0);
    rig_pass(r, NS_PER_SEC);
    assert_int_equal(recover(r, RECOVER_LOOK)->state, RECOVER_DONE);
    assert_int_equal(recover(r, RECOVER_LOOK)->whole, 2500);
    assert_true(meta_index(nm_meta(r->nm)) - index >= 2);
    assert_int_equal(attr_of(r, "/recovered")->size, 2500);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_whole_files_come_back),
        TEST(test_what_lacks_something_is_told_apart),
        TEST(test_the_better_of_two_claims_is_taken),
        TEST(test_pages_and_servers_that_come_and_go),
        TEST(test_nothing_is_recovered_without_a_quarantine_or_over_a_file),
        TEST(test_many_files_go_through_the_log_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
