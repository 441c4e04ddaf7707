/* SPDX-License-Identifier: MIT */
/* Servers that do not have, or cannot read, what was written to them: they are no witnesses of it (CONSISTENCY B10, B11). */
#include "nm_versions.h"

static void bad(struct fixture *f, uint32_t server, int err, uint32_t version)
{
    struct wire_task t = told(f, server);

    assert_int_equal(t.kind, TASK_FENCE);
    assert_int_equal(t.version, f->version);
    tell(f, server,
         (struct wire_task_result){.kind = TASK_FENCE,
                                   .error = (uint16_t)-err,
                                   .version = version,
                                   .length = version ? LENGTH : 0,
                                   .crc = CRC});
}

static void corrupt_is(struct fixture *f, uint32_t chunks)
{
    struct msg m = {.type = MSG_TYPE_health};
    const struct msg *reply;

    assert_int_equal(rig_call(&f->r, &m, &reply), 0);
    assert_int_equal(reply->health_reply.corrupt, chunks);
    m = (struct msg){.type = MSG_TYPE_fsck, .fsck = {.dir = ROOT_INO, .path = STR("f"), .after = STR("")}};
    assert_int_equal(rig_call(&f->r, &m, &reply), 0);
    assert_int_equal(reply->fsck_reply.n_entries == 0 ? 0 : reply->fsck_reply.entries[0].corrupt, chunks);
}

/* One disk does not read what it has, the other one was replaced: nobody may take the chunk for empty. It is asked again
 * until the first can. */
static void a_copy_that_is_gone_does_not_make_the_chunk_empty(void **state)
{
    static const int errors[] = {DFS_EIO, DFS_ECORRUPT};
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct fixture *f;
        start_closed(&f, 2);
        bad(f, f->chain[0], errors[i], 0);
        bad(f, f->chain[1], DFS_ENOCHUNK, 0);
        assert_true(chunk_info(f).open);
        corrupt_is(f, 1);
        assert_int_equal(give_up(f), 0); /* to go on with what? */
        for (int k = 0; k < 10; k++)
            moment(f);
        assert_true(chunk_info(f).open);
        fenced(f, f->chain[0], 7, 0);
        stamped(f, f->chain[0], 7, 2, 0);
        bad(f, f->chain[1], DFS_ENOCHUNK, 0); /* it was being asked again */
        cut_off(f, f->chain[1]);
        assert_false(chunk_info(f).open);
        assert_int_equal(chunk_info(f).length, LENGTH);
        assert_int_equal(copies(f), 1);
        corrupt_is(f, 0);
        stop(f);
    }
}

/* The version the map names was durable on all of them: one that has an older one comes from a backup of its disks. */
static void a_member_behind_the_map_never_wins(void **state)
{
    struct fixture *f;
    (void)state;
    start_closed(&f, 2);
    sealed_by_all(f);
    open_file(f, 2);
    uint32_t id = ask_open(f, 0);
    for (uint32_t i = 0; i < 2; i++)
        stamped(f, f->chain[i], UINT64_MAX, 3, TASK_OPEN);
    opened(f, id);
    close_file(f);
    moment(f);
    bad(f, f->chain[0], 0, 2);
    bad(f, f->chain[1], DFS_ECORRUPT, 0);
    for (int k = 0; k < 10; k++)
        moment(f);
    assert_true(chunk_info(f).open);
    corrupt_is(f, 1);
    fenced(f, f->chain[1], 4, 0);
    stamped(f, f->chain[1], 4, 4, 0);
    bad(f, f->chain[0], 0, 2); /* it was being asked again */
    cut_off(f, f->chain[0]);
    assert_false(chunk_info(f).open);
    assert_int_equal(copies(f), 1);
    stop(f);
}

/* As one that is gone: what its disk does not read may be the last that was acknowledged, since the other one was set back. */
static void a_disk_that_cannot_be_read_is_waited_for(void **state)
{
    struct fixture *f;
    (void)state;
    start_closed(&f, 2);
    bad(f, f->chain[0], DFS_EIO, 0);
    fenced(f, f->chain[1], 4, 0);
    assert_true(chunk_info(f).open);
    assert_int_equal(waiting(f), 1);
    assert_int_equal(fsck_waiting(f), 1);
    for (int k = 0; k < 10; k++)
        moment(f);
    fenced(f, f->chain[0], 5, 0);
    assert_int_equal(waiting(f), 0);
    stamped(f, f->chain[0], 5, 2, 0);
    cut_off(f, f->chain[1]);
    assert_false(chunk_info(f).open);
    assert_int_equal(copies(f), 1);
    stop(f);
}

/* … unless the other one never stopped, or an administrator knows better. */
static void a_disk_that_cannot_be_read_is_left_out(void **state)
{
    (void)state;
    for (int steady = 0; steady <= 1; steady++) {
        struct fixture *f;
        start_closed(&f, 2);
        bad(f, f->chain[0], DFS_EIO, 0);
        fenced(f, f->chain[1], 4, steady ? RESULT_STEADY : 0);
        if (!steady)
            assert_int_equal(give_up(f), 1);
        stamped(f, f->chain[1], 4, 2, 0);
        cut_off(f, f->chain[0]);
        assert_false(chunk_info(f).open);
        assert_int_equal(copies(f), 1);
        stop(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_that_is_gone_does_not_make_the_chunk_empty),
        cmocka_unit_test(a_member_behind_the_map_never_wins),
        cmocka_unit_test(a_disk_that_cannot_be_read_is_waited_for),
        cmocka_unit_test(a_disk_that_cannot_be_read_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
