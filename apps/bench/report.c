/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "bench.h"

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

/* Three significant digits and a unit that fits. */
static void time_text(uint64_t ns, char *out, size_t len)
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

static double per_second(double n, const struct result *r)
{
    return r->seconds > 0 ? n / r->seconds : 0;
}

static void table_row(const struct result *r, FILE *out)
{
    char size[32] = "-", p[3][24];
    static const double at[] = {0.5, 0.99, 0.999};
    if (r->size)
        size_text(r->size, size, sizeof size);
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        time_text(histogram_percentile(&r->latency, at[i]), p[i], sizeof p[i]);
    fprintf(out, "%-6s %-6s %5" PRIu64 " %6s", r->workload, r->op, r->concurrency, size);
    fprintf(out, " %10" PRIu64 " %8.2f %10.0f", r->ops, r->seconds, per_second((double)r->ops, r));
    if (r->bytes)
        fprintf(out, " %9.1f", per_second((double)r->bytes, r) / (double)MIB);
    else
        fprintf(out, " %9s", "-");
    fprintf(out, " %9s %9s %9s %7" PRIu64 "\n", p[0], p[1], p[2], r->errors);
}

void report_table(const struct bench *b, FILE *out)
{
    if (b->n_results == 0)
        return;
    fprintf(out, "%-6s %-6s %5s %6s %10s %8s %10s", "load", "op", "conc", "size", "ops", "seconds", "ops/s");
    fprintf(out, " %9s %9s %9s %9s %7s\n", "MiB/s", "p50", "p99", "p99.9", "errors");
    for (uint32_t i = 0; i < b->n_results; i++)
        table_row(b->results[i], out);
    for (uint32_t i = 0; i < b->n_results; i++) {
        const struct result *r = b->results[i];
        if (r->errors > 0)
            fprintf(out, "%s %s: %" PRIu64 " errors, the first: %s\n", r->workload, r->op, r->errors, r->first_error);
        if (r->errors >= BENCH_MAX_ERRORS)
            fprintf(out, "%s %s: given up after %u errors\n", r->workload, r->op, BENCH_MAX_ERRORS);
    }
}

static void json_string(const char *s, FILE *out)
{
    fputc('"', out);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void json_result(const struct bench *b, const struct result *r, FILE *out)
{
    fprintf(out, "  {\"workload\":\"%s\",\"op\":\"%s\"", r->workload, r->op);
    fprintf(out, ",\"concurrency\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"depth\":%u", r->concurrency,
            r->concurrency / b->depth, b->depth);
    fprintf(out, ",\"size\":%" PRIu64 ",\"ops\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.6f", r->size, r->ops,
            r->bytes, r->seconds);
    fprintf(out, ",\"ops_per_s\":%.1f,\"bytes_per_s\":%.0f,\"errors\":%" PRIu64, per_second((double)r->ops, r),
            per_second((double)r->bytes, r), r->errors);
    fprintf(out, ",\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f",
            (double)histogram_percentile(&r->latency, 0.5) / 1e3, (double)histogram_percentile(&r->latency, 0.99) / 1e3,
            (double)histogram_percentile(&r->latency, 0.999) / 1e3, (double)r->latency.max / 1e3);
    if (r->errors > 0) {
        fputs(",\"first_error\":", out);
        json_string(r->first_error, out);
    }
    fputc('}', out);
}

int report_json(const struct bench *b, const char *file)
{
    bool to_stdout = strcmp(file, "-") == 0;
    FILE *out = to_stdout ? stdout : fopen(file, "w");
    if (!out) {
        fprintf(stderr, "dfs-bench: --json %s: %s\n", file, strerror(errno));
        return DFS_EIO;
    }
    fputs("{\"results\":[\n", out);
    for (uint32_t i = 0; i < b->n_results; i++) {
        json_result(b, b->results[i], out);
        fputs(i + 1 < b->n_results ? ",\n" : "\n", out);
    }
    fputs("]}\n", out);
    bool failed = ferror(out) != 0;
    failed |= (to_stdout ? fflush(out) : fclose(out)) != 0;
    if (failed)
        fprintf(stderr, "dfs-bench: --json %s: cannot be written\n", file);
    return failed ? DFS_EIO : 0;
}

uint64_t report_errors(const struct bench *b)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < b->n_results; i++)
        n += b->results[i]->errors;
    return n;
}
