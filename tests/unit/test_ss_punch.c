/* SPDX-License-Identifier: MIT */
/* What is dead in segments of large records is punched, and when not yet (CONSISTENCY D22): while it is being read, while what
 * takes its place is not flushed, and before the segment is known to end where it does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/format.h"
#include "support/ss_rig.h"

enum { SIZE = 1024 * 1024, CHUNKS = 10 };

static struct rig *rig;
static uint8_t *data, *back;

/* Three to a segment of 4 MiB, and one more: what is written next ends no segment, so that only what is dead is punched. */
static int setup(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    data = calloc(2, SIZE);
    back = calloc(1, SIZE);
    rig_init(rig, 1, 1, 1, 256 * MIB);
    rig->segment_size = 4 * MIB;
    rig_fill(data, 2 * SIZE, 42);
    rig_start(rig);
    for (uint64_t i = 1; i <= CHUNKS; i++)
        assert_int_equal(rig_write(rig, 0, 1, i, 0, data, SIZE), 0);
    rig_pass(rig, NS_PER_SEC);
    rig->punches = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(rig);
    free(rig);
    free(data);
    free(back);
    return 0;
}

static void expect(uint64_t chunk, const uint8_t *bytes)
{
    assert_int_equal(rig_read(rig, 0, chunk, 0, SIZE, back, NULL), 0);
    assert_memory_equal(back, bytes, SIZE);
}

static void count_headers(void *arg, const char *name, uint64_t size)
{
    struct disk *d = rig->disks[0][0];
    for (uint64_t at = SEGMENT_HEADER; at < size && strncmp(name, "seg-", 4) == 0; at += SIZE + DFS_BLOCK) {
        char magic[4] = {0};
        size_t got;
        assert_int_equal(d->ops->read(d, name, at, magic, sizeof magic, &got), 0);
        *(unsigned *)arg += memcmp(magic, "DFSR", 4) == 0;
    }
}

static unsigned headers(void)
{
    unsigned n = 0;
    assert_int_equal(rig->disks[0][0]->ops->list(rig->disks[0][0], count_headers, &n), 0);
    return n;
}

static void d22_what_is_dead_is_punched_and_its_header_stays(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 1, 2, 0, data + SIZE, SIZE), 0);
    rig_pass(rig, 5 * NS_PER_SEC);
    assert_true(rig->punches > 0);
    assert_int_equal(headers(), CHUNKS + 1);
    for (int rebuild = 0; rebuild < 2; rebuild++) {
        rig_kill(rig, 0); /* a loss of power would undo the holes */
        rig->rebuild = rebuild;
        rig_start(rig);
        rig_next_version(rig);
        for (uint64_t i = 1; i <= CHUNKS; i++)
            expect(i, i == 2 ? data + SIZE : data);
    }
    assert_int_equal(rig->damaged, 0);
}

static void d22_what_is_being_read_is_not_punched(void **state)
{
    (void)state;
    uint32_t read = rig_send_read(rig, 0, 2, 0, SIZE, back);
    while (rig->n_mail)
        rig_step(rig);
    assert_true(memdisk_pending(rig->disks[0][0]) > 0);
    rig->stuck = memdisk_pending(rig->disks[0][0]); /* the disk takes its time for that */
    assert_int_equal(rig_write(rig, 0, 1, 2, 0, data + SIZE, SIZE), 0);
    rig_pass(rig, 5 * NS_PER_SEC);
    assert_false(rig->answers[read].done);
    assert_int_equal(rig->punches, 0);
    rig->stuck = 0;
    rig_run(rig);
    assert_int_equal(rig->answers[read].status, 0);
    assert_memory_equal(back, data, SIZE);
    rig_pass(rig, 5 * NS_PER_SEC);
    assert_true(rig->punches > 0);
}

static void d22_nothing_is_punched_before_what_supersedes_it_is_flushed(void **state)
{
    (void)state;
    uint32_t write = rig_send_write(rig, 0, 1, 2, 0, data + SIZE, SIZE, 9, 1);
    while (rig->n_mail)
        rig_step(rig);
    rig->stuck = memdisk_pending(rig->disks[0][0]);
    assert_true(rig->stuck > 0);
    rig_pass(rig, 5 * NS_PER_SEC);
    assert_false(rig->answers[write].done);
    assert_int_equal(rig->punches, 0);
    rig->stuck = 0;
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    rig_next_version(rig);
    expect(2, data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(d22_what_is_dead_is_punched_and_its_header_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(d22_what_is_being_read_is_not_punched, setup, teardown),
        cmocka_unit_test_setup_teardown(d22_nothing_is_punched_before_what_supersedes_it_is_flushed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
