/* SPDX-License-Identifier: MIT */
/* The client and holes: punched into chunks that there are, found between data, and a size that only grows. */
#include "client_fake.h"

#define HANDLE 77u
#define CHUNK (64ull * MIB)

/* A file of 300 MiB with the chunks 1, 2 and 4; the last ends after 10 MiB. */
static struct fake *fake_with_file(void)
{
    struct fake *f = fake_new();
    struct msg m = {.type = MSG_TYPE_open_reply};
    static const uint32_t indexes[] = {1, 2, 4};
    fake_start(f, (struct client_request){.kind = OP_OPEN, .path = "/f", .flags = DFS_READ | DFS_WRITE});
    fake_session(f, fake_find(f, MSG_TYPE_session_open));
    f->size = 300 * MIB;
    m.open_reply.handle = HANDLE;
    m.open_reply.attr = (struct wire_attr){.ino = f->ino, .type = INODE_FILE, .size = f->size, .generation = 3};
    fake_reply(f, fake_find(f, MSG_TYPE_open), &m, NULL);
    f->generation = 3;
    f->n_map = ARRAY_LEN(indexes);
    for (uint32_t i = 0; i < f->n_map; i++)
        f->map[i] = (struct wire_chunk_loc){.chunk = 100 + indexes[i],
                                            .index = indexes[i],
                                            .version = 1,
                                            .length = i == 2 ? 10 * MIB : 64 * MIB,
                                            .replicas = f->replicas,
                                            .n_replicas = 2};
    return f;
}

static void open_chunk_as(struct fake *f, uint32_t index, uint64_t chunk, uint8_t cut)
{
    struct fake_call *k = fake_find(f, MSG_TYPE_chunk_open);
    struct msg m = {.type = MSG_TYPE_chunk_open_reply};
    assert_int_equal(k->m.chunk_open.index, index);
    m.chunk_open_reply = (struct msg_chunk_open_reply){.chunk = chunk,
                                                       .version = 2,
                                                       .chunk_size = f->chunk_size,
                                                       .replicas = f->replicas,
                                                       .n_replicas = 2,
                                                       .generation = 3,
                                                       .index = index,
                                                       .size = f->size,
                                                       .cut = cut};
    fake_reply(f, k, &m, NULL);
}

static void open_chunk(struct fake *f, uint32_t index) { open_chunk_as(f, index, 100 + index, 0); }

/* The punch that is under way, which must be of this range. */
static struct fake_call *punch_of(struct fake *f, uint64_t chunk, uint32_t offset, uint32_t length)
{
    struct fake_call *k = fake_find(f, MSG_TYPE_chunk_write);
    const struct msg_chunk_write *m = &k->m.chunk_write;
    assert_int_equal(m->kind, WRITE_PUNCH);
    assert_int_equal(m->chunk, chunk);
    assert_int_equal(m->offset, offset);
    assert_int_equal(m->length, length);
    assert_int_equal(payload_len(&k->payload), 0);
    assert_int_equal(m->crcs.len, 0);
    return k;
}

static void answer_punch(struct fake *f, uint64_t chunk, uint32_t offset, uint32_t length)
{
    struct msg m = {.type = MSG_TYPE_chunk_write_reply};
    fake_reply(f, punch_of(f, chunk, offset, length), &m, NULL);
}

static void a_punch_goes_to_the_chunks_there_are(void **state)
{
    (void)state;
    struct fake *f = fake_with_file();
    fake_start(f, (struct client_request){.kind = OP_PUNCH, .file = HANDLE, .offset = 1000, .length = 2 * CHUNK});
    struct fake_call *k = fake_find(f, MSG_TYPE_locate);
    assert_int_equal(k->m.locate.dir, f->ino);
    fake_locate(f, k);
    open_chunk(f, 1);
    open_chunk(f, 2);
    answer_punch(f, 101, 0, CHUNK);
    assert_int_equal(f->ended, 0);
    answer_punch(f, 102, 0, 1000);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    /* where there is nothing nothing is made; of no length, behind all there may be */
    fake_start(f, (struct client_request){.kind = OP_PUNCH, .file = HANDLE, .offset = 5, .length = 100});
    fake_locate(f, fake_find(f, MSG_TYPE_locate));
    assert_int_equal(f->ended + f->status, 1);
    fake_start(f, (struct client_request){.kind = OP_PUNCH, .file = HANDLE, .offset = CHUNK});
    assert_int_equal(f->ended + f->status, 1);
    fake_start(f, (struct client_request){.kind = OP_PUNCH, .file = HANDLE, .offset = 5 * CHUNK, .length = UINT64_MAX});
    fake_locate(f, fake_find(f, MSG_TYPE_locate));
    assert_int_equal(f->ended + f->status, 1);
    assert_null(fake_next(f));
    fake_start(f, (struct client_request){.kind = OP_PUNCH, .file = 5, .length = 1});
    assert_int_equal(f->status, DFS_EBADF);
    fake_free(f);
}

/* As a write: its number stays the same when it is sent again, in a later version. */
static void a_punch_that_fails_is_sent_again(void **state)
{
    (void)state;
    struct fake *f = fake_with_file();
    fake_start(f, (struct client_request){.kind = OP_PUNCH, .file = HANDLE, .offset = 4 * CHUNK + 7, .length = 9});
    fake_locate(f, fake_find(f, MSG_TYPE_locate));
    open_chunk(f, 4);
    struct fake_call *k = punch_of(f, 104, 7, 9);
    uint64_t number = k->m.chunk_write.number;
    fake_break(f, k, DFS_ECONNLOST);
    fake_sleep(f);
    open_chunk(f, 4);
    k = punch_of(f, 104, 7, 9);
    assert_int_equal(k->m.chunk_write.number, number);
    answer_punch(f, 104, 7, 9);
    assert_int_equal(f->ended + f->status, 1);
    fake_free(f);
}

/* Answers the question for data at this offset of a chunk with up to two runs; length 0: none. */
static void answer_map(struct fake *f, uint64_t chunk, uint32_t at, struct wire_piece a, struct wire_piece b)
{
    struct fake_call *k = fake_find(f, MSG_TYPE_chunk_read);
    struct wire_piece runs[2] = {a, b};
    struct msg m = {.type = MSG_TYPE_chunk_read_reply};
    assert_int_equal(k->m.chunk_read.flags, READ_MAP);
    assert_int_equal(k->m.chunk_read.chunk, chunk);
    assert_int_equal(k->m.chunk_read.offset, at);
    m.chunk_read_reply.pieces = runs;
    m.chunk_read_reply.n_pieces = (a.length > 0) + (b.length > 0);
    fake_reply(f, k, &m, NULL);
}

static void seek(struct fake *f, unsigned what, uint64_t offset)
{
    fake_start(f, (struct client_request){.kind = OP_SEEK, .file = HANDLE, .offset = offset, .flags = what});
    fake_locate(f, fake_find(f, MSG_TYPE_locate));
}

static void expect_found(struct fake *f, uint64_t offset)
{
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    assert_int_equal(f->offset, offset);
    assert_null(fake_next(f));
}

static void data_and_holes_are_found(void **state)
{
    (void)state;
    static const struct wire_piece none, whole = {0, CHUNK};
    struct fake *f = fake_with_file();
    seek(f, DFS_SEEK_HOLE, 5);
    expect_found(f, 5);
    seek(f, DFS_SEEK_DATA, 5); /* the first chunk of all has something further on */
    answer_map(f, 101, 0, (struct wire_piece){77, 10}, none);
    expect_found(f, CHUNK + 77);
    seek(f, DFS_SEEK_HOLE, CHUNK + 80);
    answer_map(f, 101, 80, (struct wire_piece){80, 7}, (struct wire_piece){90, 1});
    expect_found(f, CHUNK + 87);
    seek(f, DFS_SEEK_HOLE, CHUNK); /* two chunks in a row, and none behind */
    answer_map(f, 101, 0, whole, none);
    answer_map(f, 102, 0, whole, none);
    expect_found(f, 3 * CHUNK);
    seek(f, DFS_SEEK_DATA, CHUNK + 9); /* one that was punched as a whole */
    answer_map(f, 101, 9, none, none);
    answer_map(f, 102, 0, (struct wire_piece){0, 3}, (struct wire_piece){5, 9});
    expect_found(f, 2 * CHUNK);
    seek(f, DFS_SEEK_HOLE, 4 * CHUNK + 1); /* behind the last chunk's end the file goes on */
    answer_map(f, 104, 1, (struct wire_piece){1, 10 * MIB - 1}, none);
    expect_found(f, 4 * CHUNK + 10 * MIB);
    seek(f, DFS_SEEK_HOLE, f->size - 1);
    expect_found(f, f->size - 1);
    seek(f, DFS_SEEK_DATA, f->size - 1);
    assert_int_equal(f->status, DFS_ENODATA);
    seek(f, DFS_SEEK_HOLE, f->size);
    assert_int_equal(f->status, DFS_ENODATA);
    f->size = 4 * CHUNK + 10 * MIB;
    seek(f, DFS_SEEK_HOLE, 4 * CHUNK);
    answer_map(f, 104, 0, (struct wire_piece){0, 10 * MIB}, none);
    expect_found(f, f->size);
    fake_free(f);
}

static void a_map_that_makes_no_sense_is_another_servers_turn(void **state)
{
    (void)state;
    struct fake *f = fake_with_file();
    seek(f, DFS_SEEK_DATA, CHUNK + 9);
    answer_map(f, 101, 9, (struct wire_piece){8, 10}, (struct wire_piece){0, 0});
    answer_map(f, 101, 9, (struct wire_piece){9, 10}, (struct wire_piece){0, 0});
    expect_found(f, CHUNK + 9);
    struct client_request r = {.kind = OP_SEEK, .file = HANDLE, .cb = fake_on_done, .arg = f};
    assert_int_equal(client_start(f->c, &r), DFS_EINVAL);
    fake_free(f);
}

static void a_size_only_grows(void **state)
{
    (void)state;
    struct fake *f = fake_with_file();
    fake_start(f, (struct client_request){.kind = OP_EXTEND, .file = HANDLE, .length = 5});
    struct fake_call *k = fake_find(f, MSG_TYPE_extend);
    struct msg m = {.type = MSG_TYPE_extend_reply};
    assert_true(k->m.extend.handle == HANDLE && k->m.extend.size == 5 && k->m.extend.generation == 0);
    m.extend_reply.attr = (struct wire_attr){.ino = f->ino, .size = f->size, .generation = 3};
    fake_reply(f, k, &m, NULL);
    assert_int_equal(f->ended + f->status, 1);
    assert_int_equal(f->attr.size, f->size);
    fake_free(f);
}

/* What was sent and not answered may have been sent too late already, to a chunk that had been cut off: then what has been written in
 * its place is still to be punched. */
static void a_punch_that_raced_with_a_cut_is_unknown(void **state)
{
    (void)state;
    struct fake *f = fake_with_file();
    fake_start(f, (struct client_request){.kind = OP_PUNCH, .file = HANDLE, .offset = CHUNK, .length = 100});
    fake_locate(f, fake_find(f, MSG_TYPE_locate));
    open_chunk(f, 1);
    fake_break(f, punch_of(f, 101, 0, 100), DFS_ECONNLOST);
    fake_sleep(f);
    open_chunk_as(f, 1, 201, CHUNK_CUT);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, DFS_EUNKNOWN);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_punch_goes_to_the_chunks_there_are),
        cmocka_unit_test(a_punch_that_fails_is_sent_again),
        cmocka_unit_test(data_and_holes_are_found),
        cmocka_unit_test(a_map_that_makes_no_sense_is_another_servers_turn),
        cmocka_unit_test(a_size_only_grows),
        cmocka_unit_test(a_punch_that_raced_with_a_cut_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
