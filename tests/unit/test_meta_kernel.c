/* SPDX-License-Identifier: MIT */
/* The namespace against the kernel's: thousands of random operations on paths full of symlinks, dots, doubled and
 * trailing slashes are done to a scratch folder too, and every outcome, error numbers included, must be the same.
 *
 * A forked child is locked into the scratch folder with chroot (in a user namespace of its own if need be), so that
 * absolute symlinks and ".." mean the same to both; it does what arrives on a socket and answers with errno. */
#include "test_meta_util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum op { OP_MKDIR, OP_CREATE, OP_CREATE_EXCL, OP_SYMLINK, OP_UNLINK, OP_RMDIR, OP_RENAME, OP_RENAME_EXCL, OP_PUBLISH,
          OP_LINK, OP_CHMOD, OP_STAT, OP_LSTAT, OP_LIST, OP_COUNT };

struct order {
    uint32_t op, size;
    char path[128], other[128]; /* other: rename's target, a symlink's text */
};

struct answer {
    int err;
    uint32_t type, size, mode, nlink;
    char text[1024]; /* a symlink's target; a listing, names separated by '/' */
};

/* --- the kernel's side --- */

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int kernel_list(const char *path, struct answer *a)
{
    struct dirent **list;
    size_t at = 0;
    int n = scandir(path, &list, NULL, by_name);
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i]->d_name, ".") != 0 && strcmp(list[i]->d_name, "..") != 0)
            at += (size_t)snprintf(a->text + at, sizeof a->text - at, "%s/", list[i]->d_name);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    return n < 0 ? -1 : 0;
}

static int kernel_open(const char *path, int flags, uint32_t size)
{
    int fd = open(path, O_CREAT | O_WRONLY | flags, flags & O_TRUNC ? 0640 : 0644);
    if (fd < 0)
        return -1;
    int rv = flags & O_TRUNC ? ftruncate(fd, size) : 0;
    close(fd);
    return rv;
}

static int kernel_stat(const struct order *o, struct answer *a)
{
    struct stat st;
    if ((o->op == OP_STAT ? stat(o->path, &st) : lstat(o->path, &st)) != 0)
        return -1;
    a->type = S_ISDIR(st.st_mode) ? INODE_DIRECTORY : S_ISLNK(st.st_mode) ? INODE_SYMLINK : INODE_FILE;
    a->size = a->type == INODE_DIRECTORY ? 0 : (uint32_t)st.st_size;
    a->mode = st.st_mode & 07777;
    a->nlink = (uint32_t)st.st_nlink;
    if (a->type == INODE_SYMLINK && readlink(o->path, a->text, sizeof a->text - 1) < 0)
        return -1;
    return 0;
}

static int kernel_do(const struct order *o, struct answer *a)
{
    switch ((enum op)o->op) {
    case OP_MKDIR: return mkdir(o->path, 0755);
    case OP_CREATE: return kernel_open(o->path, 0, 0);
    case OP_CREATE_EXCL: return kernel_open(o->path, O_EXCL, 0);
    case OP_SYMLINK: return symlink(o->other, o->path);
    case OP_UNLINK: return unlink(o->path);
    case OP_RMDIR: return rmdir(o->path);
    case OP_RENAME: return rename(o->path, o->other);
    case OP_RENAME_EXCL: return renameat2(AT_FDCWD, o->path, AT_FDCWD, o->other, RENAME_NOREPLACE);
    case OP_PUBLISH: return kernel_open(o->path, O_TRUNC, o->size);
    case OP_LINK: return link(o->path, o->other);
    case OP_CHMOD: return chmod(o->path, o->size);
    case OP_STAT:
    case OP_LSTAT: return kernel_stat(o, a);
    case OP_LIST: return kernel_list(o->path, a);
    default: errno = ENOSYS; return -1;
    }
}

static void kernel_serve(const char *folder, int fd)
{
    struct order o;
    bool locked = chroot(folder) == 0 || (unshare(CLONE_NEWUSER) == 0 && chroot(folder) == 0);
    int hello = locked && chdir("/") == 0 && chmod("/", 0755) == 0 ? 0 : errno;
    umask(022);
    if (send(fd, &hello, sizeof hello, 0) != sizeof hello || hello != 0)
        _exit(0);
    while (recv(fd, &o, sizeof o, 0) == sizeof o) {
        struct answer a = {0};
        a.err = kernel_do(&o, &a) == 0 ? 0 : errno;
        if (send(fd, &a, sizeof a, 0) != sizeof a)
            break;
    }
    _exit(0);
}

/* --- our side --- */

static int to_errno(int err)
{
    static const struct { int ours, theirs; } table[] = {
        {0, 0}, {DFS_EINVAL, EINVAL}, {DFS_ENOENT, ENOENT}, {DFS_EEXIST, EEXIST}, {DFS_ENOTDIR, ENOTDIR},
        {DFS_EISDIR, EISDIR}, {DFS_ENOTEMPTY, ENOTEMPTY}, {DFS_ENAMETOOLONG, ENAMETOOLONG}, {DFS_ELOOP, ELOOP},
        {DFS_EBUSY, EBUSY}, {DFS_EPERM, EPERM}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].ours == err)
            return table[i].theirs;
    fail_msg("unexpected error %s", dfs_errname(err));
    return -1;
}

static int our_stat(struct world *w, const struct order *o, struct answer *a)
{
    int rv = w_lookup(w, o->path, o->op == OP_LSTAT ? LOOKUP_NOFOLLOW : 0);
    if (rv != 0)
        return rv;
    const struct msg_lookup_reply *r = &w->reply.lookup_reply;
    a->type = r->attr.type;
    a->size = a->type == INODE_DIRECTORY ? 0 : (uint32_t)r->attr.size;
    a->mode = r->attr.mode;
    a->nlink = r->attr.nlink;
    memcpy(a->text, r->target.p, r->target.len);
    return 0;
}

static int our_list(struct world *w, const struct order *o, struct answer *a)
{
    size_t at = 0;
    int rv = w_readdir(w, o->path, STR(""), 1000);
    for (uint32_t i = 0; rv == 0 && i < w->reply.readdir_reply.n_entries; i++)
        at += (size_t)snprintf(a->text + at, sizeof a->text - at, "%.*s/",
                               STR_ARG(w->reply.readdir_reply.entries[i].name));
    return rv;
}

static int our_do(struct world *w, const struct order *o, struct answer *a, uint64_t *chunk)
{
    switch ((enum op)o->op) {
    case OP_MKDIR: return w_mkdir(w, o->path, 0);
    case OP_CREATE: return w_create(w, o->path, 0);
    case OP_CREATE_EXCL: return w_create(w, o->path, CREATE_EXCL);
    case OP_SYMLINK: return w_symlink(w, o->other, o->path);
    case OP_UNLINK: return w_unlink(w, o->path);
    case OP_RMDIR: return w_rmdir(w, o->path);
    case OP_RENAME: return w_rename(w, o->path, o->other, 0);
    case OP_RENAME_EXCL: return w_rename(w, o->path, o->other, RENAME_EXCL);
    case OP_PUBLISH: return w_publish(w, o->path, o->size, ++*chunk, 0);
    case OP_LINK: return w_hardlink(w, o->path, o->other);
    case OP_CHMOD: return w_chmod(w, o->path, o->size);
    case OP_STAT:
    case OP_LSTAT: return our_stat(w, o, a);
    case OP_LIST: return our_list(w, o, a);
    default: return DFS_ENOTSUP;
    }
}

/* --- orders --- */

static void random_path(struct rng *r, char *out)
{
    static const char *names[] = {"a", "b", "c", "d", "a", "b", "c", "d", "..", "."};
    uint32_t n = 1 + (uint32_t)rng_below(r, 4);
    char *p = out;
    if (rng_chance(r, 200))
        *p++ = '/';
    for (uint32_t i = 0; i < n; i++) {
        p += sprintf(p, "%s", names[rng_below(r, ARRAY_LEN(names))]);
        if (i + 1 < n || rng_chance(r, 150))
            *p++ = '/';
        if (p[-1] == '/' && rng_chance(r, 100))
            *p++ = '/';
    }
    *p = '\0';
    if (rng_chance(r, 5))
        strcpy(out, "/");
    if (rng_chance(r, 5)) {
        memset(out, 'n', 120);
        out[120] = '\0';
    }
}

static void random_order(struct rng *r, struct order *o)
{
    memset(o, 0, sizeof *o);
    o->op = (uint32_t)rng_below(r, OP_COUNT);
    if (o->op == OP_UNLINK && rng_chance(r, 500))
        o->op = OP_MKDIR;
    o->size = (uint32_t)rng_below(r, 3) * 1000;
    if (o->op == OP_CHMOD)
        o->size = 0700 | (uint32_t)rng_below(r, 64); /* the owner must be able to go on */
    random_path(r, o->path);
    random_path(r, o->other);
}

static void run(int fd, uint64_t seed, uint32_t orders)
{
    struct world w;
    struct rng r;
    uint64_t chunk = 0;
    uint32_t succeeded = 0;
    struct order o;
    rng_seed(&r, seed);
    world_start(&w, 64 * MIB);
    world_add_server(&w, 1);
    world_add_server(&w, 2);
    for (uint32_t i = 0; i < orders; i++) {
        struct answer ours = {0}, theirs;
        random_order(&r, &o);
        assert_int_equal(send(fd, &o, sizeof o, 0), sizeof o);
        assert_int_equal(recv(fd, &theirs, sizeof theirs, 0), sizeof theirs);
        ours.err = to_errno(our_do(&w, &o, &ours, &chunk));
        if (ours.err != theirs.err || ours.type != theirs.type || ours.size != theirs.size ||
            ours.mode != theirs.mode || ours.nlink != theirs.nlink ||
            strcmp(ours.text, theirs.text) != 0)
            fail_msg("seed %" PRIu64 " order %u: op %u path \"%s\" other \"%s\": "
                     "kernel %s %u %u %o %u \"%s\", we %s %u %u %o %u \"%s\"",
                     seed, i, o.op, o.path, o.other, strerror(theirs.err), theirs.type, theirs.size, theirs.mode,
                     theirs.nlink, theirs.text, strerror(ours.err), ours.type, ours.size, ours.mode, ours.nlink,
                     ours.text);
        succeeded += ours.err == 0;
    }
    assert_true(succeeded > orders / 10);
    assert_survives_restart(w.m);

    /* The same log gives the same state. */
    struct meta *again = meta_new();
    struct arena a;
    arena_init(&a, WIRE_ARENA_MAX);
    for (size_t at = 0; at < w.log.len;) {
        const uint8_t *h = w.log.p + at;
        struct stamp st = {.index = get_u64(h), .epoch = get_u64(h + 8), .time_ns = (int64_t)get_u64(h + 16)};
        struct msg cmd;
        struct meta_result res;
        arena_reset(&a);
        assert_int_equal(msg_decode(get_u16(h + 24), h + 30, get_u32(h + 26), &cmd, &a), 0);
        stir_stack(st.index);
        meta_apply(again, &st, &cmd, &res);
        at += 30 + get_u32(h + 26);
    }
    arena_close(&a);
    assert_same_state(w.m, again);
    meta_free(again);
    world_stop(&w);
}

static void empty_folder(const char *path)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static void every_outcome_is_the_kernels(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        char folder[] = "/tmp/dfs-test-meta-XXXXXX";
        int sv[2], hello = -1;
        assert_non_null(mkdtemp(folder));
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
        pid_t child = fork();
        if (child == 0) {
            close(sv[0]);
            kernel_serve(folder, sv[1]);
        }
        close(sv[1]);
        assert_int_equal(recv(sv[0], &hello, sizeof hello, 0), sizeof hello);
        if (hello == 0)
            run(sv[0], seed, 8000);
        close(sv[0]);
        waitpid(child, NULL, 0);
        empty_folder(folder);
        if (hello != 0) {
            print_message("skipped: chroot is not permitted here: %s\n", strerror(hello));
            skip();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_outcome_is_the_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
