/* SPDX-License-Identifier: MIT */
/* From committed entries to the state machine, and from its results to replies. */
#include "base/log.h"
#include "group/group.h"

static void answer(const struct meta_result *res, struct reply_to to, struct effects *fx)
{
    if (res->type == 0)
        fx_fail(fx, to, DFS_EIO, "the NameServer has no answer to this request");
    else
        fx_reply_bytes(fx, to, res->type, res->head, res->head_len);
}

/* What this process cannot read though others can (no memory, a newer release's kind) must not be skipped: the state
 * would go its own way (A6). What nobody can read is skipped everywhere. */
static int apply_command(struct nm *nm, const struct stamp *st, const struct wire_command *c, const struct reply_to *to,
                         struct effects *fx)
{
    bool internal = wire_class_of(c->type) == CLASS_COMMAND;
    struct meta_result res = {0};
    struct msg cmd;
    int err;

    arena_reset(&nm->arena);
    err = msg_decode(c->type, c->body.p, c->body.len, &cmd, &nm->arena);
    if (err == DFS_ENOMEM || err == DFS_ENOTSUP)
        return err;
    if (err != 0) {
        if (to != NULL && !internal)
            fx_fail(fx, *to, err, "the request cannot be decoded");
        return 0;
    }
    if (nm->cfg.forget_results)
        meta_forget_results(nm->meta, meta_session_of(&cmd));
    meta_apply(nm->meta, st, &cmd, &res);
    if (to == NULL)
        return 0;
    if (!internal) {
        rates_count(&nm->rates, nm->now.mono, RATE_MUTATIONS);
        answer(&res, *to, fx);
    }
    leader_applied(nm, &cmd, &res, fx);
    return 0;
}

static int apply_commands(struct nm *nm, uint64_t index, const void *body, uint32_t len, struct batch *b,
                          struct effects *fx)
{
    struct wire_batch entry;
    struct stamp st;
    int err;

    arena_reset(&nm->entry_arena);
    err = wire_decode(&wire_rec_batch, body, len, &entry, &nm->entry_arena);
    if (err != 0)
        return err == DFS_ENOMEM ? err : DFS_ECORRUPT;
    if (index >= nm->live_from) {
        nm->stamp_wall = entry.time_ns;
        nm->stamp_mono = nm->now.mono;
    }
    st = (struct stamp){.index = index, .epoch = entry.epoch, .time_ns = entry.time_ns};
    for (uint32_t i = 0; i < entry.n_commands && err == 0; i++)
        err = apply_command(nm, &st, &entry.commands[i], b != NULL && i < b->n ? &b->to[i] : NULL, fx);
    if (err != 0)
        return err;
    if (b != NULL && b->opens_epoch && engine_is_leader(nm)) {
        nm->opening = false;
        nm->epoch_open = true; /* and serving once no other leader's lease can run: lease_turn */
    }
    return 0;
}

int apply_entry(struct nm *nm, uint64_t index, uint64_t term, uint8_t type, const void *body, uint32_t len,
                struct batch *b, struct effects *fx)
{
    int err = 0;

    nm->applied = index;
    nm->applied_term = term;
    switch (type) {
    case RAFT_COMMAND:
        err = apply_commands(nm, index, body, len, b, fx);
        break;
    case RAFT_CHANGE:
        nm->conf_index = index;
        engine_configuration(nm, index, body, len, fx);
        break;
    case RAFT_BARRIER:
        break;
    default:
        err = DFS_ECORRUPT;
    }
    return err;
}
