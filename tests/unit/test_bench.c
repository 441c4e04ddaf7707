/* SPDX-License-Identifier: MIT */
/* The two parts of dfs-bench that could lie without anyone noticing: its percentiles and its check of data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* A program's sources are in no library: taken in as they are. */
#include "../../apps/bench/histogram.c"
#include "../../apps/bench/pattern.c"

static void assert_near(uint64_t got, uint64_t want)
{
    assert_true(got >= want);
    assert_true(got <= want + want / HISTOGRAM_SUB);
}

static void percentiles_are_right_to_three_percent(void **state)
{
    (void)state;
    struct histogram *h = xcalloc(1, sizeof *h);
    assert_int_equal(histogram_percentile(h, 0.5), 0);
    for (uint64_t i = 1; i <= 100000; i++)
        histogram_add(h, i * 1000);
    assert_near(histogram_percentile(h, 0.5), 50000000);
    assert_near(histogram_percentile(h, 0.99), 99000000);
    assert_near(histogram_percentile(h, 0.999), 99900000);
    assert_int_equal(histogram_percentile(h, 1.0), 100000000);
    free(h);
}

static void one_slow_operation_shows_in_the_tail_only(void **state)
{
    (void)state;
    struct histogram *h = xcalloc(1, sizeof *h);
    for (int i = 0; i < 999; i++)
        histogram_add(h, 10);
    histogram_add(h, 5000000);
    assert_int_equal(histogram_percentile(h, 0.5), 10);
    assert_int_equal(histogram_percentile(h, 0.999), 10);
    assert_int_equal(histogram_percentile(h, 1.0), 5000000);
    free(h);
}

static void every_value_has_a_bucket_that_holds_it(void **state)
{
    (void)state;
    uint32_t last = 0;
    for (uint64_t v = 0; v < 100000; v++) {
        uint32_t bucket = bucket_of(v);
        assert_true(bucket == last || bucket == last + 1);
        assert_true(v <= bucket_top(bucket));
        last = bucket;
    }
    assert_true(bucket_of(UINT64_MAX) < HISTOGRAM_BUCKETS);
    assert_true(bucket_top(bucket_of(UINT64_MAX)) == UINT64_MAX);
}

static void a_pattern_is_the_same_in_any_split(void **state)
{
    (void)state;
    uint8_t whole[512], part[512];
    uint64_t seed = pattern_seed(512, 7);
    pattern_fill(seed, 1000, whole, sizeof whole);
    for (size_t cut = 0; cut <= sizeof whole; cut++) {
        pattern_fill(seed, 1000, part, cut);
        pattern_fill(seed, 1000 + cut, part + cut, sizeof part - cut);
        assert_memory_equal(whole, part, sizeof whole);
        assert_int_equal(pattern_check(seed, 1000 + cut, whole + cut, sizeof whole - cut), sizeof whole - cut);
    }
}

static void a_wrong_bit_is_found_where_it_is(void **state)
{
    (void)state;
    uint8_t data[67];
    uint64_t seed = pattern_seed(67, 1);
    pattern_fill(seed, 3, data, sizeof data);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] ^= 0x10;
        assert_int_equal(pattern_check(seed, 3, data, sizeof data), i);
        data[i] ^= 0x10;
    }
    assert_int_equal(pattern_check(seed, 3, data, sizeof data), sizeof data);
}

static void data_of_another_file_or_place_is_noticed(void **state)
{
    (void)state;
    uint8_t data[4096];
    uint64_t seed = pattern_seed(8192, 1);
    pattern_fill(seed, 0, data, sizeof data);
    assert_true(pattern_check(seed, 4096, data, sizeof data) < sizeof data);
    assert_true(pattern_check(pattern_seed(8192, 2), 0, data, sizeof data) < sizeof data);
    assert_true(pattern_check(pattern_seed(4096, 1), 0, data, sizeof data) < sizeof data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_right_to_three_percent),
        cmocka_unit_test(one_slow_operation_shows_in_the_tail_only),
        cmocka_unit_test(every_value_has_a_bucket_that_holds_it),
        cmocka_unit_test(a_pattern_is_the_same_in_any_split),
        cmocka_unit_test(a_wrong_bit_is_found_where_it_is),
        cmocka_unit_test(data_of_another_file_or_place_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
