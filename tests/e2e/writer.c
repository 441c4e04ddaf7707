/* SPDX-License-Identifier: MIT */
/* Writes files in place, punches holes into them, and knows what must be in them: dfs-writer PATH SEED SECONDS SHARE OF. It writes its share (every
 * OF-th part) of the file, so that several may write one file at once, and reads it back all the time. */
#include <dfs/dfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PART 70001u /* crosses blocks and frames */
#define PARTS 12u   /* of each writer */

static unsigned char model[PARTS][PART], back[PART];
static struct dfs_sync *s;

static void must(int status, const char *what)
{
    if (status == 0)
        return;
    fprintf(stderr, "dfs-writer: %s: %s: %s\n", what, dfs_errname(status), dfs_sync_error(s));
    exit(1);
}

static void check(const char *when, unsigned part, size_t got, size_t want)
{
    if (got == want && memcmp(back, model[part], want) == 0)
        return;
    fprintf(stderr, "dfs-writer: part %u is not what was written (%s)\n", part, when);
    exit(1);
}

int main(int argc, char **argv)
{
    uint64_t f, writes = 0;
    if (argc != 6) {
        fprintf(stderr, "usage: dfs-writer PATH SEED SECONDS SHARE OF\n");
        return 2;
    }
    unsigned share = (unsigned)atoi(argv[4]), of = (unsigned)atoi(argv[5]);
    time_t end = time(NULL) + atoi(argv[3]);
    size_t have[PARTS] = {0}; /* bytes of the part that were written */
    srand((unsigned)atoi(argv[2]));
    must(dfs_sync_open(NULL, &s), "connect");
    must(dfs_sync_file_open(s, argv[1], DFS_READ | DFS_WRITE | DFS_CREATE, 0644, &f), "open");
    while (time(NULL) < end || writes < 20) {
        unsigned part = (unsigned)rand() % PARTS;
        uint64_t at = (uint64_t)(part * of + share) * PART;
        size_t off = (size_t)rand() % PART, len = 1 + (size_t)rand() % (PART - off), got = 0;
        if (off > have[part])
            off = have[part];
        for (size_t i = 0; i < len; i++)
            model[part][off + i] = (unsigned char)rand();
        must(dfs_sync_pwrite(s, f, at + off, model[part] + off, len), "write");
        have[part] = off + len > have[part] ? off + len : have[part];
        writes++;
        if (rand() % 4 == 0) {
            off = (size_t)rand() % have[part];
            len = 1 + (size_t)rand() % (have[part] - off);
            memset(model[part] + off, 0, len);
            must(dfs_sync_punch(s, f, at + off, len), "punch");
        }
        must(dfs_sync_pread(s, f, at, back, have[part], &got), "read");
        check("just now", part, got, have[part]);
    }
    for (unsigned part = 0; part < PARTS; part++) {
        size_t got = 0;
        must(dfs_sync_pread(s, f, (uint64_t)(part * of + share) * PART, back, have[part], &got), "read");
        check("at the end", part, have[part] ? got : 0, have[part]);
    }
    must(dfs_sync_file_close(s, f), "close");
    dfs_sync_close(s);
    printf("%llu writes\n", (unsigned long long)writes);
    return 0;
}
