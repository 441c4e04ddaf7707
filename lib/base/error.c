/* SPDX-License-Identifier: MIT */
#include "dfs/error.h"

const char *dfs_strerror(int err)
{
    switch (err) {
    case 0:
        return "success";
#define DFS_X(name, number, text, retry)                                                                               \
    case -(number):                                                                                                    \
        return text;
        DFS_ERROR_MAP(DFS_X)
#undef DFS_X
    default:
        return "unknown error";
    }
}

const char *dfs_errname(int err)
{
    switch (err) {
    case 0:
        return "OK";
#define DFS_X(name, number, text, retry)                                                                               \
    case -(number):                                                                                                    \
        return #name;
        DFS_ERROR_MAP(DFS_X)
#undef DFS_X
    default:
        return "EUNNAMED";
    }
}

int dfs_err_may_retry(int err)
{
    switch (err) {
#define DFS_X(name, number, text, retry)                                                                               \
    case -(number):                                                                                                    \
        return retry;
        DFS_ERROR_MAP(DFS_X)
#undef DFS_X
    default:
        return 0;
    }
}
