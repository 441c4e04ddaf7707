/* SPDX-License-Identifier: MIT */
/* What StorageServers say they hold, against what the map says. */
#include "group/group.h"

/* What a server holds and nobody knows is collected, but only below the horizon: above it a client may be about to
 * publish it (B15). */
void report_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_report *r = &ev->msg->report;
    struct msg reply = {.type = MSG_TYPE_report_reply};
    uint64_t horizon = meta_horizon(nm->meta);

    if (leader_sender(nm, ev, r->server, r->incarnation, fx) == NULL)
        return;
    arena_reset(&nm->arena);
    reply.report_reply.epoch = meta_epoch(nm->meta);
    reply.report_reply.remove = arena_alloc(&nm->arena, r->n_chunks, sizeof *reply.report_reply.remove);
    if (reply.report_reply.remove == NULL) {
        fx_fail(fx, ev->to, DFS_ENOMEM, "no memory for the report");
        return;
    }
    for (uint32_t i = 0; i < r->n_chunks; i++) {
        const struct wire_held *c = &r->chunks[i];

        if ((c->chunk & CHUNK_SERIAL_MASK) < horizon && !meta_knows_chunk(nm->meta, c->chunk))
            reply.report_reply.remove[reply.report_reply.n_remove++] =
                (struct wire_chunk_id){.chunk = c->chunk, .version = c->version};
    }
    fx_reply(fx, ev->to, &reply, NULL);
}
