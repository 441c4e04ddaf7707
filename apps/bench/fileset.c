/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

void fileset_init(struct fileset *f, const char *name, uint32_t folders)
{
    *f = (struct fileset){.folders = folders};
    snprintf(f->base, sizeof f->base, "/dfs-bench/%s", name);
}

void fileset_close(struct fileset *f)
{
    free(f->numbers);
    f->numbers = NULL;
    f->n = f->cap = 0;
}

void fileset_folder(const struct fileset *f, uint64_t folder, char out[BENCH_PATH])
{
    snprintf(out, BENCH_PATH, "%s/%02x", f->base, (unsigned)(folder % f->folders));
}

void fileset_path(const struct fileset *f, uint64_t number, char out[BENCH_PATH])
{
    uint64_t plain = number & ~FILESET_RENAMED;
    snprintf(out, BENCH_PATH, "%s/%02x/%c%08" PRIu64, f->base, (unsigned)(plain % f->folders),
             number & FILESET_RENAMED ? 'r' : 'f', plain);
}

void fileset_add(struct fileset *f, uint64_t number)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 1024;
        f->numbers = xrealloc(f->numbers, f->cap, sizeof *f->numbers);
    }
    f->numbers[f->n++] = number;
}

/* --- phases over folders --- */

static int start_mkdir(struct slot *s)
{
    fileset_folder(s->phase->arg, s->index, s->path);
    return dfs_mkdir(s->client, s->path, 0755, DFS_PARENTS, phase_done, s);
}

int fileset_make_folders(struct bench *b, struct fileset *f)
{
    /* at least one mkdir for each client, so that connections and sessions exist before anything is measured */
    struct phase p = {.op = "making folders",
                      .start = start_mkdir,
                      .arg = f,
                      .limit = max_u64(f->folders, (uint64_t)b->n_clients * b->depth)};
    return phase_run_quietly(b, &p) > 0;
}

static void on_list_page(void *arg, int status, const struct dfs_result *r)
{
    struct slot *s = arg;
    struct fileset *f = s->phase->arg;
    if (status != 0) {
        phase_finish(s, status == DFS_ENOENT ? 0 : status, r->error, 0);
        return;
    }
    for (size_t i = 0; i < r->n_entries; i++) {
        const char *name = r->entries[i].name;
        char *end;
        if ((name[0] != 'f' && name[0] != 'r') || name[1] < '0' || name[1] > '9')
            continue;
        uint64_t number = strtoull(name + 1, &end, 10);
        if (*end == '\0' && number % f->folders == s->index)
            fileset_add(f, number | (name[0] == 'r' ? FILESET_RENAMED : 0));
    }
    if (r->eof || r->n_entries == 0) {
        phase_finish(s, 0, "", 0);
        return;
    }
    snprintf(s->after, sizeof s->after, "%s", r->entries[r->n_entries - 1].name);
    int rc = dfs_readdir(s->client, s->path, s->after, 0, on_list_page, s);
    if (rc != 0)
        phase_finish(s, rc, dfs_strerror(rc), 0);
}

static int start_list(struct slot *s)
{
    fileset_folder(s->phase->arg, s->index, s->path);
    return dfs_readdir(s->client, s->path, "", 0, on_list_page, s);
}

int fileset_load(struct bench *b, struct fileset *f)
{
    f->n = 0;
    struct phase p = {.op = "listing folders", .start = start_list, .arg = f, .limit = f->folders};
    return phase_run_quietly(b, &p) > 0;
}

/* --- removal --- */

static void on_gone(void *arg, int status, const struct dfs_result *r)
{
    phase_finish(arg, status == DFS_ENOENT ? 0 : status, r->error, 0);
}

static int start_unlink(struct slot *s)
{
    const struct fileset *f = s->phase->arg;
    fileset_path(f, f->numbers[s->index], s->path);
    return dfs_unlink(s->client, s->path, on_gone, s);
}

static int start_rmdir(struct slot *s)
{
    fileset_folder(s->phase->arg, s->index, s->path);
    return dfs_rmdir(s->client, s->path, on_gone, s);
}

static int start_rmdir_base(struct slot *s)
{
    const struct fileset *f = s->phase->arg;
    return dfs_rmdir(s->client, f->base, on_gone, s);
}

int fileset_remove(struct bench *b, struct fileset *f)
{
    bool interrupted = b->interrupted;
    b->interrupted = false; /* Ctrl-C ends the measuring, not the tidying up */
    int rc = fileset_load(b, f);
    struct phase phases[] = {
        {.op = "removing files", .start = start_unlink, .limit = f->n},
        {.op = "removing folders", .start = start_rmdir, .limit = f->folders},
        {.op = "removing the folder", .start = start_rmdir_base, .limit = 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(phases) && rc == 0; i++) {
        phases[i].arg = f;
        rc = phase_run_quietly(b, &phases[i]) > 0;
    }
    b->interrupted = b->interrupted || interrupted;
    return rc;
}
