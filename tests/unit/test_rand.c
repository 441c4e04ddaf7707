/* SPDX-License-Identifier: MIT */
/* The same seed gives the same numbers, everywhere and for ever: failures are replayed from printed seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rand.h"

static void test_a_seed_fixes_the_sequence(void **state)
{
    struct rng a, b;

    (void)state;
    rng_seed(&a, 42);
    rng_seed(&b, 42);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_next(&a) == rng_next(&b));
    rng_seed(&b, 43);
    assert_true(rng_next(&a) != rng_next(&b));
}

/* The first outputs for the state 1, 2, 3, 4, worked out from the published algorithm. */
static void test_it_is_xoshiro256starstar(void **state)
{
    struct rng r = {{1, 2, 3, 4}};

    (void)state;
    assert_true(rng_next(&r) == 11520);
    assert_true(rng_next(&r) == 0);
    assert_true(rng_next(&r) == 1509978240);
    assert_true(rng_next(&r) == 1215971899390074240u);
}

static void test_below_stays_below_and_reaches_all(void **state)
{
    struct rng r;
    unsigned seen[7] = {0};

    (void)state;
    rng_seed(&r, 1);
    for (int i = 0; i < 7000; i++)
        seen[rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 800, 1200);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_below(&r, 1), 0);
    assert_false(rng_chance(&r, 0));
    assert_true(rng_chance(&r, 1000));
}

/* Nearly half of all numbers would make the small remainders likelier here, and are passed over. */
static void test_below_is_fair(void **state)
{
    const uint64_t n = (1ULL << 63) + 1, unfair = (1ULL << 63) - 1;
    struct rng a, b;

    (void)state;
    rng_seed(&a, 7);
    rng_seed(&b, 7);
    for (int i = 0; i < 1000; i++) {
        uint64_t x = rng_next(&b);
        while (x < unfair)
            x = rng_next(&b);
        assert_true(rng_below(&a, n) == x % n);
    }
}

static void test_entropy_differs(void **state)
{
    uint64_t a[4] = {0}, b[4] = {0};

    (void)state;
    assert_int_equal(entropy_get(a, sizeof a), 0);
    assert_int_equal(entropy_get(b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seed_fixes_the_sequence),
        cmocka_unit_test(test_it_is_xoshiro256starstar),
        cmocka_unit_test(test_below_stays_below_and_reaches_all),
        cmocka_unit_test(test_below_is_fair),
        cmocka_unit_test(test_entropy_differs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
