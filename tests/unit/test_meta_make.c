/* SPDX-License-Identifier: MIT */
/* Make: a file that was promised in a delegated directory is there, under its number, open, with all its content. */
#include "meta_files_util.h"

static const uint32_t servers[] = {1, 2};

struct story { /* a client that has /d, with ten numbers from first on */
    struct world w;
    struct client a;
    uint64_t d, first;
};

static void delegate(struct story *s)
{
    struct msg m = {.type = MSG_TYPE_delegate, .delegate = {.id = next_id(&s->a), .dir = s->d, .inodes = 10}};
    assert_int_equal(world_apply(&s->w, &m), 0);
    s->first = s->w.reply.delegate_reply.first;
}

static void start(struct story *s)
{
    with_servers(&s->w);
    s->a = client_open(&s->w, 1);
    assert_int_equal(w_mkdir(&s->w, "/d", 0), 0);
    s->d = w_attr(&s->w, "/d")->ino;
    delegate(s);
}

static void stop(struct story *s)
{
    verify(&s->w);
    world_stop(&s->w);
}

/* There is no file, and /d was not changed since. */
static void assert_untouched(struct story *s, int64_t mtime_ns)
{
    struct msg m = {.type = MSG_TYPE_statfs};
    verify(&s->w);
    assert_int_equal(w_attr(&s->w, "/d")->mtime_ns, mtime_ns);
    arena_reset(&s->w.arena);
    assert_int_equal(meta_read(s->w.m, &m, &s->w.reply, &s->w.arena), 0);
    assert_int_equal(s->w.reply.statfs_reply.files, 0);
}

static struct msg make_of(struct story *s, const char *name, uint64_t ino)
{
    struct msg m = {.type = MSG_TYPE_make};
    m.make = (struct msg_make){
        .id = next_id(&s->a), .dir = s->d, .path = str_of(name), .ino = ino, .mode = 0640, .uid = 10, .gid = 20};
    return m;
}

static int make_piece(struct story *s, const char *name, uint64_t ino, uint64_t size, uint32_t length, uint64_t chunk,
                      const uint32_t *on)
{
    uint8_t room[TOKEN_ROOM];
    struct wire_published p = piece(room, 0, length, chunk, on, 2);
    struct msg m = make_of(s, name, ino);
    m.make.size = size;
    m.make.chunks = &p;
    m.make.n_chunks = 1;
    return world_apply(&s->w, &m);
}

static int make_empty(struct story *s, const char *name, uint64_t ino)
{
    struct msg m = make_of(s, name, ino);
    return world_apply(&s->w, &m);
}

static void it_is_there_with_its_content(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    int64_t now = s.w.now;
    assert_int_equal(make_piece(&s, "new", s.first + 3, 100, 100, 1, servers), 0);
    const struct msg_make_reply made = s.w.reply.make_reply;
    assert_int_equal(made.attr.ino, s.first + 3);
    assert_int_equal(made.attr.type, INODE_FILE);
    assert_int_equal(made.attr.size, 100);
    assert_int_equal(made.attr.chunks, 1);
    assert_int_equal(made.attr.nlink, 1);
    assert_int_equal(made.attr.mode, 0640);
    assert_int_equal(made.attr.uid, 10);
    assert_int_equal(made.attr.gid, 20);
    assert_int_equal(made.attr.mtime_ns, now);
    assert_int_equal(made.attr.ctime_ns, now);
    assert_int_equal(made.attr.atime_ns, now);
    assert_int_equal(made.dir_ns, now);
    assert_int_equal(w_attr(&s.w, "/d")->mtime_ns, now);
    assert_int_equal(w_attr(&s.w, "/d")->size, 1);
    assert_int_equal(w_attr(&s.w, "/d/new")->ino, s.first + 3);
    assert_int_equal(w_locate(&s.w, "/d/new", 0, 0, 10), 0);
    assert_int_equal(s.w.reply.locate_reply.n_chunks, 1);
    assert_int_equal(s.w.reply.locate_reply.chunks[0].length, 100);
    assert_int_equal(s.w.reply.locate_reply.chunks[0].crc, 0xc0ffee);
    assert_int_equal(s.w.reply.locate_reply.chunks[0].n_replicas, 2);
    stop(&s);
}

static void an_empty_one_can_be_filled_and_closed(void **state)
{
    (void)state;
    struct story s;
    uint8_t room[TOKEN_ROOM];
    struct wire_published p = piece(room, 0, 7, 1, servers, 2);
    start(&s);
    assert_int_equal(make_empty(&s, "new", s.first), 0);
    uint64_t h = s.w.reply.make_reply.handle;
    assert_int_equal(s.w.reply.make_reply.attr.size, 0);
    assert_int_equal(s.w.reply.make_reply.attr.chunks, 0);
    verify(&s.w);
    struct msg m = {.type = MSG_TYPE_fill};
    m.fill = (struct msg_fill){.id = next_id(&s.a), .handle = h, .size = 7, .chunks = &p, .n_chunks = 1};
    assert_int_equal(world_apply(&s.w, &m), 0);
    assert_int_equal(f_extend(&s.w, &s.a, h, 50), 0);
    assert_int_equal(w_attr(&s.w, "/d/new")->size, 50);
    assert_int_equal(f_close(&s.w, &s.a, h), 0);
    assert_int_equal(f_extend(&s.w, &s.a, h, 60), DFS_EBADF);
    stop(&s);
}

/* As any open file: it goes when it is closed. */
static void it_outlives_its_name_while_it_is_open(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    assert_int_equal(make_piece(&s, "new", s.first, 100, 100, 1, servers), 0);
    uint64_t h = s.w.reply.make_reply.handle;
    struct msg m = {.type = MSG_TYPE_unlink, .unlink = {.id = next_id(&s.a), .dir = s.d, .path = STR("new")}};
    assert_int_equal(world_apply(&s.w, &m), 0);
    assert_int_equal(f_extend(&s.w, &s.a, h, 150), 0);
    verify(&s.w);
    assert_int_equal(make_empty(&s, "again", s.first), DFS_EEXIST); /* its number is still taken */
    assert_int_equal(f_close(&s.w, &s.a, h), 0);
    assert_int_equal(make_empty(&s, "again", s.first + 1), 0);
    stop(&s);
}

static void it_has_the_attributes_that_were_promised(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    struct msg set = {.type = MSG_TYPE_setattr};
    set.setattr = (struct msg_setattr){.id = next_id(&s.a), .dir = s.d, .path = STR(""), .mode = 02775, .gid = 77,
                                       .goal = 1, .flags = SETATTR_MODE | SETATTR_GID | SETATTR_GOAL};
    assert_int_equal(world_apply(&s.w, &set), 0);
    struct msg m = make_of(&s, "new", s.first);
    m.make.mode = 0100755; /* more than permissions */
    m.make.mtime_ns = 5000;
    m.make.atime_ns = 7000;
    assert_int_equal(world_apply(&s.w, &m), 0);
    const struct wire_attr *a = w_attr(&s.w, "/d/new");
    assert_int_equal(a->mode, 0755);
    assert_int_equal(a->uid, 10);
    assert_int_equal(a->gid, 77);
    assert_int_equal(a->goal, 1);
    assert_int_equal(a->goal_chosen, 1);
    assert_int_equal(a->mtime_ns, 5000);
    assert_int_equal(a->atime_ns, 7000);
    assert_int_equal(a->ctime_ns, s.w.now - 1000);
    assert_true(w_attr(&s.w, "/d")->mtime_ns > 5000);
    m = make_of(&s, "older", s.first + 1);
    m.make.mtime_ns = 5000;
    assert_int_equal(world_apply(&s.w, &m), 0);
    assert_int_equal(s.w.reply.make_reply.attr.atime_ns, 5000); /* none of its own */
    stop(&s);
}

static void only_numbers_that_were_given_are_taken(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    int64_t before = w_attr(&s.w, "/d")->mtime_ns;
    assert_int_equal(make_empty(&s, "new", 0), DFS_EINVAL);
    assert_int_equal(make_empty(&s, "new", 15), DFS_EINVAL); /* there are none so low */
    assert_int_equal(make_empty(&s, "new", s.first + 10), DFS_EINVAL);
    assert_int_equal(make_empty(&s, "new", UINT64_MAX), DFS_EINVAL);
    assert_int_equal(make_empty(&s, "new", s.d), DFS_EEXIST);
    assert_int_equal(make_empty(&s, "new", ROOT_INO), DFS_EINVAL);
    assert_untouched(&s, before);
    assert_int_equal(make_empty(&s, "new", s.first + 9), 0);
    assert_int_equal(make_empty(&s, "new2", s.first + 9), DFS_EEXIST);
    assert_int_equal(w_lookup(&s.w, "/d/new2", 0), DFS_ENOENT);
    stop(&s);
}

static void a_name_is_made_once(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    assert_int_equal(make_piece(&s, "new", s.first, 100, 100, 1, servers), 0);
    const struct wire_attr was = *w_attr(&s.w, "/d/new");
    int64_t before = w_attr(&s.w, "/d")->mtime_ns;
    assert_int_equal(make_piece(&s, "new", s.first + 1, 50, 50, 2, servers), DFS_EEXIST);
    assert_int_equal(w_attr(&s.w, "/d/new")->ino, was.ino);
    assert_int_equal(w_attr(&s.w, "/d/new")->generation, was.generation);
    assert_int_equal(w_attr(&s.w, "/d/new")->size, 100);
    assert_int_equal(w_attr(&s.w, "/d")->mtime_ns, before);
    assert_false(meta_knows_chunk(s.w.m, 2));
    assert_int_equal(make_empty(&s, "", s.first + 1), DFS_EEXIST);
    assert_int_equal(make_empty(&s, "new/", s.first + 1), DFS_EISDIR);
    assert_int_equal(make_empty(&s, "none/new", s.first + 1), DFS_ENOENT);
    assert_int_equal(make_empty(&s, "new/new", s.first + 1), DFS_ENOTDIR);
    verify(&s.w);
    assert_int_equal(make_piece(&s, "new2", s.first + 1, 50, 50, 2, servers), 0);
    stop(&s);
}

static void what_does_not_fit_makes_nothing(void **state)
{
    (void)state;
    static const uint32_t unknown[] = {1, 99}, same[] = {2, 2};
    struct story s;
    start(&s);
    int64_t before = w_attr(&s.w, "/d")->mtime_ns;
    assert_int_equal(make_piece(&s, "new", s.first, 101, 100, 1, servers), DFS_EINVAL);
    assert_int_equal(make_piece(&s, "new", s.first, 0, 0, 1, servers), DFS_EINVAL);
    assert_int_equal(make_piece(&s, "new", s.first, 100, 100, 1, unknown), DFS_EINVAL);
    assert_int_equal(make_piece(&s, "new", s.first, 100, 100, 1, same), DFS_EINVAL);
    assert_int_equal(make_piece(&s, "new", s.first, 100, 100, UINT64_MAX >> 1, servers), DFS_ESTALE);
    struct msg m = make_of(&s, "new", s.first);
    m.make.size = 1; /* without a chunk for it */
    assert_int_equal(world_apply(&s.w, &m), DFS_EINVAL);
    assert_int_equal(world_server_state(&s.w, 2, SERVER_DOWN), 0);
    assert_int_equal(make_piece(&s, "new", s.first, 100, 100, 1, servers), DFS_ENOSERVERS);
    assert_int_equal(world_server_state(&s.w, 2, SERVER_UP), 0);
    assert_untouched(&s, before);
    assert_int_equal(make_piece(&s, "new", s.first, 100, 100, 1, servers), 0);
    stop(&s);
}

static void asked_again_it_answers_the_same(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    struct msg m = make_of(&s, "new", s.first);
    assert_int_equal(world_apply(&s.w, &m), 0);
    const struct msg_make_reply made = s.w.reply.make_reply;
    struct bytes before = saved(s.w.m);
    assert_int_equal(world_apply(&s.w, &m), 0);
    assert_int_equal(s.w.reply.make_reply.handle, made.handle);
    assert_int_equal(s.w.reply.make_reply.attr.ino, made.attr.ino);
    assert_int_equal(s.w.reply.make_reply.attr.ctime_ns, made.attr.ctime_ns);
    assert_int_equal(s.w.reply.make_reply.dir_ns, made.dir_ns);
    struct bytes after = saved(s.w.m);
    assert_int_equal(before.len, after.len); /* it is open once */
    bytes_close(&before);
    bytes_close(&after);
    m = make_of(&s, "new", s.first + 1);
    assert_int_equal(world_apply(&s.w, &m), DFS_EEXIST);
    assert_int_equal(world_apply(&s.w, &m), DFS_EEXIST);
    stop(&s);
}

/* What was promised is made though the delegation is lost: but not where another has it by now. */
static void it_needs_no_delegation(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    struct client b = client_open(&s.w, 2);
    struct msg revoke = {.type = MSG_TYPE_delegate_revoke, .delegate_revoke = {.dir = s.d, .session = s.a.session}};
    assert_int_equal(world_apply(&s.w, &revoke), 0);
    assert_int_equal(make_empty(&s, "new", s.first), 0);
    struct msg m = {.type = MSG_TYPE_delegate, .delegate = {.id = next_id(&b), .dir = s.d, .inodes = 1}};
    assert_int_equal(world_apply(&s.w, &m), 0);
    struct msg late = make_of(&s, "late", s.first + 1);
    assert_int_equal(world_apply(&s.w, &late), DFS_EAGAIN);
    assert_int_equal(s.w.res.recall, s.d);
    struct msg back = {.type = MSG_TYPE_delegate_return, .delegate_return = {.id = next_id(&b), .dir = s.d}};
    assert_int_equal(world_apply(&s.w, &back), 0);
    assert_int_equal(world_apply(&s.w, &late), 0);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_there_with_its_content),
        cmocka_unit_test(an_empty_one_can_be_filled_and_closed),
        cmocka_unit_test(it_outlives_its_name_while_it_is_open),
        cmocka_unit_test(it_has_the_attributes_that_were_promised),
        cmocka_unit_test(only_numbers_that_were_given_are_taken),
        cmocka_unit_test(a_name_is_made_once),
        cmocka_unit_test(what_does_not_fit_makes_nothing),
        cmocka_unit_test(asked_again_it_answers_the_same),
        cmocka_unit_test(it_needs_no_delegation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
