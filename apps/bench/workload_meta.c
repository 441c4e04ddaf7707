/* SPDX-License-Identifier: MIT */
/* Workload meta: create empty files, stat them, list their folders, rename them, unlink them. */
#include <stdio.h>

#include "bench.h"

/* With --files, every folder is listed so often. */
#define META_LIST_ROUNDS 10u
#define META_DEFAULT_SECONDS (5 * NS_PER_SEC)

struct meta_run {
    struct fileset files;
    uint64_t created, renamed; /* files with smaller numbers exist, carry the new name */
};

static int start_create(struct slot *s)
{
    struct meta_run *m = s->phase->arg;
    fileset_path(&m->files, s->index, s->path);
    return dfs_create(s->client, s->path, 0644, DFS_EXCL, phase_done, s);
}

static int start_stat(struct slot *s)
{
    struct meta_run *m = s->phase->arg;
    fileset_path(&m->files, s->index % m->created, s->path);
    return dfs_stat(s->client, s->path, 0, phase_done, s);
}

static void on_page(void *arg, int status, const struct dfs_result *r)
{
    struct slot *s = arg;
    s->moved += status == 0 ? r->n_entries : 0;
    if (status != 0 || r->eof || r->n_entries == 0) {
        phase_finish(s, status, r->error, 0);
        return;
    }
    snprintf(s->after, sizeof s->after, "%s", r->entries[r->n_entries - 1].name);
    int rc = dfs_readdir(s->client, s->path, s->after, 0, on_page, s);
    if (rc != 0)
        phase_finish(s, rc, dfs_strerror(rc), 0);
}

static int start_list(struct slot *s)
{
    struct meta_run *m = s->phase->arg;
    fileset_folder(&m->files, s->index, s->path);
    return dfs_readdir(s->client, s->path, "", 0, on_page, s);
}

static int start_rename(struct slot *s)
{
    struct meta_run *m = s->phase->arg;
    fileset_path(&m->files, s->index, s->path);
    fileset_path(&m->files, s->index | FILESET_RENAMED, s->path2);
    return dfs_rename(s->client, s->path, s->path2, 0, phase_done, s);
}

static int start_unlink(struct slot *s)
{
    struct meta_run *m = s->phase->arg;
    fileset_path(&m->files, s->index | (s->index < m->renamed ? FILESET_RENAMED : 0), s->path);
    return dfs_unlink(s->client, s->path, phase_done, s);
}

static struct phase meta_phase(struct meta_run *m, const char *op, int (*start)(struct slot *))
{
    return (struct phase){.workload = "meta", .op = op, .start = start, .arg = m};
}

static void run_phases(struct bench *b, struct meta_run *m, uint64_t seconds)
{
    uint64_t files = b->opt->files;
    struct phase p = meta_phase(m, "create", start_create);
    p.limit = files ? files : UINT64_MAX;
    p.seconds = seconds;
    phase_run(b, &p);
    m->created = p.issued;
    if (m->created == 0)
        return;

    p = meta_phase(m, "stat", start_stat);
    p.limit = files ? m->created : UINT64_MAX;
    p.seconds = seconds;
    phase_run(b, &p);

    p = meta_phase(m, "list", start_list);
    p.limit = files ? (uint64_t)m->files.folders * META_LIST_ROUNDS : UINT64_MAX;
    p.seconds = seconds;
    phase_run(b, &p);

    p = meta_phase(m, "rename", start_rename);
    p.limit = m->created;
    p.seconds = seconds;
    phase_run(b, &p);
    m->renamed = p.issued;

    p = meta_phase(m, "unlink", start_unlink);
    p.limit = m->created;
    phase_run(b, &p);
}

int workload_meta(struct bench *b)
{
    struct meta_run m = {0};
    char name[40];
    snprintf(name, sizeof name, "meta-%016" PRIx64, b->run_id);
    fileset_init(&m.files, name, BENCH_FOLDERS);
    uint64_t seconds = b->opt->files || b->opt->seconds ? b->opt->seconds : META_DEFAULT_SECONDS;
    int rc = fileset_make_folders(b, &m.files);
    if (rc == 0) {
        run_phases(b, &m, seconds);
        rc = data_tidy(b, &m.files);
    }
    fileset_close(&m.files);
    return rc;
}
