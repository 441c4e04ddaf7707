/* SPDX-License-Identifier: MIT */
/* The client and writes behind a file's end: what is durable together gets its size committed together. */
#include "client_fake.h"

#define HANDLE 77u
#define PART (128u * 1024)

static struct fake *fake_with_empty_file(void)
{
    struct fake *f = fake_new();
    struct msg m = {.type = MSG_TYPE_open_reply};
    fake_start(f, (struct client_request){.kind = OP_OPEN, .path = "/f", .flags = DFS_WRITE | DFS_CREATE});
    fake_session(f, fake_find(f, MSG_TYPE_session_open));
    m.open_reply.handle = HANDLE;
    m.open_reply.attr = (struct wire_attr){.ino = f->ino, .type = INODE_FILE, .generation = 3};
    fake_reply(f, fake_find(f, MSG_TYPE_open), &m, NULL);
    f->ended = 0;
    return f;
}

/* Starts a write of the file's part with this index. */
static void write_part(struct fake *f, uint32_t index)
{
    static const uint8_t bytes[PART];
    int ended = f->ended;
    fake_start(f, (struct client_request){
                      .kind = OP_PWRITE, .file = HANDLE, .offset = (uint64_t)index * PART, .value = bytes, .value_len = PART});
    f->ended = ended;
}

static void open_chunk(struct fake *f)
{
    struct msg m = {.type = MSG_TYPE_chunk_open_reply};
    m.chunk_open_reply = (struct msg_chunk_open_reply){.chunk = 101,
                                                       .version = 2,
                                                       .chunk_size = f->chunk_size,
                                                       .replicas = f->replicas,
                                                       .n_replicas = 2,
                                                       .generation = 3};
    fake_reply(f, fake_find(f, MSG_TYPE_chunk_open), &m, NULL);
}

/* The oldest write under way is durable; nothing else is done in this round of the loop. */
static void part_durable(struct fake *f, uint32_t index)
{
    struct fake_call *k = fake_find(f, MSG_TYPE_chunk_write);
    struct msg m = {.type = MSG_TYPE_chunk_write_reply};
    assert_int_equal(k->m.chunk_write.offset, index * PART);
    assert_int_equal(payload_len(&k->payload), PART);
    fake_tell(f, k, &m, NULL);
}

static uint32_t count(const struct fake *f, uint16_t type)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->n_calls; i++)
        n += f->calls[i].used && f->calls[i].m.type == type;
    return n;
}

/* The only commit under way, which must be of this size, succeeds. */
static void size_committed(struct fake *f, uint64_t size)
{
    struct fake_call *k = fake_find(f, MSG_TYPE_extend);
    struct msg m = {.type = MSG_TYPE_extend_reply};
    assert_int_equal(count(f, MSG_TYPE_extend), 1);
    assert_int_equal(k->m.extend.size, size);
    assert_int_equal(k->m.extend.generation, 3);
    m.extend_reply.attr = (struct wire_attr){.ino = f->ino, .size = size, .generation = 3};
    fake_reply(f, k, &m, NULL);
}

static void answers_that_come_together_need_one_commit(void **state)
{
    (void)state;
    struct fake *f = fake_with_empty_file();
    for (uint32_t i = 0; i < 4; i++)
        write_part(f, i);
    open_chunk(f);
    assert_int_equal(count(f, MSG_TYPE_chunk_write), 4);
    part_durable(f, 0);
    part_durable(f, 1);
    part_durable(f, 2);
    assert_int_equal(count(f, MSG_TYPE_extend), 0);
    fake_turn(f);
    assert_int_equal(count(f, MSG_TYPE_extend), 1);
    part_durable(f, 3); /* it waits for the next one */
    fake_turn(f);
    assert_int_equal(f->ended, 0);
    size_committed(f, 3 * PART);
    assert_int_equal(f->ended, 3);
    size_committed(f, 4 * PART);
    assert_int_equal(f->ended, 4);
    assert_int_equal(f->status, 0);
    assert_int_equal(f->bytes, PART);
    assert_null(fake_next(f));
    fake_free(f);
}

static void what_nobody_waits_for_any_more_is_not_committed(void **state)
{
    (void)state;
    struct fake *f = fake_with_empty_file();
    struct msg busy = {.type = MSG_TYPE_error};
    busy.error.code = (uint16_t)-DFS_EBUSY;
    write_part(f, 0);
    uint64_t first = client_last(f->c);
    open_chunk(f);
    write_part(f, 1);
    part_durable(f, 0);
    client_cancel(f->c, first);
    fake_tell(f, fake_find(f, MSG_TYPE_chunk_write), &busy, NULL); /* the canceled write is gone with this step */
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_ECANCELED);
    fake_turn(f);
    assert_int_equal(count(f, MSG_TYPE_extend), 0);
    fake_sleep(f); /* and the next one is committed as ever */
    part_durable(f, 1);
    fake_turn(f);
    size_committed(f, 2 * PART);
    assert_int_equal(f->ended, 2);
    assert_int_equal(f->status, 0);
    fake_free(f);
}

/* A disk is full, and as long as we wait nobody can take its server's place: that is what is said, not that too few are up. */
static void a_full_disk_is_named(void **state)
{
    (void)state;
    struct fake *f = fake_with_empty_file();
    write_part(f, 0);
    open_chunk(f);
    fake_refuse(f, fake_find(f, MSG_TYPE_chunk_write), DFS_ENOSPC, "server=2 no space left", "");
    for (uint64_t until = f->now.mono + 11 * NS_PER_SEC; f->now.mono < until && f->ended == 0;) {
        if (count(f, MSG_TYPE_chunk_write) > 0)
            fake_refuse(f, fake_find(f, MSG_TYPE_chunk_write), DFS_ENOSPC, "server=2 no space left", "");
        else if (count(f, MSG_TYPE_chunk_open) > 0)
            fake_refuse(f, fake_find(f, MSG_TYPE_chunk_open), DFS_ENOSERVERS, "too few servers", "");
        else
            fake_sleep(f);
    }
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_ENOSPC);
    assert_non_null(strstr(f->error, "no space left"));
    fake_free(f);
}

/* All servers are full: what is asked next is refused, the chunk's next version with this error. */
static void refuse_next(struct fake *f, int opening)
{
    struct fake_call *k = fake_next(f);
    if (!k)
        fake_sleep(f);
    else if (k->m.type == MSG_TYPE_chunk_write)
        fake_refuse(f, k, DFS_ENOSPC, "no space", "");
    else if (k->m.type == MSG_TYPE_chunk_open && opening)
        fake_refuse(f, k, opening, "not now", "");
    else if (k->m.type == MSG_TYPE_chunk_open)
        open_chunk(f);
    else if (k->m.type == MSG_TYPE_hold)
        fake_hold(f, k);
    else
        fail_msg("%s was asked", wire_type_name(k->m.type));
}

/* However long the client is told to wait for servers that are gone. */
static void full_servers_are_not_asked_for_long(void **state)
{
    static const int openings[] = {0, DFS_ENOSERVERS, DFS_EAGAIN};
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(openings); i++) {
        struct fake *f = fake_with_empty_file();
        uint64_t began = f->now.mono;
        write_part(f, 0);
        open_chunk(f);
        write_part(f, 1); /* of which no server says anything once the chunk is to be opened anew */
        fake_refuse(f, fake_find(f, MSG_TYPE_chunk_write), DFS_ENOSPC, "no space", "");
        while (f->ended < 2 && f->now.mono - began < 60 * NS_PER_SEC)
            refuse_next(f, openings[i]);
        assert_int_equal(f->ended, 2);
        assert_int_equal(f->status, DFS_ENOSPC);
        assert_in_range(f->now.mono - began, 5 * NS_PER_SEC, 8 * NS_PER_SEC); /* the timeout is 10 s */
        fake_free(f);
    }
}

/* One of them may have it, and readers see it once the chunk's version has ended, in whatever way. So that ends before the error is
 * told, and the file's time moves after it: who has kept what was there before looks again. */
static void what_full_servers_have_of_it_is_settled_first(void **state)
{
    struct fake *f = fake_with_empty_file();
    uint16_t last = 0;
    (void)state;
    write_part(f, 0);
    while (f->ended < 1) {
        last = fake_next(f) ? fake_next(f)->m.type : last;
        refuse_next(f, 0);
    }
    assert_int_equal(f->status, DFS_ENOSPC);
    assert_int_equal(last, MSG_TYPE_chunk_open);
    fake_start(f, (struct client_request){.kind = OP_FSYNC, .file = HANDLE});
    fake_sleep(f);
    struct fake_call *k = fake_find(f, MSG_TYPE_extend);
    struct msg m = {.type = MSG_TYPE_extend_reply};
    assert_int_equal(k->m.extend.size, 0);
    fake_reply(f, k, &m, NULL);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_ENOSPC); /* the write's */
    fake_free(f);
}

/* Servers that were full once may be gone today, and back in a moment. */
static void what_was_full_once_is_waited_for(void **state)
{
    struct fake *f = fake_with_empty_file();
    (void)state;
    write_part(f, 0);
    open_chunk(f);
    while (f->ended < 1)
        refuse_next(f, DFS_ENOSERVERS);
    assert_int_equal(f->status, DFS_ENOSPC);
    f->now.mono += 60 * NS_PER_SEC;
    uint64_t began = f->now.mono;
    write_part(f, 0);
    while (f->ended < 2)
        refuse_next(f, DFS_ENOSERVERS);
    assert_int_equal(f->status, DFS_ENOSERVERS);
    assert_true(f->now.mono - began >= 10 * NS_PER_SEC);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_come_together_need_one_commit),
        cmocka_unit_test(what_nobody_waits_for_any_more_is_not_committed),
        cmocka_unit_test(a_full_disk_is_named),
        cmocka_unit_test(full_servers_are_not_asked_for_long),
        cmocka_unit_test(what_full_servers_have_of_it_is_settled_first),
        cmocka_unit_test(what_was_full_once_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
