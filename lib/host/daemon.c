/* SPDX-License-Identifier: MIT */
#include "host/daemon.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host/host.h"

#define OPEN_FILES_WANTED 65536u
#define OPEN_FILES_RESERVED 640u /* for data files, the log, and our own calls */

/* --- the command line --- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int show_help(const struct flag *table, const char *usage)
{
    struct bytes out;
    bytes_init(&out, 64 * KIB);
    flags_help(table, &out);
    printf("%s\nOptions:\n%.*s", usage, (int)out.len, (const char *)out.p);
    bytes_close(&out);
    return 0;
}

int daemon_parse(const struct flag *table, struct daemon_flags *f, int argc, char **argv, const char *usage,
                 const char *version, const char **args, size_t n_args)
{
    const char *program = base_name(argv[0]);
    const char **found = xcalloc((size_t)argc + 1, sizeof *found);
    size_t n = 0;
    char err[512];
    int status = -1;
    if (daemon_print(argc, argv, table, program, usage)) {
        free(found);
        return 0;
    }
    if (flags_parse_seen(table, argc, argv, SIZE_MAX, found, &n, &f->seen, err, sizeof err) != 0) {
        fprintf(stderr, "%s: %s; see %s --help\n", program, err, program);
        status = 2;
    } else if (f->help) {
        status = show_help(table, usage);
    } else if (f->version) {
        printf("%s %s\n", program, version);
        status = 0;
    } else if (n != n_args) {
        if (n > n_args)
            fprintf(stderr, "%s: unexpected argument \"%s\"; see %s --help\n", program, found[n_args], program);
        else
            fprintf(stderr, "%s: an argument is missing; see %s --help\n", program, program);
        status = 2;
    }
    if (status < 0 && daemon_config(f, program, table) != 0)
        status = 2;
    f->relaxed = f->durability && strcmp(f->durability, "relaxed") == 0;
    if (status < 0 && f->durability && !f->relaxed && strcmp(f->durability, "full") != 0) {
        fprintf(stderr, "%s: --durability %s: not full or relaxed\n", program, f->durability);
        status = 2;
    }
    for (size_t i = 0; i < n_args && status < 0; i++)
        args[i] = found[i];
    free(found);
    return status;
}

int daemon_check_listen(const struct daemon_flags *f, const char *program, const char *listen, const char *advertise)
{
    if (!address_is_loopback(listen) && !f->insecure) {
        fprintf(stderr,
                "%s: --listen %s lets other machines in, and there are no keys to check them by: say --insecure if the "
                "network is trusted\n",
                program, listen);
        return 2;
    }
    if (address_is_wildcard(listen) && !advertise) {
        fprintf(stderr, "%s: --listen %s needs --advertise HOST:PORT, the address others reach this server at\n",
                program, listen);
        return 2;
    }
    return 0;
}

/* --- the process --- */

static void raise_open_files(struct daemon *d)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < OPEN_FILES_WANTED && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < OPEN_FILES_WANTED ? limit.rlim_max : OPEN_FILES_WANTED;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur > 2 * OPEN_FILES_RESERVED)
        d->max_conns = (uint32_t)min_u64(limit.rlim_cur - OPEN_FILES_RESERVED, 10000);
    else
        d->max_conns = (uint32_t)max_u64(limit.rlim_cur / 2, 16);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;
    if (d->stopping) {
        log_warn(&d->log, "process.killed", "signal=%d", number);
        fflush(NULL);
        _exit(1);
    }
    d->stopping = true;
    log_info(&d->log, "process.stopping", "signal=%d", number);
    d->stop(d->arg, d);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    (void)number;
    daemon_reload(handle->data);
}

int daemon_init(struct daemon *d, const char *program, struct daemon_flags *f, unsigned pool)
{
    char threads[16];
    *d = (struct daemon){.program = program};
    d->log = (struct logger){.out = stderr, .level = LOG_INFO, .json = f->log_json, .who = program};
    if (f->log_level && log_level_parse(f->log_level, &d->log.level) != 0) {
        fprintf(stderr, "%s: --log-level %s: not one of debug, info, warn, error\n", program, f->log_level);
        return 2;
    }
    snprintf(threads, sizeof threads, "%u", pool);
    setenv("UV_THREADPOOL_SIZE", threads, 0);
    /* Pool threads hardly allocate; an arena for each would only hold memory back. */
    mallopt(M_ARENA_MAX, 1);
    raise_open_files(d);
    int err = uv_loop_init(&d->loop);
    if (err != 0) {
        fprintf(stderr, "%s: no event loop: %s\n", program, uv_strerror(err));
        return 1;
    }
    uv_signal_init(&d->loop, &d->term);
    uv_signal_init(&d->loop, &d->interrupt);
    uv_signal_init(&d->loop, &d->hangup);
    uv_unref((uv_handle_t *)&d->hangup);
    d->term.data = d->interrupt.data = d->hangup.data = d;
    d->flags = f;
    return 0;
}

void daemon_write_port(struct daemon *d, const struct daemon_flags *f, const char *address)
{
    char temporary[4096], why[512];
    if (!f->port_file)
        return;
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", f->port_file);
    FILE *out = n > 0 && (size_t)n < sizeof temporary ? fopen(temporary, "we") : NULL;
    /* by rename, so that whoever waits for it never reads half a line */
    if (out && fprintf(out, "%s\n", address) > 0 && fclose(out) == 0 && rename(temporary, f->port_file) == 0)
        return;
    snprintf(why, sizeof why, "--port-file %.200s: %s", f->port_file, strerror(errno));
    daemon_fatal(d, why);
}

/* --- running and ending --- */

static void close_signals(struct daemon *d)
{
    uv_close((uv_handle_t *)&d->term, NULL);
    uv_close((uv_handle_t *)&d->interrupt, NULL);
    uv_close((uv_handle_t *)&d->hangup, NULL);
}

static void run_to_end(struct daemon *d)
{
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_loop_close(&d->loop);
    daemon_end(d->flags, 0);
}

int daemon_give_up(struct daemon *d, const char *why)
{
    fprintf(stderr, "%s: %s\n", d->program, why);
    close_signals(d);
    run_to_end(d);
    return 1;
}

void daemon_stopped(void *arg)
{
    struct daemon *d = arg;
    if (--d->servers > 0)
        return;
    log_info(&d->log, "process.stopped", "status=0");
    close_signals(d);
}

int daemon_run(struct daemon *d, uint32_t servers, void (*stop)(void *arg, struct daemon *d), void *arg)
{
    d->servers = servers;
    d->stop = stop;
    d->arg = arg;
    uv_signal_start(&d->term, on_signal, SIGTERM);
    uv_signal_start(&d->interrupt, on_signal, SIGINT);
    if (flags_index(d->flags->table, "config") >= 0) /* others end with their terminal */
        uv_signal_start(&d->hangup, on_hangup, SIGHUP);
    run_to_end(d);
    return 0;
}

void daemon_fatal(void *arg, const char *why)
{
    struct daemon *d = arg;
    log_error(&d->log, "process.fatal", "reason=\"%s\"", why);
    fflush(NULL);
    _exit(1);
}
