/* SPDX-License-Identifier: MIT */
/* The real disk in a temporary folder: every operation, the lock, the open files, reads that do not block. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "uv/disk.h"

struct fixture {
    uv_loop_t loop;
    struct disk *disk;
    char path[64];
    uint32_t done, submitted;
    struct disk_op *last; /* kept until the next */
    bool in_submit, closed;
};

/* Stands before libc's: files and folders flushed so far, by whichever thread. */
static atomic_uint files_flushed, folders_flushed;

int fsync(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0)
        atomic_fetch_add(S_ISDIR(st.st_mode) ? &folders_flushed : &files_flushed, 1);
    return (int)syscall(SYS_fsync, fd);
}

/* Huge pages asked for. */
static atomic_uint faults;

int madvise(void *addr, size_t len, int advice)
{
    atomic_fetch_add(&faults, advice == 22); /* MADV_POPULATE_READ */
    return (int)syscall(SYS_madvise, addr, len, advice);
}

static void on_done(void *arg, struct disk_op *op)
{
    struct fixture *f = arg;
    assert_false(f->in_submit);
    disk_op_free(f->last);
    f->last = op;
    f->done++;
}

static void on_closed(void *arg)
{
    struct fixture *f = arg;
    f->closed = true;
}

static void open_disk(struct fixture *f)
{
    struct disk_handlers handlers = {on_done, f};
    assert_int_equal(uv_disk_open(&f->loop, f->path, &handlers, &f->disk), 0);
    f->closed = false;
}

static void close_disk(struct fixture *f)
{
    uv_disk_close(f->disk, on_closed, f);
    while (!f->closed)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/dfs-test-disk-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    uv_loop_init(&f->loop);
    open_disk(f);
    *state = f;
    return 0;
}

static void remove_file(void *arg, const char *name, uint64_t size)
{
    struct fixture *f = arg;
    char path[256];
    (void)size;
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    unlink(path);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    f->disk->ops->list(f->disk, remove_file, f);
    close_disk(f);
    rmdir(f->path);
    disk_op_free(f->last);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    return 0;
}

/* Submits without waiting; the operation is the disk's from here on. */
static void submit(struct fixture *f, struct disk_op *op)
{
    f->in_submit = true;
    f->disk->ops->submit(f->disk, op);
    f->in_submit = false;
    f->submitted++;
}

static void wait_all(struct fixture *f)
{
    while (f->done < f->submitted)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static int run(struct fixture *f, struct disk_op *op)
{
    submit(f, op);
    wait_all(f);
    return f->last->status;
}

static struct disk_op *make(enum disk_kind kind, const char *name, uint64_t offset, uint64_t length)
{
    struct disk_op *op = disk_op_new(kind, name, kind == DISK_READ ? 1 : 0);
    op->offset = offset;
    op->length = length;
    return op;
}

static struct disk_op *make_write(const char *name, uint64_t offset, const char *text)
{
    struct disk_op *op = disk_op_new(DISK_WRITE, name, 2);
    uint32_t half = (uint32_t)strlen(text) / 2;
    op->offset = offset;
    op->flush = true;
    op->data[0] = slice_copy(text, half);
    op->data[1] = slice_copy(text + half, (uint32_t)strlen(text) - half);
    return op;
}

static void expect_content(struct fixture *f, const char *name, uint64_t offset, const char *text)
{
    assert_int_equal(run(f, make(DISK_READ, name, offset, strlen(text))), 0);
    assert_int_equal(f->last->data[0].len, strlen(text));
    assert_memory_equal(slice_data(f->last->data[0]), text, strlen(text));
}

static void what_is_written_is_read(void **state)
{
    struct fixture *f = *state;
    struct disk_op *op = make(DISK_CREATE, "a", 0, 65536);
    op->zero = true;
    assert_int_equal(run(f, op), 0);
    assert_int_equal(run(f, make_write("a", 4000, "hello, world")), 0);
    expect_content(f, "a", 4000, "hello, world");
    expect_content(f, "a", 4000, "hello, world"); /* cached by now: without the pool */
    assert_int_equal(run(f, make(DISK_READ, "a", 65530, 100)), 0);
    assert_int_equal(f->last->data[0].len, 6); /* short only at the end of the file */
    assert_int_equal(run(f, make(DISK_READ, "a", 70000, 100)), 0);
    assert_int_equal(f->last->data[0].len, 0);
    assert_int_equal(run(f, make(DISK_FLUSH, "a", 0, 0)), 0);
}

static void more_pieces_than_one_call_takes_are_written_in_order(void **state)
{
    struct fixture *f = *state;
    struct disk_op *op = disk_op_new(DISK_WRITE, "many", 5000);
    uint8_t *back = malloc(10000);
    size_t got;
    assert_int_equal(run(f, make(DISK_CREATE, "many", 0, 0)), 0);
    for (uint32_t i = 0; i < 5000; i++) {
        uint16_t value = (uint16_t)i;
        op->data[i] = slice_copy(&value, sizeof value);
    }
    assert_int_equal(run(f, op), 0);
    assert_int_equal(f->disk->ops->read(f->disk, "many", 0, back, 10000, &got), 0);
    assert_int_equal(got, 10000);
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(get_u16(back + 2 * i), i);
    free(back);
}

static void errors_are_told_by_name(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, make_write("missing", 0, "xx")), DFS_ENOENT);
    assert_int_equal(run(f, make(DISK_READ, "missing", 0, 10)), DFS_ENOENT);
    assert_int_equal(run(f, make(DISK_READ, "missing", 0, (uint64_t)BUF_MAX + 1)), DFS_EINVAL);
    struct disk_op *op = disk_op_new(DISK_RENAME, "missing", 0);
    snprintf(op->name2, sizeof op->name2, "other");
    assert_int_equal(run(f, op), DFS_ENOENT);
    assert_int_equal(run(f, make(DISK_UNLINK, "missing", 0, 0)), 0); /* gone is what was asked for */
    assert_int_equal(run(f, make(DISK_CREATE, "a", 0, 10)), 0);
    assert_int_equal(run(f, make(DISK_CREATE, "a", 0, 10)), DFS_EEXIST);
    int err = run(f, make(DISK_CREATE, "huge", 0, 1ULL << 60));
    assert_true(err == DFS_EFBIG || err == DFS_ENOSPC); /* by file system */
    size_t got;
    char byte;
    assert_int_equal(f->disk->ops->read(f->disk, "huge", 0, &byte, 1, &got), DFS_ENOENT); /* nothing half-made stays */
}

static void a_renamed_name_means_the_new_file(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, make(DISK_CREATE, "old", 0, 16)), 0);
    assert_int_equal(run(f, make(DISK_CREATE, "new", 0, 16)), 0);
    assert_int_equal(run(f, make_write("old", 0, "old text")), 0);
    assert_int_equal(run(f, make_write("new", 0, "new text")), 0);
    expect_content(f, "old", 0, "old text");
    struct disk_op *op = disk_op_new(DISK_RENAME, "new", 0);
    snprintf(op->name2, sizeof op->name2, "old");
    assert_int_equal(run(f, op), 0);
    expect_content(f, "old", 0, "new text"); /* not what was kept open under this name */
    assert_int_equal(run(f, make(DISK_READ, "new", 0, 8)), DFS_ENOENT);
    assert_int_equal(run(f, make(DISK_UNLINK, "old", 0, 0)), 0);
    assert_int_equal(run(f, make(DISK_READ, "old", 0, 8)), DFS_ENOENT);
}

static void a_synchronous_read_is_of_the_file_of_that_name(void **state)
{
    struct fixture *f = *state;
    const struct disk_ops *ops = f->disk->ops;
    char text[9] = "";
    size_t got;
    assert_int_equal(ops->write(f->disk, "old", 0, "old text", 8), 0);
    assert_int_equal(ops->write(f->disk, "new", 0, "new text", 8), 0);
    assert_int_equal(ops->read(f->disk, "old", 0, text, 8, &got), 0);
    assert_string_equal(text, "old text");
    ops->ahead(f->disk, "new", 0, 8);
    ops->ahead(f->disk, "missing", 0, 8);
    assert_int_equal(ops->rename(f->disk, "new", "old"), 0);
    assert_int_equal(ops->read(f->disk, "old", 0, text, 8, &got), 0);
    assert_string_equal(text, "new text");
    assert_int_equal(ops->unlink(f->disk, "old"), 0);
    assert_int_equal(ops->read(f->disk, "old", 0, text, 8, &got), DFS_ENOENT);
}

/* It would keep the space of what is removed. */
static void no_synchronous_read_keeps_a_file_open_beside_operations(void **state)
{
    struct fixture *f = *state;
    const struct disk_ops *ops = f->disk->ops;
    char text[9], path[128], target[128];
    size_t got;
    assert_int_equal(ops->write(f->disk, "a", 0, "some text", 9), 0);
    assert_int_equal(ops->read(f->disk, "a", 0, text, 9, &got), 0);
    assert_int_equal(run(f, make(DISK_UNLINK, "a", 0, 0)), 0);
    for (int fd = 0; fd < 256; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = '\0';
        assert_null(strstr(target, "/a (deleted)"));
    }
}

static void a_punched_range_reads_as_zeros_and_gives_its_space_back(void **state)
{
    struct fixture *f = *state;
    struct disk_op *op = make(DISK_CREATE, "a", 0, MIB);
    struct stat before, after;
    char path[128], zeros[8] = {0};
    op->zero = true;
    assert_int_equal(run(f, op), 0);
    assert_int_equal(run(f, make_write("a", 0, "kept text")), 0);
    assert_int_equal(run(f, make_write("a", 8192, "some text")), 0);
    snprintf(path, sizeof path, "%s/a", f->path);
    stat(path, &before);
    if (run(f, make(DISK_PUNCH, "a", 8192, MIB - 8192)) == DFS_ENOTSUP)
        skip(); /* this file system cannot */
    stat(path, &after);
    assert_int_equal(after.st_size, before.st_size);
    assert_true(after.st_blocks < before.st_blocks);
    assert_int_equal(run(f, make(DISK_READ, "a", 8192, 8)), 0);
    assert_memory_equal(slice_data(f->last->data[0]), zeros, 8);
    expect_content(f, "a", 0, "kept text");
}

#define LONG_FILE (64 * MIB + 5000)

static uint8_t byte_at(uint64_t at) { return (uint8_t)(at / 4096 * 7 + at % 251); }

static int make_long(struct fixture *f, const char *name)
{
    uint8_t *bytes = xcalloc(LONG_FILE, 1);
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    for (uint64_t i = 0; i < LONG_FILE; i++)
        bytes[i] = byte_at(i);
    assert_int_equal(pwrite(fd, bytes, LONG_FILE, 0), LONG_FILE);
    free(bytes);
    assert_int_equal(fsync(fd), 0);
    return fd;
}

static void read_long(struct fixture *f, const char *name, uint64_t from)
{
    const uint64_t n = from + MIB + 4096 <= LONG_FILE ? MIB + 4096 : LONG_FILE - from;
    assert_int_equal(run(f, make(DISK_READ, name, from, n)), 0);
    assert_int_equal(f->last->data[0].len, n);
    const uint8_t *p = slice_data(f->last->data[0]);
    for (uint64_t i = 0; i < n; i += 509)
        assert_int_equal(p[i], byte_at(from + i));
}

/* How many of its pages are in memory; UINT64_MAX: the kernel does not tell. */
static uint64_t pages_of(int fd)
{
    uint64_t all[2] = {0}, pages[5] = {0};
    return syscall(451, fd, all, pages, 0) == 0 ? pages[0] : UINT64_MAX; /* cachestat, of Linux 6.5 */
}

static bool forget(int fd)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return pages_of(fd) == 0;
}

/* In whole huge pages, but not if it is in memory, and not what is read here and there. */
static void what_is_read_in_order_is_read_ahead(void **state)
{
    struct fixture *f = *state;
    int fd = make_long(f, "a"), here = make_long(f, "b");
    bool cold = forget(fd);
    for (uint64_t at = 0; at < LONG_FILE; at += MIB + 4096)
        read_long(f, "a", at);
    unsigned asked = atomic_exchange(&faults, 0);
    for (uint64_t at = 0; at < LONG_FILE; at += MIB + 4096)
        read_long(f, "a", at);
    bool kept = pages_of(fd) >= LONG_FILE / (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned again = atomic_exchange(&faults, 0);
    cold = forget(here) && cold;
    for (uint64_t at = 60 * MIB; at > 0; at -= 20 * MIB)
        read_long(f, "b", at);
    assert_int_equal(atomic_load(&faults), 0);
    close(fd);
    close(here);
    if (!cold || !kept)
        skip(); /* a file system in memory, an older kernel, or too little memory */
    assert_true(asked > 0);
    assert_int_equal(again, 0);
}

static void more_files_than_are_kept_open(void **state)
{
    struct fixture *f = *state;
    char name[32], text[32];
    for (uint32_t i = 0; i < 400; i++) {
        snprintf(name, sizeof name, "file%u", i);
        assert_int_equal(run(f, make(DISK_CREATE, name, 0, 64)), 0);
        snprintf(text, sizeof text, "text of %u", i);
        assert_int_equal(run(f, make_write(name, 0, text)), 0);
    }
    for (uint32_t i = 0; i < 400; i++) {
        snprintf(name, sizeof name, "file%u", i);
        snprintf(text, sizeof text, "text of %u", i);
        expect_content(f, name, 0, text);
    }
    uint32_t open_files = 0;
    for (int fd = 0; fd < 1024; fd++)
        open_files += fcntl(fd, F_GETFD) >= 0;
    assert_in_range(open_files, 200, 300);
}

/* Operations on files that are renamed and removed meanwhile must not crash or mix files up. */
static void many_operations_at_once(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 8; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%u", i);
        assert_int_equal(run(f, make(DISK_CREATE, name, 0, 65536)), 0);
    }
    for (uint32_t i = 0; i < 2000; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%u", i % 8);
        if (i % 97 == 0)
            submit(f, make(DISK_UNLINK, name, 0, 0));
        else if (i % 97 == 50)
            submit(f, make(DISK_CREATE, name, 0, 4096));
        else if (i % 3 == 0)
            submit(f, make_write(name, i * 8, "12345678"));
        else
            submit(f, make(DISK_READ, name, 0, 4096));
        if (i % 64 == 0)
            uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    wait_all(f);
    assert_int_equal(f->done, f->submitted);
}

static void the_folder_is_locked(void **state)
{
    struct fixture *f = *state;
    struct disk *second;
    assert_int_equal(uv_disk_open(NULL, f->path, NULL, &second), DFS_EBUSY);
    close_disk(f);
    assert_int_equal(uv_disk_open(NULL, f->path, NULL, &second), 0);
    uv_disk_close(second, NULL, NULL);
    open_disk(f);
}

static void a_missing_folder_is_made_with_its_parents(void **state)
{
    struct fixture *f = *state;
    struct disk *d;
    char path[128];
    snprintf(path, sizeof path, "%s/x/y/z", f->path);
    assert_int_equal(uv_disk_open(NULL, path, NULL, &d), 0);
    assert_int_equal(d->ops->write(d, "file", 3, "abc", 3), 0);
    assert_int_equal(d->ops->sync(d, "file"), 0);
    assert_int_equal(d->ops->sync(d, NULL), 0);
    uv_disk_close(d, NULL, NULL);
    for (const char *rest = "/x/y/z/file\0/x/y/z\0/x/y\0/x\0"; *rest; rest += strlen(rest) + 1) {
        snprintf(path, sizeof path, "%s%s", f->path, rest);
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(uv_disk_open(NULL, "/dev/null/x", NULL, &d), DFS_ENOTDIR);
}

static void count_file(void *arg, const char *name, uint64_t size)
{
    assert_string_equal(name, "b");
    *(uint64_t *)arg += size;
}

static void the_synchronous_calls(void **state)
{
    struct fixture *f = *state;
    const struct disk_ops *ops = f->disk->ops;
    uint64_t total = 0, free_bytes, total_bytes;
    char back[8];
    size_t got;
    assert_int_equal(ops->write(f->disk, "a", 0, "0123456789", 10), 0);
    assert_int_equal(ops->truncate(f->disk, "a", 6), 0);
    assert_int_equal(ops->sync(f->disk, "a"), 0);
    assert_int_equal(ops->sync(f->disk, "missing"), DFS_ENOENT);
    assert_int_equal(ops->read(f->disk, "a", 4, back, 8, &got), 0);
    assert_int_equal(got, 2);
    assert_int_equal(ops->rename(f->disk, "a", "b"), 0);
    assert_int_equal(ops->list(f->disk, count_file, &total), 0);
    assert_int_equal(total, 6);
    assert_int_equal(ops->unlink(f->disk, "b"), 0);
    assert_int_equal(ops->unlink(f->disk, "b"), DFS_ENOENT);
    assert_int_equal(ops->space(f->disk, &free_bytes, &total_bytes), 0);
    assert_true(free_bytes > 0 && free_bytes <= total_bytes);
    assert_int_equal(run(f, make(DISK_STAT, NULL, 0, 0)), 0);
    assert_int_equal(f->last->length, total_bytes);
}

static void a_forked_child_writes_through_the_same_folder(void **state)
{
    struct fixture *f = *state;
    int status;
    char back[8];
    size_t got;
    pid_t pid = fork();
    if (pid == 0)
        _exit(f->disk->ops->write(f->disk, "snap", 0, "content", 7) == 0 && f->disk->ops->sync(f->disk, "snap") == 0
                  ? 0
                  : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(f->disk->ops->read(f->disk, "snap", 0, back, 8, &got), 0);
    assert_int_equal(got, 7);
    struct disk *second; /* the child's end has not released the lock */
    assert_int_equal(uv_disk_open(NULL, f->path, NULL, &second), DFS_EBUSY);
}

/* As a snapshot's child does for a moment when its server was killed. */
static void a_lock_that_is_about_to_go_is_waited_for(void **state)
{
    struct fixture *f = *state;
    pid_t pid = fork();
    if (pid == 0) {
        usleep(50000);
        _exit(0);
    }
    close_disk(f);
    open_disk(f); /* works */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void closing_waits_for_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    size_t got;
    char back[16];
    assert_int_equal(run(f, make(DISK_CREATE, "a", 0, 4096)), 0);
    uint32_t done = f->done;
    submit(f, make_write("a", 0, "under way"));
    submit(f, make(DISK_READ, "a", 0, 10));
    close_disk(f);
    assert_int_equal(f->done, done); /* nobody is told any more */
    f->submitted = f->done;
    open_disk(f);
    assert_int_equal(f->disk->ops->read(f->disk, "a", 0, back, 9, &got), 0);
    assert_memory_equal(back, "under way", 9);
}

/* A name is durable when the operation that made it is done: what is acknowledged later needs nothing more than its own flush. */
static void d24_names_are_flushed_with_their_folder(void **state)
{
    struct fixture *f = *state;
    unsigned files = atomic_load(&files_flushed), folders = atomic_load(&folders_flushed);
    assert_int_equal(run(f, make(DISK_CREATE, "made", 0, 16)), 0);
    assert_int_equal(atomic_load(&files_flushed), files + 1);
    assert_int_equal(atomic_load(&folders_flushed), folders + 1);
    struct disk_op *op = make(DISK_RENAME, "made", 0, 0);
    snprintf(op->name2, sizeof op->name2, "renamed");
    assert_int_equal(run(f, op), 0);
    assert_int_equal(atomic_load(&folders_flushed), folders + 2);
    assert_int_equal(run(f, make(DISK_UNLINK, "renamed", 0, 0)), 0);
    assert_int_equal(atomic_load(&folders_flushed), folders + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(more_pieces_than_one_call_takes_are_written_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(d24_names_are_flushed_with_their_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_are_told_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_renamed_name_means_the_new_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_synchronous_read_is_of_the_file_of_that_name, setup, teardown),
        cmocka_unit_test_setup_teardown(no_synchronous_read_keeps_a_file_open_beside_operations, setup, teardown),
        cmocka_unit_test_setup_teardown(a_punched_range_reads_as_zeros_and_gives_its_space_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_read_in_order_is_read_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(more_files_than_are_kept_open, setup, teardown),
        cmocka_unit_test_setup_teardown(many_operations_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(the_folder_is_locked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_folder_is_made_with_its_parents, setup, teardown),
        cmocka_unit_test_setup_teardown(the_synchronous_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(a_forked_child_writes_through_the_same_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lock_that_is_about_to_go_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_waits_for_what_is_under_way, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
