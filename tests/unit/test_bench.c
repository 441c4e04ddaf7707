/* SPDX-License-Identifier: MIT */
/* The parts of dfs-bench that could lie without anyone noticing: its percentiles, its check of data, its verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* A program's sources are in no library: taken in as they are. */
#include "../../apps/bench/histogram.c"
#include "../../apps/bench/jsonread.c"
#include "../../apps/bench/pattern.c"
#include "../../apps/bench/stats.c"

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

static void rounds_are_merged_as_if_they_were_one(void **state)
{
    (void)state;
    struct histogram *h = xcalloc(3, sizeof *h);
    for (uint64_t i = 1; i <= 1000; i++) {
        histogram_add(&h[i % 2], i * 997);
        histogram_add(&h[2], i * 997);
    }
    histogram_merge(&h[0], &h[1]);
    assert_memory_equal(&h[0], &h[2], sizeof *h);
    free(h);
}

static enum verdict verdict_of(const double *old, uint32_t n_old, const double *now, uint32_t n_now)
{
    double noise;
    return stats_compare(old, n_old, now, n_now, &noise);
}

static void a_median_is_not_moved_by_one_bad_round(void **state)
{
    (void)state;
    assert_true(stats_median((double[]){5, 1, 100}, 3) == 5);
    assert_true(stats_median((double[]){4, 8}, 2) == 6);
    assert_true(stats_median(NULL, 0) == 0);
    assert_true(stats_noise((double[]){90, 100, 110}, 3) == 0.1);
}

static void only_what_exceeds_the_noise_is_a_difference(void **state)
{
    (void)state;
    const double steady[] = {99, 100, 101}, better[] = {109, 110, 111}, wild[] = {70, 110, 150},
                 near[] = {101, 102, 103};
    assert_int_equal(verdict_of(steady, 3, better, 3), VERDICT_FASTER);
    assert_int_equal(verdict_of(better, 3, steady, 3), VERDICT_SLOWER);
    assert_int_equal(verdict_of(steady, 3, wild, 3), VERDICT_SAME);
    assert_int_equal(verdict_of(wild, 3, steady, 3), VERDICT_SAME);
    assert_int_equal(verdict_of(steady, 3, near, 3), VERDICT_SAME);   /* steadier than any machine */
    assert_int_equal(verdict_of(steady, 1, better, 1), VERDICT_SAME); /* nobody knows how steady */
    assert_int_equal(verdict_of(steady, 1, (double[]){150}, 1), VERDICT_FASTER);
    assert_int_equal(verdict_of(steady, 3, (double[]){0, 0}, 2), VERDICT_SLOWER);
}

static struct json json_of(const char *text) { return json_open(text, strlen(text)); }

static void json_is_found_by_its_name(void **state)
{
    (void)state;
    char text[8];
    struct json j = json_of(" {\"a\": {\"b\":1}, \"b\" :[ 2.5 , -3e2,{}, \"x\\\"y\" ],\"ab\":true}\n");
    assert_true(json_number(json_member(json_member(j, "a"), "b"), 0) == 1);
    struct json e = json_first(json_member(j, "b"));
    assert_true(json_number(e, 0) == 2.5);
    e = json_next(e);
    assert_true(json_number(e, 0) == -300);
    e = json_next(json_next(e));
    json_text(e, text, sizeof text);
    assert_string_equal(text, "x\\\"y");
    assert_null(json_next(e).p);
    json_text(e, text, 3);
    assert_string_equal(text, "x\\");
    assert_null(json_member(j, "c").p);
    assert_null(json_first(json_of("[]")).p);
    assert_null(json_member(json_of("[1]"), "a").p);
    assert_true(json_number(json_of("true"), 7) == 7);
}

static void broken_json_is_nothing(void **state)
{
    (void)state;
    static const char *const broken[] = {"",    "{",    "[1,", "[1 2]", "{\"a\" 1}", "{\"a\":}",
                                         "\"x", "{} x", "[,]", "{1:2}", "\"\\"};
    char deep[101];
    for (size_t i = 0; i < ARRAY_LEN(broken); i++)
        assert_null(json_of(broken[i]).p);
    memset(deep, '[', 50);
    memset(deep + 50, ']', 50);
    deep[100] = '\0';
    assert_null(json_of(deep).p);
    /* every prefix of what --json writes */
    const char *whole = "{\"results\":[\n {\"op\":\"put\",\"rounds\":[1.5,2]}\n],\n\"interrupted\":false}";
    for (size_t len = 0; len < strlen(whole); len++) {
        char *copy = memcpy(xcalloc(len + 1, 1), whole, len);
        assert_null(json_open(copy, len).p);
        free(copy);
    }
    assert_non_null(json_of(whole).p);
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
        cmocka_unit_test(rounds_are_merged_as_if_they_were_one),
        cmocka_unit_test(a_median_is_not_moved_by_one_bad_round),
        cmocka_unit_test(only_what_exceeds_the_noise_is_a_difference),
        cmocka_unit_test(json_is_found_by_its_name),
        cmocka_unit_test(broken_json_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
