/* SPDX-License-Identifier: MIT */
/* The NameServer on a disk that is full: it reads, refuses, deletes, and says so. */
#include "nm_rig.h"

static void test_a_full_disk_refuses_writes_and_lets_deletes_through(void **state)
{
    struct rig *r = malloc(sizeof *r);
    struct msg m;
    char path[32];
    int err = 0;

    (void)state;
    rig_init(r, 9, 8 * SEGMENT);
    rig_start(r, true);
    rig_session(r);
    m = rig_mkdir(r, "/victim");
    assert_int_equal(rig_call(r, &m, NULL), 0);
    for (uint32_t i = 0; i < 20000 && err == 0; i++) {
        snprintf(path, sizeof path, "/d%06u", i);
        m = rig_mkdir(r, path);
        m.mkdir.id.seen = m.mkdir.id.number;
        rig_forget_answers(r);
        err = rig_call(r, &m, NULL);
        if (i % 50 == 0)
            rig_pass(r, NS_PER_SEC);
    }
    assert_int_equal(err, DFS_ENOSPC);
    assert_string_equal(r->fatal, "");
    r->number--; /* refused: the number was not used */
    m = (struct msg){.type = MSG_TYPE_rmdir};
    m.rmdir.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = r->number};
    m.rmdir.dir = ROOT_INO;
    m.rmdir.path = STR("/victim");
    assert_int_equal(rig_call(r, &m, NULL), 0);
    assert_int_equal(rig_lookup(r, "/victim"), DFS_ENOENT); /* reads go on */
    assert_int_equal(rig_lookup(r, "/d000000"), 0);
    rig_stop(r);
    memdisk_crash(r->disk, CRASH_DROP_ALL);
    rig_start(r, false);
    assert_int_equal(rig_lookup(r, "/d000000"), 0);
    rig_free(r);
    free(r);
}

static void test_a_disk_that_is_nearly_full_at_the_start_is_told_of(void **state)
{
    struct rig *r = malloc(sizeof *r);
    const struct msg *reply;
    struct msg m;

    (void)state;
    rig_init(r, 9, 3 * SEGMENT);
    rig_start(r, true);
    assert_non_null(strstr(r->logged, "nm.disk_nearly_full"));
    m = (struct msg){.type = MSG_TYPE_ss_register};
    m.ss_register = (struct msg_ss_register){.uuid_lo = 1, .incarnation = 1, .addr = STR("a:1"), .capacity = GIB};
    assert_int_equal(rig_call(r, &m, &reply), DFS_ENOSPC);
    assert_int_equal(rig_lookup(r, ""), 0);
    r->logged[0] = '\0';
    rig_pass(r, 10 * NS_PER_SEC);
    assert_null(strstr(r->logged, "nm.disk_nearly_full")); /* once */
    rig_free(r);
    free(r);
}

/* A7: what was done before the disk was full is answered as it was then, though nothing can be logged any more. */
static void test_a_retry_on_a_full_disk_gets_its_first_answer(void **state)
{
    struct rig *r = malloc(sizeof *r);
    struct msg first, m;

    (void)state;
    rig_init(r, 9, 64 * MIB);
    rig_start(r, true);
    rig_session(r);
    first = rig_mkdir(r, "/first");
    assert_int_equal(rig_call(r, &first, NULL), 0);
    memdisk_resize(r->disk, memdisk_used(r->disk));
    rig_pass(r, 3 * NS_PER_SEC);
    m = rig_mkdir(r, "/second");
    assert_int_equal(rig_call(r, &m, NULL), DFS_ENOSPC);
    assert_int_equal(rig_call(r, &first, NULL), 0);
    memdisk_resize(r->disk, 64 * MIB); /* and it recovers by itself */
    rig_pass(r, 3 * NS_PER_SEC);
    assert_int_equal(rig_call(r, &m, NULL), 0);
    assert_non_null(strstr(r->logged, "nm.disk_has_space"));
    rig_free(r);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_disk_refuses_writes_and_lets_deletes_through),
        cmocka_unit_test(test_a_retry_on_a_full_disk_gets_its_first_answer),
        cmocka_unit_test(test_a_disk_that_is_nearly_full_at_the_start_is_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
