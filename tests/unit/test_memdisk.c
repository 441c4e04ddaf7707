/* SPDX-License-Identifier: MIT */
/* The simulated disk itself: what every crash test stands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/memdisk.h"

#define PAGE 4096u

static int write_text(struct disk *d, const char *name, const char *text)
{
    return d->ops->write(d, name, 0, text, strlen(text));
}

static bool holds(struct disk *d, const char *name, const char *text)
{
    uint64_t size;
    const uint8_t *p = memdisk_peek(d, name, &size);
    return p && size == strlen(text) && memcmp(p, text, size) == 0;
}

static bool exists(struct disk *d, const char *name)
{
    uint64_t size;
    return memdisk_peek(d, name, &size) != NULL;
}

static struct disk_op *op_of(enum disk_kind kind, const char *name, uint64_t offset, uint64_t length)
{
    struct disk_op *op = disk_op_new(kind, name, 0);
    op->offset = offset;
    op->length = length;
    return op;
}

static struct disk_op *write_op(const char *name, uint64_t offset, uint8_t fill, uint32_t len, bool flush)
{
    struct disk_op *op = disk_op_new(DISK_WRITE, name, 2);
    struct buf *b = buf_new(len);
    memset(b->data, fill, len);
    op->data[0] = slice_take(b, 0, len / 2);
    op->data[1] = slice_take(buf_ref(b), len / 2, len - len / 2);
    op->offset = offset;
    op->flush = flush;
    return op;
}

/* Submits, carries out, and returns the status. */
static int run_op(struct disk *d, struct disk_op *op)
{
    d->ops->submit(d, op);
    assert_int_equal(memdisk_pending(d), 1);
    op = memdisk_complete(d, 0);
    int status = op->status;
    disk_op_free(op);
    return status;
}

static void test_unsynced_data_is_lost_and_synced_data_stays(void **state)
{
    (void)state;
    struct disk *d = memdisk_new(1, MIB);
    assert_int_equal(write_text(d, "a", "first"), 0);
    assert_int_equal(d->ops->sync(d, "a"), 0);
    assert_int_equal(d->ops->sync(d, NULL), 0);
    assert_int_equal(write_text(d, "a", "SECOND"), 0);
    assert_int_equal(write_text(d, "b", "never synced"), 0);
    assert_true(holds(d, "a", "SECOND"));
    memdisk_crash(d, CRASH_DROP_ALL);
    assert_true(holds(d, "a", "first"));
    assert_false(exists(d, "b"));
    memdisk_free(d);
}

static void test_a_name_needs_the_folders_flush(void **state)
{
    (void)state;
    int vanished = 0, stayed = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct disk *d = memdisk_new(seed, MIB);
        assert_int_equal(write_text(d, "a", "data"), 0);
        assert_int_equal(d->ops->sync(d, "a"), 0);
        memdisk_crash(d, CRASH_RANDOM);
        if (exists(d, "a")) {
            assert_true(holds(d, "a", "data"));
            stayed++;
        } else {
            vanished++;
        }
        memdisk_free(d);
    }
    assert_true(vanished > 5);
    assert_true(stayed > 5);
}

static void test_rename_and_unlink_are_durable_on_return(void **state)
{
    (void)state;
    struct disk *d = memdisk_new(2, MIB);
    assert_int_equal(write_text(d, "a.tmp", "new"), 0);
    assert_int_equal(d->ops->sync(d, "a.tmp"), 0);
    assert_int_equal(write_text(d, "a", "old"), 0);
    assert_int_equal(d->ops->rename(d, "a.tmp", "a"), 0);
    assert_int_equal(write_text(d, "gone", "x"), 0);
    assert_int_equal(d->ops->unlink(d, "gone"), 0);
    assert_int_equal(d->ops->unlink(d, "gone"), DFS_ENOENT);
    assert_int_equal(d->ops->rename(d, "nothing", "a"), DFS_ENOENT);
    memdisk_crash(d, CRASH_DROP_ALL);
    assert_true(holds(d, "a", "new"));
    assert_false(exists(d, "a.tmp"));
    assert_false(exists(d, "gone"));
    memdisk_free(d);
}

/* Each page of a crash's victim is old, new, or a mixture in whole sectors; with enough seeds all three are seen. */
static void test_a_crash_keeps_drops_and_tears_pages(void **state)
{
    (void)state;
    int kept = 0, dropped = 0, torn = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct disk *d = memdisk_new(seed, MIB);
        assert_int_equal(run_op(d, op_of(DISK_CREATE, "f", 0, 4 * PAGE)), 0);
        assert_int_equal(run_op(d, write_op("f", 0, 'o', 4 * PAGE, true)), 0);
        assert_int_equal(run_op(d, write_op("f", 0, 'n', 4 * PAGE, false)), 0);
        memdisk_crash(d, CRASH_RANDOM);
        uint64_t size;
        const uint8_t *p = memdisk_peek(d, "f", &size);
        assert_int_equal(size, 4 * PAGE);
        for (int page = 0; page < 4; page++) {
            int new_sectors = 0;
            for (int s = 0; s < 8; s++) {
                const uint8_t *at = p + page * PAGE + s * 512;
                assert_true(at[0] == 'o' || at[0] == 'n');
                assert_memory_equal(at, at + 1, 511);
                new_sectors += at[0] == 'n';
            }
            kept += new_sectors == 8;
            dropped += new_sectors == 0;
            torn += new_sectors > 0 && new_sectors < 8;
        }
        memdisk_free(d);
    }
    assert_true(kept > 10 && dropped > 10 && torn > 10);
}

static void test_an_appended_file_ends_anywhere_between(void **state)
{
    (void)state;
    int between = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct disk *d = memdisk_new(seed, MIB);
        assert_int_equal(write_text(d, "f", "start"), 0);
        assert_int_equal(d->ops->sync(d, "f"), 0);
        assert_int_equal(d->ops->sync(d, NULL), 0);
        assert_int_equal(run_op(d, write_op("f", 5, 'x', 3 * PAGE, false)), 0);
        memdisk_crash(d, CRASH_RANDOM);
        uint64_t size;
        const uint8_t *p = memdisk_peek(d, "f", &size);
        assert_true(size >= 5 && size <= 5 + 3 * PAGE);
        assert_memory_equal(p, "start", 5);
        between += size > 5 && size < 5 + 3 * PAGE;
        memdisk_free(d);
    }
    assert_true(between > 5);
}

static void test_operations_complete_in_the_order_asked_for(void **state)
{
    (void)state;
    struct disk *d = memdisk_new(3, MIB);
    assert_int_equal(run_op(d, op_of(DISK_CREATE, "f", 0, 2 * PAGE)), 0);
    d->ops->submit(d, write_op("f", 0, 'a', 100, true));
    d->ops->submit(d, op_of(DISK_READ, "f", 50, 100));
    assert_int_equal(memdisk_pending(d), 2);
    struct disk_op *read = memdisk_complete(d, 1);
    assert_int_equal(read->status, 0);
    assert_int_equal(read->data[0].len, 100);
    assert_int_equal(slice_data(read->data[0])[0], 0);
    disk_op_free(read);
    disk_op_free(memdisk_complete(d, 0));
    d->ops->submit(d, op_of(DISK_READ, "f", 2 * PAGE - 10, 100));
    read = memdisk_complete(d, 0);
    assert_int_equal(read->data[0].len, 10);
    disk_op_free(read);
    assert_int_equal(run_op(d, write_op("missing", 0, 'a', 1, true)), DFS_ENOENT);
    assert_int_equal(run_op(d, op_of(DISK_CREATE, "f", 0, 1)), DFS_EEXIST);
    assert_int_equal(run_op(d, op_of(DISK_UNLINK, "missing", 0, 0)), 0);
    struct disk_op *ren = op_of(DISK_RENAME, "f", 0, 0);
    snprintf(ren->name2, sizeof ren->name2, "g");
    assert_int_equal(run_op(d, ren), 0);
    assert_int_equal(run_op(d, op_of(DISK_FLUSH, "g", 0, 0)), 0);
    assert_false(exists(d, "f"));
    memdisk_free(d);
}

static void test_a_flushed_operation_survives_any_crash(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct disk *d = memdisk_new(seed, MIB);
        assert_int_equal(run_op(d, op_of(DISK_CREATE, "f", 0, 8 * PAGE)), 0);
        assert_int_equal(run_op(d, write_op("f", 100, 'a', PAGE, true)), 0);
        d->ops->submit(d, write_op("f", 100 + PAGE, 'b', PAGE, true));
        memdisk_crash(d, CRASH_RANDOM);
        assert_int_equal(memdisk_pending(d), 0);
        uint64_t size;
        const uint8_t *p = memdisk_peek(d, "f", &size);
        assert_int_equal(size, 8 * PAGE);
        for (uint32_t i = 0; i < PAGE; i++)
            assert_int_equal(p[100 + i], 'a');
        memdisk_free(d);
    }
}

static void test_a_lying_flush_loses_data(void **state)
{
    (void)state;
    struct disk *d = memdisk_new(4, MIB);
    assert_int_equal(run_op(d, op_of(DISK_CREATE, "f", 0, PAGE)), 0);
    memdisk_skip_flush(d, true);
    assert_int_equal(run_op(d, write_op("f", 0, 'a', 10, true)), 0);
    assert_int_equal(run_op(d, op_of(DISK_CREATE, "g", 0, PAGE)), 0);
    memdisk_crash(d, CRASH_DROP_ALL);
    uint64_t size;
    assert_int_equal(memdisk_peek(d, "f", &size)[0], 0);
    assert_false(exists(d, "g"));
    memdisk_free(d);
}

static void test_a_kill_keeps_what_was_written(void **state)
{
    (void)state;
    int begun = 0;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct disk *d = memdisk_new(seed, MIB);
        assert_int_equal(run_op(d, op_of(DISK_CREATE, "f", 0, 2 * PAGE)), 0);
        assert_int_equal(run_op(d, write_op("f", 0, 'a', 100, false)), 0);
        d->ops->submit(d, write_op("f", 200, 'b', 100, true));
        memdisk_kill(d);
        assert_int_equal(memdisk_pending(d), 0);
        uint64_t size;
        const uint8_t *p = memdisk_peek(d, "f", &size);
        assert_int_equal(p[0], 'a');
        assert_int_equal(p[99], 'a');
        begun += p[200] == 'b' && p[299] == 0;
        memdisk_free(d);
    }
    assert_true(begun > 0);
}

static void test_planned_faults_strike_once_or_for_good(void **state)
{
    (void)state;
    struct disk *d = memdisk_new(5, MIB);
    assert_int_equal(run_op(d, op_of(DISK_CREATE, "f", 0, PAGE)), 0);
    memdisk_fail(d, DISK_WRITE, 2, DFS_EIO, false);
    assert_int_equal(run_op(d, write_op("f", 0, 'a', 10, true)), 0);
    assert_int_equal(run_op(d, write_op("f", 0, 'b', 10, true)), DFS_EIO);
    assert_int_equal(run_op(d, write_op("f", 0, 'c', 10, true)), 0);
    memdisk_fail(d, DISK_READ, 1, DFS_EIO, true);
    assert_int_equal(run_op(d, op_of(DISK_READ, "f", 0, 10)), DFS_EIO);
    assert_int_equal(run_op(d, op_of(DISK_READ, "f", 0, 10)), DFS_EIO);
    memdisk_free(d);
}

/* The kernel marks pages clean after a failed fsync: the next fsync succeeds, and the data is gone all the same. */
static void test_after_a_failed_flush_the_next_one_lies(void **state)
{
    (void)state;
    struct disk *d = memdisk_new(6, MIB);
    assert_int_equal(run_op(d, op_of(DISK_CREATE, "f", 0, PAGE)), 0);
    memdisk_fail(d, DISK_FLUSH, 1, DFS_EIO, false);
    assert_int_equal(run_op(d, write_op("f", 0, 'a', 10, true)), DFS_EIO);
    assert_int_equal(run_op(d, op_of(DISK_FLUSH, "f", 0, 0)), 0);
    uint64_t size;
    assert_int_equal(memdisk_peek(d, "f", &size)[0], 'a');
    memdisk_crash(d, CRASH_DROP_ALL);
    assert_int_equal(memdisk_peek(d, "f", &size)[0], 0);
    memdisk_free(d);
}

static void test_a_full_disk_refuses_and_punching_makes_room(void **state)
{
    (void)state;
    struct disk *d = memdisk_new(7, 8 * PAGE);
    assert_int_equal(run_op(d, op_of(DISK_CREATE, "f", 0, 6 * PAGE)), 0);
    assert_int_equal(run_op(d, op_of(DISK_CREATE, "g", 0, 3 * PAGE)), DFS_ENOSPC);
    assert_false(exists(d, "g"));
    assert_int_equal(run_op(d, write_op("f", 6 * PAGE, 'a', 3 * PAGE, true)), DFS_ENOSPC);
    uint64_t free_bytes, total;
    assert_int_equal(d->ops->space(d, &free_bytes, &total), 0);
    assert_int_equal(total, 8 * PAGE);
    assert_int_equal(free_bytes, 0);
    assert_int_equal(run_op(d, op_of(DISK_PUNCH, "f", 0, 4 * PAGE)), 0);
    assert_int_equal(memdisk_used(d), 4 * PAGE);
    assert_int_equal(run_op(d, op_of(DISK_CREATE, "g", 0, 3 * PAGE)), 0);
    assert_int_equal(d->ops->unlink(d, "f"), 0);
    assert_int_equal(memdisk_used(d), 3 * PAGE);
    memdisk_free(d);
}

struct names {
    char seen[64];
    uint64_t bytes;
};

static void on_name(void *arg, const char *name, uint64_t size)
{
    struct names *n = arg;
    strncat(n->seen, name, sizeof n->seen - strlen(n->seen) - 1);
    n->bytes += size;
}

static void test_listing_truncating_and_meddling(void **state)
{
    (void)state;
    struct disk *d = memdisk_new(8, MIB);
    assert_int_equal(write_text(d, "a", "abc"), 0);
    assert_int_equal(write_text(d, "b", "hello world"), 0);
    assert_int_equal(d->ops->truncate(d, "b", 5), 0);
    assert_true(holds(d, "b", "hello"));
    assert_int_equal(d->ops->truncate(d, "nothing", 5), DFS_ENOENT);
    struct names n = {0};
    assert_int_equal(d->ops->list(d, on_name, &n), 0);
    assert_true(strcmp(n.seen, "ab") == 0 || strcmp(n.seen, "ba") == 0);
    assert_int_equal(n.bytes, 8);
    assert_int_equal(d->ops->sync(d, NULL), 0);
    assert_int_equal(d->ops->sync(d, "b"), 0);
    assert_true(memdisk_flip(d, "b", 0, 'h' ^ 'j'));
    assert_false(memdisk_flip(d, "b", 5, 1));
    assert_true(memdisk_cut(d, "b", 4));
    memdisk_crash(d, CRASH_DROP_ALL);
    assert_true(holds(d, "b", "jell"));
    char buf[8];
    size_t got;
    assert_int_equal(d->ops->read(d, "b", 2, buf, sizeof buf, &got), 0);
    assert_int_equal(got, 2);
    assert_int_equal(d->ops->read(d, "nothing", 0, buf, sizeof buf, &got), DFS_ENOENT);
    memdisk_free(d);
}

static void test_a_copy_has_every_file_for_good(void **state)
{
    struct disk *d = memdisk_new(1, MIB), *copy = memdisk_new(2, MIB);
    (void)state;
    assert_int_equal(write_text(d, "one", "hello"), 0);
    assert_int_equal(write_text(d, "empty", ""), 0);
    assert_int_equal(memdisk_copy(d, copy), 0);
    memdisk_free(d);
    memdisk_crash(copy, CRASH_DROP_ALL);
    assert_true(holds(copy, "one", "hello"));
    assert_true(holds(copy, "empty", ""));
    memdisk_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsynced_data_is_lost_and_synced_data_stays),
        cmocka_unit_test(test_a_name_needs_the_folders_flush),
        cmocka_unit_test(test_rename_and_unlink_are_durable_on_return),
        cmocka_unit_test(test_a_crash_keeps_drops_and_tears_pages),
        cmocka_unit_test(test_an_appended_file_ends_anywhere_between),
        cmocka_unit_test(test_operations_complete_in_the_order_asked_for),
        cmocka_unit_test(test_a_flushed_operation_survives_any_crash),
        cmocka_unit_test(test_a_lying_flush_loses_data),
        cmocka_unit_test(test_a_kill_keeps_what_was_written),
        cmocka_unit_test(test_planned_faults_strike_once_or_for_good),
        cmocka_unit_test(test_after_a_failed_flush_the_next_one_lies),
        cmocka_unit_test(test_a_full_disk_refuses_and_punching_makes_room),
        cmocka_unit_test(test_listing_truncating_and_meddling),
        cmocka_unit_test(test_a_copy_has_every_file_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
