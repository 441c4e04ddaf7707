/* SPDX-License-Identifier: MIT */
/* The client that wants to know what has changed: a call that waits, and what becomes of it. */
#include "client_fake.h"

struct heard {
    int calls, all;
    struct dfs_invalidation last;
    char name[64];
    size_t n;
};

static void on_invalid(void *arg, const struct dfs_invalidation *v, size_t n)
{
    struct heard *h = arg;
    h->calls++;
    h->all += v == NULL;
    h->n = n;
    if (!v)
        return;
    h->last = v[n - 1];
    snprintf(h->name, sizeof h->name, "%s", h->last.name ? h->last.name : "");
}

static void answer(struct fake *f, uint64_t id, uint64_t number, bool all, struct wire_invalidation *v, uint32_t n)
{
    struct msg m = {.type = MSG_TYPE_watch_reply};
    m.watch_reply = (struct msg_watch_reply){.watch = id, .number = number, .all = all, .changes = v, .n_changes = n};
    fake_reply(f, fake_find(f, MSG_TYPE_watch), &m, NULL);
}

static struct fake *watching(struct heard *h)
{
    struct fake *f = fake_new();
    client_watch(f->c, on_invalid, h);
    fake_turn(f);
    fake_session(f, fake_find(f, MSG_TYPE_session_open));
    const struct msg_watch *w = &fake_find(f, MSG_TYPE_watch)->m.watch;
    assert_true(w->session == f->session && w->watch == 0 && w->wait_ms > 0);
    answer(f, 5, 1, true, NULL, 0);
    assert_true(h->calls == 1 && h->all == 1);
    return f;
}

static void changes_are_handed_on(void **state)
{
    (void)state;
    struct heard h = {0};
    struct fake *f = watching(&h);
    struct wire_invalidation v[2] = {{.ino = 7, .name = STR("")}, {.ino = 1, .name = STR("x")}};
    const struct msg_watch *w = &fake_find(f, MSG_TYPE_watch)->m.watch;
    assert_true(w->watch == 5 && w->seen == 1);
    answer(f, 5, 2, false, v, 2);
    assert_true(h.calls == 2 && h.n == 2 && h.last.ino == 1);
    assert_string_equal(h.name, "x");
    assert_int_equal(fake_find(f, MSG_TYPE_watch)->m.watch.seen, 2);
    answer(f, 5, 3, false, NULL, 0); /* nothing happened */
    assert_int_equal(h.calls, 2);
    fake_start(f, (struct client_request){.kind = OP_STAT, .path = "/f"});
    assert_int_equal(fake_find(f, MSG_TYPE_lookup)->m.lookup.session, f->session);
    client_watch(f->c, NULL, NULL);
    fake_start(f, (struct client_request){.kind = OP_READDIR, .path = "/f"});
    assert_int_equal(fake_find(f, MSG_TYPE_readdir)->m.readdir.session, 0);
    fake_free(f);
}

static void what_fails_is_taken_for_everything(void **state)
{
    (void)state;
    struct heard h = {0};
    struct fake *f = watching(&h);
    fake_refuse(f, fake_find(f, MSG_TYPE_watch), DFS_ENOTSUP, "", "");
    assert_int_equal(h.all, 2);
    fake_sleep(f); /* a while later */
    assert_int_equal(fake_find(f, MSG_TYPE_watch)->m.watch.watch, 0);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_handed_on),
        cmocka_unit_test(what_fails_is_taken_for_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
