/* SPDX-License-Identifier: MIT */
/* The client and the data: puts in chunks and frames, gets from any replica, verified and in order. */
#include "client_file.h"

static void what_is_put_is_got_at_every_border(void **state)
{
    static const uint64_t sizes[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, (1 << 20) + 65536,
                                     (2 << 20) - 1, 2 << 20, (2 << 20) + 1, (9 << 20) + 12345};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        struct fake *f = fake_new();
        struct file s = file_of(sizes[i], (uint8_t)i);
        f->chunk_size = 2 * MIB;
        put_all(f, &s);
        assert_true(f->publishes == 1 && f->odd <= 2); /* the first write and the last: reads are of one record each */
        assert_int_equal(f->n_map, (sizes[i] + f->chunk_size - 1) / f->chunk_size);
        get_all(f, &s);
        test_free(s.data);
        fake_free(f);
    }
}

static void a_small_put_after_the_first_is_one_write_and_one_publish(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(4096, 1);
    (void)state;
    put_all(f, &s);
    for (int i = 0; i < 3; i++)
        put_all(f, &s);
    while (fake_next(f))
        fake_answer(f, fake_next(f));
    /* the pool has grants by now */
    fake_start(f, put_of(&s));
    struct fake_call *k = fake_find(f, MSG_TYPE_chunk_write);
    assert_int_equal(k->m.chunk_write.n_chain, 1);
    fake_write(f, k);
    fake_publish(f, fake_find(f, MSG_TYPE_publish)); /* a grant asked for meanwhile is not waited for */
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    test_free(s.data);
    fake_free(f);
}

static void unused_grants_are_dropped_before_they_expire(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(4096, 1);
    (void)state;
    for (int i = 0; i < 4; i++)
        put_all(f, &s);
    while (fake_next(f))
        fake_answer(f, fake_next(f));
    f->now.mono += 41 * NS_PER_SEC; /* lifetime 60 s: none is used after 40 */
    fake_start(f, put_of(&s));
    fake_expect(f, MSG_TYPE_grant, "nm1:1");
    fake_run(f);
    assert_int_equal(f->status, 0);
    test_free(s.data);
    fake_free(f);
}

/* A pipe: nothing yet until it is told to go on. */
static int pipe_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    struct file *s = arg;
    if (offset == s->size && !s->restarts)
        return DFS_EAGAIN;
    return file_read(arg, offset, buf, len, got);
}

static void a_slow_put_holds_its_grants(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(64 * KIB, 1);
    struct client_request r = put_of(&s);
    uint64_t first = f->next_chunk;
    (void)state;
    r.source.read = pipe_read;
    fake_start(f, r);
    for (uint32_t minute = 0; minute < 5; minute++) {
        for (uint32_t second = 0; second < 60; second++) {
            while (fake_next(f))
                fake_answer(f, fake_next(f));
            f->now.mono += NS_PER_SEC;
            fake_turn(f);
        }
        assert_true(f->holds >= 2 * (minute + 1)); /* several in a lifetime: one may be lost */
        assert_int_equal(f->held, first);
    }
    assert_int_equal(f->ended, 0);
    s.restarts = 1;
    fake_run(f);
    assert_int_equal(f->status, 0);
    uint32_t holds = f->holds;
    f->now.mono += 300 * NS_PER_SEC;
    fake_turn(f);
    assert_null(fake_next(f)); /* nothing to hold any more */
    assert_int_equal(f->holds, holds);
    test_free(s.data);
    fake_free(f);
}

static void wrong_bytes_are_not_delivered_but_read_elsewhere(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(100000, 4);
    char first[64];
    (void)state;
    put_all(f, &s);
    fake_start(f, get_of(&s));
    fake_locate(f, fake_expect(f, MSG_TYPE_locate, "nm1:1"));
    struct fake_call *k = fake_next(f);
    snprintf(first, sizeof first, "%s", k->addr);
    fake_read(f, k, true);
    assert_true(s.got == 0 && f->suspects == 1);
    k = fake_next(f);
    assert_string_not_equal(k->addr, first);
    fake_read(f, k, false);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->status, 0);
    assert_int_equal(s.got, s.size);
    test_free(s.data);
    fake_free(f);
}

/* Each byte of what a server sent in turn. */
static void any_flipped_byte_of_a_read_is_noticed(void **state)
{
    struct fake *f = NULL;
    struct file s = file_of(1500, 4);
    (void)state;
    for (uint32_t at = 0; at < s.size; at++) {
        if (at % 16 == 0) { /* it keeps all it was asked */
            if (f)
                fake_free(f);
            f = fake_new();
            s.furthest = 0;
            put_all(f, &s);
        }
        f->damage_at = at;
        f->damage = (uint8_t)(1u << at % 8);
        s.got = 0;
        fake_start(f, get_of(&s));
        fake_locate(f, fake_expect(f, MSG_TYPE_locate, "nm1:1"));
        fake_read(f, fake_next(f), true);
        assert_true(s.got == 0 && !f->ended && f->suspects > 0);
        fake_read(f, fake_next(f), false);
        assert_true(f->ended == 1 && f->status == 0 && s.got == s.size);
    }
    test_free(s.data);
    fake_free(f);
}

/* Every block fits its checksum, yet it is not this chunk: an old copy, say. */
static void right_blocks_of_the_wrong_chunk_are_refused(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(100000, 4), old = file_of(100000, 5);
    (void)state;
    put_all(f, &s);
    struct fake_chunk *c = fake_chunk(f, f->map[0].chunk);
    fake_start(f, get_of(&s));
    fake_locate(f, fake_next(f));
    uint8_t *right = c->data;
    c->data = old.data;
    fake_read(f, fake_next(f), false);
    c->data = right;
    assert_int_equal(s.got, 0);
    assert_int_equal(f->ended, 0);
    fake_run(f);
    assert_int_equal(f->status, 0);
    assert_int_equal(s.got, s.size);
    test_free(s.data);
    test_free(old.data);
    fake_free(f);
}

static void when_no_replica_is_good_the_error_names_one(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(10000, 4);
    (void)state;
    put_all(f, &s);
    fake_start(f, get_of(&s));
    while (!f->ended) {
        struct fake_call *k = fake_next(f);
        if (!k)
            fake_sleep(f);
        else if (k->m.type == MSG_TYPE_chunk_read)
            fake_read(f, k, true);
        else
            fake_answer(f, k);
    }
    assert_int_equal(f->status, DFS_EIO);
    assert_int_equal(s.got, 0);
    assert_non_null(strstr(f->error, "StorageServer ss"));
    assert_non_null(strstr(f->error, "damaged"));
    test_free(s.data);
    fake_free(f);
}

static void replies_in_any_order_are_delivered_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct fake *f = fake_new();
        struct file s = file_of(9 * MIB + 4321, (uint8_t)seed);
        struct rng rng;
        rng_seed(&rng, seed);
        f->chunk_size = 2 * MIB;
        put_all(f, &s);
        fake_start(f, get_of(&s));
        while (!f->ended) {
            assert_non_null(fake_next(f));
            struct fake_call *k;
            do
                k = &f->calls[rng_below(&rng, f->n_calls)];
            while (!k->used);
            if (k->m.type == MSG_TYPE_chunk_read)
                fake_read(f, k, rng_chance(&rng, 200));
            else
                fake_answer(f, k);
            if (!f->ended && !fake_next(f))
                fake_sleep(f);
        }
        assert_string_equal(f->error, "");
        assert_int_equal(s.got, s.size);
        test_free(s.data);
        fake_free(f);
    }
}

static void a_part_is_read_from_the_middle(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(5 * MIB, 6);
    (void)state;
    f->chunk_size = 2 * MIB;
    put_all(f, &s);
    static const uint64_t ranges[][2] = {{1, 1}, {4095, 2}, {2 * MIB - 1, 2}, {1000, 4 * MIB}, {5 * MIB - 1, 100},
                                         {5 * MIB, 1}, {1 << 30, 1}};
    for (unsigned i = 0; i < ARRAY_LEN(ranges); i++) {
        uint64_t from = min_u64(ranges[i][0], s.size), to = min_u64(from + ranges[i][1], s.size);
        struct client_request r = get_of(&s);
        r.offset = ranges[i][0];
        r.length = ranges[i][1];
        s.got = from;
        fake_start(f, r);
        fake_run(f);
        assert_int_equal(f->status, 0);
        assert_int_equal(s.got, to);
        assert_int_equal(f->bytes, to - from);
    }
    test_free(s.data);
    fake_free(f);
}

/* Chunk 1 of the file is lost on all servers because the file was replaced: the get starts over. */
static void a_file_replaced_midway_starts_over(void **state)
{
    struct fake *f = fake_new();
    struct file a = file_of(3 * MIB, 7), b = file_of(2 * MIB + 5, 8);
    (void)state;
    f->chunk_size = 1 * MIB;
    put_all(f, &a);
    struct file sink = a;
    fake_start(f, get_of(&sink));
    fake_locate(f, fake_next(f));
    fake_read(f, fake_next(f), false);
    assert_int_equal(sink.got, 1 * MIB);
    /* somebody else's put */
    struct client_config cfg = {.nameservers = {"nm1:1"}, .n_nameservers = 1, .seed = 1};
    struct client *reader = f->c;
    struct fake_call waiting[4];
    uint32_t n_waiting = 0;
    for (struct fake_call *k; (k = fake_next(f)); k->used = false)
        waiting[n_waiting++] = *k;
    f->c = client_new(&cfg);
    put_all(f, &b);
    client_free(f->c);
    f->c = reader;
    f->ended = 0;
    sink.data = b.data;
    sink.size = b.size;
    for (uint32_t i = 0; i < n_waiting; i++)
        fake_refuse(f, &waiting[i], DFS_ENOCHUNK, "", "");
    while (!f->ended) {
        struct fake_call *k = fake_next(f);
        if (k && k->m.type == MSG_TYPE_chunk_read && k->m.chunk_read.chunk < f->map[0].chunk)
            fake_refuse(f, k, DFS_ENOCHUNK, "", "");
        else if (k)
            fake_answer(f, k);
        else
            fake_sleep(f);
    }
    assert_string_equal(f->error, "");
    assert_int_equal(sink.restarts, 1);
    assert_int_equal(sink.got, b.size);
    test_free(a.data);
    test_free(b.data);
    fake_free(f);
}

static void absent_chunks_are_zeros(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(3 * MIB + 100, 9);
    (void)state;
    f->chunk_size = 1 * MIB;
    put_all(f, &s);
    /* take chunk 1 out of the map */
    memmove(&f->map[1], &f->map[2], 2 * sizeof f->map[0]);
    f->n_map--;
    memset(s.data + MIB, 0, MIB);
    get_all(f, &s);
    test_free(s.data);
    fake_free(f);
}

/* Pieces that overlap: the later one wins; the rest of the range is a hole on all replicas. */
static void pieces_are_laid_over_each_other(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(3 * 4096, 10);
    (void)state;
    put_all(f, &s);
    fake_start(f, get_of(&s));
    fake_locate(f, fake_next(f));
    uint8_t bytes[4096 + 300 + 4096];
    memset(bytes, 'x', 4096); /* older: block 0, of which 100..400 were overwritten */
    memcpy(bytes + 4096, s.data + 100, 300);
    memcpy(bytes + 4396, s.data + 8192, 4096);
    memcpy(bytes, s.data, 100);
    memcpy(bytes + 400, s.data + 400, 3696);
    memset(s.data + 4096, 0, 4096); /* nobody has block 1 */
    struct wire_piece pieces[] = {{0, 4096}, {100, 300}, {8192, 4096}};
    uint32_t crcs[] = {crc32c(0, bytes, 4096), crc32c(0, bytes + 4096, 300), crc32c(0, bytes + 4396, 4096)};
    struct msg m = {.type = MSG_TYPE_chunk_read_reply};
    m.chunk_read_reply = (struct msg_chunk_read_reply){
        .length = 12288, .pieces = pieces, .n_pieces = 3, .crcs = {(const char *)crcs, sizeof crcs}};
    f->map[0].crc = crc32c(0, s.data, s.size);
    /* the first locate was answered already: start again with the new checksum */
    fake_free(f);
    f = fake_new();
    f->size = s.size;
    f->generation = f->n_map = 1;
    f->map[0] = (struct wire_chunk_loc){.chunk = 1, .version = 1, .length = 12288, .crc = crc32c(0, s.data, s.size),
                                        .replicas = f->replicas, .n_replicas = 2, .grant = STR("g")};
    fake_start(f, get_of(&s));
    fake_locate(f, fake_next(f));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f->ended, 0); /* a gap is believed only when all replicas agree */
        struct payload p = payload_of(slice_copy(bytes, sizeof bytes));
        fake_reply(f, fake_expect(f, MSG_TYPE_chunk_read, fake_next(f)->addr), &m, &p);
        payload_drop(&p);
    }
    assert_string_equal(f->error, "");
    assert_int_equal(f->ended, 1);
    assert_int_equal(s.got, s.size);
    test_free(s.data);
    fake_free(f);
}

static void a_sink_that_fails_ends_the_get(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(10000, 11);
    (void)state;
    put_all(f, &s);
    s.fail = DFS_ENOSPC;
    fake_start(f, get_of(&s));
    fake_run(f);
    assert_int_equal(f->status, DFS_ENOSPC);
    test_free(s.data);
    fake_free(f);
}

struct keeper {
    struct client *c;
    struct {
        struct buf *in;
        const void *p;
        uint64_t offset;
        size_t len;
    } part[64];
    unsigned n;
    uint64_t got;
};

static int keep(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct keeper *k = arg;
    assert_true(k->n < ARRAY_LEN(k->part));
    k->part[k->n].in = client_keep(k->c);
    k->part[k->n].p = p;
    k->part[k->n].offset = offset;
    k->part[k->n++].len = len;
    k->got += len;
    return 0;
}

static void what_a_sink_keeps_stays(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(3 * MIB + 100, 9);
    struct keeper k = {.c = f->c};
    (void)state;
    f->chunk_size = 1 * MIB;
    put_all(f, &s);
    memmove(&f->map[1], &f->map[2], 2 * sizeof f->map[0]); /* chunk 1 is a hole */
    f->n_map--;
    fake_start(f, (struct client_request){.kind = OP_GET, .path = "/f", .length = UINT64_MAX, .sink = {keep, NULL, &k}});
    fake_run(f);
    assert_int_equal(f->status, 0);
    assert_int_equal(k.got, s.size);
    assert_null(client_keep(f->c)); /* nothing is given now */
    memset(s.data + MIB, 0, MIB);
    get_all(f, &s);
    for (unsigned i = 0; i < k.n; i++) {
        bool hole = k.part[i].offset >= MIB && k.part[i].offset < 2 * MIB;
        assert_int_equal(k.part[i].in == NULL, hole);
        assert_memory_equal(k.part[i].p, s.data + k.part[i].offset, k.part[i].len);
        buf_unref(k.part[i].in);
    }
    test_free(s.data);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_got_at_every_border),
        cmocka_unit_test(a_small_put_after_the_first_is_one_write_and_one_publish),
        cmocka_unit_test(unused_grants_are_dropped_before_they_expire),
        cmocka_unit_test(a_slow_put_holds_its_grants),
        cmocka_unit_test(wrong_bytes_are_not_delivered_but_read_elsewhere),
        cmocka_unit_test(any_flipped_byte_of_a_read_is_noticed),
        cmocka_unit_test(right_blocks_of_the_wrong_chunk_are_refused),
        cmocka_unit_test(when_no_replica_is_good_the_error_names_one),
        cmocka_unit_test(replies_in_any_order_are_delivered_in_order),
        cmocka_unit_test(a_part_is_read_from_the_middle),
        cmocka_unit_test(a_file_replaced_midway_starts_over),
        cmocka_unit_test(absent_chunks_are_zeros),
        cmocka_unit_test(pieces_are_laid_over_each_other),
        cmocka_unit_test(a_sink_that_fails_ends_the_get),
        cmocka_unit_test(what_a_sink_keeps_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
