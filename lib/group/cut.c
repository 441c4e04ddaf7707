/* SPDX-License-Identifier: MIT */
/* How a file is made shorter while others write to it (CONSISTENCY C18).
 *
 *   1. What it cuts and somebody writes to is sealed: its servers take no more writes in this version, and what is acknowledged
 *      is known. Meanwhile nothing of the file is opened for writing. Where nobody writes there is nothing to do.
 *   2. The truncate goes into the log. From then on the file is short, whoever asks: the state says where it ends.
 *   3. The chunk it ends in is sealed once more, with the new length: its servers give up what lies behind (agree.c, `keep`).
 *      Until that is in the log nothing makes the file longer, so that what was cut off cannot show again.
 *
 * The other order, servers first, would lose data if the leader died before it logged the truncate. */
#include "group/cut.h"

#include <stdlib.h>

#include "group/group.h"
#include "wire/codec.h"

#define CUTS_MAX 256u
/* A client that is not served by then is told to come again. */
#define PATIENCE (3 * NS_PER_SEC)

struct cut {
    struct list link;
    uint64_t ino, size, until;
    struct reply_to to;
    struct bytes request;
};

void cut_init(struct cuts *t) { list_init(&t->waiting); }

static struct cut *cut_of(struct list *e) { return CONTAINER_OF(e, struct cut, link); }

static void cut_free(struct nm *nm, struct cut *k)
{
    list_remove(&k->link);
    bytes_close(&k->request);
    free(k);
    nm->lead.cuts.n--;
}

bool cut_waits(const struct nm *nm, uint64_t ino)
{
    for (struct list *e = nm->lead.cuts.waiting.next; e != &nm->lead.cuts.waiting; e = e->next)
        if (cut_of(e)->ino == ino)
            return true;
    return false;
}

/* Whether something is still to be sealed; that is then begun. */
static bool blocked(struct nm *nm, uint64_t ino, uint64_t size, struct effects *fx)
{
    uint64_t chunk = meta_truncate_waits(nm->meta, ino, size);

    if (chunk != 0)
        agree_seal(nm, chunk, fx);
    return chunk != 0;
}

bool cut_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_truncate *r = &ev->msg->truncate;
    struct cut *k;
    uint64_t ino;

    if (!lease_valid(nm) || !meta_truncate_file(nm->meta, r, &ino) || !blocked(nm, ino, r->size, fx))
        return true;
    k = xcalloc(1, sizeof *k);
    *k = (struct cut){.ino = ino, .size = r->size, .to = ev->to, .until = nm->now.mono + PATIENCE};
    bytes_init(&k->request, WIRE_HEAD_MAX);
    list_push(&nm->lead.cuts.waiting, &k->link);
    nm->lead.cuts.n++;
    if (nm->lead.cuts.n > CUTS_MAX || msg_encode(ev->msg, &k->request) != 0) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "too many files are being cut");
        cut_free(nm, k);
    }
    return false;
}

void cut_turn(struct nm *nm, struct effects *fx)
{
    LIST_FOR_EACH (e, &nm->lead.cuts.waiting) {
        struct cut *k = cut_of(e);
        bool late = nm->now.mono >= k->until;

        if (!late && blocked(nm, k->ino, k->size, fx))
            continue;
        if (late || batch_add(nm, MSG_TYPE_truncate, k->request.p, (uint32_t)k->request.len, k->to) != 0)
            fx_fail(fx, k->to, DFS_EAGAIN, "the servers that hold the end of this file have not agreed yet");
        cut_free(nm, k);
    }
}

void cut_applied(struct nm *nm, const struct msg *reply, struct effects *fx)
{
    const struct wire_attr *a = &reply->truncate_reply.attr;
    struct meta_chunk_info c;

    if (a->size > 0 && meta_chunk_of(nm->meta, a->ino, (uint32_t)((a->size - 1) / META_CHUNK_SIZE), &c) && c.cut)
        agree_seal(nm, c.chunk, fx);
}

void cut_refuse(struct nm *nm, struct effects *fx)
{
    LIST_FOR_EACH (e, &nm->lead.cuts.waiting) {
        fx_not_leader(fx, cut_of(e)->to, "");
        cut_free(nm, cut_of(e));
    }
}

void cut_close(struct nm *nm)
{
    LIST_FOR_EACH (e, &nm->lead.cuts.waiting)
        cut_free(nm, cut_of(e));
}
