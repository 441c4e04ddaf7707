/* SPDX-License-Identifier: MIT */
/* Access control lists: which are taken, that they and modes keep in step, and what is inherited. Written here as
 * "u:7 u1000:5 g:4 m:6 o:1": owner, named users and groups, mask, others. */
#include "meta_files_util.h"
#include "meta_forge_util.h"

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"
#define VALUE_MAX (4 + 8 * 600)

static const char letters[] = "uUgGmo"; /* tags in order; a capital stands for a named one */

/* The value of an attribute. "?", "!" and "%" are tags there are none of: two in one, one too high, and 0. */
static struct str acl(const char *text)
{
    static uint8_t value[VALUE_MAX];
    uint32_t len = 4;
    put_u32(value, 2);
    while (*text) {
        char *end, letter = *text++;
        unsigned long id = strtoul(text, &end, 10);
        if (end > text)
            letter = letter == 'u' ? 'U' : 'G';
        const char *at = strchr(letters, letter);
        put_u16(value + len, at ? (uint16_t)(1u << (at - letters)) : letter == '?' ? 3 : letter == '!' ? 64 : 0);
        put_u16(value + len + 2, (uint16_t)strtoul(end + 1, &end, 10));
        put_u32(value + len + 4, letter == 'U' || letter == 'G' ? (uint32_t)id : UINT32_MAX);
        len += 8;
        text = *end ? end + 1 : end;
    }
    return (struct str){(const char *)value, len};
}

static int set(struct world *w, const char *path, const char *name, const char *text)
{
    return w_setxattr(w, path, name, acl(text), 0);
}

static int drop(struct world *w, const char *path, const char *name)
{
    struct msg c = {.type = MSG_TYPE_removexattr};
    c.removexattr = (struct msg_removexattr){.id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path),
                                             .name = str_of(name)};
    return world_apply(w, &c);
}

/* "": there is none */
static const char *get(struct world *w, const char *path, const char *name)
{
    static char text[VALUE_MAX * 3];
    struct msg c = {.type = MSG_TYPE_getxattr};
    c.getxattr = (struct msg_getxattr){.dir = ROOT_INO, .path = str_of(path), .name = str_of(name)};
    int rv = meta_read(w->m, &c, &w->reply, &w->arena);
    text[0] = 0;
    if (rv == DFS_ENODATA)
        return text;
    assert_int_equal(rv, 0);
    struct str value = w->reply.getxattr_reply.value;
    assert_int_equal(get_u32(value.p), 2);
    for (uint32_t at = 4, n = 0; at < value.len; at += 8) {
        char letter = letters[__builtin_ctz(get_u16(value.p + at))], id[16] = "";
        if (letter == 'U' || letter == 'G')
            snprintf(id, sizeof id, "%u", get_u32(value.p + at + 4));
        else
            assert_int_equal(get_u32(value.p + at + 4), UINT32_MAX);
        n += (uint32_t)snprintf(text + n, sizeof text - n, "%s%c%s:%u", n ? " " : "", letter | 32, id,
                                get_u16(value.p + at + 2));
    }
    return text;
}

static void assert_acl(struct world *w, const char *path, uint32_t mode, const char *access, const char *inherited)
{
    assert_int_equal(w_attr(w, path)->mode, mode);
    assert_string_equal(get(w, path, ACCESS), access);
    assert_string_equal(get(w, path, DEFAULT), inherited);
}

static void start(struct world *w) /* /f with mode 0644, /d with 0755, /fifo, /s -> f */
{
    with_servers(w);
    assert_int_equal(w_create(w, "/f", 0), 0);
    assert_int_equal(w_mkdir(w, "/d", 0), 0);
    assert_int_equal(w_symlink(w, "f", "/s"), 0);
    struct msg c = {.type = MSG_TYPE_mknod};
    c.mknod = (struct msg_mknod){
        .id = world_next_id(w), .dir = ROOT_INO, .path = STR("/fifo"), .type = INODE_FIFO, .mode = 0600};
    assert_int_equal(world_apply(w, &c), 0);
}

static void stop(struct world *w)
{
    verify(w);
    world_stop(w);
}

/* --- setting them --- */

static void the_mode_follows_an_access_acl(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    assert_int_equal(w_chmod(&w, "/f", 06644), 0);
    int64_t ctime = w_attr(&w, "/f")->ctime_ns, mtime = w_attr(&w, "/f")->mtime_ns;
    assert_int_equal(set(&w, "/f", ACCESS, "u:7 u1000:5 u7:0 g:4 g20:3 m:6 o:1"), 0);
    assert_acl(&w, "/f", 06761, "u:7 u1000:5 u7:0 g:4 g20:3 m:6 o:1", "");
    assert_true(w_attr(&w, "/f")->ctime_ns > ctime && w_attr(&w, "/f")->mtime_ns == mtime);
    assert_int_equal(set(&w, "/s", ACCESS, "u:6 u1:5 g:7 m:2 o:0"), 0); /* of what it leads to */
    assert_acl(&w, "/f", 06620, "u:6 u1:5 g:7 m:2 o:0", "");
    assert_int_equal(set(&w, "/d", ACCESS, "u:7 g:4 m:5 o:5"), 0); /* a mask alone says more, too */
    assert_acl(&w, "/d", 0755, "u:7 g:4 m:5 o:5", "");
    assert_int_equal(set(&w, "/fifo", ACCESS, "u:6 g:0 g9:6 m:6 o:0"), 0);
    assert_acl(&w, "/fifo", 0660, "u:6 g:0 g9:6 m:6 o:0", "");
    stop(&w);
}

static void with_it_the_setgid_bit_may_go(void **state)
{
    (void)state;
    static const char *const texts[] = {"u:7 u1:7 g:5 m:5 o:1", "u:7 g:5 o:1"};
    struct world w;
    start(&w);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(w_chmod(&w, "/f", 07644), 0);
        assert_int_equal(set(&w, "/f", ACCESS, texts[i]), 0);
        assert_int_equal(w_attr(&w, "/f")->mode, 07751);
        assert_int_equal(w_setxattr(&w, "/f", ACCESS, acl(texts[i]), XATTR_DROP_SETGID), 0);
        assert_int_equal(w_attr(&w, "/f")->mode, 05751);
    }
    stop(&w);
}

static void what_a_mode_says_is_not_kept(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    int64_t ctime = w_attr(&w, "/f")->ctime_ns;
    assert_int_equal(set(&w, "/f", ACCESS, "u:7 g:5 o:1"), 0);
    assert_acl(&w, "/f", 0751, "", "");
    assert_true(w_attr(&w, "/f")->ctime_ns > ctime);
    assert_int_equal(set(&w, "/f", ACCESS, "u:7 u1:7 g:5 m:7 o:1"), 0);
    assert_int_equal(set(&w, "/f", ACCESS, "u:6 g:4 o:0"), 0);
    assert_acl(&w, "/f", 0640, "", "");
    assert_int_equal(set(&w, "/d", DEFAULT, "u:7 g:5 o:0"), 0); /* but for a default: there it says something */
    assert_acl(&w, "/d", 0755, "", "u:7 g:5 o:0");
    stop(&w);
}

static void assert_refused(struct world *w, struct str value, int why)
{
    assert_int_equal(w_setxattr(w, "/d", ACCESS, value, 0), why);
    assert_int_equal(w_setxattr(w, "/d", DEFAULT, value, 0), why);
    assert_acl(w, "/d", 0770, "u:7 u1:7 g:5 m:7 o:0", "u:7 g:5 o:0");
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "g:5 o:0",           "u:7 o:0",           "u:7 g:5",           "m:7",
        "u:7 u1:7 g:5 o:0",  "u:7 g:5 g1:7 o:0", /* what the named ones may is for the mask to say */
        "u:7 g:5 m:7",       "g:5 u:7 o:0",       "u:7 g:5 o:0 m:7",   "u1:7 u:7 g:5 m:7 o:0",
        "u:7 g:5 u1:7 m:7 o:0", "u:7 u:7 g:5 o:0", "u:7 g:5 g:5 o:0",  "u:7 g:5 m:7 m:7 o:0",
        "u:7 g:5 o:0 o:0",   "u:8 g:5 o:0",       "u:7 g:5 o:65535",   "u:7 ?:1 g:5 m:7 o:0",
        "u:7 g:5 o:0 !:1",   "%:1 u:7 g:5 o:0",   "u:7 u4294967295:7 g:5 m:7 o:0",
    };
    struct world w;
    start(&w);
    assert_int_equal(set(&w, "/d", ACCESS, "u:7 u1:7 g:5 m:7 o:0"), 0);
    assert_int_equal(set(&w, "/d", DEFAULT, "u:7 g:5 o:0"), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_refused(&w, acl(bad[i]), DFS_EINVAL);
    struct str good = acl("u:7 g:5 o:0");
    for (uint32_t len = 1; len < good.len + 8; len++)
        if (len != 4 && len != good.len)
            assert_refused(&w, (struct str){good.p, len}, DFS_EINVAL);
    uint8_t other[28];
    for (uint32_t version = 0; version < 4; version += version == 1 ? 2 : 1) {
        memcpy(other, good.p, good.len);
        put_u32(other, version);
        assert_refused(&w, (struct str){(const char *)other, good.len}, DFS_EINVAL);
        assert_refused(&w, (struct str){(const char *)other, 4}, DFS_EINVAL);
    }
    stop(&w);
}

/* n named users besides owner, group, mask and others */
static struct str long_acl(uint32_t n)
{
    static char text[VALUE_MAX * 2];
    uint32_t len = (uint32_t)snprintf(text, sizeof text, "u:7");
    for (uint32_t i = 0; i < n; i++)
        len += (uint32_t)snprintf(text + len, sizeof text - len, " u%u:5", i);
    snprintf(text + len, sizeof text - len, " g:5 m:7 o:0");
    return acl(text);
}

static void they_are_bounded(void **state)
{
    (void)state;
    static char big[META_XATTR_VALUE_MAX];
    struct world w;
    start(&w);
    assert_int_equal(w_setxattr(&w, "/d", DEFAULT, long_acl(507), 0), 0);
    assert_int_equal(w_mkdir(&w, "/d/sub", 0), 0);
    assert_int_equal(strncmp(get(&w, "/d/sub", ACCESS), "u:7 u0:5 u1:5", 13), 0);
    assert_int_equal(w_setxattr(&w, "/f", ACCESS, long_acl(508), 0), DFS_ETOOBIG);
    /* the attributes are full */
    assert_int_equal(w_setxattr(&w, "/f", "user.a", (struct str){big, META_XATTR_VALUE_MAX}, 0), 0);
    assert_int_equal(w_setxattr(&w, "/f", "user.b", (struct str){big, META_XATTR_VALUE_MAX - 40}, 0), 0);
    assert_int_equal(set(&w, "/f", ACCESS, "u:7 u1:5 g:5 m:5 o:1"), DFS_ENOSPC);
    assert_acl(&w, "/f", 0644, "", "");
    stop(&w);
}

static void who_may_have_which(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    assert_int_equal(set(&w, "/f", DEFAULT, "u:7 g:5 o:0"), DFS_EACCES);
    assert_int_equal(set(&w, "/fifo", DEFAULT, "u:7 g:5 o:0"), DFS_EACCES);
    assert_int_equal(set(&w, "/f", DEFAULT, ""), 0);
    assert_int_equal(w_setxattr(&w, "/s", ACCESS, acl("u:7 g:5 o:0"), XATTR_NOFOLLOW), DFS_ENOTSUP);
    assert_int_equal(w_setxattr(&w, "/s", DEFAULT, acl("u:7 g:5 o:0"), XATTR_NOFOLLOW), DFS_ENOTSUP);
    assert_int_equal(set(&w, "/d", "system.posix_acl", "u:7 g:5 o:0"), DFS_ENOTSUP);
    assert_int_equal(set(&w, "/d", ACCESS "s", "u:7 g:5 o:0"), DFS_ENOTSUP);
    assert_int_equal(w_setxattr(&w, "/d", DEFAULT, acl("u:7 g:5 o:0"), XATTR_MUST_EXIST), DFS_ENODATA);
    assert_int_equal(w_setxattr(&w, "/d", DEFAULT, acl("u:7 g:5 o:0"), XATTR_MUST_BE_NEW), 0);
    assert_int_equal(w_setxattr(&w, "/d", DEFAULT, acl("u:7 g:5 o:0"), XATTR_MUST_BE_NEW), DFS_EEXIST);
    assert_acl(&w, "/f", 0644, "", "");
    assert_acl(&w, "/d", 0755, "", "u:7 g:5 o:0");
    stop(&w);
}

static void one_that_goes_leaves_the_mode(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    assert_int_equal(set(&w, "/d", ACCESS, "u:7 u1:7 g:0 m:7 o:0"), 0);
    assert_int_equal(set(&w, "/d", DEFAULT, "u:7 u1:7 g:0 m:7 o:0"), 0);
    assert_int_equal(w_setxattr(&w, "/d", "user.a", STR("b"), 0), 0);
    int64_t ctime = w_attr(&w, "/d")->ctime_ns;
    assert_int_equal(drop(&w, "/d", ACCESS), 0);
    assert_acl(&w, "/d", 0770, "", "u:7 u1:7 g:0 m:7 o:0");
    assert_true(w_attr(&w, "/d")->ctime_ns > ctime);
    assert_int_equal(drop(&w, "/d", DEFAULT), 0);
    assert_acl(&w, "/d", 0770, "", "");
    ctime = w_attr(&w, "/d")->ctime_ns;
    assert_int_equal(drop(&w, "/d", ACCESS), 0); /* there is none: no error, and no change */
    assert_int_equal(drop(&w, "/f", DEFAULT), 0);
    assert_int_equal(w_attr(&w, "/d")->ctime_ns, ctime);
    assert_int_equal(set(&w, "/d", DEFAULT, "u:7 g:0 o:0"), 0); /* by an empty one, in both ways to say that */
    assert_int_equal(set(&w, "/d", DEFAULT, ""), 0);
    assert_int_equal(set(&w, "/d", ACCESS, "u:7 u1:7 g:0 m:5 o:0"), 0);
    assert_int_equal(w_setxattr(&w, "/d", ACCESS, STR(""), 0), 0);
    assert_acl(&w, "/d", 0750, "", "");
    assert_int_equal(w_create(&w, "/d/new", 0), 0);
    assert_acl(&w, "/d/new", 0644, "", "");
    stop(&w);
}

static void it_follows_chmod(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    assert_int_equal(set(&w, "/f", ACCESS, "u:7 u1:7 g:5 g2:1 m:7 o:5"), 0);
    assert_int_equal(w_chmod(&w, "/f", 04640), 0);
    assert_acl(&w, "/f", 04640, "u:6 u1:7 g:5 g2:1 m:4 o:0", "");
    assert_int_equal(w_setattr(&w, "/f", (struct msg_setattr){.flags = SETATTR_UID | SETATTR_MTIME_NOW, .uid = 5}), 0);
    assert_acl(&w, "/f", 0640, "u:6 u1:7 g:5 g2:1 m:4 o:0", "");
    assert_int_equal(w_chmod(&w, "/f", 0), 0);
    assert_acl(&w, "/f", 0, "u:0 u1:7 g:5 g2:1 m:0 o:0", "");
    assert_int_equal(w_chmod(&w, "/f", 0777), 0);
    assert_acl(&w, "/f", 0777, "u:7 u1:7 g:5 g2:1 m:7 o:7", "");
    assert_int_equal(set(&w, "/d", DEFAULT, "u:7 u1:7 g:5 m:7 o:5"), 0);
    assert_int_equal(w_chmod(&w, "/d", 0700), 0); /* which is not of the mode */
    assert_acl(&w, "/d", 0700, "", "u:7 u1:7 g:5 m:7 o:5");
    stop(&w);
}

/* --- what is made --- */

/* Makes /d/create, open, make, publish, mknod and /d/mkdir, and sub/sub in that. */
static void make_all(struct world *w, uint32_t mode, uint32_t umask)
{
    struct client c = client_open(w, 5);
    struct msg d = {.type = MSG_TYPE_delegate, .delegate = {.id = next_id(&c), .dir = ROOT_INO, .inodes = 1}};
    assert_int_equal(world_apply(w, &d), 0);
    const uint64_t number = w->reply.delegate_reply.first;
    client_close(w, &c);
#define MADE(what, path_, ...)                                                                                         \
    {.type = MSG_TYPE_##what,                                                                                          \
     .what = {.dir = ROOT_INO, .path = STR_OF(path_), .mode = mode, .uid = 1, .gid = 2, __VA_ARGS__}}
#define STR_OF(literal) {(literal), sizeof(literal) - 1}
    struct msg all[] = {
        MADE(create, "/d/create", .umask = umask),
        MADE(open, "/d/open", .flags = OPEN_READ | OPEN_CREATE, .umask = umask),
        MADE(mknod, "/d/mknod", .type = INODE_SOCKET, .umask = umask),
        MADE(make, "/d/make", .ino = number, .umask = umask),
        MADE(publish, "/d/publish", .size = 0),
        MADE(mkdir, "/d/mkdir", .umask = umask),
        MADE(mkdir, "/d/mkdir/sub/sub", .flags = MKDIR_PARENTS, .umask = umask),
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        all[i].create.id = world_next_id(w); /* the first field of each */
        assert_int_equal(world_apply(w, &all[i]), 0);
    }
    assert_int_equal(w_symlink(w, "f", "/d/symlink"), 0);
}

static const char *const files[] = {"/d/create", "/d/open", "/d/mknod", "/d/make", "/d/publish"};
static const char *const dirs[] = {"/d/mkdir", "/d/mkdir/sub", "/d/mkdir/sub/sub"};

static void what_is_made_inherits(void **state)
{
    (void)state;
    static const char given[] = "u:7 u1000:7 g:5 g9:1 m:7 o:5";
    struct world w;
    start(&w);
    assert_int_equal(set(&w, "/d", DEFAULT, given), 0);
    make_all(&w, 03641, 077); /* of which the umask does not count */
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_acl(&w, files[i], 03641, "u:6 u1000:7 g:5 g9:1 m:4 o:1", "");
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        assert_acl(&w, dirs[i], 03641, "u:6 u1000:7 g:5 g9:1 m:4 o:1", given);
    struct msg c = {.type = MSG_TYPE_getxattr};
    c.getxattr = (struct msg_getxattr){
        .dir = ROOT_INO, .path = STR("/d/symlink"), .flags = XATTR_NOFOLLOW, .name = STR(ACCESS)};
    assert_int_equal(meta_read(w.m, &c, &w.reply, &w.arena), DFS_ENODATA);
    stop(&w);
}

static void no_more_than_the_default_gives(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    assert_int_equal(set(&w, "/d", DEFAULT, "u:5 u1000:7 g:7 m:1 o:0"), 0);
    make_all(&w, 0777, 0);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_acl(&w, files[i], 0510, "u:5 u1000:7 g:7 m:1 o:0", "");
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        assert_acl(&w, dirs[i], 0510, "u:5 u1000:7 g:7 m:1 o:0", "u:5 u1000:7 g:7 m:1 o:0");
    stop(&w);
}

static void a_default_like_a_mode_is_a_umask(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    assert_int_equal(set(&w, "/d", DEFAULT, "u:7 g:5 o:0"), 0);
    make_all(&w, 0666, 0777);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_acl(&w, files[i], 0640, "", "");
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        assert_acl(&w, dirs[i], 0640, "", "u:7 g:5 o:0");
    stop(&w);
}

static void without_one_the_umask_counts(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    assert_int_equal(set(&w, "/d", ACCESS, "u:7 u1000:7 g:5 m:7 o:5"), 0); /* nobody inherits that */
    make_all(&w, 07777, 0xfffff000 | 0027);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_acl(&w, files[i], strcmp(files[i], "/d/publish") == 0 ? 07777 : 07750, "", "");
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        assert_acl(&w, dirs[i], 07750, "", "");
    stop(&w);
}

static void what_is_there_keeps_its_own(void **state)
{
    (void)state;
    struct world w;
    uint64_t h;
    start(&w);
    struct client c = client_open(&w, 5);
    assert_int_equal(w_create(&w, "/d/f", 0), 0);
    assert_int_equal(set(&w, "/d/f", ACCESS, "u:7 u1:7 g:5 m:6 o:0"), 0);
    assert_int_equal(set(&w, "/d", DEFAULT, "u:7 u1000:7 g:5 m:7 o:5"), 0);
    assert_int_equal(w_create(&w, "/d/f", 0), 0);
    assert_int_equal(w_publish(&w, "/d/f", 10, 1, 0), 0);
    assert_acl(&w, "/d/f", 0760, "u:7 u1:7 g:5 m:6 o:0", "");
    assert_int_equal(f_open(&w, &c, ROOT_INO, "/d/f", OPEN_READ | OPEN_CREATE, &h), 0);
    assert_int_equal(w_publish(&w, "/d/f", 10, 2, 0), 0); /* another file in its place, which looks the same */
    assert_acl(&w, "/d/f", 0760, "u:7 u1:7 g:5 m:6 o:0", "");
    assert_int_equal(w_rename(&w, "/f", "/d/moved", 0), 0);
    assert_acl(&w, "/d/moved", 0644, "", "");
    stop(&w);
}

/* --- again, later, elsewhere --- */

static void a_request_that_comes_again_is_answered_alike(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    struct msg c = {.type = MSG_TYPE_setxattr};
    c.setxattr = (struct msg_setxattr){
        .id = world_next_id(&w), .dir = ROOT_INO, .path = STR("/f"), .name = STR(ACCESS), .value = acl("u:7 u1:1 g:5 m:5 o:0")};
    assert_int_equal(world_apply(&w, &c), 0);
    int64_t ctime = w_attr(&w, "/f")->ctime_ns;
    struct msg mode = {.type = MSG_TYPE_setattr};
    mode.setattr = (struct msg_setattr){
        .id = world_next_id(&w), .dir = ROOT_INO, .path = STR("/f"), .flags = SETATTR_MODE, .mode = 0600};
    mode.setattr.id.seen = c.setxattr.id.seen;
    assert_int_equal(world_apply(&w, &mode), 0);
    assert_int_equal(world_apply(&w, &c), 0);
    assert_acl(&w, "/f", 0600, "u:6 u1:1 g:5 m:0 o:0", "");
    assert_true(w_attr(&w, "/f")->ctime_ns > ctime);
    stop(&w);
}

/* Where an attribute of this name begins in a snapshot. */
static uint8_t *find_name(const struct bytes *b, const char *name)
{
    uint8_t *p = memmem(b->p, b->len, name, strlen(name));
    assert_non_null(p);
    return p;
}

static int load_forged(struct bytes *b)
{
    struct meta *m = meta_new();
    fix_crc(b);
    int rv = load_bytes(m, b->p, b->len);
    meta_free(m);
    return rv;
}

static void a_snapshot_with_one_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    assert_int_equal(set(&w, "/f", ACCESS, "u:6 u1:6 g:4 m:4 o:0"), 0);
    assert_int_equal(set(&w, "/d", DEFAULT, "u:7 g:5 o:0"), 0);
    struct bytes b = saved(w.m);
    assert_int_equal(load_forged(&b), 0);
    uint8_t *first = find_name(&b, ACCESS) + strlen(ACCESS) + 4 + 4; /* behind the length and the version */
    uint8_t *other = find_name(&b, DEFAULT) + strlen(DEFAULT) + 4 + 4;
    first[2] ^= 1; /* not what the mode says */
    assert_int_equal(load_forged(&b), DFS_ECORRUPT);
    first[2] ^= 1;
    other[0] = 3; /* no tag */
    assert_int_equal(load_forged(&b), DFS_ECORRUPT);
    other[0] = 1;
    assert_int_equal(load_forged(&b), 0);
    memcpy(find_name(&b, ACCESS), "system.posix_acl_defaul", strlen(ACCESS)); /* a name there is none of */
    assert_int_equal(load_forged(&b), DFS_ECORRUPT);
    bytes_close(&b);
    stop(&w);
}

static void what_inherits_is_not_delegated(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    struct client c = client_open(&w, 5);
    uint64_t dir = w_attr(&w, "/d")->ino;
    struct msg m = {.type = MSG_TYPE_delegate, .delegate = {.id = next_id(&c), .dir = dir, .inodes = 1}};
    assert_int_equal(world_apply(&w, &m), 0);
    set(&w, "/d", DEFAULT, "u:7 g:5 o:0"); /* it has to be given back first */
    assert_int_equal(w.res.recall, dir);
    w.number--; /* nothing was done */
    assert_string_equal(get(&w, "/d", DEFAULT), "");
    struct msg back = {.type = MSG_TYPE_delegate_return, .delegate_return = {.id = next_id(&c), .dir = dir}};
    assert_int_equal(world_apply(&w, &back), 0);
    assert_int_equal(set(&w, "/d", DEFAULT, "u:7 g:5 o:0"), 0);
    m.delegate.id = next_id(&c);
    assert_int_equal(world_apply(&w, &m), DFS_ENOTSUP);
    assert_int_equal(drop(&w, "/d", DEFAULT), 0);
    m.delegate.id = next_id(&c);
    assert_int_equal(world_apply(&w, &m), 0);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mode_follows_an_access_acl),
        cmocka_unit_test(with_it_the_setgid_bit_may_go),
        cmocka_unit_test(what_a_mode_says_is_not_kept),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(they_are_bounded),
        cmocka_unit_test(who_may_have_which),
        cmocka_unit_test(one_that_goes_leaves_the_mode),
        cmocka_unit_test(it_follows_chmod),
        cmocka_unit_test(what_is_made_inherits),
        cmocka_unit_test(no_more_than_the_default_gives),
        cmocka_unit_test(a_default_like_a_mode_is_a_umask),
        cmocka_unit_test(without_one_the_umask_counts),
        cmocka_unit_test(what_is_there_keeps_its_own),
        cmocka_unit_test(a_request_that_comes_again_is_answered_alike),
        cmocka_unit_test(a_snapshot_with_one_that_does_not_fit_is_refused),
        cmocka_unit_test(what_inherits_is_not_delegated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
