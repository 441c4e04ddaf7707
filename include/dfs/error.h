/* SPDX-License-Identifier: MIT */
/* The errors of DFS: one table gives name, number on the wire, text, and whether a retry can help.
 *
 * Functions return 0 or one of these, negative. The numbers travel in replies and in logs and never change. */
#ifndef DFS_ERROR_H
#define DFS_ERROR_H

/* X(name, number, text, may_retry) */
#define DFS_ERROR_MAP(X)                                                                                               \
    X(EIO, 1, "input/output error", 0)                                                                                 \
    X(ENOMEM, 2, "out of memory", 0)                                                                                   \
    X(EINVAL, 3, "invalid argument", 0)                                                                                \
    X(ENOENT, 4, "no such file or directory", 0)                                                                       \
    X(EEXIST, 5, "already exists", 0)                                                                                  \
    X(ENOTDIR, 6, "not a directory", 0)                                                                                \
    X(EISDIR, 7, "is a directory", 0)                                                                                  \
    X(ENOTEMPTY, 8, "directory not empty", 0)                                                                          \
    X(ENAMETOOLONG, 9, "name too long", 0)                                                                             \
    X(ELOOP, 10, "too many levels of symbolic links", 0)                                                               \
    X(EACCES, 11, "permission denied", 0)                                                                              \
    X(ENOSPC, 12, "no space left", 0)                                                                                  \
    X(EROFS, 13, "read-only", 0)                                                                                       \
    X(EXDEV, 14, "cannot move across this boundary", 0)                                                                \
    X(EFBIG, 15, "file too large", 0)                                                                                  \
    X(ENOTSUP, 16, "not supported", 0)                                                                                 \
    X(EBUSY, 17, "busy", 1)                                                                                            \
    X(EMFILE, 18, "too many open files", 1)                                                                            \
    X(EPERM, 19, "operation not permitted", 0)                                                                         \
    X(EMLINK, 20, "too many links", 0)                                                                                 \
    X(ENODATA, 21, "no such attribute", 0)                                                                             \
    X(EBADF, 22, "no such open file", 0)                                                                               \
    X(ELOCKED, 23, "locked by another", 0)                                                                             \
    X(EDEADLK, 24, "would wait for itself", 0)                                                                         \
    X(ECORRUPT, 32, "stored data is damaged", 0)                                                                       \
    X(EPROTO, 33, "protocol error", 0)                                                                                 \
    X(ETOOBIG, 34, "message or value over its limit", 0)                                                               \
    X(EVERSION, 35, "incompatible version", 0)                                                                         \
    X(ECLUSTER, 36, "belongs to another cluster", 0)                                                                   \
    X(EIDENTITY, 37, "foreign or duplicate identity", 0)                                                               \
    X(ENOTLEADER, 48, "not the leader", 1)                                                                             \
    X(ESTALE, 49, "stale epoch or version", 1)                                                                         \
    X(EAGAIN, 50, "temporarily unavailable", 1)                                                                        \
    X(ETIMEDOUT, 51, "timed out", 1)                                                                                   \
    X(EUNREACH, 52, "cannot be reached", 1)                                                                            \
    X(ECONNLOST, 53, "connection lost", 1)                                                                             \
    X(ECANCELED, 54, "canceled", 0)                                                                                    \
    X(EUNKNOWN, 55, "outcome unknown", 0)                                                                              \
    X(ESESSION, 56, "session expired", 0)                                                                              \
    X(ENOSERVERS, 57, "not enough storage servers", 1)                                                                 \
    X(EREPLACED, 58, "replaced while being read", 1)                                                                   \
    X(ENOCHUNK, 59, "no such chunk here", 1)                                                                           \
    X(ECLOSING, 60, "shutting down", 1)                                                                                \
    X(EINFLIGHT, 61, "is being written, or was a moment ago: ask the first of the chain", 1)

enum dfs_error {
#define DFS_X(name, number, text, retry) DFS_##name = -(number),
    DFS_ERROR_MAP(DFS_X)
#undef DFS_X
};

/* Text for a negative error number, such as "no such file or directory". Never NULL; static storage. */
const char *dfs_strerror(int err);

/* Name for a negative error number, such as "ENOENT". Never NULL; static storage. */
const char *dfs_errname(int err);

/* Whether trying the same request again, possibly elsewhere, may succeed. */
int dfs_err_may_retry(int err);

#endif
