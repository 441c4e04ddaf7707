/* SPDX-License-Identifier: MIT */
/* Delegations on the client's side: how long one may be counted on, and the files that are made under it. */
#include "client_fake.h"

#define HANDLE 77u
#define DIR 9u

static void answer_delegate(struct fake *f, uint8_t kept)
{
    struct msg m = {.type = MSG_TYPE_delegate_reply};
    m.delegate_reply = (struct msg_delegate_reply){
        .attr = {.ino = DIR, .type = INODE_DIRECTORY, .mtime_ns = 123}, .first = 1000, .inodes = 64, .kept = kept};
    fake_reply(f, fake_find(f, MSG_TYPE_delegate), &m, NULL);
}

static void ask(struct fake *f, uint32_t inodes)
{
    fake_start(f, (struct client_request){.kind = OP_DELEGATE, .path = "", .at = {.dir = DIR}, .limit = inodes});
}

static struct fake *with_session(void)
{
    struct fake *f = fake_new();
    ask(f, 0);
    fake_session(f, fake_find(f, MSG_TYPE_session_open));
    answer_delegate(f, 0);
    assert_int_equal(f->status, 0);
    return f;
}

static void it_is_counted_on_for_less_than_it_lasts(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    ask(f, 100);
    fake_session(f, fake_find(f, MSG_TYPE_session_open));
    const struct msg_delegate *d = &fake_find(f, MSG_TYPE_delegate)->m.delegate;
    assert_int_equal(d->id.session, f->session);
    assert_int_equal(d->dir, DIR);
    assert_int_equal(d->inodes, 100);
    answer_delegate(f, 0);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    assert_int_equal(f->delegation.first, 1000);
    assert_int_equal(f->delegation.inodes, 64);
    assert_int_equal(f->delegation.ms, 4000); /* of 5000 */
    assert_false(f->delegation.kept);
    assert_int_equal(f->attr.ino, DIR);
    assert_int_equal(f->attr.mtime_ns, 123);
    fake_free(f);
}

static void its_time_began_before_it_was_asked_for(void **state)
{
    (void)state;
    static const uint32_t took[] = {0, 1, 1500, 3999, 4000, 4001, 6000}, left[] = {4000, 3999, 2500, 1, 0, 0, 0};
    struct fake *f = with_session();
    for (size_t i = 0; i < ARRAY_LEN(took); i++) {
        ask(f, 1);
        f->now.mono += took[i] * NS_PER_MS;
        answer_delegate(f, 1);
        assert_int_equal(f->ended, 1);
        assert_int_equal(f->delegation.ms, left[i]);
        assert_true(f->delegation.kept);
    }
    fake_free(f);
}

/* One that has it has to return it first. */
static void its_turn_is_waited_for(void **state)
{
    (void)state;
    struct fake *f = with_session();
    ask(f, 1);
    uint64_t number = fake_find(f, MSG_TYPE_delegate)->m.delegate.id.number;
    for (int i = 0; i < 3; i++) {
        fake_refuse(f, fake_find(f, MSG_TYPE_delegate), DFS_EAGAIN, "another client has it", "");
        assert_int_equal(f->ended, 0);
        fake_sleep(f);
    }
    assert_int_equal(fake_find(f, MSG_TYPE_delegate)->m.delegate.id.number, number);
    answer_delegate(f, 0);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

static void a_nameserver_that_has_none_gives_no_time(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    struct msg m = {.type = MSG_TYPE_session_open_reply, .session_open_reply = {.session = 11, .ttl_ms = 600000}};
    ask(f, 1);
    fake_reply(f, fake_find(f, MSG_TYPE_session_open), &m, NULL);
    answer_delegate(f, 1);
    assert_int_equal(f->delegation.ms, 0);
    ask(f, 1);
    fake_refuse(f, fake_find(f, MSG_TYPE_delegate), DFS_ENOTSUP, "", "");
    assert_int_equal(f->status, DFS_ENOTSUP);
    fake_free(f);
}

static void it_is_returned(void **state)
{
    (void)state;
    struct fake *f = with_session();
    struct msg m = {.type = MSG_TYPE_delegate_return_reply};
    fake_start(f, (struct client_request){.kind = OP_DELEGATE_RETURN, .path = "", .at = {.dir = DIR}});
    const struct msg_delegate_return *r = &fake_find(f, MSG_TYPE_delegate_return)->m.delegate_return;
    assert_int_equal(r->id.session, f->session);
    assert_int_equal(r->dir, DIR);
    fake_reply(f, fake_find(f, MSG_TYPE_delegate_return), &m, NULL);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

/* --- make --- */

static void start_make(struct fake *f, const void *p, size_t len, uint8_t goal)
{
    fake_start(f, (struct client_request){.kind = OP_MAKE,
                                          .path = "new",
                                          .at = {.dir = DIR, .owner = true, .uid = 3, .gid = 4, .umask = 022},
                                          .id = 1005,
                                          .mode = 0640,
                                          .put = {.goal = goal},
                                          .set = {.mtime_ns = 55, .atime_ns = 66},
                                          .flags = DFS_LAZY | DFS_READ | DFS_WRITE,
                                          .value = p,
                                          .value_len = len});
}

/* Lets the fake answer until this is asked for. */
static struct fake_call *run_to(struct fake *f, uint16_t type)
{
    for (int i = 0; i < 1000; i++) {
        struct fake_call *k = fake_next(f);
        if (k && k->m.type == type)
            return k;
        if (k)
            fake_answer(f, k);
        else
            fake_sleep(f);
    }
    fail_msg("no %s was asked for", wire_type_name(type));
    return NULL;
}

static struct fake_call *run_to_make(struct fake *f) { return run_to(f, MSG_TYPE_make); }

static int no_bytes(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    (void)arg, (void)offset, (void)buf, (void)len;
    *got = 0;
    return 0;
}

static void close_file(struct fake *f)
{
    struct msg m = {.type = MSG_TYPE_close_reply};
    fake_start(f, (struct client_request){.kind = OP_CLOSE, .file = f->file});
    struct fake_call *k = run_to(f, MSG_TYPE_close); /* with its time as it was told: nothing comes before */
    assert_int_equal(k->m.close.handle, HANDLE);
    fake_reply(f, k, &m, NULL);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
}

static void answer_make(struct fake *f, struct fake_call *k)
{
    struct msg m = {.type = MSG_TYPE_make_reply};
    m.make_reply = (struct msg_make_reply){
        .handle = HANDLE,
        .attr = {.ino = k->m.make.ino, .type = INODE_FILE, .size = k->m.make.size, .generation = 1},
        .dir_ns = 777};
    fake_reply(f, k, &m, NULL);
}

static void assert_as_asked(const struct fake *f, const struct msg_make *m)
{
    assert_int_equal(m->id.session, f->session);
    assert_int_equal(m->dir, DIR);
    assert_true(str_eq(m->path, STR("new")));
    assert_int_equal(m->ino, 1005);
    assert_int_equal(m->mode, 0640);
    assert_int_equal(m->uid, 3);
    assert_int_equal(m->gid, 4);
    assert_int_equal(m->mtime_ns, 55);
    assert_int_equal(m->atime_ns, 66);
    assert_int_equal(m->umask, 022);
}

static void assert_made(const struct fake *f, uint64_t size)
{
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    assert_int_equal(f->file, HANDLE);
    assert_int_equal(f->attr.ino, 1005);
    assert_int_equal(f->attr.size, size);
    assert_int_equal(f->dir_ns, 777);
}

static void the_bytes_are_there_before_the_file(void **state)
{
    (void)state;
    static uint8_t bytes[300000];
    struct fake *f = with_session();
    memset(bytes, 'b', sizeof bytes);
    start_make(f, bytes, sizeof bytes, 3);
    assert_int_equal(fake_find(f, MSG_TYPE_grant)->m.grant.goal, 3);
    struct fake_call *k = run_to_make(f);
    assert_int_equal(f->ended, 0);
    assert_as_asked(f, &k->m.make);
    assert_int_equal(k->m.make.size, sizeof bytes);
    assert_int_equal(k->m.make.n_chunks, 1);
    assert_int_equal(k->m.make.chunks[0].index, 0);
    assert_int_equal(k->m.make.chunks[0].length, sizeof bytes);
    assert_int_equal(k->m.make.chunks[0].crc, crc32c(0, bytes, sizeof bytes));
    assert_int_equal(f->chunks[0].len, sizeof bytes);
    assert_memory_equal(f->chunks[0].data, bytes, sizeof bytes);
    answer_make(f, k);
    assert_made(f, sizeof bytes);
    assert_int_equal(f->bytes, sizeof bytes);
    close_file(f);
    fake_free(f);
}

static void without_content_it_is_one_request(void **state)
{
    (void)state;
    struct fake *f = with_session();
    start_make(f, NULL, 0, 0);
    struct fake_call *k = fake_expect(f, MSG_TYPE_make, "nm1:1");
    assert_as_asked(f, &k->m.make);
    assert_int_equal(k->m.make.size, 0);
    assert_int_equal(k->m.make.n_chunks, 0);
    answer_make(f, k);
    assert_made(f, 0);
    assert_int_equal(f->grant_calls, 0);
    assert_int_equal(f->holds, 0);
    close_file(f);
    fake_free(f);
}

/* It takes nobody's content away: what is open, and not known to be, needs not be told before. */
static void it_has_nothing_to_wait_for(void **state)
{
    (void)state;
    struct fake *f = with_session();
    fake_start(f, (struct client_request){.kind = OP_OPEN, .path = "/f", .flags = DFS_READ | DFS_LAZY});
    fake_locate(f, fake_expect(f, MSG_TYPE_locate, "nm1:1"));
    assert_int_equal(f->status, 0);
    for (size_t len = 0; len < 2; len++) {
        start_make(f, "x", len, 0);
        answer_make(f, run_to_make(f)); /* what comes before is answered: but no open */
        assert_made(f, len);
        assert_null(fake_next(f));
    }
    fake_start(f, (struct client_request){.kind = OP_PUT, .path = "/f", .source = {.read = no_bytes}});
    fake_expect(f, MSG_TYPE_open, "nm1:1"); /* as it would be here */
    fake_free(f);
}

/* It is open for writing, too. */
static void what_was_made_is_written_on(void **state)
{
    (void)state;
    struct fake *f = with_session();
    start_make(f, NULL, 0, 0);
    answer_make(f, fake_find(f, MSG_TYPE_make));
    fake_start(f, (struct client_request){.kind = OP_PWRITE, .file = f->file, .value = "abc", .value_len = 3});
    const struct msg_chunk_open *o = &fake_find(f, MSG_TYPE_chunk_open)->m.chunk_open;
    assert_int_equal(o->handle, HANDLE);
    assert_int_equal(o->session, f->session);
    fake_free(f);
}

static void who_comes_second_is_told_so(void **state)
{
    (void)state;
    struct fake *f = with_session();
    start_make(f, "x", 1, 0);
    fake_refuse(f, run_to_make(f), DFS_EEXIST, "there is such a name", "");
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_EEXIST);
    assert_int_equal(f->file, 0);
    fake_free(f);
}

static void a_server_that_was_lost_or_an_old_grant_is_no_end(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        struct fake *f = with_session();
        start_make(f, "abc", 3, 0);
        struct fake_call *k = run_to_make(f);
        uint64_t number = k->m.make.id.number, chunk = f->chunks[0].id;
        if (lost)
            fake_refuse(f, k, DFS_ENOSERVERS, "server=2 is down: 1 of a chunk's 2 storage servers are up", "");
        else
            fake_refuse(f, k, DFS_ESTALE, "grant expired", "");
        assert_int_equal(f->ended, 0);
        k = run_to_make(f);
        assert_int_equal(f->n_chunks, 2); /* it was written once more */
        assert_true(f->chunks[1].id != chunk);
        assert_memory_equal(f->chunks[1].data, "abc", 3);
        assert_true(k->m.make.id.number > number); /* the refusal is remembered */
        assert_as_asked(f, &k->m.make);
        assert_int_equal(k->m.make.n_chunks, 1);
        answer_make(f, k);
        assert_made(f, 3);
        fake_free(f);
    }
}

/* The answer is lost: it is the same request that comes again, and there is one file. */
static void a_make_without_an_answer_is_sent_again(void **state)
{
    (void)state;
    struct fake *f = with_session();
    start_make(f, "abc", 3, 0);
    struct fake_call *k = run_to_make(f);
    uint64_t number = k->m.make.id.number;
    fake_break(f, k, DFS_EUNREACH);
    k = run_to_make(f);
    assert_int_equal(k->m.make.id.number, number);
    assert_int_equal(f->n_chunks, 1);
    answer_make(f, k);
    assert_made(f, 3);
    fake_free(f);
}

static void what_cannot_be_made_is_refused_at_once(void **state)
{
    (void)state;
    struct fake *f = with_session();
    struct client_request r = {.kind = OP_MAKE, .path = "new", .value_len = 64 * MIB + 1, .cb = fake_on_done, .arg = f};
    assert_int_equal(client_start(f->c, &r), DFS_ETOOBIG);
    r.value_len = 0;
    r.cb = NULL;
    assert_int_equal(client_start(f->c, &r), DFS_EINVAL);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_counted_on_for_less_than_it_lasts),
        cmocka_unit_test(its_time_began_before_it_was_asked_for),
        cmocka_unit_test(its_turn_is_waited_for),
        cmocka_unit_test(a_nameserver_that_has_none_gives_no_time),
        cmocka_unit_test(it_is_returned),
        cmocka_unit_test(the_bytes_are_there_before_the_file),
        cmocka_unit_test(without_content_it_is_one_request),
        cmocka_unit_test(it_has_nothing_to_wait_for),
        cmocka_unit_test(what_was_made_is_written_on),
        cmocka_unit_test(who_comes_second_is_told_so),
        cmocka_unit_test(a_server_that_was_lost_or_an_old_grant_is_no_end),
        cmocka_unit_test(a_make_without_an_answer_is_sent_again),
        cmocka_unit_test(what_cannot_be_made_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
