/* SPDX-License-Identifier: MIT */
/* dfs-ss --check (c), --dump (d), --rebuild-index (r): exit status. */
#ifndef DFS_HOST_SS_TOOL_H
#define DFS_HOST_SS_TOOL_H

#include "base/base.h"

int ss_tool(char what, const char *folder, bool json);

#endif
