/* SPDX-License-Identifier: MIT */
/* What one server's process has used: asked of that server, whatever it is, and once only. */
#include "client/internal.h"

static void on_reply(struct task *t, const struct event *ev, struct effects *fx)
{
    struct op *op = t->op;
    (void)fx;
    if (op->ended)
        return;
    if (ev->status != 0 || ev->msg->type != MSG_TYPE_process_reply) {
        int err = ev->status ? ev->status : DFS_EPROTO;
        op_end(op, err, "server %s: %.*s", op->req.path, STR_ARG(error_text(err, ev)));
        return;
    }
    const struct msg_process_reply *m = &ev->msg->process_reply;
    struct dfs_process *p = arena_alloc(&op->arena, 1, sizeof *p);
    const char *host = op_string(op, m->host);
    if (!p || !host) {
        op_end(op, DFS_ENOMEM, "the answer is too large for this program's memory");
        return;
    }
    *p = (struct dfs_process){host, m->pid, m->cores, m->mono_us, m->cpu_us, m->memory, m->memory_peak};
    op->result.process = p;
    op_end_ok(op);
}

static void run(struct task *t, struct effects *fx)
{
    struct msg m = {.type = MSG_TYPE_process};
    task_send(t, t->op->req.path, &m, NULL, t->c->cfg.call_timeout, fx);
}

void process_begin(struct op *op, struct effects *fx)
{
    task_init(&op->rpc.t, op->c, op, run, on_reply);
    run(&op->rpc.t, fx);
}
