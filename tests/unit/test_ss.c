/* SPDX-License-Identifier: MIT */
/* The StorageServer core in one piece: writes, reads, group commit, chains, deletes, disks that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/ss_rig.h"

static struct rig *rig; /* one test at a time */
static uint8_t data[1024 * 1024], back[1024 * 1024];

static int setup(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    rig_init(rig, 1, 3, 1, 1024 * MIB);
    rig_fill(data, sizeof data, 42);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(rig);
    free(rig);
    return 0;
}

static void a_chunk_written_reads_back(void **state)
{
    (void)state;
    uint32_t length;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 7, 0, data, 10000), 0);
    assert_int_equal(rig_read(rig, 0, 7, 0, 10000, back, &length), 0);
    assert_int_equal(length, 10000);
    assert_memory_equal(back, data, 10000);
    assert_int_equal(rig_write(rig, 0, 1, 8, 0, data, sizeof data), 0);
    assert_int_equal(rig_read(rig, 0, 8, 0, sizeof data, back, &length), 0);
    assert_memory_equal(back, data, sizeof data);
    assert_int_equal(rig_read(rig, 0, 8, 500000, 4096, back, NULL), 0); /* from the middle of a large record */
    assert_memory_equal(back, data + 500000, 4096);
    assert_int_equal(rig_read(rig, 0, 9, 0, 10, back, NULL), DFS_ENOCHUNK);
}

static void it_reads_back_after_a_restart(void **state)
{
    (void)state;
    uint32_t length;
    rig_start(rig);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(rig_write(rig, 0, 1, 100 + i, 0, data + i, 5000 * i + 1), 0);
    for (int round = 0; round < 3; round++) {
        rig_crash(rig, 0, CRASH_DROP_ALL);
        rig_start(rig);
        assert_int_equal(rig_chunks(rig, 0), 20);
        for (uint32_t i = 0; i < 20; i++) {
            assert_int_equal(rig_read(rig, 0, 100 + i, 0, 5000 * i + 1, back, &length), 0);
            assert_int_equal(length, 5000 * i + 1);
            assert_memory_equal(back, data + i, 5000 * i + 1);
        }
    }
    assert_int_equal(rig->logs, 0); /* a clean log: nothing torn, nothing damaged */
}

/* Writes of every kind of alignment, against a plain array. */
static void any_overwrites_give_the_newest_bytes(void **state)
{
    (void)state;
    enum { SIZE = 200000 };
    static uint8_t model[SIZE], fresh[100000];
    uint32_t end = 0;
    memset(model, 0, sizeof model);
    rig_start(rig);
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t len = 1 + (uint32_t)rng_below(&rig->rng, i % 10 ? 9000 : 80000);
        uint32_t off = (uint32_t)rng_below(&rig->rng, SIZE - len);
        rig_fill(fresh, len, i * 1000003ULL);
        memcpy(model + off, fresh, len);
        end = off + len > end ? off + len : end;
        assert_int_equal(rig_write(rig, 0, 1, 5, off, fresh, len), 0);
        if (i % 100 == 99) {
            rig_crash(rig, 0, CRASH_DROP_ALL);
            rig_start(rig);
            rig_next_version(rig); /* a start ends the one before */
        }
        for (int k = 0; k < 3; k++) {
            uint32_t rlen = 1 + (uint32_t)rng_below(&rig->rng, 50000), length;
            uint32_t roff = (uint32_t)rng_below(&rig->rng, SIZE - rlen);
            assert_int_equal(rig_read(rig, 0, 5, roff, rlen, back, &length), 0);
            assert_int_equal(length, end);
            assert_memory_equal(back, model + roff, rlen);
        }
    }
}

static void all_writes_of_a_turn_share_one_flush(void **state)
{
    (void)state;
    rig->segment_size = 4 * MIB;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 1, 0, data, 100), 0);
    uint32_t flushes = rig->flushes, first = rig->n_answers;
    for (uint32_t i = 0; i < 64; i++)
        rig_send_write(rig, 0, 1, 10 + i, 0, data, 4096, 0, 0);
    while (rig->n_mail)
        rig_step(rig);
    for (uint32_t i = 0; i < 64; i++)
        assert_false(rig->answers[first + i].done); /* not before the flush */
    rig_run(rig);
    for (uint32_t i = 0; i < 64; i++)
        assert_true(rig->answers[first + i].done && rig->answers[first + i].status == 0);
    assert_int_equal(rig->flushes, flushes + 1);
}

static void a_chain_holds_the_same_everywhere(void **state)
{
    (void)state;
    uint32_t length;
    rig_start(rig);
    for (uint32_t i = 0; i < 10; i++)
        rig_send_write(rig, 0, 3, 5, i * 50000, data + i * 50000, 50000, 1, i + 1);
    rig_run(rig);
    for (uint32_t s = 0; s < 3; s++) {
        assert_int_equal(rig_read(rig, s, 5, 0, 500000, back, &length), 0);
        assert_int_equal(length, 500000);
        assert_memory_equal(back, data, 500000);
    }
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(rig->answers[i].sequence, i + 1);
}

/* What is not yet on every member is not shown by any that could lose it. */
static void an_unacknowledged_write_is_not_readable(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 2, 5, 0, data, 4096), 0);
    rig_send_write(rig, 0, 2, 5, 4096, data, 4096, 0, 0);
    struct rig_mail *m = &rig->mail[0];
    assert_true(m->request);
    rig_step(rig);                                   /* head has it, forward is on its way */
    struct rig_mail held = rig->mail[--rig->n_mail]; /* and hangs */
    rig_run(rig);                                    /* it is durable at the head */
    uint32_t length;
    assert_int_equal(rig_read(rig, 0, 5, 0, 8192, back, &length), 0);
    assert_int_equal(length, 4096);
    rig->mail[rig->n_mail++] = held;
    rig_run(rig);
    assert_int_equal(rig_read(rig, 0, 5, 0, 8192, back, &length), 0);
    assert_int_equal(length, 8192);
}

static void a_dead_member_is_named_and_the_chunk_takes_no_more(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 3, 5, 0, data, 4096), 0);
    rig->cut[2] = true;
    assert_int_equal(rig_write(rig, 0, 3, 5, 4096, data, 4096), DFS_EUNREACH);
    assert_non_null(strstr(rig->answers[rig->n_answers - 1].text, "server=3"));
    rig->cut[2] = false;
    assert_int_equal(rig_write(rig, 0, 3, 5, 4096, data, 4096), DFS_ESTALE);
    assert_int_equal(rig_write(rig, 0, 3, 6, 0, data, 4096), 0); /* another chunk */
}

static void a_repeated_write_takes_effect_once(void **state)
{
    (void)state;
    rig_start(rig);
    uint32_t a = rig_send_write(rig, 0, 2, 5, 0, data, 4096, 11, 1);
    uint32_t again = rig_send_write(rig, 0, 2, 5, 0, data, 4096, 11, 1); /* while under way */
    rig_run(rig);
    uint32_t b = rig_send_write(rig, 0, 2, 5, 0, data + 9, 4096, 12, 1); /* somebody else overwrites */
    rig_run(rig);
    uint32_t late = rig_send_write(rig, 0, 2, 5, 0, data, 4096, 11, 1); /* and the first retries */
    rig_run(rig);
    assert_int_equal(rig->answers[a].sequence, 1);
    assert_int_equal(rig->answers[again].sequence, 1);
    assert_int_equal(rig->answers[b].sequence, 2);
    assert_int_equal(rig->answers[late].sequence, 1);
    for (uint32_t s = 0; s < 2; s++) {
        assert_int_equal(rig_read(rig, s, 5, 0, 4096, back, NULL), 0);
        assert_memory_equal(back, data + 9, 4096);
    }
    rig_crash(rig, 0, CRASH_DROP_ALL); /* the writers are remembered by the records */
    rig_start(rig);
    late = rig_send_write(rig, 0, 1, 5, 0, data, 4096, 11, 1);
    rig_run(rig);
    assert_int_equal(rig->answers[late].status,
                     DFS_ESTALE); /* the others may not have it: to say so would be a guess */
    rig_next_version(rig);
    late = rig_send_write(rig, 0, 1, 5, 0, data, 4096, 11, 1);
    rig_run(rig);
    assert_int_equal(rig->answers[late].sequence, 1);
    assert_int_equal(rig_read(rig, 0, 5, 0, 4096, back, NULL), 0);
    assert_memory_equal(back, data + 9, 4096);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    rig_start(rig);
    uint32_t request = rig_send_write(rig, 0, 1, 5, 0, data, 4096, 0, 0);
    slice_data(rig->mail[0].payload.part[1])[5] ^= 1;
    rig_run(rig);
    assert_int_equal(rig->answers[request].status, DFS_ECORRUPT);
    assert_int_equal(rig_chunks(rig, 0), 0);
    assert_int_equal(rig_write(rig, 0, 1, 5, 0, data, 0), DFS_EINVAL);
    assert_int_equal(rig_write(rig, 0, 1, 5, UINT32_MAX - 10, data, 20), DFS_EINVAL);
    assert_int_equal(rig_write(rig, 0, 1, 5, 0, data, 100), 0);
    assert_int_equal(rig_read(rig, 0, 5, UINT32_MAX - 10, 100, back, NULL), DFS_EINVAL);
}

/* Each byte of what a client sent in turn: nothing of it is stored. */
static void any_flipped_byte_of_a_write_is_refused(void **state)
{
    (void)state;
    const uint32_t len = 5000;
    rig_start(rig);
    uint32_t writes = rig->writes;
    for (uint32_t at = 0; at < len; at++) {
        rig->n_answers = 0;
        uint32_t request = rig_send_write(rig, 0, 1, 5, 300, data, len, 0, 0);
        struct payload *p = &rig->mail[0].payload;
        uint32_t first = p->part[0].len;
        assert_int_equal(first + p->part[1].len, len);
        slice_data(p->part[at >= first])[at - (at >= first ? first : 0)] ^= (uint8_t)(1u << at % 8);
        rig_run(rig);
        assert_int_equal(rig->answers[request].status, DFS_ECORRUPT);
    }
    assert_int_equal(rig_chunks(rig, 0), 0);
    assert_int_equal(rig->writes, writes);
    assert_int_equal(rig_write(rig, 0, 1, 5, 300, data, len), 0);
}

static void a_failed_flush_ends_the_disk_and_nothing_is_acknowledged(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 5, 0, data, 4096), 0);
    memdisk_fail(rig->disks[0][0], DISK_FLUSH, 1, DFS_EIO, false); /* once: the next would succeed and lie */
    assert_int_equal(rig_write(rig, 0, 1, 6, 0, data, 4096), DFS_EIO);
    assert_int_equal(rig_write(rig, 0, 1, 6, 0, data, 4096), DFS_ESTALE);
    assert_int_equal(rig_write(rig, 0, 1, 7, 0, data, 4096), DFS_EIO);
    assert_int_equal(rig_read(rig, 0, 6, 0, 10, back, NULL), DFS_ENOCHUNK);
    assert_int_equal(rig_read(rig, 0, 5, 0, 4096, back, NULL), 0); /* what was flushed is still there */
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(ss_disks_failed(rig->ss[0]), 1);
}

static void a_full_disk_refuses_and_recovers(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 5, 0, data, 4096), 0);
    memdisk_fail(rig->disks[0][0], DISK_CREATE, 1, DFS_ENOSPC, true);
    assert_int_equal(rig_write(rig, 0, 1, 6, 0, data, sizeof data),
                     DFS_ENOSPC); /* needs a segment of the other class */
    assert_int_equal(rig_write(rig, 0, 1, 7, 0, data, sizeof data), DFS_ENOSPC);
    assert_int_equal(rig_read(rig, 0, 5, 0, 4096, back, NULL), 0);
    memdisk_fail(rig->disks[0][0], DISK_CREATE, 0, 0, false);
    rig_pass(rig, 2 * NS_PER_SEC);
    assert_int_equal(rig_write(rig, 0, 1, 8, 0, data, sizeof data), 0);
}

static void deleted_chunks_stay_deleted_and_give_their_space_back(void **state)
{
    (void)state;
    rig_start(rig);
    for (uint32_t i = 0; i < 12; i++)
        assert_int_equal(rig_write(rig, 0, 1, 50 + i, 0, data, sizeof data), 0);
    assert_int_equal(rig_write(rig, 0, 1, 90, 0, data, 4096), 0);
    uint64_t used = memdisk_used(rig->disks[0][0]);
    for (uint32_t i = 0; i < 12; i++)
        rig->remove[rig->n_remove++] = 50 + i;
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig_chunks(rig, 0), 1);
    assert_int_equal(rig_read(rig, 0, 50, 0, 10, back, NULL), DFS_ENOCHUNK);
    assert_true(memdisk_used(rig->disks[0][0]) < used - 6 * MIB);
    rig->n_remove = 0;
    for (int round = 0; round < 2; round++) {
        rig_crash(rig, 0, CRASH_DROP_ALL);
        rig_start(rig);
        assert_int_equal(rig_chunks(rig, 0), 1);
    }
    assert_int_equal(rig_write(rig, 0, 1, 50, 0, data + 1, 4096),
                     0); /* comes back: its tombstone is of an older stay */
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(rig_read(rig, 0, 50, 0, 4096, back, NULL), 0);
    assert_memory_equal(back, data + 1, 4096);
    assert_int_equal(rig->logs, 0);
}

static void orders_of_an_older_epoch_are_refused_even_after_a_restart(void **state)
{
    (void)state;
    rig_start(rig);
    rig->epoch = 9;
    assert_int_equal(rig_write(rig, 0, 1, 5, 0, data, 4096), 0);
    rig_pass(rig, NS_PER_SEC);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig->epoch = 8;
    rig->remove[rig->n_remove++] = 5;
    rig_start(rig);
    rig_pass(rig, 5 * NS_PER_SEC);
    assert_int_equal(rig_chunks(rig, 0), 1);
    rig->epoch = 10;
    rig_pass(rig, 5 * NS_PER_SEC);
    assert_int_equal(rig_chunks(rig, 0), 0);
}

static void an_order_waits_until_its_epoch_is_durable(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 5, 0, data, 4096), 0);
    rig_pass(rig, NS_PER_SEC);
    rig->epoch = 9;
    rig->remove[rig->n_remove++] = 5;
    rig->now.mono += 300 * NS_PER_MS;
    uint32_t writes = rig->writes;
    rig_turn(rig, 0);
    while (rig->n_mail)
        rig_step(rig);
    assert_int_equal(rig->writes, writes + 3); /* each server's identity; no tombstone yet */
    rig_run(rig);
    assert_int_equal(rig_chunks(rig, 0), 0);
}

/* After a failed flush, the success of another one of that disk means nothing. */
static void a_failed_flush_fails_what_is_under_way_beside_it(void **state)
{
    (void)state;
    rig->segment_size = 4 * MIB;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 1, 0, data, 100), 0);
    assert_int_equal(rig_write(rig, 0, 1, 2, 0, data, 100000), 0);
    uint32_t small = rig_send_write(rig, 0, 1, 3, 0, data, 100, 0, 0);
    uint32_t large = rig_send_write(rig, 0, 1, 4, 0, data, 100000, 0, 0);
    while (rig->n_mail)
        rig_step(rig);
    assert_int_equal(memdisk_pending(rig->disks[0][0]), 2);
    memdisk_fail(rig->disks[0][0], DISK_FLUSH, 1, DFS_EIO, false);
    rig_run(rig);
    assert_int_equal(rig->answers[small].status, DFS_EIO);
    assert_int_equal(rig->answers[large].status, DFS_EIO);
}

static void without_a_lease_nothing_is_served(void **state)
{
    (void)state;
    rig->lease_ms = 2000;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 5, 0, data, 4096), 0);
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_int_equal(rig_read(rig, 0, 5, 0, 4096, back, NULL), 0);
    assert_true(rig->heartbeats > 8);
    rig->nm_error = DFS_EAGAIN;
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_int_equal(rig_read(rig, 0, 5, 0, 4096, back, NULL), DFS_EAGAIN);
    assert_int_equal(rig_write(rig, 0, 1, 6, 0, data, 4096), DFS_EAGAIN);
    rig->nm_error = 0;
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_int_equal(rig_read(rig, 0, 5, 0, 4096, back, NULL), 0);
}

static void it_registers_again_when_it_is_unknown_and_reports_its_chunks(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 5, 0, data, 4096), 0);
    assert_int_equal(rig_write(rig, 0, 1, 6, 0, data, 4096), 0);
    uint32_t registers = rig->registers;
    rig->nm_error = DFS_ESTALE;
    rig_pass(rig, 300 * NS_PER_MS);
    rig->nm_error = 0;
    rig_pass(rig, 5 * NS_PER_SEC);
    assert_true(rig->registers > registers);
    rig_crash(rig, 1, CRASH_DROP_ALL);
    rig_crash(rig, 2, CRASH_DROP_ALL);
    rig->nm_error = DFS_ESTALE;
    rig_pass(rig, 300 * NS_PER_MS);
    rig->nm_error = 0;
    rig_pass(rig, 5 * NS_PER_SEC);
    assert_int_equal(rig->reported, 2);
}

static void foreign_folders_are_refused(void **state)
{
    (void)state;
    char why[256];
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 5, 0, data, 4096), 0);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig->cluster = 78;
    assert_int_equal(rig_open(rig, 0, why, sizeof why), 0);
    assert_int_equal(rig->fatal, 1); /* another cluster's NameServer would have all of it deleted */
    rig->cluster = 77;
    rig_crash(rig, 0, CRASH_DROP_ALL);
    /* a segment of another server slipped in */
    rig_crash(rig, 1, CRASH_DROP_ALL);
    struct disk *d0 = rig->disks[0][0], *d1 = rig->disks[1][0];
    uint64_t size;
    const uint8_t *p = memdisk_peek(d0, "seg-0000000000000001.log", &size);
    assert_non_null(p);
    assert_int_equal(d1->ops->write(d1, "seg-0000000000000009.log", 0, p, size), 0);
    assert_int_equal(rig_open(rig, 1, why, sizeof why), DFS_EIDENTITY);
    assert_non_null(strstr(why, "seg-0000000000000009.log"));
    assert_int_equal(d0->ops->unlink(d0, "identity"), 0);
    assert_int_equal(rig_open(rig, 0, why, sizeof why), DFS_EIDENTITY);
}

static void several_folders_share_the_chunks_and_one_may_die(void **state)
{
    (void)state;
    rig_close(rig);
    rig_init(rig, 2, 1, 2, 256 * MIB);
    rig_start(rig);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(rig_write(rig, 0, 1, i + 1, 0, data + i, 300000), 0);
    assert_true(memdisk_used(rig->disks[0][0]) > 3 * MIB && memdisk_used(rig->disks[0][1]) > 3 * MIB);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(rig_read(rig, 0, i + 1, 0, 300000, back, NULL), 0);
        assert_memory_equal(back, data + i, 300000);
    }
    memdisk_fail(rig->disks[0][1], DISK_FLUSH, 1, DFS_EIO, true);
    uint32_t good = 0;
    for (uint32_t i = 0; i < 20; i++)
        good += rig_write(rig, 0, 1, 100 + i, 0, data, 300000) == 0;
    assert_true(good >= 19);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->disks_failed, 1);
}

static void want_of_files_or_memory_is_no_reason_to_give_up_a_disk(void **state)
{
    (void)state;
    static const int wants[] = {DFS_EMFILE, DFS_ENOMEM};
    rig_start(rig);
    for (uint32_t i = 0; i < ARRAY_LEN(wants); i++) {
        memdisk_fail(rig->disks[i][0], DISK_CREATE, 1, wants[i], false);
        assert_int_not_equal(rig_write(rig, i, 1, 7, 0, data, 100), 0);
        assert_non_null(strstr(rig->last_log, dfs_errname(wants[i])));
        rig_pass(rig, 2 * NS_PER_SEC);
        assert_int_equal(rig_write(rig, i, 1, 8, 0, data, 100), 0);
        assert_int_equal(rig->disks_failed, 0);
    }
}

/* What the folders are to hold of the epoch waits for space; reading goes on, and so does everything afterwards. */
static void a_full_disk_under_the_identity_is_not_given_up(void **state)
{
    (void)state;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, 5, 0, data, 100), 0);
    memdisk_fail(rig->disks[0][0], DISK_WRITE, 1, DFS_ENOSPC, true);
    rig->epoch = 9;
    rig->remove[rig->n_remove++] = 5;
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_true(memdisk_struck(rig->disks[0][0], DISK_WRITE));
    assert_int_equal(rig->disks_failed, 0);
    assert_int_equal(rig_read(rig, 0, 5, 0, 100, back, NULL), 0);
    memdisk_fail(rig->disks[0][0], DISK_WRITE, 0, 0, false);
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_int_equal(rig_chunks(rig, 0), 0);
}

/* Many small chunks come and go while one waits for a slow server further down: only that one waits. */
static void a_slow_server_keeps_out_no_other_chunk(void **state)
{
    (void)state;
    struct rig_mail held = {0};
    rig_start(rig);
    uint32_t slow = rig_send_write(rig, 0, 2, 1, 0, data, 100, 5, 1);
    while (!held.request) {
        assert_true(rig_step(rig));
        for (uint32_t i = 0; i < rig->n_mail && !held.request; i++)
            if (rig->mail[i].request && rig->mail[i].to == 1) {
                held = rig->mail[i];
                rig->mail[i] = rig->mail[--rig->n_mail];
            }
    }
    for (uint32_t i = 0; i < 4200; i++) { /* more than the table of open chunks holds */
        rig->n_answers = slow + 1;
        assert_int_equal(rig_write(rig, 0, 1, 100 + i, 0, data, 100), 0);
    }
    assert_false(rig->answers[slow].done);
    rig->mail[rig->n_mail++] = held; /* there is room: it was taken out of it */
    rig_run(rig);
    assert_true(rig->answers[slow].done);
    assert_int_equal(rig->answers[slow].status, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_chunk_written_reads_back),
        T(it_reads_back_after_a_restart),
        T(any_overwrites_give_the_newest_bytes),
        T(all_writes_of_a_turn_share_one_flush),
        T(a_chain_holds_the_same_everywhere),
        T(an_unacknowledged_write_is_not_readable),
        T(a_dead_member_is_named_and_the_chunk_takes_no_more),
        T(a_repeated_write_takes_effect_once),
        T(bad_requests_are_refused),
        T(any_flipped_byte_of_a_write_is_refused),
        T(a_failed_flush_ends_the_disk_and_nothing_is_acknowledged),
        T(a_failed_flush_fails_what_is_under_way_beside_it),
        T(a_full_disk_refuses_and_recovers),
        T(deleted_chunks_stay_deleted_and_give_their_space_back),
        T(orders_of_an_older_epoch_are_refused_even_after_a_restart),
        T(an_order_waits_until_its_epoch_is_durable),
        T(without_a_lease_nothing_is_served),
        T(it_registers_again_when_it_is_unknown_and_reports_its_chunks),
        T(foreign_folders_are_refused),
        T(several_folders_share_the_chunks_and_one_may_die),
        T(want_of_files_or_memory_is_no_reason_to_give_up_a_disk),
        T(a_full_disk_under_the_identity_is_not_given_up),
        T(a_slow_server_keeps_out_no_other_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
