/* SPDX-License-Identifier: MIT */
/* Delegations of directories, the leader's side: whom it asks for one, and when it takes it away. */
#include "nm_watcher.h"

#define TTL (5 * NS_PER_SEC) /* as long as nothing else is said */
#define STEP (NS_PER_SEC / 5)

static struct msg delegate_of(struct user *u, uint64_t dir)
{
    return (struct msg){.type = MSG_TYPE_delegate, .delegate = {.id = next_id(u), .dir = dir, .inodes = 10}};
}

/* Whether it was its all the time. */
static bool delegate(struct rig *r, struct user *u, uint64_t dir)
{
    struct msg m = delegate_of(u, dir);
    const struct msg *reply;

    assert_int_equal(rig_call(r, &m, &reply), 0);
    return reply->delegate_reply.kept;
}

static int give_back(struct rig *r, struct user *u, uint64_t dir)
{
    struct msg m = {.type = MSG_TYPE_delegate_return, .delegate_return = {.id = next_id(u), .dir = dir}};

    return rig_call(r, &m, NULL);
}

static struct msg lookup_of(const struct user *u, uint64_t dir, const char *path)
{
    return (struct msg){.type = MSG_TYPE_lookup,
                        .lookup = {.dir = dir, .path = str_of(path), .session = u != NULL ? u->session : 0}};
}

static int look_up(struct rig *r, const struct user *u, uint64_t dir, const char *path)
{
    struct msg m = lookup_of(u, dir, path);

    return rig_call(r, &m, NULL);
}

static bool is_its(const struct rig *r, const struct user *u, uint64_t dir)
{
    return meta_delegated_to(nm_meta(r->nm), dir) == u->session;
}

struct story {
    struct rig r;
    struct user a, b; /* a has d, and waits for what changes */
    uint64_t d;
};

static struct story *start(void)
{
    struct story *s = calloc(1, sizeof *s);
    const struct msg *reply;

    rig_init(&s->r, 1, 64 * MIB);
    rig_start(&s->r, true);
    s->a = watcher(&s->r, 1);
    s->b = user_open(&s->r, 2);
    assert_int_equal(s->a.delegation_ttl_ms, TTL / NS_PER_MS);
    assert_int_equal(s->b.delegation_ttl_ms, TTL / NS_PER_MS);
    struct msg m = {.type = MSG_TYPE_mkdir};

    m.mkdir = (struct msg_mkdir){.id = next_id(&s->b), .dir = ROOT_INO, .path = STR("/d"), .mode = 0755};
    assert_int_equal(rig_call(&s->r, &m, &reply), 0);
    s->d = reply->mkdir_reply.attr.ino;
    assert_false(delegate(&s->r, &s->a, s->d));
    return s;
}

static void stop(struct story *s)
{
    rig_free(&s->r);
    free(s);
}

static void its_holder_is_asked_for_it(void **state)
{
    struct story *s = start();
    (void)state;

    assert_int_equal(look_up(&s->r, &s->a, s->d, "new"), DFS_ENOENT); /* its own */
    assert_null(told(&s->r, &s->a));
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    const struct msg_watch_reply *w = told(&s->r, &s->a);

    assert_non_null(w);
    assert_int_equal(w->all, 0);
    assert_int_equal(w->n_changes, 1);
    assert_int_equal(w->changes[0].ino, s->d);
    assert_int_equal(w->changes[0].name.len, 0);
    watch(&s->r, &s->a);
    assert_null(told(&s->r, &s->a));
    assert_int_equal(give_back(&s->r, &s->a, s->d), 0);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_ENOENT);
    assert_null(told(&s->r, &s->a));
    stop(s);
}

/* As often as somebody waits, but once for all that came before it was told. */
static void it_is_asked_each_time(void **state)
{
    struct story *s = start();
    struct msg m = rig_mkdir(&s->r, "/d/new");
    (void)state;

    m.mkdir.id = next_id(&s->b);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rig_call(&s->r, &m, NULL), DFS_EAGAIN);
        assert_int_equal(look_up(&s->r, NULL, s->d, ""), DFS_EAGAIN);
        assert_int_equal(told(&s->r, &s->a)->n_changes, 1);
        for (int k = 0; k < 3; k++) /* while no call waits */
            assert_int_equal(rig_lookup(&s->r, "/d/new"), DFS_EAGAIN);
        watch(&s->r, &s->a);
        assert_int_equal(told(&s->r, &s->a)->n_changes, 1);
        watch(&s->r, &s->a);
        assert_null(told(&s->r, &s->a));
    }
    assert_int_equal(give_back(&s->r, &s->a, s->d), 0);
    assert_int_equal(rig_call(&s->r, &m, NULL), 0); /* under the same number */
    stop(s);
}

/* The state as it is when the request is applied counts: here the delegation comes in between. */
static void a_request_that_was_taken_before_waits_too(void **state)
{
    struct story *s = start();
    (void)state;

    assert_int_equal(give_back(&s->r, &s->a, s->d), 0);
    struct msg m = delegate_of(&s->a, s->d), n = rig_mkdir(&s->r, "/d/new");

    n.mkdir.id = next_id(&s->b);
    uint32_t first = rig_send(&s->r, &m), second = rig_send(&s->r, &n);

    rig_settle(&s->r);
    assert_int_equal(s->r.answers[first].err, 0);
    assert_int_equal(s->r.answers[second].times, 1);
    assert_int_equal(s->r.answers[second].err, DFS_EAGAIN);
    assert_non_null(told(&s->r, &s->a));
    assert_true(s->a.seen > 0 && is_its(&s->r, &s->a, s->d));
    stop(s);
}

/* Neither before its time is over, nor before somebody wants it. */
static void who_does_not_answer_loses_it(void **state)
{
    struct story *s = start();
    (void)state;

    rig_pass(&s->r, TTL - STEP);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    assert_true(is_its(&s->r, &s->a, s->d));
    rig_pass(&s->r, STEP);
    assert_true(is_its(&s->r, &s->a, s->d));
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    assert_int_equal(meta_delegated_to(nm_meta(s->r.nm), s->d), 0);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_ENOENT);
    assert_false(delegate(&s->r, &s->a, s->d)); /* and it learns that */
    rig_pass(&s->r, 10 * TTL);
    assert_true(is_its(&s->r, &s->a, s->d));
    assert_true(delegate(&s->r, &s->a, s->d));
    stop(s);
}

static void asking_again_goes_on_with_it(void **state)
{
    struct story *s = start();
    (void)state;

    for (int i = 0; i < 3; i++) {
        rig_pass(&s->r, TTL - STEP);
        assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
        assert_true(delegate(&s->r, &s->a, s->d));
    }
    rig_pass(&s->r, TTL - STEP);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    assert_true(is_its(&s->r, &s->a, s->d));
    rig_pass(&s->r, STEP);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    assert_false(is_its(&s->r, &s->a, s->d));
    stop(s);
}

/* Its time is over, and it has asked to go on when somebody else comes: what it is answered must hold. */
static void what_was_asked_again_is_not_taken_behind_its_back(void **state)
{
    struct story *s = start();
    (void)state;

    rig_pass(&s->r, 2 * TTL);
    struct msg again = delegate_of(&s->a, s->d), look = lookup_of(&s->b, s->d, "new");
    uint32_t first = rig_send(&s->r, &again), second = rig_send(&s->r, &look);

    rig_settle(&s->r);
    assert_int_equal(s->r.answers[second].err, DFS_EAGAIN);
    assert_int_equal(s->r.answers[first].err, 0);
    assert_int_equal(s->r.answers[first].msg.delegate_reply.kept, 1);
    assert_true(is_its(&s->r, &s->a, s->d));
    rig_pass(&s->r, TTL - STEP);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    assert_true(is_its(&s->r, &s->a, s->d));
    stop(s);
}

/* It comes too late: it is told that it has lost it, and has it anew. */
static void what_is_asked_after_it_was_taken_is_new(void **state)
{
    struct story *s = start();
    (void)state;

    rig_pass(&s->r, 2 * TTL);
    struct msg again = delegate_of(&s->a, s->d), look = lookup_of(&s->b, s->d, "new");
    uint32_t first = rig_send(&s->r, &look), second = rig_send(&s->r, &again);

    rig_settle(&s->r);
    assert_int_equal(s->r.answers[first].err, DFS_EAGAIN);
    assert_int_equal(s->r.answers[second].err, 0);
    assert_int_equal(s->r.answers[second].msg.delegate_reply.kept, 0);
    assert_true(is_its(&s->r, &s->a, s->d));
    rig_pass(&s->r, TTL - STEP);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    assert_true(is_its(&s->r, &s->a, s->d));
    stop(s);
}

/* It does not know when the holder asked. */
static void a_new_leader_counts_from_the_first_who_waits(void **state)
{
    struct story *s = start();
    (void)state;

    rig_pass(&s->r, 2 * TTL);
    rig_stop(&s->r);
    rig_start(&s->r, false);
    rig_pass(&s->r, 2 * TTL);
    assert_true(is_its(&s->r, &s->a, s->d));
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    rig_pass(&s->r, TTL - STEP);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    assert_true(is_its(&s->r, &s->a, s->d));
    rig_pass(&s->r, STEP);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_ENOENT);
    stop(s);
}

/* What the leader knows of the one before says nothing about the next. */
static void each_holder_has_its_own_time(void **state)
{
    struct story *s = start();
    (void)state;

    rig_pass(&s->r, TTL - STEP);
    assert_int_equal(give_back(&s->r, &s->a, s->d), 0);
    assert_false(delegate(&s->r, &s->b, s->d));
    rig_pass(&s->r, TTL - STEP);
    assert_int_equal(look_up(&s->r, &s->a, s->d, "new"), DFS_EAGAIN);
    assert_true(is_its(&s->r, &s->b, s->d));
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_ENOENT);
    rig_pass(&s->r, STEP);
    assert_int_equal(look_up(&s->r, &s->a, s->d, "new"), DFS_EAGAIN);
    assert_int_equal(look_up(&s->r, &s->a, s->d, "new"), DFS_ENOENT);
    stop(s);
}

/* Nor does what it knows of the holder itself, from before it gave it back. */
static void who_has_it_again_has_it_for_as_long(void **state)
{
    struct story *s = start();
    (void)state;

    assert_int_equal(give_back(&s->r, &s->a, s->d), 0);
    rig_pass(&s->r, 2 * TTL);
    assert_false(delegate(&s->r, &s->a, s->d));
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    rig_pass(&s->r, TTL - STEP);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_EAGAIN);
    assert_true(is_its(&s->r, &s->a, s->d));
    stop(s);
}

static void it_is_returned_though_the_disk_is_nearly_full(void **state)
{
    struct story *s = start();
    (void)state;

    memdisk_resize(s->r.disk, memdisk_used(s->r.disk) + 3 * SEGMENT);
    rig_pass(&s->r, 3 * NS_PER_SEC);
    struct msg m = delegate_of(&s->a, s->d);

    assert_int_equal(rig_call(&s->r, &m, NULL), DFS_ENOSPC);
    assert_int_equal(give_back(&s->r, &s->a, s->d), 0);
    assert_int_equal(look_up(&s->r, &s->b, s->d, "new"), DFS_ENOENT);
    stop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_holder_is_asked_for_it),
        cmocka_unit_test(it_is_asked_each_time),
        cmocka_unit_test(a_request_that_was_taken_before_waits_too),
        cmocka_unit_test(who_does_not_answer_loses_it),
        cmocka_unit_test(asking_again_goes_on_with_it),
        cmocka_unit_test(what_was_asked_again_is_not_taken_behind_its_back),
        cmocka_unit_test(what_is_asked_after_it_was_taken_is_new),
        cmocka_unit_test(a_new_leader_counts_from_the_first_who_waits),
        cmocka_unit_test(each_holder_has_its_own_time),
        cmocka_unit_test(who_has_it_again_has_it_for_as_long),
        cmocka_unit_test(it_is_returned_though_the_disk_is_nearly_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
