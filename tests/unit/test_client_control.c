/* SPDX-License-Identifier: MIT */
/* The client's operations under way: canceled, given a deadline, paused by a sink or a source and resumed. */
#include "client_fake.h"

static int short_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    uint64_t size = *(const uint64_t *)arg;
    *got = offset < size ? (size_t)min_u64(len, size - offset) : 0;
    for (size_t i = 0; i < *got; i++)
        ((uint8_t *)buf)[i] = (uint8_t)((offset + i) * 7);
    return 0;
}

static void put(struct fake *f, uint64_t size)
{
    fake_start(f, (struct client_request){.kind = OP_PUT, .path = "/f", .source = {.read = short_read, .arg = &size}});
    fake_run(f);
    assert_int_equal(f->status, 0);
}

/* A sink that has room for a part at a time. */
struct sink {
    uint64_t got;
    bool full;
    int refused;
};

static int sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct sink *s = arg;
    assert_int_equal(offset, s->got);
    if (s->full) {
        s->refused++;
        return DFS_EAGAIN;
    }
    assert_int_equal(((const uint8_t *)p)[len - 1], (uint8_t)((offset + len - 1) * 7));
    s->got += len;
    s->full = true;
    return 0;
}

static struct client_request get_of(struct sink *s)
{
    return (struct client_request){.kind = OP_GET, .path = "/f", .length = UINT64_MAX, .sink = {sink_write, NULL, s}};
}

static void a_sink_without_room_is_asked_again(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    struct sink s = {0};
    put(f, 5 * MIB);
    fake_start(f, get_of(&s));
    uint64_t number = client_last(f->c);
    while (fake_next(f))
        fake_answer(f, fake_next(f));
    assert_true(s.refused == 1 && s.got > 0 && s.got < 5 * MIB);
    uint64_t got = s.got;
    s.full = false;
    client_resume(f->c, number); /* no time passes */
    fake_turn(f);
    assert_true(s.got > got);
    got = s.got;
    s.full = false;
    fake_sleep(f); /* nobody says a word: after a pause */
    assert_true(s.got > got);
    while (!f->ended) {
        s.full = false;
        client_resume(f->c, number);
        fake_turn(f);
        while (fake_next(f))
            fake_answer(f, fake_next(f));
    }
    assert_int_equal(f->status, 0);
    assert_int_equal(s.got, 5 * MIB);
    fake_free(f);
}

static int starving_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    bool *fed = arg;
    (void)len;
    *got = 0;
    if (!*fed)
        return DFS_EAGAIN;
    if (offset == 0)
        *(uint8_t *)buf = 'x';
    *got = offset == 0;
    return 0;
}

static void a_source_that_has_something_is_asked_at_once(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    bool fed = false;
    fake_start(f, (struct client_request){.kind = OP_PUT, .path = "/f", .source = {.read = starving_read, .arg = &fed}});
    uint64_t number = client_last(f->c);
    assert_null(fake_next(f));
    fed = true;
    client_resume(f->c, number);
    fake_turn(f);
    assert_non_null(fake_next(f));
    fake_run(f);
    assert_int_equal(f->status, 0);
    assert_int_equal(f->bytes, 1);
    fake_free(f);
}

static void a_canceled_operation_ends_once(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    struct sink s = {0};
    put(f, 3 * MIB);
    fake_start(f, get_of(&s));
    uint64_t number = client_last(f->c);
    client_cancel(f->c, number);
    client_cancel(f->c, number);
    assert_int_equal(f->ended, 0); /* never from inside the call */
    assert_int_equal(client_deadline(f->c), 0);
    fake_turn(f);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_ECANCELED);
    client_cancel(f->c, number);
    while (fake_next(f)) /* an answer that comes late is nobody's */
        fake_answer(f, fake_next(f));
    assert_int_equal(f->ended, 1);
    fake_free(f);
}

static void a_deadline_ends_an_operation(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    fake_start(f, (struct client_request){.kind = OP_STAT, .path = "/f"});
    client_set_deadline(f->c, client_last(f->c), f->now.mono + 50 * NS_PER_MS);
    assert_int_equal(client_deadline(f->c), f->now.mono + 50 * NS_PER_MS);
    f->now.mono += 49 * NS_PER_MS;
    fake_turn(f);
    assert_int_equal(f->ended, 0);
    fake_sleep(f);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_ETIMEDOUT);
    fake_free(f);
}

static void a_change_on_its_way_is_unknown_at_its_deadline(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    put(f, 1); /* there is a session */
    fake_start(f, (struct client_request){.kind = OP_MKDIR, .path = "/d", .mode = 0755});
    assert_non_null(fake_find(f, MSG_TYPE_mkdir));
    client_set_deadline(f->c, client_last(f->c), f->now.mono + NS_PER_MS);
    fake_sleep(f);
    assert_int_equal(f->status, DFS_EUNKNOWN);
    fake_free(f);
}

static void a_deadline_can_be_taken_back(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    fake_start(f, (struct client_request){.kind = OP_STAT, .path = "/f"});
    client_set_deadline(f->c, client_last(f->c), f->now.mono + NS_PER_MS);
    client_set_deadline(f->c, client_last(f->c), UINT64_MAX);
    f->now.mono += NS_PER_SEC;
    fake_turn(f);
    assert_int_equal(f->ended, 0);
    fake_free(f);
}

static void any_server_is_asked_what_it_has_used(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    fake_start(f, (struct client_request){.kind = OP_PROCESS, .path = "ss7:4620"});
    struct fake_call *k = fake_expect(f, MSG_TYPE_process, "ss7:4620");
    struct msg m = {.type = MSG_TYPE_process_reply};
    m.process_reply = (struct msg_process_reply){STR("box"), 12, 4, 1000, 600, 1 << 20, 2 << 20};
    fake_reply(f, k, &m, NULL);
    assert_int_equal(f->status, 0);
    assert_int_equal(f->process.pid, 12);
    assert_int_equal(f->process.cpu_us, 600);
    assert_int_equal(f->process.memory_peak, 2 << 20);

    fake_start(f, (struct client_request){.kind = OP_PROCESS, .path = "ss8:4620"});
    fake_break(f, fake_expect(f, MSG_TYPE_process, "ss8:4620"), DFS_EUNREACH);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_EUNREACH); /* at once: nobody else could say it */
    assert_non_null(strstr(f->error, "ss8:4620"));

    struct client_request bad = {.kind = OP_PROCESS, .path = "", .cb = fake_on_done, .arg = f};
    assert_int_equal(client_start(f->c, &bad), DFS_EINVAL);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sink_without_room_is_asked_again),
        cmocka_unit_test(a_source_that_has_something_is_asked_at_once),
        cmocka_unit_test(a_canceled_operation_ends_once),
        cmocka_unit_test(a_deadline_ends_an_operation),
        cmocka_unit_test(a_change_on_its_way_is_unknown_at_its_deadline),
        cmocka_unit_test(a_deadline_can_be_taken_back),
        cmocka_unit_test(any_server_is_asked_what_it_has_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
