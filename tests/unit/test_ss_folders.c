/* SPDX-License-Identifier: MIT */
/* A chunk in two folders of one server: one of them was out of service when the chunk came back, and is there again after a
 * start. What counts is the copy that came last, wherever it is, unless it never became whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc.h"
#include "store/impl.h"
#include "support/ss_rig.h"

#define LONG (2 * 1024 * 1024 + 300000u) /* three parts */
#define CHUNK 7u
#define SERVER 1u

static struct rig *rig;
static uint8_t old[LONG], new[LONG], back[LONG];

static void expect(const uint8_t *bytes)
{
    uint32_t part = 1024 * 1024, length;
    for (uint32_t at = 0; at < LONG; at += part) {
        uint32_t n = (uint32_t)min_u64(LONG - at, part);
        assert_int_equal(rig_read(rig, SERVER, CHUNK, at, n, back, &length), 0);
        assert_int_equal(length, LONG);
        assert_memory_equal(back, bytes + at, n);
    }
}

static void write_long(uint32_t first, uint32_t n, uint64_t chunk, const uint8_t *bytes)
{
    uint32_t part = 1024 * 1024;
    for (uint32_t at = 0; at < LONG; at += part)
        assert_int_equal(rig_write(rig, first, n, chunk, at, bytes + at, (uint32_t)min_u64(LONG - at, part)), 0);
}

static void restart(void)
{
    rig_crash(rig, SERVER, CRASH_KEEP_ALL);
    rig_start(rig);
}

/* The chunk is on both servers, in this folder of the second, which fails. */
static void begin(uint32_t folder)
{
    rig = calloc(1, sizeof *rig);
    rig_init(rig, 1, 2, 2, 1024 * MIB);
    rig->segment_size = 4 * MIB;
    rig_fill(old, sizeof old, 42);
    rig_fill(new, sizeof new, 43);
    rig_start(rig);
    if (folder == 1) /* the emptier one is taken */
        write_long(SERVER, 1, 1, old);
    write_long(0, 2, CHUNK, old);
    assert_int_equal(index_find(&rig->ss[SERVER]->index, CHUNK)->disk, folder);
    memdisk_fail(rig->disks[SERVER][folder], DISK_WRITE, 1, DFS_EIO, true);
    assert_int_equal(rig_write(rig, SERVER, 1, CHUNK, 0, new, 100), DFS_EIO);
    assert_int_equal(ss_disks_failed(rig->ss[SERVER]), 1);
}

static void end(void)
{
    rig_close(rig);
    free(rig);
}

/* The other server's copy begins another version, with other bytes. */
static void change(void)
{
    const struct chunk *c = index_find(&rig->ss[0]->index, CHUNK);
    rig_agree(rig, 0,
              &(struct wire_task){.kind = TASK_STAMP,
                                  .chunk = CHUNK,
                                  .version = 1,
                                  .sequence = c->sequence,
                                  .length = LONG,
                                  .to = 2,
                                  .flags = TASK_OPEN});
    rig_run(rig);
    rig_pass(rig, 100 * NS_PER_MS);
    rig->version = 2;
    write_long(0, 1, CHUNK, new);
}

/* Copies the chunk to the folder that is left. */
static void come_back(const uint8_t *bytes, uint32_t folder)
{
    uint32_t before = rig->n_done;
    rig_task(rig, SERVER, TASK_COPY, CHUNK, bytes, LONG, "0");
    rig_run(rig);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->n_done, before + 1);
    assert_int_equal(rig->done[before].error, 0);
    assert_int_equal(index_find(&rig->ss[SERVER]->index, CHUNK)->disk, folder);
    expect(bytes);
}

static void the_later_version_counts(void **state)
{
    (void)state;
    for (uint32_t folder = 0; folder < 2; folder++) {
        begin(folder);
        change();
        come_back(new, !folder);
        for (int round = 0; round < 2; round++) {
            restart();
            assert_int_equal(rig_chunks(rig, SERVER), 1 + folder);
            expect(new);
            rig_pass(rig, NS_PER_SEC);
            assert_int_equal(rig->damaged, 0);
        }
        end();
    }
}

static void the_later_of_two_alike_counts(void **state)
{
    (void)state;
    for (uint32_t folder = 0; folder < 2; folder++) {
        begin(folder);
        come_back(old, !folder);
        restart();
        assert_int_equal(index_find(&rig->ss[SERVER]->index, CHUNK)->disk, !folder);
        expect(old);
        end();
    }
}

static void a_copy_that_was_cut_off_does_not_count(void **state)
{
    bool finished = false;
    (void)state;
    for (uint32_t steps = 1; !finished; steps++)
        for (uint32_t folder = 0; folder < 2; folder++) {
            begin(folder);
            rig_task(rig, SERVER, TASK_COPY, CHUNK, old, LONG, "0");
            for (uint32_t i = 0; i < steps; i++)
                finished = !rig_step(rig);
            restart();
            expect(old);
            end();
        }
}

/* A tombstone is of the folder it is in. */
static void what_was_deleted_does_not_count(void **state)
{
    (void)state;
    for (uint32_t folder = 0; folder < 2; folder++) {
        begin(folder);
        change();
        come_back(new, !folder);
        rig_task(rig, SERVER, TASK_DROP, CHUNK, new, LONG, "");
        rig_run(rig);
        rig_pass(rig, 100 * NS_PER_MS);
        assert_int_equal(rig_read(rig, SERVER, CHUNK, 0, 1, back, NULL), DFS_ENOCHUNK);
        restart();
        const struct chunk *c = index_find(&rig->ss[SERVER]->index, CHUNK);
        assert_int_equal(c->disk, folder); /* to be deleted again, by whoever hears of it */
        assert_int_equal(c->version, 1);
        end();
    }
}

/* A folder that fails while it is read has had a part of what it holds told. */
static void what_a_failing_folder_told_does_not_count(void **state)
{
    (void)state;
    for (uint32_t folder = 0; folder < 2; folder++)
        for (uint32_t n = 1; n < 12; n++) { /* the first is of its identity */
            begin(folder);
            come_back(old, !folder);
            rig_crash(rig, SERVER, CRASH_KEEP_ALL);
            memdisk_fail(rig->disks[SERVER][folder], DISK_READ, n, DFS_EIO, true);
            rig_start(rig);
            expect(old);
            end();
        }
}

/* Whose folders these are, a new one does not know, and a server must not become another one for it. */
static void who_cannot_read_its_identity_does_not_start_anew(void **state)
{
    char why[256];
    (void)state;
    for (uint32_t folder = 0; folder < 2; folder++) {
        begin(folder);
        rig_crash(rig, SERVER, CRASH_KEEP_ALL);
        memdisk_free(rig->disks[SERVER][!folder]);
        rig->disks[SERVER][!folder] = memdisk_new(1, 1024 * MIB);
        memdisk_fail(rig->disks[SERVER][folder], DISK_READ, 1, DFS_EIO, true);
        assert_int_equal(rig_open(rig, SERVER, why, sizeof why), DFS_EIO);
        assert_non_null(strstr(why, "cannot be read"));
        memdisk_kill(rig->disks[SERVER][folder]);
        rig_start(rig);
        expect(old);
        end();
    }
}

/* Both folders are used at the same time where they have about as much space, however that changes, and one where it has more. */
static void chunks_are_spread(void **state)
{
    static const uint64_t sizes[][2] = {{1024, 1024}, {1024, 1000}, {1000, 1024}, {512, 1024}, {1024, 512}};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        uint32_t held[2] = {0, 0};
        rig = calloc(1, sizeof *rig);
        rig_init(rig, 1, 2, 2, 1024 * MIB);
        rig->segment_size = 4 * MIB;
        for (uint32_t d = 0; d < 2; d++)
            memdisk_resize(rig->disks[SERVER][d], sizes[i][d] * MIB);
        rig_fill(new, sizeof new, 43);
        rig_start(rig);
        for (uint64_t chunk = 1; chunk <= 12; chunk++) {
            assert_int_equal(rig_write(rig, SERVER, 1, chunk, 0, new, 100), 0);
            held[index_find(&rig->ss[SERVER]->index, chunk)->disk]++;
        }
        uint32_t first = sizes[i][0] * 2 == sizes[i][1] ? 0 : sizes[i][0] == sizes[i][1] * 2 ? 12 : 6;
        assert_int_equal(held[0], first);
        assert_int_equal(held[1], 12 - first);
        rig_close(rig);
        free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_later_version_counts),
        cmocka_unit_test(the_later_of_two_alike_counts),
        cmocka_unit_test(a_copy_that_was_cut_off_does_not_count),
        cmocka_unit_test(what_was_deleted_does_not_count),
        cmocka_unit_test(chunks_are_spread),
        cmocka_unit_test(what_a_failing_folder_told_does_not_count),
        cmocka_unit_test(who_cannot_read_its_identity_does_not_start_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
