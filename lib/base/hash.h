/* SPDX-License-Identifier: MIT */
/* Hash tables: uthash, and what it does when memory is out. It would end the process with exit(-1), and say nothing. */
#ifndef DFS_BASE_HASH_H
#define DFS_BASE_HASH_H

#include "base/base.h"

#define uthash_malloc(size) xcalloc(1, size)

#include <uthash.h>

#endif
