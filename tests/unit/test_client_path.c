/* SPDX-License-Identifier: MIT */
/* The client and its NameServers: sessions, request numbers, retry, leaders. */
#include "client_fake.h"

static struct client_request mkdir_of(const char *path)
{
    return (struct client_request){.kind = OP_MKDIR, .path = path, .mode = 0755};
}

static void reply_mkdir(struct fake *f, struct fake_call *k)
{
    struct msg m = {.type = MSG_TYPE_mkdir_reply};
    m.mkdir_reply.attr = (struct wire_attr){.ino = 9, .type = INODE_DIRECTORY};
    fake_reply(f, k, &m, NULL);
}

static void a_read_needs_no_session(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, (struct client_request){.kind = OP_STAT, .path = "/a/b"});
    struct fake_call *k = fake_expect(f, MSG_TYPE_lookup, "nm1:1");
    assert_true(str_eq(k->m.lookup.path, STR("/a/b")));
    struct msg m = {.type = MSG_TYPE_lookup_reply};
    m.lookup_reply.attr = (struct wire_attr){.ino = 9, .size = 77, .type = INODE_FILE, .mode = 0640};
    fake_reply(f, k, &m, NULL);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    assert_int_equal(f->attr.size, 77);
    assert_int_equal(client_active(f->c), 0);
    fake_free(f);
}

static void the_first_mutation_opens_the_session(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, mkdir_of("d"));
    struct fake_call *k = fake_expect(f, MSG_TYPE_session_open, "nm1:1");
    assert_int_equal(k->m.session_open.nonce, 7);
    fake_session(f, k);
    k = fake_expect(f, MSG_TYPE_mkdir, "nm1:1");
    assert_int_equal(k->m.mkdir.id.session, 11);
    assert_int_equal(k->m.mkdir.id.number, 1);
    assert_int_equal(k->m.mkdir.id.seen, 1);
    assert_int_equal(k->m.mkdir.uid, 1000);
    reply_mkdir(f, k);
    assert_int_equal(f->status, 0);
    fake_start(f, mkdir_of("e"));
    k = fake_expect(f, MSG_TYPE_mkdir, "nm1:1");
    assert_int_equal(k->m.mkdir.id.number, 2);
    assert_int_equal(k->m.mkdir.id.seen, 2);
    reply_mkdir(f, k);
    fake_free(f);
}

static void a_lost_reply_is_asked_for_again_under_the_same_number(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, mkdir_of("d"));
    fake_session(f, fake_next(f));
    fake_break(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), DFS_ECONNLOST);
    assert_null(fake_next(f)); /* not at once */
    fake_sleep(f);
    struct fake_call *k = fake_expect(f, MSG_TYPE_mkdir, "nm1:1");
    assert_int_equal(k->m.mkdir.id.number, 1);
    fake_break(f, k, DFS_ETIMEDOUT);
    fake_sleep(f);
    k = fake_expect(f, MSG_TYPE_mkdir, "nm1:1");
    assert_int_equal(k->m.mkdir.id.number, 1);
    reply_mkdir(f, k);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

static void seen_stays_below_what_is_unanswered(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, mkdir_of("a"));
    fake_start(f, mkdir_of("b"));
    fake_session(f, fake_expect(f, MSG_TYPE_session_open, "nm1:1"));
    struct fake_call *a = fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), *b = a + 1;
    assert_int_equal(b->m.mkdir.id.number, 2);
    assert_int_equal(b->m.mkdir.id.seen, 1);
    reply_mkdir(f, b);
    fake_start(f, mkdir_of("c"));
    struct fake_call *c = b + 1;
    assert_int_equal(c->m.mkdir.id.number, 3);
    assert_int_equal(c->m.mkdir.id.seen, 1); /* a's result must be kept */
    reply_mkdir(f, a);
    reply_mkdir(f, c);
    fake_start(f, mkdir_of("d"));
    struct fake_call *d = fake_expect(f, MSG_TYPE_mkdir, "nm1:1");
    assert_int_equal(d->m.mkdir.id.number, 4);
    assert_int_equal(d->m.mkdir.id.seen, 4);
    reply_mkdir(f, d);
    fake_free(f);
}

static void goodbye_closes_the_session_once(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    client_goodbye(f->c, f->now, &f->fx);
    fake_collect(f);
    assert_int_equal(f->n_calls, 0); /* there is none */
    fake_start(f, mkdir_of("d"));
    fake_session(f, fake_next(f));
    struct fake_call *unanswered = fake_expect(f, MSG_TYPE_mkdir, "nm1:1"); /* and nobody will ask for its result */
    fake_call_drop(unanswered);
    client_goodbye(f->c, f->now, &f->fx);
    fake_collect(f);
    struct fake_call *k = fake_expect(f, MSG_TYPE_session_close, "nm1:1");
    assert_int_equal(k->m.session_close.id.session, 11);
    assert_true(k->m.session_close.id.number >= k->m.session_close.id.seen);
    fake_call_drop(k);
    client_goodbye(f->c, f->now, &f->fx);
    fake_collect(f);
    assert_null(fake_next(f));
    fake_free(f);
}

static void a_session_lost_under_a_first_attempt_is_opened_anew(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, mkdir_of("d"));
    fake_session(f, fake_next(f));
    fake_refuse(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), DFS_ESESSION, "", "");
    fake_sleep(f);
    struct fake_call *k = fake_expect(f, MSG_TYPE_session_open, "nm1:1");
    assert_int_not_equal(k->m.session_open.nonce, 7);
    f->session = 12;
    fake_session(f, k);
    k = fake_expect(f, MSG_TYPE_mkdir, "nm1:1");
    assert_int_equal(k->m.mkdir.id.session, 12);
    assert_int_equal(k->m.mkdir.id.number, 1);
    reply_mkdir(f, k);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

static void a_session_lost_under_a_retry_leaves_the_outcome_unknown(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, mkdir_of("d"));
    fake_session(f, fake_next(f));
    fake_break(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), DFS_ECONNLOST);
    fake_sleep(f);
    fake_refuse(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), DFS_ESESSION, "", "");
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_EUNKNOWN);
    fake_free(f);
}

/* A full disk refuses before it looks whether an earlier try is in the log. */
static void a_full_disk_under_a_retry_leaves_the_outcome_unknown(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, mkdir_of("d"));
    fake_session(f, fake_next(f));
    fake_break(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), DFS_ECONNLOST);
    fake_sleep(f);
    fake_refuse(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), DFS_ENOSPC, "", "");
    assert_int_equal(f->status, DFS_EUNKNOWN);
    fake_start(f, mkdir_of("e"));
    fake_refuse(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), DFS_ENOSPC, "", "");
    assert_int_equal(f->status, DFS_ENOSPC); /* a first try */
    fake_free(f);
}

static void the_leader_is_followed_at_once(void **state)
{
    struct fake *f = fake_new_names("nm1:1", "nm2:1");
    (void)state;
    fake_start(f, (struct client_request){.kind = OP_STAT, .path = "/"});
    fake_refuse(f, fake_expect(f, MSG_TYPE_lookup, "nm1:1"), DFS_ENOTLEADER, "", "nm3:1");
    struct fake_call *k = fake_expect(f, MSG_TYPE_lookup, "nm3:1");
    /* nobody leads: the next of the list, but two were asked already */
    fake_refuse(f, k, DFS_ENOTLEADER, "", "");
    assert_null(fake_next(f));
    fake_sleep(f);
    k = fake_expect(f, MSG_TYPE_lookup, "nm2:1");
    fake_break(f, k, DFS_EUNREACH);
    k = fake_expect(f, MSG_TYPE_lookup, "nm1:1");
    fake_break(f, k, DFS_EUNREACH);
    assert_null(fake_next(f));
    fake_sleep(f);
    fake_expect(f, MSG_TYPE_lookup, "nm2:1");
    fake_free(f);
    /* freeing ended the operation */
}

static void a_leader_is_looked_for_often_while_there_may_be_a_failover(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, (struct client_request){.kind = OP_STAT, .path = "/"});
    uint64_t begun = f->now.mono, longest = 0, late = 0;
    while (f->now.mono - begun < 8 * NS_PER_SEC) {
        uint64_t before = f->now.mono;
        fake_refuse(f, fake_expect(f, MSG_TYPE_lookup, "nm1:1"), DFS_ENOTLEADER, "", "");
        fake_sleep(f);
        uint64_t *which = before - begun < 5 * NS_PER_SEC ? &longest : &late;
        *which = max_u64(*which, f->now.mono - before);
    }
    assert_in_range(longest, 50 * NS_PER_MS, 100 * NS_PER_MS);
    assert_in_range(late, 500 * NS_PER_MS, NS_PER_SEC);
    fake_free(f);
}

static void busy_is_retried_and_the_end_of_patience_names_the_server(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, (struct client_request){.kind = OP_STAT, .path = "/"});
    fake_refuse(f, fake_expect(f, MSG_TYPE_lookup, "nm1:1"), DFS_EAGAIN, "starting", "");
    uint64_t begun = f->now.mono;
    while (!f->ended) {
        fake_sleep(f);
        fake_break(f, fake_expect(f, MSG_TYPE_lookup, "nm1:1"), DFS_EUNREACH);
    }
    assert_int_equal(f->status, DFS_EUNREACH);
    assert_non_null(strstr(f->error, "nm1:1"));
    assert_non_null(strstr(f->error, "DFS_NM"));
    assert_in_range((f->now.mono - begun) / NS_PER_MS, 9000, 12000);
    fake_free(f);
}

static void a_mutation_that_may_have_happened_ends_unknown(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, mkdir_of("d"));
    fake_session(f, fake_next(f));
    fake_break(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), DFS_ETIMEDOUT);
    while (!f->ended) {
        fake_sleep(f);
        fake_break(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), DFS_EUNREACH);
    }
    assert_int_equal(f->status, DFS_EUNKNOWN);
    fake_free(f);
}

static void a_refusal_is_final_and_keeps_the_servers_words(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, mkdir_of("d"));
    fake_session(f, fake_next(f));
    fake_refuse(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), DFS_EEXIST, "it is there already", "");
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_EEXIST);
    assert_string_equal(f->error, "it is there already");
    fake_free(f);
}

static void a_reply_of_another_kind_is_a_protocol_error(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, (struct client_request){.kind = OP_READDIR, .path = "/"});
    struct msg m = {.type = MSG_TYPE_statfs_reply};
    fake_reply(f, fake_expect(f, MSG_TYPE_readdir, "nm1:1"), &m, NULL);
    assert_int_equal(f->status, DFS_EPROTO);
    fake_free(f);
}

static void a_directory_comes_with_names_and_attributes(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    struct wire_dirent e[2] = {{STR("a"), {.ino = 2, .type = INODE_FILE, .size = 3}}, {STR("b"), {.ino = 4}}};
    fake_start(f, (struct client_request){.kind = OP_READDIR, .path = "/d", .path2 = "Z", .limit = 2});
    struct fake_call *k = fake_expect(f, MSG_TYPE_readdir, "nm1:1");
    assert_true(str_eq(k->m.readdir.after, STR("Z")));
    assert_int_equal(k->m.readdir.limit, 2);
    struct msg m = {.type = MSG_TYPE_readdir_reply};
    m.readdir_reply = (struct msg_readdir_reply){.entries = e, .n_entries = 2, .eof = 1};
    fake_reply(f, k, &m, NULL);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

static void freeing_cancels(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, mkdir_of("d"));
    client_free(f->c);
    f->c = NULL;
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_ECANCELED);
    fake_free(f);
}

static void bad_requests_never_call_back(void **state)
{
    struct fake *f = fake_new();
    static char longer[WIRE_PATH_MAX + 2];
    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    struct client_request r = {.kind = OP_STAT, .path = longer, .cb = fake_on_done, .arg = f};
    assert_int_equal(client_start(f->c, &r), DFS_ENAMETOOLONG);
    r.path = NULL;
    assert_int_equal(client_start(f->c, &r), DFS_EINVAL);
    fake_turn(f);
    assert_int_equal(f->ended, 0);
    fake_free(f);
}

/* The two ends of a link each have their directory; the owner is who is named, or the client. */
static void paths_start_where_the_context_says(void **state)
{
    struct fake *f = fake_new();
    struct dfs_context at = {.dir = 41, .to_dir = 42, .owner = true, .uid = 0, .gid = 7};
    (void)state;
    fake_start(f, (struct client_request){.kind = OP_LINK, .path = "", .path2 = "b", .at = at});
    fake_session(f, fake_expect(f, MSG_TYPE_session_open, "nm1:1"));
    struct fake_call *k = fake_expect(f, MSG_TYPE_link, "nm1:1");
    assert_int_equal(k->m.link.dir, 41);
    assert_int_equal(k->m.link.to_dir, 42);
    fake_refuse(f, k, DFS_EPERM, "no", "");
    struct client_request r = mkdir_of("c");
    r.at = at;
    fake_start(f, r);
    k = fake_expect(f, MSG_TYPE_mkdir, "nm1:1");
    assert_int_equal(k->m.mkdir.dir, 41);
    assert_int_equal(k->m.mkdir.uid, 0);
    assert_int_equal(k->m.mkdir.gid, 7);
    fake_refuse(f, k, DFS_EPERM, "no", "");
    fake_start(f, mkdir_of("d"));
    k = fake_expect(f, MSG_TYPE_mkdir, "nm1:1");
    assert_int_equal(k->m.mkdir.dir, ROOT_INO);
    assert_int_equal(k->m.mkdir.uid, 1000);
    fake_refuse(f, k, DFS_EPERM, "no", "");
    fake_free(f);
}

static void the_umask_goes_with_what_is_made(void **state)
{
    static const struct {
        struct client_request q;
        uint16_t type;
    } all[] = {
        {{.kind = OP_MKDIR, .path = "a"}, MSG_TYPE_mkdir},
        {{.kind = OP_CREATE, .path = "a"}, MSG_TYPE_create},
        {{.kind = OP_MKNOD, .path = "a", .limit = DFS_FIFO}, MSG_TYPE_mknod},
        {{.kind = OP_OPEN, .path = "a", .flags = DFS_WRITE | DFS_CREATE}, MSG_TYPE_open},
    };
    struct fake *f = fake_new();
    (void)state;
    fake_start(f, mkdir_of("first"));
    fake_session(f, fake_expect(f, MSG_TYPE_session_open, "nm1:1"));
    struct fake_call *k = fake_expect(f, MSG_TYPE_mkdir, "nm1:1");
    assert_int_equal(k->m.mkdir.umask, 0);
    fake_refuse(f, k, DFS_EPERM, "no", "");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct client_request q = all[i].q;
        q.mode = 0777;
        q.at.umask = 027;
        fake_start(f, q);
        k = fake_expect(f, all[i].type, "nm1:1");
        const uint32_t mode[] = {k->m.mkdir.mode, k->m.create.mode, k->m.mknod.mode, k->m.open.mode};
        const uint32_t umask[] = {k->m.mkdir.umask, k->m.create.umask, k->m.mknod.umask, k->m.open.umask};
        assert_int_equal(mode[i], 0777);
        assert_int_equal(umask[i], 027);
        fake_refuse(f, k, DFS_EPERM, "no", "");
    }
    fake_free(f);
}

/* What the caller gave may be gone before the call leaves. */
static void a_value_is_the_clients_own(void **state)
{
    struct fake *f = fake_new();
    char value[] = "blue", name[] = "user.colour";
    (void)state;
    fake_start(
        f, (struct client_request){
               .kind = OP_SETXATTR, .path = "/a", .path2 = name, .value = value, .value_len = 4, .flags = DFS_REPLACE});
    memset(value, 'x', 4);
    memset(name, 'x', 5);
    fake_session(f, fake_expect(f, MSG_TYPE_session_open, "nm1:1"));
    struct fake_call *k = fake_expect(f, MSG_TYPE_setxattr, "nm1:1");
    assert_true(str_eq(k->m.setxattr.name, STR("user.colour")) && str_eq(k->m.setxattr.value, STR("blue")));
    assert_int_equal(k->m.setxattr.flags, XATTR_MUST_EXIST);
    fake_break(f, k, DFS_ECONNLOST);
    fake_sleep(f);
    k = fake_expect(f, MSG_TYPE_setxattr, "nm1:1");
    assert_int_equal(k->m.setxattr.id.number, 1);
    struct msg m = {.type = MSG_TYPE_setxattr_reply};
    fake_reply(f, k, &m, NULL);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

static void what_is_asked_of_the_names_is_what_is_sent(void **state)
{
    struct fake *f = fake_new();
    (void)state;
    fake_start(
        f, (struct client_request){
               .kind = OP_SETATTR,
               .path = "/a",
               .flags = DFS_NOFOLLOW,
               .set = {.what = DFS_SET_GID | DFS_SET_MTIME | DFS_SET_ATIME, .gid = 5, .mtime_ns = -7, .atime_ns = 8}});
    fake_session(f, fake_expect(f, MSG_TYPE_session_open, "nm1:1"));
    struct fake_call *k = fake_expect(f, MSG_TYPE_setattr, "nm1:1");
    assert_int_equal(k->m.setattr.flags, SETATTR_GID | SETATTR_MTIME | SETATTR_ATIME | SETATTR_NOFOLLOW);
    assert_true(k->m.setattr.gid == 5 && k->m.setattr.mtime_ns == -7 && k->m.setattr.atime_ns == 8);
    struct msg m = {.type = MSG_TYPE_setattr_reply};
    m.setattr_reply.attr = (struct wire_attr){.ino = 9, .gid = 5, .type = INODE_FILE};
    fake_reply(f, k, &m, NULL);
    fake_start(f, (struct client_request){.kind = OP_REMOVE, .path = "/d", .flags = DFS_TREE | DFS_KEEP});
    k = fake_expect(f, MSG_TYPE_remove, "nm1:1");
    assert_int_equal(k->m.remove.flags, REMOVE_TREE | REMOVE_KEEP);
    assert_int_equal(k->m.remove.uid, 1000);
    m = (struct msg){.type = MSG_TYPE_remove_reply};
    fake_reply(f, k, &m, NULL);
    fake_start(f, (struct client_request){.kind = OP_TRASH_EMPTY, .path = "", .id = 17});
    k = fake_expect(f, MSG_TYPE_trash_empty, "nm1:1");
    assert_int_equal(k->m.trash_empty.n_entries, 1);
    assert_int_equal(k->m.trash_empty.entries[0].id, 17);
    m = (struct msg){.type = MSG_TYPE_trash_empty_reply};
    fake_reply(f, k, &m, NULL);
    fake_start(f, (struct client_request){.kind = OP_USAGE, .path = "/d", .path2 = "after"});
    k = fake_expect(f, MSG_TYPE_usage, "nm1:1");
    assert_true(str_eq(k->m.usage.after, STR("after")));
    m = (struct msg){.type = MSG_TYPE_usage_reply};
    m.usage_reply.next = STR("");
    fake_reply(f, k, &m, NULL);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_needs_no_session),
        cmocka_unit_test(the_first_mutation_opens_the_session),
        cmocka_unit_test(a_lost_reply_is_asked_for_again_under_the_same_number),
        cmocka_unit_test(seen_stays_below_what_is_unanswered),
        cmocka_unit_test(goodbye_closes_the_session_once),
        cmocka_unit_test(a_session_lost_under_a_first_attempt_is_opened_anew),
        cmocka_unit_test(a_session_lost_under_a_retry_leaves_the_outcome_unknown),
        cmocka_unit_test(a_full_disk_under_a_retry_leaves_the_outcome_unknown),
        cmocka_unit_test(the_leader_is_followed_at_once),
        cmocka_unit_test(a_leader_is_looked_for_often_while_there_may_be_a_failover),
        cmocka_unit_test(busy_is_retried_and_the_end_of_patience_names_the_server),
        cmocka_unit_test(a_mutation_that_may_have_happened_ends_unknown),
        cmocka_unit_test(a_refusal_is_final_and_keeps_the_servers_words),
        cmocka_unit_test(a_reply_of_another_kind_is_a_protocol_error),
        cmocka_unit_test(a_directory_comes_with_names_and_attributes),
        cmocka_unit_test(freeing_cancels),
        cmocka_unit_test(bad_requests_never_call_back),
        cmocka_unit_test(paths_start_where_the_context_says),
        cmocka_unit_test(the_umask_goes_with_what_is_made),
        cmocka_unit_test(a_value_is_the_clients_own),
        cmocka_unit_test(what_is_asked_of_the_names_is_what_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
