/* SPDX-License-Identifier: MIT */
/* Makes calls of a real program fail, and its clock wrong: LD_PRELOAD=libdfs_fault.so with
 *
 *   DFS_FAULT="CALL[,n=N][,times=T][,errno=NAME|,delay=MS|,short|,lie][,path=TEXT][,while=FILE][;CALL…]"
 *   DFS_CLOCK=FILE
 *
 * CALL is open, read, write, fsync, fdatasync, rename, unlink, fallocate or malloc, each with all its relatives (write is
 * also pwritev). The N-th such call (default 1) fails with this errno (default EIO; malloc: ENOMEM), and the T - 1 that
 * follow (default 1; 0: all). Only calls on files whose path holds TEXT count, and only while FILE exists: so a test
 * decides when, in a process that runs. A call that fails has done nothing. One with a delay is carried out after so many
 * milliseconds, or when FILE is gone; a short read or write moves half its bytes (of several pieces: half the first); a flush that lies reports
 * success and does nothing.
 *
 * DFS_FAULT_SEEN: a file to which each rule's number of calls is written when the process exits, in the order of the rules.
 *
 * Under the address sanitizer its library has to be preloaded first; malloc does not fail then.
 *
 * DFS_CLOCK: CLOCK_REALTIME is off by the seconds written in FILE, which may change and be negative. Other clocks are
 * right. */
/* Each name is defined here as itself, not as its relative for large files. */
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RULES_MAX 16u
#define EXPORT __attribute__((visibility("default")))

enum call {
    CALL_OPEN,
    CALL_READ,
    CALL_WRITE,
    CALL_FSYNC,
    CALL_FDATASYNC,
    CALL_RENAME,
    CALL_UNLINK,
    CALL_FALLOCATE,
    CALL_MALLOC,
    CALLS
};
static const char *const call_names[CALLS] = {"open",   "read",   "write",     "fsync", "fdatasync",
                                              "rename", "unlink", "fallocate", "malloc"};

static const struct {
    const char *name;
    int number;
} errors[] = {{"EIO", EIO},     {"ENOSPC", ENOSPC}, {"ENOMEM", ENOMEM}, {"EMFILE", EMFILE},
              {"EROFS", EROFS}, {"EACCES", EACCES}, {"EDQUOT", EDQUOT}, {"EINTR", EINTR}};

#define SHORT (-1)
#define LIE (-2)

struct rule {
    enum call call;
    unsigned long n, times, delay;
    int error; /* SHORT: half the bytes; LIE: none, and success */
    char path[128], gate[256];
    atomic_ulong seen;
};

/* A preloaded library has no other place for its state. */
static struct rule rules[RULES_MAX];
static unsigned n_rules;
static bool any_malloc;
static const char *clock_file;

/* --- rules --- */

static void die(const char *what)
{
    fprintf(stderr, "DFS_FAULT: %s\n", what);
    _exit(99);
}

static void set_option(struct rule *r, const char *key, const char *value)
{
    if (strcmp(key, "n") == 0) {
        r->n = strtoul(value, NULL, 10);
    } else if (strcmp(key, "times") == 0) {
        r->times = strtoul(value, NULL, 10);
    } else if (strcmp(key, "path") == 0) {
        snprintf(r->path, sizeof r->path, "%s", value);
    } else if (strcmp(key, "while") == 0) {
        snprintf(r->gate, sizeof r->gate, "%s", value);
    } else if (strcmp(key, "delay") == 0) {
        r->delay = strtoul(value, NULL, 10);
    } else if (strcmp(key, "errno") == 0) {
        r->error = 0;
        for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
            if (strcmp(value, errors[i].name) == 0)
                r->error = errors[i].number;
        if (r->error == 0)
            die("unknown errno");
    } else {
        die("unknown option");
    }
}

static void parse_rule(char *text)
{
    struct rule *r = &rules[n_rules];
    char *save, *word = strtok_r(text, ",", &save);

    r->call = CALLS;
    for (int i = 0; word != NULL && i < CALLS; i++)
        if (strcmp(word, call_names[i]) == 0)
            r->call = (enum call)i;
    if (r->call == CALLS || n_rules == RULES_MAX - 1)
        die("unknown call, or too many rules");
    r->n = r->times = 1;
    r->error = r->call == CALL_MALLOC ? ENOMEM : EIO;
    while ((word = strtok_r(NULL, ",", &save)) != NULL) {
        char *value = strchr(word, '=');

        if (strcmp(word, "short") == 0) {
            r->error = SHORT;
            continue;
        }
        if (strcmp(word, "lie") == 0 && (r->call == CALL_FSYNC || r->call == CALL_FDATASYNC)) {
            r->error = LIE;
            continue;
        }
        if (value == NULL)
            die("an option has no value");
        *value++ = '\0';
        set_option(r, word, value);
    }
    n_rules++;
    any_malloc |= r->call == CALL_MALLOC;
}

__attribute__((constructor)) static void begin(void)
{
    static char text[2048];
    const char *given = getenv("DFS_FAULT");
    char *save, *one;

    clock_file = getenv("DFS_CLOCK");
    snprintf(text, sizeof text, "%s", given != NULL ? given : "");
    for (one = strtok_r(text, ";", &save); one != NULL; one = strtok_r(NULL, ";", &save))
        parse_rule(one);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("DFS_FAULT_SEEN");
    FILE *f = path != NULL ? fopen(path, "w") : NULL;

    if (f == NULL)
        return;
    for (unsigned i = 0; i < n_rules; i++)
        fprintf(f, "%lu\n", atomic_load(&rules[i].seen));
    fclose(f);
}

/* at: of a descriptor, what is open there; "" if that is not known. */
static void path_of(int fd, char *at, size_t size)
{
    char link[64];
    ssize_t len;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, at, size - 1);
    at[len > 0 ? len : 0] = '\0';
}

/* fd: the file, or, with a path, the folder it is in. */
static bool path_fits(const struct rule *r, const char *path, int fd)
{
    char at[1024] = "";

    if (r->path[0] == '\0')
        return true;
    if (fd >= 0 && (path == NULL || path[0] != '/'))
        path_of(fd, at, sizeof at - 260);
    if (path != NULL)
        snprintf(at + strlen(at), 258, "%s%s", at[0] != '\0' ? "/" : "", path);
    return strstr(at, r->path) != NULL;
}

static bool is_gated(const struct rule *r) { return r->gate[0] == '\0' || access(r->gate, F_OK) == 0; }

static void wait_ms(const struct rule *r)
{
    struct timespec piece = {0, 10 * 1000000};

    for (unsigned long ms = 0; ms < r->delay && is_gated(r); ms += 10)
        nanosleep(&piece, NULL);
}

static bool applies(const struct rule *r, enum call call, const char *path, int fd)
{
    return r->call == call && path_fits(r, path, fd) && is_gated(r);
}

static bool is_faulty(enum call call, int fd)
{
    for (unsigned i = 0; i < n_rules; i++)
        if (applies(&rules[i], call, NULL, fd))
            return true;
    return false;
}

/* The errno to fail with; 0: go on; SHORT or LIE. path and fd: see path_fits. */
static int fails(enum call call, const char *path, int fd)
{
    for (unsigned i = 0; i < n_rules; i++) {
        struct rule *r = &rules[i];
        unsigned long nth;

        if (!applies(r, call, path, fd))
            continue;
        nth = atomic_fetch_add(&r->seen, 1) + 1;
        if (nth < r->n || (r->times != 0 && nth >= r->n + r->times))
            continue;
        if (r->delay == 0)
            return r->error;
        wait_ms(r);
    }
    return 0;
}

/* --- the calls --- */

/* A call of this kind on a descriptor; result -1 and errno when it fails. */
#define ON_FD(call, type, name, params, args, halve)                                                                   \
    EXPORT type name params;                                                                                           \
    EXPORT type name params                                                                                            \
    {                                                                                                                  \
        static type(*real) params;                                                                                     \
        int error = fails(call, NULL, fd);                                                                             \
        struct iovec half;                                                                                             \
        (void)half;                                                                                                    \
                                                                                                                       \
        if (real == NULL)                                                                                              \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                                                 \
        if (error == SHORT) {                                                                                          \
            halve;                                                                                                     \
        } else if (error == LIE) {                                                                                     \
            return 0;                                                                                                  \
        } else if (error != 0) {                                                                                       \
            errno = error;                                                                                             \
            return -1;                                                                                                 \
        }                                                                                                              \
        return real args;                                                                                              \
    }
#define HALF n = (n + 1) / 2
#define HALF_FIRST                                                                                                     \
    half = (struct iovec){v->iov_base, (v->iov_len + 1) / 2};                                                          \
    v = &half;                                                                                                         \
    n = 1
#define WHOLE (void)0

#define ON_PATH(call, name, dir, params, args)                                                                         \
    EXPORT int name params;                                                                                            \
    EXPORT int name params                                                                                             \
    {                                                                                                                  \
        static int(*real) params;                                                                                      \
        int error = fails(call, path, dir);                                                                            \
                                                                                                                       \
        if (real == NULL)                                                                                              \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                                                 \
        if (error == 0)                                                                                                \
            return real args;                                                                                          \
        errno = error;                                                                                                 \
        return -1;                                                                                                     \
    }

ON_FD(CALL_READ, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), HALF)
ON_FD(CALL_READ, ssize_t, pread, (int fd, void *p, size_t n, off_t off), (fd, p, n, off), HALF)
ON_FD(CALL_READ, ssize_t, pread64, (int fd, void *p, size_t n, off_t off), (fd, p, n, off), HALF)
ON_FD(CALL_READ, ssize_t, preadv, (int fd, const struct iovec *v, int n, off_t off), (fd, v, n, off), HALF_FIRST)
ON_FD(CALL_READ, ssize_t, preadv64, (int fd, const struct iovec *v, int n, off_t off), (fd, v, n, off), HALF_FIRST)
ON_FD(CALL_WRITE, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), HALF)
ON_FD(CALL_WRITE, ssize_t, pwrite, (int fd, const void *p, size_t n, off_t off), (fd, p, n, off), HALF)
ON_FD(CALL_WRITE, ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t off), (fd, p, n, off), HALF)
ON_FD(CALL_WRITE, ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), HALF_FIRST)
ON_FD(CALL_WRITE, ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t off), (fd, v, n, off), HALF_FIRST)
ON_FD(CALL_WRITE, ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off_t off), (fd, v, n, off), HALF_FIRST)
ON_FD(CALL_WRITE, ssize_t, pwritev2, (int fd, const struct iovec *v, int n, off_t off, int f), (fd, v, n, off, f),
      HALF_FIRST)
ON_FD(CALL_WRITE, ssize_t, pwritev64v2, (int fd, const struct iovec *v, int n, off_t off, int f), (fd, v, n, off, f),
      HALF_FIRST)
ON_FD(CALL_FSYNC, int, fsync, (int fd), (fd), WHOLE)
ON_FD(CALL_FDATASYNC, int, fdatasync, (int fd), (fd), WHOLE)
ON_FD(CALL_FALLOCATE, int, fallocate, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len), WHOLE)
ON_FD(CALL_FALLOCATE, int, fallocate64, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len), WHOLE)
ON_PATH(CALL_RENAME, rename, -1, (const char *path, const char *to), (path, to))
ON_PATH(CALL_RENAME, renameat, dir, (int dir, const char *path, int to_dir, const char *to), (dir, path, to_dir, to))
ON_PATH(CALL_RENAME, renameat2, dir, (int dir, const char *path, int to_dir, const char *to, unsigned flags),
        (dir, path, to_dir, to, flags))
ON_PATH(CALL_UNLINK, unlink, -1, (const char *path), (path))
ON_PATH(CALL_UNLINK, unlinkat, dir, (int dir, const char *path, int flags), (dir, path, flags))

/* What would have to wait for the disk is read another way: that call counts, and is the one that waits. */
#define ON_NOWAIT(name)                                                                                                \
    EXPORT ssize_t name(int fd, const struct iovec *v, int n, off_t off, int flags);                                   \
    EXPORT ssize_t name(int fd, const struct iovec *v, int n, off_t off, int flags)                                    \
    {                                                                                                                  \
        static ssize_t (*real)(int, const struct iovec *, int, off_t, int);                                            \
                                                                                                                       \
        if (real == NULL)                                                                                              \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                                                 \
        if (!is_faulty(CALL_READ, fd))                                                                                 \
            return real(fd, v, n, off, flags);                                                                         \
        errno = EAGAIN;                                                                                                \
        return -1;                                                                                                     \
    }
ON_NOWAIT(preadv2)
ON_NOWAIT(preadv64v2)

/* These return the error itself. */
#define ON_FALLOCATE(name)                                                                                             \
    EXPORT int name(int fd, off_t off, off_t len);                                                                     \
    EXPORT int name(int fd, off_t off, off_t len)                                                                      \
    {                                                                                                                  \
        static int (*real)(int, off_t, off_t);                                                                         \
        int error = fails(CALL_FALLOCATE, NULL, fd);                                                                   \
                                                                                                                       \
        if (real == NULL)                                                                                              \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                                                 \
        return error != 0 ? error : real(fd, off, len);                                                                \
    }
ON_FALLOCATE(posix_fallocate)
ON_FALLOCATE(posix_fallocate64)

#define WITH_MODE(flags) ((flags) & (O_CREAT | O_TMPFILE))
#define ON_OPEN(name, dir, params, last, args)                                                                         \
    EXPORT int name params;                                                                                            \
    EXPORT int name params                                                                                             \
    {                                                                                                                  \
        static int(*real) params;                                                                                      \
        int error = fails(CALL_OPEN, path, dir);                                                                       \
        mode_t mode = 0;                                                                                               \
                                                                                                                       \
        if (WITH_MODE(last)) {                                                                                         \
            va_list ap;                                                                                                \
            va_start(ap, last);                                                                                        \
            mode = va_arg(ap, mode_t);                                                                                 \
            va_end(ap);                                                                                                \
        }                                                                                                              \
        if (real == NULL)                                                                                              \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                                                 \
        if (error == 0)                                                                                                \
            return real args;                                                                                          \
        errno = error;                                                                                                 \
        return -1;                                                                                                     \
    }
ON_OPEN(open, -1, (const char *path, int flags, ...), flags, (path, flags, mode))
ON_OPEN(open64, -1, (const char *path, int flags, ...), flags, (path, flags, mode))
ON_OPEN(openat, dir, (int dir, const char *path, int flags, ...), flags, (dir, path, flags, mode))
ON_OPEN(openat64, dir, (int dir, const char *path, int flags, ...), flags, (dir, path, flags, mode))

/* --- memory: dlsym may ask for some while it looks for malloc --- */

static char early[4096];
static atomic_size_t early_used;
static __thread bool looking;

static void *early_alloc(size_t n)
{
    size_t at = atomic_fetch_add(&early_used, (n + 15) & ~(size_t)15);

    return at + n <= sizeof early ? early + at : NULL;
}

static void *find(const char *name)
{
    void *p;

    looking = true;
    p = dlsym(RTLD_NEXT, name);
    looking = false;
    return p;
}

static bool no_memory(void)
{
    if (!any_malloc || fails(CALL_MALLOC, "", -1) == 0)
        return false;
    errno = ENOMEM;
    return true;
}

EXPORT void *malloc(size_t n)
{
    static void *(*real)(size_t);

    if (looking)
        return early_alloc(n);
    if (real == NULL)
        *(void **)&real = find("malloc");
    return no_memory() ? NULL : real(n);
}

EXPORT void *calloc(size_t n, size_t size)
{
    static void *(*real)(size_t, size_t);

    if (looking)
        return early_alloc(n * size); /* of a static array: zero */
    if (real == NULL)
        *(void **)&real = find("calloc");
    return no_memory() ? NULL : real(n, size);
}

EXPORT void *realloc(void *p, size_t n)
{
    static void *(*real)(void *, size_t);

    if (real == NULL)
        *(void **)&real = find("realloc");
    return no_memory() ? NULL : real(p, n);
}

EXPORT void free(void *p)
{
    static void (*real)(void *);

    if ((char *)p >= early && (char *)p < early + sizeof early)
        return;
    if (real == NULL)
        *(void **)&real = find("free");
    real(p);
}

/* --- the wall clock --- */

/* Read with plain calls, so that no rule counts it. */
static long clock_offset(void)
{
    static int (*real_open)(const char *, int, ...);
    static ssize_t (*real_read)(int, void *, size_t);
    char text[32] = "";
    int fd;

    if (real_open == NULL)
        *(void **)&real_open = dlsym(RTLD_NEXT, "open");
    if (real_read == NULL)
        *(void **)&real_read = dlsym(RTLD_NEXT, "read");
    fd = real_open(clock_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (real_read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    return strtol(text, NULL, 10);
}

EXPORT int clock_gettime(clockid_t id, struct timespec *ts)
{
    static int (*real)(clockid_t, struct timespec *);
    int rv;

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    rv = real(id, ts);
    if (rv == 0 && id == CLOCK_REALTIME && clock_file != NULL)
        ts->tv_sec += clock_offset();
    return rv;
}
