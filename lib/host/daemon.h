/* SPDX-License-Identifier: MIT */
/* What the server programs have in common: the process around the loop.
 *
 * daemon_init prepares the process (thread pool, memory arenas, open files, signals) and the logger; daemon_run serves until
 * SIGTERM or SIGINT, lets `stop` end the servers orderly, and returns the exit status. A second signal ends at once. SIGHUP
 * reads the configuration file again (daemon_config.c). */
#ifndef DFS_HOST_DAEMON_H
#define DFS_HOST_DAEMON_H

#include <uv.h>

#include "base/flags.h"
#include "base/log.h"
#include "host/config.h"

#define DAEMON_GRACE (5 * NS_PER_SEC)
#define DAEMON_FLAGS_MAX 64u

/* The flags every server has; each program puts DAEMON_FLAGS(f) into its table. */
struct daemon_flags {
    const char *log_level, *port_file, *durability;
    bool log_json, insecure, help, version;
    bool relaxed; /* what durability says */
    const char *config;
    /* what SIGHUP compares with: the file as it was read, the flags, which of them were given on the command line */
    struct config loaded;
    struct flag table[DAEMON_FLAGS_MAX];
    uint64_t seen;
};

#define DAEMON_FLAGS(f)                                                                                                 \
    {"config", 0, FLAG_STRING, &(f).config, "FILE", "take settings from an INI file with the names of these flags",     \
     NULL},                                                                                                             \
        {"durability", 0, FLAG_STRING, &(f).durability, "MODE", "full, or relaxed: acknowledge before the disk has it", \
         "full"},                                                                                                       \
        {"insecure",    0,    FLAG_SWITCH,                                                                              \
         &(f).insecure, NULL, "serve other machines without keys: anybody may read and write",                          \
         NULL},                                                                                                         \
        {"port-file", 0, FLAG_STRING, &(f).port_file, "FILE", "write the address listened on to FILE", NULL},           \
        {"log-level", 0, FLAG_STRING, &(f).log_level, "LEVEL", "debug, info, warn or error", "info"},                   \
        {"log-json", 0, FLAG_SWITCH, &(f).log_json, NULL, "write the log as JSON", NULL},                               \
        {"help", 'h', FLAG_SWITCH, &(f).help, NULL, "show this", NULL},                                                 \
    {                                                                                                                   \
        "version", 0, FLAG_SWITCH, &(f).version, NULL, "show the version", NULL                                         \
    }

struct daemon {
    const char *program;
    uv_loop_t loop;
    uv_signal_t term, interrupt, hangup;
    struct daemon_flags *flags;
    struct logger log;
    uint32_t max_conns;                        /* what the limit of open files leaves for connections */
    void (*stop)(void *arg, struct daemon *d); /* calls daemon_stopped once for each server; see `servers` */
    void *arg;
    uint32_t servers; /* still running */
    bool stopping;
};

/* Parses the command line. -1: go on; otherwise the exit status (0 after --help and --version, 2 after an error, which
 * was printed). Positional arguments: exactly n_args, to args. */
int daemon_parse(const struct flag *table, struct daemon_flags *f, int argc, char **argv, const char *usage,
                 const char *version, const char **args, size_t n_args) MUST_USE;
/* 0, or the exit status. pool: threads for disk operations, unless UV_THREADPOOL_SIZE says otherwise. */
int daemon_init(struct daemon *d, const char *program, struct daemon_flags *f, unsigned pool) MUST_USE;
/* Whether it may listen there: loopback, or --insecure. 0, or the exit status after a message. */
int daemon_check_listen(const struct daemon_flags *f, const char *program, const char *listen,
                        const char *advertise) MUST_USE;
/* Writes --port-file; ends the process if that fails. */
void daemon_write_port(struct daemon *d, const struct daemon_flags *f, const char *address);
/* --- daemon_config.c --- */
/* Applies --config, if it was given. 0, or 2 after a message. */
int daemon_config(struct daemon_flags *f, const char *program, const struct flag *table);
/* Reads the file again; takes over what may change while it runs, and logs what may not. */
void daemon_reload(struct daemon *d);
int daemon_end(struct daemon_flags *f, int status); /* gives the status back */
/* --print-man, --print-reference: what man pages and docs/REFERENCE.md are made from. False: argv asks for neither. */
bool daemon_print(int argc, char **argv, const struct flag *table, const char *program, const char *usage);

/* Prints why, runs the loop until what was opened is closed, returns 1. */
int daemon_give_up(struct daemon *d, const char *why);
int daemon_run(struct daemon *d, uint32_t servers, void (*stop)(void *arg, struct daemon *d), void *arg);
void daemon_stopped(void *arg); /* the done of one server's stop */
/* Ends the process at once, status 1. arg: the daemon. */
void daemon_fatal(void *arg, const char *why);

#endif
