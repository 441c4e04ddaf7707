/* SPDX-License-Identifier: MIT */
/* Waiting for locks at the NameServer: who is told when. */
#include "nm_rig.h"

struct user {
    uint64_t session, number, handle;
};

static struct wire_request_id next_id(struct user *u)
{
    ++u->number;
    return (struct wire_request_id){.session = u->session, .number = u->number, .seen = u->number};
}

static struct user user_with_file(struct rig *r, uint64_t nonce)
{
    struct user u = {.number = 0};
    struct msg m = {.type = MSG_TYPE_session_open, .session_open = {.nonce = nonce, .who = STR("test")}};
    const struct msg *reply;

    assert_int_equal(rig_call(r, &m, &reply), 0);
    u.session = reply->session_open_reply.session;
    m = (struct msg){.type = MSG_TYPE_open};
    m.open = (struct msg_open){.id = next_id(&u), .dir = ROOT_INO, .path = STR("f"), .flags = OPEN_WRITE | OPEN_CREATE};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    u.handle = reply->open_reply.handle;
    return u;
}

static uint64_t lock(struct rig *r, struct user *u)
{
    struct msg m = {.type = MSG_TYPE_lock};
    const struct msg *reply;

    m.lock = (struct msg_lock){.id = next_id(u), .handle = u->handle, .owner = 1, .space = LOCK_FILE,
                               .type = LOCK_EXCLUSIVE, .flags = LOCK_WAIT, .start = 0, .end = UINT64_MAX};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    return reply->lock_reply.ticket;
}

static void unlock(struct rig *r, struct user *u)
{
    struct msg m = {.type = MSG_TYPE_unlock};

    m.unlock = (struct msg_unlock){.id = next_id(u), .handle = u->handle, .owner = 1, .space = LOCK_FILE,
                                   .start = 0, .end = UINT64_MAX};
    assert_int_equal(rig_call(r, &m, NULL), 0);
}

static uint32_t ask(struct rig *r, const struct user *u, uint64_t ticket)
{
    struct msg m = {.type = MSG_TYPE_lock_wait, .lock_wait = {.session = u->session, .ticket = ticket}};
    uint32_t id = rig_send(r, &m);

    rig_settle(r);
    return id;
}

static void who_waits_is_told_when_the_lock_is_its_own(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    (void)state;
    rig_init(r, 1, 64 * MIB);
    rig_start(r, true);
    struct user a = user_with_file(r, 1), b = user_with_file(r, 2), c = user_with_file(r, 3);

    assert_int_equal(lock(r, &a), 0);
    uint64_t tb = lock(r, &b), tc = lock(r, &c);
    uint32_t qb = ask(r, &b, tb), qc = ask(r, &c, tc);

    assert_true(tb != 0 && tc != 0);
    assert_int_equal(r->answers[qb].times, 0);
    unlock(r, &a);
    assert_int_equal(r->answers[qb].times, 1);
    assert_int_equal(r->answers[qb].msg.lock_wait_reply.waiting, 0);
    assert_int_equal(r->answers[qc].times, 0);
    rig_pass(r, 3 * NS_PER_SEC); /* not yet, but the NameServer is there */
    assert_int_equal(r->answers[qc].times, 1);
    assert_int_equal(r->answers[qc].msg.lock_wait_reply.waiting, 1);
    qc = ask(r, &c, tc);
    unlock(r, &b);
    assert_int_equal(r->answers[qc].msg.lock_wait_reply.waiting, 0);
    qc = ask(r, &c, tc); /* asked too late: at once */
    assert_int_equal(r->answers[qc].msg.lock_wait_reply.waiting, 0);
    rig_free(r);
    free(r);
}

/* Nobody's call is left over, and the place in the queue is kept. */
static void a_restart_keeps_the_queue(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    (void)state;
    rig_init(r, 2, 64 * MIB);
    rig_start(r, true);
    struct user a = user_with_file(r, 1), b = user_with_file(r, 2);

    assert_int_equal(lock(r, &a), 0);
    uint64_t tb = lock(r, &b);

    ask(r, &b, tb);
    rig_stop(r);
    rig_start(r, false);
    uint32_t qb = ask(r, &b, tb);

    assert_int_equal(r->answers[qb].times, 0);
    unlock(r, &a);
    assert_int_equal(r->answers[qb].times, 1);
    assert_int_equal(r->answers[qb].msg.lock_wait_reply.waiting, 0);
    rig_free(r);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_is_told_when_the_lock_is_its_own),
        cmocka_unit_test(a_restart_keeps_the_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
