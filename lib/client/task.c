/* SPDX-License-Identifier: MIT */
/* Tasks: calls outstanding, and sleeping before the next try. */
#include <stdio.h>
#include <stdlib.h>

#include "client/internal.h"

#define NO_SLOT UINT32_MAX

static uint64_t slot_take(struct client *c, struct task *t, const char *addr)
{
    if (c->free_slot == NO_SLOT) {
        uint32_t n = c->n_slots ? c->n_slots * 2 : 16;
        c->slots = xrealloc(c->slots, n, sizeof *c->slots);
        for (uint32_t i = c->n_slots; i < n; i++)
            c->slots[i] = (struct slot){.next_free = i + 1 < n ? i + 1 : NO_SLOT};
        c->free_slot = c->n_slots;
        c->n_slots = n;
    }
    uint32_t i = c->free_slot;
    c->free_slot = c->slots[i].next_free;
    c->slots[i].task = t;
    c->slots[i].serial++;
    memcpy(c->slots[i].addr, addr, min_u64(strlen(addr) + 1, sizeof c->slots[i].addr - 1)); /* its last byte stays 0 */
    return (uint64_t)c->slots[i].serial << 32 | (i + 1);
}

static struct slot *slot_find(struct client *c, uint64_t token)
{
    uint32_t i = (uint32_t)token - 1;
    if (i >= c->n_slots || c->slots[i].serial != (uint32_t)(token >> 32))
        return NULL;
    return &c->slots[i];
}

static void slot_give(struct client *c, struct slot *s)
{
    s->task = NULL;
    s->serial++;
    s->next_free = c->free_slot;
    c->free_slot = (uint32_t)(s - c->slots);
}

void task_init(struct task *t, struct client *c, struct op *op, task_fn run, task_reply_fn reply)
{
    *t = (struct task){.c = c, .op = op, .run = run, .reply = reply};
    list_init(&t->link);
}

void task_send(struct task *t, const char *addr, const struct msg *m, struct payload *payload, uint64_t timeout,
               struct effects *fx)
{
    assert(t->token == 0);
    t->token = slot_take(t->c, t, addr);
    fx_call(fx, addr, m, payload, t->token, timeout);
}

void task_nap(struct task *t, uint64_t max)
{
    struct client *c = t->c;
    uint64_t base = min_u64(BACKOFF_FIRST << (t->attempts < 6 ? t->attempts : 6), max);
    t->attempts++;
    t->wake = c->now.mono + base / 2 + rng_below(&c->rng, base / 2 + 1);
    list_push(&c->sleeping, &t->link);
}

void task_sleep(struct task *t) { task_nap(t, BACKOFF_MAX); }

void task_stop(struct task *t)
{
    if (!t->link.next)
        return; /* never initialised */
    list_remove(&t->link);
    if (t->token) {
        struct slot *s = slot_find(t->c, t->token);
        if (s)
            s->task = NULL;
        t->token = 0;
    }
}

static void note_trouble(struct client *c, const char *addr, const struct event *ev)
{
    struct str text = error_text(ev->status, ev);
    c->trouble.at = c->now.mono;
    snprintf(c->trouble.text, sizeof c->trouble.text, "%s (%.*s)", addr, STR_ARG(text));
}

void tasks_reply(struct client *c, const struct event *ev, struct effects *fx)
{
    struct slot *s = slot_find(c, ev->token);
    if (!s)
        return;
    struct task *t = s->task;
    if (t && dfs_err_may_retry(ev->status))
        note_trouble(c, s->addr, ev);
    slot_give(c, s);
    if (!t)
        return;
    t->token = 0;
    t->reply(t, ev, fx);
}

void tasks_wake(struct client *c, struct effects *fx)
{
    struct list due;
    list_init(&due);
    LIST_FOR_EACH (e, &c->sleeping) {
        struct task *t = CONTAINER_OF(e, struct task, link);
        if (t->wake <= c->now.mono) {
            list_remove(e);
            list_push(&due, e);
        }
    }
    tasks_run(&due, fx);
}

void tasks_run(struct list *waiting, struct effects *fx)
{
    /* one that waits again goes to another list, or to the end of the same one: only today's are run */
    struct list now;
    list_init(&now);
    while (!list_empty(waiting)) {
        struct list *e = list_first(waiting);
        list_remove(e);
        list_push(&now, e);
    }
    while (!list_empty(&now)) {
        struct task *t = CONTAINER_OF(list_first(&now), struct task, link);
        list_remove(&t->link);
        t->run(t, fx);
    }
}
