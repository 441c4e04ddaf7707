/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target without a fuzzer: over every file of its corpus, and over some thousand mutations of them, always
 * the same ones. usage: NAME_replay CORPUS-FOLDER */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/rand.h"

#define INPUT_MAX (256u * 1024)
#define ROUNDS 4000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From an allocation of exactly its size, so that the sanitizer sees one byte too many. */
static void run_one(const uint8_t *p, size_t len)
{
    uint8_t *copy = xcalloc(len + 1, 1);
    uint8_t *tight = xrealloc(copy, len > 0 ? len : 1, 1);

    if (len > 0)
        memcpy(tight, p, len);
    LLVMFuzzerTestOneInput(tight, len);
    free(tight);
}

static void load(const char *path, struct bytes *out)
{
    FILE *f = fopen(path, "rb");
    uint8_t *to = bytes_reserve(out, INPUT_MAX);

    if (f == NULL || to == NULL) {
        perror(path);
        exit(1);
    }
    out->len = fread(to, 1, INPUT_MAX, f);
    fclose(f);
}

static void mutate(struct bytes *b, struct rng *r)
{
    static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff};

    for (uint64_t n = 1 + rng_below(r, 6); n > 0 && b->len > 0; n--) {
        size_t at = rng_below(r, b->len);

        switch (rng_below(r, 5)) {
        case 0:
            b->p[at] ^= (uint8_t)(1u << rng_below(r, 8));
            break;
        case 1:
            b->p[at] = (uint8_t)rng_next(r);
            break;
        case 2:
            b->p[at] = edges[rng_below(r, ARRAY_LEN(edges))];
            break;
        case 3:
            b->len = at;
            break;
        default: /* repeat what follows */
            memmove(b->p + at, b->p + rng_below(r, at + 1), b->len - at);
        }
    }
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static size_t list_corpus(const char *folder, char **names, size_t max)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    size_t n = 0;

    if (d == NULL) {
        perror(folder);
        exit(1);
    }
    while ((e = readdir(d)) != NULL && n < max) {
        if (e->d_name[0] != '.')
            names[n++] = xstrdup(e->d_name);
    }
    closedir(d);
    qsort(names, n, sizeof *names, by_name);
    return n;
}

int main(int argc, char **argv)
{
    char *names[1000], path[4096];
    size_t n;
    struct rng r;

    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    n = list_corpus(argv[1], names, ARRAY_LEN(names));
    rng_seed(&r, 1);
    for (size_t i = 0; i < n; i++) {
        struct bytes original, b;

        bytes_init(&original, INPUT_MAX);
        bytes_init(&b, INPUT_MAX);
        snprintf(path, sizeof path, "%s/%s", argv[1], names[i]);
        load(path, &original);
        run_one(original.p, original.len);
        for (size_t round = 0; round < ROUNDS / n; round++) {
            bytes_clear(&b);
            if (bytes_add(&b, original.p, original.len) != 0)
                return 1;
            mutate(&b, &r);
            run_one(b.p, b.len);
        }
        bytes_close(&original);
        bytes_close(&b);
        free(names[i]);
    }
    printf("%zu files of %s, and %u mutations of them\n", n, argv[1], ROUNDS);
    return n > 0 ? 0 : 1;
}
