/* SPDX-License-Identifier: MIT */
/* Folders that releases of the NameServer wrote must still load. tests/unit/golden/nm-<n>/ holds one for each version of
 * its formats (log segments, vote, identity, snapshot and the state in it); once released they are never changed.
 * DFS_WRITE_GOLDEN=1 writes the one of today's formats, where there is none. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "nm_rig.h"

/* Rises when any of the formats changes. */
#define GOLDEN_VERSION 1u

static void golden_path(char *out, size_t len, uint32_t version, const char *name)
{
    snprintf(out, len, DFS_SOURCE_DIR "/tests/unit/golden/nm-%u/%s", version, name);
}

/* --- writing --- */

static struct wire_request_id next_id(struct rig *r)
{
    return (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = 1};
}

static void publish(struct rig *r, const char *path)
{
    struct msg m = {.type = MSG_TYPE_publish};
    struct wire_published p = {.length = 5000, .crc = 0xabcdef};
    const struct msg *reply;

    assert_int_equal(rig_grant(r, 1, &reply), 0);
    p.grant = reply->grant_reply.chunks[0].grant;
    m.publish =
        (struct msg_publish){.id = next_id(r), .dir = ROOT_INO, .path = str_of(path), .mode = 0640, .size = 5000};
    m.publish.chunks = &p;
    m.publish.n_chunks = 1;
    assert_int_equal(rig_call(r, &m, NULL), 0);
}

/* Something of everything; the last changes are after the snapshot. */
static void furnish(struct rig *r)
{
    struct msg m;
    char path[32];

    rig_session(r);
    for (uint64_t i = 1; i <= 3; i++) {
        snprintf(path, sizeof path, "s%" PRIu64 ":1", i);
        rig_register(r, i, path);
    }
    publish(r, "/file");
    m = (struct msg){.type = MSG_TYPE_link};
    m.link = (struct msg_link){
        .id = next_id(r), .dir = ROOT_INO, .path = STR("/file"), .to_dir = ROOT_INO, .to_path = STR("/also")};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    m = (struct msg){.type = MSG_TYPE_setxattr};
    m.setxattr = (struct msg_setxattr){
        .id = next_id(r), .dir = ROOT_INO, .path = STR("/file"), .name = STR("user.a"), .value = STR("one")};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    m = (struct msg){.type = MSG_TYPE_symlink};
    m.symlink = (struct msg_symlink){.id = next_id(r), .dir = ROOT_INO, .path = STR("/points"), .target = STR("file")};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    publish(r, "/thrown-away");
    m = (struct msg){.type = MSG_TYPE_remove};
    m.remove =
        (struct msg_remove){.id = next_id(r), .dir = ROOT_INO, .path = STR("/thrown-away"), .flags = REMOVE_KEEP};
    assert_int_equal(rig_call(r, &m, NULL), 0);
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "/d%d", i);
        m = rig_mkdir(r, path);
        assert_int_equal(rig_call(r, &m, NULL), 0);
        rig_pass(r, NS_PER_SEC);
    }
}

static void write_one(void *arg, const char *name, uint64_t size)
{
    char path[1024];
    const uint8_t *p = memdisk_peek(arg, name, &size);
    FILE *f;

    if (strcmp(name, "log-spare") == 0)
        return;
    golden_path(path, sizeof path, GOLDEN_VERSION, name);
    f = fopen(path, "wbx");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, size, f), size);
    fclose(f);
}

static void write_golden(struct rig *r)
{
    char path[1024];

    golden_path(path, sizeof path, GOLDEN_VERSION, "");
    if (mkdir(path, 0755) != 0)
        return; /* there is one */
    r->cfg.log_segment_bytes = 4096;
    r->cfg.snapshot_log_bytes = 3000;
    rig_start(r, true);
    furnish(r);
    rig_stop(r);
    memdisk_crash(r->disk, CRASH_DROP_ALL);
    assert_int_equal(r->disk->ops->list(r->disk, write_one, r->disk), 0);
    memdisk_free(r->disk);
    r->disk = memdisk_new(2, 64 * MIB);
    r->session = r->number = 0;
    rig_forget_answers(r);
}

/* --- reading --- */

static void load(struct disk *d, uint32_t version)
{
    static uint8_t bytes[256 * 1024];
    char path[1024];
    struct dirent *e;
    uint32_t snapshots = 0, segments = 0;
    DIR *dir;

    golden_path(path, sizeof path, version, "");
    dir = opendir(path);
    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL) {
        FILE *f;
        size_t n;

        if (e->d_name[0] == '.')
            continue;
        snapshots += strncmp(e->d_name, "snap-", 5) == 0;
        segments += strncmp(e->d_name, "log-", 4) == 0;
        golden_path(path, sizeof path, version, e->d_name);
        f = fopen(path, "rb");
        assert_non_null(f);
        n = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        assert_int_equal(d->ops->write(d, e->d_name, 0, bytes, n), 0);
        assert_int_equal(d->ops->sync(d, e->d_name), 0);
    }
    closedir(dir);
    assert_int_equal(d->ops->sync(d, NULL), 0);
    assert_true(snapshots > 0 && segments > 0);
}

static void check_lookup(struct rig *r, const char *path, uint8_t type, uint64_t size, uint32_t nlink)
{
    struct msg m = {.type = MSG_TYPE_lookup};
    const struct msg *reply;

    m.lookup = (struct msg_lookup){.dir = ROOT_INO, .path = str_of(path), .flags = LOOKUP_NOFOLLOW};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->lookup_reply.attr.type, type);
    assert_int_equal(reply->lookup_reply.attr.size, size);
    if (nlink > 0)
        assert_int_equal(reply->lookup_reply.attr.nlink, nlink);
}

static void check(struct rig *r)
{
    const struct msg *reply;
    struct msg m = {.type = MSG_TYPE_getxattr};
    char why[256] = "";
    uint64_t hi, lo;

    nm_cluster(r->nm, &hi, &lo);
    assert_true(hi == 0xc1 && lo == 0xc2);
    assert_int_equal(nm_id(r->nm), 1);
    assert_int_equal(meta_verify(nm_meta(r->nm), why, sizeof why), 0);
    assert_int_equal(meta_n_servers(nm_meta(r->nm)), 3);
    assert_int_equal(meta_n_members(nm_meta(r->nm)), 1);
    assert_int_equal(meta_level(nm_meta(r->nm)), 1);
    check_lookup(r, "/file", INODE_FILE, 5000, 2);
    check_lookup(r, "/also", INODE_FILE, 5000, 2);
    check_lookup(r, "/points", INODE_SYMLINK, 4, 0);
    check_lookup(r, "/d11", INODE_DIRECTORY, 0, 0);
    assert_int_equal(rig_lookup(r, "/thrown-away"), DFS_ENOENT);
    m.getxattr = (struct msg_getxattr){.dir = ROOT_INO, .path = STR("/file"), .name = STR("user.a")};
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_true(str_eq(reply->getxattr_reply.value, STR("one")));
    m = (struct msg){.type = MSG_TYPE_trash_list};
    m.trash_list.limit = 10;
    assert_int_equal(rig_call(r, &m, &reply), 0);
    assert_int_equal(reply->trash_list_reply.n_entries, 1);
    /* the session is known, and remembers what it did */
    rig_session(r);
    m = (struct msg){.type = MSG_TYPE_link};
    m.link = (struct msg_link){
        .id = {r->session, 2, 1}, .dir = ROOT_INO, .path = STR("/file"), .to_dir = ROOT_INO, .to_path = STR("/also")};
    assert_int_equal(rig_call(r, &m, &reply), 0); /* not EEXIST */
}

static void every_version_of_the_formats_loads(void **state)
{
    (void)state;
    for (uint32_t version = 1; version <= GOLDEN_VERSION; version++) {
        struct rig *r = malloc(sizeof *r);

        rig_init(r, 2, 64 * MIB);
        if (getenv("DFS_WRITE_GOLDEN") != NULL)
            write_golden(r);
        load(r->disk, version);
        r->now.wall += 3600 * (int64_t)NS_PER_SEC;
        rig_start(r, false);
        check(r);
        rig_stop(r); /* and what is written on top of it loads too */
        memdisk_crash(r->disk, CRASH_DROP_ALL);
        rig_start(r, false);
        check(r);
        rig_free(r);
        free(r);
    }
}

/* With any byte of one file changed it says which file is damaged, or nothing is missing: the vote is there twice, and this
 * log reaches back behind the snapshot. Of the log, test_raftlog.c tells. */
static void a_flipped_byte_is_named_or_costs_nothing(void **state)
{
    static const char *const names[] = {"identity", "vote", "snap-0000000000000012-2"};
    struct rig *r = malloc(sizeof *r);
    uint32_t refused[3] = {0}, harmless[3] = {0};

    (void)state;
    for (uint32_t f = 0; f < 3; f++) {
        uint64_t size = 1;

        for (uint64_t at = 0; at < size; at += f == 1 && at == 63 ? 4033 : 1) {
            rig_init(r, 2, 64 * MIB);
            load(r->disk, GOLDEN_VERSION);
            assert_non_null(memdisk_peek(r->disk, names[f], &size));
            assert_true(memdisk_flip(r->disk, names[f], at, (uint8_t)(1u << at % 8)));
            if (f == 1 && at % 4096 < 64 && at % 2)
                assert_true(memdisk_flip(r->disk, names[f], at ^ 4096, 1));
            if (rig_open(r, false) != 0) {
                assert_non_null(strstr(r->why, names[f]));
                refused[f]++;
            } else {
                rig_settle(r);
                check(r);
                harmless[f]++;
            }
            rig_free(r);
        }
    }
    free(r);
    assert_true(refused[0] == 64 && refused[1] == 64 && harmless[1] == 64 && harmless[2] == 2223);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_version_of_the_formats_loads),
                                       cmocka_unit_test(a_flipped_byte_is_named_or_costs_nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
