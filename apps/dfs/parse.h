/* SPDX-License-Identifier: MIT */
/* Words of the command line. False: it is none of the kind. */
#ifndef DFS_APPS_PARSE_H
#define DFS_APPS_PARSE_H

#include "base/base.h"

/* "0644" or "u+x,go-w". (Language: chmod(1), without the letters u, g, o on the right.) */
bool parse_mode(const char *s, uint32_t mode, bool dir, uint32_t *out);
/* "@1700000000", "2024-02-03T04:05:06Z", or "2024-02-03 04:05" of this machine. */
bool parse_time(const char *s, int64_t *ns);
/* A size with a sign in front of it, which is '+', '-' or 0; a unit may be c, as find takes it. */
bool parse_signed_size(const char *s, char *sign, uint64_t *n);
/* Likewise a time; a number without a unit counts `plain` nanoseconds. */
bool parse_signed_duration(const char *s, uint64_t plain, char *sign, uint64_t *ns);

#endif
