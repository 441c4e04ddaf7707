/* SPDX-License-Identifier: MIT */
/* Space: what was overwritten or deleted is given back, whatever the workload; a full server deletes and goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/impl.h"
#include "support/ss_rig.h"

enum { CHUNKS = 4000 };

struct load {
    uint32_t chunks, least, most, unit; /* sizes are multiples of unit */
    uint64_t id[CHUNKS];
    uint32_t length[CHUNKS], seed[CHUNKS][4]; /* a chunk is written in up to four parts, each with its own bytes */
    uint64_t next_id;
    uint32_t next_seed;
};

static struct rig *rig;
static struct load *load;
static uint8_t data[1024 * 1024], back[1024 * 1024];

static void begin(uint64_t seed, uint64_t segment_size, uint64_t capacity)
{
    rig = calloc(1, sizeof *rig);
    load = calloc(1, sizeof *load);
    rig_init(rig, seed, 1, 1, capacity);
    rig->segment_size = segment_size;
    load->next_id = 1000;
    rig_start(rig);
}

static void end(void)
{
    rig_close(rig);
    free(rig);
    free(load);
}

static uint64_t live_bytes(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < load->chunks; i++)
        sum += load->length[i];
    return sum;
}

static double used_by_live(void) { return (double)memdisk_used(rig->disks[0][0]) / (double)live_bytes(); }

static uint32_t part_start(uint32_t i, uint32_t part)
{
    return (uint32_t)((uint64_t)load->length[i] * part / 4 / load->unit * load->unit);
}

static int write_parts(uint32_t i, uint32_t from, uint32_t to)
{
    uint32_t start = part_start(i, from), stop = to == 4 ? load->length[i] : part_start(i, to);
    uint32_t seed = ++load->next_seed;
    if (stop == start)
        return 0;
    rig_fill(data, stop - start, seed);
    rig->n_answers = 0; /* nothing is under way */
    int err = rig_write(rig, 0, 1, load->id[i], start, data, stop - start);
    for (uint32_t p = from; p < to && !err; p++)
        load->seed[i][p] = seed * 4 + from;
    return err;
}

static int chunk_new(uint32_t i)
{
    load->id[i] = load->next_id++;
    load->length[i] = (uint32_t)round_up(load->least + rng_below(&rig->rng, load->most - load->least + 1), load->unit);
    return write_parts(i, 0, 4);
}

static void order_removal(uint64_t id)
{
    if (rig->n_remove == ARRAY_LEN(rig->remove)) {
        rig_pass(rig, 300 * NS_PER_MS);
        rig->n_remove = 0;
    }
    rig->remove[rig->n_remove++] = id;
}

static void removals_done(void)
{
    rig_pass(rig, 600 * NS_PER_MS);
    rig->n_remove = 0;
}

/* One change: a chunk overwritten in whole or in part, or deleted and another written in its place. */
static void change(void)
{
    uint32_t i = (uint32_t)rng_below(&rig->rng, load->chunks), what = (uint32_t)rng_below(&rig->rng, 10);
    if (what < 4) {
        assert_int_equal(write_parts(i, 0, 4), 0);
    } else if (what < 7) {
        uint32_t from = (uint32_t)rng_below(&rig->rng, 4);
        assert_int_equal(write_parts(i, from, from + 1 + (uint32_t)rng_below(&rig->rng, 4 - from)), 0);
    } else {
        order_removal(load->id[i]);
        assert_int_equal(chunk_new(i), 0);
    }
}

static void check_content(void)
{
    for (uint32_t i = 0; i < load->chunks; i++) {
        uint32_t length;
        rig->n_answers = 0;
        assert_int_equal(rig_read(rig, 0, load->id[i], 0, load->length[i], back, &length), 0);
        assert_int_equal(length, load->length[i]);
        for (uint32_t p = 0; p < 4; p++) {
            uint32_t first = load->seed[i][p] % 4, start = part_start(i, p);
            uint32_t stop = p == 3 ? length : part_start(i, p + 1), skip = start - part_start(i, first);
            rig_fill(data, skip + stop - start, load->seed[i][p] / 4);
            assert_memory_equal(back + start, data + skip, stop - start);
        }
    }
}

/* Passes time until cleaning has come to rest. */
static void rest(void)
{
    for (int i = 0; i < 60; i++)
        rig_pass(rig, 110 * NS_PER_MS);
}

static void workload(uint32_t chunks, uint32_t least, uint32_t most, uint32_t unit, uint32_t changes, double bound)
{
    double worst = 0;
    load->chunks = chunks;
    load->least = least;
    load->most = most;
    load->unit = unit;
    for (uint32_t i = 0; i < chunks; i++)
        assert_int_equal(chunk_new(i), 0);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < changes; i++) {
            change();
            if (i % 32 == 31) {
                rig_pass(rig, 110 * NS_PER_MS);
                if (i > changes / 4)
                    worst = used_by_live() > worst ? used_by_live() : worst;
            }
        }
        removals_done();
        rest();
        check_content();
        print_message("round %d: %.3f of live, at most %.3f\n", round, used_by_live(), worst);
        assert_true(used_by_live() <= bound);
        rig_crash(rig, 0, CRASH_RANDOM);
        rig_start(rig);
        rig_next_version(rig);
        check_content();
        assert_int_equal(rig_chunks(rig, 0), chunks);
    }
    assert_true(worst <= bound + 0.1);
}

static void small_chunks_take_little_more_than_their_bytes(void **state)
{
    (void)state;
    begin(5, 256 * KIB, 256 * MIB);
    workload(2500, 500, 30000, 1, 4000, 1.2);
    end();
}

static void large_chunks_take_little_more_than_their_bytes(void **state)
{
    (void)state;
    begin(6, 4 * MIB, 1024 * MIB);
    workload(160, 300 * 1024, 1024 * 1024, 4096, 500, 1.2);
    end();
}

static void chunks_of_any_kind_take_little_more_than_their_bytes(void **state)
{
    (void)state;
    begin(7, 1 * MIB, 1024 * MIB);
    workload(500, 1000, 500 * 1024, 512, 1200, 1.2);
    end();
}

/* A file of 32 MiB, of which blocks at random are then written over again and again, so that most of both is dead. */
static void write_over_in_blocks(void)
{
    for (uint32_t i = 0; i < 32; i++) {
        rig_fill(data, MIB, i);
        rig->n_answers = 0;
        assert_int_equal(rig_write(rig, 0, 1, 7, i * MIB, data, MIB), 0);
    }
    for (uint32_t i = 0; i < 8000; i++) { /* time stands still: nothing is cleaned yet */
        rig->n_answers = 0;
        assert_int_equal(rig_write(rig, 0, 1, 7, (uint32_t)rng_below(&rig->rng, 2000) * 4 * 4096, data, 4096), 0);
    }
    rig->punches = rig->unlinks = 0;
}

/* Making thousands of holes takes long, and so much more would die meanwhile. */
static void what_dies_elsewhere_does_not_wait_for_holes(void **state)
{
    (void)state;
    begin(8, 4 * MIB, 1024 * MIB);
    write_over_in_blocks();
    rig->now.mono += 110 * NS_PER_MS;
    rig_turn(rig, 0);
    while (rig->unlinks == 0 && rig_step(rig))
        ;
    assert_true(rig->unlinks > 0);
    assert_true(rig->punches < 200);
    rest();
    assert_true(rig->punches > 1000);
    assert_true(memdisk_used(rig->disks[0][0]) < 56 * MIB); /* with what is preallocated */
    end();
}

/* Scrub reads a segment slowly on purpose. */
static void what_dies_elsewhere_does_not_wait_for_scrub(void **state)
{
    (void)state;
    begin(9, 4 * MIB, 1024 * MIB);
    write_over_in_blocks();
    rest();
    for (int i = 0; i < 700 && !rig->ss[0]->stores[0].jobs[CLEAN_SCRUB]; i++)
        rig_pass(rig, 110 * NS_PER_MS);
    assert_non_null(rig->ss[0]->stores[0].jobs[CLEAN_SCRUB]);
    write_over_in_blocks();
    for (int i = 0; i < 2 && rig->unlinks == 0; i++) {
        rig->now.mono += 110 * NS_PER_MS;
        rig_turn(rig, 0);
        rig_run(rig);
    }
    assert_non_null(rig->ss[0]->stores[0].jobs[CLEAN_SCRUB]);
    assert_true(rig->unlinks > 0);
    rest();
    end();
}

/* Power cuts while jobs are in every possible state: what was acknowledged is there, what was deleted stays away. */
static void cleaning_may_be_cut_off_anywhere(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        begin(100 + seed, 128 * KIB, 256 * MIB);
        load->chunks = 60;
        load->least = 2000;
        load->most = seed % 2 ? 20000 : 150000;
        load->unit = 512;
        for (uint32_t i = 0; i < load->chunks; i++)
            assert_int_equal(chunk_new(i), 0);
        for (int round = 0; round < 4; round++) {
            for (uint32_t i = 0; i < 60; i++)
                change();
            removals_done();
            assert_int_equal(rig_chunks(rig, 0), load->chunks);
            rig->shuffle = true;
            for (uint32_t i = (uint32_t)rng_below(&rig->rng, 10); i-- > 0;)
                change();
            removals_done();
            for (uint32_t i = 0; i < 10; i++)
                assert_int_equal(write_parts((uint32_t)rng_below(&rig->rng, load->chunks), 0, 4), 0);
            rig->now.mono += 110 * NS_PER_MS;
            rig_turn(rig, 0);
            for (uint32_t i = (uint32_t)rng_below(&rig->rng, 60); i-- > 0 && rig_step(rig);)
                rig_turn(rig, 0);
            rig->shuffle = false;
            if (round % 2)
                rig_kill(rig, 0);
            else
                rig_crash(rig, 0, CRASH_RANDOM);
            rig_start(rig);
            rig_next_version(rig);
            assert_int_equal(rig_chunks(rig, 0), load->chunks);
            check_content();
        }
        end();
    }
}

/* A full server refuses writes, obeys deletions, compacts, and takes writes again by itself. */
static void a_full_server_recovers_by_itself(void **state)
{
    (void)state;
    for (uint32_t large = 0; large < 2; large++) {
        uint32_t n = 0;
        begin(9, large ? 4 * MIB : 128 * KIB, large ? 64 * MIB : 16 * MIB);
        load->unit = 1;
        load->least = load->most = large ? 300000 : 9000;
        int err = 0;
        while (n < CHUNKS && (err = chunk_new(n)) == 0)
            n++;
        assert_int_equal(err, DFS_ENOSPC);
        assert_true(n > (large ? 100 : 1200));
        load->chunks = n;
        check_content();
        assert_int_equal(chunk_new(n), DFS_ENOSPC);
        for (uint32_t i = 0; i < n; i += 2) /* every other one: no segment dies as a whole */
            order_removal(load->id[i]);
        removals_done();
        rest();
        rig_pass(rig, 10 * NS_PER_SEC);
        for (uint32_t i = 0; i < n * 3 / 4; i += 2)
            assert_int_equal(chunk_new(i), 0);
        for (uint32_t i = n * 3 / 4; i < n; i++)
            if (i % 2 == 0)
                load->length[i] = 0;
        for (uint32_t i = n; i-- > 0;) /* closes the gaps */
            if (load->length[i] == 0) {
                load->id[i] = load->id[--n];
                load->length[i] = load->length[n];
                memcpy(load->seed[i], load->seed[n], sizeof load->seed[i]);
            }
        load->chunks = n;
        check_content();
        rig_crash(rig, 0, CRASH_DROP_ALL);
        rig_start(rig);
        rig_next_version(rig);
        check_content();
        end();
    }
}

/* A write that was taken before it turned out that there is no segment for it is not here: its retry in the next version is not
 * answered as if it were. */
static void a_retry_of_what_found_no_space_is_written(void **state)
{
    (void)state;
    begin(13, 4 * MIB, 64 * MIB);
    rig_fill(data, sizeof data, 42);
    assert_int_equal(rig_write(rig, 0, 1, 1000, 0, data, 4096), 0);
    memdisk_fail(rig->disks[0][0], DISK_CREATE, 1, DFS_ENOSPC, true);
    uint32_t refused = rig_send_write(rig, 0, 1, 1000, 0, data, sizeof data, 11, 1); /* large ones have other segments */
    rig_run(rig);
    assert_int_equal(rig->answers[refused].status, DFS_ENOSPC);
    rig_agree(rig, 0, &(struct wire_task){.kind = TASK_FENCE, .chunk = 1000, .version = rig->version});
    rig_run(rig);
    rig_pass(rig, 100 * NS_PER_MS);
    assert_int_equal(rig->done[rig->n_done - 1].flags, RESULT_STEADY);
    rig_next_version(rig);
    for (int full = 1; full >= 0; full--) {
        uint32_t again = rig_send_write(rig, 0, 1, 1000, 0, data, sizeof data, 11, 1);
        rig_run(rig);
        assert_int_equal(rig->answers[again].status, full ? DFS_ENOSPC : 0);
        memdisk_fail(rig->disks[0][0], DISK_CREATE, 0, 0, false);
        rig_pass(rig, 2 * NS_PER_SEC);
    }
    assert_int_equal(rig_read(rig, 0, 1000, 0, sizeof data, back, NULL), 0);
    assert_memory_equal(back, data, sizeof data);
    end();
}

static void scrub_finds_what_has_rotted(void **state)
{
    (void)state;
    uint64_t size;
    begin(11, 128 * KIB, 64 * MIB);
    load->unit = 1;
    load->least = load->most = 5000;
    load->chunks = 60;
    for (uint32_t i = 0; i < load->chunks; i++)
        assert_int_equal(chunk_new(i), 0);
    rest();
    uint32_t logs = rig->logs;
    assert_non_null(memdisk_peek(rig->disks[0][0], "seg-0000000000000001.log", &size));
    assert_true(memdisk_flip(rig->disks[0][0], "seg-0000000000000001.log", 4096 + 3000, 1));
    rig_pass(rig, 200 * NS_PER_SEC); /* the next pass */
    assert_int_equal(rig->logs, logs + 1);
    assert_non_null(strstr(rig->last_log, "store.damaged chunk=1000"));
    assert_int_equal(rig->damaged, 1);                                           /* the NameServer heard of it, once */
    assert_int_equal(rig_read(rig, 0, 1000, 0, 5000, back, NULL), DFS_ECORRUPT); /* before anybody asked */
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_chunks_take_little_more_than_their_bytes),
        cmocka_unit_test(large_chunks_take_little_more_than_their_bytes),
        cmocka_unit_test(chunks_of_any_kind_take_little_more_than_their_bytes),
        cmocka_unit_test(what_dies_elsewhere_does_not_wait_for_holes),
        cmocka_unit_test(what_dies_elsewhere_does_not_wait_for_scrub),
        cmocka_unit_test(cleaning_may_be_cut_off_anywhere),
        cmocka_unit_test(a_full_server_recovers_by_itself),
        cmocka_unit_test(a_retry_of_what_found_no_space_is_written),
        cmocka_unit_test(scrub_finds_what_has_rotted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
