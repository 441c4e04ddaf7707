/* SPDX-License-Identifier: MIT */
/* A copy of the NameServers' state: asks until there is a snapshot that holds all that was acknowledged before, then reads
 * it slice by slice.
 *
 * The happy path is: asked, being taken, asked again, there -> slices until the last. Possible failures: another leader, or
 * a snapshot that was superseded meanwhile: from the start, if the sink can take its bytes back; a slice that was damaged
 * on the leader's disk shows when the file is checked. */
#include "client/internal.h"
#include "wire/pieces.h"

#define SLICE (512u * 1024)
#define RESTARTS 3u

static void build(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct backup *b = &r->t.op->backup;
    (void)a;
    m->type = MSG_TYPE_nm_backup;
    m->nm_backup = (struct msg_nm_backup){b->index, b->term, b->after, b->offset, SLICE};
}

static void from_the_start(struct op *op, int status, const struct event *ev, struct effects *fx)
{
    struct backup *b = &op->backup;
    if (b->restarts++ == RESTARTS || (b->offset > 0 && !op->req.sink.restart)) {
        op_fail_rpc(op, status, ev);
        return;
    }
    if (b->offset > 0)
        op->req.sink.restart(op->req.sink.arg);
    b->index = b->term = b->after = b->offset = 0;
    rpc_start(&op->rpc, fx);
}

/* Takes the slice over; false: the op has ended. */
static bool take_slice(struct op *op, const struct event *ev)
{
    struct backup *b = &op->backup;
    uint32_t len = ev->payload ? payload_len(ev->payload) : 0;
    if ((len ? payload_crc(ev->payload, 0, len) : 0) != ev->msg->nm_backup_reply.crc) {
        op_end(op, DFS_ECORRUPT, "the backup was damaged on its way here");
        return false;
    }
    for (uint32_t i = 0; len && i < PAYLOAD_PARTS; i++) {
        struct slice s = ev->payload->part[i];
        int err = s.len ? op->req.sink.write(op->req.sink.arg, b->offset, slice_data(s), s.len) : 0;
        if (err) {
            op_end(op, err, "the backup cannot be written: %s", dfs_strerror(err));
            return false;
        }
        b->offset += s.len;
    }
    return true;
}

static void answer(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    struct backup *b = &op->backup;
    if (op->ended)
        return;
    if (status == DFS_ENOENT) {
        from_the_start(op, status, ev, fx);
        return;
    }
    if (status != 0) {
        op_fail_rpc(op, status, ev);
        return;
    }
    const struct msg_nm_backup_reply *m = &ev->msg->nm_backup_reply;
    r->since = op->c->now.mono;
    if (b->index == 0) {
        b->after = m->after;
        b->index = m->index;
        b->term = m->term;
        if (b->index == 0)
            task_sleep(&r->t); /* asks again */
        else
            rpc_start(r, fx);
        return;
    }
    if (!take_slice(op, ev))
        return;
    op->result.bytes = b->offset;
    if (m->eof)
        op_end_ok(op);
    else
        rpc_start(r, fx);
}

void backup_begin(struct op *op, struct effects *fx)
{
    rpc_init(&op->rpc, op->c, op, build, answer);
    rpc_start(&op->rpc, fx);
}

void recover_answer(struct op *op, const struct msg_recover_reply *m)
{
    struct dfs_recovery *r = arena_alloc(&op->arena, 1, sizeof *r);
    char *error = op_string(op, m->error);
    if (!r || !error) {
        op_end(op, DFS_ENOMEM, "the answer is too large for this program's memory");
        return;
    }
    *r = (struct dfs_recovery){.state = m->state,
                               .run = m->run,
                               .servers = m->servers,
                               .reported = m->reported,
                               .copies = m->copies,
                               .whole = m->whole,
                               .incomplete = m->incomplete,
                               .left = m->left,
                               .error = error};
    op->result.recovery = r;
}
