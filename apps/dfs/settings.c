/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const names[] = {"nm", "color"};

static bool path_set(char out[PATH_MAX], const char *dir, const char *rest)
{
    return dir && *dir && snprintf(out, PATH_MAX, "%s%s", dir, rest) < PATH_MAX && access(out, F_OK) == 0;
}

/* False: there is none. */
static bool find(char out[PATH_MAX])
{
    const char *named = getenv("DFS_CONFIG");
    if (named)
        return *named && snprintf(out, PATH_MAX, "%s", named) < PATH_MAX;
    return path_set(out, getenv("XDG_CONFIG_HOME"), "/dfs/dfs.ini") ||
           path_set(out, getenv("HOME"), "/.config/dfs/dfs.ini") || path_set(out, "/etc/dfs", "/dfs.ini");
}

static bool is_ours(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

bool settings_apply(struct config *c, const struct flag *flags, uint64_t seen)
{
    char path[PATH_MAX], err[512];
    const char *env = getenv("DFS_NM");
    if (!find(path))
        return true;
    if (config_load(c, path, "dfs", err, sizeof err) != 0) {
        fprintf(stderr, "dfs: %s\n", err);
        return false;
    }
    for (size_t i = 0; i < c->n; i++) {
        if (!is_ours(c->v[i].name)) {
            fprintf(stderr, "dfs: %s: %s: no such setting\n", path, c->v[i].name);
            return false;
        }
    }
    if (env && *env)
        seen |= 1ULL << flags_index(flags, "nm");
    if (config_apply(c, flags, seen, err, sizeof err) == 0)
        return true;
    fprintf(stderr, "dfs: %s: %s\n", path, err);
    return false;
}
