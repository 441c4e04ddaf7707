/* SPDX-License-Identifier: MIT */
/* What a program may do to an operation under way: cancel it, give it a deadline, go on with a transfer that paused. */
#include "client/internal.h"

static struct op *op_in(struct list *ops, uint64_t number)
{
    LIST_FOR_EACH (e, ops) {
        struct op *op = CONTAINER_OF(e, struct op, link);
        if (op->number == number)
            return op;
    }
    return NULL;
}

static struct op *op_find(struct client *c, uint64_t number)
{
    struct op *op = op_in(&c->running, number);
    return op ? op : op_in(&c->starting, number);
}

uint64_t client_last(const struct client *c) { return c->last_op; }

const char *client_trouble(const struct client *c, uint64_t now, uint64_t ns)
{
    return c->trouble.at && now - min_u64(now, c->trouble.at) <= ns ? c->trouble.text : NULL;
}

void client_cancel(struct client *c, uint64_t number)
{
    struct op *op = op_find(c, number);
    if (op && !lock_give_up(op, DFS_ECANCELED))
        op_end(op, DFS_ECANCELED, "canceled");
}

void client_set_deadline(struct client *c, uint64_t number, uint64_t at)
{
    struct op *op = op_find(c, number);
    if (!op)
        return;
    list_remove(&op->dated);
    op->deadline = at;
    if (at != UINT64_MAX)
        list_push(&c->dated, &op->dated);
}

void client_resume(struct client *c, uint64_t number)
{
    struct op *op = op_find(c, number);
    if (op && op->put)
        put_resume(op);
    else if (op && op->get)
        get_resume(op);
}

uint64_t ops_deadline(const struct client *c)
{
    uint64_t at = UINT64_MAX;
    for (const struct list *e = c->dated.next; e != &c->dated; e = e->next)
        at = min_u64(at, CONTAINER_OF(e, struct op, dated)->deadline);
    return at;
}

void ops_expire(struct client *c)
{
    LIST_FOR_EACH (e, &c->dated) {
        struct op *op = CONTAINER_OF(e, struct op, dated);
        if (op->deadline > c->now.mono)
            continue;
        list_remove(&op->dated);
        if (lock_give_up(op, DFS_ETIMEDOUT))
            continue;
        /* a change that is on its way may take effect yet */
        bool unknown = op->rpc.mutation && (op->rpc.t.token || op->rpc.uncertain);
        op_end(op, unknown ? DFS_EUNKNOWN : DFS_ETIMEDOUT,
               unknown ? "the deadline is over and the outcome is unknown: look before you repeat it"
                       : "not done before its deadline");
    }
}
