/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/disk.h"

static void test_an_operation_owns_its_slices(void **state)
{
    struct disk_op *op = disk_op_new(DISK_WRITE, "seg-000001", 2);
    struct slice s = slice_copy("abc", 3);

    (void)state;
    assert_int_equal(op->kind, DISK_WRITE);
    assert_string_equal(op->name, "seg-000001");
    assert_string_equal(op->name2, "");
    assert_int_equal(op->n_data, 2);
    assert_null(op->data[1].buf);
    op->data[0] = slice_ref(s);
    disk_op_free(op);
    assert_int_equal(s.buf->refs, 1);
    slice_drop(&s);
}

static void test_an_operation_without_data_or_name(void **state)
{
    struct disk_op *op = disk_op_new(DISK_STAT, NULL, 0);

    (void)state;
    assert_null(op->data);
    assert_int_equal(op->status, 0);
    assert_string_equal(op->name, "");
    disk_op_free(op);
    disk_op_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_operation_owns_its_slices),
        cmocka_unit_test(test_an_operation_without_data_or_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
