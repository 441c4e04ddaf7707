/* SPDX-License-Identifier: MIT */
/* Attributes, hard links, and what directories hold. */
#include "test_meta_util.h"

static int w_usage(struct world *w, const char *path, const char *after, uint32_t limit)
{
    struct msg c = {.type = MSG_TYPE_usage};
    c.usage = (struct msg_usage){.dir = ROOT_INO, .path = str_of(path), .after = str_of(after), .limit = limit};
    arena_reset(&w->arena);
    return meta_read(w->m, &c, &w->reply, &w->arena);
}

static void assert_holds(struct world *w, const char *path, uint64_t files, uint64_t dirs, uint64_t bytes)
{
    assert_int_equal(w_usage(w, path, "", 0), 0);
    const struct wire_totals *t = &w->reply.usage_reply.totals;
    if (t->files != files || t->directories != dirs || t->bytes != bytes)
        fail_msg("%s holds %" PRIu64 " files, %" PRIu64 " directories, %" PRIu64 " bytes", path, t->files,
                 t->directories, t->bytes);
}

static void world_with_servers(struct world *w)
{
    world_start(w, 0);
    world_add_server(w, 1);
    world_add_server(w, 2);
}

static void setattr_changes_what_is_asked_for_and_ctime(void **state)
{
    (void)state;
    struct world w;
    world_with_servers(&w);
    assert_int_equal(w_create(&w, "/f", 0), 0);
    assert_int_equal(w_symlink(&w, "f", "/s"), 0);
    struct wire_attr before = *w_attr(&w, "/f");
    assert_int_equal(w_chmod(&w, "/s", 0107755), 0);
    struct wire_attr a = *w_attr(&w, "/f");
    assert_int_equal(a.mode, 07755);
    assert_int_equal(a.type, INODE_FILE);
    assert_true(a.ctime_ns > before.ctime_ns && a.mtime_ns == before.mtime_ns && a.uid == before.uid);
    /* who may run it under the owner's name may not do so under the next one's */
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = SETATTR_GID, .gid = 7, .uid = 8}), 0);
    a = *w_attr(&w, "/f");
    assert_int_equal(a.mode, 01755);
    assert_int_equal(a.gid, 7);
    assert_int_equal(a.uid, before.uid);
    /* nor may who writes to it lend them to what he wrote; a setgid bit of a file nobody may run is about locks */
    assert_int_equal(w_chmod(&w, "/f", 06711), 0);
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = SETATTR_KILL_SETID}), 0);
    assert_int_equal(w_attr(&w, "/f")->mode, 0711);
    assert_int_equal(w_chmod(&w, "/f", 06601), 0);
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = SETATTR_KILL_SETID}), 0);
    assert_int_equal(w_attr(&w, "/f")->mode, 02601);
    assert_int_equal(w_mkdir(&w, "/d", 0), 0);
    assert_int_equal(w_chmod(&w, "/d", 06755), 0);
    assert_int_equal(w_setattr(&w, "/d", (struct msg_setattr){.flags = SETATTR_KILL_SETID}), 0);
    assert_int_equal(w_attr(&w, "/d")->mode, 06755);
    assert_int_equal(w_chmod(&w, "/f", 01755), 0);
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = SETATTR_MTIME, .mtime_ns = -5}), 0);
    assert_int_equal(w_attr(&w, "/f")->mtime_ns, -5);
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = SETATTR_MTIME_NOW}), 0);
    a = *w_attr(&w, "/f");
    assert_true(a.mtime_ns == a.ctime_ns && a.mtime_ns > before.mtime_ns);
    /* the link itself */
    struct msg_setattr own = {.flags = SETATTR_UID | SETATTR_NOFOLLOW, .uid = 99};
    assert_int_equal(w_setattr(&w, "/s", own), 0);
    assert_int_equal(w_attr(&w, "/s")->uid, 99);
    assert_int_not_equal(w_attr(&w, "/f")->uid, 99);
    own.flags = SETATTR_MODE | SETATTR_NOFOLLOW;
    assert_int_equal(w_setattr(&w, "/s", own), DFS_ENOTSUP);
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = SETATTR_NOFOLLOW}), DFS_EINVAL);
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = 1u << 31}), DFS_EINVAL);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void a_time_of_access_is_what_was_set(void **state)
{
    (void)state;
    struct world w;
    world_with_servers(&w);
    assert_int_equal(w_publish(&w, "/f", 100, 1, 0), 0);
    assert_int_equal(w_attr(&w, "/f")->atime_ns, w_attr(&w, "/f")->mtime_ns);
    int64_t made = w_attr(&w, "/f")->mtime_ns;
    /* one of the two leaves the other alone */
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = SETATTR_ATIME, .atime_ns = 0}), 0);
    assert_int_equal(w_attr(&w, "/f")->atime_ns, 0);
    assert_int_equal(w_attr(&w, "/f")->mtime_ns, made);
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = SETATTR_MTIME, .mtime_ns = 77}), 0);
    assert_int_equal(w_attr(&w, "/f")->atime_ns, 0);
    assert_int_equal(w_mkdir(&w, "/d", 0), 0);
    made = w_attr(&w, "/d")->mtime_ns;
    assert_int_equal(w_setattr(&w, "/d", (struct msg_setattr){.flags = SETATTR_MTIME, .mtime_ns = 77}), 0);
    assert_int_equal(w_attr(&w, "/d")->atime_ns, made);
    /* both, before the epoch, by the clock */
    struct msg_setattr both = {.flags = SETATTR_ATIME | SETATTR_MTIME, .atime_ns = -9, .mtime_ns = -9};
    assert_int_equal(w_setattr(&w, "/f", both), 0);
    assert_int_equal(w_attr(&w, "/f")->atime_ns, -9);
    both.atime_ns = 1;
    assert_int_equal(w_setattr(&w, "/f", both), 0);
    assert_survives_restart(w.m);
    assert_int_equal(w_attr(&w, "/f")->atime_ns, 1);
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = SETATTR_ATIME_NOW | SETATTR_MTIME_NOW}), 0);
    assert_true(w_attr(&w, "/f")->atime_ns > made);
    assert_int_equal(w_attr(&w, "/f")->atime_ns, w_attr(&w, "/f")->ctime_ns);
    /* it goes with the content, and with the file */
    assert_int_equal(w_setattr(&w, "/f", both), 0);
    assert_int_equal(w_publish(&w, "/f", 100, 2, 0), 0);
    assert_int_equal(w_attr(&w, "/f")->atime_ns, w_attr(&w, "/f")->mtime_ns);
    assert_int_equal(w_setattr(&w, "/f", both), 0);
    assert_int_equal(w_setattr(&w, "/d", (struct msg_setattr){.flags = SETATTR_ATIME, .atime_ns = 5}), 0);
    assert_int_equal(w_unlink(&w, "/f"), 0);
    assert_survives_restart(w.m);
    assert_int_equal(w_attr(&w, "/d")->atime_ns, 5);
    world_stop(&w);
}

static void a_file_lives_until_its_last_name_goes(void **state)
{
    (void)state;
    struct world w;
    world_with_servers(&w);
    assert_int_equal(w_mkdir(&w, "/d", 0), 0);
    assert_int_equal(w_publish(&w, "/a", 100, 1, 0), 0);
    assert_int_equal(w_hardlink(&w, "/a", "/d/b"), 0);
    assert_int_equal(w.reply.link_reply.attr.nlink, 2);
    uint64_t ino = w_attr(&w, "/a")->ino;
    assert_int_equal(w_attr(&w, "/d/b")->ino, ino);
    assert_int_equal(w_hardlink(&w, "/d", "/e"), DFS_EPERM);
    assert_int_equal(w_hardlink(&w, "/a", "/d/b"), DFS_EEXIST);
    assert_int_equal(w_publish(&w, "/d/b", 70, 2, 0), 0); /* one content under both names */
    assert_int_equal(w_attr(&w, "/a")->size, 70);
    assert_int_equal(w_rename(&w, "/a", "/d/b", 0), 0); /* two names of one file: nothing happens */
    assert_int_equal(w_attr(&w, "/a")->nlink, 2);
    assert_int_equal(w_unlink(&w, "/a"), 0);
    assert_int_equal(w_attr(&w, "/d/b")->nlink, 1);
    assert_true(meta_knows_chunk(w.m, 2));
    assert_survives_restart(w.m);
    bool removed = false;
    struct meta_removed r;
    assert_int_equal(w_unlink(&w, "/d/b"), 0);
    assert_true(meta_find_chunk(w.m, 2, &r, &removed) && removed);
    world_stop(&w);
}

static void a_file_has_so_many_names_and_no_more(void **state)
{
    (void)state;
    struct world w;
    char path[32];
    int rv = 0, n = 1;
    world_with_servers(&w);
    assert_int_equal(w_create(&w, "/f", 0), 0);
    for (; n < 70000 && rv == 0; n++) {
        snprintf(path, sizeof path, "/%d", n);
        rv = w_hardlink(&w, "/f", path);
    }
    assert_int_equal(rv, DFS_EMLINK);
    assert_int_equal(w_attr(&w, "/f")->nlink, 65000);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void directories_know_what_they_hold(void **state)
{
    (void)state;
    struct world w;
    world_with_servers(&w);
    assert_int_equal(w_mkdir(&w, "/a/b/c", MKDIR_PARENTS), 0);
    assert_int_equal(w_mkdir(&w, "/z", 0), 0);
    assert_int_equal(w_publish(&w, "/a/b/c/f", 1000, 1, 0), 0);
    assert_int_equal(w_publish(&w, "/a/g", 10, 2, 0), 0);
    assert_int_equal(w_symlink(&w, "g", "/a/s"), 0);
    assert_holds(&w, "/", 2, 4, 1010);
    assert_holds(&w, "/a", 2, 2, 1010);
    assert_holds(&w, "/a/b", 1, 1, 1000);
    assert_holds(&w, "/a/g", 1, 0, 10);
    assert_holds(&w, "/a/s", 0, 0, 0); /* itself, not what it leads to */
    /* a file that grows or is replaced, through whichever name */
    assert_int_equal(w_publish(&w, "/a/s", 300, 3, 0), 0);
    assert_holds(&w, "/a", 2, 2, 1300);
    /* a directory moves with all it holds */
    assert_int_equal(w_rename(&w, "/a/b", "/z/b2", 0), 0);
    assert_holds(&w, "/a", 1, 0, 300);
    assert_holds(&w, "/z", 1, 2, 1000);
    assert_holds(&w, "/", 2, 4, 1300);
    /* and over a file that goes */
    assert_int_equal(w_rename(&w, "/a/g", "/z/b2/c/f", 0), 0);
    assert_holds(&w, "/z", 1, 2, 300);
    assert_holds(&w, "/a", 0, 0, 0);
    assert_int_equal(w_usage(&w, "/nowhere", "", 0), DFS_ENOENT);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void usage_lists_directories_page_by_page(void **state)
{
    (void)state;
    struct world w;
    char path[32], after[32] = "";
    uint32_t dirs = 0;
    world_with_servers(&w);
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, i % 10 ? "/f%02d" : "/d%02d", i);
        assert_int_equal(i % 10 ? w_create(&w, path, 0) : w_mkdir(&w, path, 0), 0);
    }
    for (bool eof = false; !eof;) {
        assert_int_equal(w_usage(&w, "/", after, 3), 0);
        const struct msg_usage_reply *r = &w.reply.usage_reply;
        assert_true(r->n_entries <= 3);
        dirs += r->n_entries;
        eof = r->eof;
        snprintf(after, sizeof after, "%.*s", STR_ARG(r->next));
    }
    assert_int_equal(dirs, 10);
    world_stop(&w);
}

/* A file with several names counts in the directory with the lowest number, whatever happens to its names. */
static void links_count_once(void **state)
{
    (void)state;
    struct world w;
    world_with_servers(&w);
    assert_int_equal(w_mkdir(&w, "/old", 0), 0);
    assert_int_equal(w_mkdir(&w, "/new", 0), 0);
    assert_int_equal(w_publish(&w, "/new/f", 50, 1, 0), 0);
    assert_holds(&w, "/new", 1, 0, 50);
    assert_int_equal(w_hardlink(&w, "/new/f", "/old/f"), 0);
    assert_holds(&w, "/new", 0, 0, 0);
    assert_holds(&w, "/old", 1, 0, 50);
    assert_holds(&w, "/", 1, 2, 50);
    assert_int_equal(w_hardlink(&w, "/new/f", "/new/g"), 0);
    assert_int_equal(w_publish(&w, "/new/g", 60, 2, 0), 0);
    assert_holds(&w, "/old", 1, 0, 60);
    assert_survives_restart(w.m);
    assert_int_equal(w_unlink(&w, "/old/f"), 0);
    assert_holds(&w, "/old", 0, 0, 0);
    assert_holds(&w, "/new", 1, 0, 60);
    assert_int_equal(w_unlink(&w, "/new/f"), 0);
    assert_holds(&w, "/new", 1, 0, 60);
    assert_int_equal(w_rename(&w, "/new/g", "/old/h", 0), 0);
    assert_holds(&w, "/", 1, 2, 60);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setattr_changes_what_is_asked_for_and_ctime),
        cmocka_unit_test(a_time_of_access_is_what_was_set),
        cmocka_unit_test(a_file_lives_until_its_last_name_goes),
        cmocka_unit_test(a_file_has_so_many_names_and_no_more),
        cmocka_unit_test(directories_know_what_they_hold),
        cmocka_unit_test(usage_lists_directories_page_by_page),
        cmocka_unit_test(links_count_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
