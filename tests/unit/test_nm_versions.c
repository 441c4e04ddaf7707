/* SPDX-License-Identifier: MIT */
/* How the leader opens chunks for writing and seals them again (CONSISTENCY B10 to B13); the StorageServers are played. */
#include "nm_versions.h"

static void a_chunk_is_made_sealed_and_opened_again(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 2);
    open_new(f);
    assert_int_equal(f->n_chain, 2);
    uint64_t chunk = f->chunk;

    opened(f, ask_open(f, 0)); /* another writer gets the same */
    assert_true(f->chunk == chunk && f->version == 1);
    struct msg m = {.type = MSG_TYPE_chunk_open, .chunk_open = {.session = f->r.session, .handle = f->handle, .was = chunk}};
    for (int gone = 0; gone < 2; gone++, m.chunk_open.was = 999) {
        uint32_t again = rig_send(&f->r, &m);
        rig_settle(&f->r);
        opened(f, again);
        assert_int_equal(f->r.answers[again].msg.chunk_open_reply.cut, gone ? CHUNK_CUT_LONG_AGO : 0);
    }
    assert_true(chunk_info(f).open);
    close_file(f);
    moment(f);
    for (uint32_t i = 0; i < 2; i++)
        fenced(f, f->chain[i], 7, RESULT_STEADY);
    assert_true(chunk_info(f).open); /* not before all hold it for good */
    for (uint32_t i = 0; i < 2; i++)
        stamped(f, f->chain[i], 7, 2, 0);
    assert_false(chunk_info(f).open);
    assert_int_equal(chunk_info(f).version, 2);
    assert_int_equal(chunk_info(f).length, LENGTH);
    assert_int_equal(chunk_info(f).crc, CRC);
    open_file(f, 2);
    uint32_t id = ask_open(f, 0);

    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(f->r.answers[id].times, 0);
        stamped(f, f->chain[i], UINT64_MAX, 3, TASK_OPEN);
    }
    opened(f, id);
    assert_int_equal(f->version, 3);
    assert_true(f->chunk == chunk);
    stop(f);
}

static void nothing_written_leaves_a_hole(void **state)
{
    struct fixture *f;
    (void)state;
    start_closed(&f, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(told(f, f->chain[i]).kind, TASK_FENCE);
        tell(f, f->chain[i], (struct wire_task_result){.kind = TASK_FENCE, .version = 1, .flags = RESULT_STEADY});
    }
    for (uint32_t i = 0; i < 2; i++) { /* it may be written again under another number, and is read there then */
        assert_int_equal(copies(f), 2);
        cut_off(f, f->chain[i]);
    }
    assert_int_equal(copies(f), 0); /* it is not known any more */
    stop(f);
}

/* One says what it holds and is lost, before the last has said so: it is not waited for. */
static void who_is_lost_after_its_fence_is_left_out(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 2);
    open_new(f);
    assert_int_equal(f->n_chain, 2);
    uint32_t stays = f->chain[0], lost = f->chain[1];

    close_file(f);
    moment(f);
    fenced(f, lost, 4, RESULT_STEADY);
    f->silent[lost] = true;
    for (int i = 0; i < 16; i++)
        moment(f);
    fenced(f, stays, 4, RESULT_STEADY);
    stamped(f, stays, 4, 2, 0);
    assert_true(chunk_info(f).open);
    struct wire_task t = told(f, stays);
    assert_int_equal(t.kind, TASK_FENCE);
    tell(f, stays,
         (struct wire_task_result){
             .kind = TASK_FENCE, .version = 2, .sequence = 4, .length = LENGTH, .crc = CRC, .flags = RESULT_STEADY});
    stamped(f, stays, 4, 3, 0);
    assert_false(chunk_info(f).open);
    assert_int_equal(chunk_info(f).version, 3);
    assert_int_equal(copies(f), 1);
    stop(f);
}

/* The file is made shorter twice, with a change of leader between: what a server says of the first fence, late, sums up other bytes
 * than stay after the second. */
static void a_fence_for_another_length_is_asked_again(void **state)
{
    const uint32_t keep = LENGTH - 1000, crc = 0x77;
    struct fixture *f;
    (void)state;
    start(&f, 2);
    open_new(f);
    struct msg m = {.type = MSG_TYPE_truncate};
    m.truncate = (struct msg_truncate){.id = next_id(&f->r), .dir = ROOT_INO, .path = STR("f"), .size = LENGTH};
    assert_int_equal(rig_call(&f->r, &m, NULL), 0);
    m.truncate.id = next_id(&f->r);
    m.truncate.size = keep;
    uint32_t id = rig_send(&f->r, &m);
    rig_settle(&f->r);
    sealed_by_all(f);
    rig_settle(&f->r);
    assert_int_equal(f->r.answers[id].err, 0);
    f->version = 2;
    for (uint32_t i = 0; i < 2; i++) {
        struct wire_task t = told(f, f->chain[i]);
        struct wire_task_result r = {.kind = TASK_FENCE, .version = 2, .length = LENGTH, .flags = RESULT_STEADY};
        assert_int_equal(t.kind, TASK_FENCE);
        assert_int_equal(t.keep, keep);
        for (int late = 1; late >= 0; late--) {
            r.crc = late ? CRC : crc;
            r.epoch = 0 - (uint64_t)late;
            tell(f, f->chain[i], r);
        }
    }
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(told(f, f->chain[i]).kind, TASK_STAMP);
        tell(f, f->chain[i], (struct wire_task_result){.kind = TASK_STAMP, .version = 3, .length = keep});
    }
    assert_false(chunk_info(f).open);
    assert_int_equal(chunk_info(f).version, 3);
    assert_int_equal(chunk_info(f).length, keep);
    assert_int_equal(chunk_info(f).crc, crc);
    stop(f);
}

/* Three copies, one server is cut off: the writer goes on with two, once its lease is over. */
static void a_lost_member_is_left_out_when_its_lease_is_over(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 3);
    open_new(f);
    assert_int_equal(f->n_chain, 3);
    uint32_t lost = f->chain[2];

    f->silent[lost] = true;
    uint32_t id = ask_open(f, 1);

    fenced(f, f->chain[0], 4, RESULT_STEADY);
    fenced(f, f->chain[1], 4, RESULT_STEADY);
    assert_true(chunk_info(f).open);
    assert_int_equal(copies(f), 3);
    uint64_t silent = f->r.now.mono; /* the one that is cut off may still answer readers */
    while (f->r.now.mono - silent < 1950 * NS_PER_MS)
        assert_false(told_now(f, f->chain[0])), assert_int_equal(copies(f), 3), moment(f);
    for (int i = 0; i < 6; i++)
        moment(f);
    stamped(f, f->chain[0], 4, 2, 0);
    stamped(f, f->chain[1], 4, 2, 0);
    assert_int_equal(copies(f), 2);
    assert_int_equal(chunk_info(f).version, 2);
    if (f->r.answers[id].times > 0) /* told to come again meanwhile */
        id = ask_open(f, 1);
    stamped(f, f->chain[0], UINT64_MAX, 3, TASK_OPEN);
    stamped(f, f->chain[1], UINT64_MAX, 3, TASK_OPEN);
    opened(f, id);
    assert_int_equal(f->version, 3);
    assert_int_equal(f->n_chain, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_true(f->chain[i] != lost);
    stop(f);
}

/* The longest history wins, and who has less is left out. */
static void a_member_that_has_less_is_left_out(void **state)
{
    struct fixture *f;
    (void)state;
    start_closed(&f, 3);
    fenced(f, f->chain[0], 4, RESULT_STEADY);
    fenced(f, f->chain[1], 5, RESULT_STEADY);
    fenced(f, f->chain[2], 5, RESULT_STEADY);
    stamped(f, f->chain[1], 5, 2, 0);
    stamped(f, f->chain[2], 5, 2, 0);
    assert_true(chunk_info(f).open); /* B12: it may still answer readers */
    tell(f, f->chain[0], /* what it said of the first fence, once more */
         (struct wire_task_result){.kind = TASK_FENCE, .version = 1, .sequence = 4, .length = LENGTH, .crc = CRC});
    assert_true(chunk_info(f).open);
    moment(f);
    cut_off(f, f->chain[0]);
    assert_int_equal(copies(f), 2);
    assert_false(chunk_info(f).open);
    stop(f);
}

/* … or perhaps has less: where something was cut off a log, the last of what was acknowledged may have been. */
static void a_member_in_doubt_goes_behind_the_others(void **state)
{
    struct fixture *f;
    (void)state;
    start_closed(&f, 2);
    fenced(f, f->chain[0], 6, RESULT_DOUBT);
    fenced(f, f->chain[1], 5, RESULT_STEADY);
    stamped(f, f->chain[1], 5, 2, 0);
    cut_off(f, f->chain[0]);
    assert_int_equal(copies(f), 1);
    stop(f);
}

/* Nobody may write to the chunk any more, and its readers need the one that has no bad copy. */
static void a_bad_copy_of_an_open_chunk_ends_its_version(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 2);
    open_new(f);
    for (int i = 0; i < 4; i++)
        moment(f);
    assert_int_equal(told(f, f->chain[0]).kind, 0);
    struct msg m = {.type = MSG_TYPE_chunk_suspect,
                    .chunk_suspect = {.chunk = f->chunk, .version = 1, .server = f->chain[0]}};
    assert_int_equal(rig_call(&f->r, &m, NULL), 0);
    moment(f);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(told(f, f->chain[i]).kind, TASK_FENCE);
    stop(f);
}

/* … or gone: then its lease is over. */
static void a_member_that_has_less_dies(void **state)
{
    struct fixture *f;
    (void)state;
    start_closed(&f, 2);
    fenced(f, f->chain[0], 4, RESULT_STEADY);
    fenced(f, f->chain[1], 5, RESULT_STEADY);
    stamped(f, f->chain[1], 5, 2, 0);
    f->silent[f->chain[0]] = true;
    for (int i = 0; i < 6; i++)
        assert_true(chunk_info(f).open), moment(f);
    for (int i = 0; i < 6; i++)
        moment(f);
    assert_false(chunk_info(f).open);
    assert_int_equal(copies(f), 1);
    stop(f);
}

/* B11: nobody served without a break, so nobody may decide alone. */
static void after_a_loss_of_power_all_are_waited_for(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 2);
    open_new(f);
    f->silent[f->chain[1]] = true;
    close_file(f);
    moment(f);
    fenced(f, f->chain[0], 4, 0);
    for (int i = 0; i < 40; i++)
        moment(f);
    assert_true(chunk_info(f).open);
    f->silent[f->chain[1]] = false;
    moment(f);
    fenced(f, f->chain[1], 4, 0);
    stamped(f, f->chain[0], 4, 2, 0);
    stamped(f, f->chain[1], 4, 2, 0);
    assert_false(chunk_info(f).open);
    assert_int_equal(copies(f), 2);
    stop(f);
}

/* B11: only an administrator may say that the others go on; and a member that lives still has to tell. */
static void a_lost_member_may_be_given_up(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 3);
    open_new(f);
    f->silent[f->chain[2]] = true;
    close_file(f);
    moment(f);
    fenced(f, f->chain[0], 4, 0);
    for (int i = 0; i < 20; i++)
        moment(f);
    assert_int_equal(give_up(f), 0); /* one that is there has not told yet */
    assert_int_equal(waiting(f), 0);
    fenced(f, f->chain[1], 5, 0);
    assert_true(chunk_info(f).open);
    assert_int_equal(waiting(f), 1);
    assert_int_equal(fsck_waiting(f), 1);
    f->ino++;
    assert_int_equal(give_up(f), 0); /* of another file */
    f->ino--;
    assert_int_equal(waiting(f), 1);
    assert_int_equal(give_up(f), 1);
    stamped(f, f->chain[1], 5, 2, 0);
    cut_off(f, f->chain[0]);
    assert_false(chunk_info(f).open);
    assert_int_equal(copies(f), 1);
    assert_int_equal(waiting(f), 0);
    assert_int_equal(fsck_waiting(f), 0);
    stop(f);
}

/* What was stamped for a leader that did not live to log it has a version the map does not know. */
static void a_stamp_nobody_logged_is_gone_past(void **state)
{
    struct fixture *f;
    (void)state;
    start_closed(&f, 2);
    sealed_by_all(f);
    open_file(f, 2);
    uint32_t id = ask_open(f, 0);

    assert_int_equal(told(f, f->chain[0]).to, 3);
    tell(f, f->chain[0],
         (struct wire_task_result){
             .kind = TASK_STAMP, .error = -DFS_ESTALE, .version = 5, .sequence = 0, .length = LENGTH});
    assert_int_equal(told(f, f->chain[1]).to, 3);
    tell(f, f->chain[1], (struct wire_task_result){.kind = TASK_STAMP, .version = 3, .length = LENGTH});
    moment(f);
    stamped(f, f->chain[0], 0, 6, TASK_OPEN);
    stamped(f, f->chain[1], UINT64_MAX, 6, TASK_OPEN);
    opened(f, id);
    assert_int_equal(f->version, 6);
    stop(f);
}

static void who_may_not_write_opens_nothing(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 2);
    f->handle += 100;
    uint32_t id = ask_open(f, 0);

    assert_int_equal(f->r.answers[id].err, DFS_EBADF);
    for (uint32_t s = 1; s <= SERVERS; s++)
        f->silent[s] = true;
    f->handle -= 100;
    for (int i = 0; i < 20; i++)
        moment(f);
    id = ask_open(f, 0);
    assert_int_equal(f->r.answers[id].err, DFS_ENOSERVERS);
    stop(f);
}

/* --- locks (C19) --- */

static uint64_t lock_file(struct fixture *f, uint64_t session, uint64_t number, uint64_t handle)
{
    struct msg m = {.type = MSG_TYPE_lock};
    const struct msg *reply;

    m.lock = (struct msg_lock){.id = {.session = session, .number = number, .seen = number},
                               .handle = handle,
                               .space = LOCK_FILE,
                               .type = LOCK_EXCLUSIVE,
                               .flags = LOCK_WAIT,
                               .end = UINT64_MAX};
    assert_int_equal(rig_call(&f->r, &m, &reply), 0);
    return reply->lock_reply.ticket;
}

struct waiter {
    uint64_t session, ticket;
};

/* Another client, which waits for the lock the first one has. */
static struct waiter other_waits(struct fixture *f)
{
    struct waiter w = {0};
    struct msg m = {.type = MSG_TYPE_session_open, .session_open = {.nonce = 99, .who = STR("other")}};
    const struct msg *reply;

    assert_int_equal(lock_file(f, f->r.session, ++f->r.number, f->handle), 0);
    assert_int_equal(rig_call(&f->r, &m, &reply), 0);
    w.session = reply->session_open_reply.session;
    m = (struct msg){.type = MSG_TYPE_open};
    m.open = (struct msg_open){
        .id = {.session = w.session, .number = 1, .seen = 1}, .dir = ROOT_INO, .path = STR("f"), .flags = OPEN_WRITE};
    assert_int_equal(rig_call(&f->r, &m, &reply), 0);
    w.ticket = lock_file(f, w.session, 2, reply->open_reply.handle);
    assert_true(w.ticket != 0);
    return w;
}

static bool still_waits(struct fixture *f, struct waiter w)
{
    struct msg m = {.type = MSG_TYPE_hold, .hold = {.session = w.session, .oldest = UINT64_MAX}};

    assert_int_equal(rig_call(&f->r, &m, NULL), 0);
    return meta_lock_waits(nm_meta(f->r.nm), w.session, w.ticket);
}

static void a_lock_passes_on_when_its_holders_chunks_have_moved(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 2);
    open_new(f);
    struct waiter w = other_waits(f);

    for (int i = 0; i < 4 * 29; i++) {
        moment(f);
        assert_true(still_waits(f, w));
    }
    for (int i = 0; i < 4 * 4; i++) { /* it is not heard of for 30 s */
        moment(f);
        assert_true(still_waits(f, w));
    }
    assert_false(meta_session_exists(nm_meta(f->r.nm), f->r.session));
    assert_int_equal(f->r.answers[ask_open(f, 1)].err, DFS_EBADF);
    for (uint32_t i = 0; i < 2; i++)
        fenced(f, f->chain[i], 7, RESULT_STEADY);
    assert_true(still_waits(f, w));
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(still_waits(f, w));
        stamped(f, f->chain[i], 7, 2, 0);
    }
    moment(f);
    assert_int_equal(chunk_info(f).version, 2);
    assert_false(still_waits(f, w));
    stop(f);
}

/* Another leader does not know what was fenced, and begins anew. */
static void a_fence_survives_its_leader(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 2);
    open_new(f);
    struct waiter w = other_waits(f);
    struct msg m = {.type = MSG_TYPE_session_close, .session_close = {.id = next_id(&f->r)}};

    assert_int_equal(rig_call(&f->r, &m, NULL), 0);
    fenced(f, f->chain[0], 7, RESULT_STEADY);
    assert_true(still_waits(f, w));
    rig_stop(&f->r);
    rig_start(&f->r, false);
    memset(f->next, 0, sizeof f->next);
    heartbeats(f);
    for (uint32_t i = 0; i < 2; i++)
        fenced(f, f->chain[i], 7, RESULT_STEADY);
    assert_true(still_waits(f, w));
    for (uint32_t i = 0; i < 2; i++)
        stamped(f, f->chain[i], 7, 2, 0);
    moment(f);
    assert_false(still_waits(f, w));
    stop(f);
}

/* A version that began too late to be fenced is not told. */
static void who_has_ended_is_told_no_version(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 2);
    open_new(f);
    struct waiter w = other_waits(f);
    uint32_t id = ask_open(f, 1);
    struct msg m = {.type = MSG_TYPE_session_close, .session_close = {.id = next_id(&f->r)}};

    assert_int_equal(rig_call(&f->r, &m, NULL), 0);
    sealed_by_all(f);
    assert_false(still_waits(f, w));
    for (uint32_t i = 0; i < 2; i++)
        stamped(f, f->chain[i], UINT64_MAX, 3, TASK_OPEN);
    assert_int_equal(f->r.answers[id].times, 1);
    assert_int_equal(f->r.answers[id].err, DFS_EBADF);
    stop(f);
}

/* That is another error than servers that are gone, which may be waited for. */
static void full_servers_take_no_new_chunk(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 2);
    for (uint32_t server = 1; server < SERVERS; server++) {
        struct msg m = {.type = MSG_TYPE_heartbeat};
        m.heartbeat = (struct msg_heartbeat){
            .server = server, .incarnation = server * 10, .capacity = 100 * GIB, .used = 99 * GIB};
        assert_int_equal(rig_call(&f->r, &m, NULL), 0);
    }
    uint32_t id = ask_open(f, 0);
    assert_int_equal(f->r.answers[id].times, 1);
    assert_int_equal(-(int)f->r.answers[id].msg.error.code, DFS_ENOSPC);
    stop(f);
}

/* What the NameServer heard last of their space may be old. */
static void a_server_without_space_says_so(void **state)
{
    struct fixture *f;
    (void)state;
    start(&f, 2);
    uint32_t id = ask_open(f, 0), asked = 0;
    for (uint32_t server = 1; server <= SERVERS; server++) {
        struct wire_task t = told(f, server);
        if (t.kind != TASK_STAMP)
            continue;
        f->chunk = t.chunk;
        asked++;
        tell(f, server, asked == 1 ? (struct wire_task_result){.kind = TASK_STAMP, .version = 1}
                                   : (struct wire_task_result){.kind = TASK_STAMP, .error = (uint16_t)-DFS_ENOSPC});
    }
    assert_int_equal(asked, 2);
    assert_int_equal(f->r.answers[id].times, 1);
    assert_int_equal(-(int)f->r.answers[id].msg.error.code, DFS_ENOSPC);
    stop(f);
}

static void unsettled(struct fixture *f, uint32_t server, uint32_t version)
{
    struct wire_chunk_id id = {.chunk = f->chunk, .version = version};
    struct msg m = {.type = MSG_TYPE_heartbeat};

    m.heartbeat = (struct msg_heartbeat){.server = server,
                                         .incarnation = server * 10,
                                         .capacity = 100 * GIB,
                                         .used = GIB,
                                         .unsettled = &id,
                                         .n_unsettled = 1};
    assert_int_equal(rig_call(&f->r, &m, NULL), 0);
}

/* A leader before this one stamped it, and could not log it. */
static void a_version_that_was_never_logged_is_ended(void **state)
{
    struct fixture *f;

    (void)state;
    start(&f, 2);
    open_new(f);
    unsettled(f, f->chain[0], f->version - 1); /* of long ago */
    for (int i = 0; i < 20; i++)
        assert_false(told_now(f, f->chain[0])), moment(f);
    unsettled(f, f->chain[0], f->version + 1);
    assert_int_equal(told(f, f->chain[0]).kind, TASK_FENCE);
    assert_int_equal(told(f, f->chain[1]).kind, TASK_FENCE);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_is_made_sealed_and_opened_again),
        cmocka_unit_test(full_servers_take_no_new_chunk),
        cmocka_unit_test(a_server_without_space_says_so),
        cmocka_unit_test(nothing_written_leaves_a_hole),
        cmocka_unit_test(a_lost_member_is_left_out_when_its_lease_is_over),
        cmocka_unit_test(who_is_lost_after_its_fence_is_left_out),
        cmocka_unit_test(a_fence_for_another_length_is_asked_again),
        cmocka_unit_test(a_member_that_has_less_is_left_out),
        cmocka_unit_test(a_member_in_doubt_goes_behind_the_others),
        cmocka_unit_test(a_bad_copy_of_an_open_chunk_ends_its_version),
        cmocka_unit_test(a_member_that_has_less_dies),
        cmocka_unit_test(after_a_loss_of_power_all_are_waited_for),
        cmocka_unit_test(a_lost_member_may_be_given_up),
        cmocka_unit_test(a_stamp_nobody_logged_is_gone_past),
        cmocka_unit_test(who_may_not_write_opens_nothing),
        cmocka_unit_test(a_lock_passes_on_when_its_holders_chunks_have_moved),
        cmocka_unit_test(a_fence_survives_its_leader),
        cmocka_unit_test(who_has_ended_is_told_no_version),
        cmocka_unit_test(a_version_that_was_never_logged_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
