/* SPDX-License-Identifier: MIT */
/* A small workload over servers whose calls fail: dfs-nth-client work|verify|probe MODEL.
 *
 * work does a bit of everything and writes to MODEL what each file may be now: what was acknowledged, or, where an operation
 * failed, that or what was before. It reads back what it wrote: right bytes or an error. A server that does not answer ends
 * it early. verify compares everything with MODEL; nothing may fail there, what may not be there aside. probe: does the
 * cluster serve? Exit status 0: as it should be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dfs/dfs.h"

#define FILES 6u
#define STATES 6u /* of a file, 0: absent */
#define CONTENT_MAX 300000u
#define TIMEOUT_MS 2000u
#define HANG_MS 30000
#define GIVE_UP_MS 1500

struct model {
    unsigned may[FILES]; /* bit n: state n */
    bool mixed[FILES];   /* written in place, and not all of that acknowledged: bytes of several states */
};

struct run {
    struct dfs_sync *dfs;
    struct model m;
    int acked, failed;
    long slowest;
    bool over; /* nobody answers */
};

/* States of a file written in place follow from each other: state n + 1 is state n with this over it. */
static const struct {
    size_t at, len;
} edits[STATES] = {{0}, {0, 10000}, {4000, 3000}, {9000, 120000}, {100000, 50000}, {0}};

static const char *name_of(unsigned f)
{
    static const char *const names[FILES] = {"/d/small", "/d/large", "/d/moved", "/d/edited", "/d/log", "/d/gone"};

    return names[f];
}

enum { SMALL, LARGE, MOVED, EDITED, LOG, GONE };

static unsigned char byte_of(unsigned seed, size_t i)
{
    return (unsigned char)((i * 2654435761u >> 7) + seed * 37 + i / 4096);
}

/* The content of a file in a state. */
static size_t content(unsigned file, unsigned state, unsigned char *out)
{
    static const size_t sizes[STATES] = {0, 300, 5000, 200000, 70000, 1};
    size_t len = 0;

    if (file != EDITED && file != LOG) {
        unsigned owner = file == MOVED ? LARGE : file; /* it was renamed */

        len = owner == LARGE ? CONTENT_MAX - state : sizes[state];
        for (size_t i = 0; i < len; i++)
            out[i] = byte_of(owner * STATES + state, i);
        return len;
    }
    for (unsigned s = 1; s <= state; s++) {
        size_t at = file == LOG ? len : edits[s].at, n = file == LOG ? s * 700 : edits[s].len;

        for (size_t i = 0; i < n; i++)
            out[at + i] = byte_of(file * STATES + s, i);
        len = at + n > len ? at + n : len;
    }
    return len;
}

static void wrong(const char *fmt, const char *name, const char *more)
{
    fprintf(stderr, "dfs-nth-client: ");
    fprintf(stderr, fmt, name, more);
    fputc('\n', stderr);
    exit(1);
}

static long now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- what is there --- */

static bool could_be(const struct model *m, unsigned f, const unsigned char *p, size_t len)
{
    static unsigned char want[STATES][CONTENT_MAX];
    size_t lens[STATES] = {0}, longest = 0, shortest = m->may[f] & 1 ? 0 : CONTENT_MAX; /* created, and nothing more */

    for (unsigned s = 1; s < STATES; s++) {
        if (!(m->may[f] & 1u << s))
            continue;
        lens[s] = content(f, s, want[s]);
        if (lens[s] == len && memcmp(want[s], p, len) == 0)
            return true;
        longest = lens[s] > longest ? lens[s] : longest;
        shortest = lens[s] < shortest ? lens[s] : shortest;
    }
    if (!m->mixed[f] || len > longest || len < shortest)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool fits = false;

        for (unsigned s = 1; s < STATES; s++)
            fits |= (m->may[f] & 1u << s) && (i < lens[s] ? want[s][i] == p[i] : p[i] == 0);
        if (!fits)
            return false;
    }
    return true;
}

/* Reads a file back. strict: it must be readable, or absent if it may be. */
static void look(struct run *r, unsigned f, bool strict)
{
    static unsigned char got[CONTENT_MAX + 1];
    size_t len = 0;
    long since = now_ms();
    int err;

    if (r->over)
        return;
    err = dfs_sync_get_bytes(r->dfs, name_of(f), got, sizeof got, &len);
    if (now_ms() - since > HANG_MS)
        wrong("reading %s hung%s", name_of(f), "");
    if (err == DFS_ENOENT) {
        if (!(r->m.may[f] & 1))
            wrong("%s was acknowledged and is not there%s", name_of(f), "");
    } else if (err != 0) {
        if (strict)
            wrong("%s cannot be read: %s", name_of(f), dfs_sync_error(r->dfs));
        printf("%s: %s\n", name_of(f), dfs_sync_error(r->dfs));
        r->over = now_ms() - since > GIVE_UP_MS;
    } else if (!could_be(&r->m, f, got, len)) {
        char size[32];

        snprintf(size, sizeof size, "%zu", len);
        wrong("%s has bytes it cannot have (%s of them)", name_of(f), size);
    }
}

/* --- the workload --- */

/* An operation that took so long ended so. */
static bool ended(struct run *r, const char *what, int err, long since)
{
    long took = now_ms() - since;

    r->slowest = took > r->slowest ? took : r->slowest;
    if (took > HANG_MS)
        wrong("%s hung%s", what, "");
    if (err == 0) {
        r->acked++;
    } else {
        r->failed++;
        printf("%s: %s\n", what, dfs_sync_error(r->dfs));
        r->over = took > GIVE_UP_MS;
    }
    return err == 0;
}

static void moved_to(struct run *r, unsigned f, unsigned state, bool acked)
{
    r->m.may[f] = acked ? 1u << state : r->m.may[f] | 1u << state;
}

static void put(struct run *r, unsigned f, unsigned state)
{
    static unsigned char bytes[CONTENT_MAX];
    size_t len = content(f, state, bytes);
    long since = now_ms();

    if (r->over)
        return;
    moved_to(r, f, state, ended(r, "put", dfs_sync_put_bytes(r->dfs, name_of(f), bytes, len), since));
    look(r, f, false);
}

static void drop(struct run *r, unsigned f)
{
    long since = now_ms();

    if (!r->over)
        moved_to(r, f, 0, ended(r, "remove", dfs_sync_remove(r->dfs, name_of(f), 0), since));
}

static void move(struct run *r, unsigned from, unsigned to)
{
    long since = now_ms();

    if (r->over)
        return;
    if (ended(r, "rename", dfs_sync_rename(r->dfs, name_of(from), name_of(to), 0), since)) {
        r->m.may[to] = r->m.may[from] & 1 ? r->m.may[to] | r->m.may[from] : r->m.may[from];
        r->m.may[from] = 1;
    } else {
        r->m.may[to] |= r->m.may[from];
        r->m.may[from] |= 1;
    }
}

/* Goes through the states of a file that is written in place, from the one it is in; an error ends it. */
static void edit(struct run *r, unsigned f)
{
    static unsigned char bytes[CONTENT_MAX];
    uint64_t file;
    unsigned state = 0;
    long since = now_ms();

    if (r->over || r->m.mixed[f])
        return;
    while (!(r->m.may[f] & 1u << state))
        state++;
    if (state == STATES - 1)
        return;
    r->m.mixed[f] = true; /* until all of it is acknowledged */
    r->m.may[f] |= 1u << (state + 1);
    if (!ended(r, "open", dfs_sync_file_open(r->dfs, name_of(f), DFS_READ | DFS_WRITE | DFS_CREATE, 0644, &file),
               since))
        return;
    for (unsigned s = state + 1; s < state + 3 && s < STATES - 1; s++) {
        size_t at = f == LOG ? 0 : edits[s].at, n = f == LOG ? s * 700 : edits[s].len;
        int err;

        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_of(f * STATES + s, i);
        since = now_ms();
        r->m.may[f] |= 1u << s;
        err = f == LOG ? dfs_sync_append(r->dfs, file, bytes, n) : dfs_sync_pwrite(r->dfs, file, at, bytes, n);
        if (!ended(r, f == LOG ? "append" : "pwrite", err, since)) {
            (void)!dfs_sync_file_close(r->dfs, file);
            return;
        }
        r->m.may[f] = 1u << s;
    }
    since = now_ms();
    (void)ended(r, "close", dfs_sync_file_close(r->dfs, file), since);
    r->m.mixed[f] = false;
    look(r, f, false);
}

static void work(struct run *r)
{
    long since = now_ms();
    int err = dfs_sync_mkdir(r->dfs, "/d", 0755, 0);

    for (unsigned f = 0; f < FILES && err != DFS_ENOENT; f++)
        look(r, f, false);
    (void)ended(r, "mkdir", err == DFS_EEXIST ? 0 : err, since);
    for (unsigned state = 1; state < 5; state++)
        put(r, SMALL, state);
    put(r, LARGE, 1);
    edit(r, EDITED);
    edit(r, LOG);
    put(r, GONE, 3);
    move(r, LARGE, MOVED);
    put(r, LARGE, 2);
    drop(r, GONE);
    edit(r, LOG);
    for (unsigned f = 0; f < FILES; f++)
        look(r, f, false);
}

static void load_model(struct model *m, const char *path)
{
    FILE *f = fopen(path, "r");

    for (unsigned i = 0; i < FILES; i++) {
        unsigned mixed = 0;

        m->may[i] = 1;
        if (f != NULL && fscanf(f, "%u %u", &m->may[i], &mixed) != 2)
            wrong("%s is no model%s", path, "");
        m->mixed[i] = mixed != 0;
    }
    if (f != NULL)
        fclose(f);
}

static void save_model(const struct model *m, const char *path)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        wrong("%s cannot be written%s", path, "");
    for (unsigned i = 0; i < FILES; i++)
        fprintf(f, "%u %u\n", m->may[i], (unsigned)m->mixed[i]);
    fclose(f);
}

int main(int argc, char **argv)
{
    static struct run r;
    bool working = argc == 3 && strcmp(argv[1], "work") == 0, probing = argc == 3 && strcmp(argv[1], "probe") == 0;

    if (argc != 3 || (!working && !probing && strcmp(argv[1], "verify") != 0)) {
        fprintf(stderr, "usage: dfs-nth-client work|verify|probe MODEL\n");
        return 2;
    }
    load_model(&r.m, argv[2]);
    if (dfs_sync_open(&(struct dfs_options){.program = "dfs-nth-client", .timeout_ms = working ? TIMEOUT_MS : 20000},
                      &r.dfs))
        wrong("no client%s%s", "", "");
    if (working) {
        work(&r);
        save_model(&r.m, argv[2]);
        printf("%d acknowledged, %d failed, the slowest took %ld ms\n", r.acked, r.failed, r.slowest);
    } else if (probing) {
        if (dfs_sync_put_bytes(r.dfs, "/probe", "probe", 5) != 0)
            wrong("%sthe cluster takes no file: %s", "", dfs_sync_error(r.dfs));
    } else {
        for (unsigned f = 0; f < FILES; f++)
            look(&r, f, true);
    }
    dfs_sync_close(r.dfs);
    return 0;
}
