/* SPDX-License-Identifier: MIT */
/* What a restored state does not know, and keeps (CONSISTENCY B16): counted from the servers' reports, shown by status,
 * given up by quarantine_drop. */
#include "base/log.h"
#include "group/group.h"

bool quarantine_holds(const struct nm *nm, uint64_t chunk)
{
    return (chunk & CHUNK_SERIAL_MASK) < meta_quarantine(nm->meta);
}

void quarantine_count(struct nm *nm, const struct msg_report *r)
{
    struct live *l = live_get(nm, r->server);

    if (r->first)
        l->quarantine.counting = l->quarantine.last = 0;
    for (uint32_t i = 0; i < r->n_chunks; i++) {
        uint64_t chunk = r->chunks[i].chunk;

        if (chunk <= l->quarantine.last)
            continue; /* a page that came before: its answer was lost */
        l->quarantine.last = chunk;
        l->quarantine.counting += quarantine_holds(nm, chunk) && !meta_knows_chunk(nm->meta, chunk);
    }
    if (!r->eof)
        return;
    l->quarantine.copies = l->quarantine.counting;
    l->quarantine.counting = l->quarantine.last = 0;
}

uint64_t quarantine_copies(const struct nm *nm)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < nm->lead.n_live; i++)
        n += nm->lead.live[i].quarantine.copies;
    return n;
}

void quarantine_ask(const struct nm *nm, struct live *l, struct msg_heartbeat_reply *reply)
{
    reply->report = l->report_wanted;
    l->report_wanted = false;
    recovery_ask(nm, l, reply);
}

/* It has ended: all report anew, and what nobody knows is collected like anything else. */
static void dropped(struct nm *nm, struct effects *fx)
{
    fx_log(fx, LOG_WARN, "nm.quarantine_dropped", "copies=%" PRIu64, quarantine_copies(nm));
    for (uint32_t i = 0; i < nm->lead.n_live; i++) {
        struct live *l = &nm->lead.live[i];

        l->report_wanted = true;
        l->quarantine.copies = l->quarantine.counting = l->quarantine.last = 0;
    }
}

void quarantine_applied(struct nm *nm, const struct msg *cmd, struct effects *fx)
{
    if (cmd->type == MSG_TYPE_quarantine_drop)
        dropped(nm, fx);
    else if (cmd->type == MSG_TYPE_recover_file)
        recovery_applied(nm, &cmd->recover_file);
}
