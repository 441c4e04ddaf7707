/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define PERIOD_MS 200
#define PATIENCE_NS (1 * NS_PER_SEC) /* short transfers show nothing */
/* Nothing moves for so long: on a terminal, and without one, it is said what is waited for. */
#define STALL_NS (3 * NS_PER_SEC)
#define STALL_TOLD_NS (8 * NS_PER_SEC)
#define TROUBLE_MS 15000 /* a call that gets no answer is given up after ten seconds */
#define BAR 20u
#define BAR_COLUMNS 80u /* a narrower terminal has no room for it */

static void bar(char out[BAR + 1], uint64_t part, uint64_t whole)
{
    unsigned n = whole ? (unsigned)((double)min_u64(part, whole) * BAR / (double)whole) : 0;
    for (unsigned i = 0; i < BAR; i++)
        out[i] = i < n ? '#' : '.';
    out[BAR] = 0;
}

/* Bytes per second over the last few seconds. */
static double rate_now(struct progress *p, uint64_t now)
{
    const unsigned most = ARRAY_LEN(p->samples);
    unsigned oldest = p->n_samples < most ? 0 : p->n_samples % most;
    uint64_t since = p->n_samples ? p->samples[oldest].at : p->started,
             bytes = p->n_samples ? p->samples[oldest].bytes : 0;
    double seconds = (double)(now - since) / 1e9;
    p->samples[p->n_samples % most].at = now;
    p->samples[p->n_samples % most].bytes = p->bytes;
    p->n_samples++;
    return seconds > 0 && p->bytes > bytes ? (double)(p->bytes - bytes) / seconds : 0;
}

static size_t terminal_columns(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static void time_left(char out[32], double seconds)
{
    uint64_t s = (uint64_t)(seconds + 0.5);
    if (seconds > 100 * 3600.0)
        snprintf(out, 32, "long");
    else if (s >= 3600)
        snprintf(out, 32, "%u:%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60), (unsigned)(s % 60));
    else
        snprintf(out, 32, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

/* Seconds since anything moved; 0: that is not long ago. */
static unsigned stalled(struct progress *p, uint64_t now)
{
    uint64_t moved = p->bytes + p->files + p->skipped + p->failed;
    if (moved != p->moved || !p->moved_at) {
        p->moved = moved;
        p->moved_at = now;
        p->told = false;
    }
    return now - p->moved_at < STALL_NS ? 0 : (unsigned)((now - p->moved_at) / NS_PER_SEC);
}

static void show(struct progress *p, const char *line)
{
    fprintf(stderr, "\r\033[K%.*s", (int)terminal_columns() - 1, line);
    fflush(stderr);
    p->shown = true;
}

/* False: it is not known what is waited for, or nothing is. */
static bool show_wait(struct cli *cli, unsigned seconds)
{
    struct progress *p = &cli->progress;
    const char *why = seconds ? dfs_trouble(cli->client, TROUBLE_MS) : NULL;
    char line[512];
    if (!why)
        return false;
    snprintf(line, sizeof line, "waiting for %s, %u s", why, seconds);
    if (p->terminal)
        show(p, line);
    else if (!p->told && seconds >= STALL_TOLD_NS / NS_PER_SEC)
        p->told = fprintf(stderr, "dfs: %s: %s\n", cli->verb->name, line) > 0;
    return true;
}

static void on_tick(uv_timer_t *t)
{
    struct cli *cli = t->data;
    struct progress *p = &cli->progress;
    uint64_t now = uv_hrtime();
    double rate = rate_now(p, now);
    char size[32], whole[32], speed[32], left[32], graph[BAR + 1], line[256];
    int n = 0;
    if (show_wait(cli, stalled(p, now)) || !p->terminal || now - p->started < PATIENCE_NS)
        return;
    text_size(p->bytes, size);
    text_size((uint64_t)rate, speed);
    if (p->total) {
        bar(graph, p->bytes, p->total);
        if (terminal_columns() >= BAR_COLUMNS)
            n = snprintf(line, sizeof line, "[%s] ", graph);
        time_left(left, rate > 0 ? (double)(p->total - min_u64(p->bytes, p->total)) / rate : 1e9);
        n += snprintf(line + n, sizeof line - (size_t)n, "%3u%%  %s of %s  %s/s  %s left",
                      (unsigned)((double)min_u64(p->bytes, p->total) * 100 / (double)p->total), size,
                      text_size(p->total, whole), speed, left);
    } else {
        n = snprintf(line, sizeof line, "%s  %s/s", size, speed);
    }
    if (p->total_files > 1)
        snprintf(line + n, sizeof line - (size_t)n, "  %" PRIu64 " of %" PRIu64 " files", p->files + p->skipped,
                 p->total_files);
    else if (p->files)
        snprintf(line + n, sizeof line - (size_t)n, "  %" PRIu64 " files", p->files);
    show(p, line);
}

void progress_start(struct cli *cli, uint64_t total)
{
    struct progress *p = &cli->progress;
    p->started = uv_hrtime();
    p->bytes = p->files = p->skipped = p->removed = p->failed = p->total_files = p->n_samples = 0;
    p->total = total;
    p->moved_at = 0;
    p->terminal = isatty(STDERR_FILENO);
    p->on = true;
    p->timer.data = cli;
    uv_timer_start(&p->timer, on_tick, PERIOD_MS, PERIOD_MS);
    uv_unref((uv_handle_t *)&p->timer);
}

static void take_totals(void *arg, const struct dfs_result *r) { *(struct dfs_totals *)arg = r->totals; }

void progress_expect(struct cli *cli, const char *remote)
{
    struct dfs_totals t = {0};
    struct call k = CALL(cli);
    k.take = take_totals;
    k.take_arg = &t;
    if (call_wait(&k, dfs_usage(cli->client, remote, "", 1, on_call, &k)) == 0) {
        cli->progress.total += t.bytes;
        cli->progress.total_files += t.files + t.symlinks;
    }
    call_free(&k);
}

static void count_tree(struct progress *p, int at, const char *name, bool recursive, int flags)
{
    struct stat st;
    if (fstatat(at, name, &st, flags) != 0)
        return;
    p->total_files += S_ISREG(st.st_mode) || S_ISLNK(st.st_mode);
    p->total += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    int fd = recursive && S_ISDIR(st.st_mode) ? openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            count_tree(p, fd, e->d_name, true, AT_SYMLINK_NOFOLLOW);
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
}

/* (glibc's fts does not survive a want of memory.) */
void progress_expect_local(struct cli *cli, const char *local)
{
    count_tree(&cli->progress, AT_FDCWD, local, cli->opt.recursive, 0);
}

void progress_skip(struct cli *cli, uint64_t size)
{
    cli->progress.skipped++;
    cli->progress.total -= min_u64(size, cli->progress.total);
}

void progress_clear(struct cli *cli)
{
    if (cli->progress.shown)
        fprintf(stderr, "\r\033[K");
    cli->progress.shown = false;
}

void progress_stop(struct cli *cli)
{
    progress_clear(cli);
    if (cli->progress.on)
        uv_timer_stop(&cli->progress.timer);
    cli->progress.on = false;
}
