/* SPDX-License-Identifier: MIT */
/* What is printed about the verbs, all of it made from their table. */
#ifndef DFS_APPS_HELP_H
#define DFS_APPS_HELP_H

#include "cli.h"

#define VERB_FLAGS_MAX 32u

const struct verb *verb_lookup(const char *name); /* NULL: there is none */
/* The verb that a mistyped name was most likely meant to be; NULL: nothing comes near. */
const char *help_nearest(const char *name);
/* The flags a verb takes, and those all take; ends with a NULL name. */
void verb_flags(const struct verb *v, struct options *o, struct flag out[VERB_FLAGS_MAX]);
/* The exit status. */
int help_all(void);
int help_verb(const struct verb *v);
/* What dfs.1 and docs/REFERENCE.md are made from. */
int help_man(void);
int help_reference(void);
/* schema.c: what -j prints; and the same for a test, a line a command. */
void help_json_reference(void);
int help_json_keys(void);

#endif
