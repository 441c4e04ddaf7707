/* SPDX-License-Identifier: MIT */
/* How versions of a chunk end and begin on a StorageServer (CONSISTENCY B10 to B14). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc.h"
#include "ss_open.h"
#include "store/impl.h"

static void a_version_ends_and_the_next_takes_writes(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 3, CHUNK, 0, data, SIZE), 0);
    assert_int_equal(rig_write(rig, 0, 3, CHUNK, 100, other, 5000), 0);
    memcpy(data + 100, other, 5000);
    for (uint32_t s = 0; s < 3; s++) {
        struct wire_task_result r = fence(s);
        assert_int_equal(r.error, 0);
        assert_int_equal(r.version, 1);
        assert_int_equal(r.sequence, 2);
        assert_int_equal(r.length, SIZE);
        assert_int_equal(r.crc, crc32c(0, data, SIZE));
        assert_int_equal(r.flags, RESULT_STEADY);
        assert_int_equal(read_all(s), s == 0 ? 0 : DFS_EINFLIGHT); /* the head alone knows that the last one is everywhere */
    }
    assert_int_equal(rig_write(rig, 0, 3, CHUNK, 0, other, 10), DFS_ESTALE);
    for (uint32_t s = 0; s < 3; s++) {
        assert_int_equal(stamp(s, 2, SIZE, true), 0);
        assert_int_equal(stamp(s, 2, SIZE, true), 0); /* twice does no harm */
        assert_int_equal(read_all(s), s == 0 ? 0 : DFS_EINFLIGHT); /* nothing has changed yet: it may never be logged */
        rig->version = 2; /* who asks for it knows that it was */
        assert_int_equal(read_all(s), 0);
        assert_memory_equal(back, data, SIZE);
        rig->version = 1;
    }
    assert_int_equal(rig_write(rig, 0, 3, CHUNK, 0, other, 10), DFS_ESTALE);
    rig->version = 2;
    assert_int_equal(rig_write(rig, 0, 3, CHUNK, 90000, other, 10000), 0);
    assert_int_equal(rig->answers[rig->n_answers - 1].sequence, 1);
    memcpy(data + 90000, other, 10000);
    rig->version = 1;
    for (uint32_t s = 0; s < 3; s++)
        assert_int_equal(read_all(s), DFS_ESTALE);
    rig->version = 2;
    assert_int_equal(rig_write(rig, 0, 3, CHUNK, 90000, data + 90000, 10), 0);
    for (uint32_t s = 0; s < 3; s++) {
        assert_int_equal(rig_read(rig, s, CHUNK, 0, 86016, back, NULL), 0);
        assert_memory_equal(back, data, 86016);
    }
    assert_int_equal(read_all(0), 0);
    assert_memory_equal(back, data, SIZE);
}

/* Who stamped this version may have been cut off before it was logged. Readers that are told to ask for the old one, and want what it
 * may have had and this one has not, are the only ones that notice. */
static void a_version_nobody_logged_is_told_of(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 3, CHUNK, 0, data, SIZE), 0);
    assert_int_equal(fence(0).error, 0);
    assert_int_equal(stamp(0, 1, SIZE, false), 0);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(read_all(0), 0);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->unsettled, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_read(rig, 0, CHUNK, SIZE - 10, 20, back, NULL), DFS_ESTALE);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->unsettled, 1);
    assert_int_equal(rig->last_unsettled.chunk, CHUNK);
    assert_int_equal(rig->last_unsettled.version, 2);
}

static void a_stamp_fits_exactly_or_is_refused(void **state)
{
    (void)state;
    struct wire_task unknown = {.kind = TASK_STAMP, .chunk = 99, .version = 1, .length = 10, .to = 2};
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, SIZE), 0);
    assert_int_equal(fence(0).error, 0);
    assert_int_equal(stamp(0, 1, SIZE - 1, true), DFS_ESTALE);
    assert_int_equal(stamp(0, 2, SIZE, true), DFS_ESTALE);
    assert_int_equal(-(int)result_of(0, &unknown).error, DFS_ENOCHUNK);
    rig->version = 3;
    assert_int_equal(stamp(0, 1, SIZE, true), DFS_ESTALE);
    rig->version = 1;
    assert_int_equal(stamp(0, UINT64_MAX, SIZE, true), 0); /* of a sealed chunk the leader knows no sequence */
    assert_int_equal(-(int)fence(0).error, DFS_ESTALE);    /* it is further */
}

/* What a start finds may lack nothing that was acknowledged, but may hold more than the others have. */
static void after_a_start_nothing_is_served_before_the_version_moved(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, SIZE), 0);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(read_all(0), DFS_EAGAIN);
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, other, 10), DFS_ESTALE);
    struct wire_task_result r = fence(0);
    assert_int_equal(r.crc, crc32c(0, data, SIZE));
    assert_int_equal(r.flags, 0); /* not steady */
    assert_int_equal(stamp(0, r.sequence, SIZE, false), 0);
    rig->version = 2;
    for (int round = 0; round < 2; round++) { /* sealed: a start serves it at once */
        assert_int_equal(read_all(0), 0);
        assert_memory_equal(back, data, SIZE);
        assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, other, 10), DFS_ESTALE);
        rig_crash(rig, 0, CRASH_DROP_ALL);
        rig_start(rig);
    }
    assert_int_equal(stamp(0, 0, SIZE, true), 0);
    rig->version = 3;
    assert_int_equal(read_all(0), 0);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(read_all(0), DFS_EAGAIN);
}

static void a_lapsed_lease_is_like_a_start(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, SIZE), 0);
    rig->lease_ms = 2000;
    rig_pass(rig, NS_PER_SEC);
    rig->nm_error = DFS_EAGAIN;
    rig_pass(rig, 5 * NS_PER_SEC);
    rig->nm_error = 0;
    rig_pass(rig, 2 * NS_PER_SEC);
    assert_int_equal(read_all(0), DFS_EAGAIN);
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, other, 10), DFS_ESTALE);
    assert_int_equal(fence(0).flags, 0);
    assert_int_equal(stamp(0, 1, SIZE, true), 0);
    rig->version = 2;
    assert_int_equal(read_all(0), 0);
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, other, 10), 0);
}

/* B13: a write is shown by the head first, once it is durable on every member; those below do not know that before the next
 * write tells them, and send readers to the head. */
static void a_write_is_shown_by_the_head_first(void **state)
{
    const uint32_t tail = 1;
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    uint32_t request = rig_send_write(rig, 0, 2, CHUNK, 4096, other, 4096, 0, 0);
    rig_step(rig); /* the head has it, the forward is on its way */
    uint32_t n = rig->n_mail;
    struct rig_mail held = rig->mail[--rig->n_mail]; /* and hangs */
    rig_run(rig);                                    /* it is durable at the head */
    assert_int_equal(rig_read(rig, 0, CHUNK, 4096, 4096, back, NULL), 0);
    assert_memory_equal(back, data + 4096, 4096);
    assert_int_equal(rig_read(rig, tail, CHUNK, 4096, 4096, back, NULL), DFS_EINFLIGHT); /* of the one before */
    rig->mail[rig->n_mail++] = held;
    assert_int_equal(rig->n_mail, n);
    rig_run(rig);
    assert_int_equal(rig->answers[request].status, 0);
    assert_int_equal(rig_read(rig, 0, CHUNK, 4096, 4096, back, NULL), 0);
    assert_memory_equal(back, other, 4096);
    assert_int_equal(rig_read(rig, tail, CHUNK, 4096, 4096, back, NULL), DFS_EINFLIGHT);
    assert_int_equal(rig_read(rig, tail, CHUNK, 8192, 4096, back, NULL), 0); /* the first one is known by now */
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 16384, other, 4096), 0);
    assert_int_equal(rig_read(rig, tail, CHUNK, 4096, 4096, back, NULL), 0);
    assert_memory_equal(back, other, 4096);
}

/* Also when a later one is taken meanwhile. */
static void those_below_are_told_of_what_is_acknowledged(void **state)
{
    const uint32_t tail = 1;
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    uint32_t first = rig_send_write(rig, 0, 2, CHUNK, 4096, other, 4096, 0, 0);
    while (rig->n_mail == 0 || rig->mail[rig->n_mail - 1].from != (int)tail)
        rig_step(rig);
    struct rig_mail held = rig->mail[--rig->n_mail]; /* the tail's answer */
    uint32_t second = rig_send_write(rig, 0, 2, CHUNK, 16384, other, 4096, 0, 0);
    rig_run(rig);
    assert_int_equal(rig->answers[second].status, 0);
    assert_int_equal(rig_read(rig, tail, CHUNK, 4096, 4096, back, NULL), DFS_EINFLIGHT);
    assert_int_equal(rig_read(rig, 0, CHUNK, 4096, 4096, back, NULL), 0);
    assert_memory_equal(back, data + 4096, 4096);
    rig->mail[rig->n_mail++] = held;
    rig_run(rig);
    assert_int_equal(rig->answers[first].status, 0);
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 32768, other, 1), 0);
    assert_int_equal(rig_read(rig, tail, CHUNK, 4096, 4096 * 4, back, NULL), 0);
    assert_memory_equal(back, other, 4096);
}

/* What the tail has, and a member before it perhaps not, is not told of by the tail: not as data, nor as a hole. */
static void the_tail_shows_nothing_before_the_head(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, 4096), 0);
    memdisk_fail(rig->disks[0][0], DISK_WRITE, 1, DFS_EIO, true);
    uint32_t request = rig_send_write(rig, 0, 2, CHUNK, 4 * SIZE, other, 4096, 0, 0);
    rig_run(rig);
    assert_int_not_equal(rig->answers[request].status, 0);
    assert_int_equal(rig_read(rig, 1, CHUNK, 4 * SIZE, 4096, back, NULL), DFS_EINFLIGHT);
    assert_int_equal(rig_map(rig, 1, CHUNK, SIZE, 8 * SIZE)->status, DFS_EINFLIGHT);
    assert_int_equal(rig_read(rig, 1, CHUNK, 8192, 4096, back, NULL), 0);
}

/* Of a write that is under way the head tells what was there before, and where: no reader has seen it yet. */
static void a_hole_is_one_until_the_write_into_it_lands(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    uint32_t request = rig_send_write(rig, 0, 2, CHUNK, 4 * SIZE, other, 4096, 0, 0);
    rig_step(rig);
    struct rig_mail held = rig->mail[--rig->n_mail];
    rig_run(rig);
    const struct rig_answer *a = rig_map(rig, 0, CHUNK, SIZE, 8 * SIZE);
    assert_int_equal(a->status, 0);
    assert_int_equal(a->n_runs, 0);
    rig->mail[rig->n_mail++] = held;
    rig_run(rig);
    assert_int_equal(rig->answers[request].status, 0);
    a = rig_map(rig, 0, CHUNK, SIZE, 8 * SIZE);
    assert_int_equal(a->n_runs, 1);
    assert_int_equal(a->runs[0].offset, 4 * SIZE);
}

/* Nobody below has taken it, but the head has: only who refuses before anything happened may call it damaged. */
static void a_write_damaged_on_its_way_down_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    uint32_t request = rig_send_write(rig, 0, 2, CHUNK, 4096, other, 4096, 0, 0);
    rig_step(rig); /* the forward is on its way */
    struct slice *at = &rig->mail[rig->n_mail - 1].payload.part[0];
    struct slice damaged = slice_copy(slice_data(*at), at->len); /* the head's own bytes stay as they are */
    slice_data(damaged)[0] ^= 1;
    slice_drop(at);
    *at = damaged;
    rig_run(rig);
    assert_int_equal(rig->answers[request].status, DFS_EUNKNOWN);
    assert_non_null(strstr(rig->answers[request].text, "server=2 the payload was damaged"));
    assert_int_equal(fence(0).sequence, 2);
}

/* What did not reach everybody stays here for the next version to decide on, and a start finds the same. */
static void a_write_that_failed_below_is_told_with_the_fence(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    rig->cut[1] = true;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 10, other, 4096), DFS_EUNKNOWN);
    for (int fenced = 0; fenced < 2; fenced++) {
        assert_int_equal(read_all(0), DFS_EINFLIGHT); /* unacknowledged: nobody may see it yet … */
        assert_int_equal(rig_read(rig, 0, CHUNK, 4096, 4096, back, NULL), DFS_EINFLIGHT);
        assert_int_equal(rig_read(rig, 0, CHUNK, 8192, SIZE - 8192, back, NULL), 0); /* … unlike all the rest */
        assert_memory_equal(back, data + 8192, SIZE - 8192);
        (void)fence(0);
    }
    memcpy(data + 10, other, 4096);
    struct wire_task_result r = fence(0);
    assert_int_equal(r.sequence, 2);
    assert_int_equal(r.crc, crc32c(0, data, SIZE));
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    struct wire_task_result again = fence(0);
    assert_int_equal(again.sequence, r.sequence);
    assert_int_equal(again.crc, r.crc);
    assert_int_equal(again.length, r.length);
}

/* Its writer may be dead, and nobody else may ask for the next version: who reads there is the one that notices. */
static void a_reader_of_what_failed_below_moves_the_version(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    rig->cut[1] = true;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 10, other, 4096), DFS_EUNKNOWN);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->unsettled, 0);
    assert_int_equal(rig_read(rig, 0, CHUNK, 0, 100, back, NULL), DFS_EINFLIGHT);
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(rig->unsettled, 1);
    assert_int_equal(rig->last_unsettled.chunk, CHUNK);
}

/* Flips a bit in this record of the first server, in its header or in its bytes. */
static void flip(struct extent e, bool header)
{
    const struct segment *s = segment_at(rig->ss[0], e.segment);
    struct record_layout l = record_layout(s->header.class, e.position, e.rec_off, e.rec_len);
    char name[DISK_NAME_MAX + 1];
    segment_name(name, sizeof name, s->header.id);
    assert_true(memdisk_flip(rig->disks[0][0], name, header ? e.position + 40ULL : l.payload + 5, 1));
}

/* The record that has the chunk's first byte. */
static struct extent first_extent(void) { return chunk_extent(index_find(&rig->ss[0]->index, CHUNK), 0); }

/* B10: a bit flips in the last record of a log, which then looks like a torn tail and is cut. That a version begins behind it, in the
 * other log, says that it had been whole: what was there before is not shown for it, at the next start neither. */
static void what_a_version_began_with_is_missed(void **state)
{
    (void)state;
    for (int header = 0; header < 2; header++) {
        teardown(NULL);
        setup(NULL);
        assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, SIZE), 0);
        assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, other, SIZE), 0);
        assert_int_equal(fence(0).error, 0);
        assert_int_equal(stamp(0, 2, SIZE, false), 0);
        rig->version = 2;
        assert_int_equal(read_all(0), 0);
        flip(first_extent(), header); /* the last of its segment */
        for (int start = 0; start < 2; start++) {
            rig_crash(rig, 0, CRASH_DROP_ALL);
            rig_start(rig);
            assert_int_equal(read_all(0), DFS_ECORRUPT);
        }
    }
}

/* The header of a record is damaged that nobody needs any more: the rest is served. */
static void damage_of_what_is_dead_is_none(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, other, SIZE), 0);
    const struct extent dead = first_extent();
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, SIZE), 0);
    assert_int_equal(fence(0).error, 0);
    assert_int_equal(stamp(0, 2, SIZE, false), 0);
    rig->version = 2;
    flip(dead, true);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(read_all(0), 0);
    assert_memory_equal(back, data, SIZE);
}

/* Of one that took no version since, its members tell each other; whoever cut something off says so. */
static void who_cut_its_log_says_so(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, SIZE), 0);
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, other, SIZE / 2), 0);
    flip(first_extent(), true);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    struct wire_task_result r = fence(0);
    assert_int_equal(r.error, 0);
    assert_int_equal(r.sequence, 1);
    assert_int_equal(r.flags, RESULT_DOUBT);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(fence(0).flags, RESULT_DOUBT); /* at the next start, too, which finds nothing to cut */
    assert_int_equal(stamp(0, 1, SIZE, true), 0);
    rig->version = 2;
    rig_pass(rig, 2 * NS_PER_SEC);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(fence(0).flags, 0); /* the version that began since was settled with the others */
}

/* B12: others go on without this copy, so it is not read any more. */
static void who_is_cut_off_is_not_read(void **state)
{
    struct wire_task t = {.kind = TASK_FENCE, .chunk = CHUNK, .version = 1, .flags = TASK_CUT_OFF};
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    assert_int_equal(fence(0).flags, RESULT_STEADY);
    assert_int_equal(read_all(0), 0);
    assert_int_equal(result_of(0, &t).flags, RESULT_CUT_OFF);
    assert_int_equal(read_all(0), DFS_EAGAIN);
    assert_int_equal(stamp(0, 1, SIZE, true), 0); /* it is wanted again, after all */
    rig->version = 2;
    assert_int_equal(read_all(0), 0);
}

/* A head that never tells what is durable everywhere: of more than is remembered, none of the chunk is read here. */
static void many_writes_that_are_never_told_of(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 4097; i++) {
        rig->n_answers = 0;
        rig->sequence = i;
        assert_int_equal(rig_write(rig, 1, 1, CHUNK, 0, data, i == 1 ? SIZE : 10), 0);
        if (i % 1024 < 2)
            assert_int_equal(rig_read(rig, 1, CHUNK, 8192, 10, back, NULL), i <= 4096 ? DFS_EINFLIGHT : DFS_EAGAIN);
    }
}

/* A fence waits for what is under way here, and answers what of it is durable. */
static void a_fence_waits_for_the_disk(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, 1000), 0);
    uint32_t request = rig_send_write(rig, 0, 1, CHUNK, 1000, data + 1000, SIZE - 1000, 0, 0);
    rig_agree(rig, 0, &(struct wire_task){.kind = TASK_FENCE, .chunk = CHUNK, .version = 1});
    rig_run(rig);
    rig_pass(rig, 100 * NS_PER_MS);
    assert_int_equal(rig->answers[request].status, 0);
    assert_int_equal(rig->n_done, 1);
    assert_int_equal(rig->done[0].error, 0);
    assert_int_equal(rig->done[0].sequence, 2);
    assert_int_equal(rig->done[0].crc, crc32c(0, data, SIZE));
}

/* B14: the answer is lost, the version moves, somebody else overwrites, the retry comes: the other's data stays. */
static void a_retry_in_the_next_version_takes_effect_once(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    uint32_t first = rig_send_write(rig, 0, 2, CHUNK, 0, data + 1, 4096, 11, 1);
    rig_run(rig);
    assert_int_equal(rig->answers[first].status, 0);
    bool restart = false;
    for (int round = 0; round < 2; round++, restart = true) {
        if (restart)
            for (uint32_t s = 0; s < 2; s++)
                rig_crash(rig, s, CRASH_DROP_ALL);
        rig_start(rig);
        for (uint32_t s = 0; s < 2; s++)
            assert_int_equal(stamp(s, fence(s).sequence, SIZE, true), 0);
        rig->version++;
        if (!restart)
            assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, other, 4096), 0);
        uint32_t late = rig_send_write(rig, 0, 2, CHUNK, 0, data + 1, 4096, 11, 1);
        rig_run(rig);
        assert_int_equal(rig->answers[late].status, 0);
        assert_int_equal(rig_write(rig, 0, 2, CHUNK, SIZE - 1, data + SIZE - 1, 1), 0); /* tells of those before */
        for (uint32_t s = 0; s < 2; s++) {
            assert_int_equal(rig_read(rig, s, CHUNK, 0, 4096, back, NULL), 0);
            assert_memory_equal(back, other, 4096);
        }
    }
}

/* A power cut at any moment of a stamp: the old version or the new one, with the same bytes. */
static void a_stamp_is_there_or_not(void **state)
{
    (void)state;
    uint32_t old = 0, new = 0;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, SIZE), 0);
    for (uint32_t steps = 0; steps < 12; steps++) {
        struct wire_task_result r = fence(0);
        struct wire_task t = {.kind = TASK_STAMP,
                              .chunk = CHUNK,
                              .version = rig->version,
                              .sequence = r.sequence,
                              .length = SIZE,
                              .to = rig->version + 1,
                              .flags = TASK_OPEN};
        uint32_t before = rig->n_done;
        rig_agree(rig, 0, &t);
        for (uint32_t i = 0; i < steps; i++)
            rig_step(rig);
        bool told = rig->n_done > before;
        rig_crash(rig, 0, (enum crash_mode)(steps % 3));
        rig_start(rig);
        rig->n_done = 0;
        bool moved = -(int)fence(0).error == DFS_ESTALE;
        assert_true(moved || !told);
        rig->version += moved;
        old += !moved;
        new += moved;
        assert_int_equal(fence(0).crc, crc32c(0, data, SIZE));
    }
    assert_true(old > 0 && new > 0);
}

static int append(uint32_t head, const void *p, uint32_t len, uint64_t number)
{
    uint32_t request = rig_send_write(rig, head, 3 - head, CHUNK, 0, p, len, 7, number);
    rig_run(rig);
    return rig->answers[request].status;
}

/* The head says where the chunk ends; a request that is repeated, there or at the next head, finds itself. */
static void an_append_goes_to_the_end_once(void **state)
{
    (void)state;
    const uint32_t first = 5000, len = 3001;
    assert_int_equal(rig_write(rig, 0, 3, CHUNK, 0, data, first), 0);
    rig->append = 20000;
    assert_int_equal(append(0, other, len, 1), 0);
    assert_int_equal(append(0, other + len, len, 2), 0);
    assert_int_equal(append(0, other, len, 1), 0);
    assert_int_equal(append(0, other, 10000, 3), DFS_EFBIG); /* whole, or not at all */
    for (uint32_t s = 0; s < 3; s++) {
        struct wire_task_result r = fence(s);
        assert_int_equal(r.length, first + 2 * len);
        assert_int_equal(stamp(s, r.sequence, r.length, true), 0);
    }
    rig->version = 2;
    assert_int_equal(append(1, other + len, len, 2), 0);
    assert_int_equal(append(1, other + 2 * len, 10, 4), 0);
    assert_int_equal(append(1, other, 1, 5), 0); /* tells of those before */
    uint32_t length = 0;
    for (uint32_t s = 1; s < 3; s++) {
        assert_int_equal(rig_read(rig, s, CHUNK, 0, first + 2 * len + 10, back, &length), 0);
        assert_int_equal(length, first + 2 * len + 11);
        assert_memory_equal(back, data, first);
        assert_memory_equal(back + first, other, 2 * len + 10);
    }
}

/* A file was made shorter: what its last chunk keeps is what a fence sums up and a stamp leaves. */
static void a_stamp_cuts(void **state)
{
    (void)state;
    const uint32_t keep = 7001;
    struct wire_task told = {.kind = TASK_FENCE, .chunk = CHUNK, .version = 1, .keep = keep};
    struct wire_task cut = {
        .kind = TASK_STAMP, .chunk = CHUNK, .version = 1, .length = SIZE, .to = 2, .sequence = 1, .keep = keep};
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, SIZE), 0);
    struct wire_task_result r = result_of(0, &told);
    assert_int_equal(r.length, SIZE);
    assert_int_equal(r.crc, crc32c(0, data, keep));
    assert_int_equal(result_of(0, &cut).error, 0);
    assert_int_equal(result_of(0, &cut).error, 0);                     /* twice does no harm */
    assert_int_equal(rig_read(rig, 0, CHUNK, 0, keep, back, NULL), 0); /* of the version before: as far as both go */
    assert_int_equal(rig_read(rig, 0, CHUNK, 0, SIZE, back, NULL), DFS_ESTALE);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    rig->version = 2;
    assert_int_equal(rig_read(rig, 0, CHUNK, 0, keep, back, NULL), 0);
    assert_memory_equal(back, data, keep);
    assert_int_equal(fence(0).length, keep);
}

/* What a disk does not read, or has failed with, is not gone: the leader must hear that it may be there, and ask again. */
static void what_cannot_be_read_now_may_be_later(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, SIZE), 0);
    memdisk_fail(rig->disks[0][0], DISK_READ, 1, DFS_EIO, false);
    assert_int_equal(-(int)fence(0).error, DFS_EIO);
    assert_int_equal(fence(0).crc, crc32c(0, data, SIZE));
    memdisk_fail(rig->disks[0][0], DISK_FLUSH, 1, DFS_EIO, false);
    assert_int_equal(stamp(0, 1, SIZE, false), DFS_EIO);
    assert_int_equal(-(int)fence(0).error, DFS_EIO);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    assert_int_equal(fence(0).crc, crc32c(0, data, SIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_version_ends_and_the_next_takes_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_version_nobody_logged_is_told_of, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stamp_fits_exactly_or_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_start_nothing_is_served_before_the_version_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lapsed_lease_is_like_a_start, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_is_shown_by_the_head_first, setup, teardown),
        cmocka_unit_test_setup_teardown(those_below_are_told_of_what_is_acknowledged, setup, teardown),
        cmocka_unit_test_setup_teardown(the_tail_shows_nothing_before_the_head, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hole_is_one_until_the_write_into_it_lands, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_damaged_on_its_way_down_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_that_failed_below_is_told_with_the_fence, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_cut_off_is_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(many_writes_that_are_never_told_of, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_of_what_failed_below_moves_the_version, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_version_began_with_is_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_of_what_is_dead_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(who_cut_its_log_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fence_waits_for_the_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retry_in_the_next_version_takes_effect_once, setup, teardown),
        cmocka_unit_test_setup_teardown(an_append_goes_to_the_end_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_now_may_be_later, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stamp_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stamp_is_there_or_not, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
