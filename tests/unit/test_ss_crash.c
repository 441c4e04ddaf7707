/* SPDX-License-Identifier: MIT */
/* Power cuts, kills, flipped bits and failing disks: what was acknowledged is there and right, or its loss is
 * noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/format.h"
#include "support/ss_rig.h"

enum { CHUNKS = 24, ROOM = 160 * 1024, UNIT = 512, TRIES = 24 };

/* What may be in a chunk: per unit, the number of the last acknowledged write, and those whose outcome is not known. */
struct oracle {
    uint32_t acked[CHUNKS][ROOM / UNIT];
    uint32_t maybe[CHUNKS][ROOM / UNIT][TRIES];
    bool known[CHUNKS]; /* a write to it was acknowledged */
};

static struct rig *rig;
static struct oracle *oracle;
static uint8_t buf[ROOM], back[ROOM];

struct sent {
    uint32_t request, chunk, off, len, number;
};

/* Every byte says which write it came from. */
static void fill_unit(uint8_t *p, uint32_t number) { rig_fill(p, UNIT, number * 7919ULL); }

static struct sent send_some(uint32_t number, bool chain, uint32_t units)
{
    struct sent s = {.number = number, .chunk = (uint32_t)rng_below(&rig->rng, CHUNKS)};
    s.len = units * UNIT;
    s.off = (uint32_t)rng_below(&rig->rng, ROOM / UNIT - units) * UNIT;
    for (uint32_t u = 0; u < units; u++)
        fill_unit(buf + u * UNIT, number);
    s.request = rig_send_write(rig, 0, chain ? 2 : 1, 1000 + s.chunk, s.off, buf, s.len, 0, 0);
    return s;
}

static struct sent send_one(uint32_t number, bool chain)
{
    return send_some(number, chain, 1 + (uint32_t)rng_below(&rig->rng, rng_below(&rig->rng, 4) ? 12 : 200));
}

static void settle(const struct sent *s)
{
    const struct rig_answer *a = &rig->answers[s->request];
    bool acked = a->done && a->status == 0;
    for (uint32_t u = s->off / UNIT; u < (s->off + s->len) / UNIT; u++) {
        if (acked && s->number > oracle->acked[s->chunk][u])
            oracle->acked[s->chunk][u] = s->number;
        uint32_t *maybe = oracle->maybe[s->chunk][u];
        while (!acked && *maybe)
            maybe++;
        if (!acked) {
            assert_true(maybe < oracle->maybe[s->chunk][u] + TRIES - 1);
            *maybe = s->number;
        }
    }
    oracle->known[s->chunk] |= acked;
}

/* Whether these bytes may stand there. A unit nobody acknowledged may be anything that was tried, or nothing. */
static bool unit_good(uint32_t chunk, uint32_t u, const uint8_t *p)
{
    static const uint8_t zeros[UNIT];
    uint8_t want[UNIT];
    uint32_t acked = oracle->acked[chunk][u];
    if (!acked && memcmp(p, zeros, UNIT) == 0)
        return true;
    for (int k = -1; k < TRIES; k++) {
        uint32_t number = k < 0 ? acked : oracle->maybe[chunk][u][k];
        if (!number || number < acked)
            continue;
        fill_unit(want, number);
        if (memcmp(p, want, UNIT) == 0)
            return true;
    }
    return false;
}

/* How many chunks of server s do not hold what was acknowledged. */
static uint32_t check_all(uint32_t s)
{
    uint32_t bad = 0;
    for (uint32_t c = 0; c < CHUNKS; c++) {
        bool good = true;
        int err = rig_read(rig, s, 1000 + c, 0, ROOM, back, NULL);
        if (err)
            good = !oracle->known[c];
        for (uint32_t u = 0; !err && u < ROOM / UNIT; u++)
            good = good && unit_good(c, u, back + u * UNIT);
        bad += !good;
    }
    return bad;
}

static void world_open(uint64_t seed)
{
    rig = calloc(1, sizeof *rig);
    oracle = calloc(1, sizeof *oracle);
    rig_init(rig, seed, 2, 1, 512 * MIB);
    rig->shuffle = true;
}

static void world_close(void)
{
    rig_close(rig);
    free(rig);
    free(oracle);
}

/* The first server loses power: what it had acknowledged is there when it is back. */
static void end_with_crash(uint32_t seed, enum crash_mode how)
{
    char why[256];
    rig_crash(rig, 0, how);
    assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
    if (check_all(0))
        fail_msg("seed %u loses acknowledged bytes", seed);
    world_close();
}

/* Three rounds of load, each cut off after some steps; true if all acknowledged bytes survived each. */
static bool survives(uint64_t seed, uint32_t steps, bool lying_disks, bool kill)
{
    bool good = true;
    uint32_t number = 1;
    world_open(seed);
    if (lying_disks)
        memdisk_skip_flush(rig->disks[0][0], true);
    rig_start(rig);
    for (int round = 0; round < 3 && good; round++) {
        struct sent sent[40];
        uint32_t n = 0;
        for (uint32_t i = 0; i < steps; i++) {
            if (n < 40 && rng_below(&rig->rng, 3) == 0) {
                struct sent s = send_one(number++, true);
                sent[n++] = s;
            }
            rig_turn(rig, 0);
            rig_step(rig);
        }
        for (uint32_t i = 0; i < n; i++)
            settle(&sent[i]);
        for (uint32_t s = 0; s < 2; s++)
            if (kill)
                rig_kill(rig, s);
            else
                rig_crash(rig, s, CRASH_RANDOM);
        char why[256];
        for (uint32_t s = 0; s < 2 && good; s++)
            good = rig_open(rig, s, why, sizeof why) == 0;
        good = good && check_all(0) == 0 && check_all(1) == 0;
    }
    world_close();
    return good;
}

static void acknowledged_bytes_survive_a_power_cut_at_any_step(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 150; seed++)
        if (!survives(seed, 1 + seed, false, false))
            fail_msg("seed %u loses acknowledged bytes", seed);
}

static void acknowledged_bytes_survive_a_kill_at_any_step(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 60; seed++)
        if (!survives(1000 + seed, 1 + 2 * seed, false, true))
            fail_msg("seed %u loses acknowledged bytes", seed);
}

/* So many large writes that some are written ahead of the flush before theirs: none counts before its own. */
static void writes_ahead_of_a_flush_survive_only_with_it(void **state)
{
    (void)state;
    uint32_t ahead = 0, acked = 0;
    for (uint32_t seed = 1; seed <= 80; seed++) {
        struct sent sent[40];
        world_open(3000 + seed);
        rig_start(rig);
        uint32_t quiet = rig->writes - rig->flushes;
        assert_int_equal(rig_write(rig, 0, 1, 1, 0, buf, ROOM), 0); /* now there is a segment */
        rig->shuffle = false;
        for (uint32_t i = 0; i < 40; i++) {
            sent[i] = send_some(i + 1, false, 150 + (uint32_t)rng_below(&rig->rng, 150));
            while (i % 20 == 19 && rig->n_mail)
                rig_step(rig);
        }
        rig->shuffle = true;
        for (uint32_t k = 0; k < seed % 30 && rig_step(rig); k++)
            ;
        ahead += rig->writes - rig->flushes - quiet;
        for (uint32_t i = 0; i < 40; i++) {
            acked += rig->answers[sent[i].request].done && rig->answers[sent[i].request].status == 0;
            settle(&sent[i]);
        }
        end_with_crash(seed, CRASH_RANDOM);
    }
    print_message("%u ahead, %u acknowledged\n", ahead, acked);
    assert_true(ahead > 20 && acked > 200);
}

/* Of several pieces under way one finds the disk full: what waits for the same flush is refused with it (D24). */
static void a_piece_that_found_no_room_fails_those_beside_it(void **state)
{
    (void)state;
    uint32_t refused = 0;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        struct sent sent[40];
        world_open(4000 + seed);
        rig_start(rig);
        assert_int_equal(rig_write(rig, 0, 1, 1, 0, buf, ROOM), 0);
        rig->shuffle = false;
        for (uint32_t i = 0; i < 40; i++)
            sent[i] = send_some(i + 1, false, 150 + (uint32_t)rng_below(&rig->rng, 150));
        while (rig->n_mail)
            rig_step(rig);
        memdisk_fail(rig->disks[0][0], DISK_WRITE, 1 + seed % 4, DFS_ENOSPC, false);
        rig->shuffle = true;
        rig_run(rig);
        for (uint32_t i = 0; i < 40; i++) {
            refused += rig->answers[sent[i].request].status == DFS_ENOSPC;
            settle(&sent[i]);
        }
        end_with_crash(seed, CRASH_DROP_ALL);
    }
    print_message("%u refused\n", refused);
    assert_true(refused > 100);
}

/* The test above must be able to fail: with a disk that lies about its flushes it does. */
static void a_disk_that_lies_is_noticed(void **state)
{
    (void)state;
    uint32_t lost = 0;
    for (uint32_t seed = 1; seed <= 20; seed++)
        lost += !survives(seed, 40 + seed, true, false);
    assert_true(lost > 10);
}

/* Every single byte of a small store is flipped in turn (of an identity: test_segment.c). The store may refuse to open and
 * name the file; it may lose a chunk or serve it shorter, which its readers notice; it may serve bytes that do not fit their
 * checksums. It may never serve wrong bytes that do, and never crash. */
static void a_flipped_byte_is_never_served(void **state)
{
    (void)state;
    char why[256];
    uint64_t size = 0;
    static uint8_t data[3][500];
    const char *names[] = {"seg-0000000000000001.log", "identity"};
    for (int f = 0; f < 2; f++) {
        for (uint64_t byte = 0; byte < (f == 0 ? 4096 + 2500 : size); byte += f == 0 || byte % 4096 < 128 ? 1 : 13) {
            rig = calloc(1, sizeof *rig);
            rig_init(rig, 3, 1, 1, 512 * MIB);
            rig_start(rig);
            for (uint32_t i = 0; i < 3; i++) {
                rig_fill(data[i], sizeof data[i], i);
                assert_int_equal(rig_write(rig, 0, 1, 1 + i, 0, data[i], 300 + i), 0);
            }
            assert_int_equal(rig_write(rig, 0, 1, 1, 300, data[0] + 300, 200), 0);
            rig_crash(rig, 0, CRASH_DROP_ALL);
            assert_non_null(memdisk_peek(rig->disks[0][0], names[f], &size));
            assert_true(memdisk_flip(rig->disks[0][0], names[f], byte, 0x10));
            int err = rig_open(rig, 0, why, sizeof why);
            for (uint32_t i = 0; i < 3 && !err; i++) {
                uint32_t len = i == 0 ? 500 : 300 + i, length = 0;
                int got = rig_read(rig, 0, 1 + i, 0, len, back, &length);
                if (got == 0 && length == len)
                    assert_memory_equal(back, data[i], len);
            }
            if (err)
                assert_non_null(strstr(why, names[f]));
            rig_close(rig);
            free(rig);
        }
    }
}

/* A sealed segment's summary may rot, be cut off, or belong to another file: the records are read instead. */
static void a_damaged_summary_costs_nothing_but_time(void **state)
{
    (void)state;
    static uint8_t data[3][9000];
    char why[256];
    uint64_t size = 0, records_end = 4096 + 3 * 4240;
    for (uint64_t byte = records_end; size == 0 || byte < 2 * size - records_end; byte++) {
        rig = calloc(1, sizeof *rig);
        rig_init(rig, 3, 1, 1, 512 * MIB);
        rig_start(rig);
        for (uint32_t i = 0; i < 3; i++) {
            rig_fill(data[i], sizeof data[i], i);
            assert_int_equal(rig_write(rig, 0, 1, 1 + i, 0, data[i], 4096), 0);
        }
        rig_crash(rig, 0, CRASH_DROP_ALL);
        assert_int_equal(rig_open(rig, 0, why, sizeof why), 0); /* seals it */
        rig_crash(rig, 0, CRASH_DROP_ALL);
        struct disk *d = rig->disks[0][0];
        assert_non_null(memdisk_peek(d, "seg-0000000000000001.log", &size));
        assert_true(size > records_end && size < records_end + 1024);
        if (byte < size)
            assert_true(memdisk_flip(d, "seg-0000000000000001.log", byte, 0x10));
        else
            assert_true(memdisk_cut(d, "seg-0000000000000001.log", records_end + byte - size));
        assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(rig_read(rig, 0, 1 + i, 0, 4096, back, NULL), 0);
            assert_memory_equal(back, data[i], 4096);
        }
        rig_close(rig);
        free(rig);
    }
}

/* Damage before the last batch is corruption, not a torn tail: what follows it is kept, and the loss has a name. */
static void damage_in_the_middle_is_never_cut(void **state)
{
    (void)state;
    uint8_t data[4096];
    char why[256];
    rig = calloc(1, sizeof *rig);
    rig_init(rig, 3, 1, 1, 512 * MIB);
    rig_start(rig);
    rig_fill(data, sizeof data, 1);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(rig_write(rig, 0, 1, 1, i * 4096, data, 4096), 0); /* a batch each */
    assert_int_equal(rig_write(rig, 0, 1, 2, 0, data, 4096), 0);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    assert_true(
        memdisk_flip(rig->disks[0][0], "seg-0000000000000001.log", 4096 + 40, 1)); /* the first record's chunk */
    assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
    assert_int_equal(rig->logs, 1);
    assert_int_equal(rig_read(rig, 0, 1, 0, 8192, back, NULL), DFS_ECORRUPT); /* not half a chunk with a hole */
    assert_int_equal(rig_read(rig, 0, 2, 0, 4096, back, NULL), 0);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    assert_int_equal(rig_open(rig, 0, why, sizeof why), 0); /* and again */
    assert_int_equal(rig_read(rig, 0, 1, 0, 8192, back, NULL), DFS_ECORRUPT);
    assert_int_equal(rig_read(rig, 0, 2, 0, 4096, back, NULL), 0);
    rig_close(rig);
    free(rig);
}

/* Each kind of disk call fails once, at each of its turns: nothing is acknowledged that is not there, nothing
 * crashes. */
static void any_disk_call_may_fail(void **state)
{
    (void)state;
    const enum disk_kind kinds[] = {DISK_CREATE, DISK_WRITE, DISK_FLUSH, DISK_READ, DISK_PUNCH, DISK_UNLINK, DISK_STAT};
    const int errors[] = {DFS_EIO, DFS_ENOSPC};
    for (uint32_t k = 0; k < ARRAY_LEN(kinds); k++)
        for (uint32_t at = 1; at <= 12; at++)
            for (int e = 0; e < 2; e++) {
                struct sent sent[30];
                world_open(at);
                rig_start(rig);
                memdisk_fail(rig->disks[0][0], kinds[k], at, errors[e], at % 2);
                for (uint32_t i = 0; i < 30; i++) {
                    sent[i] = send_one(i + 1, false);
                    if (i == 20)
                        rig->remove[rig->n_remove++] = 4242; /* a chunk nobody has */
                    rig_pass(rig, 100 * NS_PER_MS);
                }
                for (uint32_t i = 0; i < 30; i++) {
                    assert_true(rig->answers[sent[i].request].done);
                    settle(&sent[i]);
                }
                memdisk_fail(rig->disks[0][0], kinds[k], 0, 0, false);
                rig_crash(rig, 0, CRASH_RANDOM);
                rig_start(rig);
                assert_int_equal(check_all(0), 0);
                world_close();
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_bytes_survive_a_power_cut_at_any_step),
        cmocka_unit_test(acknowledged_bytes_survive_a_kill_at_any_step),
        cmocka_unit_test(writes_ahead_of_a_flush_survive_only_with_it),
        cmocka_unit_test(a_piece_that_found_no_room_fails_those_beside_it),
        cmocka_unit_test(a_disk_that_lies_is_noticed),
        cmocka_unit_test(a_flipped_byte_is_never_served),
        cmocka_unit_test(a_damaged_summary_costs_nothing_but_time),
        cmocka_unit_test(damage_in_the_middle_is_never_cut),
        cmocka_unit_test(any_disk_call_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
