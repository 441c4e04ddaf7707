/* SPDX-License-Identifier: MIT */
/* The leader's side of the call for tasks: who waits, who is answered when, what is given again. */
#include "nm_rig.h"

#include "group/group.h"

static int setup(void **state)
{
    struct rig *r = malloc(sizeof *r);

    rig_init(r, 1, 64 * MIB);
    rig_start(r, true);
    rig_session(r);
    rig_register(r, 1, "10.0.0.1:4620");
    rig_register(r, 2, "10.0.0.2:4620");
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    free(*state);
    return 0;
}

static uint32_t ask(struct rig *r, uint32_t server, const struct wire_task_result *done, bool lost)
{
    struct msg m = {.type = MSG_TYPE_tasks};
    struct wire_task_result copy = done ? *done : (struct wire_task_result){0};

    m.tasks = (struct msg_tasks){.server = server,
                                 .incarnation = server * 10,
                                 .done = &copy,
                                 .n_done = done != NULL,
                                 .room_chunks = 2,
                                 .room_bytes = GIB,
                                 .lost = lost};
    return rig_send(r, &m);
}

static struct wire_task_result done_of(const struct msg_tasks_reply *m, uint32_t i)
{
    const struct wire_task *t = &m->tasks[i];

    return (struct wire_task_result){
        .kind = t->kind, .chunk = t->chunk, .version = t->version, .epoch = m->epoch, .id = t->id};
}

static void queue(struct rig *r, uint32_t server, uint64_t chunk)
{
    tasks_add(r->nm, &(struct nm_task){.kind = TASK_VERIFY, .chunk = chunk, .version = 1, .server = server});
    rig_settle(r);
}

static const struct msg_tasks_reply *reply(struct rig *r, uint32_t id)
{
    assert_int_equal(r->answers[id].times, 1);
    assert_int_equal(r->answers[id].err, 0);
    return &r->answers[id].msg.tasks_reply;
}

static void a_call_waits_for_a_task_or_a_second(void **state)
{
    struct rig *r = *state;
    uint32_t a = ask(r, 1, NULL, false), b = ask(r, 2, NULL, false);

    rig_settle(r);
    assert_int_equal(r->answers[a].times, 0);
    queue(r, 1, 100);
    assert_int_equal(reply(r, a)->n_tasks, 1);
    assert_int_equal(reply(r, a)->tasks[0].chunk, 100);
    assert_int_equal(r->answers[b].times, 0); /* the other server's call is left alone */
    rig_pass(r, 2 * NS_PER_SEC);
    assert_int_equal(reply(r, b)->n_tasks, 0);
    assert_true(reply(r, b)->number > reply(r, a)->number);
}

static void results_are_answered_at_once(void **state)
{
    struct rig *r = *state;
    struct wire_task_result done;
    uint32_t a = ask(r, 1, NULL, false), b;

    queue(r, 1, 100);
    assert_non_null(tasks_find(r->nm, 100));
    assert_int_equal(reply(r, a)->n_tasks, 1);
    done = done_of(reply(r, a), 0);
    b = ask(r, 1, &done, false);
    assert_int_equal(reply(r, b)->n_tasks, 0);
    assert_null(tasks_find(r->nm, 100));
}

/* What an earlier leader wanted done, or this one before it gave that up, may have been about another version of the chunk. */
static void the_result_of_another_task_ends_none(void **state)
{
    struct rig *r = *state;
    struct wire_task_result done;
    uint32_t a = ask(r, 1, NULL, false), b;

    queue(r, 1, 100);
    for (uint32_t other = 0; other < 3; other++) {
        done = done_of(reply(r, a), 0);
        done.epoch -= other == 0;
        done.id += other == 1;
        b = ask(r, 1, &done, false);
        assert_int_equal(reply(r, b)->n_tasks, 0);
        assert_int_equal(tasks_find(r->nm, 100) != NULL, other < 2);
    }
}

static void no_more_is_given_than_there_is_room_for(void **state)
{
    struct rig *r = *state;
    struct wire_task_result done;
    uint32_t a, b;

    for (uint64_t c = 100; c < 104; c++)
        queue(r, 1, c);
    a = ask(r, 1, NULL, false);
    rig_settle(r);
    assert_int_equal(reply(r, a)->n_tasks, 2);
    done = done_of(reply(r, a), 1);
    a = ask(r, 1, NULL, false);
    rig_settle(r);
    assert_int_equal(r->answers[a].times, 0);
    b = ask(r, 1, &done, false);
    assert_int_equal(reply(r, b)->n_tasks, 1);
    assert_int_equal(reply(r, b)->tasks[0].chunk, 102);
}

static void what_was_lost_is_given_again(void **state)
{
    struct rig *r = *state;
    uint32_t a;

    queue(r, 1, 100);
    a = ask(r, 1, NULL, false);
    rig_settle(r);
    assert_int_equal(reply(r, a)->n_tasks, 1);
    a = ask(r, 1, NULL, true);
    rig_settle(r);
    assert_int_equal(reply(r, a)->n_tasks, 1);
    rig_register(r, 1, "10.0.0.1:4620"); /* started anew */
    a = ask(r, 1, NULL, false);
    rig_settle(r);
    assert_int_equal(reply(r, a)->n_tasks, 1);
}

static void a_second_call_ends_the_first(void **state)
{
    struct rig *r = *state;
    uint32_t a = ask(r, 1, NULL, false), b = ask(r, 1, NULL, false);

    rig_settle(r);
    assert_int_equal(r->answers[a].err, DFS_EAGAIN);
    assert_int_equal(r->answers[b].times, 0);
}

static void strangers_are_told_to_register(void **state)
{
    struct rig *r = *state;
    uint32_t a = ask(r, 7, NULL, false);

    rig_settle(r);
    assert_int_equal(r->answers[a].err, DFS_ESTALE);
}

static void a_server_that_is_down_does_nothing_more(void **state)
{
    struct rig *r = *state;

    queue(r, 1, 100);
    rig_pass(r, 5 * NS_PER_SEC);
    assert_null(tasks_find(r->nm, 100));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_call_waits_for_a_task_or_a_second),
        T(results_are_answered_at_once),
        T(the_result_of_another_task_ends_none),
        T(no_more_is_given_than_there_is_room_for),
        T(what_was_lost_is_given_again),
        T(a_second_call_ends_the_first),
        T(strangers_are_told_to_register),
        T(a_server_that_is_down_does_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
