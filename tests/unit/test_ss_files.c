/* SPDX-License-Identifier: MIT */
/* Files of a data folder that are missing, cut short, or not what their names say: nothing of them is served as data,
 * the sentence that refuses one names it, and where the rest can be served it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/tool.h"
#include "support/ss_rig.h"

enum { CHUNKS = 60, LENGTH = 9000, NAMES = 16 };

static struct rig *rig;
static uint8_t back[LENGTH], data[CHUNKS][LENGTH];
static char why[256], names[NAMES][DISK_NAME_MAX + 1];
static uint32_t n_names;

static void add_name(void *arg, const char *name, uint64_t size)
{
    (void)arg;
    if (strncmp(name, "seg-", 4) == 0 && size > 8192 && n_names < NAMES)
        snprintf(names[n_names++], sizeof names[0], "%s", name);
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static void find_segments(void)
{
    n_names = 0;
    assert_int_equal(rig->disks[0][0]->ops->list(rig->disks[0][0], add_name, NULL), 0);
}

static void crash_both(void)
{
    for (uint32_t i = 0; i < 2; i++)
        rig_crash(rig, i, CRASH_DROP_ALL);
}

/* Two servers, whose small segments hold some ten chunks each; all are sealed by a start. */
static int setup(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    rig_init(rig, 1, 2, 1, 256 * MIB);
    rig->segment_size = 128 * 1024;
    rig_start(rig);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        rig_fill(data[i], LENGTH, i);
        assert_int_equal(rig_write(rig, i % 2, 1, 100 + i, 0, data[i], LENGTH), 0);
    }
    crash_both();
    rig_start(rig);
    crash_both();
    find_segments();
    assert_true(n_names >= 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(rig);
    free(rig);
    return 0;
}

/* How many of server 0's chunks are whole; the others are not there, shorter, or refused. */
static uint32_t whole(void)
{
    uint32_t n = 0, length;
    for (uint32_t i = 0; i < CHUNKS; i += 2) {
        rig->n_answers = 0;
        int err = rig_read(rig, 0, 100 + i, 0, LENGTH, back, &length);
        if (err || length < LENGTH) {
            assert_true(err == 0 || err == DFS_ENOCHUNK || err == DFS_ECORRUPT);
            continue;
        }
        assert_memory_equal(back, data[i], LENGTH);
        n++;
    }
    return n;
}

static void put(struct disk *d, const char *name, const uint8_t *p, uint64_t size)
{
    (void)!d->ops->unlink(d, name);
    assert_int_equal(d->ops->write(d, name, 0, p, size), 0);
    assert_int_equal(d->ops->sync(d, name), 0);
    assert_int_equal(d->ops->sync(d, NULL), 0);
}

static uint8_t *take(struct disk *d, const char *name, uint64_t *size)
{
    const uint8_t *p = memdisk_peek(d, name, size);
    assert_non_null(p);
    uint8_t *copy = malloc(*size);
    memcpy(copy, p, *size);
    return copy;
}

static void without_a_segment_the_rest_is_served(void **state)
{
    (void)state;
    struct disk *d = rig->disks[0][0];
    assert_int_equal(d->ops->unlink(d, names[0]), 0);
    assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
    uint32_t n = whole();
    assert_true(n > 0 && n < CHUNKS / 2);
    assert_int_equal(rig_chunks(rig, 0), n);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->reported, n); /* the NameServer knows what to make again */
}

/* What it held, and what is there now instead. */
static uint8_t *garble(struct disk *d, uint32_t i, uint64_t *size, uint8_t **bad)
{
    uint8_t *good = take(d, names[i], size);
    *bad = malloc(*size);
    rig_fill(*bad, (uint32_t)*size, 77 + i);
    put(d, names[i], *bad, *size);
    return good;
}

/* The disk gives nonsense for it, today. */
static void a_segment_of_nonsense_is_left_as_it_is(void **state)
{
    (void)state;
    struct disk *d = rig->disks[0][0];
    for (uint32_t i = 0; i < n_names; i++) {
        uint64_t size, now, damage;
        char text[4096] = "";
        uint8_t *bad, *good = garble(d, i, &size, &bad);
        for (int rebuild = 0; rebuild < 2; rebuild++) {
            FILE *out = fmemopen(text, sizeof text, "w");
            int err = rebuild ? tool_rebuild(d, out, &damage, why, sizeof why) : tool_check(d, out, false, &damage, why, sizeof why);
            fclose(out);
            assert_int_equal(err, 0);
            assert_int_equal(damage, 1);
            assert_non_null(strstr(text, names[i]));
        }
        assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
        uint32_t n = whole();
        assert_true(n > 0 && n < CHUNKS / 2);
        rig_pass(rig, 60 * NS_PER_SEC);
        assert_int_equal(rig->reported, n + i);
        assert_int_equal(rig_write(rig, 0, 1, 500 + i, 0, data[0], LENGTH), 0);
        rig_crash(rig, 0, CRASH_KEEP_ALL);
        const uint8_t *p = memdisk_peek(d, names[i], &now);
        assert_int_equal(now, size);
        assert_memory_equal(p, bad, size);
        put(d, names[i], good, size); /* and tomorrow it does not */
        assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
        assert_int_equal(whole(), CHUNKS / 2);
        rig_crash(rig, 0, CRASH_KEEP_ALL);
        free(good);
        free(bad);
    }
}

/* Of the chunk some writes are in it and some behind it: what is left is not the chunk. */
static void what_lost_writes_in_nonsense_is_not_served(void **state)
{
    enum { WRITES = 40 };
    (void)state;
    struct disk *d = rig->disks[0][0];
    uint64_t size;
    rig_start(rig);
    for (uint32_t i = 0; i < WRITES; i++)
        assert_int_equal(rig_write(rig, 0, 1, 900, i * LENGTH, data[i], LENGTH), 0);
    crash_both();
    qsort(names, n_names, sizeof names[0], by_name);
    uint32_t known = n_names;
    char last[DISK_NAME_MAX + 1];
    snprintf(last, sizeof last, "%s", names[known - 1]);
    find_segments();
    qsort(names, n_names, sizeof names[0], by_name);
    assert_true(n_names >= known + 3 && strcmp(names[known - 1], last) == 0);
    for (uint32_t i = known; i < known + 2; i++) { /* without the last, it is a shorter one: others know better (B13) */
        uint8_t *bad, *good = garble(d, i, &size, &bad);
        assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
        for (uint32_t w = 0; w < WRITES; w++)
            assert_int_equal(rig_read(rig, 0, 900, w * LENGTH, LENGTH, back, NULL), DFS_ECORRUPT);
        assert_int_equal(whole(), CHUNKS / 2);
        rig_crash(rig, 0, CRASH_DROP_ALL);
        put(d, names[i], good, size);
        free(good);
        free(bad);
    }
}

static void a_segment_cut_anywhere_gives_no_wrong_bytes(void **state)
{
    (void)state;
    struct disk *d = rig->disks[0][0];
    uint64_t size;
    uint8_t *p = take(d, names[0], &size);
    for (uint64_t cut = 0; cut < size; cut += cut < 200 || size - cut < 200 ? 7 : 1999) {
        put(d, names[0], p, cut);
        assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
        assert_true(whole() > 0); /* of the other segments */
        rig_crash(rig, 0, CRASH_DROP_ALL);
    }
    free(p);
}

static void segments_that_changed_places_are_refused_by_name(void **state)
{
    (void)state;
    struct disk *d = rig->disks[0][0], *other = rig->disks[1][0];
    uint64_t n0, n1, damage;
    uint8_t *a = take(d, names[0], &n0), *b = take(d, names[1], &n1);
    put(d, names[0], b, n1);
    put(d, names[1], a, n0);
    assert_int_equal(rig_open(rig, 0, why, sizeof why), DFS_EIDENTITY);
    assert_non_null(strstr(why, "seg-"));
    put(d, names[1], b, n1);
    free(b);
    b = take(other, names[0], &n1); /* another server's, of the same name */
    put(d, names[0], b, n1);
    assert_int_equal(rig_open(rig, 0, why, sizeof why), DFS_EIDENTITY);
    assert_non_null(strstr(why, names[0]));
    FILE *out = fopen("/dev/null", "w");
    assert_int_equal(tool_check(d, out, false, &damage, why, sizeof why), DFS_EIDENTITY);
    assert_non_null(strstr(why, names[0]));
    fclose(out);
    put(d, names[0], a, n0); /* put right, nothing was lost by it */
    assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
    assert_int_equal(whole(), CHUNKS / 2);
    free(a);
    free(b);
}

/* A checkpoint that is gone, or partly of another segment: the records are read instead. */
static void summaries_that_are_not_theirs_are_not_believed(void **state)
{
    (void)state;
    struct disk *d = rig->disks[0][0];
    uint64_t n0, n1;
    uint8_t *a = take(d, names[0], &n0), *b = take(d, names[1], &n1), *mixed = malloc(n0);
    for (uint32_t tail = 32; tail <= 256; tail += 28)
        for (int kind = 0; kind < 3; kind++) { /* zeros; the other's; the other's entries before the own trailer */
            memcpy(mixed, a, n0);
            if (kind == 0)
                memset(mixed + n0 - tail, 0, tail);
            else
                memcpy(mixed + n0 - tail, b + n1 - tail, kind == 1 ? tail : tail - 32);
            put(d, names[0], mixed, n0);
            assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
            assert_int_equal(whole(), CHUNKS / 2);
            rig_crash(rig, 0, CRASH_DROP_ALL);
        }
    free(a);
    free(b);
    free(mixed);
}

/* Each of its calls fails, and then the machine does: what it had begun is read as if it had not, or as if it were done. */
static void a_rebuild_may_be_cut_off_anywhere(void **state)
{
    (void)state;
    const enum disk_kind kinds[] = {DISK_WRITE, DISK_FLUSH};
    struct disk *d = rig->disks[0][0];
    for (uint32_t k = 0; k < ARRAY_LEN(kinds); k++)
        for (uint32_t n = 1;; n++) {
            uint64_t damage;
            FILE *out = fopen("/dev/null", "w");
            memdisk_fail(d, kinds[k], n, DFS_EIO, true);
            int err = tool_rebuild(d, out, &damage, why, sizeof why);
            memdisk_fail(d, kinds[k], 0, 0, false);
            fclose(out);
            assert_int_equal(damage, 0);
            memdisk_crash(d, n % 2 ? CRASH_RANDOM : CRASH_DROP_ALL);
            rig_start(rig);
            assert_int_equal(whole(), CHUNKS / 2);
            crash_both();
            if (!err) {
                assert_true(n > 2 * 2); /* twice for each of several segments */
                break;
            }
            assert_int_equal(err, DFS_EIO);
            assert_non_null(strstr(why, "seg-"));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_segment_the_rest_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(a_segment_cut_anywhere_gives_no_wrong_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_segment_of_nonsense_is_left_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(what_lost_writes_in_nonsense_is_not_served, setup, teardown),
        cmocka_unit_test_setup_teardown(segments_that_changed_places_are_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(summaries_that_are_not_theirs_are_not_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rebuild_may_be_cut_off_anywhere, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
