/* SPDX-License-Identifier: MIT */
/* The edge where errno and libuv's codes (negated errno values on every Unix) become DFS_E…: one table. */
#ifndef DFS_UV_UVERR_H
#define DFS_UV_UVERR_H

#include "base/base.h"

/* err: an errno value or a libuv code, of either sign; 0 gives 0. What the table does not know becomes DFS_EIO. */
int dfs_err_of(int err);

#endif
