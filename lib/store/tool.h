/* SPDX-License-Identifier: MIT */
/* Looking at a data folder that no server uses: dfs-ss --check, --dump, --rebuild-index. */
#ifndef DFS_STORE_TOOL_H
#define DFS_STORE_TOOL_H

#include <stdio.h>

#include "wire/disk.h"

/* Reads everything and changes nothing: that all segments can be read, and all that is live in them verified. Prints what
 * is wrong, and a last line of totals. *damage is how many things are wrong. Errors: the folder cannot be read or
 * understood at all; the sentence is in why. */
int tool_check(struct disk *d, FILE *out, bool json, uint64_t *damage, char *why, size_t why_len) MUST_USE;
/* Prints whose the folder is, its segments, and their records. */
int tool_dump(struct disk *d, FILE *out, bool json, char *why, size_t why_len) MUST_USE;
/* Writes the summaries of all sealed segments anew, from their records. What is damaged is left as it is, and counted. */
int tool_rebuild(struct disk *d, FILE *out, uint64_t *damage, char *why, size_t why_len) MUST_USE;

#endif
