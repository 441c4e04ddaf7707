/* SPDX-License-Identifier: MIT */
/* Delegations of directories: who gets one, in whose way it is, and how it ends. */
#include "meta_files_util.h"
#include "meta_forge_util.h"

/* The holder has /d; the world's own session is somebody else. */
struct story {
    struct world w;
    struct client a;
    uint64_t d;
};

static int delegate(struct world *w, struct client *c, uint64_t dir, uint32_t inodes)
{
    struct msg m = {.type = MSG_TYPE_delegate, .delegate = {.id = next_id(c), .dir = dir, .inodes = inodes}};
    return world_apply(w, &m);
}

static void give_back(struct world *w, struct client *c, uint64_t dir)
{
    struct msg m = {.type = MSG_TYPE_delegate_return, .delegate_return = {.id = next_id(c), .dir = dir}};
    assert_int_equal(world_apply(w, &m), 0);
}

static void revoke(struct world *w, uint64_t dir, uint64_t session)
{
    struct msg m = {.type = MSG_TYPE_delegate_revoke, .delegate_revoke = {.dir = dir, .session = session}};
    assert_int_equal(world_apply(w, &m), 0);
}

static void expire(struct world *w, uint64_t session)
{
    struct wire_session gone = {.id = session, .idle_since_ns = w->now};
    struct msg m = {.type = MSG_TYPE_expire, .expire = {.sessions = &gone, .n_sessions = 1}};
    assert_int_equal(world_apply(w, &m), 0);
}

static void make_tree(struct world *w)
{
    with_servers(w);
    assert_int_equal(w_mkdir(w, "/d/sub", MKDIR_PARENTS), 0);
    assert_int_equal(w_mkdir(w, "/d/bare", 0), 0);
    assert_int_equal(w_mkdir(w, "/e", 0), 0);
    assert_int_equal(w_publish(w, "/d/there", 100, 1, 0), 0);
    assert_int_equal(w_create(w, "/d/sub/x", 0), 0);
    assert_int_equal(w_create(w, "/e/f", 0), 0);
    assert_int_equal(w_symlink(w, "d/missing", "/link"), 0);
    assert_int_equal(w_create(w, "/d/trashed", 0), 0);
    assert_int_equal(w_remove(w, "/d/trashed", REMOVE_KEEP), 0); /* number 1 */
    assert_int_equal(w->reply.remove_reply.trash, 1);
}

static void start(struct story *s)
{
    make_tree(&s->w);
    s->a = client_open(&s->w, 1);
    s->d = w_attr(&s->w, "/d")->ino;
    assert_int_equal(delegate(&s->w, &s->a, s->d, 10), 0);
}

static void stop(struct story *s)
{
    verify(&s->w);
    world_stop(&s->w);
}

static void numbers_come_with_it_and_no_two_are_the_same(void **state)
{
    (void)state;
    struct world w;
    make_tree(&w);
    struct client a = client_open(&w, 1), b = client_open(&w, 2);
    uint64_t d = w_attr(&w, "/d")->ino, e = w_attr(&w, "/e")->ino;
    assert_int_equal(delegate(&w, &a, d, 100), 0);
    const struct msg_delegate_reply first = w.reply.delegate_reply;
    assert_int_equal(first.inodes, 100);
    assert_int_equal(first.kept, 0);
    assert_int_equal(first.attr.ino, d);
    assert_int_equal(first.attr.type, INODE_DIRECTORY);
    assert_int_equal(w_create(&w, "/other", 0), 0);
    assert_true(w_attr(&w, "/other")->ino >= first.first + 100);
    assert_int_equal(delegate(&w, &b, e, 5), 0);
    assert_true(w.reply.delegate_reply.first >= first.first + 100);
    uint64_t next = w.reply.delegate_reply.first + 5;
    assert_int_equal(delegate(&w, &a, d, UINT32_MAX), 0);
    assert_true(w.reply.delegate_reply.first >= next);
    assert_int_equal(w.reply.delegate_reply.inodes, 4096);
    assert_int_equal(w.reply.delegate_reply.kept, 1);
    assert_int_equal(delegate(&w, &a, d, 0), 0);
    assert_int_equal(w.reply.delegate_reply.inodes, 0);
    assert_int_equal(w.reply.delegate_reply.kept, 1);
    assert_int_equal(meta_n_delegations(w.m), 2);
    give_back(&w, &a, d);
    assert_int_equal(meta_delegated_to(w.m, d), 0);
    assert_int_equal(delegate(&w, &a, d, 1), 0);
    assert_int_equal(w.reply.delegate_reply.kept, 0);
    verify(&w);
    world_stop(&w);
}

static void only_directories_that_are_there_are_given(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    assert_int_equal(delegate(&s.w, &s.a, w_attr(&s.w, "/e/f")->ino, 1), DFS_ENOTDIR);
    assert_int_equal(delegate(&s.w, &s.a, w_attr(&s.w, "/link")->ino, 1), DFS_ENOTDIR);
    assert_int_equal(delegate(&s.w, &s.a, 99999, 1), DFS_ENOENT);
    uint64_t e = w_attr(&s.w, "/e")->ino;
    assert_int_equal(w_remove(&s.w, "/e", REMOVE_TREE | REMOVE_KEEP), 0);
    assert_int_equal(delegate(&s.w, &s.a, e, 1), DFS_ENOENT); /* the trash has it */
    assert_int_equal(delegate(&s.w, &s.a, 2, 1), DFS_ENOENT); /* the trash itself */
    assert_int_equal(meta_n_delegations(s.w.m), 1);
    assert_int_equal(delegate(&s.w, &s.a, ROOT_INO, 1), 0);
    stop(&s);
}

/* --- in whose way --- */

#define STR_OF(literal) {(literal), sizeof(literal) - 1}
#define AT .dir = ROOT_INO, .path
#define REQUEST(t, ...) {.type = MSG_TYPE_##t, .t = {__VA_ARGS__}}

static const struct changing {
    struct msg m;
    int err; /* when it is done at last */
} changing[] = {
    {REQUEST(create, AT = STR_OF("/d/new")), 0},
    {REQUEST(create, AT = STR_OF("/d/new"), .flags = CREATE_EXCL), 0},
    {REQUEST(create, AT = STR_OF("/link")), 0},
    {REQUEST(mkdir, AT = STR_OF("/d/new")), 0},
    {REQUEST(mkdir, AT = STR_OF("/d/new/deep"), .flags = MKDIR_PARENTS), 0},
    {REQUEST(mkdir, AT = STR_OF("//d/sub/..//new/deep/"), .flags = MKDIR_PARENTS), 0},
    {REQUEST(symlink, AT = STR_OF("/d/new"), .target = STR_OF("x")), 0},
    {REQUEST(mknod, AT = STR_OF("/d/new"), .type = INODE_FIFO), 0},
    {REQUEST(link, AT = STR_OF("/e/f"), .to_dir = ROOT_INO, .to_path = STR_OF("/d/new")), 0},
    {REQUEST(link, AT = STR_OF("/d/missing"), .to_dir = ROOT_INO, .to_path = STR_OF("/new")), DFS_ENOENT},
    {REQUEST(rename, AT = STR_OF("/e/f"), .to_dir = ROOT_INO, .to_path = STR_OF("/d/new")), 0},
    {REQUEST(rename, AT = STR_OF("/e/f"), .to_dir = ROOT_INO, .to_path = STR_OF("/d/there")), 0},
    {REQUEST(rename, AT = STR_OF("/d/there"), .to_dir = ROOT_INO, .to_path = STR_OF("/e/new")), 0},
    {REQUEST(rename, AT = STR_OF("/d"), .to_dir = ROOT_INO, .to_path = STR_OF("/e/d")), 0},
    {REQUEST(unlink, AT = STR_OF("/d/there")), 0},
    {REQUEST(unlink, AT = STR_OF("/d/missing")), DFS_ENOENT},
    {REQUEST(rmdir, AT = STR_OF("/d/bare")), 0},
    {REQUEST(rmdir, AT = STR_OF("/d")), DFS_ENOTEMPTY},
    {REQUEST(remove, AT = STR_OF("/d/there")), 0},
    {REQUEST(remove, AT = STR_OF("/d"), .flags = REMOVE_TREE), 0},
    {REQUEST(setattr, AT = STR_OF("/d/missing"), .flags = SETATTR_MODE), DFS_ENOENT},
    {REQUEST(setattr, AT = STR_OF("/d"), .flags = SETATTR_MODE, .mode = 0700), 0},
    {REQUEST(setxattr, AT = STR_OF("/d/missing"), .name = STR_OF("user.a")), DFS_ENOENT},
    {REQUEST(removexattr, AT = STR_OF("/d/missing"), .name = STR_OF("user.a")), DFS_ENOENT},
    {REQUEST(open, AT = STR_OF("/d/missing"), .flags = OPEN_READ), DFS_ENOENT},
    {REQUEST(open, AT = STR_OF("/link"), .flags = OPEN_READ), DFS_ENOENT},
    {REQUEST(open, AT = STR_OF("/d/missing"), .flags = OPEN_WRITE | OPEN_CREATE), 0},
    {REQUEST(open, AT = STR_OF("/d/missing"), .flags = OPEN_WRITE | OPEN_CREATE | OPEN_EXCL), 0},
    {REQUEST(publish, AT = STR_OF("/d/missing")), 0},
    {REQUEST(truncate, AT = STR_OF("/d/missing")), DFS_ENOENT},
    {REQUEST(trash_restore, .trash = 1, .path = STR_OF("")), 0},
    {REQUEST(trash_restore, .trash = 1, AT = STR_OF("/d/new")), 0},
};

static const struct msg reading[] = {
    REQUEST(lookup, AT = STR_OF("/d/missing")),
    REQUEST(lookup, AT = STR_OF("/d/missing"), .flags = LOOKUP_NOFOLLOW),
    REQUEST(lookup, AT = STR_OF("/d/missing/")),
    REQUEST(lookup, AT = STR_OF("/link")),
    REQUEST(lookup, AT = STR_OF("/d")),
    REQUEST(lookup, AT = STR_OF("/d/.")),
    REQUEST(lookup, AT = STR_OF("/d/sub/..")),
    REQUEST(readdir, AT = STR_OF("/d")),
    REQUEST(readdir, AT = STR_OF("/d/missing")),
    REQUEST(locate, AT = STR_OF("/d/missing")),
    REQUEST(usage, AT = STR_OF("/d")),
    REQUEST(getxattr, AT = STR_OF("/d/missing"), .name = STR_OF("user.a")),
    REQUEST(listxattr, AT = STR_OF("/d/missing")),
};

/* Neither of those before: whoever asks is answered. */
static const struct msg harmless[] = {
    REQUEST(lookup, AT = STR_OF("/d/there")),
    REQUEST(lookup, AT = STR_OF("/link"), .flags = LOOKUP_NOFOLLOW),
    REQUEST(lookup, AT = STR_OF("/d/sub")),
    REQUEST(lookup, AT = STR_OF("/d/sub/none")),
    REQUEST(lookup, AT = STR_OF("/none")),
    REQUEST(lookup, AT = STR_OF("/d/missing/x")), /* directories are not promised */
    REQUEST(lookup, AT = STR_OF("/d/there/x")),
    REQUEST(lookup, .dir = 99999, .path = STR_OF("")),
    REQUEST(readdir, AT = STR_OF("/")),
    REQUEST(readdir, AT = STR_OF("/d/sub")),
    REQUEST(locate, AT = STR_OF("/d/there")),
    REQUEST(getxattr, AT = STR_OF("/d/there"), .name = STR_OF("user.a")),
    REQUEST(getxattr, AT = STR_OF("/d"), .name = STR_OF("user.a")),
    REQUEST(listxattr, AT = STR_OF("/d")),
    REQUEST(open, AT = STR_OF("/d/there"), .flags = OPEN_READ),
    REQUEST(open, AT = STR_OF("/d/there"), .flags = OPEN_WRITE | OPEN_CREATE),
    REQUEST(open, AT = STR_OF("/d/there"), .flags = OPEN_WRITE | OPEN_CREATE | OPEN_EXCL),
    REQUEST(create, AT = STR_OF("/d/there")),
    REQUEST(publish, AT = STR_OF("/d/there")),
    REQUEST(truncate, AT = STR_OF("/d/there")),
    REQUEST(setattr, AT = STR_OF("/d/there"), .flags = SETATTR_MODE),
    REQUEST(setxattr, AT = STR_OF("/d/there"), .name = STR_OF("user.a")),
    REQUEST(create, AT = STR_OF("/d/sub/new")),
    REQUEST(unlink, AT = STR_OF("/d/sub/x")),
    REQUEST(mkdir, AT = STR_OF("/d/sub/new/deep"), .flags = MKDIR_PARENTS),
    REQUEST(mkdir, AT = STR_OF("/d/sub"), .flags = MKDIR_PARENTS),
    REQUEST(mkdir, AT = STR_OF("/e/new")),
    REQUEST(rename, AT = STR_OF("/d/sub/x"), .to_dir = ROOT_INO, .to_path = STR_OF("/e/x")),
    REQUEST(trash_restore, .trash = 1, AT = STR_OF("/e/new")),
};

static void who_changes_something_waits_for_its_return(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changing); i++) {
        struct story s;
        struct msg m = changing[i].m;
        start(&s);
        m.mkdir.id = world_next_id(&s.w); /* it comes first in all of them */
        assert_int_equal(meta_delegation_in_way(s.w.m, &m), s.d);
        assert_int_equal(world_apply(&s.w, &m), DFS_EAGAIN);
        assert_int_equal(s.w.res.recall, s.d);
        struct meta_result again;
        assert_false(meta_remembered(s.w.m, &m, &again));
        give_back(&s.w, &s.a, s.d);
        assert_int_equal(world_apply(&s.w, &m), changing[i].err);
        assert_int_equal(s.w.res.recall, 0);
        stop(&s);
    }
}

static void who_wants_to_know_waits_too(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    for (size_t i = 0; i < ARRAY_LEN(reading); i++)
        assert_int_equal(meta_delegation_in_way(s.w.m, &reading[i]), s.d);
    struct msg by_number = REQUEST(lookup, .dir = s.d, .path = STR(""));
    assert_int_equal(meta_delegation_in_way(s.w.m, &by_number), s.d);
    give_back(&s.w, &s.a, s.d);
    for (size_t i = 0; i < ARRAY_LEN(reading); i++)
        assert_int_equal(meta_delegation_in_way(s.w.m, &reading[i]), 0);
    stop(&s);
}

static void another_one_gets_it_when_it_is_returned(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    struct client b = client_open(&s.w, 2);
    struct msg m = REQUEST(delegate, .id = next_id(&b), .dir = s.d, .inodes = 1);
    assert_int_equal(world_apply(&s.w, &m), DFS_EAGAIN);
    assert_int_equal(s.w.res.recall, s.d);
    give_back(&s.w, &b, s.d); /* which it has not */
    assert_int_equal(meta_delegated_to(s.w.m, s.d), s.a.session);
    give_back(&s.w, &s.a, s.d);
    assert_int_equal(world_apply(&s.w, &m), DFS_ESESSION); /* the number is used up */
    m.delegate.id = next_id(&b);
    assert_int_equal(world_apply(&s.w, &m), 0);
    assert_int_equal(s.w.reply.delegate_reply.kept, 0);
    assert_int_equal(meta_delegated_to(s.w.m, s.d), b.session);
    stop(&s);
}

static void what_is_there_and_elsewhere_is_nobodys_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        struct story s;
        struct msg m = harmless[i];
        start(&s);
        if (wire_class_of(m.type) == CLASS_MUTATION)
            m.mkdir.id = world_next_id(&s.w);
        assert_int_equal(meta_delegation_in_way(s.w.m, &m), 0);
        if (wire_class_of(m.type) == CLASS_MUTATION)
            assert_int_not_equal(world_apply(&s.w, &m), DFS_EAGAIN);
        assert_int_equal(meta_delegated_to(s.w.m, s.d), s.a.session);
        stop(&s);
    }
}

/* Whether all there are are its own, or another has one too. */
static void its_holder_is_not_in_its_own_way(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    for (int others = 0; others < 2; others++) {
        for (size_t i = 0; i < ARRAY_LEN(changing); i++) {
            struct msg m = changing[i].m;
            m.mkdir.id = (struct wire_request_id){.session = s.a.session, .number = 1000, .seen = 1};
            assert_int_equal(meta_delegation_in_way(s.w.m, &m), 0);
        }
        struct msg look = reading[0], list = REQUEST(readdir, AT = STR("/d"), .session = s.a.session);
        look.lookup.session = s.a.session;
        assert_int_equal(meta_delegation_in_way(s.w.m, &look), 0);
        assert_int_equal(meta_delegation_in_way(s.w.m, &list), 0);
        if (others == 0) {
            struct client b = client_open(&s.w, 2);
            assert_int_equal(w_mkdir(&s.w, "/z", 0), 0);
            assert_int_equal(delegate(&s.w, &b, w_attr(&s.w, "/z")->ino, 1), 0);
        }
    }
    stop(&s);
}

/* --- its end --- */

static void a_session_takes_its_delegations_along(void **state)
{
    (void)state;
    for (int closes = 0; closes < 2; closes++) {
        struct story s;
        start(&s);
        struct client b = client_open(&s.w, 2);
        uint64_t e = w_attr(&s.w, "/e")->ino;
        assert_int_equal(delegate(&s.w, &b, e, 1), 0);
        assert_int_equal(delegate(&s.w, &s.a, ROOT_INO, 1), 0);
        if (closes)
            client_close(&s.w, &s.a);
        else
            expire(&s.w, s.a.session);
        assert_int_equal(meta_n_delegations(s.w.m), 1);
        assert_int_equal(meta_delegated_to(s.w.m, e), b.session);
        assert_int_equal(w_create(&s.w, "/d/new", 0), 0);
        stop(&s);
    }
}

/* Its locks wait until it is fenced. Names it could make are none of what it might still write. */
static void who_ended_with_locks_has_no_delegations(void **state)
{
    (void)state;
    for (int closes = 0; closes < 2; closes++) {
        struct story s;
        uint64_t h = 0;
        start(&s);
        assert_int_equal(f_open(&s.w, &s.a, ROOT_INO, "/e/f", OPEN_WRITE, &h), 0);
        assert_int_equal(f_lock(&s.w, &s.a, h, 1, LOCK_RANGE, LOCK_EXCLUSIVE, 0, 9, 0, NULL), 0);
        if (closes)
            client_close(&s.w, &s.a);
        else
            expire(&s.w, s.a.session);
        size_t at = 0;
        assert_int_equal(meta_ended_next(s.w.m, &at), s.a.session);
        assert_int_equal(meta_n_delegations(s.w.m), 0);
        assert_int_equal(w_create(&s.w, "/d/new", 0), 0);
        verify(&s.w);
        struct msg m = {.type = MSG_TYPE_session_fenced, .session_fenced = {.session = s.a.session}};
        assert_int_equal(world_apply(&s.w, &m), 0);
        stop(&s);
    }
}

static void many_go_at_once(void **state)
{
    (void)state;
    struct story s;
    char path[32];
    start(&s);
    struct client b = client_open(&s.w, 2);
    for (int i = 1; i <= 1024; i++) {
        snprintf(path, sizeof path, "/d%d", i);
        assert_int_equal(w_mkdir(&s.w, path, 0), 0);
        assert_int_equal(delegate(&s.w, &s.a, w_attr(&s.w, path)->ino, 1), i < 1024 ? 0 : DFS_EMFILE);
    }
    assert_int_equal(delegate(&s.w, &s.a, s.d, 1), 0); /* what it has it may go on with */
    assert_int_equal(delegate(&s.w, &b, w_attr(&s.w, "/d1024")->ino, 1), 0);
    assert_int_equal(meta_n_delegations(s.w.m), 1025);
    verify(&s.w);
    client_close(&s.w, &s.a);
    assert_int_equal(meta_n_delegations(s.w.m), 1);
    stop(&s);
}

static void it_is_revoked_from_whom_it_was_meant_for(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    revoke(&s.w, s.d, s.w.session);
    revoke(&s.w, s.d, 99);
    revoke(&s.w, w_attr(&s.w, "/e")->ino, s.a.session);
    revoke(&s.w, 99999, 0);
    assert_int_equal(meta_delegated_to(s.w.m, s.d), s.a.session);
    revoke(&s.w, s.d, s.a.session);
    assert_int_equal(meta_n_delegations(s.w.m), 0);
    assert_int_equal(w_create(&s.w, "/d/new", 0), 0);
    assert_int_equal(delegate(&s.w, &s.a, s.d, 1), 0);
    assert_int_equal(s.w.reply.delegate_reply.kept, 0);
    stop(&s);
}

static void it_goes_with_its_directory(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    uint64_t bare = w_attr(&s.w, "/d/bare")->ino;
    assert_int_equal(delegate(&s.w, &s.a, bare, 1), 0);
    struct msg m = REQUEST(rmdir, .id = next_id(&s.a), AT = STR("/d/bare"));
    assert_int_equal(world_apply(&s.w, &m), 0);
    assert_int_equal(meta_delegated_to(s.w.m, bare), 0);
    assert_int_equal(meta_n_delegations(s.w.m), 1);
    verify(&s.w);
    m = (struct msg)REQUEST(remove, .id = next_id(&s.a), AT = STR("/d"), .flags = REMOVE_TREE);
    assert_int_equal(world_apply(&s.w, &m), 0);
    verify(&s.w);
    w_reclaim(&s.w, 0, 100);
    w_reclaim(&s.w, 0, 100);
    assert_int_equal(meta_n_delegations(s.w.m), 0);
    stop(&s);
}

/* --- snapshots --- */

static void a_restart_leaves_it_to_its_holder(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    struct bytes b = saved(s.w.m);
    struct meta *again = meta_new();
    assert_int_equal(load_bytes(again, b.p, b.len), 0);
    assert_same_state(s.w.m, again);
    assert_int_equal(meta_delegated_to(again, s.d), s.a.session);
    assert_int_equal(meta_delegation_in_way(again, &reading[0]), s.d);
    meta_free(again);
    bytes_close(&b);
    stop(&s);
}

#define PAIR 16u
#define HEAD SNAPSHOT_BLOCK_HEAD
#define INDEX_END 24u /* what is before it is the version and the index */

static void where_there_are_none_nothing_is_saved(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    struct bytes with = saved(s.w.m);
    revoke(&s.w, s.d, s.a.session);
    struct bytes without = saved(s.w.m);
    assert_int_equal(with.len, without.len + 4 + PAIR);
    assert_memory_equal(with.p + HEAD + INDEX_END, without.p + HEAD + INDEX_END, get_u32(without.p) - INDEX_END);
    bytes_close(&with);
    bytes_close(&without);
    stop(&s);
}

/* Loads the state with this instead of what it says of its one delegation. */
static int load_forged(const struct world *w, uint32_t says, const uint64_t (*pairs)[2], uint32_t n)
{
    struct bytes b = saved(w->m), f;
    uint8_t v[4 + 4 * PAIR + HEAD] = {0};
    uint32_t len = get_u32(b.p) - 4 - PAIR, more = 4 + n * PAIR;
    put_u32(v, says);
    for (uint32_t i = 0; i < n; i++) {
        put_u64(v + 4 + i * PAIR, pairs[i][0]);
        put_u64(v + 4 + i * PAIR + 8, pairs[i][1]);
    }
    bytes_init(&f, 1u << 20);
    assert_int_equal(bytes_add(&f, b.p, HEAD + len), 0);
    assert_int_equal(bytes_add(&f, v, more + HEAD), 0);
    put_u32(f.p, len + more);
    fix_crc(&f);
    struct meta *m = meta_new();
    int rv = load_bytes(m, f.p, f.len);
    if (rv == 0)
        assert_int_equal(meta_n_delegations(m), says);
    meta_free(m);
    bytes_close(&b);
    bytes_close(&f);
    return rv;
}

static void what_makes_no_sense_is_not_loaded(void **state)
{
    (void)state;
    struct story s;
    start(&s);
    uint64_t a = s.a.session, d = s.d, sub = w_attr(&s.w, "/d/sub")->ino, f = w_attr(&s.w, "/e/f")->ino;
    assert_true(d < sub);
    const uint64_t fine[][2] = {{d, a}, {sub, s.w.session}}, turned[][2] = {{sub, a}, {d, a}},
                   twice[][2] = {{d, a}, {d, a}}, strange[][2] = {{d, 99}}, nobodys[][2] = {{d, 0}},
                   file[][2] = {{f, a}}, gone[][2] = {{99999, a}}, zero[][2] = {{0, a}};
    assert_int_equal(load_forged(&s.w, 1, fine, 1), 0);
    assert_int_equal(load_forged(&s.w, 2, fine, 2), 0);
    assert_int_equal(load_forged(&s.w, 0, NULL, 0), DFS_ECORRUPT);
    assert_int_equal(load_forged(&s.w, 0, fine, 1), DFS_ECORRUPT);
    assert_int_equal(load_forged(&s.w, 1, fine, 2), DFS_ECORRUPT); /* more than it says */
    assert_int_not_equal(load_forged(&s.w, 2, fine, 1), 0);        /* and less */
    assert_int_equal(load_forged(&s.w, 2, turned, 2), DFS_ECORRUPT);
    assert_int_equal(load_forged(&s.w, 2, twice, 2), DFS_ECORRUPT);
    assert_int_equal(load_forged(&s.w, 1, strange, 1), DFS_ECORRUPT);
    assert_int_equal(load_forged(&s.w, 1, nobodys, 1), DFS_ECORRUPT);
    assert_int_equal(load_forged(&s.w, 1, file, 1), DFS_ECORRUPT);
    assert_int_equal(load_forged(&s.w, 1, gone, 1), DFS_ECORRUPT);
    assert_int_equal(load_forged(&s.w, 1, zero, 1), DFS_ECORRUPT);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_with_it_and_no_two_are_the_same),
        cmocka_unit_test(only_directories_that_are_there_are_given),
        cmocka_unit_test(who_changes_something_waits_for_its_return),
        cmocka_unit_test(who_wants_to_know_waits_too),
        cmocka_unit_test(another_one_gets_it_when_it_is_returned),
        cmocka_unit_test(what_is_there_and_elsewhere_is_nobodys_matter),
        cmocka_unit_test(its_holder_is_not_in_its_own_way),
        cmocka_unit_test(a_session_takes_its_delegations_along),
        cmocka_unit_test(who_ended_with_locks_has_no_delegations),
        cmocka_unit_test(many_go_at_once),
        cmocka_unit_test(it_is_revoked_from_whom_it_was_meant_for),
        cmocka_unit_test(it_goes_with_its_directory),
        cmocka_unit_test(a_restart_leaves_it_to_its_holder),
        cmocka_unit_test(where_there_are_none_nothing_is_saved),
        cmocka_unit_test(what_makes_no_sense_is_not_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
