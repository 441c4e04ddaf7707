/* SPDX-License-Identifier: MIT */
/* A snapshot beside the loop: a forked child has the frozen view, writes it, and exits (A9; Redis's way).
 *
 * The child shares the parent's folder and its lock, uses the synchronous disk calls only, and dies with its parent. One at
 * a time. Whether it has ended is asked every few milliseconds, which needs no process-wide signal handler. */
#ifndef DFS_HOST_SNAPSHOT_H
#define DFS_HOST_SNAPSHOT_H

#include <sys/types.h>
#include <uv.h>

#include "base/log.h"

struct snapshot_child {
    uv_timer_t timer;
    const struct logger *log;
    pid_t pid; /* 0: none */
    uint64_t token;
    int failed; /* could not be started: reported from the timer like any other end */
    int (*write)(void *arg);
    void (*done)(void *arg, uint64_t token, int status);
    void *arg;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* write runs in the child and returns 0 or DFS_E…; done is told, never from inside snapshot_start. */
void snapshot_init(struct snapshot_child *s, uv_loop_t *loop, const struct logger *log, int (*write)(void *arg),
                   void (*done)(void *arg, uint64_t token, int status), void *arg);
void snapshot_start(struct snapshot_child *s, uint64_t token);
/* A child that is still writing is ended: half a snapshot is one that does not exist. */
void snapshot_close(struct snapshot_child *s, void (*closed)(void *arg), void *arg);

#endif
