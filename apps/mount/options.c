/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/flags.h"

static int refuse(char *err, size_t err_len, const char *what, const char *why)
{
    snprintf(err, err_len, "%s%s%s", what ? what : "", what ? ": " : "", why);
    return 2;
}

static void pass_on(struct mount_options *o, const char *word)
{
    size_t have = strlen(o->passed), len = strlen(word);
    char *more = xcalloc(have + len + 2, 1);
    sprintf(more, "%s%s%s", o->passed, have ? "," : "", word);
    free(o->passed);
    o->passed = more;
}

static bool set_switch(struct mount_options *o, const char *word)
{
    const struct {
        const char *name;
        bool *out;
    } table[] = {
        {"ro", &o->read_only},
        {"allow_other", &o->allow_other},
        {"no_allow_other", &o->no_allow_other},
        {"relaxed", &o->relaxed},
        {"soft", &o->soft},
        {"nodelegate", &o->nodelegate},
        {"acl", &o->acl},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (strcmp(word, table[i].name) == 0) {
            *table[i].out = true;
            return true;
        }
    }
    return false;
}

/* What fstab and mount(8) say to themselves, or what is so anyway. */
static bool is_for_others(const char *word)
{
    static const char *const words[] = {"rw",     "defaults", "auto",    "noauto", "user", "users",
                                        "nouser", "nofail",   "_netdev", "async",  "loud", "default_permissions"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return strncmp(word, "x-", 2) == 0 || strncmp(word, "comment=", 8) == 0;
}

/* 0, 2 with a sentence, or -1: it is none of those with a value. */
static int set_value(struct mount_options *o, const char *word, char *err, size_t err_len)
{
    const struct {
        const char *name;
        uint64_t *out;
        bool size;
    } table[] = {
        {"timeout=", &o->timeout_ms, false},
        {"attr_timeout=", &o->attr_ms, false},
        {"entry_timeout=", &o->entry_ms, false},
        {"cache=", &o->cache, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        size_t len = strlen(table[i].name);
        uint64_t n;
        if (strncmp(word, table[i].name, len) != 0)
            continue;
        if ((table[i].size ? parse_size(word + len, &n) : parse_duration(word + len, &n)) != 0)
            return refuse(err, err_len, word, table[i].size ? "not a size such as 64m" : "not a time such as 1s");
        *table[i].out = table[i].size ? n : n / 1000000;
        return 0;
    }
    return -1;
}

static int set_words(struct mount_options *o, const char *list, char *err, size_t err_len)
{
    char *copy = xstrdup(list), *rest = copy, *word;
    int rc = 0;
    while (rc == 0 && (word = strsep(&rest, ",")) != NULL) {
        if (!*word || set_switch(o, word) || is_for_others(word))
            continue;
        rc = set_value(o, word, err, err_len);
        if (rc < 0) {
            pass_on(o, word);
            rc = 0;
        }
    }
    free(copy);
    return rc;
}

/* "HOST:PORT[,…][/FOLDER]", "/FOLDER" or "" */
static void set_source(struct mount_options *o, const char *source)
{
    const char *slash = strchr(source, '/');
    size_t len = slash ? (size_t)(slash - source) : strlen(source);
    o->source = xstrdup(*source ? source : "/");
    o->sub = xstrdup(slash ? slash : "/");
    if (len == 0 || strcmp(source, "dfs") == 0)
        return;
    o->nameservers = xcalloc(len + 1, 1);
    memcpy(o->nameservers, source, len);
}

static int set_flag(struct mount_options *o, char **argv, int *at, int argc, char *err, size_t err_len)
{
    const char *arg = argv[*at];
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
        o->help = true;
    } else if (strcmp(arg, "--version") == 0 || strcmp(arg, "-V") == 0) {
        o->version = true;
    } else if (strcmp(arg, "-f") == 0) {
        o->foreground = true;
    } else if (strncmp(arg, "-o", 2) == 0 && (arg[2] || *at + 1 < argc)) {
        return set_words(o, arg[2] ? arg + 2 : argv[++*at], err, err_len);
    } else if (strcmp(arg, "-t") == 0 && *at + 1 < argc) {
        ++*at; /* mount(8) names the type */
    } else if (strcmp(arg, "--nm") == 0 && *at + 1 < argc) {
        free(o->nameservers);
        o->nameservers = xstrdup(argv[++*at]);
    } else if (strspn(arg, "-nsvw") != strlen(arg)) { /* of mount(8): no mtab, sloppy, verbose, rw */
        return refuse(err, err_len, arg, "there is no such option (try \"dfs mount --help\")");
    }
    return 0;
}

int options_parse(struct mount_options *o, int argc, char **argv, char *err, size_t err_len)
{
    const char *args[2];
    int n = 0, rc = 0;
    *o = (struct mount_options){.attr_ms = 1000, .entry_ms = 1000, .cache = MOUNT_CACHE_DEFAULT, .passed = xstrdup("")};
    for (int i = 1; i < argc && rc == 0; i++) {
        if (argv[i][0] == '-' && argv[i][1])
            rc = set_flag(o, argv, &i, argc, err, err_len);
        else if (n == 2)
            rc = refuse(err, err_len, argv[i], "one operand too many (try \"dfs mount --help\")");
        else
            args[n++] = argv[i];
    }
    if (rc != 0 || o->help || o->version)
        return rc;
    if (n == 0)
        return refuse(err, err_len, NULL, "no folder is named (try \"dfs mount --help\")");
    char *named = o->nameservers;
    o->nameservers = NULL;
    set_source(o, n == 2 ? args[0] : "");
    if (named && !o->nameservers)
        o->nameservers = named;
    else
        free(named);
    o->dir = args[n - 1];
    o->nodelegate = o->nodelegate || o->acl; /* what promised files would inherit is not known here */
    o->timeout_ms = o->timeout_ms ? o->timeout_ms : o->soft ? 30 * 1000 : 10 * 60 * 1000;
    return 0;
}

void options_free(struct mount_options *o)
{
    free(o->source);
    free(o->nameservers);
    free(o->sub);
    free(o->passed);
}
