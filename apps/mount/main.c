/* SPDX-License-Identifier: MIT */
/* dfs-mount: what "dfs mount" runs, and mount(8) for the type fuse.dfs.
 *
 * The process that was started waits for a byte from the one that goes on in the background, and exits with what that says:
 * 0 once the kernel has said hello, so that who comes next finds the folder there. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/stdfds.h"
#include "mount.h"
#include "usage.h"

#define KEPT_MEMORY (16 * 1024 * 1024)
#define LEAVE_POLL_MS 10u
#define LEAVE_MAX_MS 30000u

void say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("dfs: mount: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

/* --- the two processes --- */

static void tell(struct mount *m, uint8_t status)
{
    if (m->told < 0)
        return;
    while (write(m->told, &status, 1) < 0 && errno == EINTR)
        ;
    close(m->told);
    m->told = -1;
}

/* The parent does not come back from here. */
static bool go_behind(struct mount *m)
{
    int fds[2];
    uint8_t status = 1;
    if (pipe(fds) != 0)
        return false;
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child == 0) {
        close(fds[0]);
        fcntl(fds[1], F_SETFD, FD_CLOEXEC);
        m->told = fds[1];
        return true;
    }
    close(fds[1]);
    while (read(fds[0], &status, 1) < 0 && errno == EINTR)
        ;
    _exit(status);
}

/* Whoever started us must not have to wait for our output to end. */
static void let_go(void)
{
    int null = open("/dev/null", O_RDWR);
    setsid();
    if (chdir("/") != 0 || null < 0)
        return;
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
}

/* The kernel reads ahead by 128 KiB of any FUSE folder; root may tell it otherwise. */
static void raise_read_ahead(const struct mount *m)
{
    char line[2 * PATH_MAX], path[64], at[PATH_MAX];
    FILE *f = fopen("/proc/self/mountinfo", "r");
    unsigned major = 0, minor = 0, a, b;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &a, &b, at) == 3 && strcmp(at, m->opt.dir) == 0)
            major = a, minor = b;
    if (f)
        fclose(f);
    snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major, minor);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "4096", 4) < 0)
        errno = 0; /* it stays as it was */
    close(fd);
}

void mount_ready(struct mount *m)
{
    if (geteuid() == 0)
        raise_read_ahead(m);
    if (m->told < 0)
        return;
    let_go();
    tell(m, 0);
}

/* --- coming and going --- */

static void on_client_closed(void *arg)
{
    struct mount *m = arg;
    session_free(m);
    notices_free(m);
    held_free(m);
    delegations_free(m);
    for (unsigned i = 0; i < ARRAY_LEN(m->signals); i++)
        uv_close((uv_handle_t *)&m->signals[i], NULL);
    uv_close((uv_handle_t *)&m->leave, NULL);
    uv_close((uv_handle_t *)&m->hurry, NULL);
    uv_close((uv_handle_t *)&m->delegation_timer, NULL);
}

static void on_leave(uv_timer_t *h)
{
    struct mount *m = h->data;
    bool late = uv_now(&m->loop) >= m->leave_at;
    if (((m->dirty || m->promised) && !late) || m->notices_under_way)
        return;
    if (m->dirty || m->promised) {
        say("%llu bytes could not be written and are lost, and %u files were not made", (unsigned long long)m->dirty,
            m->promised);
        m->status = 1;
    }
    uv_timer_stop(h);
    session_end(m);
    dfs_client_close(m->client, on_client_closed, m);
}

void mount_leave(struct mount *m)
{
    if (m->ending)
        return;
    m->ending = true;
    delegations_end(m);
    m->leave_at = uv_now(&m->loop) + LEAVE_MAX_MS;
    uv_timer_start(&m->leave, on_leave, 0, LEAVE_POLL_MS);
}

static void on_signal(uv_signal_t *h, int number)
{
    (void)number;
    mount_leave(h->data);
}

static void on_root(void *arg, int status, const struct dfs_result *r)
{
    struct mount *m = arg;
    const char *what = strcmp(m->opt.sub, "/") == 0 ? m->opt.source : m->opt.sub;
    m->status = 1;
    if (status != 0)
        say("%s: %s", what, r->error);
    else if (r->attr.type != DFS_DIRECTORY)
        say("%s: %s", what, dfs_strerror(DFS_ENOTDIR));
    else
        m->status = 0;
    m->root = r->attr.ino;
    notices_start(m);
    if (m->status != 0 || !session_start(m)) {
        m->status = 1;
        mount_leave(m);
    }
}

static void loop_init(struct mount *m)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    int err = uv_loop_init(&m->loop);
    if (err != 0) {
        fprintf(stderr, "dfs-mount: no event loop: %s\n", uv_strerror(err));
        exit(1);
    }
    writes_init(m);
    delegations_init(m);
    uv_timer_init(&m->loop, &m->leave);
    m->leave.data = m;
    for (unsigned i = 0; i < ARRAY_LEN(m->signals); i++) {
        uv_signal_init(&m->loop, &m->signals[i]);
        m->signals[i].data = m;
        uv_signal_start(&m->signals[i], on_signal, numbers[i]);
    }
}

static bool folder_is_good(const char *dir)
{
    struct stat st;
    if (stat(dir, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return true;
        errno = ENOTDIR;
    }
    if (errno == ENOTCONN)
        say("%s: a mount whose process is gone is still there: \"dfs umount %s\" takes it away", dir, dir);
    else
        say("%s: %s", dir, strerror(errno));
    return false;
}

static int run(struct mount *m)
{
    struct dfs_options o = {.nameservers = m->opt.nameservers, .program = "dfs-mount", .timeout_ms = m->opt.timeout_ms};
    char real[PATH_MAX];
    if (!folder_is_good(m->opt.dir))
        return 1;
    if (realpath(m->opt.dir, real)) /* the background has another working directory */
        m->opt.dir = real;
    if (!m->opt.foreground && !go_behind(m)) {
        say("%s", strerror(errno));
        return 1; /* NOLINT(clang-analyzer-core.StackAddressEscape): m ends with the process */
    }
    /* Buffers of a megabyte come and go with every request: kept, not given back and faulted in again. */
    mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY);
    mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
    loop_init(m);
    int err = dfs_client_open(&m->loop, &o, &m->client);
    if (err) {
        say("%s: %s", o.nameservers ? o.nameservers : "$DFS_NM", dfs_strerror(err));
        tell(m, 1);
        _exit(1);
    }
    err = dfs_stat(m->client, m->opt.sub, 0, on_root, m);
    if (err) {
        say("%s: %s", m->opt.sub, dfs_strerror(err));
        m->status = 1;
        mount_leave(m);
    }
    uv_run(&m->loop, UV_RUN_DEFAULT);
    uv_loop_close(&m->loop);
    free(m->seen);
    free(m->attrs);
    free(m->dirs);
    tell(m, m->status != 0);
    return m->status;
}

int main(int argc, char **argv)
{
    struct mount m = {.told = -1};
    char err[512];
    stdfds_fill();
    int rc = options_parse(&m.opt, argc, argv, err, sizeof err);
    if (rc != 0)
        fprintf(stderr, "dfs: mount: %s\n", err);
    else if (m.opt.help)
        fputs(MOUNT_USAGE, stdout);
    else if (m.opt.version)
        puts("dfs-mount " DFS_VERSION);
    else
        rc = run(&m);
    options_free(&m.opt);
    return rc;
}
