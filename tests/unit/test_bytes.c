/* SPDX-License-Identifier: MIT */
/* A byte string never grows past its maximum, and an addition that fails changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

static void test_it_grows_up_to_its_maximum(void **state)
{
    struct bytes b;

    (void)state;
    bytes_init(&b, 1000);
    assert_null(b.p);
    for (int i = 0; i < 100; i++)
        assert_int_equal(bytes_add(&b, "0123456789", 10), 0);
    assert_int_equal(b.len, 1000);
    assert_true(b.cap <= 1000);
    assert_int_equal(bytes_add(&b, "x", 1), DFS_ETOOBIG);
    assert_int_equal(bytes_add(&b, "", 0), 0);
    assert_null(bytes_reserve(&b, SIZE_MAX));
    assert_int_equal(b.len, 1000);
    assert_memory_equal(b.p + 990, "0123456789", 10);
    bytes_close(&b);
    assert_int_equal(b.max, 1000);
}

static void test_printf_fits_exactly_or_not_at_all(void **state)
{
    struct bytes b;

    (void)state;
    bytes_init(&b, 8);
    assert_int_equal(bytes_printf(&b, "%d", 12345), 0);
    assert_int_equal(bytes_printf(&b, "%s", "toolong"), DFS_ETOOBIG);
    assert_int_equal(b.len, 5);
    assert_int_equal(bytes_printf(&b, "%s", "678"), 0);
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.p, "12345678", 8);
    assert_int_equal(bytes_printf(&b, "%s", ""), 0);
    bytes_close(&b);
}

static void test_strings_compare_bytewise(void **state)
{
    (void)state;
    assert_true(str_eq(STR("abc"), str_of("abc")));
    assert_false(str_eq(STR("abc"), STR("abd")));
    assert_true(str_eq(STR(""), (struct str){NULL, 0}));
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("b"), STR("ab")) > 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR("x"), STR("x")), 0);
    assert_int_equal(str_cmp((struct str){NULL, 0}, STR("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_grows_up_to_its_maximum),
        cmocka_unit_test(test_printf_fits_exactly_or_not_at_all),
        cmocka_unit_test(test_strings_compare_bytewise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
