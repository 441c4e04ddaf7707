/* SPDX-License-Identifier: MIT */
#include "group/tasks.h"

#include <stdlib.h>

#include "base/rand.h"
#include "group/group.h"

/* A call that nothing comes for is answered after this. */
#define ASK_TIME NS_PER_SEC
/* Much longer than any task takes: then it is given once more. */
#define GIVEN_TIME (600 * NS_PER_SEC)
#define TASKS_PAGE 1024u

static struct nm_task **bucket_of(const struct nm *nm, uint64_t chunk)
{
    return (struct nm_task **)&nm->lead.tasks.table[mix64(chunk) % TASK_BUCKETS];
}

static struct nm_task *first_of(const struct nm *nm, uint64_t chunk)
{
    return nm->lead.tasks.n > 0 ? *bucket_of(nm, chunk) : NULL;
}

struct nm_task *tasks_find(const struct nm *nm, uint64_t chunk)
{
    struct nm_task *t = first_of(nm, chunk);

    while (t != NULL && t->chunk != chunk)
        t = t->next;
    return t;
}

struct nm_task *tasks_find_kind(const struct nm *nm, uint64_t chunk, uint32_t server, uint8_t kind)
{
    struct nm_task *t = first_of(nm, chunk);

    while (t != NULL && !(t->chunk == chunk && (server == 0 || t->server == server) && t->kind == kind))
        t = t->next;
    return t;
}

static struct task_queue *queue_of(struct nm *nm, uint32_t server)
{
    struct live *l = live_get(nm, server);

    if (l->tasks == NULL) {
        l->tasks = xcalloc(1, sizeof *l->tasks);
        list_init(&l->tasks->waiting);
        list_init(&l->tasks->given);
    }
    return l->tasks;
}

void tasks_add(struct nm *nm, const struct nm_task *t)
{
    struct nm_task *own, **at = bucket_of(nm, t->chunk);
    struct task_queue *q = queue_of(nm, t->server);

    if (t->kind == TASK_DROP && quarantine_holds(nm, t->chunk))
        return;
    own = xcalloc(1, sizeof *own);
    *own = *t;
    own->id = ++nm->lead.tasks.last;
    own->given = false;
    own->since = nm->now.mono;
    own->next = *at;
    *at = own;
    list_push(&q->waiting, &own->link);
    q->n_waiting++;
    q->bytes_waiting += own->length;
    nm->lead.tasks.n++;
}

static void take_out(struct nm *nm, struct nm_task *t)
{
    struct task_queue *q = queue_of(nm, t->server);
    struct nm_task **at = bucket_of(nm, t->chunk);

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    list_remove(&t->link);
    *(t->given ? &q->n_given : &q->n_waiting) -= 1;
    *(t->given ? &q->bytes_given : &q->bytes_waiting) -= t->length;
    nm->lead.tasks.n--;
}

static void task_ends(struct nm *nm, struct nm_task *t, const struct wire_task_result *r, struct effects *fx)
{
    take_out(nm, t);
    repair_result(nm, t, r, fx);
    free(t);
}

static void give_again(struct nm *nm, struct task_queue *q, uint64_t before)
{
    LIST_FOR_EACH (e, &q->given) {
        struct nm_task *t = CONTAINER_OF(e, struct nm_task, link);

        if (t->since > before)
            continue;
        list_remove(e);
        list_push(&q->waiting, e);
        t->given = false;
        t->since = nm->now.mono;
        q->n_given--;
        q->n_waiting++;
        q->bytes_given -= t->length;
        q->bytes_waiting += t->length;
    }
}

void tasks_again(struct nm *nm, uint32_t server)
{
    struct live *l = live_get(nm, server);

    if (l->tasks != NULL)
        give_again(nm, l->tasks, UINT64_MAX);
}

static void cancel_all(struct nm *nm, struct list *tasks, struct effects *fx)
{
    while (!list_empty(tasks)) {
        struct nm_task *t = CONTAINER_OF(list_first(tasks), struct nm_task, link);
        struct wire_task_result r = {
            .kind = t->kind, .chunk = t->chunk, .version = t->version, .error = (uint16_t)-DFS_EUNREACH};

        task_ends(nm, t, &r, fx);
    }
}

void tasks_cancel(struct nm *nm, uint32_t server, struct effects *fx)
{
    struct live *l = live_get(nm, server);
    struct task_queue *q = l->tasks;

    if (q == NULL)
        return;
    cancel_all(nm, &q->waiting, fx);
    cancel_all(nm, &q->given, fx);
}

/* --- giving --- */

static int fill_task(struct nm *nm, const struct nm_task *t, struct wire_task *out)
{
    *out = (struct wire_task){.kind = t->kind,
                              .chunk = t->chunk,
                              .version = t->version,
                              .length = t->length,
                              .crc = t->crc,
                              .to = t->to,
                              .sequence = t->sequence,
                              .flags = t->flags,
                              .keep = t->keep,
                              .id = t->id};
    out->sources = arena_alloc(&nm->arena, t->n_sources, sizeof *out->sources);
    if (out->sources == NULL)
        return DFS_ENOMEM;
    for (uint32_t i = 0; i < t->n_sources; i++) {
        const struct meta_server *s = meta_server_by_id(nm->meta, t->sources[i]);

        if (s != NULL)
            out->sources[out->n_sources++] = (struct wire_replica){.server = s->id, .addr = str_of(s->addr)};
    }
    return 0;
}

static bool has_room(const struct task_queue *q)
{
    return q->n_given == 0 || (q->n_given < q->room_chunks && q->bytes_given < q->room_bytes);
}

static void answer(struct nm *nm, struct task_queue *q, struct reply_to to, struct effects *fx)
{
    struct msg reply = {.type = MSG_TYPE_tasks_reply};
    struct msg_tasks_reply *m = &reply.tasks_reply;

    arena_reset(&nm->arena);
    m->epoch = meta_epoch(nm->meta);
    m->number = ++nm->lead.tasks.number;
    m->tasks = arena_alloc(&nm->arena, min_u64(q->n_waiting, TASKS_PAGE), sizeof *m->tasks);
    while (m->tasks != NULL && !list_empty(&q->waiting) && m->n_tasks < TASKS_PAGE && has_room(q)) {
        struct nm_task *t = CONTAINER_OF(list_first(&q->waiting), struct nm_task, link);

        if (fill_task(nm, t, &m->tasks[m->n_tasks]) != 0)
            break;
        m->n_tasks++;
        list_remove(&t->link);
        list_push(&q->given, &t->link);
        t->given = true;
        t->since = nm->now.mono;
        q->n_waiting--;
        q->n_given++;
        q->bytes_waiting -= t->length;
        q->bytes_given += t->length;
    }
    fx_reply(fx, to, &reply, NULL);
}

/* The task this is the result of; NULL: one that is over, or an earlier leader's. They may have been about another version. */
static struct nm_task *task_done(const struct nm *nm, uint32_t server, const struct wire_task_result *r)
{
    struct nm_task *t = first_of(nm, r->chunk);

    while (t != NULL && !(t->id == r->id && t->chunk == r->chunk && t->server == server && t->kind == r->kind))
        t = t->next;
    return r->epoch == meta_epoch(nm->meta) ? t : NULL;
}

static void take_results(struct nm *nm, uint32_t server, const struct msg_tasks *m, struct effects *fx)
{
    for (uint32_t i = 0; i < m->n_done; i++) {
        struct nm_task *t = task_done(nm, server, &m->done[i]);

        if (t != NULL)
            task_ends(nm, t, &m->done[i], fx);
        else
            repair_unasked(nm, server, &m->done[i]);
    }
}

void tasks_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_tasks *m = &ev->msg->tasks;
    const struct meta_server *s = leader_sender(nm, ev, m->server, m->incarnation, fx);
    struct task_queue *q;

    if (s == NULL)
        return;
    q = queue_of(nm, s->id);
    q->room_chunks = m->room_chunks;
    q->room_bytes = m->room_bytes;
    take_results(nm, s->id, m, fx);
    if (m->lost != 0)
        give_again(nm, q, UINT64_MAX);
    if (m->n_done > 0) {
        answer(nm, q, ev->to, fx);
        return;
    }
    if (q->asking) /* its connection is gone, or its server has started anew: nobody may hear this */
        fx_fail(fx, q->ask, DFS_EAGAIN, "another call for tasks has come");
    q->asking = true;
    q->ask = ev->to;
    q->answer_at = nm->now.mono + ASK_TIME;
}

void tasks_turn(struct nm *nm, struct effects *fx)
{
    struct leader *l = &nm->lead;

    if (!lease_valid(nm))
        return; /* somebody else may lead: nothing is ordered */
    for (uint32_t i = 0; i < l->n_live; i++) {
        struct task_queue *q = l->live[i].tasks;

        if (q == NULL || !q->asking)
            continue;
        if (nm->now.mono >= q->answer_at && nm->now.mono > GIVEN_TIME)
            give_again(nm, q, nm->now.mono - GIVEN_TIME);
        if (nm->now.mono < q->answer_at && (list_empty(&q->waiting) || !has_room(q)))
            continue;
        q->asking = false;
        answer(nm, q, q->ask, fx);
    }
}

uint64_t tasks_deadline(const struct nm *nm)
{
    uint64_t at = UINT64_MAX;

    for (uint32_t i = 0; i < nm->lead.n_live; i++) {
        const struct task_queue *q = nm->lead.live[i].tasks;

        if (q != NULL && q->asking)
            at = min_u64(at, list_empty(&q->waiting) || !has_room(q) ? q->answer_at : 0);
    }
    return lease_valid(nm) ? at : UINT64_MAX;
}

/* --- forgetting --- */

void tasks_forget(struct nm *nm)
{
    struct tasks *t = &nm->lead.tasks;

    for (uint32_t i = 0; i < TASK_BUCKETS && t->n > 0; i++)
        while (t->table[i] != NULL) {
            struct nm_task *next = t->table[i]->next;

            list_remove(&t->table[i]->link);
            free(t->table[i]);
            t->table[i] = next;
            t->n--;
        }
    t->number = t->last = 0;
    for (uint32_t i = 0; i < nm->lead.n_live; i++) {
        free(nm->lead.live[i].tasks);
        nm->lead.live[i].tasks = NULL;
    }
}

void tasks_refuse(struct nm *nm, struct effects *fx)
{
    for (uint32_t i = 0; i < nm->lead.n_live; i++) {
        struct task_queue *q = nm->lead.live[i].tasks;

        if (q != NULL && q->asking)
            fx_not_leader(fx, q->ask, "");
    }
    tasks_forget(nm);
}
