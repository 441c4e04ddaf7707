/* SPDX-License-Identifier: MIT */
/* Words of the command line: modes, times, sizes and ages with signs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* A program's sources are in no library: taken in as they are. */
#include "../../apps/dfs/parse.c"

static void assert_mode(const char *s, uint32_t from, bool dir, uint32_t want)
{
    uint32_t got = 0;
    assert_true(parse_mode(s, from, dir, &got));
    assert_int_equal(got, want);
}

static void modes_are_what_chmod_makes_of_them(void **state)
{
    (void)state;
    assert_mode("644", 0, false, 0644);
    assert_mode("7777", 0, false, 07777);
    assert_mode("u+x", 0644, false, 0744);
    assert_mode("go-w", 0666, false, 0644);
    assert_mode("a=r", 04755, false, 04444);
    assert_mode("u=rw,g=r,o=", 0777, false, 0640);
    assert_mode("+X", 0644, false, 0644);
    assert_mode("+X", 0644, true, 0755);
    assert_mode("u+s,+t", 0755, false, 05755);
}

static void what_is_no_mode_is_refused(void **state)
{
    static const char *const none[] = {"", "8", "77777", "u", "u+q", "u+x,", "-1", "rw", "0644x", "u+x g+x"};
    uint32_t got;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_false(parse_mode(none[i], 0644, false, &got));
}

static void times_are_read_in_their_forms(void **state)
{
    int64_t ns = 0;
    (void)state;
    assert_true(parse_time("@1700000000", &ns));
    assert_int_equal(ns, 1700000000LL * 1000000000);
    assert_true(parse_time("@-1", &ns));
    assert_int_equal(ns, -1000000000);
    assert_true(parse_time("2024-02-03T04:05:06Z", &ns));
    assert_int_equal(ns, 1706933106LL * 1000000000);
    setenv("TZ", "XXX-2", 1); /* two hours east */
    tzset();
    assert_true(parse_time("2024-02-03 06:05:06", &ns));
    assert_int_equal(ns, 1706933106LL * 1000000000);
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const none[] = {
        "",          "@", "@x", "@99999999999999999999", "@9223372036854775807", "yesterday", "2024-02-03T04:05:06Zulu",
        "2024-13-01"};
    int64_t ns;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_false(parse_time(none[i], &ns));
}

static void sizes_and_ages_have_signs(void **state)
{
    char sign;
    uint64_t n;
    (void)state;
    assert_true(parse_signed_size("+10k", &sign, &n) && sign == '+' && n == 10240);
    assert_true(parse_signed_size("-3c", &sign, &n) && sign == '-' && n == 3);
    assert_true(parse_signed_size("7", &sign, &n) && sign == 0 && n == 7);
    assert_true(parse_signed_duration("+2", 86400 * NS_PER_SEC, &sign, &n) && sign == '+' &&
                n == 2 * 86400 * NS_PER_SEC);
    assert_true(parse_signed_duration("-90m", 86400 * NS_PER_SEC, &sign, &n) && sign == '-' && n == 5400 * NS_PER_SEC);
    assert_false(parse_signed_size("", &sign, &n));
    assert_false(parse_signed_size("+", &sign, &n));
    assert_false(parse_signed_size("c", &sign, &n));
    assert_false(parse_signed_size("--1", &sign, &n));
    assert_false(parse_signed_size("99999999999999999999", &sign, &n));
    assert_false(parse_signed_duration("9999999999999", 86400 * NS_PER_SEC, &sign, &n));
    assert_false(parse_signed_duration("1y", 1, &sign, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_are_what_chmod_makes_of_them), cmocka_unit_test(what_is_no_mode_is_refused),
        cmocka_unit_test(times_are_read_in_their_forms),      cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(sizes_and_ages_have_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
