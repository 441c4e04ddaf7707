/* SPDX-License-Identifier: MIT */
#include "host/snapshot.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SNAPSHOT_POLL_MS 5u
/* Where there is no processor to spare, who is waited for goes first. */
#define CHILD_NICE 10

static void on_timer(uv_timer_t *timer);

void snapshot_init(struct snapshot_child *s, uv_loop_t *loop, const struct logger *log, int (*write)(void *arg),
                   void (*done)(void *arg, uint64_t token, int status), void *arg)
{
    *s = (struct snapshot_child){.log = log, .write = write, .done = done, .arg = arg};
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
}

static void child(struct snapshot_child *s, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    (void)!nice(CHILD_NICE);
    _exit(-s->write(s->arg));
}

void snapshot_start(struct snapshot_child *s, uint64_t token)
{
    pid_t parent = getpid();
    s->token = token;
    s->failed = 0;
    s->pid = fork();
    if (s->pid == 0)
        child(s, parent);
    if (s->pid < 0) {
        log_error(s->log, "nm.snapshot_failed", "reason=\"no process could be started\" errno=%d", errno);
        s->pid = 0;
        s->failed = DFS_EAGAIN;
    }
    uv_timer_start(&s->timer, on_timer, SNAPSHOT_POLL_MS, SNAPSHOT_POLL_MS);
}

static int status_of(struct snapshot_child *s, int wait_status)
{
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
        return 0;
    if (WIFEXITED(wait_status)) {
        int err = -WEXITSTATUS(wait_status);
        log_error(s->log, "nm.snapshot_failed", "error=%s reason=\"%s\"", dfs_errname(err), dfs_strerror(err));
        return err;
    }
    log_error(s->log, "nm.snapshot_failed", "signal=%d", WTERMSIG(wait_status));
    return DFS_EIO;
}

static void on_timer(uv_timer_t *timer)
{
    struct snapshot_child *s = timer->data;
    int wait_status = 0, status = s->failed;
    if (s->pid > 0) {
        pid_t ended = waitpid(s->pid, &wait_status, WNOHANG);
        if (ended == 0 || (ended < 0 && errno == EINTR))
            return;
        status = ended == s->pid ? status_of(s, wait_status) : DFS_EIO;
    }
    s->pid = 0;
    uv_timer_stop(timer);
    s->done(s->arg, s->token, status);
}

static void on_closed(uv_handle_t *handle)
{
    struct snapshot_child *s = handle->data;
    s->closed(s->closed_arg);
}

void snapshot_close(struct snapshot_child *s, void (*closed)(void *arg), void *arg)
{
    s->closed = closed;
    s->closed_arg = arg;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        s->pid = 0;
    }
    uv_close((uv_handle_t *)&s->timer, on_closed);
}
