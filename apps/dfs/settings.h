/* SPDX-License-Identifier: MIT */
/* The user's settings: $DFS_CONFIG, else ~/.config/dfs/dfs.ini ($XDG_CONFIG_HOME), else /etc/dfs/dfs.ini, if there is one. It may
 * hold what all verbs take (nm, color), before any section or in the section dfs. */
#ifndef DFS_APPS_SETTINGS_H
#define DFS_APPS_SETTINGS_H

#include "cli.h"
#include "host/config.h"

/* Sets what neither the command line (seen) nor the environment says. False: the file is wrong, which was said. */
bool settings_apply(struct config *c, const struct flag *flags, uint64_t seen);

#endif
