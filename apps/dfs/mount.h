/* SPDX-License-Identifier: MIT */
#ifndef DFS_APPS_MOUNT_VERBS_H
#define DFS_APPS_MOUNT_VERBS_H

/* dfs mount: becomes dfs-mount, a program of its own so that nothing else needs libfuse. Returns only if that fails. */
int verb_mount(char **argv);
/* dfs umount DIR: argv[0] is the verb. Returns the exit status. */
int verb_umount(int argc, char **argv);

#endif
