/* SPDX-License-Identifier: MIT */
/* Reads JSON, as much of it as dfs-bench --json writes: values are found by walking the text, nothing is built. */
#ifndef DFS_BENCH_JSONREAD_H
#define DFS_BENCH_JSONREAD_H

#include "base/base.h"

/* A place in the text, before a value. p NULL: there is none. */
struct json {
    const char *p, *end;
};

/* The whole text, if it is one well-formed value nested at most 32 deep; p NULL otherwise. */
struct json json_open(const char *text, size_t len);
struct json json_member(struct json object, const char *name);
/* The first element of an array, or the one behind e. */
struct json json_first(struct json array);
struct json json_next(struct json e);
double json_number(struct json v, double otherwise);
/* Cut to len - 1 bytes; escapes stay as they are. "" if v is no string. */
void json_text(struct json v, char *out, size_t len);

#endif
