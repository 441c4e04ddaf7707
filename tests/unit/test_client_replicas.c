/* SPDX-License-Identifier: MIT */
/* Which replica a client asks first: one on its own machine, else one of those that are neither silent nor busy. And what it
 * makes of replicas that have nothing. */
#include "client_fake.h"

#define SIZE (4 * MIB)

static int bytes_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    (void)arg;
    *got = offset < SIZE ? (size_t)min_u64(len, SIZE - offset) : 0;
    memset(buf, 'x', *got);
    return 0;
}

static int bytes_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    (void)arg;
    (void)offset;
    (void)p;
    (void)len;
    return 0;
}

/* Reads the file a number of times; asked[i] counts the reads asked of server i + 1. */
static void read_often(const char *host, const uint8_t ranks[FAKE_SERVERS], uint32_t asked[FAKE_SERVERS])
{
    struct fake *f = fake_new();
    struct client_config cfg = {.nameservers = {"nm1:1"},
                                .n_nameservers = 1,
                                .nonce = 7,
                                .seed = 9,
                                .timeout = 10 * NS_PER_SEC,
                                .window = 4 * MIB,
                                .hosts = {host},
                                .n_hosts = host != NULL};
    client_free(f->c);
    f->c = client_new(&cfg);
    f->goal = 3;
    fake_start(f, (struct client_request){.kind = OP_PUT, .path = "/f", .source = {.read = bytes_read}});
    fake_run(f);
    assert_int_equal(f->status, 0);
    for (uint32_t i = 0; i < f->map[0].n_replicas; i++)
        f->map[0].replicas[i].rank = ranks[f->map[0].replicas[i].server - 1];
    for (int round = 0; round < 32; round++) {
        f->ended = 0;
        fake_start(f, (struct client_request){
                          .kind = OP_GET, .path = "/f", .length = UINT64_MAX, .sink = {.write = bytes_write}});
        while (!f->ended) {
            struct fake_call *k = fake_next(f);
            assert_non_null(k);
            if (k->m.type == MSG_TYPE_chunk_read)
                asked[k->addr[2] - '1']++;
            fake_answer(f, k);
        }
        assert_int_equal(f->status, 0);
    }
    fake_free(f);
}

static void reads_are_spread_over_replicas_that_are_alike(void **state)
{
    uint32_t asked[FAKE_SERVERS] = {0};
    (void)state;
    read_often(NULL, (const uint8_t[]){REPLICA_FINE, REPLICA_FINE, REPLICA_FINE}, asked);
    assert_true(asked[0] > 0 && asked[1] > 0);
}

static void the_replica_on_this_machine_is_asked(void **state)
{
    uint32_t asked[FAKE_SERVERS] = {0};
    (void)state;
    read_often("ss2", (const uint8_t[]){REPLICA_FINE, REPLICA_BUSY, REPLICA_FINE}, asked);
    assert_true(asked[0] == 0 && asked[1] > 0 && asked[2] == 0);
}

static void busy_and_silent_replicas_are_left_alone(void **state)
{
    uint32_t asked[FAKE_SERVERS] = {0}, silent[FAKE_SERVERS] = {0};
    (void)state;
    read_often(NULL, (const uint8_t[]){REPLICA_BUSY, REPLICA_FINE, REPLICA_SILENT}, asked);
    assert_true(asked[0] == 0 && asked[1] > 0 && asked[2] == 0);
    read_often("ss1", (const uint8_t[]){REPLICA_SILENT, REPLICA_BUSY, REPLICA_SILENT}, silent);
    assert_true(silent[0] == 0 && silent[1] > 0 && silent[2] == 0);
}

/* A server that cannot tell what of a chunk being written is to be seen sends its readers to the head of the chain, which can (B13);
 * the NameServer is not asked again. */
static void what_is_being_written_the_head_is_asked_for(void **state)
{
    (void)state;
    struct fake *f = fake_new();
    uint32_t sent_on = 0;
    f->goal = 3;
    fake_start(f, (struct client_request){.kind = OP_PUT, .path = "/f", .source = {.read = bytes_read}});
    fake_run(f);
    f->map[0].open = 1;
    char head[8];
    snprintf(head, sizeof head, "ss%u", f->map[0].replicas[0].server);
    for (int round = 0; round < 32; round++) {
        bool located = false, again = false;
        f->ended = 0;
        fake_start(
            f, (struct client_request){.kind = OP_GET, .path = "/f", .length = 4096, .sink = {.write = bytes_write}});
        while (!f->ended) {
            struct fake_call *k = fake_next(f);
            assert_non_null(k);
            bool reads = k->m.type == MSG_TYPE_chunk_read, at_head = reads && memcmp(k->addr, head, strlen(head)) == 0;
            assert_false(located && !reads);
            located = true;
            assert_true(at_head || !again);
            again = reads && !at_head;
            sent_on += again;
            if (again)
                fake_refuse(f, k, DFS_EINFLIGHT, "being written", "");
            else
                fake_answer(f, k);
        }
        assert_int_equal(f->status, 0);
    }
    assert_true(sent_on > 0);
    fake_free(f);
}

/* A chunk that is written in place is on its servers from the moment it is in the map. Where none of them has it any more (each
 * was replaced by an empty one, say), it is lost: it was not a hole, which reads as zeros. */
static void read_what_nobody_has(uint32_t n_replicas, const char *from)
{
    struct fake *f = fake_new();
    uint32_t refused = 0;
    fake_start(f, (struct client_request){.kind = OP_PUT, .path = "/f", .source = {.read = bytes_read}});
    fake_run(f);
    f->map[0].open = 1;
    f->map[0].n_replicas = n_replicas;
    fake_start(
        f, (struct client_request){.kind = OP_GET, .path = "/f", .length = UINT64_MAX, .sink = {.write = bytes_write}});
    while (!f->ended) {
        struct fake_call *k = fake_next(f);
        if (!k)
            fake_sleep(f);
        else if (k->m.type == MSG_TYPE_chunk_read && ++refused)
            fake_refuse(f, k, DFS_ENOCHUNK, "", "");
        else
            fake_answer(f, k);
    }
    assert_int_equal(f->status, DFS_EIO);
    assert_true(refused > f->map[0].n_replicas); /* it was located anew */
    assert_non_null(strstr(f->error, from));
    assert_non_null(strstr(f->error, dfs_strerror(DFS_ENOCHUNK)));
    fake_free(f);
}

static void a_chunk_that_nobody_has_is_no_hole(void **state)
{
    (void)state;
    read_what_nobody_has(2, "from any of its 2 servers; the last one: StorageServer ss");
    read_what_nobody_has(1, "from its only server: StorageServer ss");
}

#define SMALL 100000u

static int small_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    (void)arg;
    *got = offset < SMALL ? (size_t)min_u64(len, SMALL - offset) : 0;
    memset(buf, 'x', *got);
    return 0;
}

/* Bytes that were written come before those that were not. */
static int small_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    uint32_t *written = arg;
    const char *bytes = p;
    for (size_t i = 0; i < len; i++) {
        assert_true(bytes[i] == 'x' || bytes[i] == 0);
        assert_true(bytes[i] == 0 || offset + i == *written);
        *written += bytes[i] == 'x';
    }
    return 0;
}

/* A chunk is open when it is located, and sealed with `length` bytes before it is read; nothing is cut off the file. */
static uint32_t read_what_is_sealed(uint32_t length)
{
    struct fake *f = fake_new();
    uint32_t refused = 0, written = 0, crc = 0;
    fake_start(f, (struct client_request){.kind = OP_PUT, .path = "/f", .source = {.read = small_read}});
    fake_run(f);
    assert_int_equal(f->n_map, 1);
    f->map[0].open = 1;
    for (uint32_t i = 0; i < length; i++)
        crc = crc32c(crc, "x", 1);
    fake_start(
        f, (struct client_request){
               .kind = OP_GET, .path = "/f", .length = UINT64_MAX, .sink = {.write = small_write, .arg = &written}});
    while (!f->ended) {
        struct fake_call *k = fake_next(f);
        if (!k) {
            fake_sleep(f);
        } else if (k->m.type == MSG_TYPE_chunk_read && refused < 2) {
            fake_refuse(f, k, length ? DFS_ESTALE : DFS_ENOCHUNK, "", "");
            refused++;
            f->map[0].open = 0;
            f->map[0].length = length;
            f->map[0].crc = crc;
            f->n_map = length > 0;
        } else {
            fake_answer(f, k);
        }
    }
    assert_int_equal(f->status, 0);
    fake_free(f);
    return written;
}

static void what_was_not_written_before_the_seal_is_a_hole(void **state)
{
    (void)state;
    assert_int_equal(read_what_is_sealed(0), 0); /* the chunk is not in the map any more */
    assert_int_equal(read_what_is_sealed(10000), 10000);
    assert_int_equal(read_what_is_sealed(SMALL), SMALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_spread_over_replicas_that_are_alike),
        cmocka_unit_test(the_replica_on_this_machine_is_asked),
        cmocka_unit_test(busy_and_silent_replicas_are_left_alone),
        cmocka_unit_test(what_is_being_written_the_head_is_asked_for),
        cmocka_unit_test(a_chunk_that_nobody_has_is_no_hole),
        cmocka_unit_test(what_was_not_written_before_the_seal_is_a_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
