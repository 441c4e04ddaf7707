/* SPDX-License-Identifier: MIT */
/* Results as JSON, one line each; docs/REFERENCE.md says what the members mean. */
#include <errno.h>
#include <stdio.h>

#include "bench.h"
#include "stats.h"

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

static void json_times(const struct result *r, FILE *out)
{
    static const struct {
        const char *name;
        double at;
    } times[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        fprintf(out, ",\"%s_us\":%.1f", times[i].name, (double)histogram_percentile(&r->latency, times[i].at) / 1e3);
    fprintf(out, ",\"max_us\":%.1f", (double)r->latency.max / 1e3);
}

static void json_cpu(const char *name, double cores, FILE *out)
{
    if (cores >= 0)
        fprintf(out, ",\"cpu_%s\":%.3f", name, cores);
}

static void json_result(const struct bench *b, const struct result *r, FILE *out)
{
    double rate = result_rate(r), each = r->ops ? (double)r->bytes / (double)r->ops : 0;
    fprintf(out, "  {\"workload\":\"%s\",\"op\":\"%s\"", r->workload, r->op);
    fprintf(out, ",\"concurrency\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"depth\":%u", r->concurrency,
            r->concurrency / b->depth, b->depth);
    fprintf(out, ",\"size\":%" PRIu64 ",\"ops\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.6f", r->size, r->ops,
            r->bytes, r->seconds);
    fprintf(out, ",\"ops_per_s\":%.1f,\"bytes_per_s\":%.0f,\"errors\":%" PRIu64, rate, rate * each, r->errors);
    json_times(r, out);
    fputs(",\"rounds\":[", out);
    for (uint32_t i = 0; i < r->n_rounds; i++)
        fprintf(out, "%s%.1f", i ? "," : "", r->rates[i]);
    fputc(']', out);
    json_cpu("nameservers", r->usage.nameservers, out);
    json_cpu("storage", r->usage.storage, out);
    json_cpu("bench", r->usage.own, out);
    if (r->errors > 0) {
        fputs(",\"first_error\":", out);
        json_string(r->first_error, out);
    }
    fputc('}', out);
}

static void json_server(const struct server *s, FILE *out)
{
    fputs("  {\"address\":", out);
    json_string(s->address, out);
    fputs(",\"host\":", out);
    json_string(s->host, out);
    fprintf(out, ",\"nameserver\":%s,\"storage\":%s,\"pid\":%u,\"cores\":%u", s->nameserver ? "true" : "false",
            s->storage ? "true" : "false", s->pid, s->cores);
    fprintf(out, ",\"cpu_s\":%.3f,\"memory\":%" PRIu64 ",\"memory_peak\":%" PRIu64 "}",
            (double)(s->cpu - min_u64(s->first_cpu, s->cpu)) / 1e6, s->memory, s->memory_peak);
}

static void json_all(const struct bench *b, FILE *out)
{
    fputs("{\"results\":[\n", out);
    for (uint32_t i = 0; i < b->n_results; i++) {
        json_result(b, b->results[i], out);
        fputs(i + 1 < b->n_results ? ",\n" : "\n", out);
    }
    fputs("],\n\"servers\":[\n", out);
    for (uint32_t i = 0; i < b->n_servers; i++) {
        json_server(&b->servers[i], out);
        fputs(i + 1 < b->n_servers ? ",\n" : "\n", out);
    }
    fprintf(out, "],\n\"version\":\"%s\",\"verified_bytes\":%" PRIu64 ",\"interrupted\":%s}\n", DFS_VERSION,
            b->verified, b->interrupted ? "true" : "false");
}

int report_json(const struct bench *b, const char *file)
{
    bool to_stdout = strcmp(file, "-") == 0;
    FILE *out = to_stdout ? stdout : fopen(file, "w");
    if (!out) {
        fprintf(stderr, "dfs-bench: --json %s: %s\n", file, strerror(errno));
        return DFS_EIO;
    }
    json_all(b, out);
    bool failed = ferror(out) != 0;
    failed |= (to_stdout ? fflush(out) : fclose(out)) != 0;
    if (failed)
        fprintf(stderr, "dfs-bench: --json %s: cannot be written\n", file);
    return failed ? DFS_EIO : 0;
}
