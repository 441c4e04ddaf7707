/* SPDX-License-Identifier: MIT */
/* The client and open files: advisory locks asked for, waited for, given up, lost with the session; reading, writing. */
#include "client_fake.h"

#define HANDLE 77u
#define TICKET 5u

static void open_file(struct fake *f)
{
    struct msg m = {.type = MSG_TYPE_open_reply};
    fake_start(f, (struct client_request){.kind = OP_OPEN, .path = "/f", .flags = DFS_READ | DFS_WRITE});
    fake_session(f, fake_find(f, MSG_TYPE_session_open));
    m.open_reply.handle = HANDLE;
    m.open_reply.attr = (struct wire_attr){.ino = f->ino, .type = INODE_FILE};
    fake_reply(f, fake_find(f, MSG_TYPE_open), &m, NULL);
    assert_int_equal(f->status, 0);
}

static struct client_request lock_of(unsigned flags)
{
    return (struct client_request){
        .kind = OP_LOCK,
        .file = HANDLE,
        .flags = flags,
        .lock = {.owner = 3, .type = DFS_LOCK_EXCLUSIVE, .range = true, .start = 10, .end = 19}};
}

static void answer_lock(struct fake *f, uint64_t ticket)
{
    struct msg m = {.type = MSG_TYPE_lock_reply, .lock_reply = {.ticket = ticket}};
    fake_reply(f, fake_find(f, MSG_TYPE_lock), &m, NULL);
}

static void answer_wait(struct fake *f, bool waiting)
{
    struct msg m = {.type = MSG_TYPE_lock_wait_reply, .lock_wait_reply = {.waiting = waiting}};
    struct fake_call *k = fake_find(f, MSG_TYPE_lock_wait);
    assert_int_equal(k->m.lock_wait.session, f->session);
    assert_int_equal(k->m.lock_wait.ticket, TICKET);
    fake_reply(f, k, &m, NULL);
}

static void answer_cancel(struct fake *f, bool waited)
{
    struct msg m = {.type = MSG_TYPE_lock_cancel_reply, .lock_cancel_reply = {.waited = waited}};
    struct fake_call *k = fake_find(f, MSG_TYPE_lock_cancel);
    assert_int_equal(k->m.lock_cancel.ticket, TICKET);
    fake_reply(f, k, &m, NULL);
}

static void start_waiting(struct fake *f)
{
    open_file(f);
    fake_start(f, lock_of(DFS_WAIT));
    answer_lock(f, TICKET);
    assert_int_equal(f->ended, 0);
}

static int take_nothing(void *arg, uint64_t offset, const void *p, size_t len)
{
    (void)arg;
    (void)offset;
    (void)p;
    (void)len;
    return 0;
}

/* What is read through an open file is that file's, or nothing: the NameServer is told which one it is. */
static void a_read_of_an_open_file_names_it(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    open_file(f);
    fake_start(f, (struct client_request){
                      .kind = OP_GET, .file = HANDLE, .path = "", .length = UINT64_MAX, .sink = {.write = take_nothing}});
    struct fake_call *k = fake_find(f, MSG_TYPE_locate);
    assert_int_equal(k->m.locate.dir, f->ino);
    assert_int_equal(k->m.locate.handle, HANDLE);
    fake_refuse(f, k, DFS_EBADF, "", "");
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_EBADF);
    fake_free(f);
}

static void answer_open_chunk_as(struct fake *f, struct msg_chunk_open_reply r)
{
    struct msg m = {.type = MSG_TYPE_chunk_open_reply};
    struct wire_replica chain[] = {{.server = 1, .addr = STR("ss1:1")}};
    r.chunk_size = 64 * MIB;
    r.replicas = chain;
    r.n_replicas = 1;
    m.chunk_open_reply = r;
    fake_reply(f, fake_find(f, MSG_TYPE_chunk_open), &m, NULL);
}

static void answer_open_chunk(struct fake *f, uint32_t version)
{
    answer_open_chunk_as(f, (struct msg_chunk_open_reply){.chunk = 9, .version = version, .generation = 1});
}

/* The file was cut, and what is written to now is another chunk. */
static void answer_another_chunk(struct fake *f, uint8_t cut)
{
    answer_open_chunk_as(f, (struct msg_chunk_open_reply){.chunk = 10, .version = 1, .generation = 2, .cut = cut});
}

/* A write is on its way, to version 4 of its chunk. */
static void start_writing(struct fake *f)
{
    open_file(f);
    fake_start(f, (struct client_request){
                      .kind = OP_PWRITE, .file = HANDLE, .path = "", .value = "abc", .value_len = 3});
    answer_open_chunk(f, 4);
}

/* B14: a write whose answer was lost says so when it is sent again, and may be told that nobody knows any more. */
static void a_write_sent_again_says_since_when(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    start_writing(f);
    struct fake_call *k = fake_find(f, MSG_TYPE_chunk_write);
    assert_int_equal(k->m.chunk_write.first, 0);
    uint64_t number = k->m.chunk_write.number;
    fake_break(f, k, DFS_ECONNLOST);
    for (uint32_t version = 6; version < 8; version++) {
        fake_sleep(f);
        answer_open_chunk(f, version);
        k = fake_find(f, MSG_TYPE_chunk_write);
        assert_int_equal(k->m.chunk_write.version, version);
        assert_int_equal(k->m.chunk_write.number, number);
        assert_int_equal(k->m.chunk_write.first, 4);
        if (version == 6)
            fake_break(f, k, DFS_ECONNLOST);
    }
    fake_refuse(f, k, DFS_ENODATA, "", "");
    assert_int_equal(f->status, DFS_EUNKNOWN);
    fake_free(f);
}

static void write_one(struct fake *f)
{
    fake_start(f, (struct client_request){
                      .kind = OP_PWRITE, .file = HANDLE, .path = "", .value = "abc", .value_len = 3});
}

/* The answer is lost: it is sent again, in the next version. */
static const struct msg_chunk_write *sent_again(struct fake *f, uint32_t version)
{
    fake_break(f, fake_find(f, MSG_TYPE_chunk_write), DFS_ECONNLOST);
    fake_sleep(f);
    answer_open_chunk(f, version);
    return &fake_find(f, MSG_TYPE_chunk_write)->m.chunk_write;
}

static void answer_write(struct fake *f, uint64_t sequence)
{
    struct msg m = {.type = MSG_TYPE_chunk_write_reply};
    m.chunk_write_reply.sequence = sequence;
    fake_reply(f, fake_find(f, MSG_TYPE_chunk_write), &m, NULL);
}

/* … and behind what: what was known to be done when it was sent first. */
static void a_write_sent_again_says_what_it_came_behind(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    start_writing(f);
    answer_write(f, 30);
    write_one(f);
    const struct msg_chunk_write *w = sent_again(f, 6);
    assert_int_equal(w->first, 4);
    assert_int_equal(w->after, 30);
    answer_write(f, 31); /* where it was in version 4: says nothing of version 6 */
    write_one(f);
    w = sent_again(f, 7);
    assert_int_equal(w->first, 6);
    assert_int_equal(w->after, 0);
    fake_free(f);
}

/* Taken perhaps, then refused elsewhere, and then the file was cut: the earlier try may have been before that. */
static void a_refusal_does_not_undo_an_earlier_try(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    start_writing(f);
    fake_break(f, fake_find(f, MSG_TYPE_chunk_write), DFS_ECONNLOST);
    fake_sleep(f);
    answer_open_chunk(f, 6);
    fake_refuse(f, fake_find(f, MSG_TYPE_chunk_write), DFS_ESTALE, "", "");
    fake_sleep(f);
    answer_another_chunk(f, CHUNK_CUT);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_EUNKNOWN);
    fake_free(f);
}

/* Taken by one server; but the chunk is gone for so long that nobody knows whether it had that when it went. */
static void what_went_with_a_chunk_long_ago_is_unknown(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    start_writing(f);
    fake_refuse(f, fake_find(f, MSG_TYPE_chunk_write), DFS_EUNKNOWN, "", "");
    fake_sleep(f);
    answer_another_chunk(f, CHUNK_CUT_LONG_AGO);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_EUNKNOWN);
    fake_free(f);
}

/* The head has looked before it did anything: there is nothing to be unsure of, and nothing wrong with the place. */
static void what_was_damaged_on_its_way_is_sent_again(void **state)
{
    struct fake *f = fake_new();
    struct msg m = {.type = MSG_TYPE_chunk_write_reply};
    (void)state;
    start_writing(f);
    fake_refuse(f, fake_find(f, MSG_TYPE_chunk_write), DFS_ECORRUPT, "", "");
    fake_sleep(f);
    struct fake_call *k = fake_find(f, MSG_TYPE_chunk_write);
    assert_int_equal(k->m.chunk_write.version, 4);
    assert_int_equal(k->m.chunk_write.first, 0);
    fake_reply(f, k, &m, NULL);
    fake_find(f, MSG_TYPE_extend);
    fake_free(f);
}

static void a_free_lock_takes_one_call(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    open_file(f);
    fake_start(f, lock_of(0));
    const struct msg_lock *l = &fake_find(f, MSG_TYPE_lock)->m.lock;
    assert_true(l->handle == HANDLE && l->owner == 3 && l->space == LOCK_RANGE && l->type == LOCK_EXCLUSIVE);
    assert_true(l->start == 10 && l->end == 19 && l->flags == 0);
    answer_lock(f, 0);
    assert_true(f->ended == 1 && f->status == 0);
    fake_start(f, lock_of(0));
    fake_refuse(f, fake_find(f, MSG_TYPE_lock), DFS_ELOCKED, "", "");
    assert_true(f->ended == 1 && f->status == DFS_ELOCKED);
    fake_free(f);
}

static void who_waits_asks_again_and_again(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    start_waiting(f);
    for (int i = 0; i < 50; i++) { /* longer than any time-out */
        f->now.mono += 2 * NS_PER_SEC;
        answer_wait(f, true);
    }
    fake_break(f, fake_find(f, MSG_TYPE_lock_wait), DFS_ECONNLOST); /* the leader is gone: another one has the queue */
    while (f->n_calls == 0 || !fake_next(f) || fake_next(f)->m.type == MSG_TYPE_hold)
        if (fake_next(f))
            fake_answer(f, fake_next(f));
        else
            fake_sleep(f);
    assert_int_equal(f->ended, 0);
    answer_wait(f, false);
    assert_true(f->ended == 1 && f->status == 0);
    fake_free(f);
}

static void giving_up_says_which_of_the_two_it_was(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    start_waiting(f);
    client_cancel(f->c, client_last(f->c));
    fake_turn(f);
    assert_int_equal(f->ended, 0); /* the NameServer knows whether it came just now */
    answer_cancel(f, true);
    assert_true(f->ended == 1 && f->status == DFS_ECANCELED);
    fake_start(f, lock_of(DFS_WAIT));
    answer_lock(f, TICKET);
    client_set_deadline(f->c, client_last(f->c), f->now.mono + NS_PER_SEC);
    f->now.mono += NS_PER_SEC;
    fake_turn(f);
    answer_cancel(f, false);
    assert_true(f->ended == 1 && f->status == 0);
    fake_start(f, lock_of(DFS_WAIT)); /* before there is a ticket */
    client_set_deadline(f->c, client_last(f->c), f->now.mono + NS_PER_SEC);
    f->now.mono += NS_PER_SEC;
    fake_turn(f);
    answer_lock(f, TICKET);
    answer_cancel(f, true);
    assert_true(f->ended == 1 && f->status == DFS_ETIMEDOUT);
    fake_free(f);
}

static void giving_up_ends_though_nobody_answers(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    start_waiting(f);
    client_cancel(f->c, client_last(f->c));
    fake_turn(f);
    for (int i = 0; i < 20 && !f->ended; i++)
        fake_sleep(f);
    assert_true(f->ended == 1 && f->status == DFS_ECANCELED);
    fake_free(f);
}

static void unlock_and_close_end_what_waits(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    struct client_request unlock = lock_of(0);
    start_waiting(f);
    unlock.kind = OP_UNLOCK;
    unlock.lock.start = 0;
    unlock.lock.end = 9;
    fake_start(f, unlock); /* another range */
    struct msg m = {.type = MSG_TYPE_unlock_reply};
    fake_reply(f, fake_find(f, MSG_TYPE_unlock), &m, NULL);
    assert_int_equal(f->ended, 1); /* the unlock alone */
    unlock.lock.end = 10;
    fake_start(f, unlock);
    assert_true(f->ended == 1 && f->status == DFS_ECANCELED);
    fake_reply(f, fake_find(f, MSG_TYPE_unlock), &m, NULL);
    assert_int_equal(f->ended, 2);
    fake_start(f, lock_of(DFS_WAIT));
    f->ended = 0;
    fake_start(f, (struct client_request){.kind = OP_CLOSE, .file = HANDLE});
    assert_true(f->ended == 1 && f->status == DFS_ECANCELED);
    fake_free(f);
}

/* Who hears that the session has expired has no lock, whatever the queue says. */
static void a_session_that_expired_has_no_locks(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    start_waiting(f);
    fake_refuse(f, fake_find(f, MSG_TYPE_lock_wait), DFS_ESESSION, "", "");
    assert_true(f->ended == 1 && f->status == DFS_EBADF);
    fake_start(f, lock_of(0));
    assert_true(f->ended == 1 && f->status == DFS_EBADF);
    fake_free(f);
}

static void what_makes_no_sense_is_not_started(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    struct client_request r = lock_of(0);
    r.cb = fake_on_done;
    r.arg = f;
    r.lock.type = 3;
    assert_int_equal(client_start(f->c, &r), DFS_EINVAL);
    r.lock.type = DFS_LOCK_SHARED;
    r.lock.end = 9;
    assert_int_equal(client_start(f->c, &r), DFS_EINVAL);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_of_an_open_file_names_it),
        cmocka_unit_test(a_write_sent_again_says_since_when),
        cmocka_unit_test(a_write_sent_again_says_what_it_came_behind),
        cmocka_unit_test(a_refusal_does_not_undo_an_earlier_try),
        cmocka_unit_test(what_went_with_a_chunk_long_ago_is_unknown),
        cmocka_unit_test(what_was_damaged_on_its_way_is_sent_again),
        cmocka_unit_test(a_free_lock_takes_one_call),
        cmocka_unit_test(who_waits_asks_again_and_again),
        cmocka_unit_test(giving_up_says_which_of_the_two_it_was),
        cmocka_unit_test(giving_up_ends_though_nobody_answers),
        cmocka_unit_test(unlock_and_close_end_what_waits),
        cmocka_unit_test(a_session_that_expired_has_no_locks),
        cmocka_unit_test(what_makes_no_sense_is_not_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
