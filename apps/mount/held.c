/* SPDX-License-Identifier: MIT */
/* Requests that are about files which are only promised (promise.c) and ask for more than a promise is good for: the files are made
 * first, and the request is kept as it came, to be taken up again then. Only files that were promised before it came count, so
 * that those that follow do not keep it waiting for ever. One that a signal interrupts has two more seconds, as others have (call.c). */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include "promise.h"

struct held {
    struct list link; /* in mount.held */
    uint64_t last;    /* the last promise that counts */
    uint64_t until;   /* ms; 0: it may wait */
    size_t len;
    uint8_t request[];
};

/* True if it has to wait for this one, which is being made then. */
static bool waits_for(const struct promise *p, uint64_t last)
{
    if (p->number > last)
        return false;
    promise_make(p->node);
    return true;
}

static bool waits_for_file(const struct mount *m, uint64_t ino, uint64_t last)
{
    const struct node *n = node_find(m, ino);
    return n && n->promise && waits_for(n->promise, last);
}

static bool waits_for_all(const struct delegation *d, uint64_t last)
{
    bool waits = false;
    for (const struct list *l = d->promised.next; l != &d->promised; l = l->next)
        waits |= waits_for(CONTAINER_OF(l, struct promise, link), last);
    return waits;
}

static bool waits_for_every(const struct mount *m, uint64_t last)
{
    const struct delegation *d, *next;
    bool waits = false;
    HASH_ITER(hh, m->delegations, d, next)
    waits |= waits_for_all(d, last);
    return waits;
}

/* What a promise is good for. */
static bool is_for_promises(const struct fuse_in_header *h, const void *body, const struct promise *p)
{
    switch (h->opcode) {
    case FUSE_GETATTR:
    case FUSE_GETXATTR:
    case FUSE_LISTXATTR:
    case FUSE_FLUSH:
    case FUSE_FSYNC:
    case FUSE_RELEASE:
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return true;
    case FUSE_SETATTR:
        return !p->making && !(((const struct fuse_setattr_in *)body)->valid & FATTR_SIZE);
    case FUSE_WRITE:
        return !(((const struct fuse_write_in *)body)->flags & (uint32_t)O_APPEND) && !setid_is_lost(p->node, h);
    default:
        return false;
    }
}

/* The other inode a request is about; 0: none. */
static uint64_t other_inode(const struct fuse_in_header *h, const void *body)
{
    if (h->opcode == FUSE_LINK)
        return ((const struct fuse_link_in *)body)->oldnodeid;
    if (h->opcode == FUSE_COPY_FILE_RANGE)
        return ((const struct fuse_copy_file_range_in *)body)->nodeid_out;
    return 0;
}

static bool waits(const struct mount *m, const void *request, uint64_t last)
{
    const struct fuse_in_header *h = request;
    const void *body = h + 1;
    uint64_t ino = ino_of(m, h->nodeid), other = other_inode(h, body);
    const struct node *n = node_find(m, ino);
    if (other && waits_for_file(m, other, last))
        return true;
    if (n && n->promise)
        return !is_for_promises(h, body, n->promise) && waits_for_file(m, ino, last);
    const struct delegation *d = delegation_find(m, ino);
    switch (h->opcode) {
    case FUSE_RMDIR: /* of a directory known by its name only; one with promised files in it is not empty */
    case FUSE_RENAME:
    case FUSE_RENAME2:
        return waits_for_every(m, last);
    case FUSE_UNLINK:
    case FUSE_LINK:
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
    case FUSE_FSYNCDIR:
    case FUSE_SETATTR:
        return d && waits_for_all(d, last);
    default:
        return false;
    }
}

static uint64_t unique_of(const void *request) { return ((const struct fuse_in_header *)request)->unique; }

/* True if it was about one of those that are held. */
static bool interrupts(struct mount *m, const struct fuse_buf *buf)
{
    const struct fuse_in_header *h = buf->mem;
    const struct fuse_interrupt_in *body = (const void *)(h + 1);
    if (h->opcode != FUSE_INTERRUPT || buf->size < sizeof *h + sizeof *body)
        return false;
    LIST_FOR_EACH (l, &m->held) {
        struct held *q = CONTAINER_OF(l, struct held, link);
        if (unique_of(q->request) != body->unique)
            continue;
        q->until = uv_now(&m->loop) + INTERRUPT_GRACE_MS;
        return true;
    }
    return false;
}

void held_tick(struct mount *m)
{
    LIST_FOR_EACH (l, &m->held) {
        struct held *q = CONTAINER_OF(l, struct held, link);
        if (!q->until || uv_now(&m->loop) < q->until)
            continue;
        list_remove(l);
        session_refuse(m, unique_of(q->request), EINTR);
        free(q);
    }
}

void held_free(struct mount *m)
{
    LIST_FOR_EACH (l, &m->held) {
        list_remove(l);
        free(CONTAINER_OF(l, struct held, link));
    }
}

bool held(struct mount *m, const struct fuse_buf *buf)
{
    if (!list_empty(&m->held) && buf->size >= sizeof(struct fuse_in_header) && interrupts(m, buf))
        return true;
    if (!m->promised || buf->size < sizeof(struct fuse_in_header) || !waits(m, buf->mem, m->last_promise))
        return false;
    struct held *q = xcalloc(1, sizeof *q + buf->size);
    q->last = m->last_promise;
    q->len = buf->size;
    memcpy(q->request, buf->mem, buf->size);
    list_push(&m->held, &q->link);
    return true;
}

void held_run(struct mount *m)
{
    if (m->held_running)
        return; /* whoever is at it looks at all again */
    m->held_running = true;
    for (bool any = true; any;) {
        any = false;
        LIST_FOR_EACH (l, &m->held) {
            struct held *q = CONTAINER_OF(l, struct held, link);
            if (waits(m, q->request, q->last))
                continue;
            list_remove(l);
            const struct fuse_buf buf = {.size = q->len, .mem = q->request};
            session_take(m, &buf);
            free(q);
            any = true;
            break; /* the list may be another by now */
        }
    }
    m->held_running = false;
}
