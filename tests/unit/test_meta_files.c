/* SPDX-License-Identifier: MIT */
/* Open files in the state machine. */
#include "meta_files_util.h"

static void a_handle_is_opened_as_open_says(void **state)
{
    (void)state;
    struct world w;
    uint64_t a = 0, b = 0;
    with_servers(&w);
    struct client c = client_open(&w, 1);
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_READ, &a), DFS_ENOENT);
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_CREATE, &a), DFS_EINVAL);
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_READ | 1u << 30, &a), DFS_EINVAL);
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_WRITE | OPEN_CREATE, &a), 0);
    assert_int_equal(w.reply.open_reply.attr.mode, 0600);
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_WRITE | OPEN_CREATE | OPEN_EXCL, &b), DFS_EEXIST);
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_READ, &b), 0);
    assert_true(a != b);
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/", OPEN_READ, &b), DFS_EISDIR);
    assert_int_equal(f_extend(&w, &c, a, 100), 0);
    assert_int_equal(f_extend(&w, &c, a, 50), 0); /* never shorter */
    assert_int_equal(w_attr(&w, "/f")->size, 100);
    assert_int_equal(f_extend(&w, &c, b, 200), DFS_EBADF); /* for reading */
    assert_int_equal(f_extend(&w, &c, 99, 200), DFS_EBADF);
    struct client other = client_open(&w, 2);
    assert_int_equal(f_extend(&w, &other, a, 200), DFS_EBADF); /* somebody else's */
    assert_int_equal(f_extend(&w, &c, a, UINT64_MAX), DFS_EFBIG);
    assert_int_equal(f_close(&w, &c, a), 0);
    assert_int_equal(f_close(&w, &c, a), 0);
    assert_int_equal(f_extend(&w, &c, a, 200), DFS_EBADF);
    verify(&w);
    world_stop(&w);
}

/* Who keeps a directory's attributes need not ask for them after each name: the answer has its time. */
static void answers_say_when_the_directory_changed(void **state)
{
    (void)state;
    struct world w;
    uint64_t h = 0;
    with_servers(&w);
    struct client c = client_open(&w, 1);
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_WRITE | OPEN_CREATE, &h), 0);
    int64_t made_ns = w.reply.open_reply.dir_ns;
    assert_true(made_ns > 0);
    assert_int_equal(made_ns, w_attr(&w, "/")->mtime_ns);
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_WRITE | OPEN_CREATE, &h), 0);
    assert_int_equal(w.reply.open_reply.dir_ns, 0); /* it was there */
    assert_int_equal(w_unlink(&w, "/f"), 0);
    int64_t removed_ns = w.reply.unlink_reply.dir_ns;
    assert_true(removed_ns > made_ns);
    assert_int_equal(removed_ns, w_attr(&w, "/")->ctime_ns);
    world_stop(&w);
}

/* The chunk is mapped: 1; removed: 2; unknown: 0. */
static int chunk_is(struct world *w, uint64_t chunk)
{
    struct meta_removed r;
    bool removed;
    return !meta_find_chunk(w->m, chunk, &r, &removed) ? 0 : removed ? 2 : 1;
}

static void what_is_open_outlives_its_names(void **state)
{
    (void)state;
    struct world w;
    uint64_t h = 0, again = 0;
    with_servers(&w);
    struct client c = client_open(&w, 1);
    assert_int_equal(w_publish(&w, "/f", 100, 1, 0), 0);
    assert_int_equal(w_publish(&w, "/g", 50, 2, 0), 0);
    uint64_t ino = w_attr(&w, "/f")->ino;
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_READ | OPEN_WRITE, &h), 0);
    assert_int_equal(w_rename(&w, "/g", "/f", 0), 0); /* another takes its name */
    assert_int_equal(chunk_is(&w, 1), 1);
    verify(&w);
    assert_int_equal(f_open(&w, &c, ino, "", OPEN_READ, &again), 0); /* by its number */
    assert_int_equal(w.reply.open_reply.attr.size, 100);
    assert_int_equal(w.reply.open_reply.attr.nlink, 0);
    assert_int_equal(f_extend(&w, &c, h, 1000), 0);
    verify(&w);
    assert_int_equal(f_close(&w, &c, h), 0);
    assert_int_equal(chunk_is(&w, 1), 1);
    assert_int_equal(f_close(&w, &c, again), 0);
    assert_int_equal(chunk_is(&w, 1), 2);
    assert_int_equal(w_lookup(&w, "/f", 0), 0);
    verify(&w);
    world_stop(&w);
}

/* A put over an open file, as a rename over it: the old content stays with who has it open. */
static void what_is_open_outlives_its_replacement(void **state)
{
    (void)state;
    struct world w;
    uint64_t h = 0;
    with_servers(&w);
    struct client c = client_open(&w, 1);
    assert_int_equal(w_publish(&w, "/f", 100, 1, 0), 0);
    assert_int_equal(w_chmod(&w, "/f", 0640), 0);
    assert_int_equal(w_setxattr(&w, "/f", "user.a", STR("b"), 0), 0);
    uint64_t ino = w_attr(&w, "/f")->ino;
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_READ | OPEN_WRITE, &h), 0);
    assert_int_equal(w_publish(&w, "/f", 50, 2, 0), 0);
    verify(&w);
    assert_true(w_attr(&w, "/f")->ino != ino);
    assert_int_equal(w_attr(&w, "/f")->size, 50);
    assert_int_equal(w_attr(&w, "/f")->mode, 0640);
    assert_int_equal(w_attr(&w, "/f")->nlink, 1);
    struct msg m = {.type = MSG_TYPE_getxattr, .getxattr = {.dir = ROOT_INO, .path = STR("/f"), .name = STR("user.a")}};
    assert_int_equal(meta_read(w.m, &m, &w.reply, &w.arena), 0);
    assert_int_equal(chunk_is(&w, 1), 1);
    assert_int_equal(f_extend(&w, &c, h, 200), 0);
    assert_int_equal(w_attr(&w, "/f")->size, 50);
    assert_int_equal(f_close(&w, &c, h), 0);
    assert_int_equal(chunk_is(&w, 1), 2);
    ino = w_attr(&w, "/f")->ino;
    assert_int_equal(w_publish(&w, "/f", 60, 3, 0), 0); /* nobody has it open: the same file */
    assert_int_equal(w_attr(&w, "/f")->ino, ino);
    verify(&w);
    world_stop(&w);
}

static void a_session_takes_its_handles_along(void **state)
{
    (void)state;
    struct world w;
    uint64_t h = 0, kept = 0;
    with_servers(&w);
    struct client a = client_open(&w, 1), b = client_open(&w, 2);
    assert_int_equal(w_publish(&w, "/f", 100, 1, 0), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(f_open(&w, &a, ROOT_INO, "/f", OPEN_READ, &h), 0);
    assert_int_equal(f_open(&w, &b, ROOT_INO, "/f", OPEN_READ, &kept), 0);
    assert_int_equal(w_unlink(&w, "/f"), 0);
    client_close(&w, &a);
    verify(&w);
    assert_int_equal(chunk_is(&w, 1), 1);
    /* the other one expires */
    struct wire_session gone = {.id = b.session, .idle_since_ns = w.now};
    struct msg m = {.type = MSG_TYPE_expire, .expire = {.sessions = &gone, .n_sessions = 1}};
    assert_int_equal(world_apply(&w, &m), 0);
    assert_int_equal(chunk_is(&w, 1), 2);
    verify(&w);
    world_stop(&w);
}

/* Nothing keeps the content any more, and a put makes it another one under the same number: who still has the handle must not
 * be shown that. */
static void who_lost_a_handle_is_not_shown_what_came_after(void **state)
{
    (void)state;
    struct world w;
    uint64_t h = 0;
    with_servers(&w);
    struct client c = client_open(&w, 1);
    assert_int_equal(w_publish(&w, "/f", 100, 1, 0), 0);
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/f", OPEN_READ, &h), 0);
    uint64_t ino = w_attr(&w, "/f")->ino;
    struct msg m = {.type = MSG_TYPE_locate, .locate = {.dir = ino, .path = STR(""), .handle = h}};
    assert_int_equal(meta_read(w.m, &m, &w.reply, &w.arena), 0);
    client_close(&w, &c);
    assert_int_equal(w_publish(&w, "/f", 50, 2, 0), 0);
    assert_int_equal(w_attr(&w, "/f")->ino, ino);
    assert_int_equal(meta_read(w.m, &m, &w.reply, &w.arena), DFS_EBADF);
    m.locate.handle = 0;
    assert_int_equal(meta_read(w.m, &m, &w.reply, &w.arena), 0);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_is_opened_as_open_says),
        cmocka_unit_test(answers_say_when_the_directory_changed),
        cmocka_unit_test(what_is_open_outlives_its_names),
        cmocka_unit_test(what_is_open_outlives_its_replacement),
        cmocka_unit_test(a_session_takes_its_handles_along),
        cmocka_unit_test(who_lost_a_handle_is_not_shown_what_came_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
