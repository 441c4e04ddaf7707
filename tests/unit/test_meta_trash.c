/* SPDX-License-Identifier: MIT */
/* Removal of trees, the trash, and reclaiming piece by piece. */
#include "test_meta_util.h"

/* /d with two files of one chunk each, a symlink, and a folder. */
static void furnish(struct world *w)
{
    world_start(w, 0);
    world_add_server(w, 1);
    world_add_server(w, 2);
    assert_int_equal(w_mkdir(w, "/d/e", MKDIR_PARENTS), 0);
    assert_int_equal(w_publish(w, "/d/f", 100, 1, 0), 0);
    assert_int_equal(w_publish(w, "/d/e/g", 20, 2, 0), 0);
    assert_int_equal(w_symlink(w, "f", "/d/s"), 0);
}

static struct msg_statfs_reply statfs(struct world *w)
{
    struct msg c = {.type = MSG_TYPE_statfs};
    assert_int_equal(meta_read(w->m, &c, &w->reply, &w->arena), 0);
    return w->reply.statfs_reply;
}

static bool mapped(struct world *w, uint64_t chunk)
{
    struct meta_removed r;
    bool removed;
    return meta_find_chunk(w->m, chunk, &r, &removed) && !removed;
}

static void a_tree_goes_at_once_and_its_chunks_later(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    assert_int_equal(w_remove(&w, "/d", 0), DFS_EISDIR);
    assert_int_equal(w_remove(&w, "/d/", REMOVE_TREE), 0);
    assert_int_equal(w.reply.remove_reply.trash, 0);
    assert_int_equal(w.reply.remove_reply.totals.files, 2);
    assert_int_equal(w.reply.remove_reply.totals.directories, 2);
    assert_int_equal(w.reply.remove_reply.totals.bytes, 120);
    assert_int_equal(w_lookup(&w, "/d", 0), DFS_ENOENT);
    assert_int_equal(w_mkdir(&w, "/d", 0), 0); /* the name is free */
    struct msg_statfs_reply s = statfs(&w);
    assert_int_equal(s.files, 0);
    assert_int_equal(s.directories, 1);
    assert_int_equal(s.reclaiming.files, 2);
    assert_int_equal(s.reclaiming.bytes, 120);
    assert_int_equal(s.trash.files, 0);
    assert_true(meta_can_reclaim(w.m) && mapped(&w, 1));
    assert_survives_restart(w.m);
    int pieces = 0;
    for (; meta_can_reclaim(w.m); pieces++) { /* one inode at a time, whole at every step */
        char why[200];
        w_reclaim(&w, 0, 1);
        assert_int_equal(meta_verify(w.m, why, sizeof why), 0);
        assert_survives_restart(w.m);
    }
    assert_int_equal(pieces, 6); /* five inodes, and one folder moved out of the other */
    assert_true(!mapped(&w, 1) && !mapped(&w, 2) && meta_knows_chunk(w.m, 1));
    assert_int_equal(statfs(&w).reclaiming.files, 0);
    assert_int_equal(statfs(&w).reclaiming.bytes, 120); /* who reads them may go on for a while */
    world_apply(&w, &(struct msg){.type = MSG_TYPE_reap, .reap = {.before_ns = INT64_MAX, .limit = 100}});
    assert_int_equal(statfs(&w).reclaiming.bytes, 0);
    world_stop(&w);
}

static void what_is_removed_cannot_be_reached_by_number(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    uint64_t e = w_attr(&w, "/d/e")->ino, g = w_attr(&w, "/d/e/g")->ino;
    assert_int_equal(w_remove(&w, "/d", REMOVE_TREE | REMOVE_KEEP), 0);
    const uint64_t dirs[] = {e, 2, 3}; /* what was removed, the trash, what is being reclaimed */
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        struct msg c = {.type = MSG_TYPE_create};
        c.create = (struct msg_create){.id = world_next_id(&w), .dir = dirs[i], .path = STR("x"), .mode = 0644};
        assert_int_equal(world_apply(&w, &c), DFS_ENOENT);
        c.type = MSG_TYPE_readdir;
        c.readdir = (struct msg_readdir){.dir = dirs[i], .path = STR(""), .after = STR("")};
        assert_int_equal(meta_read(w.m, &c, &w.reply, &w.arena), DFS_ENOENT);
    }
    struct msg c = {.type = MSG_TYPE_link};
    c.link = (struct msg_link){.id = world_next_id(&w), .dir = g, .path = STR(""), .to_dir = ROOT_INO, .to_path = STR("h")};
    assert_int_equal(world_apply(&w, &c), DFS_ENOENT);
    world_stop(&w);
}

static void the_trash_gives_back_what_it_was_given(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    struct bytes before;
    struct wire_attr f = *w_attr(&w, "/d/e/g");
    assert_int_equal(w_remove(&w, "/d/e/../f", REMOVE_KEEP), 0);
    uint64_t file = w.reply.remove_reply.trash;
    assert_int_equal(w_symlink(&w, "d", "/way"), 0);
    assert_int_equal(w_remove(&w, "/way/e", REMOVE_KEEP | REMOVE_TREE), 0);
    uint64_t tree = w.reply.remove_reply.trash;
    assert_true(file > 0 && tree > file);
    assert_int_equal(statfs(&w).trash.files, 2);
    assert_int_equal(statfs(&w).trash.bytes, 120);
    assert_int_equal(statfs(&w).files, 0);
    assert_int_equal(w_trash_list(&w, 0, 0), 2);
    const struct wire_trashed *t = w.reply.trash_list_reply.entries;
    assert_true(str_eq(t[0].path, STR("/d/f")));
    assert_true(str_eq(t[1].path, STR("/d/e"))); /* as it is, not as it was reached */
    assert_true(t[0].id == file && t[1].id == tree && t[1].uid == 10 && t[1].totals.files == 1);
    assert_int_equal(w_trash_list(&w, 0, 1), 1);
    assert_int_equal(w.reply.trash_list_reply.eof, 0);
    assert_int_equal(w_trash_list(&w, file, 1), 1);
    assert_int_equal(w.reply.trash_list_reply.eof, 1);
    assert_survives_restart(w.m);
    before = saved(w.m);

    assert_int_equal(w_restore(&w, tree, NULL), 0);
    assert_true(str_eq(w.reply.trash_restore_reply.path, STR("/d/e")));
    struct wire_attr g = *w_attr(&w, "/d/e/g");
    assert_true(g.ino == f.ino && g.generation == f.generation && g.mtime_ns == f.mtime_ns && mapped(&w, 2));
    assert_int_equal(w_restore(&w, tree, NULL), DFS_ENOENT);
    assert_int_equal(w_restore(&w, file, "/elsewhere/x"), DFS_ENOENT);
    assert_int_equal(w_restore(&w, file, "/d"), DFS_EEXIST);
    assert_int_equal(w_restore(&w, file, "/x/"), DFS_ENOTDIR);
    assert_int_equal(w_restore(&w, file, "/x"), 0);
    assert_int_equal(w_attr(&w, "/x")->size, 100);
    assert_int_equal(statfs(&w).trash.files, 0);
    bytes_close(&before);
    world_stop(&w);
}

static void a_place_that_is_taken_or_gone_is_refused(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    assert_int_equal(w_remove(&w, "/d/e/g", REMOVE_KEEP), 0);
    uint64_t g = w.reply.remove_reply.trash;
    assert_int_equal(w_create(&w, "/d/e/g", 0), 0);
    assert_int_equal(w_restore(&w, g, NULL), DFS_EEXIST);
    assert_non_null(memmem(w.reply.error.text.p, w.reply.error.text.len, "taken", 5));
    assert_int_equal(w_remove(&w, "/d/e", REMOVE_KEEP | REMOVE_TREE), 0);
    uint64_t e = w.reply.remove_reply.trash;
    assert_int_equal(w_restore(&w, g, NULL), DFS_ENOENT);
    assert_int_equal(w_restore(&w, e, NULL), 0); /* a tree of the trash, inside of which something was removed before */
    assert_int_equal(w_unlink(&w, "/d/e/g"), 0);
    assert_int_equal(w_restore(&w, g, NULL), 0);
    world_stop(&w);
}

static void the_trash_forgets_in_time(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    assert_int_equal(meta_oldest_trash(w.m), INT64_MAX);
    assert_int_equal(w_remove(&w, "/d/f", REMOVE_KEEP), 0);
    int64_t first = w.now - 1000;
    assert_int_equal(w_remove(&w, "/d", REMOVE_KEEP | REMOVE_TREE), 0);
    assert_int_equal(meta_oldest_trash(w.m), first);
    w_reclaim(&w, first, 100);
    assert_int_equal(w_trash_list(&w, 0, 0), 2);
    w_reclaim(&w, first + 1, 100);
    assert_int_equal(w_trash_list(&w, 0, 0), 1);
    assert_true(!mapped(&w, 1) && mapped(&w, 2));
    w_reclaim(&w, INT64_MAX, 2); /* it is out of the trash before it is reclaimed */
    assert_int_equal(w_trash_list(&w, 0, 0), 0);
    assert_true(meta_can_reclaim(w.m));
    w_reclaim(&w, INT64_MAX, 100);
    assert_false(meta_can_reclaim(w.m));
    assert_false(mapped(&w, 2));
    assert_int_equal(w_trash_keep(&w, META_TRASH_KEEP_MAX_MS + 1), DFS_EINVAL);
    assert_int_equal(w_trash_keep(&w, 0), 0); /* no trash */
    assert_int_equal(w_create(&w, "/f", 0), 0);
    assert_int_equal(w_remove(&w, "/f", REMOVE_KEEP), 0);
    assert_int_equal(w.reply.remove_reply.trash, 0);
    world_stop(&w);
}

/* The oldest entry leaves first; one from a clock that was ahead must not hold up the others. */
static void a_clock_set_back_holds_nothing_up(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    w.now += 1000000000;
    assert_int_equal(w_remove(&w, "/d/f", REMOVE_KEEP), 0);
    w.now -= 1000000000;
    int64_t back = w.now;
    assert_int_equal(w_remove(&w, "/d/e/g", REMOVE_KEEP), 0);
    assert_int_equal(meta_oldest_trash(w.m), back);
    assert_survives_restart(w.m);
    w_reclaim(&w, back + 1, 100);
    assert_int_equal(w_trash_list(&w, 0, 0), 0);
    world_stop(&w);
}

static void the_trash_is_emptied_in_one_step(void **state)
{
    (void)state;
    struct world w;
    char path[32];
    furnish(&w);
    for (int i = 0; i < 500; i++) {
        snprintf(path, sizeof path, "/f%d", i);
        assert_int_equal(w_create(&w, path, 0), 0);
        assert_int_equal(w_remove(&w, path, REMOVE_KEEP), 0);
    }
    uint64_t last = w.reply.remove_reply.trash;
    assert_int_equal(w_trash_empty(&w, last), 0);
    assert_int_equal(w_trash_empty(&w, last), DFS_ENOENT);
    assert_int_equal(w_trash_empty(&w, 0), 0);
    assert_int_equal(w.reply.trash_empty_reply.totals.files, 499);
    assert_int_equal(w_trash_list(&w, 0, 0), 0);
    assert_int_equal(w_restore(&w, last - 1, NULL), DFS_ENOENT);
    assert_int_equal(w_remove(&w, "/d/f", REMOVE_KEEP), 0);
    assert_int_equal(w_trash_list(&w, 0, 0), 1); /* what came after stays */
    assert_survives_restart(w.m);
    while (meta_can_reclaim(w.m))
        w_reclaim(&w, 0, 7);
    assert_int_equal(w_trash_list(&w, 0, 0), 1);
    assert_int_equal(statfs(&w).trash.files, 1);
    world_stop(&w);
}

/* Only the last name of a file is worth a place in the trash. */
static void a_file_with_other_names_loses_one(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    assert_int_equal(w_hardlink(&w, "/d/f", "/f"), 0);
    assert_int_equal(w_remove(&w, "/d/f", REMOVE_KEEP), 0);
    assert_int_equal(w.reply.remove_reply.trash, 0);
    assert_int_equal(w.reply.remove_reply.totals.files, 0);
    /* one in a tree in the trash, and one outside */
    assert_int_equal(w_hardlink(&w, "/d/e/g", "/g"), 0);
    assert_int_equal(w_remove(&w, "/d", REMOVE_KEEP | REMOVE_TREE), 0);
    assert_int_equal(w_trash_empty(&w, 0), 0);
    while (meta_can_reclaim(w.m))
        w_reclaim(&w, 0, 100);
    assert_int_equal(w_attr(&w, "/g")->nlink, 1);
    assert_true(mapped(&w, 1) && mapped(&w, 2));
    assert_int_equal(statfs(&w).files, 2);
    world_stop(&w);
}

static void errors_are_those_of_unlink(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    assert_int_equal(w_remove(&w, "/", REMOVE_TREE), DFS_EBUSY);
    assert_int_equal(w_remove(&w, "/d/.", REMOVE_TREE), DFS_EINVAL);
    assert_int_equal(w_remove(&w, "/d/e/..", REMOVE_TREE), DFS_EINVAL);
    assert_int_equal(w_remove(&w, "/d/f/", REMOVE_TREE), DFS_ENOTDIR);
    assert_int_equal(w_remove(&w, "/d/nothing", REMOVE_TREE), DFS_ENOENT);
    assert_int_equal(w_remove(&w, "/d/f", 1u << 20), DFS_EINVAL);
    assert_int_equal(w_remove(&w, "/d/s", 0), 0); /* the symlink, not the file */
    assert_int_equal(w_lookup(&w, "/d/f", 0), 0);
    world_stop(&w);
}

/* A chain of directories as deep as they come is removed at the same pace as a flat one. */
static void depth_makes_no_difference(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    uint64_t dir = ROOT_INO;
    for (int i = 0; i < 3000; i++) {
        struct msg c = {.type = MSG_TYPE_mkdir};
        c.mkdir = (struct msg_mkdir){.id = world_next_id(&w), .dir = dir, .path = STR("deep"), .mode = 0755};
        assert_int_equal(world_apply(&w, &c), 0);
        dir = w.reply.mkdir_reply.attr.ino;
    }
    struct msg c = {.type = MSG_TYPE_remove}; /* from so far below that its path cannot be said */
    c.remove = (struct msg_remove){.id = world_next_id(&w), .dir = dir, .path = STR("../../x"), .flags = REMOVE_KEEP};
    struct msg d = {.type = MSG_TYPE_create};
    d.create = (struct msg_create){.id = world_next_id(&w), .dir = dir, .path = STR("../../x"), .mode = 0644};
    assert_int_equal(world_apply(&w, &d), 0);
    c.remove.id = world_next_id(&w);
    assert_int_equal(world_apply(&w, &c), 0);
    uint64_t number = w.reply.remove_reply.trash;
    assert_int_equal(w_restore(&w, number, NULL), DFS_ENAMETOOLONG);
    assert_int_equal(w_restore(&w, number, "/x"), 0);
    assert_int_equal(w_remove(&w, "/deep", REMOVE_TREE), 0);
    int pieces = 0;
    for (; meta_can_reclaim(w.m); pieces++)
        w_reclaim(&w, 0, 100);
    assert_int_equal(pieces, 60);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_goes_at_once_and_its_chunks_later),
        cmocka_unit_test(what_is_removed_cannot_be_reached_by_number),
        cmocka_unit_test(the_trash_gives_back_what_it_was_given),
        cmocka_unit_test(a_place_that_is_taken_or_gone_is_refused),
        cmocka_unit_test(the_trash_forgets_in_time),
        cmocka_unit_test(a_clock_set_back_holds_nothing_up),
        cmocka_unit_test(the_trash_is_emptied_in_one_step),
        cmocka_unit_test(a_file_with_other_names_loses_one),
        cmocka_unit_test(errors_are_those_of_unlink),
        cmocka_unit_test(depth_makes_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
