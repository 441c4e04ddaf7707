/* SPDX-License-Identifier: MIT */
/* Deadlines of connections, coarse and cheap: a wheel of 256 slots of 20 ms. A connection is on the wheel once, not later
 * than its earliest deadline; when its slot comes, it is asked what is due and put back. So replies need not touch the
 * wheel, and ten thousand idle connections cost one visit each per turn of it. */
#include "uv/net_impl.h"

static void on_timer(uv_timer_t *timer);

void wheel_init(struct net *n)
{
    for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
        list_init(&n->wheel.slots[i]);
    n->wheel.done = n->mono / WHEEL_TICK;
}

static void arm(struct net *n, uint64_t tick)
{
    uint64_t at = tick * WHEEL_TICK;
    uint64_t ms = at > n->mono ? (at - n->mono + NS_PER_MS - 1) / NS_PER_MS : 0;
    n->wheel.armed = tick;
    uv_timer_start(&n->timer, on_timer, ms, 0);
}

static void arm_next(struct net *n)
{
    for (uint64_t t = n->wheel.done + 1; t <= n->wheel.done + WHEEL_SLOTS; t++)
        if (!list_empty(&n->wheel.slots[t % WHEEL_SLOTS])) {
            arm(n, t);
            return;
        }
    n->wheel.armed = 0;
    uv_timer_stop(&n->timer);
}

void wheel_remove(struct conn *c)
{
    list_remove(&c->timer);
    c->tick = 0;
}

void wheel_put(struct conn *c, uint64_t deadline)
{
    struct net *n = c->net;
    if (deadline == UINT64_MAX || n->closing)
        return;
    uint64_t first = n->wheel.done + 1;
    uint64_t tick = deadline / WHEEL_TICK + 1;
    if (tick < first)
        tick = first;
    if (tick > first + WHEEL_SLOTS - 2)
        tick = first + WHEEL_SLOTS - 2;
    if (c->tick != 0 && c->tick <= tick)
        return;
    wheel_remove(c);
    c->tick = tick;
    list_push(&n->wheel.slots[tick % WHEEL_SLOTS], &c->timer);
    if (n->wheel.armed == 0 || tick < n->wheel.armed)
        arm(n, tick);
}

/* Visits every connection of one slot; those put back meanwhile go to the slot's tail, behind `last`. */
static void visit_slot(struct list *slot, struct now now)
{
    struct list due;
    if (list_empty(slot))
        return;
    due = *slot;
    due.next->prev = &due;
    due.prev->next = &due;
    list_init(slot);
    while (!list_empty(&due)) {
        struct conn *c = CONTAINER_OF(list_first(&due), struct conn, timer);
        wheel_remove(c);
        conn_expire(c, now);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct net *n = timer->data;
    struct now now = now_sample();
    uint64_t until = now.mono / WHEEL_TICK, from = n->wheel.done + 1;
    n->mono = now.mono;
    n->wheel.armed = 0;
    if (until < from) {
        arm_next(n);
        return;
    }
    if (until - from >= WHEEL_SLOTS)
        from = until - WHEEL_SLOTS + 1;
    /* Moved first: what is put back now must land beyond the slots visited here. */
    n->wheel.done = until;
    for (uint64_t t = from; t <= until; t++)
        visit_slot(&n->wheel.slots[t % WHEEL_SLOTS], now);
    arm_next(n);
}
