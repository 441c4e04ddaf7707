/* SPDX-License-Identifier: MIT */
/* What was deleted stays so, whichever segments go first (CONSISTENCY D23): a tombstone lives until no older segment holds the
 * chunk any more, also when all that stands beside it is dead, or is moved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/ss_rig.h"

/* Ten chunks to a segment, in which their tombstones lie as well. */
enum { SIZE = 12000, PER_SEGMENT = 10, MANY = 20 * PER_SEGMENT };

static struct rig *rig;
static uint8_t data[SIZE], back[SIZE];

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

static void fill(uint64_t first, uint32_t n)
{
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(rig_write(rig, 0, 1, first + i, 0, data, SIZE), 0);
}

/* With one heartbeat: nothing is moved meanwhile. */
static void remove_all(uint64_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        rig->remove[i] = first + i;
    rig->n_remove = n;
    rig_pass(rig, 300 * NS_PER_MS);
    rig->n_remove = 0;
}

static void restart(bool rebuild)
{
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig->rebuild = rebuild;
    rig_start(rig);
    rig_next_version(rig);
}

/* Chunk 1 lies in a segment of which the rest lives, its tombstone in one of which all the rest is deleted; so much lives that
 * nothing is moved for the sake of it. */
static void d23_a_tombstone_outlives_its_segment(void **state)
{
    (void)state;
    for (int rebuild = 0; rebuild < 2; rebuild++) {
        fill(1, MANY);
        fill(1000, 1); /* begins a segment */
        remove_all(1, 1);
        fill(1001, PER_SEGMENT); /* ends it */
        remove_all(1000, PER_SEGMENT);
        restart(rebuild);
        assert_int_equal(rig_read(rig, 0, 1, 0, 1, back, NULL), DFS_ENOCHUNK);
        assert_int_equal(rig_chunks(rig, 0), MANY);
        rig_pass(rig, 10 * NS_PER_SEC); /* whatever is moved */
        restart(rebuild);
        assert_int_equal(rig_chunks(rig, 0), MANY);
        remove_all(1000 + PER_SEGMENT, 1);
    }
}

/* A chunk that came back has a copy of its own: the tombstone of the one before is not for it. */
static void d23_a_tombstone_is_for_one_copy(void **state)
{
    (void)state;
    fill(1, MANY);
    remove_all(1, 1);
    assert_int_equal(rig_write(rig, 0, 1, 1, 0, data, SIZE), 0);
    for (int rebuild = 0; rebuild < 2; rebuild++) {
        restart(rebuild);
        assert_int_equal(rig_chunks(rig, 0), MANY);
        assert_int_equal(rig_read(rig, 0, 1, 0, SIZE, back, NULL), 0);
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
