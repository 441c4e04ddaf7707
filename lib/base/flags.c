/* SPDX-License-Identifier: MIT */
#include "base/flags.h"

#include <stdarg.h>
#include <stdio.h>

/* One pass over argv: where we are, and where results and complaints go. */
struct scan {
    const struct flag *table;
    int argc, at;
    char **argv;
    const char **args;
    size_t n_args;
    uint64_t seen; /* flags given so far, by place */
    char *err;
    size_t err_len;
};

static int complain(const struct scan *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int complain(const struct scan *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(s->err, s->err_len, fmt, ap);
    va_end(ap);
    return DFS_EINVAL;
}

/* --- values --- */

/* Decimal digits at *s, which moves behind them. */
static int parse_digits(const char **s, uint64_t *out)
{
    uint64_t n = 0;
    const char *p = *s;

    if (*p < '0' || *p > '9')
        return DFS_EINVAL;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return DFS_EINVAL;
    }
    *s = p;
    *out = n;
    return 0;
}

static int parse_u64(const char *s, uint64_t *out)
{
    uint64_t n;

    if (parse_digits(&s, &n) != 0 || *s != '\0')
        return DFS_EINVAL;
    *out = n;
    return 0;
}

struct unit {
    const char *suffix;
    uint64_t times;
};

static int parse_with_unit(const char *s, const struct unit *units, size_t n_units, uint64_t *out)
{
    uint64_t n;

    if (parse_digits(&s, &n) != 0)
        return DFS_EINVAL;
    for (size_t i = 0; i < n_units; i++) {
        if (strcmp(s, units[i].suffix) != 0)
            continue;
        return __builtin_mul_overflow(n, units[i].times, out) ? DFS_EINVAL : 0;
    }
    return DFS_EINVAL;
}

int parse_size(const char *s, uint64_t *out)
{
    static const struct unit units[] = {
        {"", 1},    {"k", KIB}, {"K", KIB},       {"m", MIB},       {"M", MIB},
        {"g", GIB}, {"G", GIB}, {"t", KIB * GIB}, {"T", KIB * GIB},
    };
    uint64_t n;

    if (parse_with_unit(s, units, ARRAY_LEN(units), &n) != 0)
        return DFS_EINVAL;
    *out = n;
    return 0;
}

int parse_duration(const char *s, uint64_t *out)
{
    static const struct unit units[] = {
        {"", NS_PER_SEC},       {"ms", NS_PER_MS},        {"s", NS_PER_SEC},
        {"m", 60 * NS_PER_SEC}, {"h", 3600 * NS_PER_SEC}, {"d", 86400 * NS_PER_SEC},
    };
    uint64_t n;

    if (parse_with_unit(s, units, ARRAY_LEN(units), &n) != 0)
        return DFS_EINVAL;
    *out = n;
    return 0;
}

static bool host_is_plausible(struct str host)
{
    if (host.len == 0 || host.len > 253)
        return false;
    for (uint32_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.p[i];

        if (c <= ' ' || c >= 0x7f || strchr("/[],\"'\\", c) != NULL)
            return false;
    }
    return true;
}

int parse_address(const char *s, uint16_t default_port, char *out, size_t out_len)
{
    struct str host;
    const char *colon;
    uint64_t port = default_port;
    bool v6 = s[0] == '[';
    int n;

    if (v6) {
        const char *close = strchr(s, ']');

        if (close == NULL || (close[1] != '\0' && close[1] != ':'))
            return DFS_EINVAL;
        host = (struct str){s + 1, (uint32_t)(close - s - 1)};
        colon = close[1] == ':' ? close + 1 : NULL;
        if (memchr(host.p, ':', host.len) == NULL)
            return DFS_EINVAL;
    } else {
        colon = strchr(s, ':');
        host = (struct str){s, (uint32_t)(colon != NULL ? (size_t)(colon - s) : strlen(s))};
    }
    if (!host_is_plausible(host))
        return DFS_EINVAL;
    if (colon != NULL && (parse_u64(colon + 1, &port) != 0 || port > UINT16_MAX))
        return DFS_EINVAL;
    n = snprintf(out, out_len, v6 ? "[%.*s]:%u" : "%.*s:%u", STR_ARG(host), (unsigned)port);
    return n >= 0 && (size_t)n < out_len ? 0 : DFS_EINVAL;
}

/* --- parsing --- */

static const struct flag *find_name(const struct flag *table, struct str name)
{
    for (const struct flag *f = table; f->name != NULL; f++) {
        if (str_eq(str_of(f->name), name))
            return f;
    }
    return NULL;
}

static const struct flag *find_letter(const struct flag *table, char letter)
{
    for (const struct flag *f = table; f->name != NULL; f++) {
        if (f->letter != 0 && f->letter == letter)
            return f;
    }
    return NULL;
}

static int set_switch(struct scan *s, const struct flag *f, const char *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(value, words[i]) != 0)
            continue;
        *(bool *)f->out = i % 2;
        return 0;
    }
    return complain(s, "--%s: \"%s\" is not yes or no", f->name, value);
}

static int set_value(struct scan *s, const struct flag *f, const char *value)
{
    struct flag_list *list;
    uint64_t bit = 1ULL << (f - s->table);

    if (f->kind == FLAG_LIST && !(s->seen & bit))
        ((struct flag_list *)f->out)->n = 0;
    s->seen |= bit;
    switch (f->kind) {
    case FLAG_SWITCH:
        return set_switch(s, f, value);
    case FLAG_STRING:
        *(const char **)f->out = value;
        return 0;
    case FLAG_LIST:
        list = f->out;
        if (list->n == FLAG_LIST_MAX)
            return complain(s, "--%s: given more than %d times", f->name, FLAG_LIST_MAX);
        list->v[list->n++] = value;
        return 0;
    case FLAG_U64:
        if (parse_u64(value, f->out) != 0)
            return complain(s, "--%s: \"%s\" is not a whole number", f->name, value);
        return 0;
    case FLAG_SIZE:
        if (parse_size(value, f->out) != 0)
            return complain(s, "--%s: \"%s\" is not a size (such as 4096, 64k, 1g)", f->name, value);
        return 0;
    case FLAG_DURATION:
        if (parse_duration(value, f->out) != 0)
            return complain(s, "--%s: \"%s\" is not a duration (such as 250ms, 10s, 5m)", f->name, value);
        return 0;
    }
    return complain(s, "--%s: unknown kind of flag", f->name);
}

/* The value stands in the next argument. */
static int set_from_next(struct scan *s, const struct flag *f)
{
    if (s->at + 1 >= s->argc)
        return complain(s, "--%s: needs a value (%s)", f->name, f->arg != NULL ? f->arg : "VALUE");
    return set_value(s, f, s->argv[++s->at]);
}

static int parse_long(struct scan *s, const char *text)
{
    const char *eq = strchr(text, '=');
    struct str name = {text, (uint32_t)(eq != NULL ? (size_t)(eq - text) : strlen(text))};
    const struct flag *f = find_name(s->table, name);

    if (f == NULL)
        return complain(s, "--%.*s: no such flag", STR_ARG(name));
    if (f->kind == FLAG_SWITCH) {
        return set_value(s, f, eq != NULL ? eq + 1 : "yes");
    }
    return eq != NULL ? set_value(s, f, eq + 1) : set_from_next(s, f);
}

static int parse_letters(struct scan *s, const char *text)
{
    for (; *text != '\0'; text++) {
        const struct flag *f = find_letter(s->table, *text);

        if (f == NULL)
            return complain(s, "-%c: no such flag", *text);
        if (f->kind != FLAG_SWITCH)
            return text[1] != '\0' ? set_value(s, f, text + 1) : set_from_next(s, f);
        if (set_value(s, f, "yes") != 0)
            return DFS_EINVAL;
    }
    return 0;
}

int flags_index(const struct flag *table, const char *name)
{
    const struct flag *f = find_name(table, str_of(name));

    return f != NULL ? (int)(f - table) : -1;
}

int flags_set(const struct flag *table, const char *name, const char *value, char *err, size_t err_len)
{
    const struct flag *f = find_name(table, str_of(name));
    struct scan s = {.table = table, .seen = UINT64_MAX, .err = err, .err_len = err_len};

    return f != NULL ? set_value(&s, f, value) : DFS_ENOENT;
}

int flags_parse(const struct flag *table, int argc, char **argv, const char **args, size_t *n_args, char *err,
                size_t err_len)
{
    uint64_t seen;

    return flags_parse_seen(table, argc, argv, SIZE_MAX, args, n_args, &seen, err, err_len);
}

int flags_parse_seen(const struct flag *table, int argc, char **argv, size_t own, const char **args, size_t *n_args,
                     uint64_t *seen, char *err, size_t err_len)
{
    struct scan s = {.table = table, .argc = argc, .at = 1, .argv = argv, .args = args, .err = err, .err_len = err_len};
    bool only_args = false;
    int rc = 0;

    for (; rc == 0 && s.at < argc; s.at++) {
        const char *text = argv[s.at];

        only_args = only_args || s.n_args >= own;
        if (only_args || text[0] != '-' || text[1] == '\0')
            s.args[s.n_args++] = text;
        else if (strcmp(text, "--") == 0)
            only_args = true;
        else if (text[1] == '-')
            rc = parse_long(&s, text + 2);
        else
            rc = parse_letters(&s, text + 1);
    }
    *n_args = s.n_args;
    *seen = s.seen;
    return rc;
}

/* --- help --- */

/* "  -r, --recursive ARG" */
static int usage_of(const struct flag *f, char *out, size_t len)
{
    char letter[8] = "    ";

    if (f->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", f->letter);
    return snprintf(out, len, "  %s--%s%s%s", letter, f->name, f->arg != NULL ? " " : "", f->arg != NULL ? f->arg : "");
}

void flags_help(const struct flag *table, struct bytes *out)
{
    char usage[128];
    int width = 0, n, rc = 0;

    for (const struct flag *f = table; f->name != NULL; f++) {
        n = usage_of(f, usage, sizeof usage);
        width = n > width ? n : width;
    }
    for (const struct flag *f = table; f->name != NULL && rc == 0; f++) {
        usage_of(f, usage, sizeof usage);
        rc = bytes_printf(out, "%-*s  %s", width, usage, f->help);
        if (rc == 0 && f->preset != NULL)
            rc = bytes_printf(out, " (default: %s)", f->preset);
        if (rc == 0)
            rc = bytes_add(out, "\n", 1);
    }
}
