/* SPDX-License-Identifier: MIT */
/* What the NameServer's tables cost: memory for each file, the rate of creates as the namespace grows, saving, loading,
 * forking. The core alone, in one process. With --data it also leaves a NameServer's folder behind, for nm_scale.sh. */
#include "unit/test_meta_util.h"

#include <getopt.h>
#include <malloc.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "group/group.h"
#include "uv/disk.h"

#define FEW 10000u /* "a small namespace" of the rates */
#define FEW_ROUNDS 20u
#define SLOPE_FROM 10u /* the slope of memory is taken from a tenth of the files on */
#define RATE_PART 50u  /* the last fiftieth of them is timed */
#define FILES_MIN 100000u
#define FORKS 5u

enum order { ASCENDING, INTERLEAVED, SHUFFLED, ORDERS };
static const char *const order_names[ORDERS] = {"ascending", "interleaved", "shuffled"};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double resident(void)
{
    unsigned long pages = 0, in_memory = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu %lu", &pages, &in_memory) != 2)
        abort();
    fclose(f);
    return (double)in_memory * (double)sysconf(_SC_PAGESIZE);
}

/* The i-th of n names. */
static uint64_t nth(enum order o, uint64_t i, uint64_t n)
{
    if (o == ASCENDING)
        return i;
    if (o == INTERLEAVED)
        return i % 50 * (n / 50) + i / 50; /* fifty writers, each counting up */
    return i * 7919 % n;                   /* a permutation: 7919 is prime to n */
}

static void publish_nth(struct world *w, uint64_t number, uint64_t chunk)
{
    char path[40];
    snprintf(path, sizeof path, "/d%u/%016" PRIu64, (unsigned)(number % 2), number);
    w->index = 0; /* a data folder's snapshot stands at index 1 */
    if (w_publish(w, path, 4096, chunk, 0) != 0)
        abort();
}

static void begin(struct world *w)
{
    world_start(w, 0);
    w->timed = true;
    world_add_server(w, 1);
    world_add_server(w, 2);
    w_mkdir(w, "/d0", 0);
    w_mkdir(w, "/d1", 0);
}

static void end(struct world *w)
{
    meta_free(w->m);
    arena_close(&w->arena);
    malloc_trim(0);
}

/* Files [from, to) of n. */
static void fill(struct world *w, enum order order, uint64_t from, uint64_t to, uint64_t n)
{
    for (uint64_t i = from; i < to; i++) {
        if (i + 1 == meta_reserved(w->m)) {
            w->index = 0;
            world_open_epoch(w);
        }
        publish_nth(w, nth(order, i, n), i + 1);
    }
}

static double rate_of_few(enum order order)
{
    double best = 0;
    for (uint32_t i = 0; i < FEW_ROUNDS; i++) {
        struct world w;
        begin(&w);
        fill(&w, order, 0, FEW, 2 * FEW);
        double t = seconds();
        fill(&w, order, FEW, 2 * FEW, 2 * FEW);
        best = max_u64((uint64_t)best, (uint64_t)(FEW / (seconds() - t)));
        end(&w);
    }
    return best;
}

struct stream {
    struct disk *disk;
    uint64_t bytes;
};

static int count_bytes(void *arg, const void *p, size_t len)
{
    (void)p;
    ((struct stream *)arg)->bytes += len;
    return 0;
}

static void report_forks(struct world *w)
{
    double worst = 0;
    for (uint32_t i = 0; i < FORKS; i++) {
        double t = seconds();
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        worst = seconds() - t > worst ? seconds() - t : worst;
        waitpid(pid, NULL, 0);
    }
    struct stream s = {0};
    double t = seconds();
    if (meta_save(w->m, count_bytes, &s) != 0)
        abort();
    printf("  fork: %.1f ms at worst of %u; save: %.2f s, %.0f MiB\n", worst * 1e3, FORKS, seconds() - t,
           (double)s.bytes / MIB);
}

static void report(enum order order, uint64_t n, struct world *w)
{
    uint64_t from = n / SLOPE_FROM, last = n / RATE_PART;
    double few = rate_of_few(order), first, own;
    begin(w);
    fill(w, order, 0, from, n);
    first = resident();
    own = (double)meta_memory(w->m);
    fill(w, order, from, n - last, n);
    double t = seconds();
    fill(w, order, n - last, n, n);
    double many = (double)last / (seconds() - t), span = (double)(n - from);
    printf("%-12s %.1f bytes a file by RSS, %.1f by own count (from %" PRIu64 " to %" PRIu64 ")\n", order_names[order],
           (resident() - first) / span, ((double)meta_memory(w->m) - own) / span, from, n);
    printf("  creates: %.0f/s at %u files, %.0f/s at %" PRIu64 ": ratio %.2f\n", few, FEW, many, n, many / few);
    report_forks(w);
    fflush(stdout);
}

/* --- a folder a NameServer starts from --- */

static void ignore_op(void *arg, struct disk_op *op)
{
    (void)arg;
    disk_op_free(op);
}

static void write_folder(const struct meta *m, const char *path)
{
    struct nm_config cfg = {
        .address = "127.0.0.1:4610", .init = true, .cluster_lo = CLUSTER, .uuid_hi = 1, .uuid_lo = 1, .seed = 1};
    struct disk_handlers handlers = {ignore_op, NULL};
    struct now now = {.mono = NS_PER_SEC, .wall = (int64_t)NS_PER_SEC};
    struct snapshot_info info = {.cluster_lo = CLUSTER, .index = 1, .term = 1, .conf_index = 1};
    struct raft_buffer conf;
    struct disk *disk;
    struct nm *nm;
    char why[512] = "";
    int err = uv_disk_open(uv_default_loop(), path, &handlers, &disk);
    if (err == 0)
        err = nm_open(&cfg, disk, now, &nm, why, sizeof why);
    if (err == 0) {
        nm_close(nm);
        err = engine_bootstrap(1, cfg.address, &conf);
    }
    double t = seconds();
    if (err == 0)
        err = snapshot_write(disk, &info, conf.base, (uint32_t)conf.len, m);
    if (err != 0) {
        fprintf(stderr, "%s: %s %s\n", path, dfs_strerror(err), why);
        exit(1);
    }
    raft_free(conf.base);
    printf("  snapshot written in %.2f s\n", seconds() - t);
    struct meta *again;
    struct slice read_conf;
    char name[DISK_NAME_MAX + 1];
    snapshot_name(1, 1, name);
    t = seconds();
    err = snapshot_load(disk, name, &info, &read_conf, &again);
    if (err != 0)
        abort();
    double loaded = seconds();
    if (meta_verify(again, why, sizeof why) != 0)
        abort();
    printf("  snapshot loaded and verified in %.2f s, of which verifying %.2f s\n", loaded - t, seconds() - loaded);
    slice_drop(&read_conf);
    meta_free(again);
    uv_disk_close(disk, NULL, NULL);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static void usage(void)
{
    fputs("Usage: meta_scale [--files N] [--order ascending|interleaved|shuffled] [--data DIR]\n"
          "  --files N   files in the end (default 10000000; at least 100000)\n"
          "  --order O   the order of their names (default: each in turn)\n"
          "  --data DIR  leave a NameServer's folder with the last of them there, and load it\n",
          stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"files", required_argument, NULL, 'f'},
        {"order", required_argument, NULL, 'o'},
        {"data", required_argument, NULL, 'd'},
        {0},
    };
    uint64_t n = 10000000;
    int first = 0, last = ORDERS, c;
    const char *data = NULL;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'f') {
            n = strtoull(optarg, NULL, 10);
        } else if (c == 'd') {
            data = optarg;
        } else if (c == 'o') {
            for (first = 0; first < ORDERS && strcmp(optarg, order_names[first]) != 0;)
                first++;
            last = first + 1;
        } else {
            usage();
        }
    }
    if (optind < argc || first == ORDERS || n < FILES_MIN)
        usage();
    for (int order = first; order < last; order++) {
        struct world w;
        report((enum order)order, n, &w);
        if (data != NULL && order + 1 == last)
            write_folder(w.m, data);
        end(&w);
    }
    return 0;
}
