/* SPDX-License-Identifier: MIT */
/* dfs mount and dfs umount. */
#include "mount.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/base.h"
#include "mount/usage.h"

static const char usage[] = "Usage: dfs umount [-l] DIR\n"
                            "Takes away what dfs mount put there, and returns when all that was written is durable.\n"
                            "\n"
                            "  -l   even if files in it are open: from now on nobody finds it, and it ends with them\n"
                            "\n"
                            "  dfs umount /mnt\n";

int verb_mount(char **argv)
{
    char path[PATH_MAX];
    if (argv[1] && strcmp(argv[1], "--help") == 0)
        return fputs(MOUNT_USAGE, stdout) < 0;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "-mount");
    if (n > 0) {
        strcpy(path + n, "-mount"); /* beside us: dfs-mount */
        execv(path, argv);
    }
    execvp("dfs-mount", argv);
    fprintf(stderr, "dfs: mount: dfs-mount cannot be started: %s%s\n", strerror(errno),
            errno == ENOENT ? " (it is built where libfuse3-dev is installed)" : "");
    return 1;
}

/* The process that serves the folder; 0: not known. */
static pid_t server_of(const char *dir)
{
    char text[32] = "";
    return lgetxattr(dir, "dfs.pid", text, sizeof text - 1) > 0 ? (pid_t)atol(text) : 0;
}

static int ask_fusermount(const char *dir, bool lazy)
{
    int status;
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        execlp("fusermount3", "fusermount3", "-u", lazy ? "-z" : "-q", "--", dir, (char *)NULL);
        _exit(127);
    }
    if (waitpid(child, &status, 0) < 0)
        return -1;
    errno = WIFEXITED(status) && WEXITSTATUS(status) == 127 ? ENOENT : EBUSY;
    return status == 0 ? 0 : -1;
}

static void wait_for_end(pid_t pid)
{
    struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    if (p.fd < 0)
        return; /* it has ended */
    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        ;
    close(p.fd);
}

int verb_umount(int argc, char **argv)
{
    bool lazy = argc > 1 && strcmp(argv[1], "-l") == 0;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(usage, stdout) < 0;
    if (argc != 2 + lazy || argv[1 + lazy][0] == '-') {
        fputs(usage, stderr);
        return 2;
    }
    const char *dir = argv[1 + lazy];
    pid_t pid = server_of(dir);
    if (!pid && errno != ENOTCONN) { /* of a mount whose process is gone nothing can be asked */
        fprintf(stderr, "dfs: umount %s: %s\n", dir,
                errno == ENODATA || errno == ENOTSUP ? "dfs mount has put nothing there" : strerror(errno));
        return 1;
    }
    int rc = geteuid() == 0 ? umount2(dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) : ask_fusermount(dir, lazy);
    if (rc != 0) {
        fprintf(stderr, "dfs: umount %s: %s%s\n", dir, strerror(errno),
                errno == EBUSY ? ": files in it are open (fuser -vm shows whose); -l takes it away all the same" : "");
        return 1;
    }
    if (pid && !lazy)
        wait_for_end(pid);
    return 0;
}
