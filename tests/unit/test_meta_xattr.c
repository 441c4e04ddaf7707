/* SPDX-License-Identifier: MIT */
/* Extended attributes. */
#include "test_meta_util.h"

static int w_removexattr(struct world *w, const char *path, const char *name)
{
    struct msg c = {.type = MSG_TYPE_removexattr};
    c.removexattr = (struct msg_removexattr){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path),
                                             .name = str_of(name)};
    return world_apply(w, &c);
}

static int w_getxattr(struct world *w, const char *path, const char *name)
{
    struct msg c = {.type = MSG_TYPE_getxattr};
    c.getxattr = (struct msg_getxattr){.dir = ROOT_INO, .path = str_of(path), .name = str_of(name)};
    return meta_read(w->m, &c, &w->reply, &w->arena);
}

static uint32_t w_listxattr(struct world *w, const char *path)
{
    struct msg c = {.type = MSG_TYPE_listxattr};
    c.listxattr = (struct msg_listxattr){.dir = ROOT_INO, .path = str_of(path)};
    arena_reset(&w->arena);
    assert_int_equal(meta_read(w->m, &c, &w->reply, &w->arena), 0);
    return w->reply.listxattr_reply.n_xattrs;
}

static void assert_value(struct world *w, const char *path, const char *name, struct str value)
{
    assert_int_equal(w_getxattr(w, path, name), 0);
    assert_true(str_eq(w->reply.getxattr_reply.value, value));
}

static void attributes_are_set_read_listed_and_removed(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, 0);
    assert_int_equal(w_create(&w, "/f", 0), 0);
    assert_int_equal(w_symlink(&w, "f", "/s"), 0);
    int64_t ctime = w_attr(&w, "/f")->ctime_ns, mtime = w_attr(&w, "/f")->mtime_ns;
    assert_int_equal(w_listxattr(&w, "/f"), 0);
    assert_int_equal(w_setxattr(&w, "/f", "user.m", STR("middle"), 0), 0);
    assert_int_equal(w_setxattr(&w, "/s", "user.a", STR("a\0b"), XATTR_MUST_BE_NEW), 0); /* of what it leads to */
    assert_int_equal(w_setxattr(&w, "/f", "user.z/", STR(""), 0), 0);
    assert_true(w_attr(&w, "/f")->ctime_ns > ctime && w_attr(&w, "/f")->mtime_ns == mtime);
    assert_value(&w, "/f", "user.a", STR("a\0b"));
    assert_value(&w, "/f", "user.m", STR("middle"));
    assert_value(&w, "/f", "user.z/", STR(""));
    assert_int_equal(w_getxattr(&w, "/f", "user.b"), DFS_ENODATA);
    assert_int_equal(w_setxattr(&w, "/f", "user.a", STR("x"), XATTR_MUST_BE_NEW), DFS_EEXIST);
    assert_int_equal(w_setxattr(&w, "/f", "user.b", STR("x"), XATTR_MUST_EXIST), DFS_ENODATA);
    assert_int_equal(w_setxattr(&w, "/f", "user.m", STR("shorter"), XATTR_MUST_EXIST), 0);
    assert_int_equal(w_listxattr(&w, "/f"), 3);
    const struct wire_xattr *x = w.reply.listxattr_reply.xattrs;
    assert_true(str_eq(x[0].name, STR("user.a")) && x[0].size == 3 && str_eq(x[1].name, STR("user.m")) &&
                x[1].size == 7 && str_eq(x[2].name, STR("user.z/")));
    assert_survives_restart(w.m);
    assert_int_equal(w_removexattr(&w, "/f", "user.m"), 0);
    assert_int_equal(w_removexattr(&w, "/f", "user.m"), DFS_ENODATA);
    assert_value(&w, "/f", "user.a", STR("a\0b"));
    assert_int_equal(w_removexattr(&w, "/f", "user.a"), 0);
    assert_int_equal(w_removexattr(&w, "/f", "user.z/"), 0);
    assert_int_equal(w_listxattr(&w, "/f"), 0);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void limits_hold(void **state)
{
    (void)state;
    static char big[META_XATTR_VALUE_MAX + 1];
    struct world w;
    char name[300] = "user.", other[16];
    world_start(&w, 0);
    assert_int_equal(w_create(&w, "/f", 0), 0);
    assert_int_equal(w_symlink(&w, "f", "/s"), 0);
    memset(name + 5, 'n', 250);
    assert_int_equal(w_setxattr(&w, "/f", name, STR("v"), 0), 0);
    name[255] = 'n';
    assert_int_equal(w_setxattr(&w, "/f", name, STR("v"), 0), DFS_ENAMETOOLONG);
    assert_int_equal(w_setxattr(&w, "/f", "", STR("v"), 0), DFS_ENAMETOOLONG);
    assert_int_equal(w_setxattr(&w, "/f", "user.", STR("v"), 0), DFS_EINVAL);
    assert_int_equal(w_setxattr(&w, "/f", "security.x", STR("v"), 0), DFS_ENOTSUP);
    assert_int_equal(w_setxattr(&w, "/f", "user", STR("v"), 0), DFS_ENOTSUP);
    assert_int_equal(w_setxattr(&w, "/s", "user.a", STR("v"), XATTR_NOFOLLOW), DFS_EPERM);
    assert_int_equal(w_setxattr(&w, "/f", "user.a", STR("v"), 1u << 9), DFS_EINVAL);
    assert_int_equal(w_setxattr(&w, "/nothing", "user.a", STR("v"), 0), DFS_ENOENT);
    struct str value = {big, META_XATTR_VALUE_MAX};
    assert_int_equal(w_setxattr(&w, "/f", "user.big", value, 0), 0);
    assert_int_equal(w_setxattr(&w, "/f", "user.huge", (struct str){big, sizeof big}, 0), DFS_ETOOBIG);
    assert_int_equal(w_setxattr(&w, "/f", "user.more", value, 0), DFS_ENOSPC);
    assert_int_equal(w_setxattr(&w, "/f", "user.big", value, 0), 0); /* in place of itself it fits */
    int n = 0, rv = 0;
    for (; rv == 0; n++) {
        snprintf(other, sizeof other, "user.%d", n);
        rv = w_setxattr(&w, "/f", other, STR(""), 0);
    }
    assert_int_equal(rv, DFS_ENOSPC);
    assert_int_equal(w_listxattr(&w, "/f"), n - 1 + 2);
    assert_survives_restart(w.m);
    /* they go with their file, out of the memory too */
    assert_int_equal(w_unlink(&w, "/f"), 0);
    assert_true(meta_memory(w.m) < 20000);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_are_set_read_listed_and_removed),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
