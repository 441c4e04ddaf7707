/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0)
            return false;
    }
    return true;
}

static void test_memory_is_zeroed_aligned_and_separate(void **state)
{
    struct arena a;
    uint8_t *p[200];

    (void)state;
    arena_init(&a, 1u << 20);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(p); i++) {
            p[i] = arena_alloc(&a, i, 3);
            assert_non_null(p[i]);
            assert_int_equal((uintptr_t)p[i] % 8, 0);
            assert_true(all_zero(p[i], i * 3));
            memset(p[i], (int)i, i * 3);
        }
        for (size_t i = 1; i < ARRAY_LEN(p); i++) {
            assert_int_equal(p[i][0], i);
            assert_int_equal(p[i][i * 3 - 1], i);
        }
        arena_reset(&a);
        assert_int_equal(a.used, 0);
    }
    arena_close(&a);
}

static void test_the_limit_holds(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 1000);
    assert_non_null(arena_alloc(&a, 125, 8));
    assert_null(arena_alloc(&a, 1, 1));
    assert_non_null(arena_alloc(&a, 0, 8));
    arena_reset(&a);
    assert_null(arena_alloc(&a, 1001, 1));
    assert_null(arena_alloc(&a, SIZE_MAX / 2, 4));
    assert_null(arena_alloc(&a, SIZE_MAX, 1));
    assert_non_null(arena_alloc(&a, 1000, 1));
    arena_close(&a);
}

static void test_a_reset_does_not_keep_a_huge_block(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 1u << 24);
    assert_non_null(arena_alloc(&a, 1, 1u << 22));
    arena_reset(&a);
    assert_null(a.blocks);
    arena_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_zeroed_aligned_and_separate),
        cmocka_unit_test(test_the_limit_holds),
        cmocka_unit_test(test_a_reset_does_not_keep_a_huge_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
