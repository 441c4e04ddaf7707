/* SPDX-License-Identifier: MIT */
#include "host/config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>

struct reading {
    struct config *config;
    const char *program;
    FILE *file;
    int lines, too_long; /* the first line that is */
};

static int on_setting(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *r = arg;
    struct config *c = r->config;
    if (*section && strcmp(section, r->program) != 0)
        return 1;
    c->v = xrealloc(c->v, c->n + 1, sizeof *c->v);
    c->v[c->n++] = (struct config_setting){xstrdup(name), xstrdup(value)};
    return 1;
}

/* inih cuts what does not fit its buffer: such a line is found here, and none of it is believed. */
static char *read_line(char *out, int len, void *arg)
{
    struct reading *r = arg;
    char line[CONFIG_LINE_MAX];
    if (!fgets(line, sizeof line, r->file))
        return NULL;
    size_t n = strlen(line);
    r->lines++;
    if (n + 1 > (size_t)len || (n + 1 == sizeof line && line[n - 1] != '\n')) {
        r->too_long = r->too_long ? r->too_long : r->lines;
        n = 0;
    }
    memcpy(out, line, n);
    out[n] = 0;
    return out;
}

int config_load(struct config *c, const char *path, const char *program, char *err, size_t err_len)
{
    *c = (struct config){NULL, 0};
    struct reading r = {.config = c, .program = program, .file = fopen(path, "re")};
    if (!r.file) {
        snprintf(err, err_len, "%s: %s", path, strerror(errno));
        return DFS_EIO;
    }
    int line = ini_parse_stream(read_line, &r, on_setting, &r);
    bool failed = ferror(r.file);
    fclose(r.file);
    if (r.too_long)
        snprintf(err, err_len, "%s:%d: the line is too long", path, r.too_long);
    else if (line || failed)
        snprintf(err, err_len, "%s:%d: %s", path, line,
                 failed ? "cannot be read" : "neither NAME = VALUE nor [SECTION]");
    return failed ? DFS_EIO : line || r.too_long ? DFS_EINVAL : 0;
}

int config_apply(const struct config *c, const struct flag *table, uint64_t seen, char *err, size_t err_len)
{
    uint64_t reset = 0;
    for (size_t i = 0; i < c->n; i++) {
        int at = flags_index(table, c->v[i].name);
        if (at < 0) {
            snprintf(err, err_len, "%s: no such setting", c->v[i].name);
            return DFS_ENOENT;
        }
        if (seen & 1ULL << at)
            continue;
        if (table[at].kind == FLAG_LIST && !(reset & 1ULL << at))
            ((struct flag_list *)table[at].out)->n = 0;
        reset |= 1ULL << at;
        int rc = flags_set(table, c->v[i].name, c->v[i].value, err, err_len);
        if (rc)
            return rc;
    }
    return 0;
}

char *config_value(const struct config *c, const char *name)
{
    char *all = NULL;
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->v[i].name, name) != 0)
            continue;
        size_t had = all ? strlen(all) : 0, more = strlen(c->v[i].value);
        all = xrealloc(all, had + more + 2, 1);
        memcpy(all + had, c->v[i].value, more);
        memcpy(all + had + more, "\n", 2);
    }
    return all;
}

void config_free(struct config *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->v[i].name);
        free(c->v[i].value);
    }
    free(c->v);
    *c = (struct config){NULL, 0};
}
