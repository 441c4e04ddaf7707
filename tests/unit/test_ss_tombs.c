/* SPDX-License-Identifier: MIT */
/* What was deleted stays so, whichever segments go first (CONSISTENCY D23): a tombstone lives until no older segment holds the
 * chunk any more, also when all that stands beside it is dead, or is moved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/ss_rig.h"

enum { SIZE = 9000, MANY = 20 };

static struct rig *rig;
static uint8_t data[SIZE];

static int setup(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    rig_init(rig, 1, 1, 1, 64 * MIB);
    rig->segment_size = 128 * KIB;
    rig_fill(data, sizeof data, 42);
    rig_start(rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(rig);
    free(rig);
    return 0;
}

static void fill(uint64_t first)
{
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(rig_write(rig, 0, 1, first + i, 0, data, SIZE), 0);
}

static void remove_all(uint64_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        rig->remove[0] = first + i;
        rig->n_remove = 1;
        rig_pass(rig, 300 * NS_PER_MS);
        rig->n_remove = 0;
    }
}

static void restart(bool rebuild)
{
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig->rebuild = rebuild;
    rig_start(rig);
    rig_next_version(rig);
}

/* Chunk 1 lies in a segment that is full of live ones; its tombstone in one of which all the rest is deleted. */
static void d23_a_tombstone_outlives_its_segment(void **state)
{
    (void)state;
    for (int rebuild = 0; rebuild < 2; rebuild++) {
        fill(1);
        rig_pass(rig, NS_PER_SEC);
        remove_all(1, 1);
        fill(100);
        remove_all(100, MANY);
        uint32_t unlinked = rig->unlinks;
        rig_pass(rig, 10 * NS_PER_SEC);
        fill(200); /* what is collected now, the tombstones' segment is not, or they were moved */
        remove_all(200, MANY);
        rig_pass(rig, 10 * NS_PER_SEC);
        assert_true(rig->unlinks > unlinked);
        restart(rebuild);
        assert_int_equal(rig_chunks(rig, 0), MANY - 1);
        assert_int_equal(rig_read(rig, 0, 1, 0, 1, data, NULL), DFS_ENOCHUNK);
        rig_fill(data, sizeof data, 42);
        remove_all(2, MANY - 1);
        rig_pass(rig, 10 * NS_PER_SEC);
        restart(rebuild);
        assert_int_equal(rig_chunks(rig, 0), 0);
    }
}

/* A chunk that came back has a copy of its own: the tombstone of the one before is not for it. */
static void d23_a_tombstone_is_for_one_copy(void **state)
{
    (void)state;
    fill(1);
    remove_all(1, 1);
    assert_int_equal(rig_write(rig, 0, 1, 1, 0, data, SIZE), 0);
    for (int rebuild = 0; rebuild < 2; rebuild++) {
        restart(rebuild);
        assert_int_equal(rig_chunks(rig, 0), MANY);
        assert_int_equal(rig_read(rig, 0, 1, 0, SIZE, data, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(d23_a_tombstone_outlives_its_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(d23_a_tombstone_is_for_one_copy, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
