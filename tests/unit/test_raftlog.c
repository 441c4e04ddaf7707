/* SPDX-License-Identifier: MIT */
/* The NameServer's log: what is cut, what is damage, and that neither is ever mistaken for the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "group/identity.h"
#include "group/raftlog.h"
#include "support/memdisk.h"

#define RECORDS 12u
#define FIRST "log-0000000000000001"

struct bench {
    struct disk *disk;
    struct log_config cfg;
    struct raftlog log;
    struct effects fx;
    struct now now;
    char why[512];
    /* what the last opening read */
    uint64_t n;
    uint8_t sum[64]; /* first byte of each body */
    uint32_t len[64];
};

static int on_record(void *arg, const struct log_record *rec)
{
    struct bench *b = arg;

    assert_true(b->n < 64);
    if (rec->index <= b->n) /* a cut */
        b->n = rec->index - 1;
    b->sum[b->n] = rec->len > 0 ? rec->body[0] : 0;
    for (uint32_t i = 1; i < rec->len; i++)
        assert_int_equal(rec->body[i], rec->body[0]);
    b->len[b->n++] = rec->len;
    assert_int_equal(rec->index, b->n);
    return 0;
}

static int open_log(struct bench *b)
{
    raftlog_close(&b->log);
    b->n = 0;
    b->why[0] = '\0';
    return raftlog_open(&b->cfg, b->disk, 0, on_record, b, &b->log, b->why, sizeof b->why);
}

static void run(struct bench *b, struct effects *fx)
{
    for (uint32_t i = 0; i < fx->n; i++) {
        if (fx->v[i].kind == EFF_DISK) {
            b->disk->ops->submit(b->disk, fx->v[i].op);
            fx->v[i].op = NULL;
        }
    }
    fx_reset(fx);
}

static int settle(struct bench *b)
{
    int err = 0;

    raftlog_turn(&b->log, b->now, &b->fx);
    run(b, &b->fx);
    while (err == 0 && memdisk_pending(b->disk) > 0) {
        struct disk_op *op = memdisk_complete(b->disk, 0);
        struct event ev = {.kind = EV_DISK, .now = b->now, .token = op->token, .status = op->status, .op = op};

        err = raftlog_event(&b->log, &ev, &b->fx);
        raftlog_turn(&b->log, b->now, &b->fx);
        run(b, &b->fx);
        disk_op_free(op);
    }
    return err;
}

static void append(struct bench *b, uint8_t fill, uint32_t len)
{
    struct buf *rec = raftlog_buf(len);

    memset(rec->data + LOG_RECORD_HEADER, fill, len);
    assert_true(raftlog_room(&b->log, len));
    raftlog_append(&b->log, b->log.last_index + 1, 1, 1, rec, len);
    raftlog_write(&b->log, b->now, &b->fx);
    buf_unref(rec);
    run(b, &b->fx);
    assert_int_equal(settle(b), 0);
}

static void start(struct bench *b, bool relaxed)
{
    memset(b, 0, sizeof *b);
    b->disk = memdisk_new(5, 16 * MIB);
    b->cfg =
        (struct log_config){.cluster_hi = 1, .cluster_lo = 2, .salt = 77, .segment_bytes = 4096, .relaxed = relaxed};
    b->now.mono = NS_PER_SEC;
    fx_init(&b->fx);
    assert_int_equal(raftlog_create(&b->cfg, b->disk, 1, 3, "c", 1), 0);
    assert_int_equal(open_log(b), 0);
    assert_int_equal(raftlog_repair(&b->log, b->disk, b->why, sizeof b->why), 0);
    b->log.last_flush = b->now.mono;
    assert_int_equal(settle(b), 0);
}

static void stop(struct bench *b)
{
    raftlog_close(&b->log);
    fx_close(&b->fx);
    memdisk_free(b->disk);
}

/* RECORDS records of about 500 bytes: two segments. */
static void fill_two_segments(struct bench *b)
{
    for (uint8_t i = 1; i < RECORDS; i++)
        append(b, (uint8_t)(0x40 + i), 480u + i);
    assert_int_equal(b->log.n_seg, 2);
}

static void test_reads_back_what_was_appended(void **state)
{
    struct bench b;

    (void)state;
    start(&b, false);
    fill_two_segments(&b);
    memdisk_crash(b.disk, CRASH_DROP_ALL);
    assert_int_equal(open_log(&b), 0);
    assert_int_equal(b.n, RECORDS);
    assert_false(raftlog_is_torn(&b.log));
    for (uint32_t i = 1; i < RECORDS; i++) {
        assert_int_equal(b.sum[i], 0x40 + i);
        assert_int_equal(b.len[i], 480 + i);
    }
    stop(&b);
}

/* Any single flipped bit is damage that is named, a cut of the last record only, or lies where nothing was written. */
static void test_every_flipped_byte_is_noticed(void **state)
{
    struct bench b;
    uint32_t damaged = 0, cut = 0, harmless = 0;

    (void)state;
    start(&b, false);
    fill_two_segments(&b);
    for (uint32_t s = 0; s < 2; s++) {
        char name[DISK_NAME_MAX + 1];
        uint64_t size = b.log.seg[s].size, end = b.log.seg[s].end;

        log_segment_name(b.log.seg[s].number, name);
        for (uint64_t at = 0; at < size; at++) {
            int err;

            assert_true(memdisk_flip(b.disk, name, at, (uint8_t)(1u << (at % 8))));
            err = open_log(&b);
            if (err != 0) {
                assert_int_equal(err, DFS_ECORRUPT);
                assert_non_null(strstr(b.why, "log-"));
                assert_non_null(strstr(b.why, "offset"));
                assert_true(at < end);
                damaged++;
            } else if (b.n == RECORDS) {
                assert_true(at >= end); /* where nothing was written */
                harmless++;
            } else {
                assert_int_equal(b.n, RECORDS - 1); /* the last flush looks torn: it is cut, nothing else */
                assert_true(s == 1 && raftlog_is_torn(&b.log));
                cut++;
            }
            for (uint32_t i = 1; i < b.n && err == 0; i++)
                assert_int_equal(b.sum[i], 0x40 + i);
            assert_true(memdisk_flip(b.disk, name, at, (uint8_t)(1u << (at % 8))));
        }
        assert_int_equal(open_log(&b), 0);
        assert_int_equal(b.n, RECORDS);
    }
    assert_true(damaged > 5000 && cut > 400 && cut < 600 && harmless > 0);
    stop(&b);
}

static void test_a_file_cut_anywhere_is_noticed(void **state)
{
    struct bench b;
    uint64_t end;

    (void)state;
    start(&b, false);
    for (uint8_t i = 1; i < 6; i++)
        append(&b, i, 100);
    end = b.log.seg[0].end;
    for (uint64_t size = end; size > 0; size -= 4) {
        int err;

        assert_true(memdisk_cut(b.disk, FIRST, size));
        err = open_log(&b);
        if (err == 0)
            assert_in_range(b.n, 1, 6);
        else
            assert_int_equal(err, DFS_ECORRUPT); /* the first header is gone */
    }
    stop(&b);
}

static void test_a_missing_segment_is_damage(void **state)
{
    struct bench b;

    (void)state;
    start(&b, false);
    for (uint8_t i = 1; i < 30; i++)
        append(&b, i, 480);
    assert_true(b.log.n_seg >= 4);
    char name[DISK_NAME_MAX + 1];

    log_segment_name(b.log.seg[1].number, name);
    assert_int_equal(b.disk->ops->unlink(b.disk, name), 0);
    assert_int_equal(open_log(&b), DFS_ECORRUPT);
    stop(&b);
}

/* Relaxed: three records await their flush; the first is lost, the others reached the disk. */
static void test_what_was_never_flushed_is_a_torn_tail(void **state)
{
    struct bench b;
    uint64_t from;

    (void)state;
    start(&b, true);
    from = b.log.seg[0].end;
    append(&b, 1, 100);
    append(&b, 2, 100);
    append(&b, 3, 100);
    assert_true(b.log.flushed < b.log.written);
    assert_true(memdisk_flip(b.disk, FIRST, from + 80, 1));
    assert_int_equal(open_log(&b), 0);
    assert_int_equal(b.n, 1);
    assert_true(raftlog_is_torn(&b.log));
    assert_int_equal(raftlog_repair(&b.log, b.disk, b.why, sizeof b.why), 0);
    b.log.last_flush = b.now.mono;
    assert_int_equal(settle(&b), 0);
    append(&b, 9, 100); /* the same place and size: what lay behind must not come back */
    assert_int_equal(open_log(&b), 0);
    assert_int_equal(b.n, 2);
    assert_int_equal(b.sum[1], 9);
    stop(&b);
}

/* A killed process leaves records that were written and not flushed. Once they were read, answers rest on them. */
static void test_what_was_read_at_opening_is_durable(void **state)
{
    struct bench b;

    (void)state;
    start(&b, true);
    append(&b, 1, 100);
    assert_true(b.log.flushed < b.log.written);
    memdisk_kill(b.disk);
    assert_int_equal(open_log(&b), 0);
    assert_int_equal(b.n, 2);
    assert_int_equal(raftlog_repair(&b.log, b.disk, b.why, sizeof b.why), 0);
    memdisk_crash(b.disk, CRASH_DROP_ALL);
    assert_int_equal(open_log(&b), 0);
    assert_int_equal(b.n, 2);
    stop(&b);
}

/* The chain alone keeps old records out, even where the tail was not zeroed. */
static void test_a_stale_record_does_not_continue_the_chain(void **state)
{
    struct bench b;
    uint64_t size;
    uint8_t old[168];
    uint64_t second;

    (void)state;
    start(&b, true);
    append(&b, 1, 100);
    second = b.log.seg[0].end;
    append(&b, 2, 100);
    memcpy(old, memdisk_peek(b.disk, FIRST, &size) + second, sizeof old);
    assert_int_equal(old[LOG_RECORD_HEADER], 2);
    stop(&b);

    start(&b, true);
    append(&b, 7, 100);
    assert_int_equal(b.log.seg[0].end, second);
    assert_int_equal(b.disk->ops->write(b.disk, FIRST, second, old, sizeof old), 0);
    assert_int_equal(open_log(&b), 0);
    assert_int_equal(b.n, 2);
    assert_int_equal(b.sum[1], 7);
    stop(&b);
}

static void test_a_record_larger_than_a_segment_fits(void **state)
{
    struct bench b;

    (void)state;
    start(&b, false);
    append(&b, 1, 20000);
    append(&b, 2, 100);
    append(&b, 3, 50000);
    assert_int_equal(open_log(&b), 0);
    assert_int_equal(b.n, 4);
    assert_int_equal(b.len[3], 50000);
    stop(&b);
}

static void test_without_space_it_refuses_and_recovers(void **state)
{
    struct bench b;
    uint32_t n = 1;

    (void)state;
    start(&b, false);
    memdisk_fail(b.disk, DISK_CREATE, 1, DFS_ENOSPC, true);
    for (; raftlog_room(&b.log, 480); n++)
        append(&b, (uint8_t)n, 480);
    assert_int_equal(raftlog_stuck(&b.log, 480), DFS_ENOSPC);
    memdisk_fail(b.disk, DISK_CREATE, 0, 0, false);
    b.now.mono += 2 * NS_PER_SEC;
    assert_int_equal(settle(&b), 0);
    b.now.mono += 2 * NS_PER_SEC;
    assert_int_equal(settle(&b), 0);
    append(&b, (uint8_t)n, 480);
    assert_int_equal(open_log(&b), 0);
    assert_int_equal(b.n, n + 1);
    stop(&b);
}

static void test_trims_from_the_oldest(void **state)
{
    struct bench b;
    uint64_t first;

    (void)state;
    start(&b, false);
    for (uint8_t i = 1; i < 40; i++)
        append(&b, i, 480);
    raftlog_trim(&b.log, 20, &b.fx);
    run(&b, &b.fx);
    assert_int_equal(memdisk_pending(b.disk), 1); /* one at a time */
    assert_int_equal(settle(&b), 0);
    first = raftlog_first_index(&b.log);
    assert_in_range(first, 12, 20);
    assert_int_equal(open_log(&b), DFS_ECORRUPT); /* without a snapshot the beginning is missing */
    b.n = first - 1;
    raftlog_close(&b.log);
    assert_int_equal(raftlog_open(&b.cfg, b.disk, 20, NULL, NULL, &b.log, b.why, sizeof b.why), 0);
    assert_int_equal(raftlog_first_index(&b.log), first);
    assert_int_equal(b.log.last_index, 40);
    stop(&b);
}

static void append_at(struct bench *b, uint64_t index, uint64_t term, uint8_t fill)
{
    struct buf *rec = raftlog_buf(480);

    memset(rec->data + LOG_RECORD_HEADER, fill, 480);
    raftlog_append(&b->log, index, term, 1, rec, 480);
    raftlog_write(&b->log, b->now, &b->fx);
    buf_unref(rec);
    run(b, &b->fx);
    assert_int_equal(settle(b), 0);
}

/* What gathers while a write is under way goes with one write, and is read back record by record. */
static void test_several_records_in_one_write(void **state)
{
    struct bench b;

    (void)state;
    start(&b, false);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 3 && raftlog_room(&b.log, 480); i++) {
            struct buf *rec = raftlog_buf(480);

            memset(rec->data + LOG_RECORD_HEADER, 7, 480);
            raftlog_append(&b.log, b.log.last_index + 1, 1, 1, rec, 480);
            buf_unref(rec);
        }
        raftlog_write(&b.log, b.now, &b.fx);
        run(&b, &b.fx);
        assert_in_range(memdisk_pending(b.disk), 1, 2);
        assert_int_equal(settle(&b), 0);
        assert_int_equal(b.log.durable_index, b.log.last_index);
    }
    assert_true(b.log.last_index >= 9 && b.log.n_seg == 2);
    memdisk_crash(b.disk, CRASH_DROP_ALL);
    uint64_t last = b.log.last_index;

    assert_int_equal(open_log(&b), 0);
    assert_int_equal(b.n, last);
    stop(&b);
}

static int on_again(void *arg, const struct log_record *rec)
{
    uint64_t *next = arg;

    assert_int_equal(rec->index, (*next)++);
    assert_int_equal(rec->body[0], rec->index < 5 ? 0x10 : 0x20);
    return 0;
}

/* What a deposed leader had sent is replaced, over several segments, twice; names of segments still rise. */
static void test_a_cut_replaces_what_followed(void **state)
{
    struct bench b;
    uint64_t offset, length, next = 2;
    char name[DISK_NAME_MAX + 1];

    (void)state;
    start(&b, false);
    for (uint8_t i = 2; i < 30; i++)
        append_at(&b, i, 3, 0x10);
    append_at(&b, 20, 4, 0x11);
    raftlog_rewind(&b.log, 5);
    assert_int_equal(b.log.durable_index, 4);
    append_at(&b, 5, 2, 0x20); /* a lower term may win: the higher one was never committed */
    for (uint8_t i = 6; i < 25; i++)
        append_at(&b, i, 5, 0x20);
    for (uint32_t again = 0; again < 2; again++) {
        assert_int_equal(b.log.last_index, 24);
        assert_int_equal(b.log.durable_index, 24);
        next = 2;
        assert_int_equal(raftlog_read(&b.log, b.disk, 2, 24, on_again, &next, b.why, sizeof b.why), 0);
        assert_int_equal(next, 25);
        for (uint64_t i = 2; i < 25; i++) {
            uint8_t window[4096];
            size_t got;

            assert_true(raftlog_locate(&b.log, i, name, &offset, &length));
            assert_int_equal(b.disk->ops->read(b.disk, name, offset, window, min_u64(length, sizeof window), &got), 0);
            next = i;
            assert_int_equal(raftlog_parse(&b.log, name, offset, window, got, i, on_again, &next), 0);
            assert_true(next > i);
        }
        memdisk_crash(b.disk, CRASH_DROP_ALL);
        assert_int_equal(open_log(&b), 0);
        assert_int_equal(b.n, 24);
        assert_int_equal(b.sum[10], 0x20);
        assert_int_equal(b.sum[2], 0x10);
    }
    stop(&b);
}

static void test_an_empty_log_begins_behind_a_snapshot(void **state)
{
    struct bench b;

    (void)state;
    start(&b, false);
    fill_two_segments(&b);
    assert_int_equal(raftlog_reset(&b.cfg, b.disk, 100, &b.log), 0);
    assert_int_equal(b.log.last_index, 99);
    raftlog_close(&b.log);
    assert_int_equal(raftlog_open(&b.cfg, b.disk, 99, NULL, NULL, &b.log, b.why, sizeof b.why), DFS_ECORRUPT);
    b.cfg.may_be_empty = true;
    raftlog_close(&b.log);
    assert_int_equal(raftlog_open(&b.cfg, b.disk, 98, NULL, NULL, &b.log, b.why, sizeof b.why), DFS_ECORRUPT);
    raftlog_close(&b.log);
    assert_int_equal(raftlog_open(&b.cfg, b.disk, 99, NULL, NULL, &b.log, b.why, sizeof b.why), 0);
    assert_int_equal(raftlog_repair(&b.log, b.disk, b.why, sizeof b.why), 0);
    assert_int_equal(settle(&b), 0);
    append_at(&b, 100, 9, 1);
    raftlog_close(&b.log);
    assert_int_equal(raftlog_open(&b.cfg, b.disk, 99, NULL, NULL, &b.log, b.why, sizeof b.why), 0);
    assert_int_equal(b.log.last_index, 100);
    stop(&b);
}

static void test_vote_survives_the_loss_of_either_slot(void **state)
{
    struct disk *d = memdisk_new(1, MIB);
    struct vote v = {.number = 3, .term = 7, .voted_for = 2}, got;
    bool both;

    (void)state;
    assert_int_equal(vote_load(d, &got, &both), DFS_ENOENT);
    assert_int_equal(vote_save(d, &v), 0);
    for (uint64_t slot = 0; slot < 2; slot++) {
        for (uint64_t at = 0; at < VOTE_SLOT; at++) {
            assert_true(memdisk_flip(d, VOTE_FILE, slot * VOTE_SLOT_SPACING + at, 0x20));
            assert_int_equal(vote_load(d, &got, &both), 0);
            assert_false(both);
            assert_int_equal(got.term, 7);
            assert_int_equal(got.voted_for, 2);
            assert_true(memdisk_flip(d, VOTE_FILE, slot * VOTE_SLOT_SPACING + at, 0x20));
        }
    }
    assert_true(memdisk_flip(d, VOTE_FILE, 30, 1));
    assert_true(memdisk_flip(d, VOTE_FILE, VOTE_SLOT_SPACING + 30, 1));
    assert_int_equal(vote_load(d, &got, &both), DFS_ECORRUPT);
    memdisk_free(d);
}

static void test_identity_is_whole_or_refused(void **state)
{
    struct disk *d = memdisk_new(1, MIB);
    struct identity id = {.cluster_hi = 1, .cluster_lo = 2, .uuid_hi = 3, .uuid_lo = 4, .raft_id = 5}, got;

    (void)state;
    assert_int_equal(identity_load(d, &got), DFS_ENOENT);
    assert_int_equal(identity_begin(d, &id), 0);
    assert_int_equal(identity_load(d, &got), DFS_ENOENT); /* not yet */
    assert_int_equal(identity_finish(d), 0);
    assert_int_equal(identity_load(d, &got), 0);
    assert_int_equal(got.raft_id, 5);
    for (uint64_t at = 0; at < 64; at++) {
        assert_true(memdisk_flip(d, IDENTITY_FILE, at, 0x04));
        assert_int_equal(identity_load(d, &got), DFS_ECORRUPT);
        assert_true(memdisk_flip(d, IDENTITY_FILE, at, 0x04));
    }
    memdisk_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_back_what_was_appended),
        cmocka_unit_test(test_every_flipped_byte_is_noticed),
        cmocka_unit_test(test_a_file_cut_anywhere_is_noticed),
        cmocka_unit_test(test_a_missing_segment_is_damage),
        cmocka_unit_test(test_what_was_never_flushed_is_a_torn_tail),
        cmocka_unit_test(test_what_was_read_at_opening_is_durable),
        cmocka_unit_test(test_a_stale_record_does_not_continue_the_chain),
        cmocka_unit_test(test_a_record_larger_than_a_segment_fits),
        cmocka_unit_test(test_without_space_it_refuses_and_recovers),
        cmocka_unit_test(test_trims_from_the_oldest),
        cmocka_unit_test(test_several_records_in_one_write),
        cmocka_unit_test(test_a_cut_replaces_what_followed),
        cmocka_unit_test(test_an_empty_log_begins_behind_a_snapshot),
        cmocka_unit_test(test_vote_survives_the_loss_of_either_slot),
        cmocka_unit_test(test_identity_is_whole_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
