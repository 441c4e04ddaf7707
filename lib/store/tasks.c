/* SPDX-License-Identifier: MIT */
/* What the leader wants done. One call waits at the NameServer for tasks; results are told by another, as soon as there
 * are some, so that neither waits for the other. A task of an epoch older than the highest seen is refused, as a deletion
 * order is (CONSISTENCY B16); so is a reply older than one already taken, since two calls may overtake each other: what it
 * asked for may have been superseded. One task for a chunk at a time.
 *
 * Possible failures are: a reply is lost (the next call says so, and is given again what is not done), the leader changes
 * (results go to the new one, which compares them with the map). */
#include <stdlib.h>

#include "base/rand.h"
#include "store/impl.h"

/* The NameServer answers within about a second. */
#define ASK_TIMEOUT (3 * NS_PER_SEC)
#define RETRY (200 * NS_PER_MS)
#define ROOM_BYTES (512u * MIB)

static struct ss_task **bucket_of(const struct ss *ss, uint64_t chunk)
{
    return (struct ss_task **)&ss->task_table[mix64(chunk) % TASKS_MAX];
}

struct ss_task *ss_task_find(const struct ss *ss, uint64_t chunk)
{
    struct ss_task *t = ss->n_tasks ? *bucket_of(ss, chunk) : NULL;
    while (t && t->chunk != chunk)
        t = t->next;
    return t;
}

static void task_free(struct ss_task *t)
{
    list_remove(&t->link);
    for (uint32_t i = 0; i < t->n_sources; i++)
        free(t->sources[i].addr);
    free(t->sources);
    free(t->writers);
    slice_drop(&t->grant);
    free(t);
}

static void result_add(struct ss *ss, const struct wire_task_result *r)
{
    if (ss->n_results == RESULTS_MAX)
        return; /* the leader asks again in time */
    if (ss->n_results == ss->cap_results) {
        ss->cap_results = ss->cap_results ? ss->cap_results * 2 : 64;
        ss->results = xrealloc(ss->results, ss->cap_results, sizeof *ss->results);
    }
    ss->results[ss->n_results++] = *r;
}

void ss_task_end(struct ss *ss, struct ss_task *t, int err)
{
    const struct chunk *c = index_find(&ss->index, t->chunk);
    struct wire_task_result r = {.kind = t->kind,
                               .chunk = t->chunk,
                               .epoch = t->epoch,
                               .id = t->id,
                               .version = c ? c->version : t->version,
                               .error = (uint16_t)-err,
                               .sequence = c ? c->sequence : 0,
                               .length = c ? chunk_length(c) : 0,
                               .crc = err ? 0 : t->crc,
                               .suspect = t->suspect,
                               .flags = t->told};
    struct ss_task **at = bucket_of(ss, t->chunk);
    result_add(ss, &r);
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    ss->n_tasks--;
    task_free(t);
}

/* --- doing --- */

static void task_clear(struct ss *ss, struct ss_task *t, struct chunk *c)
{
    struct store *st = &ss->stores[c->disk];
    list_remove(&t->link);
    list_push(&ss->tasks_running, &t->link);
    t->state = SS_TASK_CLEARING;
    if (!st->failed) {
        chunk_delete(ss, c);
        return;
    }
    st->chunks--; /* a disk that is gone takes no tombstone */
    index_remove(&ss->index, c);
    ss_task_cleared(ss, t, 0);
}

void ss_task_cleared(struct ss *ss, struct ss_task *t, int err)
{
    if (t->state != SS_TASK_CLEARING)
        return; /* an order of its own */
    if (err || t->error || t->kind == TASK_DROP) {
        ss_task_end(ss, t, t->error ? t->error : err);
        return;
    }
    t->state = SS_TASK_WAITING;
    list_remove(&t->link);
    list_push(ss->tasks_waiting.next, &t->link); /* in front */
}

static bool is_open(struct ss *ss, uint64_t chunk)
{
    const struct open_chunk *o = open_find(ss, chunk);
    return o && o->inflight;
}

static void run(struct ss *ss, struct ss_task *t, bool own, struct now now)
{
    t->own = own;
    t->state = SS_TASK_RUNNING;
    list_remove(&t->link);
    list_push(&ss->tasks_running, &t->link);
    fetch_start(ss, t, now);
}

static void copy_start(struct ss *ss, struct ss_task *t, struct now now)
{
    struct chunk *c = index_find(&ss->index, t->chunk);
    bool same = c && chunk_holds(ss, c, t->version) && chunk_length(c) == t->length && !(c->flags & CHUNK_DAMAGED) &&
                !ss->stores[c->disk].failed;
    if (!c || same)
        run(ss, t, same, now); /* one that is here already is believed when it was read */
    else
        task_clear(ss, t, c);
}

static void task_start(struct ss *ss, struct ss_task *t, struct now now)
{
    struct chunk *c = index_find(&ss->index, t->chunk);
    if (t->epoch < ss->identity.epoch)
        ss_task_end(ss, t, DFS_ESTALE);
    else if (t->kind == TASK_FENCE)
        fence_start(ss, t, now);
    else if (t->kind == TASK_STAMP)
        stamp_start(ss, t, now);
    else if (c && c->version > t->version && !chunk_holds(ss, c, t->version))
        ss_task_end(ss, t, DFS_ESTALE);
    else if (is_open(ss, t->chunk) || (c && c->flags & CHUNK_DELETING))
        ss_task_end(ss, t, DFS_EAGAIN);
    else if (t->kind == TASK_COPY)
        copy_start(ss, t, now);
    else if (t->kind == TASK_DROP && c)
        task_clear(ss, t, c);
    else if (t->kind == TASK_DROP)
        ss_task_end(ss, t, 0);
    else if (!c)
        ss_task_end(ss, t, DFS_ENOCHUNK);
    else if (c->version < t->version)
        ss_task_end(ss, t, DFS_ESTALE);
    else if (ss->stores[c->disk].failed)
        ss_task_end(ss, t, DFS_EIO);
    else if (c->flags & CHUNK_DAMAGED)
        ss_task_end(ss, t, DFS_ECORRUPT);
    else
        run(ss, t, true, now);
}

/* Somebody waits for these; they take no room. */
static bool is_urgent(uint8_t kind) { return kind == TASK_DROP || kind == TASK_FENCE || kind == TASK_STAMP; }

static void tasks_start(struct ss *ss, struct now now, struct effects *fx)
{
    ss->fetch_wake = UINT64_MAX;
    if (ss->saved_epoch < ss->identity.epoch)
        return;
    fetch_pump(ss, now, fx);
    LIST_FOR_EACH (e, &ss->tasks_waiting) {
        struct ss_task *t = CONTAINER_OF(e, struct ss_task, link);
        if (!is_urgent(t->kind) && !(list_empty(&ss->parts_wanted) && fetch_room(ss, now.mono)))
            break;
        if (ss->deletes >= DELETES_INFLIGHT)
            break;
        task_start(ss, t, now);
        fetch_pump(ss, now, fx);
    }
    ss->fetch_wake = fetch_wake(ss, now.mono);
}

/* --- taking on --- */

static bool kind_known(uint8_t kind) { return kind >= TASK_COPY && kind <= TASK_STAMP; }

static void task_refuse(struct ss *ss, const struct wire_task *w, uint64_t epoch, int err)
{
    result_add(ss, &(struct wire_task_result){.kind = w->kind,
                                            .chunk = w->chunk,
                                            .epoch = epoch,
                                            .id = w->id,
                                            .version = w->version,
                                            .error = (uint16_t)-err});
}

static void task_add(struct ss *ss, const struct wire_task *w, uint64_t epoch)
{
    const struct ss_task *known = ss_task_find(ss, w->chunk);
    if (known && known->id == w->id && known->epoch == epoch)
        return; /* given again */
    if (known || ss->n_tasks == TASKS_MAX || !kind_known(w->kind)) {
        task_refuse(ss, w, epoch, kind_known(w->kind) ? DFS_EAGAIN : DFS_ENOTSUP);
        return;
    }
    struct ss_task *t = xcalloc(1, sizeof *t), **at = bucket_of(ss, w->chunk);
    t->kind = w->kind;
    t->chunk = w->chunk;
    t->version = w->version;
    t->length = w->length;
    t->crc = w->crc;
    t->to = w->to;
    t->of_sequence = w->sequence;
    t->flags = w->flags;
    t->keep = w->keep;
    t->epoch = epoch;
    t->id = w->id;
    t->grant = slice_copy(w->grant.p, w->grant.len);
    t->sources = xcalloc(w->n_sources + 1, sizeof *t->sources);
    for (uint32_t i = 0; i < w->n_sources; i++)
        t->sources[t->n_sources++] =
            (struct source){w->sources[i].server, xstrndup(w->sources[i].addr.p, w->sources[i].addr.len)};
    list_init(&t->parts);
    t->next = *at;
    *at = t;
    ss->n_tasks++;
    list_push(is_urgent(t->kind) ? ss->tasks_waiting.next : &ss->tasks_waiting, &t->link);
}

static void tasks_take(struct ss *ss, const struct msg_tasks_reply *m, struct effects *fx)
{
    if (!epoch_seen(ss, m->epoch)) {
        fx_log(fx, LOG_WARN, "store.tasks_refused", "epoch=%" PRIu64 " seen=%" PRIu64 " tasks=%u", m->epoch,
               ss->identity.epoch, m->n_tasks);
        return;
    }
    if (m->epoch == ss->tasks_epoch && m->number <= ss->tasks_number) {
        ss->tasks_lost |= m->n_tasks > 0;
        return;
    }
    ss->tasks_epoch = m->epoch;
    ss->tasks_number = m->number;
    for (uint32_t i = 0; i < m->n_tasks; i++)
        task_add(ss, &m->tasks[i], m->epoch);
}

/* --- asking and telling --- */

static bool may_call(const struct ss *ss, uint64_t mono)
{
    return ss->nm_state == NM_REGISTERED && ss->identity_saved && ss->cfg.n_nameservers && mono >= ss->tasks_next;
}

static void call(struct ss *ss, uint32_t which, struct effects *fx)
{
    struct msg m = {.type = MSG_TYPE_tasks};
    m.tasks.server = ss->identity.server;
    m.tasks.incarnation = ss->cfg.incarnation;
    m.tasks.room_chunks = TASKS_MAX;
    m.tasks.room_bytes = ROOM_BYTES;
    m.tasks.lost = ss->tasks_lost;
    if (which == TASKS_TELL) {
        m.tasks.done = ss->results;
        m.tasks.n_done = ss->results_told = (uint32_t)min_u64(ss->n_results, RESULTS_PAGE);
    }
    ss->tasks_calling[which] = true;
    if (which == TASKS_ASK) /* until it has arrived, the leader may still answer one that nobody waits for any more */
        ss->tasks_lost = false;
    fx_call(fx, register_address(ss), &m, NULL, token_make(TOKEN_TASKS, 0, which), ASK_TIMEOUT);
}

static void results_told(struct ss *ss)
{
    ss->n_results -= ss->results_told;
    memmove(ss->results, ss->results + ss->results_told, ss->n_results * sizeof *ss->results);
    ss->results_told = 0;
}

void ss_tasks_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    uint32_t which = token_b(ev->token);
    ss->tasks_calling[which] = false;
    if (ev->status || ev->msg->type != MSG_TYPE_tasks_reply) {
        ss->tasks_lost = true;
        ss->tasks_next = ev->now.mono + RETRY; /* the heartbeats find out whom to ask */
        return;
    }
    if (which == TASKS_TELL && ev->msg->tasks_reply.epoch >= ss->identity.epoch)
        results_told(ss);
    tasks_take(ss, &ev->msg->tasks_reply, fx);
}

void ss_tasks_turn(struct ss *ss, struct now now, struct effects *fx)
{
    tasks_start(ss, now, fx);
    if (!may_call(ss, now.mono))
        return;
    if (ss->n_results && !ss->tasks_calling[TASKS_TELL])
        call(ss, TASKS_TELL, fx);
    if (!ss->tasks_calling[TASKS_ASK])
        call(ss, TASKS_ASK, fx);
}

uint64_t ss_tasks_deadline(const struct ss *ss)
{
    bool wants = !ss->tasks_calling[TASKS_ASK] || (ss->n_results && !ss->tasks_calling[TASKS_TELL]);
    bool can = ss->nm_state == NM_REGISTERED && ss->identity_saved && ss->cfg.n_nameservers;
    return min_u64(ss->fetch_wake, wants && can ? ss->tasks_next : UINT64_MAX);
}

static void tasks_drop(struct ss *ss, struct list *tasks)
{
    LIST_FOR_EACH (e, tasks) {
        struct ss_task *t = CONTAINER_OF(e, struct ss_task, link);
        LIST_FOR_EACH (p, &t->parts)
            free(CONTAINER_OF(p, struct part, link));
        task_free(t);
    }
    (void)ss;
}

/* The writes of parts are freed with all others. */
void ss_tasks_close(struct ss *ss)
{
    tasks_drop(ss, &ss->tasks_waiting);
    tasks_drop(ss, &ss->tasks_running);
    slots_close(&ss->parts);
    free(ss->results);
}
