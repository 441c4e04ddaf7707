/* SPDX-License-Identifier: MIT */
/* Figures of a folder, on whatever file system it is: bench/folder create|stat|read|remove DIR FILES THREADS [BYTES] does one
 * thing to each of FILES files of BYTES bytes, each thread to its share; bench/folder write|scan DIR BYTES writes, or reads,
 * one file in pieces of a megabyte, and counts until it is durable. Prints what was done per second, or bytes. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define THREADS_MAX 64u
#define PIECE ((size_t)MIB)

struct share {
    pthread_t thread;
    const char *dir;
    unsigned first, step, files;
    size_t bytes;
    void (*each)(const char *path, void *buf, size_t bytes);
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

static void create(const char *path, void *buf, size_t bytes)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    check(fd >= 0 && write(fd, buf, bytes) == (ssize_t)bytes && close(fd) == 0, path);
}

static void look(const char *path, void *buf, size_t bytes)
{
    struct stat st;
    (void)buf;
    check(stat(path, &st) == 0 && (size_t)st.st_size == bytes, path);
}

static void read_whole(const char *path, void *buf, size_t bytes)
{
    int fd = open(path, O_RDONLY);
    check(fd >= 0 && read(fd, buf, bytes) == (ssize_t)bytes && close(fd) == 0, path);
}

static void take_away(const char *path, void *buf, size_t bytes)
{
    (void)buf;
    (void)bytes;
    check(unlink(path) == 0, path);
}

static void *run(void *arg)
{
    const struct share *s = arg;
    char path[4096];
    void *buf = calloc(1, s->bytes + 1);
    memset(buf, 'x', s->bytes);
    for (unsigned i = s->first; i < s->files; i += s->step) {
        snprintf(path, sizeof path, "%s/f%u", s->dir, i);
        s->each(path, buf, s->bytes);
    }
    free(buf);
    return NULL;
}

static double small(struct share s, unsigned threads)
{
    struct share all[THREADS_MAX];
    double began = now();
    for (unsigned i = 0; i < threads; i++) {
        all[i] = s;
        all[i].first = i;
        all[i].step = threads;
        check(pthread_create(&all[i].thread, NULL, run, &all[i]) == 0, "thread");
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(all[i].thread, NULL);
    return s.files / (now() - began);
}

static double large(const char *dir, bool write_it, size_t bytes)
{
    char path[4096];
    uint8_t *buf = malloc(PIECE);
    double began = now();
    snprintf(path, sizeof path, "%s/large", dir);
    for (size_t i = 0; i < PIECE; i++)
        buf[i] = (uint8_t)(i * 7 + i / 251);
    int fd = open(path, write_it ? O_CREAT | O_TRUNC | O_WRONLY : O_RDONLY, 0644);
    check(fd >= 0, path);
    for (size_t at = 0; at < bytes; at += PIECE)
        check((write_it ? write(fd, buf, PIECE) : read(fd, buf, PIECE)) == (ssize_t)PIECE, path);
    check((!write_it || fsync(fd) == 0) && close(fd) == 0, path);
    free(buf);
    return (double)bytes / (now() - began);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*each)(const char *path, void *buf, size_t bytes);
    } table[] = {{"create", create}, {"stat", look}, {"read", read_whole}, {"remove", take_away}};
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 4 && (strcmp(what, "write") == 0 || strcmp(what, "scan") == 0)) {
        printf("%.0f\n", large(argv[2], *what == 'w', strtoull(argv[3], NULL, 10)));
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(table) && argc >= 5; i++) {
        unsigned threads = (unsigned)atoi(argv[4]);
        if (strcmp(what, table[i].name) != 0 || threads == 0 || threads > THREADS_MAX)
            continue;
        struct share s = {.dir = argv[2], .files = (unsigned)atoi(argv[3]), .each = table[i].each};
        s.bytes = argc > 5 ? strtoull(argv[5], NULL, 10) : 4096;
        printf("%.0f\n", small(s, threads));
        return 0;
    }
    fputs("Usage: folder create|stat|read|remove DIR FILES THREADS [BYTES] | folder write|scan DIR BYTES\n", stderr);
    return 2;
}
