/* SPDX-License-Identifier: MIT */
/* Whose folders these are. The file holds two slots, written in turn and flushed each time, so that one is always
 * whole. All folders of a server hold the same but for their own ids; where they differ after a crash, the newest
 * counts. */
#include <stdio.h>

#include "store/impl.h"

struct folder_look {
    bool identity, segments;
};

static void on_file(void *arg, const char *name, uint64_t size)
{
    struct folder_look *look = arg;
    uint64_t id;
    (void)size;
    if (strcmp(name, IDENTITY_NAME) == 0)
        look->identity = true;
    if (segment_parse_name(name, &id))
        look->segments = true;
}

static int folder_read(struct store *st, bool *present, char *why, size_t why_len)
{
    static const uint8_t zeros[64];
    uint8_t p[2 * IDENTITY_SLOT] = {0};
    struct folder_look look = {0};
    size_t got = 0;
    int err = st->disk->ops->list(st->disk, on_file, &look);
    if (!err && look.identity)
        err = st->disk->ops->read(st->disk, IDENTITY_NAME, 0, p, sizeof p, &got);
    if (err) {
        snprintf(why, why_len, "data folder %u cannot be read: %s", st->number, dfs_strerror(err));
        return err;
    }
    bool blank =
        !look.identity || (memcmp(p, zeros, sizeof zeros) == 0 && memcmp(p + IDENTITY_SLOT, zeros, sizeof zeros) == 0);
    *present = !blank;
    if (blank && look.segments) {
        snprintf(why, why_len, "data folder %u holds segments but no file \"%s\": it is not known whose they are",
                 st->number, IDENTITY_NAME);
        return DFS_EIDENTITY;
    }
    err = blank ? 0 : identity_parse(p, &st->identity);
    bool ours = get_u32(p) == IDENTITY_MAGIC || get_u32(p) == 0; /* not a NameServer's, say */
    if (err == DFS_ECORRUPT && ours && !look.segments && got < sizeof p) {
        *present = false; /* its creation was cut off; nothing can depend on it */
        return 0;
    }
    if (err)
        snprintf(why, why_len, "data folder %u: file \"%s\": %s", st->number, IDENTITY_NAME, dfs_strerror(err));
    return err;
}

static int same_owner(struct ss *ss, const struct store *st, char *why, size_t why_len)
{
    const struct identity *a = &ss->identity, *b = &st->identity;
    if (a->uuid_hi != b->uuid_hi || a->uuid_lo != b->uuid_lo) {
        snprintf(why, why_len, "data folder %u belongs to another StorageServer", st->number);
        return DFS_EIDENTITY;
    }
    if ((a->cluster_hi || a->cluster_lo) && (b->cluster_hi || b->cluster_lo) &&
        (a->cluster_hi != b->cluster_hi || a->cluster_lo != b->cluster_lo)) {
        snprintf(why, why_len, "data folder %u belongs to another cluster", st->number);
        return DFS_ECLUSTER;
    }
    for (uint32_t i = 0; i < st->number; i++)
        if (ss->stores[i].identity.folder_hi == b->folder_hi && ss->stores[i].identity.folder_lo == b->folder_lo) {
            snprintf(why, why_len, "data folders %u and %u are copies of each other", i, st->number);
            return DFS_EIDENTITY;
        }
    return 0;
}

/* One dead disk leaves the others serving, if they know whose they are. */
int identity_open(struct ss *ss, char *why, size_t why_len)
{
    bool any = false;
    int unread = 0;
    for (uint32_t i = 0; i < ss->n_stores; i++) {
        struct store *st = &ss->stores[i];
        bool present = false;
        int err = folder_read(st, &present, why, why_len);
        if (err == DFS_EIO) {
            st->failed = true;
            unread = err;
            continue;
        }
        if (err)
            return err;
        if (!present)
            continue;
        if (any && (err = same_owner(ss, st, why, why_len)))
            return err;
        uint64_t epoch = max_u64(ss->identity.epoch, st->identity.epoch);
        if (!any || (!ss->identity.cluster_hi && !ss->identity.cluster_lo))
            ss->identity = st->identity;
        ss->identity.epoch = epoch;
        any = true;
    }
    if (!any && unread)
        return unread;
    if (!any) {
        ss->identity.uuid_hi = ss->cfg.uuid_hi;
        ss->identity.uuid_lo = ss->cfg.uuid_lo;
    }
    ss->saved_epoch = ss->identity.epoch;
    return 0;
}

static void identity_fill(struct ss *ss, struct store *st, uint8_t page[IDENTITY_SLOT])
{
    struct identity id = ss->identity;
    id.folder_hi = st->identity.folder_hi;
    id.folder_lo = st->identity.folder_lo;
    id.scrubbed = st->identity.scrubbed;
    id.cut = st->identity.cut;
    id.writes = st->identity.writes + 1;
    st->identity = id;
    identity_put(page, &id);
}

/* Where what was filled last belongs: write 1 goes to slot 0. */
static uint64_t slot_at(const struct store *st) { return (st->identity.writes + 1) % 2 * IDENTITY_SLOT; }

/* Both slots if the file is new: one flipped bit must not orphan a folder. */
static int slots_write(struct ss *ss, struct store *st, bool new, char *why, size_t why_len)
{
    uint8_t page[IDENTITY_SLOT];
    int err = 0;
    for (int i = 0; i <= new && !err; i++) {
        identity_fill(ss, st, page);
        err = st->disk->ops->write(st->disk, IDENTITY_NAME, slot_at(st), page, sizeof page);
    }
    if (!err)
        err = st->disk->ops->sync(st->disk, IDENTITY_NAME);
    if (!err && new)
        err = st->disk->ops->sync(st->disk, NULL);
    if (err)
        snprintf(why, why_len, "data folder %u: writing file \"%s\": %s", st->number, IDENTITY_NAME, dfs_strerror(err));
    return err;
}

int identity_create(struct ss *ss, char *why, size_t why_len)
{
    int err = 0;
    for (uint32_t i = 0; i < ss->n_stores && !err; i++) {
        struct store *st = &ss->stores[i];
        if (st->identity.writes || st->failed)
            continue;
        st->identity.folder_hi = rng_next(&ss->rng);
        st->identity.folder_lo = rng_next(&ss->rng) ^ mix64(ss->cfg.uuid_lo + i);
        err = slots_write(ss, st, true, why, why_len);
    }
    return err;
}

int identity_keep(struct ss *ss, struct store *st, char *why, size_t why_len)
{
    return slots_write(ss, st, false, why, why_len);
}

void identity_turn(struct ss *ss, struct now now, struct effects *fx)
{
    if (ss->identity_writes || now.mono < ss->identity_next ||
        (!ss->identity_dirty && !ss->identity_rounds && !ss->scrub_dirty))
        return;
    /* both slots get to know; of where scrub is, one will do */
    ss->identity_rounds = ss->identity_dirty ? 1 : ss->identity_rounds ? ss->identity_rounds - 1 : 0;
    ss->identity_dirty = ss->scrub_dirty = false;
    ss->written_epoch = ss->identity.epoch;
    for (uint32_t i = 0; i < ss->n_stores; i++) {
        struct store *st = &ss->stores[i];
        if (st->failed)
            continue;
        struct buf *page = buf_new(IDENTITY_SLOT);
        if (!page) {
            ss->identity_dirty = true;
            continue;
        }
        struct disk_op *op = ss_disk_op(st, DISK_WRITE, IDENTITY_NAME, 1, token_make(TOKEN_IDENTITY, i, 0));
        identity_fill(ss, st, page->data);
        op->offset = slot_at(st);
        op->flush = true;
        op->data[0] = slice_take(page, 0, IDENTITY_SLOT);
        ss->identity_writes++;
        fx_disk(fx, op);
    }
}

void identity_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    struct store *st = &ss->stores[token_a(ev->token)];
    if (store_passes(ev->status)) {
        ss->identity_dirty = true;
        ss->identity_next = ev->now.mono + FULL_RETRY;
    } else if (ev->status) {
        store_fail(ss, st, ev->status, "writing the identity", fx);
    }
    if (--ss->identity_writes || ss->identity_dirty)
        return;
    ss->saved_epoch = ss->written_epoch;
    ss->identity_saved = true;
}
