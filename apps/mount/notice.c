/* SPDX-License-Identifier: MIT */
/* What others have changed: the kernel is told to ask again. Telling it may wait for requests under way, which only the loop can
 * answer; so a thread of the pool does it, one batch after the other. What comes while too much is waiting is left out: the
 * kernel asks again by itself when its time is over. */
#include "mount.h"

#define NOTICES_MAX 4096u

struct notice {
    uint64_t ino;
    char *name; /* NULL: the inode itself */
};

struct notices {
    struct mount *m;
    uv_work_t work;
    bool busy;
    size_t n, n_told;
    struct notice waiting[NOTICES_MAX], told[NOTICES_MAX];
};

static void tell_kernel(uv_work_t *work)
{
    const struct notices *q = CONTAINER_OF(work, struct notices, work);
    for (size_t i = 0; i < q->n_told; i++) {
        const struct notice *v = &q->told[i];
        fuse_ino_t ino = v->ino == q->m->root ? FUSE_ROOT_ID : v->ino;
        if (v->name)
            fuse_lowlevel_notify_inval_entry(q->m->se, ino, v->name, strlen(v->name));
        else
            fuse_lowlevel_notify_inval_inode(q->m->se, ino, 0, 0);
    }
}

static void next_batch(struct notices *q);

static void on_told(uv_work_t *work, int status)
{
    struct notices *q = CONTAINER_OF(work, struct notices, work);
    (void)status;
    for (size_t i = 0; i < q->n_told; i++)
        free(q->told[i].name);
    q->m->notices_under_way--;
    q->busy = false;
    next_batch(q);
}

static void next_batch(struct notices *q)
{
    if (q->busy || q->n == 0 || !q->m->se || q->m->ending)
        return;
    memcpy(q->told, q->waiting, q->n * sizeof q->told[0]);
    q->n_told = q->n;
    q->n = 0;
    q->busy = true;
    q->m->notices_under_way++;
    uv_queue_work(&q->m->loop, &q->work, tell_kernel, on_told);
}

static void on_invalidate(void *arg, const struct dfs_invalidation *v, size_t n)
{
    struct notices *q = arg;
    if (!v) {
        dirs_forget(q->m);
        delegations_asked_back(q->m);
    }
    for (size_t i = 0; v && i < n; i++) {
        if (!v[i].name)
            delegation_asked_back(q->m, v[i].ino);
        dirs_changed(q->m, v[i].ino, 0);
        const struct node *open = v[i].name ? NULL : node_find(q->m, v[i].ino);
        if (open)
            node_refresh(open);
    }
    for (size_t i = 0; v && i < n && q->n < NOTICES_MAX; i++)
        q->waiting[q->n++] = (struct notice){v[i].ino, v[i].name ? xstrdup(v[i].name) : NULL};
    next_batch(q);
}

void notices_add(struct mount *m, uint64_t ino, const char *name)
{
    const struct dfs_invalidation v = {.ino = ino, .name = name};
    on_invalidate(m->notices, &v, 1);
}

void notices_start(struct mount *m)
{
    m->notices = xcalloc(1, sizeof *m->notices);
    m->notices->m = m;
    dfs_on_invalidate(m->client, on_invalidate, m->notices);
}

void notices_free(struct mount *m)
{
    for (size_t i = 0; m->notices && i < m->notices->n; i++)
        free(m->notices->waiting[i].name);
    free(m->notices);
    m->notices = NULL;
}
