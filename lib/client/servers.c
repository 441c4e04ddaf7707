/* SPDX-License-Identifier: MIT */
/* What administrators ask: health, fsck, storage servers that come and go. */
#include "client/internal.h"

#define FSCK_PAGE 1000u

const char *server_state_word(uint8_t s)
{
    static const char *const words[] = {"unknown", "up", "suspect", "down", "draining", "drained", "removed"};
    return words[s < ARRAY_LEN(words) ? s : 0];
}

void servers_build(struct rpc *r, struct msg *m)
{
    const struct client_request *q = &r->t.op->req;
    switch (q->kind) {
    case OP_SERVER_SET:
        m->type = MSG_TYPE_server_set;
        m->server_set = (struct msg_server_set){rpc_id(r), q->limit, (uint8_t)q->mode};
        return;
    case OP_FSCK:
        m->type = MSG_TYPE_fsck;
        m->fsck = (struct msg_fsck){q->id ? q->id : ROOT_INO, str_of(q->path), str_of(q->path2),
                                    q->limit ? q->limit : FSCK_PAGE};
        return;
    case OP_REBALANCE:
        m->type = MSG_TYPE_rebalance;
        return;
    case OP_GIVE_UP:
        m->type = MSG_TYPE_give_up;
        m->give_up.ino = q->id;
        return;
    case OP_QUARANTINE_DROP:
        m->type = MSG_TYPE_quarantine_drop;
        return;
    case OP_RECOVER:
        m->type = MSG_TYPE_recover;
        m->recover.what = (uint8_t)q->limit;
        return;
    default:
        m->type = MSG_TYPE_health;
    }
}

static void answer_health(struct op *op, const struct msg_health_reply *m)
{
    static const char *const words[] = {"green", "yellow", "red"};
    struct dfs_health *h = arena_alloc(&op->arena, 1, sizeof *h);
    const char **advice = arena_alloc(&op->arena, m->n_advice, sizeof *advice);
    if (!h || !advice) {
        op_end(op, DFS_ENOMEM, "the advice is too much for this program's memory");
        return;
    }
    for (uint32_t i = 0; i < m->n_advice; i++)
        advice[i] = op_string(op, m->advice[i].text);
    *h = (struct dfs_health){
        .status = words[m->status < ARRAY_LEN(words) ? m->status : HEALTH_RED],
        .level = m->status,
        .under_replicated = m->under_replicated,
        .endangered = m->endangered,
        .missing = m->missing,
        .corrupt = m->corrupt,
        .repairing = m->repairing,
        .eta_seconds = m->eta_seconds,
        .over_replicated = m->over_replicated,
        .misplaced = m->misplaced,
        .draining = m->draining,
        .goal_too_high = m->goal_too_high,
        .copied = m->copied,
        .copied_bytes = m->copied_bytes,
        .rebalancing = m->rebalancing != 0,
        .waiting = m->waiting,
        .advice = advice,
        .n_advice = m->n_advice,
    };
    op->result.health = h;
}

static void answer_fsck(struct op *op, const struct msg_fsck_reply *m)
{
    struct dfs_fsck_entry *e = arena_alloc(&op->arena, m->n_entries, sizeof *e);
    if (!e) {
        op_end(op, DFS_ENOMEM, "the list of files is too large for this program's memory");
        return;
    }
    for (uint32_t i = 0; i < m->n_entries; i++) {
        const struct wire_fsck_entry *w = &m->entries[i];
        e[i] = (struct dfs_fsck_entry){.name = op_string(op, w->name),
                                       .ino = w->ino,
                                       .size = w->size,
                                       .chunks = w->chunks,
                                       .missing = w->missing,
                                       .corrupt = w->corrupt,
                                       .under_replicated = w->under_replicated,
                                       .misplaced = w->misplaced,
                                       .over_replicated = w->over_replicated,
                                       .waiting = w->waiting,
                                       .type = w->type,
                                       .goal = w->goal};
        if (!e[i].name)
            return;
    }
    op->result.attr = attr_of(&m->attr);
    op->result.fsck = e;
    op->result.n_fsck = m->n_entries;
    op->result.fsck_files = m->files;
    op->result.next = op_string(op, m->next);
    op->result.eof = m->eof != 0;
}

void servers_answer(struct op *op, const struct msg *m)
{
    const struct msg_server_set_reply *s = &m->server_set_reply;
    switch (m->type) {
    case MSG_TYPE_health_reply:
        answer_health(op, &m->health_reply);
        return;
    case MSG_TYPE_fsck_reply:
        answer_fsck(op, &m->fsck_reply);
        return;
    case MSG_TYPE_recover_reply:
        recover_answer(op, &m->recover_reply);
        return;
    case MSG_TYPE_give_up_reply:
        op->result.gave_up = m->give_up_reply.chunks;
        return;
    case MSG_TYPE_rebalance_reply:
        op->result.bytes = m->rebalance_reply.bytes;
        return;
    default:
        op->result.server = (struct dfs_server_change){.state = server_state_word(s->state),
                                                       .chunks = s->chunks,
                                                       .bytes = s->bytes,
                                                       .stuck = s->stuck,
                                                       .goal = s->goal};
    }
}
