/* SPDX-License-Identifier: MIT */
/* The client and a put that does not go well: servers that fail or are lost, a publish that is refused, a source that fails. */
#include "client_file.h"

static void a_failed_chunk_is_written_elsewhere(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(3 * MIB, 2);
    (void)state;
    f->chunk_size = 1 * MIB;
    fake_start(f, put_of(&s));
    fake_session(f, fake_expect(f, MSG_TYPE_session_open, "nm1:1"));
    fake_grant(f, fake_expect(f, MSG_TYPE_grant, "nm1:1"));
    struct fake_call *k = fake_next(f);
    assert_string_equal(wire_type_name(k->m.type), "chunk_write");
    uint64_t lost = k->m.chunk_write.chunk;
    uint32_t other = k->m.chunk_write.chain[0].server;
    char text[64];
    snprintf(text, sizeof text, "server=%u cannot be reached", other);
    fake_refuse(f, k, DFS_EUNREACH, text, "");
    bool avoided = false;
    while (!f->ended) {
        k = fake_next(f);
        if (k && k->m.type == MSG_TYPE_grant)
            avoided = avoided || fake_avoided(&k->m.grant, other);
        if (k && k->m.type == MSG_TYPE_publish)
            for (uint32_t i = 0; i < k->m.publish.n_chunks; i++)
                assert_int_not_equal(strtoull(k->m.publish.chunks[i].grant.p + 6, NULL, 10), lost);
        if (k)
            fake_answer(f, k);
        else
            fake_sleep(f);
    }
    assert_int_equal(f->status, 0);
    assert_true(avoided);
    assert_true(s.largest_step_back <= 2 * (uint64_t)f->chunk_size);
    get_all(f, &s);
    test_free(s.data);
    fake_free(f);
}

static void writes_that_fail_at_random_end_in_the_right_file(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct fake *f = fake_new();
        struct file s = file_of(5 * MIB + 17 * seed, (uint8_t)seed);
        struct rng rng;
        rng_seed(&rng, seed);
        f->chunk_size = 1 * MIB;
        fake_start(f, put_of(&s));
        while (!f->ended) {
            struct fake_call *k = fake_next(f);
            if (!k) {
                fake_sleep(f);
            } else if (f->n_chunks < FAKE_CHUNKS - 12 && k->m.type != MSG_TYPE_publish && rng_chance(&rng, 150)) {
                int err[] = {DFS_ECONNLOST, DFS_EUNREACH, DFS_ETIMEDOUT};
                fake_break(f, k, err[rng_below(&rng, 3)]);
            } else if (k->m.type == MSG_TYPE_chunk_write && rng_chance(&rng, 100)) {
                fake_refuse(f, k, DFS_EAGAIN, "busy", "");
            } else {
                fake_answer(f, k);
            }
            f->now.mono += NS_PER_MS;
        }
        assert_string_equal(f->error, "");
        assert_true(s.largest_step_back <= 2 * (uint64_t)f->chunk_size);
        get_all(f, &s);
        test_free(s.data);
        fake_free(f);
    }
}

static void a_refused_publish_has_a_small_file_written_again(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(5000, 3);
    (void)state;
    fake_start(f, put_of(&s));
    fake_session(f, fake_next(f));
    fake_grant(f, fake_next(f));
    fake_write(f, fake_next(f));
    struct fake_call *k = fake_expect(f, MSG_TYPE_publish, "nm1:1");
    uint64_t number = k->m.publish.id.number;
    fake_refuse(f, k, DFS_ESTALE, "grant expired", "");
    bool published = false;
    while (!f->ended) {
        k = fake_next(f);
        if (k && k->m.type == MSG_TYPE_publish) {
            assert_int_not_equal(k->m.publish.id.number, number);
            published = true;
        }
        if (k)
            fake_answer(f, k);
        else
            fake_sleep(f);
    }
    assert_true(published);
    assert_int_equal(f->status, 0);
    get_all(f, &s);
    test_free(s.data);
    fake_free(f);
}

/* Six chunks; server 2 has four of them, and is lost before the file is there. Those are written again: from the source, or, as
 * it cannot go back so far, from another server; one of its answers is damaged. */
static void a_large_file_survives_the_loss_of_a_server(void **state)
{
    (void)state;
    for (int seekable = 0; seekable < 2; seekable++) {
        struct fake *f = fake_new();
        struct file s = file_of(5 * MIB + 4711, 3);
        struct client_request put = put_of(&s);
        uint64_t written = 0, refused = 0;
        put.source.seekable = seekable;
        f->chunk_size = 1 * MIB;
        fake_start(f, put);
        while (!f->ended) {
            struct fake_call *k = fake_next(f);
            if (!k) {
                fake_sleep(f);
            } else if (k->m.type == MSG_TYPE_publish && (!written || written == f->writes)) {
                written = f->writes;
                refused = refused ? refused : f->now.mono;
                fake_refuse(f, k, DFS_ENOSERVERS, "server=2 is down: 1 of a chunk's 2 storage servers are up", "");
            } else if (k->m.type == MSG_TYPE_chunk_read && strcmp(k->addr, "ss2:1") == 0) {
                fake_break(f, k, DFS_EUNREACH);
            } else if (k->m.type == MSG_TYPE_chunk_read) {
                fake_read(f, k, f->reads == 1);
            } else {
                fake_answer(f, k);
            }
        }
        assert_string_equal(f->error, "");
        assert_true(f->now.mono - refused >= 5 * NS_PER_SEC); /* it might have come back */
        assert_int_equal(f->n_map, 6);
        assert_int_equal(f->n_chunks, 6 + 4);
        assert_true(seekable || s.largest_step_back == 0);
        assert_true(seekable ? f->reads == 0 : f->reads > 4);
        get_all(f, &s);
        test_free(s.data);
        fake_free(f);
    }
}

/* Nobody is left who has it: the put fails, with the chunk's number. */
static void what_nobody_has_cannot_be_read_back(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(4 * MIB, 3);
    (void)state;
    f->chunk_size = 1 * MIB;
    fake_start(f, put_of(&s));
    while (!f->ended) {
        struct fake_call *k = fake_next(f);
        if (!k)
            fake_sleep(f);
        else if (k->m.type == MSG_TYPE_publish)
            fake_refuse(f, k, DFS_ENOSERVERS, "server=2 is down: 1 of a chunk's 2 storage servers are up", "");
        else if (k->m.type == MSG_TYPE_chunk_read)
            fake_refuse(f, k, DFS_ENOCHUNK, "server=1 has no chunk 100", "");
        else
            fake_answer(f, k);
    }
    assert_int_equal(f->status, DFS_ENOCHUNK);
    assert_non_null(strstr(f->error, "chunk 0 was on a server that was lost, and cannot be read back"));
    test_free(s.data);
    fake_free(f);
}

static void a_source_that_fails_publishes_nothing(void **state)
{
    struct fake *f = fake_new();
    struct file s = file_of(5 * MIB, 3);
    (void)state;
    fake_start(f, put_of(&s));
    s.fail = DFS_EIO;
    while (!f->ended)
        fake_answer(f, fake_next(f));
    assert_int_equal(f->status, DFS_EIO);
    assert_int_equal(f->publishes, 0);
    test_free(s.data);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_chunk_is_written_elsewhere),
        cmocka_unit_test(writes_that_fail_at_random_end_in_the_right_file),
        cmocka_unit_test(a_refused_publish_has_a_small_file_written_again),
        cmocka_unit_test(a_large_file_survives_the_loss_of_a_server),
        cmocka_unit_test(what_nobody_has_cannot_be_read_back),
        cmocka_unit_test(a_source_that_fails_publishes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
