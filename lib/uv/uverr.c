/* SPDX-License-Identifier: MIT */
#include "uv/uverr.h"

#include <errno.h>
#include <uv.h>

static const struct {
    int from;
    int to;
} error_table[] = {
    {ENOENT, DFS_ENOENT},
    {EEXIST, DFS_EEXIST},
    {ENOTDIR, DFS_ENOTDIR},
    {EISDIR, DFS_EISDIR},
    {ENOTEMPTY, DFS_ENOTEMPTY},
    {ENAMETOOLONG, DFS_ENAMETOOLONG},
    {ELOOP, DFS_ELOOP},
    {EACCES, DFS_EACCES},
    {EPERM, DFS_EACCES},
    {ENOSPC, DFS_ENOSPC},
    {EDQUOT, DFS_ENOSPC},
    {EROFS, DFS_EROFS},
    {EXDEV, DFS_EXDEV},
    {EFBIG, DFS_EFBIG},
    {EINVAL, DFS_EINVAL},
    {ENOMEM, DFS_ENOMEM},
    {ENOBUFS, DFS_ENOMEM},
    {EOPNOTSUPP, DFS_ENOTSUP},
    {ENOSYS, DFS_ENOTSUP},
    {EAFNOSUPPORT, DFS_ENOTSUP},
    {EBUSY, DFS_EBUSY},
    {ETXTBSY, DFS_EBUSY},
    {EADDRINUSE, DFS_EBUSY},
    {EMFILE, DFS_EMFILE},
    {ENFILE, DFS_EMFILE},
    {EAGAIN, DFS_EAGAIN},
    {EINTR, DFS_EAGAIN},
    {ETIMEDOUT, DFS_ETIMEDOUT},
    {ECANCELED, DFS_ECANCELED},
    {ECONNREFUSED, DFS_EUNREACH},
    {EHOSTUNREACH, DFS_EUNREACH},
    {ENETUNREACH, DFS_EUNREACH},
    {ENETDOWN, DFS_EUNREACH},
    {EADDRNOTAVAIL, DFS_EUNREACH},
    {ECONNRESET, DFS_ECONNLOST},
    {ECONNABORTED, DFS_ECONNLOST},
    {EPIPE, DFS_ECONNLOST},
    {ENOTCONN, DFS_ECONNLOST},
    {-UV_EOF, DFS_ECONNLOST},
    {-UV_EAI_NONAME, DFS_EUNREACH},
    {-UV_EAI_NODATA, DFS_EUNREACH},
    {-UV_EAI_AGAIN, DFS_EUNREACH},
    {-UV_EAI_FAIL, DFS_EUNREACH},
};

int dfs_err_of(int err)
{
    int code = err < 0 ? -err : err;
    if (code == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(error_table); i++)
        if (error_table[i].from == code)
            return error_table[i].to;
    return DFS_EIO;
}
