/* SPDX-License-Identifier: MIT */
/* Copies whose bytes did not fit their checksums are told to the NameServer, which has their server look at them: one
 * call after the other, beside the reads that go on with another copy. What is too much is found by the next reader. */
#include "client/internal.h"

static void build_suspicion(struct rpc *r, struct msg *m, struct arena *a)
{
    (void)a;
    m->type = MSG_TYPE_chunk_suspect;
    m->chunk_suspect = r->t.c->suspicions[0];
}

static void on_told(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct client *c = r->t.c;
    (void)status;
    (void)ev;
    c->n_suspicions--;
    memmove(c->suspicions, c->suspicions + 1, c->n_suspicions * sizeof *c->suspicions);
    if (c->n_suspicions > 0)
        rpc_start(r, fx);
}

void suspicion_init(struct client *c) { rpc_init(&c->suspicion_rpc, c, NULL, build_suspicion, on_told); }

void suspicion_tell(struct client *c, uint64_t chunk, uint32_t version, uint32_t server, struct effects *fx)
{
    for (uint32_t i = 0; i < c->n_suspicions; i++)
        if (c->suspicions[i].chunk == chunk && c->suspicions[i].server == server)
            return;
    if (c->n_suspicions == CLIENT_SUSPICIONS)
        return;
    c->suspicions[c->n_suspicions++] = (struct msg_chunk_suspect){.chunk = chunk, .version = version, .server = server};
    if (c->n_suspicions == 1)
        rpc_start(&c->suspicion_rpc, fx);
}

void suspicion_close(struct client *c) { rpc_stop(&c->suspicion_rpc); }
