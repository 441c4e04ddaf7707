/* SPDX-License-Identifier: MIT */
#ifndef DFS_APPS_UP_H
#define DFS_APPS_UP_H

/* dfs up DIR: argv[0] is the verb. Returns the exit status when the cluster has been stopped. */
int verb_up(int argc, char **argv);

#endif
