/* SPDX-License-Identifier: MIT */
/* Who holds a buffer alive, and for how long. The leak checker is the other half of these tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

static void test_references_are_counted(void **state)
{
    struct slice a = slice_copy("hello world", 11);
    struct slice b = slice_ref(a);
    struct slice c = slice_sub(a, 6, 5);

    (void)state;
    assert_int_equal(a.buf->refs, 3);
    slice_drop(&a);
    assert_null(a.buf);
    assert_int_equal(a.len, 0);
    slice_drop(&b);
    assert_int_equal(c.buf->refs, 1);
    assert_memory_equal(slice_data(c), "world", 5);
    slice_drop(&c);
}

static void test_empty_slices_hold_nothing(void **state)
{
    struct slice s = slice_copy("abc", 3);
    struct slice none = slice_sub(s, 3, 0);

    (void)state;
    assert_null(none.buf);
    assert_null(slice_data(none));
    assert_null(slice_copy("", 0).buf);
    assert_int_equal(s.buf->refs, 1);
    slice_drop(&none);
    slice_drop(&s);
    slice_drop(&s);
}

static void test_a_buffer_over_its_limit_is_refused(void **state)
{
    (void)state;
    assert_null(buf_new(BUF_MAX + 1));
    buf_unref(NULL);
}

static void test_a_payload_in_two_parts_reads_as_one(void **state)
{
    struct payload p = {{slice_copy("abcde", 5), slice_copy("fgh", 3)}};
    struct payload again = payload_ref(&p);
    char out[9] = "";

    (void)state;
    assert_int_equal(payload_len(&p), 8);
    for (uint32_t off = 0; off <= 8; off++) {
        for (uint32_t len = 0; off + len <= 8; len++) {
            payload_copy_out(&p, off, out, len);
            assert_memory_equal(out, &"abcdefgh"[off], len);
        }
    }
    payload_drop(&p);
    payload_copy_out(&again, 0, out, 8);
    assert_string_equal(out, "abcdefgh");
    payload_drop(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references_are_counted),
        cmocka_unit_test(test_empty_slices_hold_nothing),
        cmocka_unit_test(test_a_buffer_over_its_limit_is_refused),
        cmocka_unit_test(test_a_payload_in_two_parts_reads_as_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
