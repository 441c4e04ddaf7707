/* SPDX-License-Identifier: MIT */
/* What a core asks for is complete and its own, however short-lived what it was made from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/core.h"
#include "wire/frame.h"

static const struct reply_to somebody = {11, 22};

static int decode(const struct effect *e, struct msg *m, struct arena *a)
{
    return msg_decode(e->type, slice_data(e->frame) + FRAME_HEADER, e->frame.len - FRAME_HEADER, m, a);
}

static void test_a_reply_is_encoded_at_once(void **state)
{
    char path[] = "target";
    struct msg m = {.type = MSG_TYPE_lookup_reply, .lookup_reply = {.target = str_of(path)}};
    struct payload payload = payload_of(slice_copy("data", 4));
    struct effects fx;
    struct msg back;

    (void)state;
    fx_init(&fx);
    fx_reply(&fx, somebody, &m, &payload);
    memset(path, 'x', sizeof path);
    assert_null(payload.part[0].buf);
    assert_int_equal(fx.n, 1);
    assert_int_equal(fx.v[0].kind, EFF_REPLY);
    assert_int_equal(fx.v[0].to.conn, 11);
    assert_int_equal(fx.v[0].to.request, 22);
    assert_int_equal(payload_len(&fx.v[0].payload), 4);
    assert_int_equal(decode(&fx.v[0], &back, &fx.arena), 0);
    assert_true(str_eq(back.lookup_reply.target, STR("target")));
    fx_close(&fx);
}

static void test_small_frames_share_a_block_one_behind_the_other(void **state)
{
    struct msg m = {.type = MSG_TYPE_ping_reply};
    struct effects fx;

    (void)state;
    fx_init(&fx);
    for (unsigned i = 0; i < 5000; i++) {
        m.ping_reply.nonce = i;
        fx_reply(&fx, somebody, &m, NULL);
    }
    for (unsigned i = 0; i < 5000; i++) {
        const struct slice *f = &fx.v[i].frame;

        assert_int_equal(f->len, FRAME_HEADER + 8);
        assert_int_equal(get_u64(slice_data(*f) + FRAME_HEADER), i);
        if (i > 0 && f->buf == f[-1].buf)
            assert_int_equal(f->off, f[-1].off + f[-1].len);
    }
    assert_ptr_equal(fx.v[0].frame.buf, fx.v[1000].frame.buf);
    fx_close(&fx);
}

static void test_a_block_is_used_again_once_nobody_needs_it(void **state)
{
    struct msg m = {.type = MSG_TYPE_ping_reply};
    struct effects fx;
    struct slice kept;
    struct buf *block;

    (void)state;
    fx_init(&fx);
    fx_reply(&fx, somebody, &m, NULL);
    block = fx.block;
    fx_reset(&fx);
    fx_reply(&fx, somebody, &m, NULL);
    assert_ptr_equal(fx.v[0].frame.buf, block);
    assert_int_equal(fx.v[0].frame.off, 0);
    kept = fx.v[0].frame;
    fx.v[0].frame = (struct slice){NULL, 0, 0};
    fx_reset(&fx);
    fx_reply(&fx, somebody, &m, NULL);
    assert_int_equal(fx.v[0].frame.off, kept.len);
    fx_close(&fx);
    assert_int_equal(kept.buf->refs, 1);
    slice_drop(&kept);
}

static void test_a_large_message_gets_a_buffer_of_its_own(void **state)
{
    char *crcs = calloc(1, 100000);
    struct msg m = {.type = MSG_TYPE_chunk_read_reply, .chunk_read_reply = {.crcs = {crcs, 100000}}};
    struct effects fx;
    struct msg back;

    (void)state;
    assert_non_null(crcs);
    fx_init(&fx);
    fx_reply(&fx, somebody, &m, NULL);
    assert_null(fx.block);
    assert_int_equal(decode(&fx.v[0], &back, &fx.arena), 0);
    assert_int_equal(back.chunk_read_reply.crcs.len, 100000);
    fx_close(&fx);
    free(crcs);
}

static void test_an_answer_that_has_no_encoding_becomes_an_error(void **state)
{
    struct wire_dirent bad = {.name = STR("a/b")};
    struct msg m = {.type = MSG_TYPE_readdir_reply, .readdir_reply = {.entries = &bad, .n_entries = 1}};
    struct payload payload = payload_of(slice_copy("data", 4));
    struct effects fx;
    struct msg back;

    (void)state;
    fx_init(&fx);
    fx_reply(&fx, somebody, &m, &payload);
    assert_int_equal(fx.n, 1);
    assert_int_equal(decode(&fx.v[0], &back, &fx.arena), 0);
    assert_int_equal(back.type, MSG_TYPE_error);
    assert_int_equal(back.error.code, -DFS_EIO);
    fx_call(&fx, "a:1", &m, NULL, 5, 100);
    assert_int_equal(fx.v[1].kind, EFF_CALL);
    assert_null(fx.v[1].frame.buf);
    fx_close(&fx);
}

static void test_failures_say_why(void **state)
{
    struct effects fx;
    struct msg back;

    (void)state;
    fx_init(&fx);
    fx_fail(&fx, somebody, DFS_ENOENT, "%s: not here", "a/b");
    fx_not_leader(&fx, somebody, "nm2:4610");
    fx_fail(&fx, somebody, DFS_EIO, "%5000d", 1);
    assert_int_equal(decode(&fx.v[0], &back, &fx.arena), 0);
    assert_int_equal(back.error.code, -DFS_ENOENT);
    assert_true(str_eq(back.error.text, STR("a/b: not here")));
    assert_int_equal(decode(&fx.v[1], &back, &fx.arena), 0);
    assert_int_equal(back.error.code, -DFS_ENOTLEADER);
    assert_true(str_eq(back.error.leader, STR("nm2:4610")));
    assert_int_equal(decode(&fx.v[2], &back, &fx.arena), 0);
    assert_in_range(back.error.text.len, 1, WIRE_TEXT_MAX);
    fx_close(&fx);
}

static void test_calls_disk_and_log_keep_what_they_need(void **state)
{
    struct msg m = {.type = MSG_TYPE_ping};
    char addr[] = "host:1";
    struct disk_op *op = disk_op_new(DISK_WRITE, "seg-1", 2);
    struct effects fx;

    (void)state;
    fx_init(&fx);
    fx_call(&fx, addr, &m, NULL, 77, 5 * NS_PER_SEC);
    addr[0] = 'X';
    op->data[0] = slice_copy("abc", 3);
    fx_disk(&fx, op);
    fx_snapshot(&fx, 5);
    fx_log(&fx, 2, "disk.failed", "name=%s", "seg-1");
    fx_fatal(&fx, "log %d", 3);
    assert_int_equal(fx.n, 5);
    assert_true(str_eq(fx.v[0].addr, STR("host:1")));
    assert_int_equal(fx.v[0].token, 77);
    assert_int_equal(fx.v[0].timeout, 5 * NS_PER_SEC);
    assert_string_equal(fx.v[1].op->name, "seg-1");
    assert_int_equal(fx.v[2].token, 5);
    assert_int_equal(fx.v[3].level, 2);
    assert_true(str_eq(fx.v[3].text, STR("disk.failed name=seg-1")));
    assert_true(str_eq(fx.v[4].text, STR("log 3")));
    fx_close(&fx);
}

static void test_bytes_that_are_encoded_already(void **state)
{
    struct effects fx;

    (void)state;
    fx_init(&fx);
    fx_reply_bytes(&fx, somebody, MSG_TYPE_unlink_reply, "\0", 1);
    assert_int_equal(fx.v[0].type, MSG_TYPE_unlink_reply);
    assert_int_equal(fx.v[0].frame.len, FRAME_HEADER + 1);
    fx_close(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reply_is_encoded_at_once),
        cmocka_unit_test(test_small_frames_share_a_block_one_behind_the_other),
        cmocka_unit_test(test_a_block_is_used_again_once_nobody_needs_it),
        cmocka_unit_test(test_a_large_message_gets_a_buffer_of_its_own),
        cmocka_unit_test(test_an_answer_that_has_no_encoding_becomes_an_error),
        cmocka_unit_test(test_failures_say_why),
        cmocka_unit_test(test_calls_disk_and_log_keep_what_they_need),
        cmocka_unit_test(test_bytes_that_are_encoded_already),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
