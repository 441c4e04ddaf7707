/* SPDX-License-Identifier: MIT */
/* What a StorageServer does for the leader: chunks copied from others, verified, deleted; what it reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/impl.h"
#include "support/ss_rig.h"

#define LONG (2 * 1024 * 1024 + 300000u) /* three parts */

static struct rig *rig;
static uint8_t data[LONG], back[LONG];

static int setup(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    rig_init(rig, 1, 3, 1, 1024 * MIB);
    rig_fill(data, sizeof data, 42);
    rig->segment_size = 4 * MIB;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(rig);
    free(rig);
    return 0;
}

static void write_long(uint32_t server, uint64_t chunk)
{
    for (uint32_t at = 0; at < LONG; at += 1024 * 1024)
        assert_int_equal(rig_write(rig, server, 1, chunk, at, data + at, (uint32_t)min_u64(LONG - at, 1024 * 1024)), 0);
}

static void expect_chunk(uint32_t server, uint64_t chunk, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t at = 0; at < len; at += 1024 * 1024) {
        uint32_t n = (uint32_t)min_u64(len - at, 1024 * 1024), length;
        assert_int_equal(rig_read(rig, server, chunk, at, n, back, &length), 0);
        assert_int_equal(length, len);
        assert_memory_equal(back, bytes + at, n);
    }
}

/* Runs the task; its one result. */
static const struct wire_task_result *task(uint32_t server, uint8_t kind, uint64_t chunk, const void *bytes,
                                           uint32_t len, const char *sources)
{
    uint32_t before = rig->n_done;
    rig_task(rig, server, kind, chunk, bytes, len, sources);
    rig_run(rig);
    rig_pass(rig, 100 * NS_PER_MS);
    assert_int_equal(rig->n_done, before + 1);
    assert_int_equal(rig->done[before].chunk, chunk);
    assert_int_equal(rig->done[before].kind, kind);
    return &rig->done[before];
}

static int error_of(const struct wire_task_result *r) { return -(int)r->error; }

static void a_chunk_is_copied_whole(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 7, 0, data, 5000), 0);
    write_long(0, 8);
    assert_int_equal(error_of(task(1, TASK_COPY, 7, data, 5000, "0")), 0);
    const struct wire_task_result *r = task(1, TASK_COPY, 8, data, LONG, "0");
    assert_int_equal(error_of(r), 0);
    assert_int_equal(r->length, LONG);
    assert_int_equal(r->suspect, 0);
    for (int round = 0; round < 2; round++) {
        expect_chunk(1, 7, data, 5000);
        expect_chunk(1, 8, data, LONG);
        assert_int_equal(rig_chunks(rig, 1), 2);
        rig_crash(rig, 1, CRASH_DROP_ALL);
        rig_start(rig);
    }
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->logs, 0);
    assert_int_equal(rig->held[1].length, LONG);
}

/* For the day when no NameServer knows: a copy belongs to the same content as what it was made of. */
static void a_copy_says_what_it_is_of(void **state)
{
    (void)state;
    rig_start(rig);
    rig->file = 0xf11e;
    rig->index = 3;
    rig->size = 3 * 64 * MIB + LONG;
    write_long(0, 8);
    assert_int_equal(error_of(task(1, TASK_COPY, 8, data, LONG, "0")), 0);
    rig_kill(rig, 0);
    rig->inventory = 1;
    rig->inventory_below = 100;
    rig_pass(rig, 2 * NS_PER_SEC);
    assert_int_equal(rig->n_found, 1);
    assert_int_equal(rig->found[0].whole, 1);
    assert_int_equal(rig->found[0].file, 0xf11e);
    assert_int_equal(rig->found[0].index, 3);
    assert_int_equal(rig->found[0].size, 3 * 64 * MIB + LONG);
}

/* Pieces over each other, and holes: what a chunk of a file that was written to looks like. */
static void any_content_is_copied(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    static uint8_t model[SIZE], fresh[20000];
    rig_start(rig);
    memset(model, 0, sizeof model);
    for (uint32_t i = 0; i < 60; i++) {
        uint32_t len = 1 + (uint32_t)rng_below(&rig->rng, sizeof fresh);
        uint32_t off = 100000 + (uint32_t)rng_below(&rig->rng, SIZE - 100000 - len);
        rig_fill(fresh, len, i * 7919ULL);
        memcpy(model + off, fresh, len);
        assert_int_equal(rig_write(rig, 0, 1, 5, off, fresh, len), 0);
    }
    assert_int_equal(rig_write(rig, 0, 1, 5, SIZE - 1, fresh, 1), 0);
    model[SIZE - 1] = fresh[0];
    assert_int_equal(error_of(task(1, TASK_COPY, 5, model, SIZE, "0")), 0);
    expect_chunk(1, 5, model, SIZE);
    assert_int_equal(error_of(task(0, TASK_VERIFY, 5, model, SIZE, "")), 0);
    assert_int_equal(error_of(task(1, TASK_VERIFY, 5, model, SIZE, "")), 0);
}

/* A request to `to` that waits in the mail is taken out. */
static struct rig_mail take_request(int to)
{
    for (uint32_t i = 0; i < rig->n_mail; i++)
        if (rig->mail[i].request && rig->mail[i].to == to) {
            struct rig_mail m = rig->mail[i];
            memmove(rig->mail + i, rig->mail + i + 1, (--rig->n_mail - i) * sizeof m);
            return m;
        }
    fail_msg("no request to server %d", to);
    return (struct rig_mail){0};
}

static void run_until_asked(int server)
{
    for (uint32_t i = 0; i < 100; i++) {
        for (uint32_t k = 0; k < rig->n_mail; k++)
            if (rig->mail[k].request && rig->mail[k].to == server && rig->mail[k].type == MSG_TYPE_chunk_read)
                return;
        rig_step(rig);
    }
    fail_msg("server %d was not asked", server);
}

static void an_unfinished_copy_is_not_there(void **state)
{
    (void)state;
    rig_start(rig);
    write_long(0, 8);
    rig_task(rig, 1, TASK_COPY, 8, data, LONG, "0");
    run_until_asked(0);
    struct rig_mail held = take_request(0); /* the first part hangs */
    rig_run(rig);
    assert_int_equal(rig_chunks(rig, 1), 0);
    assert_int_equal(rig_read(rig, 1, 8, 2 * 1024 * 1024, 100, back, NULL), DFS_ENOCHUNK);
    assert_int_equal(rig_write(rig, 1, 1, 8, 0, data, 100), DFS_EAGAIN); /* nor written to meanwhile */
    assert_int_equal(rig->n_done, 0);
    rig->mail[rig->n_mail++] = held;
    rig_run(rig);
    assert_int_equal(rig->n_done, 1);
    expect_chunk(1, 8, data, LONG);
}

/* What a crash leaves of a copy must not pass for the whole chunk. */
static void a_copy_cut_short_by_a_crash_is_shorter(void **state)
{
    (void)state;
    for (uint32_t hung = 0; hung < 3; hung++) {
        uint64_t chunk = 80 + hung;
        struct rig_mail held[3];
        rig_start(rig);
        write_long(0, chunk);
        rig_pass(rig, NS_PER_SEC); /* nobody else asks: all parts at once */
        rig_task(rig, 1, TASK_COPY, chunk, data, LONG, "0");
        for (uint32_t i = 0; i <= hung; i++) {
            run_until_asked(0);
            held[i] = take_request(0);
        }
        for (uint32_t i = 0; i < hung; i++)
            rig->mail[rig->n_mail++] = held[i]; /* only one of them hangs */
        rig_run(rig);
        assert_int_equal(rig_chunks(rig, 1), hung);
        slice_drop(&held[hung].head);
        rig_crash(rig, 1, CRASH_KEEP_ALL);
        rig->reported = 0;
        rig_start(rig);
        rig_pass(rig, NS_PER_SEC);
        assert_int_equal(rig->reported, hung + 1);
        assert_true(rig->held[hung].length < LONG);
        assert_int_equal(error_of(task(1, TASK_COPY, chunk, data, LONG, "0")), 0);
        expect_chunk(1, chunk, data, LONG);
    }
}

static void the_next_source_is_asked(void **state)
{
    (void)state;
    rig_start(rig);
    write_long(0, 8);
    write_long(2, 8);
    write_long(2, 9);
    rig->cut[0] = true;
    assert_int_equal(error_of(task(1, TASK_COPY, 8, data, LONG, "02")), 0);
    expect_chunk(1, 8, data, LONG);
    rig->cut[0] = false;
    assert_int_equal(error_of(task(1, TASK_COPY, 9, data, LONG, "02")), 0); /* 0 has not got it */
    expect_chunk(1, 9, data, LONG);
}

static void bad_bytes_are_refused_and_their_source_named(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 7, 0, data, 50000), 0);
    assert_int_equal(rig_write(rig, 2, 1, 7, 0, data, 50000), 0);
    assert_true(memdisk_flip(rig->disks[0][0], "seg-0000000000000001.log", 4096 + 3000, 1));
    const struct wire_task_result *r = task(1, TASK_COPY, 7, data, 50000, "02");
    assert_int_equal(error_of(r), 0);
    assert_int_equal(r->suspect, 1);
    expect_chunk(1, 7, data, 50000);
    r = task(0, TASK_VERIFY, 7, data, 50000, "");
    assert_int_equal(error_of(r), DFS_ECORRUPT);
    assert_int_equal(error_of(task(2, TASK_VERIFY, 7, data, 50000, "")), 0);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->damaged, 1);
    /* the damaged copy makes room for a good one */
    assert_int_equal(error_of(task(0, TASK_COPY, 7, data, 50000, "1")), 0);
    expect_chunk(0, 7, data, 50000);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    expect_chunk(0, 7, data, 50000);
}

static void a_copy_that_fails_leaves_nothing(void **state)
{
    (void)state;
    rig_start(rig);
    write_long(0, 8);
    const struct wire_task_result *r = task(1, TASK_COPY, 8, data + 1, LONG, "0"); /* not what the map says */
    assert_int_equal(error_of(r), DFS_ECORRUPT);
    assert_int_equal(r->suspect, 1);
    assert_int_equal(error_of(task(1, TASK_COPY, 8, data, LONG - 1, "0")), DFS_ECORRUPT);
    assert_int_equal(error_of(task(1, TASK_COPY, 9, data, LONG, "0")), DFS_ENOCHUNK);
    assert_int_equal(error_of(task(1, TASK_COPY, 8, data, LONG, "")), DFS_EINVAL);
    rig->cut[0] = true;
    assert_int_equal(error_of(task(1, TASK_COPY, 8, data, LONG, "0")), DFS_EUNREACH);
    rig->cut[0] = false;
    assert_int_equal(rig_chunks(rig, 1), 0);
    rig_crash(rig, 1, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(rig_chunks(rig, 1), 0);
    memdisk_fail(rig->disks[1][0], DISK_FLUSH, 3, DFS_EIO, true);
    assert_int_equal(error_of(task(1, TASK_COPY, 8, data, LONG, "0")), DFS_EIO);
    assert_int_equal(rig_chunks(rig, 1), 0);
}

static void what_is_here_already_is_only_verified(void **state)
{
    (void)state;
    rig_start(rig);
    write_long(0, 8);
    write_long(1, 8);
    uint32_t writes = rig->writes;
    assert_int_equal(error_of(task(1, TASK_COPY, 8, data, LONG, "0")), 0);
    assert_int_equal(rig->writes, writes);
    /* another content of another length gives way */
    assert_int_equal(rig_write(rig, 1, 1, 9, 0, data, 1000), 0);
    assert_int_equal(rig_write(rig, 0, 1, 9, 0, data + 5, 2000), 0);
    assert_int_equal(error_of(task(1, TASK_COPY, 9, data + 5, 2000, "0")), 0);
    expect_chunk(1, 9, data + 5, 2000);
    rig_crash(rig, 1, CRASH_DROP_ALL);
    rig_start(rig);
    expect_chunk(1, 9, data + 5, 2000);
}

static void dropping(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 1, 1, 7, 0, data, 5000), 0);
    assert_int_equal(error_of(task(1, TASK_DROP, 7, NULL, 0, "")), 0);
    assert_int_equal(error_of(task(1, TASK_DROP, 7, NULL, 0, "")), 0); /* twice is no harm */
    assert_int_equal(error_of(task(1, TASK_VERIFY, 7, data, 5000, "")), DFS_ENOCHUNK);
    rig_crash(rig, 1, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(rig_chunks(rig, 1), 0);
    assert_int_equal(error_of(task(1, 99, 7, NULL, 0, "")), DFS_ENOTSUP);
}

static void tasks_of_a_deposed_leader_are_refused(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 1, 1, 7, 0, data, 5000), 0);
    rig->epoch = 6;
    rig_pass(rig, NS_PER_SEC);
    rig->epoch = 5;
    rig_task(rig, 1, TASK_DROP, 7, NULL, 0, "");
    rig_pass(rig, 200 * NS_PER_MS);
    assert_int_equal(rig_chunks(rig, 1), 1);
    assert_int_equal(rig->n_done, 0);
}

/* B16: it was given, and before it could begin another leader was heard of. */
static void b16_a_task_that_waited_is_of_the_leader_that_gave_it(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 1, 1, 7, 0, data, 5000), 0);
    rig->epoch = 6;
    rig_task(rig, 1, TASK_DROP, 7, NULL, 0, "");
    while (rig->n_mail) /* it waits until its epoch is durable */
        rig_step(rig);
    assert_int_equal(rig->n_done, 0);
    rig->epoch = 7;
    rig->now.mono += 300 * NS_PER_MS;
    rig_turn(rig, 1);
    while (rig->n_mail)
        rig_step(rig);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->n_done, 1);
    assert_int_equal(rig->done[0].error, -DFS_ESTALE);
    assert_int_equal(rig_chunks(rig, 1), 1);
}

/* Two answers overtake each other: the older one is not obeyed, and the server says that it needs it again. */
static void an_older_answer_is_not_obeyed(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 1, 1, 7, 0, data, 5000), 0);
    rig->task_number = 50;
    assert_int_equal(error_of(task(1, TASK_VERIFY, 7, data, 5000, "")), 0);
    rig->task_number = 20;
    uint32_t lost = rig->tasks_lost;
    rig_task(rig, 1, TASK_DROP, 7, NULL, 0, "");
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig_chunks(rig, 1), 1);
    assert_true(rig->tasks_lost > lost);
}

static void a_task_waits_until_its_epoch_is_durable(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 1, 1, 7, 0, data, 5000), 0);
    rig->epoch = 6;
    rig_task(rig, 1, TASK_DROP, 7, NULL, 0, "");
    while (rig->n_mail)
        rig_step(rig);
    rig_crash(rig, 1, CRASH_DROP_ALL); /* before the identity was flushed */
    rig_start(rig);
    assert_int_equal(rig_chunks(rig, 1), 1);
}

static void a_retired_disk_is_told_at_once(void **state)
{
    (void)state;
    rig_close(rig);
    rig_init(rig, 2, 1, 2, 256 * MIB);
    rig_start(rig);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(rig_write(rig, 0, 1, i + 1, 0, data + i, 300000), 0);
    rig_pass(rig, NS_PER_SEC);
    rig->reported = 0;
    memdisk_fail(rig->disks[0][1], DISK_FLUSH, 1, DFS_EIO, true);
    for (uint32_t i = 0; i < 4; i++)
        (void)rig_write(rig, 0, 1, 100 + i, 0, data, 300000);
    rig_pass(rig, 500 * NS_PER_MS);
    assert_true(rig->reported > 10 && rig->reported < 40);
    uint64_t gone = 0;
    for (uint64_t c = 1; c <= 40 && !gone; c++) {
        gone = c;
        for (uint32_t i = 0; i < rig->reported; i++)
            if (rig->held[i].chunk == c)
                gone = 0;
    }
    assert_int_equal(error_of(task(0, TASK_VERIFY, gone, data + gone - 1, 300000, "")), DFS_EIO);
}

static void damage_is_told_to_each_leader(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 7, 0, data, 50000), 0);
    assert_true(memdisk_flip(rig->disks[0][0], "seg-0000000000000001.log", 4096 + 3000, 1));
    assert_int_equal(error_of(task(0, TASK_VERIFY, 7, data, 50000, "")), DFS_ECORRUPT);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->damaged, 1);
    rig->reported = 0;
    rig->epoch++;
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->damaged, 2);
    rig_run(rig);
    assert_int_equal(rig->held[0].flags, HELD_DAMAGED);
    assert_int_equal(rig->registers, 3); /* without registering again */
}

/* ms that server 1 takes for as many tasks, which have been given to it, while a client reads from `busy` (-1: none). */
static uint64_t ms_for(uint32_t tasks, int busy)
{
    uint64_t start = rig->now.mono;
    uint32_t end = rig->n_done + tasks;
    while (rig->n_done < end) {
        if (busy >= 0)
            assert_int_equal(rig_read(rig, (uint32_t)busy, 1, 0, 100, back, NULL), 0);
        rig_pass(rig, NS_PER_MS);
    }
    return (rig->now.mono - start) / NS_PER_MS;
}

static void drop(uint64_t chunk) { assert_int_equal(error_of(task(1, TASK_DROP, chunk, NULL, 0, "")), 0); }

/* A client reads from this one; of server 0 the next part it is asked for tells so. */
static void make_busy(int server)
{
    if (server < 0)
        return;
    assert_int_equal(rig_read(rig, (uint32_t)server, 1, 0, 100, back, NULL), 0);
    rig_task(rig, 1, TASK_COPY, 2, data, 100, "0");
    (void)ms_for(1, server);
}

static uint64_t ms_for_small(int busy)
{
    make_busy(busy);
    for (uint32_t i = 0; i < 100; i++)
        rig_task(rig, 1, TASK_COPY, 1000 + i, data + i, 3000, "0");
    uint64_t ms = ms_for(100, busy);
    for (uint32_t i = 0; i < 100; i++)
        drop(1000 + i);
    return ms;
}

static uint64_t ms_for_long(int busy)
{
    make_busy(busy);
    rig_task(rig, 1, TASK_COPY, 5, data, LONG, "0");
    uint64_t ms = ms_for(1, busy);
    expect_chunk(1, 5, data, LONG);
    drop(5);
    return ms;
}

/* 32 MiB a second, and of small ones 13 KiB each, if others want the server that copies or the one copied from. */
static void others_come_first(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 1, 0, data, 100), 0);
    assert_int_equal(rig_write(rig, 1, 1, 1, 0, data, 100), 0);
    assert_int_equal(rig_write(rig, 0, 1, 2, 0, data, 100), 0);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(rig_write(rig, 0, 1, 1000 + i, 0, data + i, 3000), 0);
    write_long(0, 5);
    rig_pass(rig, NS_PER_SEC);
    assert_true(ms_for_small(-1) <= 2);
    assert_true(ms_for_long(-1) <= 2);
    for (int busy = 0; busy < 2; busy++) {
        assert_in_range(ms_for_small(busy), 32, 48);
        drop(2);
        assert_in_range(ms_for_long(busy), 60, 80);
        drop(2);
    }
}

/* A writer waits for what a fence tells. */
static void a_fence_does_not_wait_for_copies(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 1, 1, 1, 0, data, 100), 0);
    write_long(0, 5);
    write_long(1, 6);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig_read(rig, 1, 1, 0, 100, back, NULL), 0);
    rig_task(rig, 1, TASK_COPY, 5, data, LONG, "0");
    rig_run(rig);
    assert_int_equal(rig->n_done, 0);
    rig_agree(rig, 1, &(struct wire_task){.kind = TASK_FENCE, .chunk = 6, .version = 1});
    rig_run(rig);
    assert_int_equal(rig->n_done, 1);
    assert_int_equal(rig->done[0].chunk, 6);
    assert_int_equal(rig->done[0].error, 0);
    assert_true(ms_for(1, 1) > 50);
}

/* … but many of them, as after the loss of a server, have no more in memory than copies may. */
static void fences_take_turns(void **state)
{
    (void)state;
    uint64_t most = 0;
    rig_start(rig);
    for (uint64_t chunk = 10; chunk < 20; chunk++)
        write_long(1, chunk);
    for (uint64_t chunk = 10; chunk < 20; chunk++)
        rig_agree(rig, 1, &(struct wire_task){.kind = TASK_FENCE, .chunk = chunk, .version = 1});
    while (rig_step(rig))
        most = max_u64(most, rig->ss[1]->fetch_bytes);
    assert_int_equal(rig->n_done, 10);
    assert_in_range(most, LONG, 17 * MIB);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_chunk_is_copied_whole),
        T(a_copy_says_what_it_is_of),
        T(any_content_is_copied),
        T(an_unfinished_copy_is_not_there),
        T(a_copy_cut_short_by_a_crash_is_shorter),
        T(the_next_source_is_asked),
        T(bad_bytes_are_refused_and_their_source_named),
        T(a_copy_that_fails_leaves_nothing),
        T(what_is_here_already_is_only_verified),
        T(dropping),
        T(tasks_of_a_deposed_leader_are_refused),
        T(b16_a_task_that_waited_is_of_the_leader_that_gave_it),
        T(an_older_answer_is_not_obeyed),
        T(a_task_waits_until_its_epoch_is_durable),
        T(a_retired_disk_is_told_at_once),
        T(damage_is_told_to_each_leader),
        T(others_come_first),
        T(a_fence_does_not_wait_for_copies),
        T(fences_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
