/* SPDX-License-Identifier: MIT */
/* Clients that hold on to what they looked up: who is told of which changes. */
#include "nm_watcher.h"

static void do_mkdir(struct rig *r, struct user *u, const char *path)
{
    struct msg m = {.type = MSG_TYPE_mkdir};

    m.mkdir = (struct msg_mkdir){.id = next_id(u), .dir = ROOT_INO, .path = str_of(path), .mode = 0755};
    assert_int_equal(rig_call(r, &m, NULL), 0);
}

static void do_chmod(struct rig *r, struct user *u, const char *path, uint32_t mode)
{
    struct msg m = {.type = MSG_TYPE_setattr};

    m.setattr = (struct msg_setattr){
        .id = next_id(u), .dir = ROOT_INO, .path = str_of(path), .flags = SETATTR_MODE, .mode = mode};
    assert_int_equal(rig_call(r, &m, NULL), 0);
}

static uint64_t look_up(struct rig *r, const struct user *u, uint64_t dir, const char *path)
{
    struct msg m = {.type = MSG_TYPE_lookup};
    const struct msg *reply;

    m.lookup = (struct msg_lookup){.dir = dir, .path = str_of(path), .session = u->session};
    return rig_call(r, &m, &reply) == 0 ? reply->lookup_reply.attr.ino : 0;
}

static bool has(const struct msg_watch_reply *w, uint64_t ino, const char *name)
{
    for (uint32_t i = 0; i < w->n_changes; i++)
        if (w->changes[i].ino == ino && str_eq(w->changes[i].name, str_of(name)))
            return true;
    return false;
}

static struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof *r);

    rig_init(r, 1, 64 * MIB);
    rig_start(r, true);
    return r;
}

static void stop(struct rig *r)
{
    rig_free(r);
    free(r);
}

static void who_looked_it_up_is_told(void **state)
{
    struct rig *r = rig_new();
    struct user a = watcher(r, 1), b = user_open(r, 2);
    (void)state;

    do_mkdir(r, &b, "/d");
    do_mkdir(r, &b, "/e");
    assert_null(told(r, &a)); /* it has not asked about any */
    uint64_t d = look_up(r, &a, ROOT_INO, "d");

    do_chmod(r, &b, "/e", 0700);
    assert_null(told(r, &a));
    do_chmod(r, &b, "/d", 0700);
    assert_non_null(told(r, &a));
    assert_true(told(r, &a)->n_changes == 1 && has(told(r, &a), d, ""));
    watch(r, &a);
    do_chmod(r, &b, "/d", 0711); /* it has been told, and has not looked again */
    assert_null(told(r, &a));
    assert_int_equal(look_up(r, &a, ROOT_INO, "d"), d);
    do_chmod(r, &a, "/d", 0755); /* its own doing */
    assert_null(told(r, &a));
    do_chmod(r, &b, "/d", 0700);
    assert_non_null(told(r, &a));
    stop(r);
}

static void names_are_told_as_long_as_their_directory_is_of_interest(void **state)
{
    struct rig *r = rig_new();
    struct user a = watcher(r, 1), b = user_open(r, 2);
    (void)state;

    assert_int_equal(look_up(r, &a, ROOT_INO, "new"), 0); /* what is not there may come */
    for (int i = 0; i < 3; i++) {
        char path[16];

        snprintf(path, sizeof path, "/new%d", i);
        do_mkdir(r, &b, path);
        assert_non_null(told(r, &a));
        assert_true(has(told(r, &a), ROOT_INO, path + 1));
        assert_false(has(told(r, &a), ROOT_INO, "")); /* its attributes were not looked at */
        watch(r, &a);
    }
    struct msg m = {.type = MSG_TYPE_rename};

    m.rename = (struct msg_rename){
        .id = next_id(&b), .dir = ROOT_INO, .path = STR("new0"), .to_dir = ROOT_INO, .to_path = STR("n")};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    assert_true(has(told(r, &a), ROOT_INO, "new0") && has(told(r, &a), ROOT_INO, "n"));
    stop(r);
}

static void what_happens_between_two_calls_is_kept(void **state)
{
    struct rig *r = rig_new();
    struct user a = watcher(r, 1), b = user_open(r, 2);
    (void)state;

    look_up(r, &a, ROOT_INO, "x");
    do_mkdir(r, &b, "/x");
    assert_non_null(told(r, &a));
    do_mkdir(r, &b, "/y");
    do_mkdir(r, &b, "/z");
    watch(r, &a);
    assert_non_null(told(r, &a));
    assert_true(has(told(r, &a), ROOT_INO, "y") && has(told(r, &a), ROOT_INO, "z"));
    stop(r);
}

/* An answer that was lost on its way, a buffer that is full, another leader: everything may have changed. */
static void what_cannot_be_told_is_everything(void **state)
{
    struct rig *r = rig_new();
    struct user a = watcher(r, 1), b = user_open(r, 2);
    (void)state;

    look_up(r, &a, ROOT_INO, "x");
    do_mkdir(r, &b, "/x");
    watch(r, &a); /* with the number before */
    assert_int_equal(told(r, &a)->all, 1);
    look_up(r, &a, ROOT_INO, "x");
    for (int i = 0; i < 300; i++) {
        char path[16];

        snprintf(path, sizeof path, "/m%d", i);
        do_mkdir(r, &b, path);
        rig_forget_answers(r);
    }
    watch(r, &a);
    assert_int_equal(told(r, &a)->all, 1);
    watch(r, &a);
    assert_null(told(r, &a));
    rig_pass(r, 3 * NS_PER_SEC); /* nothing: it hears that we are there */
    assert_true(told(r, &a)->n_changes == 0 && !told(r, &a)->all);
    rig_stop(r);
    rig_start(r, false);
    watch(r, &a);
    assert_int_equal(told(r, &a)->all, 1);
    stop(r);
}

static void who_is_gone_is_forgotten(void **state)
{
    struct rig *r = rig_new();
    struct user a = watcher(r, 1), b = user_open(r, 2);
    (void)state;

    look_up(r, &a, ROOT_INO, "x");
    rig_pass(r, 40 * NS_PER_SEC);
    do_mkdir(r, &b, "/x");
    assert_true(told(r, &a)->n_changes == 0);
    watch(r, &a);
    assert_int_equal(told(r, &a)->all, 1);
    struct user none = {.session = 99};

    watch(r, &none);
    assert_int_equal(r->answers[none.call].err, DFS_ESESSION);
    stop(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_looked_it_up_is_told),
        cmocka_unit_test(names_are_told_as_long_as_their_directory_is_of_interest),
        cmocka_unit_test(what_happens_between_two_calls_is_kept),
        cmocka_unit_test(what_cannot_be_told_is_everything),
        cmocka_unit_test(who_is_gone_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
