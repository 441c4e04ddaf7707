/* SPDX-License-Identifier: MIT */
/* The simulator's idea of what is right: if it accepted too much, no simulation would prove anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim/oracle.c" /* it belongs to a program, not to a library */

static const struct value A = {1, 100}, B = {2, 100}, C = {3, 0};

static bool reads(struct reg *r, uint64_t start, uint64_t end, struct value v)
{
    uint8_t p[256];
    if (v.id == 0)
        return reg_read(r, start, end, NULL, 0);
    value_fill(v, 0, p, v.size);
    return reg_read(r, start, end, p, v.size);
}

static const struct value NOTHING = {0, 0};

static void write_at(struct reg *r, struct value v, uint64_t start, uint64_t end)
{
    reg_end(r, reg_begin(r, v, start), end);
}

static void test_content_is_the_same_however_it_is_cut(void **state)
{
    (void)state;
    struct value v = {77, 1000};
    uint8_t whole[1000], part[1000];
    value_fill(v, 0, whole, 1000);
    for (size_t at = 0; at < 1000; at += 13)
        value_fill(v, at, part + at, min_u64(13, 1000 - at));
    assert_memory_equal(whole, part, 1000);
    assert_true(value_is(v, whole, 1000));
    whole[999] ^= 1;
    assert_false(value_is(v, whole, 1000));
    assert_false(value_is(v, whole, 999));
}

static void test_a_read_after_a_write_sees_it(void **state)
{
    (void)state;
    struct reg r;
    reg_init(&r, "/k");
    assert_true(reads(&r, 1, 2, NOTHING));
    write_at(&r, A, 10, 20);
    write_at(&r, B, 30, 40);
    assert_true(reads(&r, 50, 60, B));
    assert_false(reads(&r, 50, 60, A));
    assert_false(reads(&r, 50, 60, NOTHING));
    assert_false(reads(&r, 50, 60, C));
    reg_close(&r);
}

static void test_a_read_during_a_write_sees_either_and_then_not_back(void **state)
{
    (void)state;
    struct reg r;
    reg_init(&r, "/k");
    write_at(&r, A, 10, 20);
    uint32_t b = reg_begin(&r, B, 30);
    assert_true(reads(&r, 31, 32, A));
    assert_true(reads(&r, 33, 34, B));
    assert_false(reads(&r, 35, 36, A)); /* B was seen: it is there */
    reg_end(&r, b, 50);
    assert_false(reads(&r, 5, 9, B)); /* before it began */
    reg_close(&r);
}

static void test_an_unknown_write_may_come_late_or_never_but_a_failed_one_not_at_all(void **state)
{
    (void)state;
    struct reg r;
    reg_init(&r, "/k");
    write_at(&r, A, 10, 20);
    (void)reg_begin(&r, B, 30); /* its outcome stays unknown */
    uint32_t c = reg_begin(&r, (struct value){9, 50}, 31);
    reg_failed(&r, c);
    assert_true(reads(&r, 100, 110, A));
    assert_false(reads(&r, 120, 130, (struct value){9, 50}));
    assert_true(reads(&r, 140, 150, B));
    assert_false(reads(&r, 160, 170, A));
    reg_close(&r);
}

static int step(struct tree *t, enum client_op_kind kind, const char *path, const char *path2)
{
    struct op op = {.kind = kind, .value = A};
    snprintf(op.path, sizeof op.path, "%s", path);
    snprintf(op.path2, sizeof op.path2, "%s", path2);
    return tree_step(t, &op);
}

static void test_the_tree_answers_as_a_file_system_does(void **state)
{
    (void)state;
    struct tree t = {.n = 1, .v = {{.path = "/p", .type = DFS_DIRECTORY}}};
    assert_int_equal(step(&t, OP_MKDIR, "/p/a", ""), 0);
    assert_int_equal(step(&t, OP_MKDIR, "/p/a", ""), DFS_EEXIST);
    assert_int_equal(step(&t, OP_PUT, "/p/a/x", ""), 0);
    assert_int_equal(step(&t, OP_PUT, "/p/b/x", ""), DFS_ENOENT);
    assert_int_equal(step(&t, OP_PUT, "/p/a/x/y", ""), DFS_ENOTDIR);
    assert_int_equal(step(&t, OP_PUT, "/p/a", ""), DFS_EISDIR);
    assert_int_equal(step(&t, OP_RMDIR, "/p/a", ""), DFS_ENOTEMPTY);
    assert_int_equal(step(&t, OP_UNLINK, "/p/a", ""), DFS_EISDIR);
    assert_int_equal(step(&t, OP_RENAME, "/p/a", "/p/a/z"), DFS_EINVAL);
    assert_int_equal(step(&t, OP_RENAME, "/p/a", "/p/b"), 0);
    assert_non_null(tree_find(&t, "/p/b/x"));
    assert_null(tree_find(&t, "/p/a/x"));
    assert_int_equal(step(&t, OP_SYMLINK, "/p/s", "b"), 0);
    assert_int_equal(step(&t, OP_RENAME, "/p/s", "/p/b"), DFS_EISDIR);
    assert_int_equal(step(&t, OP_RENAME, "/p/b", "/p/s"), DFS_ENOTDIR);
    assert_int_equal(step(&t, OP_RMDIR, "/p/s", ""), DFS_ENOTDIR);
    assert_int_equal(tree_count(&t, "/p"), 2);
    struct tree copy = t;
    assert_int_equal(step(&copy, OP_REMOVE, "/p/b", ""), 0);
    assert_int_equal(step(&copy, OP_REMOVE, "/p/b", ""), DFS_ENOENT);
    assert_int_equal(step(&copy, OP_REMOVE, "/p/b/x", ""), DFS_ENOENT);
    assert_int_equal(copy.n, 2); /* the root and the symlink */
    assert_int_equal(step(&t, OP_UNLINK, "/p/b/x", ""), 0);
    assert_int_equal(step(&t, OP_UNLINK, "/p/b/x", ""), DFS_ENOENT);
    assert_int_equal(step(&t, OP_RMDIR, "/p/b", ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_is_the_same_however_it_is_cut),
        cmocka_unit_test(test_a_read_after_a_write_sees_it),
        cmocka_unit_test(test_a_read_during_a_write_sees_either_and_then_not_back),
        cmocka_unit_test(test_an_unknown_write_may_come_late_or_never_but_a_failed_one_not_at_all),
        cmocka_unit_test(test_the_tree_answers_as_a_file_system_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
