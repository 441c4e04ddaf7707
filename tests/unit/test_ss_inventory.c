/* SPDX-License-Identifier: MIT */
/* What a StorageServer tells of its chunks, when a NameServer does not know them any more. */
#include <stdlib.h>

#include "base/crc.h"
#include "support/memdisk.h"
#include "support/ss_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LONG (3u * 1024 * 1024 + 777)

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);

    rig_init(r, 4, 1, 2, 512 * MIB);
    r->segment_size = 4 * MIB;
    rig_start(r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static void take(struct rig *r, uint64_t run, uint64_t below)
{
    r->inventory = run;
    r->inventory_below = below;
    r->n_found = r->told = 0;
    for (int i = 0; i < 100 && !r->told; i++)
        rig_pass(r, 250 * NS_PER_MS);
    assert_int_equal(r->told, 1);
}

static const struct wire_found *found(const struct rig *r, uint64_t chunk)
{
    for (uint32_t i = 0; i < r->n_found; i++)
        if (r->found[i].chunk == chunk)
            return &r->found[i];
    return NULL;
}

/* A chunk as a put writes it: a small frame, then large ones; the size is known with the last. */
static void put(struct rig *r, uint64_t chunk, const uint8_t *data, uint32_t len)
{
    uint32_t at = 0, n;

    r->size = 0;
    for (uint32_t frame = 64 * KIB; at < len; frame = 1024 * KIB, at += n) {
        n = (uint32_t)min_u64(frame, len - at);
        r->size = at + n == len ? 123456789 : 0;
        assert_int_equal(rig_write(r, 0, 1, chunk, at, data + at, n), 0);
    }
}

static void test_it_tells_what_the_records_say(void **state)
{
    struct rig *r = *state;
    uint8_t *data = malloc(LONG);
    const struct wire_found *h;

    rig_fill(data, LONG, 1);
    r->file = 0xabcdef;
    r->index = 7;
    put(r, 50, data, LONG);
    r->file = 0x1111;
    r->index = 0;
    put(r, 51, data, 1);
    put(r, 99, data, 1); /* not asked for */
    take(r, 5, 99);
    assert_int_equal(r->n_found, 2);
    h = found(r, 50);
    assert_int_equal(h->whole, 1);
    assert_int_equal(h->version, 1);
    assert_int_equal(h->length, LONG);
    assert_int_equal(h->crc, crc32c(0, data, LONG));
    assert_int_equal(h->file, 0xabcdef);
    assert_int_equal(h->index, 7);
    assert_int_equal(h->size, 123456789);
    h = found(r, 51);
    assert_int_equal(h->crc, crc32c(0, data, 1));
    assert_int_equal(h->file, 0x1111);

    /* asked again under the same number it stays silent; under another, and after a restart, it tells again */
    r->n_found = 0;
    rig_pass(r, 2 * NS_PER_SEC);
    assert_int_equal(r->n_found, 0);
    take(r, 6, 1000);
    assert_int_equal(r->n_found, 3);
    rig_crash(r, 0, CRASH_DROP_ALL);
    rig_start(r);
    take(r, 6, 1000);
    assert_int_equal(r->n_found, 3);
    assert_int_equal(found(r, 50)->crc, crc32c(0, data, LONG));
    assert_int_equal(found(r, 50)->size, 123456789);
    free(data);
}

static void test_holes_and_damage_are_not_whole(void **state)
{
    struct rig *r = *state;
    uint8_t *data = malloc(LONG);

    rig_fill(data, LONG, 2);
    r->file = 1;
    assert_int_equal(rig_write(r, 0, 1, 10, 8192, data, 4096), 0); /* nothing at its start */
    assert_int_equal(rig_write(r, 0, 1, 11, 0, data, 4096), 0);
    assert_int_equal(rig_write(r, 0, 1, 11, 12288, data, 4096), 0); /* nothing in between */
    assert_int_equal(rig_write(r, 0, 1, 12, 0, data, 10000), 0);
    assert_int_equal(rig_write(r, 0, 1, 12, 5000, data, 100), 0); /* over a part of a block */
    assert_int_equal(rig_write(r, 0, 1, 13, 0, data, 8192), 0);
    assert_int_equal(rig_write(r, 0, 1, 13, 4096, data, 4096), 0); /* over a whole one */
    take(r, 1, 1000);
    assert_int_equal(r->n_found, 4);
    assert_int_equal(found(r, 10)->whole, 0);
    assert_int_equal(found(r, 10)->length, 12288);
    assert_int_equal(found(r, 11)->whole, 0);
    assert_int_equal(found(r, 12)->whole, 0); /* nobody has that checksum */
    assert_int_equal(found(r, 13)->whole, 1);
    memcpy(data + 8192, data, 4096);
    assert_int_equal(found(r, 13)->crc, crc32c(crc32c(0, data, 4096), data + 8192, 4096));
    free(data);
}

static void test_a_flipped_header_is_noticed(void **state)
{
    struct rig *r = *state;
    uint8_t data[4096];
    uint64_t size;
    const char *name = "seg-0000000000000001.log";

    rig_fill(data, sizeof data, 3);
    for (uint64_t chunk = 1; chunk <= 20; chunk++)
        assert_int_equal(rig_write(r, 0, 1, chunk, 0, data, sizeof data), 0);
    for (uint64_t i = 2; i < 3 && memdisk_peek(r->disks[0][0], name, &size) == NULL; i++)
        name = "seg-0000000000000002.log";
    assert_true(memdisk_flip(r->disks[0][0], name, 4096 + 40, 1)); /* of the first record */
    take(r, 3, 1000);
    assert_int_equal(r->n_found, 20);
    for (uint64_t chunk = 1; chunk <= 20; chunk++)
        assert_int_equal(found(r, chunk)->whole, chunk > 1);
}

static void test_an_answer_that_is_lost_and_a_leader_that_goes(void **state)
{
    struct rig *r = *state;
    uint8_t data[100];

    rig_fill(data, sizeof data, 4);
    for (uint64_t chunk = 1; chunk <= 1500; chunk++) /* more than a page */
        assert_int_equal(rig_write(r, 0, 1, chunk, 0, data, sizeof data), 0);
    take(r, 1, 10000);
    assert_int_equal(r->n_found, 1500);
    r->inventory = 2;
    r->n_found = r->told = 0;
    rig_pass(r, 250 * NS_PER_MS);
    r->nm_error = DFS_ENOENT; /* nobody wants it any more */
    rig_pass(r, 5 * NS_PER_SEC);
    r->nm_error = 0;
    take(r, 3, 10000);
    assert_int_equal(r->n_found, 1500);
    r->inventory = 4;
    rig_turn(r, 0);
    rig_crash(r, 0, CRASH_KEEP_ALL); /* frees what was under way */
    rig_start(r);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_it_tells_what_the_records_say),
        TEST(test_holes_and_damage_are_not_whole),
        TEST(test_a_flipped_header_is_noticed),
        TEST(test_an_answer_that_is_lost_and_a_leader_that_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
