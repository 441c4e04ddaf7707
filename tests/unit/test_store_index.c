/* SPDX-License-Identifier: MIT */
/* The index against plain arrays: chunks come and go, records arrive in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "store/index.h"

enum { SEGMENTS = 8, SIZE = 3000 };

struct counts {
    int extents[SEGMENTS];
    int64_t bytes[SEGMENTS];
};

static void on_live(void *arg, uint32_t segment, int extents, int64_t bytes)
{
    struct counts *c = arg;
    c->extents[segment] += extents;
    c->bytes[segment] += bytes;
}

static void chunks_come_and_go(void **state)
{
    (void)state;
    enum { IDS = 5000 };
    static bool held[IDS];
    struct index ix;
    struct rng rng;
    uint32_t n = 0;
    rng_seed(&rng, 1);
    index_init(&ix, &(struct index_hooks){0});
    for (uint32_t step = 0; step < 100000; step++) {
        uint64_t id = rng_below(&rng, IDS);
        struct chunk *c = index_find(&ix, id);
        assert_int_equal(c != NULL, held[id]);
        if (c) {
            assert_int_equal(c->id, id);
            index_remove(&ix, c);
        } else {
            assert_int_equal(index_add(&ix, id, step + 1, 1, 0)->id, id);
        }
        held[id] = !held[id];
        n += held[id] ? 1 : -1u;
        assert_int_equal(ix.n, n);
    }
    uint32_t at = 0, seen = 0;
    while (index_next(&ix, &at))
        seen++;
    assert_int_equal(seen, n);
    index_close(&ix);
}

/* A chunk as a plain array: which record (its order) owns each byte. */
static void check_against(const struct chunk *c, const uint64_t *owner, const struct counts *counts)
{
    static uint64_t found[SIZE];
    struct counts sum = {0};
    uint32_t end = 0;
    memset(found, 0, sizeof found);
    for (uint32_t i = 0; i < c->n; i++) {
        struct extent e = chunk_extent(c, i);
        assert_true(e.len > 0 && e.off >= end); /* sorted, no overlap */
        assert_true(e.off >= e.rec_off && e.off + e.len <= e.rec_off + e.rec_len);
        end = e.off + e.len;
        for (uint32_t k = e.off; k < end; k++)
            found[k] = e.order;
        sum.extents[e.segment]++;
        sum.bytes[e.segment] += e.len;
    }
    assert_memory_equal(found, owner, sizeof found);
    assert_memory_equal(&sum, counts, sizeof sum);
    assert_int_equal(chunk_length(c), end);
}

static void the_newest_record_owns_each_byte_whatever_the_order(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        static uint64_t owner[SIZE];
        struct counts counts = {0};
        struct index ix;
        struct rng rng;
        uint32_t touched = 0;
        rng_seed(&rng, round);
        memset(owner, 0, sizeof owner);
        index_init(&ix, &(struct index_hooks){.live = on_live, .arg = &counts});
        struct chunk *c = index_add(&ix, 1, 1, 1, 0);
        uint64_t top = 0;
        for (uint32_t i = 0; i < 40; i++) {
            uint32_t len = 1 + (uint32_t)rng_below(&rng, 600), off = (uint32_t)rng_below(&rng, SIZE - len);
            struct extent e = {
                .rec_off = off,
                .rec_len = len,
                .segment = (uint32_t)rng_below(&rng, SEGMENTS),
                .position = i,
                .order = order_of(1 + (uint32_t)rng_below(&rng, 2), round % 2 ? i + 1 : 1 + rng_below(&rng, 1000000))};
            for (uint32_t k = off; k < off + len; k++)
                owner[k] = owner[k] > e.order ? owner[k] : e.order;
            index_insert(&ix, c, &e);
            touched |= 1u << e.segment;
            top = e.order > top ? e.order : top;
            check_against(c, owner, &counts);
        }
        assert_int_equal(order_of(c->version, c->sequence), top);
        const uint32_t *v;
        uint32_t n = chunk_segments(c, &v), listed = 0;
        for (uint32_t i = 0; i < n; i++)
            listed |= 1u << v[i];
        assert_int_equal(listed, touched);
        for (uint32_t off = 0; off < SIZE; off += 97) {
            uint32_t i = chunk_extent_at(c, off);
            assert_true(i == c->n || chunk_extent(c, i).off + chunk_extent(c, i).len > off);
            assert_true(i == 0 || chunk_extent(c, i - 1).off + chunk_extent(c, i - 1).len <= off);
        }
        index_remove(&ix, c);
        for (int s = 0; s < SEGMENTS; s++)
            assert_true(counts.extents[s] == 0 && counts.bytes[s] == 0);
        index_close(&ix);
    }
}

static void a_chunk_of_one_extent_takes_at_most_64_bytes(void **state)
{
    (void)state;
    struct index ix;
    index_init(&ix, &(struct index_hooks){0});
    for (uint32_t i = 0; i < 100000; i++) {
        struct chunk *c = index_add(&ix, i * 7919ULL, 1, 1, 0);
        index_insert(&ix, c, &(struct extent){.rec_len = 4096, .segment = 1, .position = i, .order = order_of(1, 1)});
        if (i > 10000)
            assert_true(index_memory(&ix) <= 64 * (uint64_t)ix.n);
    }
    index_close(&ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_come_and_go),
        cmocka_unit_test(the_newest_record_owns_each_byte_whatever_the_order),
        cmocka_unit_test(a_chunk_of_one_extent_takes_at_most_64_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
