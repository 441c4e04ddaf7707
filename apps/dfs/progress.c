/* SPDX-License-Identifier: MIT */
/* A line on the terminal during long transfers; nothing anywhere else. */
#include <unistd.h>

#include "cli.h"

#define PERIOD_MS 200
#define PATIENCE_NS (1 * NS_PER_SEC) /* short transfers show nothing */

static void bar(char out[21], uint64_t part, uint64_t whole)
{
    unsigned n = whole ? (unsigned)(min_u64(part, whole) * 20 / whole) : 0;
    for (unsigned i = 0; i < 20; i++)
        out[i] = i < n ? '#' : '.';
    out[20] = 0;
}

static void on_tick(uv_timer_t *t)
{
    struct cli *cli = t->data;
    struct progress *p = &cli->progress;
    uint64_t took = uv_hrtime() - p->started;
    char size[32], rate[32], line[21];
    if (took < PATIENCE_NS)
        return;
    uint64_t per_second = (uint64_t)((double)p->bytes / ((double)took / 1e9));
    text_size(p->bytes, size);
    text_size(per_second, rate);
    if (p->total) {
        bar(line, p->bytes, p->total);
        uint64_t left = per_second ? (p->total - min_u64(p->bytes, p->total)) / per_second : 0;
        fprintf(stderr, "\r\033[K[%s] %3u%%  %s  %s/s  %u:%02u left", line,
                (unsigned)(min_u64(p->bytes, p->total) * 100 / p->total), size, rate, (unsigned)(left / 60),
                (unsigned)(left % 60));
    } else {
        fprintf(stderr, "\r\033[K%s  %s/s", size, rate);
    }
    if (p->files)
        fprintf(stderr, "  %" PRIu64 " files", p->files);
    fflush(stderr);
    p->shown = true;
}

void progress_start(struct cli *cli, uint64_t total)
{
    struct progress *p = &cli->progress;
    p->started = uv_hrtime();
    p->bytes = p->files = 0;
    p->total = total;
    if (!isatty(STDERR_FILENO))
        return;
    p->on = true;
    p->timer.data = cli;
    uv_timer_start(&p->timer, on_tick, PERIOD_MS, PERIOD_MS);
    uv_unref((uv_handle_t *)&p->timer);
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
