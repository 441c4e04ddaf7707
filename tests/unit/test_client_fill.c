/* SPDX-License-Identifier: MIT */
/* Fill: the client writes all of an empty file under grants, and one change makes it the file's content. */
#include "client_fake.h"

#define HANDLE 77u

static uint64_t open_file(struct fake *f, uint8_t goal)
{
    struct msg m = {.type = MSG_TYPE_open_reply};
    fake_start(f, (struct client_request){.kind = OP_OPEN, .path = "/f", .flags = DFS_READ | DFS_WRITE | DFS_CREATE});
    fake_session(f, fake_find(f, MSG_TYPE_session_open));
    m.open_reply.handle = HANDLE;
    m.open_reply.attr = (struct wire_attr){.ino = f->ino, .type = INODE_FILE, .goal = goal, .goal_chosen = goal != 0};
    fake_reply(f, fake_find(f, MSG_TYPE_open), &m, NULL);
    assert_int_equal(f->status, 0);
    return f->file;
}

static void start_fill(struct fake *f, uint64_t file, const void *p, size_t len)
{
    fake_start(f, (struct client_request){.kind = OP_FILL, .file = file, .value = p, .value_len = len});
}

/* Lets the fake answer until the change is asked for. */
static struct fake_call *run_to_fill(struct fake *f)
{
    for (int i = 0; i < 1000; i++) {
        struct fake_call *k = fake_next(f);
        if (k && k->m.type == MSG_TYPE_fill)
            return k;
        if (k)
            fake_answer(f, k);
        else
            fake_sleep(f);
    }
    fail_msg("no fill was asked for");
    return NULL;
}

static void answer_fill(struct fake *f, struct fake_call *k)
{
    struct msg m = {.type = MSG_TYPE_fill_reply};
    m.fill_reply.attr = (struct wire_attr){.ino = f->ino, .type = INODE_FILE, .size = k->m.fill.size, .generation = 1};
    fake_reply(f, k, &m, NULL);
}

static void the_bytes_are_there_before_the_change(void **state)
{
    (void)state;
    static uint8_t bytes[300000];
    struct fake *f = fake_new();
    memset(bytes, 'b', sizeof bytes);
    start_fill(f, open_file(f, 0), bytes, sizeof bytes);
    struct fake_call *k = run_to_fill(f);
    assert_int_equal(f->ended, 0);
    assert_int_equal(k->m.fill.handle, HANDLE);
    assert_int_equal(k->m.fill.size, sizeof bytes);
    assert_int_equal(k->m.fill.n_chunks, 1);
    assert_int_equal(f->chunks[0].len, sizeof bytes);
    assert_memory_equal(f->chunks[0].data, bytes, sizeof bytes);
    assert_int_equal(k->m.fill.chunks[0].crc, crc32c(0, bytes, sizeof bytes));
    answer_fill(f, k);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    assert_int_equal(f->bytes, sizeof bytes);
    fake_free(f);
}

static void a_goal_that_was_chosen_holds_for_the_grant(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    start_fill(f, open_file(f, 3), "x", 1);
    assert_int_equal(fake_find(f, MSG_TYPE_grant)->m.grant.goal, 3);
    fake_free(f);
}

static void who_comes_second_is_told_so(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    uint64_t file = open_file(f, 0);
    start_fill(f, file, "x", 1);
    struct fake_call *k = run_to_fill(f);
    fake_refuse(f, k, DFS_EEXIST, "the file has content", "");
    assert_int_equal(f->status, DFS_EEXIST);
    start_fill(f, file + 1, "x", 1);
    assert_int_equal(f->status, DFS_EBADF);
    fake_free(f);
}

static void a_close_does_not_overtake_it(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    uint64_t file = open_file(f, 0);
    start_fill(f, file, "x", 1);
    struct client_request close = {.kind = OP_CLOSE, .file = file};
    fake_start(f, close);
    assert_int_equal(f->status, DFS_EBUSY);
    f->ended = 0;
    answer_fill(f, run_to_fill(f));
    assert_int_equal(f->ended, 1);
    fake_start(f, close);
    assert_int_equal(fake_find(f, MSG_TYPE_close)->m.close.handle, HANDLE); /* no time has to be told before */
    fake_free(f);
}

static void an_old_grant_is_no_end(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    start_fill(f, open_file(f, 0), "abc", 3);
    fake_refuse(f, run_to_fill(f), DFS_ESTALE, "grant expired", "");
    struct fake_call *k = run_to_fill(f);
    assert_int_equal(f->n_chunks, 2); /* it was written once more */
    answer_fill(f, k);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_there_before_the_change),
        cmocka_unit_test(a_goal_that_was_chosen_holds_for_the_grant),
        cmocka_unit_test(who_comes_second_is_told_so),
        cmocka_unit_test(a_close_does_not_overtake_it),
        cmocka_unit_test(an_old_grant_is_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
