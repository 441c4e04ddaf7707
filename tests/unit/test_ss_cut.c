/* SPDX-License-Identifier: MIT */
/* Chunks written anywhere, truncated and punched: what was cut away stays away, whatever restarts, compacts or is sent
 * again in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/impl.h"
#include "support/ss_rig.h"

enum { SIZE = 150000, CHUNKS = 6 };

static struct rig *rig;
static uint8_t data[SIZE], back[SIZE];
static const uint8_t zeros[SIZE];

/* What a chunk must hold. */
struct model {
    uint8_t bytes[SIZE];
    uint32_t length;
};
static struct model *models;

static int setup(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    models = calloc(CHUNKS, sizeof *models);
    rig_init(rig, 1, 3, 1, 1024 * MIB);
    rig_fill(data, sizeof data, 42);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(rig);
    free(rig);
    free(models);
    return 0;
}

static void restart(bool rebuild)
{
    for (uint32_t i = 0; i < rig->n_servers; i++)
        rig_crash(rig, i, CRASH_DROP_ALL);
    rig->rebuild = rebuild;
    rig_start(rig);
    rig_next_version(rig);
}

static void expect_zeros(uint32_t server, uint64_t chunk, uint32_t from, uint32_t to)
{
    assert_int_equal(rig_read(rig, server, chunk, from, to - from, back, NULL), 0);
    assert_memory_equal(back, zeros, to - from);
}

static void a_truncated_chunk_shows_no_old_bytes(void **state)
{
    (void)state;
    uint32_t length;
    rig_start(rig);
    for (uint32_t large = 0; large < 2; large++) {
        uint64_t id = 7 + large;
        uint32_t size = large ? 140000 : 20000;
        assert_int_equal(rig_write(rig, 0, 2, id, 0, data, size), 0);
        assert_int_equal(rig_truncate(rig, 0, 2, id, 5001), 0);
        assert_int_equal(rig_read(rig, 1, id, 0, size, back, &length), 0);
        assert_int_equal(length, 5001);
        assert_int_equal(rig_truncate(rig, 0, 2, id, size), 0); /* longer again */
        for (int round = 0; round < 3; round++) {
            for (uint32_t s = 0; s < 2; s++) {
                assert_int_equal(rig_read(rig, s, id, 0, size, back, &length), 0);
                assert_int_equal(length, size);
                assert_memory_equal(back, data, 5001);
                assert_memory_equal(back + 5001, zeros, size - 5001);
                expect_zeros(s, id, 5001, size);
                expect_zeros(s, id, 5001, 5002); /* in the block with what is left */
            }
            restart(round == 1);
        }
    }
    assert_int_equal(rig_truncate(rig, 0, 2, 9, 3000), 0); /* a chunk that is all hole */
    assert_int_equal(rig_truncate(rig, 0, 2, 8, 0), 0);
    restart(true);
    assert_int_equal(rig_read(rig, 1, 9, 0, 10, back, &length), 0);
    assert_int_equal(length, 3000);
    assert_int_equal(rig_read(rig, 1, 8, 0, 10, back, &length), 0);
    assert_int_equal(length, 0);
}

static void a_punched_range_reads_as_zeros_and_keeps_the_length(void **state)
{
    (void)state;
    uint32_t length;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 2, 7, 0, data, 100000), 0);
    assert_int_equal(rig_punch(rig, 0, 2, 7, 4000, 300), 0);       /* over a block's end */
    assert_int_equal(rig_punch(rig, 0, 2, 7, 50000, 1u << 29), 0); /* over the chunk's */
    assert_int_equal(rig_punch(rig, 0, 2, 7, 100000, 50), 0);      /* behind it */
    assert_int_equal(rig_punch(rig, 0, 2, 8, 0, 50), 0);           /* of what nobody has */
    assert_int_equal(rig_write(rig, 0, 2, 7, 4100, data, 10), 0);
    for (int round = 0; round < 3; round++) {
        for (uint32_t s = 0; s < 2; s++) {
            assert_int_equal(rig_read(rig, s, 7, 0, 100000, back, &length), 0);
            assert_int_equal(length, 100000);
            assert_memory_equal(back, data, 4000);
            assert_memory_equal(back + 4000, zeros, 100);
            assert_memory_equal(back + 50000, zeros, 50000);
            assert_memory_equal(back + 4100, data, 10);
            assert_memory_equal(back + 4300, data + 4300, 50000 - 4300);
            expect_zeros(s, 7, 4000, 4100);
            expect_zeros(s, 7, 4110, 4300);
            expect_zeros(s, 7, 50000, 100000);
            assert_int_equal(rig_read(rig, s, 8, 0, 1, back, NULL), DFS_ENOCHUNK);
        }
        restart(round == 1);
    }
}

static void expect_runs(uint32_t server, uint32_t offset, uint32_t len, const uint32_t (*runs)[2], uint32_t n)
{
    const struct rig_answer *a = rig_map(rig, server, 7, offset, len);
    assert_int_equal(a->status, 0);
    assert_int_equal(a->n_runs, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(a->runs[i].offset, runs[i][0]);
        assert_int_equal(a->runs[i].length, runs[i][1]);
    }
}

/* Two runs at most: more is not needed to find the next byte of data, or the next hole. */
static void where_data_is_can_be_asked(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 2, 7, 1000, data, 1000), 0);
    assert_int_equal(rig_write(rig, 0, 2, 7, 2000, data, 3000), 0); /* goes on: one run of two records */
    assert_int_equal(rig_write(rig, 0, 2, 7, 90000, data, 10000), 0);
    assert_int_equal(rig_punch(rig, 0, 2, 7, 92000, 100), 0);
    for (int round = 0; round < 2; round++) {
        for (uint32_t s = 0; s < 2; s++) {
            expect_runs(s, 0, 200000, (const uint32_t[][2]){{1000, 4000}, {90000, 2000}}, 2);
            expect_runs(s, 1500, 1000, (const uint32_t[][2]){{1500, 1000}}, 1);
            expect_runs(s, 5000, 85000, NULL, 0);
            expect_runs(s, 91999, 200000, (const uint32_t[][2]){{91999, 1}, {92100, 7900}}, 2);
            expect_runs(s, 100000, 1u << 20, NULL, 0);
        }
        restart(round == 1);
    }
    assert_int_equal(rig_truncate(rig, 0, 2, 7, 95000), 0);
    assert_int_equal(rig_write(rig, 0, 2, 7, 96000, data, 100), 0);
    expect_runs(0, 94999, 200000, (const uint32_t[][2]){{94999, 1}, {96000, 100}}, 2);
    assert_int_equal(rig_map(rig, 0, 8, 0, 1)->status, DFS_ENOCHUNK);
}

/* The same number again, after somebody else's write: it took effect once. */
static void a_repeated_truncate_takes_effect_once(void **state)
{
    (void)state;
    uint32_t length;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 2, 7, 0, data, 20000), 0);
    uint32_t cut = rig_send_cut(rig, 0, 2, 7, WRITE_TRUNCATE, 1000, 0, 11, 1);
    uint32_t again = rig_send_cut(rig, 0, 2, 7, WRITE_TRUNCATE, 1000, 0, 11, 1);
    rig_run(rig);
    uint32_t other = rig_send_write(rig, 0, 2, 7, 900, data, 200, 12, 1);
    rig_run(rig);
    uint32_t punch = rig_send_cut(rig, 0, 2, 7, WRITE_PUNCH, 1050, 100000, 11, 2);
    rig_run(rig);
    assert_int_equal(rig_write(rig, 0, 2, 7, 1050, data, 10), 0);
    for (int round = 0; round < 2; round++) {
        uint32_t late = rig_send_cut(rig, 0, round ? 1 : 2, 7, WRITE_TRUNCATE, 1000, 0, 11, 1);
        uint32_t late_punch = rig_send_cut(rig, 0, round ? 1 : 2, 7, WRITE_PUNCH, 1050, 100000, 11, 2);
        rig_run(rig);
        assert_int_equal(rig->answers[cut].sequence, 2);
        assert_int_equal(rig->answers[again].sequence, 2);
        assert_int_equal(rig->answers[other].sequence, 3);
        assert_int_equal(rig->answers[punch].sequence, 4);
        assert_int_equal(rig->answers[late].sequence, 2);
        assert_int_equal(rig->answers[late_punch].sequence, 4);
        assert_int_equal(rig_read(rig, 0, 7, 0, 20000, back, &length), 0);
        assert_int_equal(length, 1100);
        assert_memory_equal(back + 1050, data, 10);
        restart(false);
    }
}

/* Durable on every member before it is acknowledged; nothing shows before. */
static void a_truncate_goes_down_the_chain(void **state)
{
    (void)state;
    uint32_t length;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 3, 7, 0, data, 20000), 0);
    uint32_t cut = rig_send_cut(rig, 0, 3, 7, WRITE_TRUNCATE, 1000, 0, 11, 1);
    rig_step(rig);
    struct rig_mail held = rig->mail[--rig->n_mail]; /* the forward hangs */
    rig_run(rig);
    assert_false(rig->answers[cut].done);
    assert_int_equal(rig_read(rig, 0, 7, 0, 10, back, &length), 0);
    assert_int_equal(length, 20000);
    rig->mail[rig->n_mail++] = held;
    rig_run(rig);
    assert_true(rig->answers[cut].done && rig->answers[cut].status == 0);
    for (uint32_t s = 0; s < 3; s++) {
        rig_crash(rig, s, CRASH_DROP_ALL);
        rig_start(rig);
        assert_int_equal(rig_read(rig, s, 7, 0, 10, back, &length), 0);
        assert_int_equal(length, 1000);
    }
    rig_next_version(rig);
    rig->cut[2] = true;
    assert_int_equal(rig_truncate(rig, 0, 3, 7, 500), DFS_EUNREACH);
    assert_int_equal(rig_write(rig, 0, 3, 7, 0, data, 10), DFS_ESTALE); /* the copies may differ */
}

static void bad_cuts_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind;
        uint32_t offset, length;
    } bad[] = {{WRITE_TRUNCATE, 0, 5},
               {WRITE_TRUNCATE, CHUNK_LIMIT + 1, 0},
               {WRITE_PUNCH, 0, 0},
               {WRITE_PUNCH, CHUNK_LIMIT, 1},
               {WRITE_PUNCH, 5, UINT32_MAX},
               {WRITE_DATA, 0, 5},
               {3, 0, 5},
               {255, 0, 0}};
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 7, 0, data, 4096), 0);
    for (uint32_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint32_t request = rig_send_cut(rig, 0, 1, 7, bad[i].kind, bad[i].offset, bad[i].length, 0, 0);
        rig_run(rig);
        assert_int_equal(rig->answers[request].status, DFS_EINVAL);
    }
    assert_int_equal(rig_truncate(rig, 0, 1, 7, CHUNK_LIMIT), 0);
    assert_int_equal(rig_truncate(rig, 0, 1, 7, 4096), 0);
    assert_int_equal(rig_read(rig, 0, 7, 0, 4096, back, NULL), 0);
    assert_memory_equal(back, data, 4096);
}

/* --- against a model --- */

static void model_write(struct model *m, uint32_t off, const uint8_t *p, uint32_t len)
{
    memcpy(m->bytes + off, p, len);
    m->length = off + len > m->length ? off + len : m->length;
}

static void model_cut(struct model *m, uint32_t length)
{
    if (length < m->length)
        memset(m->bytes + length, 0, m->length - length);
    m->length = length;
}

static void change(uint32_t step)
{
    static uint8_t fresh[SIZE];
    uint32_t i = (uint32_t)rng_below(&rig->rng, CHUNKS), what = (uint32_t)rng_below(&rig->rng, 10);
    struct model *m = &models[i];
    uint32_t len = 1 + (uint32_t)rng_below(&rig->rng, rng_below(&rig->rng, 8) ? 6000 : 90000);
    uint32_t off = (uint32_t)rng_below(&rig->rng, SIZE - len);
    rig->n_answers = 0;
    if (what < 6) {
        rig_fill(fresh, len, step * 1000003ULL);
        off = what < 2 && m->length + len <= SIZE ? m->length : off; /* an append, sometimes */
        assert_int_equal(rig_write(rig, 0, 2, 100 + i, off, fresh, len), 0);
        model_write(m, off, fresh, len);
    } else if (what < 8) {
        assert_int_equal(rig_truncate(rig, 0, 2, 100 + i, off), 0);
        model_cut(m, off);
    } else {
        uint32_t end = off + len < m->length ? off + len : m->length;
        assert_int_equal(rig_punch(rig, 0, 2, 100 + i, off, len), 0);
        if (off < end)
            memset(m->bytes + off, 0, end - off);
    }
}

static void check_models(void)
{
    for (uint32_t i = 0; i < CHUNKS; i++)
        for (uint32_t s = 0; s < 2; s++) {
            uint32_t length, from = (uint32_t)rng_below(&rig->rng, SIZE);
            uint32_t n = 1 + (uint32_t)rng_below(&rig->rng, SIZE - from);
            rig->n_answers = 0;
            int err = rig_read(rig, s, 100 + i, 0, SIZE, back, &length);
            if (err == DFS_ENOCHUNK && models[i].length == 0)
                continue;
            assert_int_equal(err, 0);
            assert_int_equal(length, models[i].length);
            assert_memory_equal(back, models[i].bytes, SIZE);
            assert_int_equal(rig_read(rig, s, 100 + i, from, n, back, NULL), 0); /* and a part of it */
            assert_memory_equal(back, models[i].bytes + from, n);
        }
}

/* The index as it is against one made of the records alone, extent for extent. */
static void check_rebuilt(void)
{
    for (uint32_t s = 0; s < 2; s++) {
        struct ss *made;
        char why[256];
        assert_int_equal(ss_look(rig->disks[s][0], &made, why, sizeof why), 0);
        assert_int_equal(made->index.n, rig->ss[s]->index.n);
        for (uint32_t i = 0; i < CHUNKS; i++) {
            const struct chunk *x = index_find(&rig->ss[s]->index, 100 + i), *y = index_find(&made->index, 100 + i);
            assert_int_equal(x != NULL, y != NULL);
            if (!x)
                continue;
            assert_true(order_of(x->version, x->sequence) == order_of(y->version, y->sequence));
            assert_int_equal(x->n, y->n);
            for (uint32_t k = 0; k < x->n; k++) {
                struct extent a = chunk_extent(x, k), b = chunk_extent(y, k);
                assert_true(a.off == b.off && a.len == b.len && a.hole == b.hole && a.order == b.order);
            }
        }
        ss_close(made);
    }
}

static void any_changes_give_the_models_bytes(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++) {
        rig_close(rig);
        rig_init(rig, seed, 2, 1, 1024 * MIB);
        memset(models, 0, CHUNKS * sizeof *models);
        rig_start(rig);
        for (uint32_t step = 1; step <= 600; step++) {
            change(step);
            if (step % 8 == 0)
                rig_pass(rig, 110 * NS_PER_MS); /* compaction, punching and scrub go on meanwhile */
            if (step % 50 == 0)
                check_models();
            if (step % 100 == 50)
                check_rebuilt();
            if (step % 100 == 0) {
                restart(step % 200 == 0);
                check_models();
            }
        }
        assert_int_equal(rig->logs, 0);
    }
}

/* All but the truncate is dead and its segment is compacted, again and again: what it cut away never comes back from the
 * older segment. */
static void compaction_keeps_a_truncate(void **state)
{
    (void)state;
    uint32_t length;
    rig->segment_size = 256 * KIB;
    rig_start(rig);
    for (uint32_t i = 0; i < 60; i++) /* the first segment: mostly alive */
        assert_int_equal(rig_write(rig, 0, 1, 100 + i, 0, data + i, 4000), 0);
    assert_int_equal(rig_write(rig, 0, 1, 7, 0, data, 4000), 0);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 50; i++)
            assert_int_equal(rig_write(rig, 0, 1, 8, 0, data, 4000), 0);
        if (round == 0)
            assert_int_equal(rig_truncate(rig, 0, 1, 7, 10), 0);
        for (uint32_t i = 0; i < 100; i++) /* the rest of that segment, and the next: dead */
            assert_int_equal(rig_write(rig, 0, 1, 8, 0, data, 4000), 0);
        for (int i = 0; i < 60; i++)
            rig_pass(rig, 110 * NS_PER_MS);
        restart(round != 1);
        assert_int_equal(rig_read(rig, 0, 7, 0, 4000, back, &length), 0);
        assert_int_equal(length, 10);
        assert_memory_equal(back, data, 10);
        expect_zeros(0, 7, 10, 4000);
    }
    uint64_t size;
    assert_non_null(memdisk_peek(rig->disks[0][0], "seg-0000000000000001.log", &size)); /* that with the old bytes */
    assert_null(memdisk_peek(rig->disks[0][0], "seg-0000000000000002.log", &size)); /* that with the truncate is gone */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_truncated_chunk_shows_no_old_bytes), T(a_punched_range_reads_as_zeros_and_keeps_the_length),
        T(where_data_is_can_be_asked),           T(a_repeated_truncate_takes_effect_once),
        T(a_truncate_goes_down_the_chain),       T(bad_cuts_are_refused),
        T(any_changes_give_the_models_bytes),    T(compaction_keeps_a_truncate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
