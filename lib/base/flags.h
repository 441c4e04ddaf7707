/* SPDX-License-Identifier: MIT */
/* Command-line flags from one table: parsing, defaults and --help are derived from it.
 *
 * The same table takes the settings of a configuration file (host/config.h), and makes --help, the reference and the man pages.
 * Accepts --name value, --name=value, -x value, -xvalue, grouped short switches (-rj), --switch=no, and "--" to end the flags.
 * Flags and positional arguments may be mixed. "-" alone is positional. */
#ifndef DFS_FLAGS_H
#define DFS_FLAGS_H

#include "base/bytes.h"

enum flag_kind {
    FLAG_SWITCH,   /* bool *: present means true */
    FLAG_STRING,   /* const char **: points into argv */
    FLAG_LIST,     /* struct flag_list *: may be given several times */
    FLAG_U64,      /* uint64_t *: decimal */
    FLAG_SIZE,     /* uint64_t *: bytes, with k, m, g, t as powers of 1024 */
    FLAG_DURATION, /* uint64_t *: nanoseconds; number with ms, s, m, h, d (plain: seconds) */
};

#define FLAG_LIST_MAX 64
struct flag_list {
    const char *v[FLAG_LIST_MAX];
    size_t n;
};

struct flag {
    const char *name; /* "listen": --listen; NULL ends the table */
    char letter;      /* 'r': -r; 0 for none */
    enum flag_kind kind;
    void *out;          /* keeps what it held when the flag is absent: set defaults there first */
    const char *arg;    /* "HOST:PORT" for --help; NULL for a switch */
    const char *help;   /* one line, without a final stop */
    const char *preset; /* the default as help shows it, or NULL */
};

/* Parses argv[1..argc). Positional arguments are moved to args (room for argc pointers), their number to *n_args.
 * DFS_EINVAL: err holds a sentence that names the flag and what is wrong. */
int flags_parse(const struct flag *table, int argc, char **argv, const char **args, size_t *n_args, char *err,
                size_t err_len) MUST_USE;

/* Likewise; *seen has the bit of each flag that was given, by its place in the table, which has at most 64. Behind `own`
 * positional arguments there are no flags any more. */
int flags_parse_seen(const struct flag *table, int argc, char **argv, size_t own, const char **args, size_t *n_args,
                     uint64_t *seen, char *err, size_t err_len) MUST_USE;
/* Sets the flag of this name to what `value` says; a switch takes yes or no. Lists grow. DFS_ENOENT: there is none;
 * DFS_EINVAL: err says what is wrong. value must live as long as what it is stored in. */
int flags_set(const struct flag *table, const char *name, const char *value, char *err, size_t err_len) MUST_USE;
/* The place in the table, or -1. */
int flags_index(const struct flag *table, const char *name);

/* The "options" part of --help, aligned, one line per flag. */
void flags_help(const struct flag *table, struct bytes *out);
/* The same as the rows of a Markdown table, and as a section of a man page. */
void flags_markdown(const struct flag *table, struct bytes *out);
void flags_roff(const struct flag *table, struct bytes *out);
/* Text as roff shows it: what it would take for commands is escaped. */
void roff_text(const char *text, struct bytes *out);

int parse_size(const char *s, uint64_t *out) MUST_USE;     /* "64k", "1g"; DFS_EINVAL */
int parse_duration(const char *s, uint64_t *out) MUST_USE; /* "250ms", "2s"; DFS_EINVAL */
/* "host:port", "[v6]:port" or "host" with default_port; writes a canonical "host:port" to out. DFS_EINVAL. */
int parse_address(const char *s, uint16_t default_port, char *out, size_t out_len) MUST_USE;

#endif
