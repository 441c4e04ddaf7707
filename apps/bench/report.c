/* SPDX-License-Identifier: MIT */
/* The table after a run. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "stats.h"

/* A bench that uses so much of its one core says how fast it is itself. */
#define OWN_LIMIT 0.9

void size_text(uint64_t size, char *out, size_t len)
{
    static const char units[] = "kmgt";
    char unit[2] = "";
    for (int i = 0; units[i] && size > 0 && size % 1024 == 0; i++) {
        size /= 1024;
        unit[0] = units[i];
    }
    snprintf(out, len, "%" PRIu64 "%s", size, unit);
}

void time_text(uint64_t ns, char *out, size_t len)
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}};
    double v = (double)ns / 1e3;
    const char *unit = "us";
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if ((double)ns >= units[i].ns) {
            v = (double)ns / units[i].ns;
            unit = units[i].unit;
            break;
        }
    }
    snprintf(out, len, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, unit);
}

double result_rate(const struct result *r) { return stats_median(r->rates, r->n_rounds); }

static const char *color(const struct bench *b, const char *code) { return b->color ? code : ""; }

static void cores_text(double cores, char *out, size_t len)
{
    if (cores < 0)
        snprintf(out, len, "-");
    else
        snprintf(out, len, "%.0f%%", cores * 100);
}

static void row_times(const struct result *r, FILE *out)
{
    static const double at[] = {0.5, 0.99, 0.999};
    char text[24];
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        time_text(histogram_percentile(&r->latency, at[i]), text, sizeof text);
        fprintf(out, " %8s", text);
    }
    time_text(r->latency.max, text, sizeof text);
    fprintf(out, " %8s", text);
}

static void row_usage(const struct bench *b, const struct result *r, FILE *out)
{
    const double cores[] = {r->usage.nameservers, r->usage.storage, r->usage.own};
    char text[24];
    for (size_t i = 0; i < ARRAY_LEN(cores); i++) {
        bool limit = i == 2 && cores[i] >= OWN_LIMIT;
        cores_text(cores[i], text, sizeof text);
        fprintf(out, "%s %*s%s", color(b, limit ? "\033[33m" : ""), i < 2 ? 7 : 5, text,
                color(b, limit ? "\033[0m" : ""));
    }
}

static void table_row(const struct bench *b, const struct result *r, FILE *out)
{
    char size[32] = "-", noise[32] = "";
    double rate = result_rate(r);
    if (r->size)
        size_text(r->size, size, sizeof size);
    fprintf(out, "%-5s %-6s %5" PRIu64 " %5s", r->workload, r->op, r->concurrency, size);
    fprintf(out, " %9" PRIu64 " %7.2f %s%9.0f%s", r->ops, r->seconds, color(b, "\033[1m"), rate, color(b, "\033[0m"));
    if (b->opt->rounds > 1) {
        snprintf(noise, sizeof noise, "%.0f%%", stats_noise(r->rates, r->n_rounds) * 100);
        fprintf(out, " %5s", noise);
    }
    if (r->bytes)
        fprintf(out, " %8.1f", rate * (double)r->bytes / (double)r->ops / (double)MIB);
    else
        fprintf(out, " %8s", "-");
    row_times(r, out);
    fprintf(out, " %s%6" PRIu64 "%s", color(b, r->errors ? "\033[31m" : ""), r->errors,
            color(b, r->errors ? "\033[0m" : ""));
    row_usage(b, r, out);
    fputc('\n', out);
}

static void print_errors(const struct bench *b, FILE *out)
{
    for (uint32_t i = 0; i < b->n_results; i++) {
        const struct result *r = b->results[i];
        if (r->errors > 0)
            fprintf(out, "%s %s: %" PRIu64 " errors, the first: %s\n", r->workload, r->op, r->errors, r->first_error);
        if (r->errors >= BENCH_MAX_ERRORS)
            fprintf(out, "%s %s: given up after %u errors\n", r->workload, r->op, BENCH_MAX_ERRORS);
    }
}

static void print_servers(const struct bench *b, FILE *out)
{
    if (b->n_servers > 0)
        fprintf(out, "\n%s%-24s %-14s %9s %12s %12s%s\n", color(b, "\033[2m"), "server", "", "CPU s", "memory MiB",
                "highest MiB", color(b, "\033[0m"));
    for (uint32_t i = 0; i < b->n_servers; i++) {
        const struct server *s = &b->servers[i];
        const char *role = s->nameserver && s->storage ? "all in one" : s->nameserver ? "NameServer" : "StorageServer";
        fprintf(out, "%-24s %-14s", s->address, role);
        if (s->silent)
            fprintf(out, " %9s %12s %12s\n", "no answer", "-", "-");
        else
            fprintf(out, " %9.2f %12.0f %12.0f\n", (double)(s->cpu - min_u64(s->first_cpu, s->cpu)) / 1e6,
                    (double)s->memory / (double)MIB, (double)s->memory_peak / (double)MIB);
    }
}

static void print_remarks(const struct bench *b, FILE *out)
{
    bool own = false, stays = false;
    for (uint32_t i = 0; i < b->n_results; i++) {
        const struct result *r = b->results[i];
        own |= r->usage.own >= OWN_LIMIT;
        stays |= !b->opt->cleanup && (strcmp(r->workload, "put") == 0 || strcmp(r->workload, "write") == 0);
    }
    if (b->verified > 0 || stays || own)
        fputc('\n', out);
    if (b->verified > 0)
        fprintf(out, "%.1f MiB read back and checked\n", (double)b->verified / (double)MIB);
    if (stays)
        fputs("what put and write stored stays in /dfs-bench for a later get and read; --cleanup removes it\n", out);
    if (own)
        fputs("where \"own\" is near 100%, dfs-bench used up its core: run several at once to see what the cluster can "
              "do\n",
              out);
}

void report_table(const struct bench *b, FILE *out)
{
    if (b->n_results == 0)
        return;
    bool rounds = b->opt->rounds > 1;
    fprintf(out, "%s%-5s %-6s %5s %5s %9s %7s %9s", color(b, "\033[2m"), "load", "op", "conc", "size", "ops", "seconds",
            "ops/s");
    fprintf(out, "%s %8s %8s %8s %8s %8s %6s %7s %7s %5s%s\n", rounds ? "   +/-" : "", "MiB/s", "p50", "p99", "p99.9",
            "max", "errors", "nm cpu", "ss cpu", "own", color(b, "\033[0m"));
    for (uint32_t i = 0; i < b->n_results; i++)
        table_row(b, b->results[i], out);
    print_errors(b, out);
    print_servers(b, out);
    print_remarks(b, out);
}

uint64_t report_errors(const struct bench *b)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < b->n_results; i++)
        n += b->results[i]->errors;
    return n;
}
