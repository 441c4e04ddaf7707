/* SPDX-License-Identifier: MIT */
/* Configuration files: INI with the names of flags, "listen = 10.0.0.1:4610". Settings before any section, and in the section
 * that has the program's name, are the program's; those of other sections are somebody else's. A setting that may be given
 * several times as a flag may stand several times. Parsed by inih. */
#ifndef DFS_HOST_CONFIG_H
#define DFS_HOST_CONFIG_H

#include "base/flags.h"

#define CONFIG_LINE_MAX 4096u

struct config_setting {
    char *name, *value;
};
struct config {
    struct config_setting *v;
    size_t n;
};

/* DFS_EIO, DFS_EINVAL: err says which file and line. Sets *c also then: config_free. */
int config_load(struct config *c, const char *path, const char *program, char *err, size_t err_len) MUST_USE;
/* Sets what is not in `seen` (see flags_parse_seen): the command line wins. c has to outlive what is set. */
int config_apply(const struct config *c, const struct flag *table, uint64_t seen, char *err, size_t err_len) MUST_USE;
/* All values of a setting, joined by newlines, as text to compare; malloc'ed. NULL: it is not set. */
char *config_value(const struct config *c, const char *name);
void config_free(struct config *c);

#endif
