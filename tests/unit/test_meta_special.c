/* SPDX-License-Identifier: MIT */
/* Special files, names that change places, and the group of what is made in a directory with the setgid bit. */
#include "test_meta_util.h"

static int w_mknod(struct world *w, const char *path, uint8_t type, uint64_t device)
{
    struct msg c = {.type = MSG_TYPE_mknod};
    c.mknod = (struct msg_mknod){.id = world_next_id(w),
                                 .dir = ROOT_INO,
                                 .path = str_of(path),
                                 .type = type,
                                 .mode = 0640,
                                 .uid = 3,
                                 .gid = 4,
                                 .device = device};
    return world_apply(w, &c);
}

static int w_open_write(struct world *w, const char *path)
{
    struct msg c = {.type = MSG_TYPE_open};
    c.open = (struct msg_open){
        .id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path), .flags = OPEN_WRITE | OPEN_CREATE, .mode = 0600};
    return world_apply(w, &c);
}

static void special_files_are_names_without_content(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, 64 * 1024);
    assert_int_equal(w_mkdir(&w, "/d", 0), 0);
    assert_int_equal(w_mknod(&w, "/d/fifo", INODE_FIFO, 0), 0);
    assert_int_equal(w_mknod(&w, "/d/disk", INODE_BLOCK_DEVICE, 0x801), 0);
    struct wire_attr a = *w_attr(&w, "/d/disk");
    assert_int_equal(a.type, INODE_BLOCK_DEVICE);
    assert_int_equal(a.size, 0x801);
    assert_int_equal(a.mode, 0640);
    assert_int_equal(a.uid, 3);
    assert_int_equal(w_mknod(&w, "/d/fifo", INODE_SOCKET, 0), DFS_EEXIST);
    assert_int_equal(w_mknod(&w, "/d/more", INODE_FIFO, 7), DFS_EINVAL);
    assert_int_equal(w_mknod(&w, "/d/more", INODE_FILE, 0), DFS_EINVAL);
    assert_int_equal(w_mknod(&w, "/d/more", 8, 0), DFS_EINVAL);
    assert_int_equal(w_open_write(&w, "/d/fifo"), DFS_ENOTSUP);
    assert_int_equal(w_setxattr(&w, "/d/fifo", "user.a", STR("b"), 0), DFS_EPERM);
    assert_int_equal(w_chmod(&w, "/d/fifo", 06755), 0);
    assert_int_equal(w_setattr(&w, "/d/fifo", (struct msg_setattr){.flags = SETATTR_UID, .uid = 9}), 0);
    assert_int_equal(w_attr(&w, "/d/fifo")->mode, 0755);
    assert_int_equal(w_hardlink(&w, "/d/fifo", "/d/again"), 0);
    assert_int_equal(w_attr(&w, "/d/fifo")->nlink, 2);
    assert_int_equal(w_unlink(&w, "/d/fifo"), 0);
    assert_int_equal(w_rename(&w, "/d/again", "/d/disk", 0), 0);
    assert_int_equal(w_attr(&w, "/d/disk")->type, INODE_FIFO);
    assert_int_equal(w_remove(&w, "/d", REMOVE_TREE), 0);
    assert_int_equal(w.reply.remove_reply.totals.files, 1);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void names_change_places(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, 64 * 1024);
    assert_int_equal(w_mkdir(&w, "/a", 0), 0);
    assert_int_equal(w_mkdir(&w, "/a/dir", 0), 0);
    assert_int_equal(w_create(&w, "/a/dir/in", 0), 0);
    assert_int_equal(w_mkdir(&w, "/b", 0), 0);
    assert_int_equal(w_create(&w, "/b/file", 0), 0);
    uint64_t dir = w_attr(&w, "/a/dir")->ino, file = w_attr(&w, "/b/file")->ino;
    assert_int_equal(w_rename(&w, "/a/dir", "/b/file", RENAME_SWAP), 0);
    assert_int_equal(w_attr(&w, "/a/dir")->ino, file);
    assert_int_equal(w_attr(&w, "/b/file")->ino, dir);
    assert_int_equal(w_attr(&w, "/b/file/in")->type, INODE_FILE);
    assert_int_equal(w_attr(&w, "/a")->nlink, 2);
    assert_int_equal(w_attr(&w, "/b")->nlink, 3);
    assert_int_equal(w_rename(&w, "/a/dir", "/a/none", RENAME_SWAP), DFS_ENOENT);
    assert_int_equal(w_rename(&w, "/b", "/b/file/in", RENAME_SWAP), DFS_EINVAL);
    assert_int_equal(w_rename(&w, "/b/file/in", "/b", RENAME_SWAP), DFS_EINVAL);
    assert_int_equal(w_rename(&w, "/a", "/", RENAME_SWAP), DFS_EBUSY);
    /* in one directory */
    assert_int_equal(w_create(&w, "/a/two", 0), 0);
    assert_int_equal(w_rename(&w, "/a/two", "/a/dir", RENAME_SWAP), 0);
    assert_int_equal(w_attr(&w, "/a/two")->ino, file);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void the_setgid_bit_hands_on_the_group(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, 64 * 1024);
    assert_int_equal(w_mkdir(&w, "/shared", 0), 0);
    struct msg_setattr group = {.flags = SETATTR_GID | SETATTR_MODE, .gid = 77, .mode = 02775};
    assert_int_equal(w_setattr(&w, "/shared", group), 0);
    assert_int_equal(w_mkdir(&w, "/shared/below", 0), 0);
    assert_int_equal(w_create(&w, "/shared/below/file", 0), 0);
    assert_int_equal(w_symlink(&w, "file", "/shared/below/link"), 0);
    assert_int_equal(w_mknod(&w, "/shared/below/fifo", INODE_FIFO, 0), 0);
    assert_int_equal(w_attr(&w, "/shared/below")->gid, 77);
    assert_int_equal(w_attr(&w, "/shared/below")->mode & 02000, 02000);
    assert_int_equal(w_attr(&w, "/shared/below/file")->gid, 77);
    assert_int_equal(w_attr(&w, "/shared/below/file")->mode & 02000, 0);
    assert_int_equal(w_attr(&w, "/shared/below/link")->gid, 77);
    assert_int_equal(w_attr(&w, "/shared/below/fifo")->gid, 77);
    assert_survives_restart(w.m);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_files_are_names_without_content),
        cmocka_unit_test(names_change_places),
        cmocka_unit_test(the_setgid_bit_hands_on_the_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
