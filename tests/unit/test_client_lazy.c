/* SPDX-License-Identifier: MIT */
/* Files opened with DFS_LAZY: what the NameServer is asked and told, and when. */
#include "client_fake.h"

#define CHUNK 5u
#define HANDLE 77u
#define SIZE 10000u

struct sunk {
    uint8_t bytes[SIZE];
    uint64_t n;
};

static int sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct sunk *s = arg;
    assert_true(offset + len <= SIZE);
    memcpy(s->bytes + offset, p, len);
    s->n += len;
    return 0;
}

static void sink_restart(void *arg) { ((struct sunk *)arg)->n = 0; }

/* One file of one chunk. */
static struct fake *with_file(void)
{
    struct fake *f = fake_new();
    f->generation = 3;
    f->size = SIZE;
    f->chunks[0] = (struct fake_chunk){.id = CHUNK, .data = malloc(SIZE), .len = SIZE};
    f->n_chunks = 1;
    for (unsigned i = 0; i < SIZE; i++)
        f->chunks[0].data[i] = (uint8_t)(i * 31);
    f->map[0] = (struct wire_chunk_loc){.chunk = CHUNK, .version = 1, .length = SIZE, .n_replicas = 1, .replicas = f->replicas};
    f->map[0].crc = crc32c(0, f->chunks[0].data, SIZE);
    f->n_map = 1;
    return f;
}

static uint64_t open_lazily(struct fake *f)
{
    fake_start(f, (struct client_request){.kind = OP_OPEN, .path = "/f", .flags = DFS_READ | DFS_LAZY});
    fake_locate(f, fake_expect(f, MSG_TYPE_locate, "nm1:1"));
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    assert_int_equal(f->attr.size, SIZE);
    return f->file;
}

static struct client_request read_of(uint64_t file, struct sunk *s)
{
    *s = (struct sunk){.n = 0};
    return (struct client_request){
        .kind = OP_GET, .file = file, .length = UINT64_MAX, .sink = {sink_write, sink_restart, s}};
}

static void check_read(const struct fake *f, const struct sunk *s)
{
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    assert_int_equal(s->n, SIZE);
    assert_memory_equal(s->bytes, f->chunks[0].data, SIZE);
}

static void answer_open(struct fake *f, struct fake_call *k)
{
    struct msg m = {.type = MSG_TYPE_open_reply};
    m.open_reply.handle = HANDLE;
    m.open_reply.attr = (struct wire_attr){.ino = f->ino, .type = INODE_FILE};
    fake_reply(f, k, &m, NULL);
}

/* Time passes until the NameServer is told of it. */
static struct fake_call *wait_for_open(struct fake *f)
{
    fake_sleep(f);
    struct fake_call *k = fake_next(f);
    if (k && k->m.type == MSG_TYPE_session_open)
        fake_session(f, k);
    return fake_expect(f, MSG_TYPE_open, "nm1:1");
}

static void open_read_close_costs_one_question(void **state)
{
    (void)state;
    struct fake *f = with_file();
    struct sunk s;
    uint64_t file = open_lazily(f);
    for (int i = 0; i < 3; i++) {
        fake_start(f, read_of(file, &s));
        fake_read(f, fake_expect(f, MSG_TYPE_chunk_read, "ss1:1"), false);
        check_read(f, &s);
    }
    fake_start(f, (struct client_request){.kind = OP_CLOSE, .file = file});
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    assert_null(fake_next(f));
    fake_start(f, read_of(file, &s));
    assert_int_equal(f->status, DFS_EBADF);
    fake_free(f);
}

static void where_the_bytes_are_is_asked_again_after_a_second(void **state)
{
    (void)state;
    struct fake *f = with_file();
    struct sunk s;
    uint64_t file = open_lazily(f);
    answer_open(f, wait_for_open(f));
    f->now.mono += 900 * NS_PER_MS;
    fake_start(f, read_of(file, &s));
    fake_read(f, fake_expect(f, MSG_TYPE_chunk_read, "ss1:1"), false);
    check_read(f, &s);
    f->now.mono += 100 * NS_PER_MS;
    fake_start(f, read_of(file, &s));
    assert_int_equal(fake_find(f, MSG_TYPE_locate)->m.locate.handle, HANDLE);
    fake_locate(f, fake_find(f, MSG_TYPE_locate));
    fake_read(f, fake_find(f, MSG_TYPE_chunk_read), false);
    check_read(f, &s);
    client_refresh(f->c, file);
    f->now.mono++;
    fake_start(f, read_of(file, &s));
    fake_locate(f, fake_find(f, MSG_TYPE_locate));
    fake_read(f, fake_find(f, MSG_TYPE_chunk_read), false);
    check_read(f, &s);
    fake_free(f);
}

static void a_server_that_has_moved_on_is_believed(void **state)
{
    (void)state;
    struct fake *f = with_file();
    struct sunk s;
    uint64_t file = open_lazily(f);
    f->map[0].version = 2;
    fake_start(f, read_of(file, &s));
    fake_refuse(f, fake_expect(f, MSG_TYPE_chunk_read, "ss1:1"), DFS_ESTALE, "another version", "");
    fake_locate(f, fake_expect(f, MSG_TYPE_locate, "nm1:1")); /* at once */
    struct fake_call *k = fake_expect(f, MSG_TYPE_chunk_read, "ss1:1");
    assert_int_equal(k->m.chunk_read.version, 2);
    fake_read(f, k, false);
    check_read(f, &s);
    fake_free(f);
}

static void what_stays_open_is_told_and_closed(void **state)
{
    (void)state;
    struct fake *f = with_file();
    struct msg closed = {.type = MSG_TYPE_close_reply};
    uint64_t file = open_lazily(f);
    struct fake_call *k = wait_for_open(f);
    assert_int_equal(k->m.open.dir, f->ino);
    assert_int_equal(k->m.open.flags, OPEN_READ);
    fake_start(f, (struct client_request){.kind = OP_CLOSE, .file = file}); /* meanwhile */
    assert_int_equal(f->ended, 0);
    answer_open(f, k);
    k = fake_expect(f, MSG_TYPE_close, "nm1:1");
    assert_int_equal(k->m.close.handle, HANDLE);
    fake_reply(f, k, &closed, NULL);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

/* By a change of something else. */
static void make_session(struct fake *f)
{
    struct msg m = {.type = MSG_TYPE_mkdir_reply};
    fake_start(f, (struct client_request){.kind = OP_MKDIR, .path = "/d"});
    fake_session(f, fake_expect(f, MSG_TYPE_session_open, "nm1:1"));
    fake_reply(f, fake_expect(f, MSG_TYPE_mkdir, "nm1:1"), &m, NULL);
    assert_int_equal(f->status, 0);
}

static void an_unlink_comes_behind_what_is_open(void **state)
{
    (void)state;
    struct fake *f = with_file();
    make_session(f);
    (void)open_lazily(f);
    fake_start(f, (struct client_request){.kind = OP_UNLINK, .path = "/f"});
    struct fake_call *open = fake_expect(f, MSG_TYPE_open, "nm1:1"), *unlink = fake_find(f, MSG_TYPE_unlink);
    assert_true(open < unlink);
    assert_true(open->m.open.id.number < unlink->m.unlink.id.number);
    fake_free(f);
}

/* Whether a call of this type is unanswered. */
static bool is_asked(const struct fake *f, uint16_t type)
{
    for (uint32_t i = 0; i < f->n_calls; i++)
        if (f->calls[i].used && f->calls[i].m.type == type)
            return true;
    return false;
}

static void what_is_sent_again_waits_for_what_is_open(void **state)
{
    (void)state;
    struct fake *f = with_file();
    make_session(f);
    (void)open_lazily(f);
    fake_start(f, (struct client_request){.kind = OP_UNLINK, .path = "/f"});
    fake_break(f, fake_expect(f, MSG_TYPE_open, "nm1:1"), DFS_ECONNLOST);
    fake_break(f, fake_expect(f, MSG_TYPE_unlink, "nm1:1"), DFS_ECONNLOST);
    while (!fake_next(f))
        fake_sleep(f);
    f->now.mono += 5 * NS_PER_SEC; /* long enough for any pause */
    fake_turn(f);
    assert_false(is_asked(f, MSG_TYPE_unlink));
    answer_open(f, fake_expect(f, MSG_TYPE_open, "nm1:1"));
    fake_expect(f, MSG_TYPE_unlink, "nm1:1");
    fake_free(f);
}

/* Its number is of the session before, where more had been changed than in this one. */
static void what_waits_does_not_hold_up_the_next_session(void **state)
{
    (void)state;
    struct fake *f = with_file();
    make_session(f);
    (void)open_lazily(f);
    fake_start(f, (struct client_request){.kind = OP_UNLINK, .path = "/f"});
    struct fake_call *open = fake_expect(f, MSG_TYPE_open, "nm1:1");
    fake_break(f, fake_find(f, MSG_TYPE_unlink), DFS_EUNREACH);
    fake_sleep(f);
    fake_refuse(f, open, DFS_ESESSION, "no such session", "");
    while (!fake_next(f))
        fake_sleep(f);
    f->session++;
    fake_session(f, fake_expect(f, MSG_TYPE_session_open, "nm1:1"));
    open = fake_expect(f, MSG_TYPE_open, "nm1:1");
    assert_int_equal(open->m.open.id.number, 1);
    assert_int_equal(open->m.open.id.seen, 1);
    answer_open(f, open);
    fake_expect(f, MSG_TYPE_unlink, "nm1:1");
    fake_free(f);
}

static int source_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    (void)arg;
    *got = min_u64(len, SIZE - offset);
    memset(buf, 'n', *got);
    return 0;
}

/* The same name gets another content; up to where the NameServer is asked something that is not answered here. */
static void put_over(struct fake *f)
{
    fake_start(f, (struct client_request){
                      .kind = OP_PUT, .path = "/f", .source = {.read = source_read, .size = SIZE, .seekable = true}});
    for (struct fake_call *k; (k = fake_next(f)) && k->m.type != MSG_TYPE_open && k->m.type != MSG_TYPE_publish;)
        fake_answer(f, k);
}

static void a_put_waits_for_what_is_open(void **state)
{
    (void)state;
    struct fake *f = with_file();
    (void)open_lazily(f);
    put_over(f);
    fake_break(f, fake_expect(f, MSG_TYPE_open, "nm1:1"), DFS_ECONNLOST); /* a failover */
    while (!is_asked(f, MSG_TYPE_open)) {
        assert_false(is_asked(f, MSG_TYPE_publish));
        if (fake_next(f))
            fake_answer(f, fake_next(f));
        else
            fake_sleep(f);
    }
    while (fake_next(f)->m.type != MSG_TYPE_open)
        fake_answer(f, fake_next(f));
    assert_int_equal(f->writes, 1);
    assert_false(is_asked(f, MSG_TYPE_publish));
    answer_open(f, fake_next(f));
    fake_publish(f, fake_expect(f, MSG_TYPE_publish, "nm1:1"));
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

/* Its answer was on its way when the put was sent, so that the NameServer could not be told. */
static void who_opens_while_a_put_is_on_its_way_reads_one_content(void **state)
{
    (void)state;
    struct fake *f = with_file();
    struct sunk s;
    put_over(f);
    struct fake_call *publish = fake_expect(f, MSG_TYPE_publish, "nm1:1");
    fake_start(f, (struct client_request){.kind = OP_OPEN, .path = "/f", .flags = DFS_READ | DFS_LAZY});
    fake_locate(f, fake_find(f, MSG_TYPE_locate));
    uint64_t file = f->file;
    fake_publish(f, publish);
    client_refresh(f->c, file);
    fake_start(f, read_of(file, &s));
    fake_read(f, fake_find(f, MSG_TYPE_chunk_read), false);
    check_read(f, &s);
    fake_free(f);
}

static void what_cannot_be_told_keeps_its_content(void **state)
{
    (void)state;
    struct fake *f = with_file();
    struct sunk s;
    uint64_t file = open_lazily(f);
    fake_refuse(f, wait_for_open(f), DFS_ENOSPC, "", "");
    put_over(f);
    fake_refuse(f, fake_expect(f, MSG_TYPE_open, "nm1:1"), DFS_ENOSPC, "", ""); /* once more */
    while (fake_next(f)->m.type != MSG_TYPE_open)
        fake_answer(f, fake_next(f));
    assert_false(is_asked(f, MSG_TYPE_publish));
    fake_refuse(f, fake_next(f), DFS_ENOSPC, "", ""); /* and again */
    fake_publish(f, fake_expect(f, MSG_TYPE_publish, "nm1:1"));
    assert_int_equal(f->status, 0);
    client_refresh(f->c, file);
    f->now.mono += 60 * NS_PER_SEC;
    fake_start(f, read_of(file, &s));
    assert_false(is_asked(f, MSG_TYPE_locate));
    fake_read(f, fake_find(f, MSG_TYPE_chunk_read), false);
    check_read(f, &s);
    fake_start(f, (struct client_request){.kind = OP_CLOSE, .file = file});
    assert_int_equal(f->status, 0);
    fake_free(f);
}

static void a_close_goes_with_the_next_change(void **state)
{
    (void)state;
    struct fake *f = with_file();
    uint64_t file = open_lazily(f);
    answer_open(f, wait_for_open(f));
    fake_start(f, (struct client_request){.kind = OP_CLOSE, .file = file});
    assert_null(fake_next(f));
    fake_start(f, (struct client_request){.kind = OP_MKDIR, .path = "/d"});
    fake_expect(f, MSG_TYPE_mkdir, "nm1:1");
    fake_find(f, MSG_TYPE_close);
    fake_free(f);
}

static void a_close_goes_alone_after_a_while(void **state)
{
    (void)state;
    struct fake *f = with_file();
    uint64_t file = open_lazily(f), before;
    answer_open(f, wait_for_open(f));
    before = f->now.mono;
    fake_start(f, (struct client_request){.kind = OP_CLOSE, .file = file});
    fake_sleep(f);
    assert_true(f->now.mono - before <= 10 * NS_PER_MS);
    fake_expect(f, MSG_TYPE_close, "nm1:1");
    fake_free(f);
}

static void a_lock_makes_it_known(void **state)
{
    (void)state;
    struct fake *f = with_file();
    struct msg m = {.type = MSG_TYPE_lock_reply};
    uint64_t file = open_lazily(f);
    fake_start(f, (struct client_request){.kind = OP_LOCK, .file = file, .lock = {.owner = 1, .type = DFS_LOCK_SHARED}});
    fake_session(f, fake_expect(f, MSG_TYPE_session_open, "nm1:1"));
    answer_open(f, fake_expect(f, MSG_TYPE_open, "nm1:1"));
    struct fake_call *k = fake_expect(f, MSG_TYPE_lock, "nm1:1");
    assert_int_equal(k->m.lock.handle, HANDLE);
    fake_reply(f, k, &m, NULL);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

static void who_was_too_late_reads_on(void **state)
{
    (void)state;
    struct fake *f = with_file();
    struct sunk s;
    uint64_t file = open_lazily(f);
    fake_refuse(f, wait_for_open(f), DFS_ENOENT, "", "");
    f->now.mono += 60 * NS_PER_SEC;
    fake_start(f, read_of(file, &s));
    fake_read(f, fake_expect(f, MSG_TYPE_chunk_read, "ss1:1"), false);
    check_read(f, &s);
    fake_start(f, (struct client_request){.kind = OP_LOCK, .file = file, .lock = {.owner = 1, .type = DFS_LOCK_SHARED}});
    assert_int_equal(f->status, DFS_EBADF);
    fake_start(f, (struct client_request){.kind = OP_CLOSE, .file = file});
    assert_int_equal(f->status, 0);
    fake_free(f);
}

static void who_hears_by_reading_that_it_is_gone_reads_on(void **state)
{
    (void)state;
    struct fake *f = with_file();
    struct sunk s;
    uint64_t file = open_lazily(f);
    client_refresh(f->c, file);
    fake_start(f, read_of(file, &s));
    assert_int_equal(fake_find(f, MSG_TYPE_locate)->m.locate.handle, 0);
    fake_refuse(f, fake_expect(f, MSG_TYPE_locate, "nm1:1"), DFS_ENOENT, "", "");
    fake_read(f, fake_expect(f, MSG_TYPE_chunk_read, "ss1:1"), false);
    check_read(f, &s);
    fake_sleep(f); /* the time at which the NameServer would be told */
    assert_null(fake_next(f));
    fake_start(f, (struct client_request){.kind = OP_CLOSE, .file = file});
    assert_int_equal(f->status, 0);
    fake_free(f);
}

static void only_files_are_opened(void **state)
{
    (void)state;
    struct fake *f = with_file();
    struct msg m = {.type = MSG_TYPE_locate_reply};
    m.locate_reply.attr = (struct wire_attr){.ino = 9, .type = INODE_DIRECTORY};
    fake_start(f, (struct client_request){.kind = OP_OPEN, .path = "/d", .flags = DFS_READ | DFS_LAZY});
    fake_reply(f, fake_expect(f, MSG_TYPE_locate, "nm1:1"), &m, NULL);
    assert_int_equal(f->status, DFS_EISDIR);
    fake_start(f, (struct client_request){.kind = OP_OPEN, .path = "/n", .flags = DFS_READ | DFS_LAZY});
    fake_refuse(f, fake_expect(f, MSG_TYPE_locate, "nm1:1"), DFS_ENOENT, "", "");
    assert_int_equal(f->status, DFS_ENOENT);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_read_close_costs_one_question),
        cmocka_unit_test(where_the_bytes_are_is_asked_again_after_a_second),
        cmocka_unit_test(a_server_that_has_moved_on_is_believed),
        cmocka_unit_test(what_stays_open_is_told_and_closed),
        cmocka_unit_test(an_unlink_comes_behind_what_is_open),
        cmocka_unit_test(what_is_sent_again_waits_for_what_is_open),
        cmocka_unit_test(what_waits_does_not_hold_up_the_next_session),
        cmocka_unit_test(a_put_waits_for_what_is_open),
        cmocka_unit_test(who_opens_while_a_put_is_on_its_way_reads_one_content),
        cmocka_unit_test(what_cannot_be_told_keeps_its_content),
        cmocka_unit_test(a_close_goes_with_the_next_change),
        cmocka_unit_test(a_close_goes_alone_after_a_while),
        cmocka_unit_test(a_lock_makes_it_known),
        cmocka_unit_test(who_was_too_late_reads_on),
        cmocka_unit_test(who_hears_by_reading_that_it_is_gone_reads_on),
        cmocka_unit_test(only_files_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
