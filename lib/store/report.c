/* SPDX-License-Identifier: MIT */
/* Reports: all chunks held, in id order, page by page; after registration, every ten minutes, and at once when a disk was
 * given up; sooner again if the NameServer asks. What a failed disk holds is not reported: it is missing, not deleted. */
#include <stdlib.h>

#include "store/impl.h"

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report_start(struct ss *ss)
{
    struct chunk *c;
    uint32_t at = 0;
    ss->report = malloc(((size_t)ss->index.n + 1) * sizeof *ss->report);
    ss->n_report = ss->report_at = 0;
    while (ss->report && (c = index_next(&ss->index, &at)))
        if (!ss->stores[c->disk].failed && !(c->flags & CHUNK_DELETING))
            ss->report[ss->n_report++] = c->id;
    if (ss->report)
        qsort(ss->report, ss->n_report, sizeof *ss->report, by_id);
}

void report_soon(struct ss *ss)
{
    ss->report_anew = ss->report != NULL;
    ss->report_next = 0;
}

static void report_drop(struct ss *ss)
{
    free(ss->report);
    ss->report = NULL;
    ss->report_anew = false;
}

static void page_fill(struct ss *ss, struct msg_report *m, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct chunk *c = index_find(&ss->index, ss->report[ss->report_at + i]);
        if (c && !ss->stores[c->disk].failed && !(c->flags & CHUNK_DELETING))
            m->chunks[m->n_chunks++] = (struct wire_held){.chunk = c->id,
                                                          .version = c->version,
                                                          .length = chunk_length(c),
                                                          .flags = c->flags & CHUNK_DAMAGED ? HELD_DAMAGED : 0};
    }
}

void report_turn(struct ss *ss, struct now now, struct effects *fx)
{
    if (ss->nm_state != NM_REGISTERED || ss->report_calling || now.mono < ss->report_next)
        return;
    if (ss->report_anew)
        report_drop(ss);
    if (!ss->report)
        report_start(ss);
    struct msg m = {.type = MSG_TYPE_report};
    uint32_t left = ss->n_report - ss->report_at, n = left < REPORT_PAGE ? left : REPORT_PAGE;
    m.report.server = ss->identity.server;
    m.report.incarnation = ss->cfg.incarnation;
    m.report.chunks = xcalloc(n + 1, sizeof *m.report.chunks);
    page_fill(ss, &m.report, n);
    m.report.first = ss->report_at == 0;
    m.report.eof = n == left;
    ss->report_sent = n;
    ss->report_calling = true;
    fx_call(fx, register_address(ss), &m, NULL, token_make(TOKEN_REPORT, 0, 0), 10 * NS_PER_SEC);
    free(m.report.chunks);
}

void report_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    ss->report_calling = false;
    if (ev->status || ev->msg->type != MSG_TYPE_report_reply) {
        ss->report_next = ev->now.mono + NS_PER_SEC; /* the same page again */
        return;
    }
    const struct msg_report_reply *m = &ev->msg->report_reply;
    orders_take(ss, m->epoch, m->remove, m->n_remove, fx);
    ss->report_at += ss->report_sent;
    if (ss->report_at < ss->n_report || ss->report_anew)
        return;
    report_drop(ss);
    ss->report_next = ev->now.mono + (m->again ? m->again * NS_PER_SEC : ss->cfg.report_period);
}
