/* SPDX-License-Identifier: MIT */
/* A cluster's next life out of a backup: nothing handed out before is handed out again, what the backup does not know is
 * kept, and a file that is not a whole backup is refused. */
#include "nm_rig.h"

#include "base/crc.h"
#include "group/backup.h"

#define WALL (1800000000LL * (int64_t)NS_PER_SEC) /* 2027 */

struct fixture {
    struct rig rig;      /* the cluster */
    struct disk *copy;   /* of its snapshot, as the file "backup" */
    struct disk *folder; /* restored */
    struct nm_restored restored;
    char why[512];
    uint64_t index, epoch, reserved;
    uint64_t chunks[4]; /* published before the backup, unpublished before, published after, removed before */
};

static void publish(struct rig *r, const char *path, const struct wire_granted *g)
{
    struct msg m = {.type = MSG_TYPE_publish};
    struct wire_published p = {.length = 5, .crc = crc32c(0, "hello", 5), .grant = g->grant};

    m.publish.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.publish.dir = ROOT_INO;
    m.publish.path = str_of(path);
    m.publish.mode = 0644;
    m.publish.size = 5;
    m.publish.chunks = &p;
    m.publish.n_chunks = 1;
    assert_int_equal(rig_call(r, &m, NULL), 0);
}

static void unlink_path(struct rig *r, const char *path)
{
    struct msg m = {.type = MSG_TYPE_unlink};

    m.unlink.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    m.unlink.dir = ROOT_INO;
    m.unlink.path = str_of(path);
    assert_int_equal(rig_call(r, &m, NULL), 0);
}

static uint64_t backup_index(struct rig *r)
{
    struct msg m = {.type = MSG_TYPE_nm_backup};
    const struct msg *reply;

    assert_int_equal(rig_call(r, &m, &reply), 0);
    m.nm_backup.after = reply->nm_backup_reply.after;
    assert_true(m.nm_backup.after > 0);
    rig_settle(r);
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_true(reply->nm_backup_reply.index >= m.nm_backup.after);
    return reply->nm_backup_reply.index;
}

/* Keeps the newest snapshot of the cluster. */
static void copy_snapshot(struct fixture *f, uint64_t index)
{
    char name[64];
    const uint8_t *p = NULL;
    uint64_t size = 0;

    for (uint64_t term = 1; term < 10 && p == NULL; term++) {
        snprintf(name, sizeof name, "snap-%016" PRIx64 "-%" PRIu64, index, term);
        p = memdisk_peek(f->rig.disk, name, &size);
    }
    assert_non_null(p);
    assert_int_equal(f->copy->ops->write(f->copy, "backup", 0, p, size), 0);
}

static int restore(struct fixture *f, int64_t wall)
{
    struct nm_life life = {.uuid_hi = 7, .uuid_lo = 8, .wall = wall, .segment_bytes = SEGMENT};

    memdisk_free(f->folder);
    f->folder = memdisk_new(9, 64 * MIB);
    f->why[0] = '\0';
    return nm_restore(f->copy, "backup", f->folder, &life, &f->restored, f->why, sizeof f->why);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct rig *r = &f->rig;
    const struct msg *reply;
    struct msg m;

    *state = f;
    rig_init(r, 5, 64 * MIB);
    f->copy = memdisk_new(6, 64 * MIB);
    f->folder = memdisk_new(7, 64 * MIB);
    rig_start(r, true);
    rig_session(r);
    assert_int_equal(rig_register(r, 1, "127.0.0.1:4621"), 1);
    assert_int_equal(rig_register(r, 2, "127.0.0.1:4622"), 2);
    m = rig_mkdir(r, "/before");
    assert_int_equal(rig_call(r, &m, NULL), 0);
    assert_int_equal(rig_grant(r, 4, &reply), 0);
    for (uint32_t i = 0; i < 4; i++)
        f->chunks[i] = reply->grant_reply.chunks[i].chunk;
    publish(r, "/kept", &reply->grant_reply.chunks[0]);
    publish(r, "/removed", &reply->grant_reply.chunks[3]);
    unlink_path(r, "/removed");
    f->index = backup_index(r);
    copy_snapshot(f, f->index);
    publish(r, "/later", &reply->grant_reply.chunks[2]);
    rig_stop(r); /* and a start, so that more is handed out than the backup knows of */
    rig_start(r, false);
    f->epoch = meta_epoch(nm_meta(r->nm));
    f->reserved = meta_reserved(nm_meta(r->nm));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    rig_free(&f->rig);
    memdisk_free(f->copy);
    memdisk_free(f->folder);
    free(f);
    return 0;
}

/* The cluster goes on in the restored folder. */
static void go_on(struct fixture *f)
{
    struct rig *r = &f->rig;
    struct disk *old = r->disk;

    rig_stop(r);
    r->disk = f->folder;
    f->folder = old;
    rig_forget_answers(r);
    rig_start(r, false);
    rig_pass(r, NS_PER_SEC);
}

static void test_a_backup_holds_what_was_acknowledged_before_it(void **state)
{
    struct fixture *f = *state;
    struct rig *r = &f->rig;
    struct msg m = rig_mkdir(r, "/after");
    uint64_t again;

    assert_true(f->index >= f->epoch - 3);
    assert_int_equal(nm_check_backup(f->copy, "backup", f->why, sizeof f->why), 0);
    assert_int_equal(rig_call(r, &m, NULL), 0);
    again = backup_index(r);
    assert_true(again > f->index);
    assert_int_equal(backup_index(r), again); /* nothing happened: the same one serves */
    assert_int_equal(restore(f, WALL), 0);
    assert_int_equal(f->restored.files, 1);
    assert_int_equal(f->restored.directories, 1);
    go_on(f);
    assert_int_equal(rig_lookup(r, "/before"), 0);
    assert_int_equal(rig_lookup(r, "/kept"), 0);
    assert_int_equal(rig_lookup(r, "/later"), DFS_ENOENT);
    assert_int_equal(rig_lookup(r, "/after"), DFS_ENOENT);
}

static void test_nothing_is_handed_out_twice(void **state)
{
    struct fixture *f = *state;
    struct rig *r = &f->rig;
    uint64_t hi, lo, session = r->session, epoch, first;
    const struct msg *reply;
    struct msg m;

    assert_int_equal(restore(f, WALL), 0);
    go_on(f);
    nm_cluster(r->nm, &hi, &lo);
    assert_int_equal(hi, 0xc1);
    assert_int_equal(lo, 0xc2);
    assert_int_equal(nm_id(r->nm), 2); /* a member of its own */
    epoch = meta_epoch(nm_meta(r->nm));
    assert_true(epoch > f->epoch + (1ULL << 32));
    assert_int_equal(meta_n_members(nm_meta(r->nm)), 1);
    assert_int_equal(meta_member_at(nm_meta(r->nm), 0)->id, 2);

    m = rig_mkdir(r, "/old-session"); /* whose numbers this state has not all seen */
    assert_int_equal(rig_call(r, &m, NULL), DFS_ESESSION);
    rig_session(r);
    assert_true(r->session > session + (1ULL << 32));
    assert_int_equal(rig_heartbeat(r, 1, 10, NULL), DFS_ESTALE); /* registers, and then reports */
    rig_register(r, 1, "127.0.0.1:4621");
    rig_register(r, 2, "127.0.0.1:4622");
    assert_int_equal(rig_grant(r, 1, &reply), 0);
    first = reply->grant_reply.chunks[0].chunk;
    assert_true(first >= f->reserved + (1ULL << 32));
    assert_true(first < 1ULL << 47);

    /* the same backup once more, a minute later: above even that life */
    assert_int_equal(restore(f, WALL + 60 * (int64_t)NS_PER_SEC), 0);
    go_on(f);
    assert_true(meta_epoch(nm_meta(r->nm)) > epoch);
    assert_true(meta_first_grantable(nm_meta(r->nm)) > first + (1u << 20));
}

static uint32_t report(struct rig *r, uint32_t server, uint64_t incarnation, const uint64_t *chunks, uint32_t n)
{
    struct wire_held ids[8];
    struct msg m = {.type = MSG_TYPE_report};
    const struct msg *reply;

    for (uint32_t i = 0; i < n; i++)
        ids[i] = (struct wire_held){.chunk = chunks[i], .version = 1, .length = 5};
    m.report =
        (struct msg_report){.server = server, .incarnation = incarnation, .chunks = ids, .n_chunks = n, .eof = 1};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    return reply->report_reply.n_remove;
}

static uint64_t quarantined(struct rig *r, bool on)
{
    struct msg m = {.type = MSG_TYPE_status};
    const struct msg *reply;

    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->status_reply.quarantine, on);
    return reply->status_reply.quarantined;
}

static void pass_alive(struct rig *r, uint64_t seconds, uint32_t *removals)
{
    const struct msg *reply;

    for (uint64_t i = 0; i < seconds; i++) {
        rig_forget_answers(r);
        for (uint32_t s = 1; s <= 2; s++) {
            assert_int_equal(rig_heartbeat(r, s, s * 10, &reply), 0);
            *removals += reply->heartbeat_reply.n_remove;
        }
        rig_pass(r, NS_PER_SEC);
    }
}

static void test_unknown_chunks_are_kept_until_told(void **state)
{
    struct fixture *f = *state;
    struct rig *r = &f->rig;
    struct msg drop = {.type = MSG_TYPE_quarantine_drop};
    const struct msg *reply;
    uint64_t held[5];
    uint32_t removals = 0;

    assert_int_equal(restore(f, WALL), 0);
    go_on(f);
    rig_session(r);
    rig_register(r, 1, "127.0.0.1:4621");
    rig_register(r, 2, "127.0.0.1:4622");
    assert_int_equal(rig_grant(r, 1, &reply), 0);
    memcpy(held, f->chunks, sizeof f->chunks);
    held[4] = reply->grant_reply.chunks[0].chunk; /* of this life, never published */

    pass_alive(r, 700, &removals); /* past the reader grace and the grants' lifetime */
    assert_int_equal(removals, 0); /* what the backup knew as removed included */
    assert_int_equal(report(r, 1, 10, held, 5), 1);
    assert_int_equal(report(r, 1, 10, held, 5), 1); /* a page that comes twice counts once */
    assert_int_equal(report(r, 2, 20, held, 2), 0);
    assert_int_equal(quarantined(r, true), 4); /* unpublished, later, removed; unpublished */

    rig_stop(r);
    rig_start(r, false);
    rig_pass(r, NS_PER_SEC);
    assert_int_equal(quarantined(r, true), 0); /* a new leader has counted nothing yet; all report to it */
    assert_int_equal(report(r, 1, 10, held, 4), 0);
    assert_int_equal(quarantined(r, true), 3);

    assert_int_equal(rig_call(r, &drop, NULL), 0);
    assert_int_equal(quarantined(r, false), 0);
    assert_int_equal(rig_heartbeat(r, 1, 10, &reply), 0);
    assert_int_equal(reply->heartbeat_reply.report, 1);
    assert_int_equal(report(r, 1, 10, held, 4), 3);
    assert_int_equal(rig_call(r, &drop, NULL), 0); /* once more is no error */
}

static void test_a_restored_trash_is_not_emptied_by_time(void **state)
{
    struct fixture *f = *state;
    struct rig *r = &f->rig;
    struct msg m = {.type = MSG_TYPE_remove}, drop = {.type = MSG_TYPE_quarantine_drop};
    const struct msg *reply;
    uint32_t removals = 0;

    rig_session(r);
    m.remove = (struct msg_remove){.dir = ROOT_INO, .path = STR("/kept"), .flags = REMOVE_KEEP};
    m.remove.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    copy_snapshot(f, backup_index(r));
    r->now.wall += 10 * 86400 * (int64_t)NS_PER_SEC; /* a backup of ten days ago */
    assert_int_equal(restore(f, WALL), 0);
    go_on(f);
    rig_register(r, 1, "127.0.0.1:4621");
    rig_register(r, 2, "127.0.0.1:4622");
    pass_alive(r, 5, &removals);
    m = (struct msg){.type = MSG_TYPE_trash_list};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->trash_list_reply.n_entries, 1);
    assert_int_equal(rig_call(r, &drop, NULL), 0);
    pass_alive(r, 5, &removals);
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->trash_list_reply.n_entries, 0);
}

static void test_what_is_no_whole_backup_is_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t size;
    const uint8_t *p = memdisk_peek(f->copy, "backup", &size);
    uint8_t *good = malloc(size);
    uint8_t head[64];

    memcpy(good, p, size);
    for (uint64_t at = 0; at < size; at++) {
        uint8_t bit = (uint8_t)(1u << at % 8);
        assert_true(memdisk_flip(f->copy, "backup", at, bit));
        assert_true(nm_check_backup(f->copy, "backup", f->why, sizeof f->why) != 0);
        assert_true(strlen(f->why) > 0);
        assert_true(memdisk_flip(f->copy, "backup", at, bit));
    }
    for (uint64_t cut = size - 1; cut > 0; cut = cut > 600 ? cut - 37 : cut - 1) {
        memdisk_cut(f->copy, "backup", cut);
        assert_int_equal(restore(f, WALL), DFS_ECORRUPT);
        assert_non_null(strstr(f->why, cut < 8 ? "no backup" : "cut short"));
        assert_false(f->restored.in_folder);
    }
    memcpy(head, good, sizeof head);
    put_u32(head + 8, 9);
    put_u32(head + 60, crc32c(0, head, 60));
    assert_int_equal(f->copy->ops->write(f->copy, "backup", 0, good, size), 0);
    assert_int_equal(f->copy->ops->write(f->copy, "backup", 0, head, sizeof head), 0);
    assert_int_equal(restore(f, WALL), DFS_EVERSION);
    assert_non_null(strstr(f->why, "version 9"));
    assert_null(memdisk_peek(f->folder, "identity", &size)); /* none of these left a NameServer behind */
    free(good);
}

static void test_a_clock_that_is_not_set_and_a_folder_in_use_are_refused(void **state)
{
    struct fixture *f = *state;
    struct nm_life life = {.uuid_hi = 7, .wall = WALL, .segment_bytes = SEGMENT};

    assert_int_equal(restore(f, 86400 * (int64_t)NS_PER_SEC), DFS_EINVAL);
    assert_non_null(strstr(f->why, "clock"));
    assert_true(f->restored.in_folder);
    assert_int_equal(nm_restore(f->copy, "backup", f->rig.disk, &life, &f->restored, f->why, sizeof f->why),
                     DFS_ENOTEMPTY);
    assert_int_equal(restore(f, WALL), 0);
    assert_int_equal(nm_restore(f->copy, "backup", f->folder, &life, &f->restored, f->why, sizeof f->why),
                     DFS_ENOTEMPTY);
}

static void test_a_full_disk_leaves_no_nameserver(void **state)
{
    struct fixture *f = *state;
    uint64_t size;

    for (uint32_t n = 1; n < 40; n++) {
        struct nm_life life = {.uuid_hi = 7, .wall = WALL, .segment_bytes = SEGMENT};

        memdisk_free(f->folder);
        f->folder = memdisk_new(n, 64 * MIB);
        memdisk_fail(f->folder, n % 2 ? DISK_WRITE : DISK_FLUSH, (n + 1) / 2, DFS_ENOSPC, true);
        if (nm_restore(f->copy, "backup", f->folder, &life, &f->restored, f->why, sizeof f->why) == 0)
            continue;
        assert_true(f->restored.in_folder);
        assert_null(memdisk_peek(f->folder, "identity", &size));
    }
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_backup_holds_what_was_acknowledged_before_it),
        TEST(test_nothing_is_handed_out_twice),
        TEST(test_unknown_chunks_are_kept_until_told),
        TEST(test_a_restored_trash_is_not_emptied_by_time),
        TEST(test_what_is_no_whole_backup_is_refused),
        TEST(test_a_clock_that_is_not_set_and_a_folder_in_use_are_refused),
        TEST(test_a_full_disk_leaves_no_nameserver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
