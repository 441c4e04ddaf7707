/* SPDX-License-Identifier: MIT */
/* What "dfs mount --help" says, also where dfs-mount was not built. */
#ifndef DFS_APPS_MOUNT_USAGE_H
#define DFS_APPS_MOUNT_USAGE_H

#define MOUNT_USAGE                                                                                                    \
    "Usage: dfs mount [HOST:PORT[,...]][/FOLDER] DIR [-o OPTION[,...]] [-f]\n"                                         \
    "Shows a folder of the cluster, or all of it, at DIR. Returns when it is there. Without HOST:PORT: $DFS_NM.\n"     \
    "\n"                                                                                                               \
    "  -f             stay in the foreground\n"                                                                        \
    "  -o ro          nothing can be changed\n"                                                                        \
    "  -o allow_other users other than the one who mounts see it, too; the default when root mounts\n"                 \
    "  -o no_allow_other\n"                                                                                            \
    "  -o relaxed     close() does not wait until what was written is durable; fsync() does\n"                         \
    "  -o soft        when servers are gone for 30 s, operations fail; otherwise they wait for 10 minutes\n"           \
    "  -o timeout=T   how long they wait instead (30s, 5m, 1h)\n"                                                      \
    "  -o attr_timeout=T, entry_timeout=T\n"                                                                           \
    "                 how long attributes, and names, are believed without asking (1s)\n"                              \
    "  -o cache=SIZE  bytes that may wait to be written (64m)\n"                                                       \
    "  -o nodelegate  ask for each new file at once, also where no other client uses its folder\n"                     \
    "  -o acl         access control lists (setfacl, getfacl) are shown and hold; implies nodelegate\n"                \
    "Further options are FUSE's own, such as nodev or max_read=N.\n"                                                   \
    "\n"                                                                                                               \
    "  dfs mount 10.0.0.1:4610 /mnt/dfs\n"                                                                             \
    "  dfs mount 10.0.0.1:4610,10.0.0.2:4610/photos ~/photos -o ro\n"                                                  \
    "  dfs umount /mnt/dfs\n"                                                                                          \
    "  mount -t fuse.dfs 10.0.0.1:4610 /mnt/dfs\n"

#endif
