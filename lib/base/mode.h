/* SPDX-License-Identifier: MIT */
#ifndef DFS_MODE_H
#define DFS_MODE_H

#include <sys/stat.h>

/* What is left of a mode when somebody changes the owner of a file, or what is in it: he must not hand on, or borrow, its rights. The
 * setgid bit of a file its group may not run gives none, and stays. Of no use for directories, where the bits mean something else. */
static inline unsigned mode_without_setid(unsigned mode)
{
    return mode & ~(unsigned)(S_ISUID | (mode & S_IXGRP ? S_ISGID : 0));
}

#endif
