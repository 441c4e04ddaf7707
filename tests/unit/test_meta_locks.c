/* SPDX-License-Identifier: MIT */
/* Advisory locks in the state machine. */
#include "meta_files_util.h"

static bool f_cancel(struct world *w, struct client *c, uint64_t ticket)
{
    struct msg m = {.type = MSG_TYPE_lock_cancel};
    m.lock_cancel = (struct msg_lock_cancel){.id = next_id(c), .ticket = ticket};
    assert_int_equal(world_apply(w, &m), 0);
    return w->reply.lock_cancel_reply.waited;
}

static void locks_exclude_and_are_handed_on(void **state)
{
    (void)state;
    struct two t;
    struct world *w = &t.w;
    uint64_t first, second, third;
    two_start(&t);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 10, 19, 0, &first), 0);
    assert_int_equal(first, 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 1, LOCK_RANGE, LOCK_SHARED, 19, 30, 0, NULL), DFS_ELOCKED);
    assert_int_equal(f_lock(w, &t.b, t.hb, 1, LOCK_RANGE, LOCK_SHARED, 20, 30, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 1, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, 0, NULL),
                     0); /* another space */
    assert_int_equal(f_query(w, t.hb, 1, LOCK_RANGE, LOCK_SHARED, 0, 10), LOCK_EXCLUSIVE);
    assert_int_equal(w->reply.lock_query_reply.session, t.a.session);
    assert_int_equal(w->reply.lock_query_reply.start, 10);
    assert_int_equal(f_query(w, t.ha, 1, LOCK_RANGE, LOCK_SHARED, 0, 19), 0); /* its own */
    /* in the order they asked */
    assert_int_equal(f_lock(w, &t.b, t.hb, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 0, 15, LOCK_WAIT, &second), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 2, LOCK_RANGE, LOCK_EXCLUSIVE, 10, 12, LOCK_WAIT, &third), 0);
    assert_true(second != 0 && third > second);
    verify(w);
    assert_true(meta_lock_waits(w->m, t.b.session, second));
    assert_false(meta_lock_waits(w->m, t.a.session, second)); /* not its ticket */
    assert_int_equal(f_unlock(w, &t.a, t.ha, 1, LOCK_RANGE, 0, UINT64_MAX), 0);
    assert_false(meta_lock_waits(w->m, t.b.session, second));
    assert_true(meta_lock_waits(w->m, t.b.session, third));
    assert_int_equal(f_query(w, t.ha, 1, LOCK_RANGE, LOCK_SHARED, 0, 0), LOCK_EXCLUSIVE);
    assert_int_equal(f_close(w, &t.b, t.hb), 0);
    assert_false(meta_lock_waits(w->m, t.b.session, third));
    assert_int_equal(f_query(w, t.ha, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 0, UINT64_MAX), 0);
    verify(w);
    world_stop(w);
}

static void giving_up_takes_only_what_is_waited_for(void **state)
{
    (void)state;
    struct two t;
    struct world *w = &t.w;
    uint64_t ticket;
    two_start(&t);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, LOCK_SHARED, 0, 9, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 1, LOCK_RANGE, LOCK_SHARED, 0, 9, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 0, 9, LOCK_WAIT, &ticket), 0);
    assert_false(f_cancel(w, &t.b, ticket)); /* not its ticket */
    assert_true(f_cancel(w, &t.a, ticket));
    assert_false(f_cancel(w, &t.a, ticket));
    assert_int_equal(f_query(w, t.hb, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 0, 9), LOCK_SHARED); /* what it had before */
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 0, 9, LOCK_WAIT, &ticket), 0);
    assert_int_equal(f_unlock(w, &t.b, t.hb, 1, LOCK_RANGE, 0, 9), 0);
    assert_false(f_cancel(w, &t.a, ticket)); /* too late: it has it, and keeps it */
    assert_int_equal(f_query(w, t.hb, 1, LOCK_RANGE, LOCK_SHARED, 0, 9), LOCK_EXCLUSIVE);
    verify(w);
    world_stop(w);
}

static void locks_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct two t;
    struct world *w = &t.w;
    two_start(&t);
    assert_int_equal(f_lock(w, &t.a, t.hb, 1, LOCK_RANGE, LOCK_SHARED, 0, 1, 0, NULL), DFS_EBADF);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, LOCK_SHARED, 2, 1, 0, NULL), DFS_EINVAL);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, 3, 0, 1, 0, NULL), DFS_EINVAL);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, 0, LOCK_SHARED, 0, 1, 0, NULL), DFS_EINVAL);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_FILE, LOCK_SHARED, 0, 1, 0, NULL), DFS_EINVAL);
    assert_int_equal(f_unlock(w, &t.a, t.ha, 1, LOCK_RANGE, 2, 1), DFS_EINVAL);
    assert_int_equal(f_unlock(w, &t.a, t.ha, 1, LOCK_RANGE, 0, UINT64_MAX), 0); /* nothing there: no error */
    verify(w);
    world_stop(w);
}

static void a_circle_of_waiting_owners_is_refused(void **state)
{
    (void)state;
    struct two t;
    struct world *w = &t.w;
    uint64_t ticket;
    two_start(&t);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 0, 0, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 2, LOCK_RANGE, LOCK_EXCLUSIVE, 1, 1, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 3, LOCK_RANGE, LOCK_EXCLUSIVE, 2, 2, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 1, 1, LOCK_WAIT, &ticket), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 2, LOCK_RANGE, LOCK_SHARED, 2, 2, LOCK_WAIT, &ticket), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 3, LOCK_RANGE, LOCK_SHARED, 0, 0, LOCK_WAIT, &ticket), DFS_EDEADLK);
    verify(w);
    /* two that hold the whole file shared and both want it alone: the first to ask lets go, and one of them gets it */
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_FILE, LOCK_SHARED, 0, UINT64_MAX, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 2, LOCK_FILE, LOCK_SHARED, 0, UINT64_MAX, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, LOCK_WAIT, &ticket), 0);
    assert_true(meta_lock_waits(w->m, t.a.session, ticket));
    uint64_t other;
    assert_int_equal(f_lock(w, &t.b, t.hb, 2, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, LOCK_WAIT, &other), 0);
    assert_int_equal(other, 0);
    assert_int_equal(f_unlock(w, &t.b, t.hb, 2, LOCK_FILE, 0, UINT64_MAX), 0);
    assert_false(meta_lock_waits(w->m, t.a.session, ticket));
    verify(w);
    world_stop(w);
}

/* Shared locks that come one after the other do not keep out who wants the file alone. */
static void who_asks_later_waits_behind(void **state)
{
    (void)state;
    struct two t;
    struct world *w = &t.w;
    uint64_t alone, shared, more;
    for (uint8_t space = LOCK_FILE; space <= LOCK_RANGE; space++) {
        two_start(&t);
        struct client c = client_open(w, 3);
        uint64_t hc = 0;
        assert_int_equal(f_open(w, &c, ROOT_INO, "/f", OPEN_WRITE, &hc), 0);
        assert_int_equal(f_lock(w, &t.a, t.ha, 1, space, LOCK_SHARED, 0, UINT64_MAX, LOCK_WAIT, &shared), 0);
        assert_int_equal(f_lock(w, &t.b, t.hb, 2, space, LOCK_EXCLUSIVE, 0, UINT64_MAX, LOCK_WAIT, &alone), 0);
        assert_int_equal(f_lock(w, &c, hc, 3, space, LOCK_SHARED, 0, UINT64_MAX, LOCK_WAIT, &shared), 0);
        assert_true(alone != 0 && shared > alone);
        /* who does not wait is told what is held, as on a local disk; and who is waited for does not wait behind */
        assert_int_equal(f_lock(w, &t.b, t.hb, 9, space, LOCK_SHARED, 0, UINT64_MAX, 0, NULL), 0);
        assert_int_equal(f_unlock(w, &t.b, t.hb, 9, space, 0, UINT64_MAX), 0);
        uint64_t again = space == LOCK_FILE ? 5 : 1; /* flock's user may have opened it twice */
        assert_int_equal(f_lock(w, &t.a, t.ha, again, space, LOCK_SHARED, 0, UINT64_MAX, LOCK_WAIT, &more), 0);
        assert_int_equal(more, 0);
        assert_int_equal(f_unlock(w, &t.a, t.ha, again, space, 0, UINT64_MAX), 0);
        if (space == LOCK_FILE)
            assert_int_equal(f_unlock(w, &t.a, t.ha, 1, space, 0, UINT64_MAX), 0);
        assert_false(meta_lock_waits(w->m, t.b.session, alone));
        assert_true(meta_lock_waits(w->m, c.session, shared));
        verify(w);
        /* when it gives up waiting those behind go on */
        assert_int_equal(f_unlock(w, &t.b, t.hb, 2, space, 0, UINT64_MAX), 0);
        assert_false(meta_lock_waits(w->m, c.session, shared));
        assert_int_equal(f_lock(w, &t.b, t.hb, 2, space, LOCK_EXCLUSIVE, 0, UINT64_MAX, LOCK_WAIT, &alone), 0);
        assert_int_equal(f_lock(w, &t.a, t.ha, 1, space, LOCK_SHARED, 0, UINT64_MAX, LOCK_WAIT, &shared), 0);
        assert_true(meta_lock_waits(w->m, t.a.session, shared));
        assert_true(f_cancel(w, &t.b, alone));
        assert_false(meta_lock_waits(w->m, t.a.session, shared));
        verify(w);
        world_stop(w);
    }
}

/* A request that its client no longer knows of does not keep the others out when its turn comes. */
static void who_asked_again_does_not_hold_the_earlier(void **state)
{
    (void)state;
    struct two t;
    struct world *w = &t.w;
    uint64_t lost, alone, shared, again;
    two_start(&t);
    struct client c = client_open(w, 3), d = client_open(w, 4);
    uint64_t hc = 0, hd = 0;
    assert_int_equal(f_open(w, &c, ROOT_INO, "/f", OPEN_WRITE, &hc), 0);
    assert_int_equal(f_open(w, &d, ROOT_INO, "/f", OPEN_WRITE, &hd), 0);
    assert_int_equal(f_lock(w, &d, hd, 4, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_FILE, LOCK_SHARED, 0, UINT64_MAX, LOCK_WAIT, &lost), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 2, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, LOCK_WAIT, &alone), 0);
    assert_int_equal(f_lock(w, &c, hc, 3, LOCK_FILE, LOCK_SHARED, 0, UINT64_MAX, LOCK_WAIT, &shared), 0);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, LOCK_WAIT, &again), 0);
    assert_int_equal(f_unlock(w, &d, hd, 4, LOCK_FILE, 0, UINT64_MAX), 0);
    assert_false(meta_lock_waits(w->m, t.b.session, alone));
    verify(w);
    assert_int_equal(f_unlock(w, &t.b, t.hb, 2, LOCK_FILE, 0, UINT64_MAX), 0);
    assert_false(meta_lock_waits(w->m, c.session, shared));
    assert_true(meta_lock_waits(w->m, t.a.session, again));
    assert_int_equal(f_unlock(w, &c, hc, 3, LOCK_FILE, 0, UINT64_MAX), 0);
    assert_false(meta_lock_waits(w->m, t.a.session, again));
    verify(w);
    world_stop(w);
}

/* A place in a queue can be part of a circle, too: then it is given up. */
static void a_circle_through_a_queue_is_none(void **state)
{
    (void)state;
    struct two t;
    struct world *w = &t.w;
    uint64_t ticket;
    two_start(&t);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, LOCK_SHARED, 0, 0, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 2, LOCK_RANGE, LOCK_EXCLUSIVE, 5, 5, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, LOCK_SHARED, 5, 5, LOCK_WAIT, &ticket), 0);
    assert_true(ticket != 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 3, LOCK_RANGE, LOCK_EXCLUSIVE, 0, 0, LOCK_WAIT, &ticket), 0);
    assert_true(ticket != 0); /* 3 waits for 1, who waits for 2 */
    assert_int_equal(f_lock(w, &t.b, t.hb, 2, LOCK_RANGE, LOCK_SHARED, 0, 0, LOCK_WAIT, &ticket), 0);
    assert_int_equal(ticket, 0);
    verify(w);
    world_stop(w);
}

static void expire(struct world *w, const struct client *c)
{
    struct wire_session gone = {.id = c->session, .idle_since_ns = w->now};
    struct msg m = {.type = MSG_TYPE_expire, .expire = {.sessions = &gone, .n_sessions = 1}};
    assert_int_equal(world_apply(w, &m), 0);
}

static void fence(struct world *w, const struct client *c)
{
    struct msg m = {.type = MSG_TYPE_session_fenced, .session_fenced = {.session = c->session}};
    assert_int_equal(world_apply(w, &m), 0);
}

/* C19. */
static void locks_of_a_writer_outlive_its_session(void **state)
{
    (void)state;
    struct two t;
    struct world *w = &t.w;
    uint64_t ticket, ino, waiting;
    size_t at = 0;
    two_start(&t);
    assert_int_equal(f_lock(w, &t.b, t.hb, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 0, 0, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 0, 0, LOCK_WAIT, &waiting), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 1, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, LOCK_WAIT, &ticket), 0);
    fence(w, &t.a); /* too early: it is there */
    assert_true(meta_may_write(w->m, t.a.session, t.ha, &ino));
    expire(w, &t.a);
    verify(w);
    assert_survives_restart(w->m);
    assert_false(meta_session_exists(w->m, t.a.session));
    assert_false(meta_may_write(w->m, t.a.session, t.ha, &ino));
    assert_int_equal(f_extend(w, &t.a, t.ha, 100), DFS_ESESSION);
    assert_true(meta_lock_waits(w->m, t.b.session, ticket));
    assert_false(meta_lock_waits(w->m, t.a.session, waiting)); /* it waits for nothing any more */
    assert_int_equal(world_open_session(w, 1), t.a.session);   /* an old request: it does not come back to life by it */
    assert_false(meta_session_exists(w->m, t.a.session));
    expire(w, &t.a); /* twice */
    assert_true(meta_lock_waits(w->m, t.b.session, ticket));
    assert_int_equal(meta_ended_next(w->m, &at), t.a.session);
    fence(w, &t.a);
    assert_false(meta_lock_waits(w->m, t.b.session, ticket));
    at = 0;
    assert_int_equal(meta_ended_next(w->m, &at), 0);
    verify(w);
    world_stop(w);
}

static void who_only_reads_leaves_no_locks_behind(void **state)
{
    (void)state;
    struct two t;
    struct world *w = &t.w;
    uint64_t h = 0, ticket;
    two_start(&t);
    struct client c = client_open(w, 3);
    assert_int_equal(f_open(w, &c, ROOT_INO, "/f", OPEN_READ, &h), 0);
    assert_int_equal(f_lock(w, &c, h, 1, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 1, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, LOCK_WAIT, &ticket), 0);
    expire(w, &c);
    assert_false(meta_lock_waits(w->m, t.b.session, ticket));
    /* a close is an end like another */
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, LOCK_WAIT, &ticket), 0);
    client_close(w, &t.b);
    assert_true(meta_lock_waits(w->m, t.a.session, ticket));
    fence(w, &t.b);
    assert_false(meta_lock_waits(w->m, t.a.session, ticket));
    verify(w);
    world_stop(w);
}

static void lockers_are_found_by_their_locks(void **state)
{
    (void)state;
    struct two t;
    struct world *w = &t.w;
    struct wire_session idle[4];
    struct meta_lockers at = {.slot = 0};
    uint64_t ticket;
    two_start(&t);
    assert_int_equal(meta_lockers(w->m, &at, idle, 4), 0);
    assert_int_equal(f_lock(w, &t.a, t.ha, 1, LOCK_FILE, LOCK_SHARED, 0, UINT64_MAX, 0, NULL), 0);
    assert_int_equal(f_lock(w, &t.b, t.hb, 1, LOCK_FILE, LOCK_SHARED, 0, UINT64_MAX, 0, NULL), 0);
    assert_int_equal(meta_lockers(w->m, &at, idle, 4), 2);
    assert_int_equal(idle[0].id, t.a.session);
    expire(w, &t.a);
    assert_int_equal(meta_lockers(w->m, &at, idle, 4), 1);
    assert_int_equal(idle[0].id, t.b.session);
    struct client c = client_open(w, 3); /* one that waits would hold up who stands behind it */
    uint64_t h = 0;
    assert_int_equal(f_open(w, &c, ROOT_INO, "/f", OPEN_READ, &h), 0);
    assert_int_equal(f_lock(w, &c, h, 1, LOCK_FILE, LOCK_EXCLUSIVE, 0, UINT64_MAX, LOCK_WAIT, &ticket), 0);
    assert_int_equal(meta_lockers(w->m, &at, idle, 1), 1);
    assert_int_equal(idle[0].id, t.b.session);
    assert_int_equal(meta_lockers(w->m, &at, idle, 1), 1);
    assert_int_equal(idle[0].id, c.session);
    world_stop(w);
}

/* --- against a model --- */

#define OWNERS 3u
#define BYTES 24u

struct model { /* what each owner has of each byte */
    uint8_t type[OWNERS][BYTES];
};

static bool model_conflict(const struct model *m, uint32_t owner, uint8_t type, uint64_t start, uint64_t end)
{
    for (uint32_t o = 0; o < OWNERS; o++)
        for (uint64_t i = start; i <= end; i++)
            if (o != owner && m->type[o][i] != 0 && (type == LOCK_EXCLUSIVE || m->type[o][i] == LOCK_EXCLUSIVE))
                return true;
    return false;
}

static void model_check(struct two *t, const struct model *m)
{
    for (uint32_t o = 0; o < OWNERS; o++)
        for (uint64_t i = 0; i < BYTES; i++) {
            uint64_t handle = o == 0 ? t->ha : t->hb;
            for (uint8_t type = LOCK_SHARED; type <= LOCK_EXCLUSIVE; type++)
                assert_int_equal(f_query(&t->w, handle, o, LOCK_RANGE, type, i, i) != 0,
                                 model_conflict(m, o, type, i, i));
        }
}

static void random_locks_are_those_of_a_model(void **state)
{
    (void)state;
    struct two t;
    struct model model = {0};
    struct rng rng;
    rng_seed(&rng, 42);
    two_start(&t);
    for (int step = 0; step < 4000; step++) {
        uint32_t owner = (uint32_t)rng_below(&rng, OWNERS);
        uint64_t start = rng_below(&rng, BYTES), end = start + rng_below(&rng, BYTES - start);
        uint8_t type = (uint8_t)rng_below(&rng, 3);
        struct client *c = owner == 0 ? &t.a : &t.b;
        uint64_t handle = owner == 0 ? t.ha : t.hb;
        if (type == 0) {
            assert_int_equal(f_unlock(&t.w, c, handle, owner, LOCK_RANGE, start, end), 0);
        } else {
            bool refused = model_conflict(&model, owner, type, start, end);
            assert_int_equal(f_lock(&t.w, c, handle, owner, LOCK_RANGE, type, start, end, 0, NULL),
                             refused ? DFS_ELOCKED : 0);
            if (refused)
                continue;
        }
        memset(&model.type[owner][start], type, end - start + 1);
        if (step % 100 == 0) {
            model_check(&t, &model);
            verify(&t.w);
        }
    }
    model_check(&t, &model);
    world_stop(&t.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locks_exclude_and_are_handed_on),
        cmocka_unit_test(giving_up_takes_only_what_is_waited_for),
        cmocka_unit_test(locks_that_make_no_sense_are_refused),
        cmocka_unit_test(who_asks_later_waits_behind),
        cmocka_unit_test(who_asked_again_does_not_hold_the_earlier),
        cmocka_unit_test(a_circle_through_a_queue_is_none),
        cmocka_unit_test(locks_of_a_writer_outlive_its_session),
        cmocka_unit_test(who_only_reads_leaves_no_locks_behind),
        cmocka_unit_test(lockers_are_found_by_their_locks),
        cmocka_unit_test(a_circle_of_waiting_owners_is_refused),
        cmocka_unit_test(random_locks_are_those_of_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
