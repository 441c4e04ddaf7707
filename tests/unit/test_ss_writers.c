/* SPDX-License-Identifier: MIT */
/* Who wrote what, over versions, copies, starts and cleaning: a request that is repeated takes effect once, or its outcome is
 * unknown (CONSISTENCY B14). */
#include "ss_open.h"

static int retry(uint32_t number, uint32_t first)
{
    rig->first = first;
    uint32_t id = rig_send_write(rig, 2, 1, CHUNK, 0, data, SIZE, 11, number);
    rig_run(rig);
    assert_true(rig->answers[id].done);
    return rig->answers[id].status;
}

/* B14: what was written, and written over by somebody else, is not written again because a copy does not know the first writer. */
static void a_copy_writes_nothing_again_that_it_may_hold(void **state)
{
    (void)state;
    for (int restarted = 0; restarted < 2; restarted++) {
        if (restarted) {
            teardown(NULL);
            setup(NULL);
        }
        rig_send_write(rig, 0, 2, CHUNK, 0, data, SIZE, 11, 1);
        rig_send_write(rig, 0, 2, CHUNK, 0, other, SIZE, 12, 1);
        rig_run(rig);
        assert_int_equal(fence(0).sequence, 2);
        assert_int_equal(stamp(0, 2, SIZE, false), 0);
        rig->version = 2;
        rig_task(rig, 2, TASK_COPY, CHUNK, other, SIZE, "0");
        rig_run(rig);
        rig_pass(rig, 100 * NS_PER_MS);
        if (restarted) { /* it loses what it was told of writers */
            rig_crash(rig, 2, CRASH_DROP_ALL);
            rig_start(rig);
        }
        assert_int_equal(stamp(2, UINT64_MAX, SIZE, true), 0);
        rig->version = 3;
        assert_int_equal(retry(1, 1), restarted ? DFS_ENODATA : 0);
        assert_int_equal(read_all(2), 0);
        assert_memory_equal(back, other, SIZE);
        assert_int_equal(retry(2, 2), restarted ? DFS_ENODATA : 0); /* its source would have known */
        assert_int_equal(read_all(2), 0);
        assert_memory_equal(back, restarted ? other : data, SIZE);
        assert_int_equal(retry(3, 3), 0); /* in this version it would be known */
        assert_int_equal(retry(4, 0), 0);
    }
}

/* … but what came to it later, in another version, is known after a start. */
static void a_copy_knows_what_came_later(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    assert_int_equal(stamp(0, 1, SIZE, false), 0);
    rig->version = 2;
    rig_task(rig, 2, TASK_COPY, CHUNK, data, SIZE, "0");
    rig_run(rig);
    rig_pass(rig, 100 * NS_PER_MS);
    assert_int_equal(stamp(2, UINT64_MAX, SIZE, true), 0);
    rig->version = 3;
    rig_send_write(rig, 2, 1, CHUNK, 0, other, SIZE / 2, 12, 1);
    rig_run(rig);
    rig_crash(rig, 2, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(stamp(2, UINT64_MAX, SIZE, true), 0);
    rig->version = 4;
    assert_int_equal(retry(1, 2), DFS_ENODATA);
    assert_int_equal(retry(2, 3), 0);
}

/* B14: nor because its record was cleaned away, all of it or the part that was written over, before a restart. */
static void what_was_cleaned_away_is_not_written_again(void **state)
{
    enum { LENGTH = 20000 }; /* such records are moved */
    (void)state;
    for (uint32_t kept = 0; kept <= LENGTH / 2; kept += LENGTH / 2) {
        if (kept) {
            teardown(NULL);
            setup(NULL);
        }
        rig->first = 0;
        rig_send_write(rig, 2, 1, CHUNK, 0, data, LENGTH, 11, 1);
        rig_send_write(rig, 2, 1, CHUNK, LENGTH, data, LENGTH, 12, 1);
        rig_send_write(rig, 2, 1, CHUNK, kept, other, LENGTH - kept, 12, 2);
        rig_run(rig);
        rig->mapped = false;
        for (uint32_t i = 0; i < 500; i++)
            assert_int_equal(rig_write(rig, 2, 1, CHUNK + 1, 0, data, LENGTH), 0);
        rig->mapped = true;
        rig_pass(rig, 20 * NS_PER_SEC);
        assert_true(rig->unlinks > 0);
        rig_crash(rig, 2, CRASH_DROP_ALL);
        rig_start(rig);
        assert_int_equal(stamp(2, UINT64_MAX, 2 * LENGTH, true), 0);
        rig->version = 2;
        rig->first = 1;
        assert_int_equal(rig_read(rig, 2, CHUNK, 0, LENGTH, back, NULL), 0);
        assert_memory_equal(back, data, kept);
        assert_memory_equal(back + kept, other, LENGTH - kept);
        uint32_t again = rig_send_write(rig, 2, 1, CHUNK, 0, data, LENGTH, 11, 1);
        rig_run(rig);
        assert_int_equal(rig->answers[again].status, DFS_ENODATA);
        /* what is sent again, and never came, is no matter where nobody else has written since */
        uint32_t others = rig_send_write(rig, 2, 1, CHUNK, LENGTH, other, 10, 13, 1);
        uint32_t own = rig_send_write(rig, 2, 1, CHUNK, LENGTH, other, 10, 12, 3);
        rig_run(rig);
        assert_int_equal(rig->answers[others].status, DFS_ENODATA);
        assert_int_equal(rig->answers[own].status, 0);
        assert_int_equal(retry(2, 2), 0); /* in this version it would be known */
    }
}

/* What a retry that was sent first in version 1, behind that write, is told at server 2. */
static int other_retry(uint64_t session, uint32_t after, uint32_t offset, uint32_t length)
{
    rig->first = 1;
    rig->after = after;
    uint32_t id = rig_send_write(rig, 2, 1, CHUNK, offset, data, length, session, 1);
    rig_run(rig);
    assert_true(rig->answers[id].done);
    return rig->answers[id].status;
}

static void restart_and_begin(uint32_t length)
{
    rig_crash(rig, 2, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(stamp(2, UINT64_MAX, length, true), 0);
    rig->version++;
}

/* B14: nor because its record was one of its version's last, all of them cleaned away: what begins the next one says how many there
 * were. */
static void the_last_of_a_version_are_missed(void **state)
{
    enum { LENGTH = 20000 };
    (void)state;
    rig_send_write(rig, 2, 1, CHUNK, LENGTH, data, LENGTH, 12, 1);
    rig_send_write(rig, 2, 1, CHUNK, 0, data, LENGTH, 11, 1);
    rig_run(rig);
    assert_int_equal(fence(2).sequence, 2);
    assert_int_equal(stamp(2, 2, 2 * LENGTH, true), 0);
    rig->version = 2;
    rig_send_write(rig, 2, 1, CHUNK, 0, other, LENGTH, 12, 2);
    rig_run(rig);
    rig->mapped = false;
    rig->version = 1;
    for (uint32_t i = 0; i < 500; i++)
        assert_int_equal(rig_write(rig, 2, 1, CHUNK + 1, 0, data, LENGTH), 0);
    rig->mapped = true;
    rig->version = 2;
    rig_pass(rig, 20 * NS_PER_SEC);
    assert_true(rig->unlinks > 0);
    restart_and_begin(2 * LENGTH);
    assert_int_equal(other_retry(11, 0, 0, LENGTH), DFS_ENODATA);
    assert_int_equal(rig_read(rig, 2, CHUNK, 0, LENGTH, back, NULL), 0);
    assert_memory_equal(back, other, LENGTH);
    assert_int_equal(other_retry(13, 2, 0, LENGTH), 0); /* one of those behind it would be known */
}

/* What its writer knew to be done when it sent a request is not what came over it. */
static void what_a_write_came_behind_does_not_hide_it(void **state)
{
    (void)state;
    rig_send_write(rig, 2, 1, CHUNK, 0, data, 1000, 12, 1);
    rig_run(rig);
    assert_int_equal(rig_write(rig, 2, 1, CHUNK, 1000, data, 1000), 0); /* says not whose it is: known in part, up to here */
    restart_and_begin(2000);
    assert_int_equal(other_retry(11, 0, 0, 1000), DFS_ENODATA);
    assert_int_equal(other_retry(11, 1, 0, 1000), 0);
}

/* 1026 writers, of which 1024 are remembered; server 2 has a copy, or has it all along. */
static void fill_memory(uint32_t head)
{
    for (uint32_t i = 0; i < 1025; i++) {
        rig_send_write(rig, head, 1, CHUNK, 0, data, 10, 100 + i, 1);
        rig_run(rig);
        assert_int_equal(rig->answers[rig->n_answers - 1].status, 0);
    }
    rig_send_write(rig, head, 1, CHUNK, 0, other, SIZE, 99, 1);
    rig_run(rig);
}

static void more_writers_than_are_remembered(void **state)
{
    (void)state;
    fill_memory(2);
    for (int restarted = 0; restarted < 2; restarted++) {
        if (restarted)
            restart_and_begin(SIZE);
        assert_int_equal(other_retry(100 + 1024, 0, 0, 10), 0);
        assert_int_equal(other_retry(102, 0, 0, 10), 0);
        assert_int_equal(other_retry(101, 0, 0, 10), DFS_ENODATA);
        assert_int_equal(other_retry(100, 0, 0, 10), DFS_ENODATA);
        assert_int_equal(other_retry(50, 1, 0, 10), DFS_ENODATA);
        assert_int_equal(read_all(2), 0);
        assert_memory_equal(back, other, SIZE);
    }
    assert_int_equal(other_retry(50, 2, 0, 10), 0); /* behind those that are forgotten */
}

static void a_copy_is_told_what_its_source_forgot(void **state)
{
    (void)state;
    fill_memory(0);
    assert_int_equal(fence(0).sequence, 1026);
    assert_int_equal(stamp(0, 1026, SIZE, false), 0);
    rig->version = 2;
    rig_task(rig, 2, TASK_COPY, CHUNK, other, SIZE, "0");
    rig_run(rig);
    rig_pass(rig, 100 * NS_PER_MS);
    assert_int_equal(stamp(2, UINT64_MAX, SIZE, true), 0);
    rig->version = 3;
    assert_int_equal(other_retry(102, 0, 0, 10), 0);
    assert_int_equal(other_retry(101, 0, 0, 10), DFS_ENODATA);
    assert_int_equal(other_retry(50, 1, 0, 10), DFS_ENODATA);
    assert_int_equal(read_all(2), 0);
    assert_memory_equal(back, other, SIZE);
    assert_int_equal(other_retry(50, 2, 0, 10), 0);
    assert_int_equal(other_retry(101, 0, 0, 10), DFS_ENODATA); /* what goes now is the oldest: 102 */
    assert_int_equal(other_retry(102, 0, 0, 10), DFS_ENODATA);
    assert_int_equal(other_retry(103, 0, 0, 10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_copy_writes_nothing_again_that_it_may_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_knows_what_came_later, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_cleaned_away_is_not_written_again, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_of_a_version_are_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_write_came_behind_does_not_hide_it, setup, teardown),
        cmocka_unit_test_setup_teardown(more_writers_than_are_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_is_told_what_its_source_forgot, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
