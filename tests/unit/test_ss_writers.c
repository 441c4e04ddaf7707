/* SPDX-License-Identifier: MIT */
/* Who wrote what, over versions, copies, starts and cleaning: a request that is repeated takes effect once, or its outcome is
 * unknown (CONSISTENCY B14). */
#include "ss_open.h"
#include "store/impl.h"

static int retry(uint32_t number, uint32_t first)
{
    rig->first = first;
    uint32_t id = rig_send_write(rig, 2, 1, CHUNK, 0, data, SIZE, 11, number);
    rig_run(rig);
    assert_true(rig->answers[id].done);
    return rig->answers[id].status;
}

/* Of all that is dead, and of what says who wrote, nothing is left on the disk of server 2. */
static void clean(void)
{
    enum { LENGTH = 20000 }; /* such records are moved */
    uint32_t version = rig->version, unlinks = rig->unlinks;
    rig->mapped = false;
    rig->version = 1;
    rig->first = 0;
    for (uint32_t i = 0; i < 500; i++)
        assert_int_equal(rig_write(rig, 2, 1, CHUNK + 1, 0, data, LENGTH), 0);
    rig->mapped = true;
    rig->version = version;
    rig_pass(rig, 20 * NS_PER_SEC);
    assert_true(rig->unlinks > unlinks);
}

static void restart(void)
{
    rig_crash(rig, 2, CRASH_DROP_ALL);
    rig_start(rig);
}

static void begin(uint32_t length)
{
    assert_int_equal(stamp(2, UINT64_MAX, length, true), 0);
    rig->version++;
}

/* Server 2 gets what server 0 has, sealed. */
static void copy(const void *bytes, uint64_t sequence)
{
    assert_int_equal(fence(0).sequence, sequence);
    assert_int_equal(stamp(0, sequence, SIZE, false), 0);
    rig->version++;
    rig_task(rig, 2, TASK_COPY, CHUNK, bytes, SIZE, "0");
    rig_run(rig);
    rig_pass(rig, 100 * NS_PER_MS);
}

/* B14: what was written, and written over by somebody else, is not written again because a copy does not know the first writer. */
static void a_copy_writes_nothing_again_that_it_may_hold(void **state)
{
    enum { STAYS, RESTARTED, CLEANED, BEGUN_AND_RESTARTED, ROUNDS };
    (void)state;
    for (int round = STAYS; round < ROUNDS; round++) {
        if (round > STAYS) {
            teardown(NULL);
            setup(NULL);
        }
        rig_send_write(rig, 0, 2, CHUNK, 0, data, SIZE, 11, 1);
        rig_send_write(rig, 0, 2, CHUNK, 0, other, SIZE, 12, 1);
        rig_run(rig);
        copy(other, 2);
        if (round == CLEANED || round == BEGUN_AND_RESTARTED)
            clean();
        if (round == BEGUN_AND_RESTARTED)
            begin(SIZE); /* it remembers, and says so again */
        if (round > STAYS)
            restart();
        begin(SIZE);
        bool forgot = round == CLEANED;
        assert_int_equal(retry(1, 1), forgot ? DFS_ENODATA : 0);
        assert_int_equal(read_all(2), 0);
        assert_memory_equal(back, other, SIZE);
        assert_int_equal(retry(2, 2), forgot ? DFS_ENODATA : 0); /* its source would have known */
        assert_int_equal(read_all(2), 0);
        assert_memory_equal(back, forgot ? other : data, SIZE);
        assert_int_equal(retry(3, rig->version), 0); /* in this version it would be known */
        assert_int_equal(retry(4, 0), 0);
    }
}

/* … but what came to it later, in another version, is known after a start. */
static void a_copy_knows_what_came_later(void **state)
{
    (void)state;
    assert_int_equal(rig_write(rig, 0, 2, CHUNK, 0, data, SIZE), 0);
    copy(data, 1);
    begin(SIZE);
    clean();
    rig_send_write(rig, 2, 1, CHUNK, 0, other, SIZE / 2, 12, 1);
    rig_run(rig);
    restart();
    begin(SIZE);
    assert_int_equal(retry(1, 2), DFS_ENODATA);
    assert_int_equal(retry(2, 3), 0);
}

/* B14: nor because its record was cleaned away, all of it or the part that was written over, before a restart. */
static void what_was_cleaned_away_is_not_written_again(void **state)
{
    enum { LENGTH = 20000 }; /* such records are moved */
    (void)state;
    for (uint32_t kept = 0; kept <= LENGTH / 2; kept += LENGTH / 2) {
        if (kept) {
            teardown(NULL);
            setup(NULL);
        }
        rig->first = 0;
        rig_send_write(rig, 2, 1, CHUNK, 0, data, LENGTH, 11, 1);
        rig_send_write(rig, 2, 1, CHUNK, LENGTH, data, LENGTH, 12, 1);
        rig_send_write(rig, 2, 1, CHUNK, kept, other, LENGTH - kept, 12, 2);
        rig_run(rig);
        clean();
        restart();
        begin(2 * LENGTH);
        rig->first = 1;
        assert_int_equal(rig_read(rig, 2, CHUNK, 0, LENGTH, back, NULL), 0);
        assert_memory_equal(back, data, kept);
        assert_memory_equal(back + kept, other, LENGTH - kept);
        uint32_t again = rig_send_write(rig, 2, 1, CHUNK, 0, data, LENGTH, 11, 1);
        rig_run(rig);
        assert_int_equal(rig->answers[again].status, DFS_ENODATA);
        /* what is sent again, and never came, is no matter where nobody else has written since */
        uint32_t others = rig_send_write(rig, 2, 1, CHUNK, LENGTH, other, 10, 13, 1);
        uint32_t own = rig_send_write(rig, 2, 1, CHUNK, LENGTH, other, 10, 12, 3);
        rig_run(rig);
        assert_int_equal(rig->answers[others].status, DFS_ENODATA);
        assert_int_equal(rig->answers[own].status, 0);
        assert_int_equal(retry(2, 2), 0); /* in this version it would be known */
    }
}

/* What a retry that was sent first in version 1, behind that write, is told at server 2. */
static int other_retry(uint64_t session, uint32_t after, uint32_t offset, uint32_t length)
{
    rig->first = 1;
    rig->after = after;
    uint32_t id = rig_send_write(rig, 2, 1, CHUNK, offset, data, length, session, 1);
    rig_run(rig);
    assert_true(rig->answers[id].done);
    return rig->answers[id].status;
}

/* B14: nor because its record was one of its version's last, all of them cleaned away. */
static void the_last_of_a_version_are_missed(void **state)
{
    enum { LENGTH = 20000 };
    (void)state;
    rig_send_write(rig, 2, 1, CHUNK, LENGTH, data, LENGTH, 12, 1);
    rig_send_write(rig, 2, 1, CHUNK, 0, data, LENGTH, 11, 1);
    rig_run(rig);
    assert_int_equal(fence(2).sequence, 2);
    assert_int_equal(stamp(2, 2, 2 * LENGTH, true), 0);
    rig->version = 2;
    rig_send_write(rig, 2, 1, CHUNK, 0, other, LENGTH, 12, 2);
    rig_run(rig);
    clean();
    restart();
    begin(2 * LENGTH);
    assert_int_equal(other_retry(11, 0, 0, LENGTH), DFS_ENODATA);
    assert_int_equal(rig_read(rig, 2, CHUNK, 0, LENGTH, back, NULL), 0);
    assert_memory_equal(back, other, LENGTH);
    rig->first = 2;
    uint32_t later = rig_send_write(rig, 2, 1, CHUNK, 0, data, LENGTH, 13, 1);
    rig_run(rig);
    assert_int_equal(rig->answers[later].status, 0); /* that would be known */
}

/* What its writer knew to be done when it sent a request is not what came over it. */
static void what_a_write_came_behind_does_not_hide_it(void **state)
{
    (void)state;
    rig_send_write(rig, 2, 1, CHUNK, 0, data, 1000, 12, 1);
    rig_run(rig);
    assert_int_equal(rig_write(rig, 2, 1, CHUNK, 1000, data, 1000), 0); /* says not whose it is: known in part, up to here */
    restart();
    begin(2000);
    assert_int_equal(other_retry(11, 0, 0, 1000), DFS_ENODATA);
    assert_int_equal(other_retry(11, 1, 0, 1000), 0);
}

/* 1026 writers, of which 1024 are remembered; server 2 has a copy, or has it all along. */
static void fill_memory(uint32_t head)
{
    for (uint32_t i = 0; i < 1025; i++) {
        rig_send_write(rig, head, 1, CHUNK, 0, data, 10, 100 + i, 1);
        rig_run(rig);
        assert_int_equal(rig->answers[rig->n_answers - 1].status, 0);
    }
    rig_send_write(rig, head, 1, CHUNK, 0, other, SIZE, 99, 1);
    rig_run(rig);
}

static void more_writers_than_are_remembered(void **state)
{
    (void)state;
    fill_memory(2);
    for (int restarted = 0; restarted < 2; restarted++) {
        if (restarted) {
            restart();
            begin(SIZE);
        }
        assert_int_equal(other_retry(100 + 1024, 0, 0, 10), 0);
        assert_int_equal(other_retry(102, 0, 0, 10), 0);
        assert_int_equal(other_retry(101, 0, 0, 10), DFS_ENODATA);
        assert_int_equal(other_retry(100, 0, 0, 10), DFS_ENODATA);
        assert_int_equal(other_retry(50, 1, 0, 10), DFS_ENODATA);
        assert_int_equal(read_all(2), 0);
        assert_memory_equal(back, other, SIZE);
    }
    assert_int_equal(other_retry(50, 2, 0, 10), 0); /* behind those that are forgotten */
}

static void a_copy_is_told_what_its_source_forgot(void **state)
{
    (void)state;
    fill_memory(0);
    copy(other, 1026);
    begin(SIZE);
    assert_int_equal(other_retry(102, 0, 0, 10), 0);
    assert_int_equal(other_retry(101, 0, 0, 10), DFS_ENODATA);
    assert_int_equal(other_retry(50, 1, 0, 10), DFS_ENODATA);
    assert_int_equal(read_all(2), 0);
    assert_memory_equal(back, other, SIZE);
    assert_int_equal(other_retry(50, 2, 0, 10), 0);
    assert_int_equal(other_retry(101, 0, 0, 10), DFS_ENODATA); /* what goes now is the oldest: 102 */
    assert_int_equal(other_retry(102, 0, 0, 10), DFS_ENODATA);
    assert_int_equal(other_retry(103, 0, 0, 10), 0);
}

/* One who wrote much since, and has all answers but the last, does not push out those who wait for theirs: 64 go to the disk. */
static void who_has_his_answers_is_not_told_of(void **state)
{
    (void)state;
    rig_send_write(rig, 0, 1, CHUNK, 0, data, SIZE, 12, 1);
    for (uint32_t i = 1; i <= 70; i++) {
        uint32_t mine = i <= 60 ? i : 1;
        rig->seen = i <= 60 ? i : 0;
        rig_send_write(rig, 0, 1, CHUNK, 0, data, 10, i <= 60 ? 11 : i, mine);
        rig_run(rig);
    }
    rig_send_write(rig, 0, 1, CHUNK, 0, other, SIZE, 99, 1);
    rig_run(rig);
    copy(other, 72);
    restart();
    begin(SIZE);
    assert_int_equal(other_retry(12, 0, 0, SIZE), 0);
    rig_send_write(rig, 2, 1, CHUNK, 0, data, 10, 11, 60);
    rig_run(rig);
    assert_int_equal(rig->answers[rig->n_answers - 1].status, 0);
    assert_int_equal(read_all(2), 0);
    assert_memory_equal(back, other, SIZE);
}

static void tell(struct open_chunk *o, uint32_t ago, uint64_t sequence, uint64_t session)
{
    open_note_told(o, &(struct record){.version = 5,
                                       .flags = (uint8_t)(RECORD_DATA | ago << WRITER_AGO_SHIFT),
                                       .sequence = sequence,
                                       .session = session,
                                       .number = 1});
}

/* After a start: version 5 began, and says that there are two writers behind (3, 7). */
static void a_table_counts_if_all_of_it_is_there(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 3; n++) {
        struct open_chunk o = {.version = 5};
        open_note_told(&o, &(struct record){.version = 4, .number = order_of(1, 0)}); /* an older one */
        if (n > 1)
            tell(&o, 1, 9, 11);
        open_note_told(&o, &(struct record){.version = 5, .number = order_of(3, 7), .length = 2});
        tell(&o, 1, 8, 12);
        if (n == 3)
            tell(&o, 2, 7, 13); /* cannot be */
        open_miss(&o);
        assert_int_equal(o.forgot, n == 2 ? order_of(3, 7) : order_of(5, 0));
        free(o.recent);
    }
}

/* Records of its own may say more than the table. */
static void what_a_table_leaves_out_may_be_there(void **state)
{
    struct open_chunk o = {.version = 5};
    (void)state;
    open_note_told(&o, &(struct record){.version = 5, .number = order_of(3, 7), .length = 1});
    tell(&o, 1, 1, 11);
    for (uint32_t sequence = 5; sequence < 8; sequence++) {
        struct ss ss;
        list_init(&ss.open_lru);
        list_init(&o.lru);
        open_note(&ss, &o, &(struct record){.version = 3, .sequence = sequence, .session = 20 + sequence, .number = 1}, NULL);
        list_remove(&o.lru);
    }
    o.sequence = 0;
    open_miss(&o);
    assert_int_equal(o.forgot, order_of(3, 4));
    free(o.recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_copy_writes_nothing_again_that_it_may_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_knows_what_came_later, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_cleaned_away_is_not_written_again, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_of_a_version_are_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_write_came_behind_does_not_hide_it, setup, teardown),
        cmocka_unit_test_setup_teardown(more_writers_than_are_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_is_told_what_its_source_forgot, setup, teardown),
        cmocka_unit_test_setup_teardown(who_has_his_answers_is_not_told_of, setup, teardown),
        cmocka_unit_test(a_table_counts_if_all_of_it_is_there),
        cmocka_unit_test(what_a_table_leaves_out_may_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
