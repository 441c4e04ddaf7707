/* SPDX-License-Identifier: MIT */
/* What is done to a NameServer's data folder while no server uses it. */
#ifndef DFS_HOST_NM_OFFLINE_H
#define DFS_HOST_NM_OFFLINE_H

#include "group/backup.h"

/* Makes a data folder (created if need be) out of a backup file. On error why is a sentence that names file or folder. */
int nm_offline_restore(const char *file, const char *folder, struct nm_restored *out, char *why,
                       size_t why_len) MUST_USE;
/* Whether the file is a whole backup. */
int nm_offline_check(const char *file, char *why, size_t why_len) MUST_USE;

#endif
