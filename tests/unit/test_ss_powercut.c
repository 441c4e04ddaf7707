/* SPDX-License-Identifier: MIT */
/* One story that has everything in it: small and large writes, overwrites, appends, holes, deletes, a chunk that comes
 * back, segments that fill, are compacted, punched and removed. It is cut off at each of its disk operations, by a power
 * loss in several variants, and each kind of disk call fails in it at each of its turns. What was acknowledged is there
 * afterwards, what was deleted or cut away is not, and the server goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/ss_rig.h"

enum { CHUNKS = 48, CHANGES = 24, ROOM = 300 * 1024, GONE = 100 };

struct change {
    uint8_t kind; /* enum write_kind, or GONE */
    uint32_t off, len, seed;
};

/* A chunk is what its changes make of it; of the last one it may not be known whether it happened. */
struct model {
    struct change v[CHANGES];
    uint32_t n, request;
    bool pending, unknown;
};

static struct rig *rig;
static struct model *models;
static uint32_t seeds;
static uint8_t data[ROOM], back[ROOM], want[ROOM], noise[2 * ROOM];
static bool thorough; /* every variant at every operation, every fault at every call */

static void world_open(uint64_t seed)
{
    rig = calloc(1, sizeof *rig);
    models = calloc(CHUNKS, sizeof *models);
    rig_init(rig, seed, 1, 1, 256 * MIB);
    rig->shuffle = seed % 2;
    seeds = 1;
    rig_start(rig);
}

static void world_close(void)
{
    rig_close(rig);
    free(rig);
    free(models);
}

/* Cut from one stretch of noise: drawing it anew each time would be most of the test's time. */
static void fill(uint8_t *p, uint32_t len, uint32_t seed) { memcpy(p, noise + seed * 1009ULL % ROOM, len); }

static bool is_cut(void) { return rig->cut_at && rig->disk_ops >= rig->cut_at; }

/* --- the story --- */

static void begin(uint32_t i, uint8_t kind, uint32_t off, uint32_t len)
{
    struct model *m = &models[i];
    if (m->unknown || is_cut())
        return;
    assert_true(m->n < CHANGES && !m->pending);
    m->v[m->n++] = (struct change){kind, off, len, ++seeds};
    m->pending = true;
    if (kind == GONE) {
        rig->remove[rig->n_remove++] = 100 + i;
    } else if (kind == WRITE_DATA) {
        fill(data, len, seeds);
        m->request = rig_send_write(rig, 0, 1, 100 + i, off, data, len, 5, seeds);
    } else {
        m->request = rig_send_cut(rig, 0, 1, 100 + i, kind, off, len, 5, seeds);
    }
}

static void settle(void)
{
    rig_pass(rig, rig->n_remove ? 600 * NS_PER_MS : 1);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        struct model *m = &models[i];
        if (!m->pending)
            continue;
        const struct rig_answer *a = &rig->answers[m->request];
        bool gone = m->v[m->n - 1].kind == GONE;
        if (gone && !is_cut())
            m->unknown = rig_read(rig, 0, 100 + i, 0, 1, back, NULL) != DFS_ENOCHUNK;
        else
            m->unknown = gone || !a->done || a->status;
        m->pending = false;
    }
    rig->n_remove = 0;
}

static void write_some(uint32_t first, uint32_t n, uint32_t off, uint32_t len)
{
    for (uint32_t i = 0; i < n; i++)
        begin(first + i, WRITE_DATA, off, len + i * 100);
    settle();
}

static void rest(void)
{
    for (uint32_t i = 0; i < 12 && !is_cut(); i++)
        rig_pass(rig, 110 * NS_PER_MS);
}

/* Chunks 0…7 small, 8…11 large, 16…31 fill small segments, 32…35 large ones. */
static void story(void)
{
    write_some(0, 8, 0, 9000);
    write_some(8, 4, 0, 140000);
    begin(0, WRITE_DATA, 5000, 777);
    begin(1, WRITE_DATA, 9100, 4096);  /* append */
    begin(2, WRITE_DATA, 30000, 5000); /* sparse */
    begin(8, WRITE_DATA, 4096, 100000);
    settle();
    begin(0, WRITE_TRUNCATE, 5001, 0);
    begin(1, WRITE_TRUNCATE, 60000, 0);
    begin(2, WRITE_PUNCH, 3000, 4000);
    begin(8, WRITE_TRUNCATE, 70001, 0);
    begin(9, WRITE_PUNCH, 1000, 99000);
    settle();
    begin(3, GONE, 0, 0);
    begin(10, GONE, 0, 0);
    settle();
    for (uint32_t i = 0; i < 3; i++)
        write_some(16, 16, 0, 5000);
    begin(0, WRITE_TRUNCATE, 9000, 0); /* longer: no old bytes */
    begin(3, WRITE_DATA, 100, 50);     /* comes back */
    begin(4, WRITE_TRUNCATE, 0, 0);
    settle();
    for (uint32_t i = 0; i < 5; i++)
        write_some(32, 4, 0, 280000);
    for (uint32_t i = 0; i < 3; i++)
        write_some(16, 16, 0, 5000);
    rest();
    begin(0, WRITE_DATA, 8000, 100);
    begin(8, WRITE_TRUNCATE, 140000, 0);
    begin(5, GONE, 0, 0);
    for (uint32_t i = 0; i < 12; i++)
        begin(16 + i, GONE, 0, 0);
    settle();
    begin(32, GONE, 0, 0);
    begin(11, WRITE_DATA, 10, 100000);
    settle();
    rest();
}

/* --- what must be there --- */

/* The content after the first n changes, in want; false: the chunk is not there. */
static bool model_make(const struct model *m, uint32_t n, uint32_t *length)
{
    bool there = false;
    memset(want, 0, sizeof want);
    *length = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct change *c = &m->v[i];
        uint32_t end = c->off + c->len;
        there = c->kind != GONE && (there || c->kind != WRITE_PUNCH);
        if (c->kind == GONE) {
            memset(want, 0, sizeof want);
            *length = 0;
        } else if (c->kind == WRITE_DATA) {
            fill(want + c->off, c->len, c->seed);
            *length = end > *length ? end : *length;
        } else if (c->kind == WRITE_TRUNCATE) {
            memset(want + c->off, 0, sizeof want - c->off);
            *length = c->off;
        } else {
            memset(want + c->off, 0, c->len);
        }
    }
    return there;
}

static bool chunk_is(const struct model *m, uint32_t n, int err, uint32_t length)
{
    uint32_t expected;
    if (!model_make(m, n, &expected))
        return err == DFS_ENOCHUNK;
    return err == 0 && length == expected && memcmp(back, want, sizeof want) == 0;
}

/* Errors are excused where the disk has failed. Returns what is wrong, or NULL. */
static const char *check_all(bool excused)
{
    static char text[200];
    for (uint32_t i = 0; i < CHUNKS; i++) {
        const struct model *m = &models[i];
        uint32_t length = 0;
        rig->n_answers = 0;
        int err = rig_read(rig, 0, 100 + i, 0, ROOM, back, &length);
        if (chunk_is(m, m->n, err, length) || (m->unknown && chunk_is(m, m->n - 1, err, length)))
            continue;
        if (excused && err && err != DFS_ENOCHUNK)
            continue;
        snprintf(text, sizeof text, "chunk %u after %u changes (unknown %d, last %u): %s, length %u", i, m->n,
                 m->unknown, m->n ? m->v[m->n - 1].kind : 0, err ? dfs_strerror(err) : "wrong bytes", length);
        return text;
    }
    return NULL;
}

static void goes_on(const char *what, uint32_t k)
{
    const char *wrong;
    if ((wrong = check_all(false)))
        fail_msg("%s at %u: %s", what, k, wrong);
    rest();
    if ((wrong = check_all(false)))
        fail_msg("%s at %u, after cleaning: %s", what, k, wrong);
    assert_int_equal(rig_write(rig, 0, 1, 900, 0, data, 5000), 0);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig->rebuild = k % 2;
    rig_start(rig);
    if ((wrong = check_all(false)))
        fail_msg("%s at %u, after another start: %s", what, k, wrong);
    assert_int_equal(rig_read(rig, 0, 900, 0, 5000, back, NULL), 0);
}

static void nothing_acknowledged_is_lost_by_a_power_cut_at_any_operation(void **state)
{
    (void)state;
    for (uint32_t variant = 0; variant < 4; variant++) {
        const enum crash_mode mode = variant == 0 ? CRASH_DROP_ALL : variant == 1 ? CRASH_KEEP_ALL : CRASH_RANDOM;
        uint32_t k = 0;
        for (bool whole = false; !whole; k += thorough || variant % 3 == 0 ? 1 : 3) {
            world_open(variant);
            rig->cut_at = rig->disk_ops + k + 1;
            story();
            whole = !is_cut();
            rig->cut_at = 0;
            rig_crash(rig, 0, mode);
            rig_start(rig);
            goes_on("power cut", k);
            world_close();
        }
        assert_true(k > 100);
    }
}

/* The start after a power cut is cut off as well, at each of its writes and flushes. */
static void nothing_is_lost_by_a_power_cut_during_a_start(void **state)
{
    (void)state;
    char why[256];
    const enum disk_kind kinds[] = {DISK_WRITE, DISK_FLUSH};
    uint32_t cuts = 0;
    for (uint32_t k = 5; k < 260; k += 36)
        for (uint32_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
            world_open(k);
            rig->cut_at = rig->disk_ops + k;
            story();
            rig->cut_at = 0;
            for (uint32_t n = 1;; n++) {
                rig_crash(rig, 0, CRASH_RANDOM);
                memdisk_fail(rig->disks[0][0], kinds[kind], n, DFS_EIO, true);
                if (rig_open(rig, 0, why, sizeof why) == 0)
                    break; /* too early to fail, or there was nothing to do */
                cuts++;
            }
            rig_crash(rig, 0, CRASH_RANDOM);
            rig_start(rig);
            goes_on("power cut during a start", k);
            world_close();
        }
    assert_true(cuts > 20);
}

static bool fault_story(enum disk_kind kind, uint32_t n, int err, bool for_good)
{
    const char *wrong;
    world_open(n);
    struct disk *d = rig->disks[0][0];
    memdisk_fail(d, kind, n, err, for_good);
    story();
    bool struck = memdisk_struck(d, kind);
    if (!struck && kind != DISK_READ) /* nor shall it strike what only the test asks for */
        memdisk_fail(d, kind, 0, 0, false);
    if ((wrong = check_all(struck || kind == DISK_READ)))
        fail_msg("%s of kind %d at %u: %s", dfs_errname(err), kind, n, wrong);
    struck = struck || memdisk_struck(d, kind);
    if (struck && (kind == DISK_FLUSH || kind == DISK_WRITE) && err == DFS_EIO) {
        rig_pass(rig, NS_PER_SEC);
        assert_int_equal(rig->disks_failed, 1); /* the NameServer heard */
    }
    rig_crash(rig, 0, CRASH_RANDOM);
    rig_start(rig);
    goes_on(dfs_errname(err), n);
    world_close();
    return struck;
}

static void any_disk_call_may_fail_at_any_time(void **state)
{
    (void)state;
    const enum disk_kind kinds[] = {DISK_CREATE, DISK_WRITE, DISK_FLUSH, DISK_READ, DISK_PUNCH, DISK_UNLINK};
    const int errors[] = {DFS_EIO, DFS_ENOSPC};
    for (uint32_t k = 0; k < ARRAY_LEN(kinds); k++)
        for (uint32_t v = 0; v < (thorough ? 4 : 3); v++) {
            uint32_t n = 1;
            uint32_t step = thorough ? 1 : 7;
            while (fault_story(kinds[k], n, errors[v % 2], v / 2))
                n += n < 3 ? 1 : step;
            if (n == 1)
                fail_msg("no calls of kind %d", kinds[k]);
        }
}

int main(void)
{
    thorough = getenv("DFS_TEST_LONG") != NULL;
    rig_fill(noise, sizeof noise, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_by_a_power_cut_at_any_operation),
        cmocka_unit_test(nothing_is_lost_by_a_power_cut_during_a_start),
        cmocka_unit_test(any_disk_call_may_fail_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
