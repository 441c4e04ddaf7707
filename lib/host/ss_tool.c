/* SPDX-License-Identifier: MIT */
#include "host/ss_tool.h"

#include <stdio.h>
#include <sys/stat.h>

#include "store/tool.h"
#include "uv/disk.h"

int ss_tool(char what, const char *folder, bool json)
{
    char why[512] = "";
    struct disk *d;
    struct stat st;
    uint64_t damage = 0;
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)) { /* it must not be made by looking at it */
        fprintf(stderr, "dfs-ss: %s: not a folder\n", folder);
        return 1;
    }
    int err = uv_disk_open(NULL, folder, NULL, &d);
    if (err) {
        fprintf(stderr, "dfs-ss: %s: %s\n", folder,
                err == DFS_EBUSY ? "in use by a server: stop it first" : dfs_strerror(err));
        return 1;
    }
    if (what == 'c')
        err = tool_check(d, stdout, json, &damage, why, sizeof why);
    else if (what == 'd')
        err = tool_dump(d, stdout, json, why, sizeof why);
    else
        err = tool_rebuild(d, stdout, &damage, why, sizeof why);
    uv_disk_close(d, NULL, NULL);
    if (err)
        fprintf(stderr, "dfs-ss: %s: %s\n", folder, why[0] ? why : dfs_strerror(err));
    return err || damage ? 1 : 0;
}
