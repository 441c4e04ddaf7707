/* SPDX-License-Identifier: MIT */
/* The configuration file of a server, and what is printed about its flags. */
#include <stdio.h>
#include <stdlib.h>

#include "host/daemon.h"

/* What a running server takes over. */
static const char *const changeable[] = {"log-level", "log-json"};

int daemon_config(struct daemon_flags *f, const char *program, const struct flag *table)
{
    char err[512];
    size_t n = 0;
    while (table[n++].name)
        ;
    assert(n <= DAEMON_FLAGS_MAX);
    memcpy(f->table, table, n * sizeof *table);
    if (!f->config)
        return 0;
    int rc = config_load(&f->loaded, f->config, program, err, sizeof err);
    if (rc == 0 && (rc = config_apply(&f->loaded, table, f->seen, err, sizeof err)) == 0)
        return 0;
    fprintf(stderr, rc == DFS_ENOENT || !strstr(err, f->config) ? "%s: --config %s: %s\n" : "%s: --config: %.0s%s\n",
            program, f->config, err);
    return 2;
}

int daemon_end(struct daemon_flags *f, int status)
{
    config_free(&f->loaded);
    return status;
}

static bool is_changeable(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(changeable); i++)
        if (strcmp(changeable[i], name) == 0)
            return true;
    return false;
}

/* What the file says now, unless that is how things are already. */
static void take_over(struct daemon *d, const struct flag *flag, const char *values)
{
    enum log_level level = LOG_INFO;
    bool json = false, is_level = strcmp(flag->name, "log-level") == 0;
    char err[256] = "not one of debug, info, warn, error";
    const struct flag table[] = {{flag->name, 0, FLAG_SWITCH, &json, NULL, "", NULL}, {0}};
    char *all = values ? xstrndup(values, strlen(values) - 1) : NULL, *newline = all ? strrchr(all, '\n') : NULL;
    const char *value = newline ? newline + 1 : all; /* the last one, as on the command line */
    int rc = 0;
    if (value)
        rc = is_level ? log_level_parse(value, &level) : flags_set(table, flag->name, value, err, sizeof err);
    if (rc) {
        log_warn(&d->log, "config.refused", "setting=%s value=\"%s\" reason=\"%s\"", flag->name, value, err);
    } else if (is_level ? level != d->log.level : json != d->log.json) {
        if (is_level)
            d->log.level = level;
        else
            d->log.json = json;
        log_info(&d->log, "config.changed", "setting=%s value=\"%s\"", flag->name, value ? value : "(default)");
    }
    free(all);
}

/* before, after: what the file said at the start, and says now; NULL: nothing. */
static void compare(struct daemon *d, const struct flag *flag, const char *before, const char *after)
{
    bool same = before && after ? strcmp(before, after) == 0 : before == after;
    bool given = d->flags->seen & 1ULL << (flag - d->flags->table);
    if (is_changeable(flag->name) && !given)
        take_over(d, flag, after);
    else if (!same)
        log_warn(&d->log, "config.unchanged", "setting=%s reason=\"%s\"", flag->name,
                 given ? "the command line says otherwise" : "takes effect at the next start");
}

void daemon_reload(struct daemon *d)
{
    struct daemon_flags *f = d->flags;
    struct config now;
    char err[512];
    if (!f->config) {
        log_info(&d->log, "config.none", "reason=\"started without --config: there is nothing to read again\"");
        return;
    }
    if (config_load(&now, f->config, d->program, err, sizeof err) != 0) {
        log_warn(&d->log, "config.refused", "reason=\"%s\"", err);
        config_free(&now);
        return;
    }
    for (size_t i = 0; i < now.n; i++)
        if (flags_index(f->table, now.v[i].name) < 0)
            log_warn(&d->log, "config.refused", "setting=%s reason=\"no such setting\"", now.v[i].name);
    for (const struct flag *flag = f->table; flag->name; flag++) {
        char *before = config_value(&f->loaded, flag->name), *after = config_value(&now, flag->name);
        compare(d, flag, before, after);
        free(before);
        free(after);
    }
    log_info(&d->log, "config.read", "file=\"%s\"", f->config);
    /* settings in effect point into what was read at the start: that stays, as does what is compared with */
    config_free(&now);
}

/* --- man pages and the reference --- */

/* usage: "Usage: …", a line that says what it is, and text. */
static void print_man(const struct flag *table, const char *program, const char *usage, struct bytes *out)
{
    const char *what = strchr(usage, '\n') + 1, *rest = strchr(what, '\n');
    struct bytes *o = out;
    if (bytes_printf(o, ".TH %s 8 \"\" \"dfs\" \"DFS\"\n.SH NAME\n%s \\- ", program, program) == 0 &&
        bytes_add(o, what, (size_t)(rest - what)) == 0 && bytes_printf(o, "\n.SH SYNOPSIS\n.nf\n") == 0 &&
        bytes_add(o, usage + strlen("Usage: "), (size_t)(what - usage) - strlen("Usage: ")) == 0 &&
        bytes_printf(o, ".fi\n.SH DESCRIPTION\n.nf\n") == 0)
        roff_text(rest + 1, o);
    if (bytes_printf(o, ".fi\n.SH OPTIONS\n") == 0)
        flags_roff(table, o);
    if (bytes_printf(o, ".SH SEE ALSO\n.BR dfs (1),\n.BR dfs-nm (8),\n.BR dfs-ss (8),\n.BR dfs-bench (1)\n") != 0)
        return;
}

bool daemon_print(int argc, char **argv, const struct flag *table, const char *program, const char *usage)
{
    bool man = argc == 2 && strcmp(argv[1], "--print-man") == 0;
    struct bytes out;
    if (!man && !(argc == 2 && strcmp(argv[1], "--print-reference") == 0))
        return false;
    bytes_init(&out, 256 * KIB);
    if (man)
        print_man(table, program, usage, &out);
    else
        flags_markdown(table, &out);
    fwrite(out.p, 1, out.len, stdout);
    bytes_close(&out);
    return true;
}
