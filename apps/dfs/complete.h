/* SPDX-License-Identifier: MIT */
#ifndef DFS_APPS_COMPLETE_H
#define DFS_APPS_COMPLETE_H

#include <stddef.h>

/* words: what stands behind "dfs", the last one is being typed. Returns the exit status. */
int complete(const char *const *words, size_t n);

#endif
