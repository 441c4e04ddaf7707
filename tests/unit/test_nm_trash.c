/* SPDX-License-Identifier: MIT */
/* The leader empties the trash by time, and reclaims what was removed. */
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

static struct wire_request_id next_id(struct rig *r)
{
    return (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
}

/* Keeps the trash for a minute, and puts a folder with 3000 files in it. */
static uint64_t fill_trash(struct rig *r)
{
    const struct msg *reply;
    struct msg m = {.type = MSG_TYPE_trash_keep};
    char path[32];

    m.trash_keep = (struct msg_trash_keep){.id = next_id(r), .keep_ms = 60000};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    m = rig_mkdir(r, "/d");
    assert_int_equal(rig_call(r, &m, NULL), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof path, "/d/%d", i);
        m = (struct msg){.type = MSG_TYPE_create};
        m.create = (struct msg_create){.id = next_id(r), .dir = ROOT_INO, .path = str_of(path), .mode = 0644};
        m.create.id.seen = r->number;
        assert_int_equal(rig_call(r, &m, NULL), 0);
    }
    m = (struct msg){.type = MSG_TYPE_remove};
    m.remove = (struct msg_remove){.id = next_id(r), .dir = ROOT_INO, .path = STR("/d"),
                                   .flags = REMOVE_TREE | REMOVE_KEEP};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->remove_reply.totals.files, 3000);
    return reply->remove_reply.trash;
}

static uint64_t left_to_reclaim(struct rig *r)
{
    const struct msg *reply;
    struct msg m = {.type = MSG_TYPE_statfs};

    assert_int_equal(rig_call(r, &m, &reply), 0);
    return reply->statfs_reply.trash.files + reply->statfs_reply.reclaiming.files;
}

static void test_the_trash_is_given_up_in_time_and_reclaimed_in_pieces(void **state)
{
    struct rig *r = rig_of(state);
    uint64_t log;

    fill_trash(r);
    rig_pass(r, 55 * NS_PER_SEC);
    assert_int_equal(left_to_reclaim(r), 3000);
    log = meta_index(nm_meta(r->nm));
    rig_pass(r, 10 * NS_PER_SEC);
    assert_int_equal(left_to_reclaim(r), 0);
    assert_true(meta_index(nm_meta(r->nm)) - log >= 3); /* a piece each */
    log = meta_index(nm_meta(r->nm));
    rig_pass(r, 10 * NS_PER_SEC);
    assert_int_equal(meta_index(nm_meta(r->nm)), log); /* nothing is proposed when there is nothing to do */
}

static void test_a_clock_set_forward_gives_up_no_trash_early(void **state)
{
    struct rig *r = rig_of(state);

    fill_trash(r);
    r->now.wall += 3600 * (int64_t)NS_PER_SEC;
    rig_pass(r, 55 * NS_PER_SEC);
    assert_int_equal(left_to_reclaim(r), 3000);
    rig_pass(r, 10 * NS_PER_SEC);
    assert_int_equal(left_to_reclaim(r), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_trash_is_given_up_in_time_and_reclaimed_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_clock_set_forward_gives_up_no_trash_early, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
