/* SPDX-License-Identifier: MIT */
#include "sim/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"
#include "meta/meta.h"
#include "store/impl.h"

static struct sim *sim_of(const struct work *w) { return w->cluster->sim; }

bool run_until(struct work *w, bool (*done)(struct work *w), uint64_t limit, const char *what)
{
    struct sim *s = sim_of(w);
    uint64_t end = s->now + limit;
    while (!done(w)) {
        if (!sim_step(s)) {
            sim_fail(s, "nothing happens any more while waiting for %s", what);
            return false;
        }
        if (s->now > end) {
            sim_fail(s, "%" PRIu64 " s were not enough for %s", (uint64_t)(limit / NS_PER_SEC), what);
            return false;
        }
    }
    return !s->failed;
}

/* --- reading everything back --- */

static bool tree_says(const struct tree *t, struct call *c)
{
    const struct tree_entry *e = tree_find(t, c->op.path);
    if (!e)
        return c->status == DFS_ENOENT;
    if (c->status)
        return false;
    if (c->op.kind == OP_GET)
        return value_is(e->value, c->got.p, c->got.len);
    if (c->op.kind == OP_READDIR)
        return c->listed.n == tree_count(t, c->op.path);
    return c->attr.type == e->type && (e->type != DFS_SYMLINK || strcmp(c->target, e->target) == 0);
}

/* Whether what is stored is this tree; `all` holds every path worth a look. */
static bool stored_is(struct work *w, struct call *c, const struct tree *t, const struct tree *all, bool complain)
{
    for (uint32_t i = 0; i < all->n && !sim_of(w)->failed; i++) {
        const struct tree_entry *e = tree_find(t, all->v[i].path);
        enum client_op_kind kind = !e                         ? OP_STAT
                                   : e->type == DFS_FILE      ? OP_GET
                                   : e->type == DFS_DIRECTORY ? OP_READDIR
                                                              : OP_STAT;
        int status = call_wait(w, c, kind, all->v[i].path);
        w->audited++;
        if (tree_says(t, c))
            continue;
        if (complain)
            sim_fail(sim_of(w), "audit of %s: %s, %s%zu bytes, %u names: not what was acknowledged", c->op.path,
                     status ? dfs_errname(status) : "ok", c->got.len >= 8 ? "other content, " : "", c->got.len,
                     c->listed.n);
        return false;
    }
    return true;
}

static void audit_tainted(struct work *w, struct call *c, const struct tainted *t)
{
    struct tree all = t->before;
    for (uint32_t i = 0; i < t->after.n && all.n < TREE_MAX; i++)
        if (!tree_find(&all, t->after.v[i].path))
            all.v[all.n++] = t->after.v[i];
    if (!stored_is(w, c, &t->before, &all, false) && !stored_is(w, c, &t->after, &all, false))
        sim_fail(sim_of(w),
                 "audit of %s: neither the state before the operation with unknown outcome nor the one after",
                 t->before.n ? t->before.v[0].path : "?");
}

void audit_files(struct work *w)
{
    struct call *c = &w->own;
    for (uint32_t i = 0; i < w->n_actors && !sim_of(w)->failed; i++)
        if (w->actors[i].has_root)
            (void)stored_is(w, c, &w->actors[i].tree, &w->actors[i].tree, true);
    for (uint32_t i = 0; i < w->n_tainted && !sim_of(w)->failed; i++)
        audit_tainted(w, c, &w->tainted[i]);
    for (uint32_t i = 0; i < WORK_SHARED && !sim_of(w)->failed; i++) {
        int status = call_wait(w, c, OP_GET, w->shared[i].path);
        w->audited++;
        const void *p = status == 0 ? (c->got.p ? c->got.p : (const uint8_t *)"") : NULL;
        if ((status && status != DFS_ENOENT) || !reg_read(&w->shared[i], c->start, sim_of(w)->now, p, c->got.len))
            sim_fail(sim_of(w), "audit of %s: %s is not what can be there", c->op.path,
                     status ? dfs_errname(status) : "this content");
    }
    delegate_audit(w);
}

/* --- tables and replicas --- */

/* Reports, comparing, a grace, waits after failures. */
#define GOALS_LIMIT (120 * NS_PER_SEC)

struct held {
    uint64_t chunk;
    uint32_t version, length;
};

struct holding {
    struct held *v;
    uint32_t n, cap;
};

static void on_chunk(void *arg, uint64_t chunk, uint32_t version, uint32_t length)
{
    struct holding *h = arg;
    if (h->n == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 64;
        h->v = xrealloc(h->v, h->cap, sizeof *h->v);
    }
    h->v[h->n++] = (struct held){chunk, version, length};
}

static const struct held *held_find(const struct holding *h, uint64_t chunk)
{
    for (uint32_t i = 0; i < h->n; i++)
        if (h->v[i].chunk == chunk)
            return &h->v[i];
    return NULL;
}

/* Walks the name space inside the NameServer: fills hash with all it answers, and checks each chunk's replicas. */
struct walk {
    struct work *w;
    const struct meta *meta;
    struct holding *holdings; /* per StorageServer, or NULL: replicas are not checked */
    uint64_t hash;
    uint32_t files, chunks;
};

static void mix_bytes(struct walk *k, const void *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        k->hash = mix64(k->hash ^ ((const uint8_t *)p)[i]);
}

static struct holding *holding_of(struct walk *k, uint32_t server)
{
    uint32_t at = cluster_server(k->w->cluster, server);
    return at < k->w->cluster->n_servers ? &k->holdings[at] : NULL;
}

/* Files written in place (all begin so): an editor that died keeps its handle until its session ends, and a restart seals what is open. */
static bool is_edited(const char *path) { return strncmp(path, "/shared/e", 9) == 0; }

static void walk_chunk(struct walk *k, const char *path, const struct wire_chunk_loc *loc)
{
    uint64_t words[] = {loc->chunk, loc->version, loc->length, loc->crc}; /* where it is, repair may change */
    if (!is_edited(path))
        mix_bytes(k, words, sizeof words);
    k->chunks++;
    if (!k->holdings || loc->open)
        return;
    uint32_t there = 0;
    for (uint32_t i = 0; i < loc->n_replicas; i++) {
        struct holding *h = holding_of(k, loc->replicas[i].server);
        const struct held *held = h ? held_find(h, loc->chunk) : NULL;
        if (!h)
            continue; /* lost, and not replaced, as servers are too few */
        there++;
        if (!held || held->version < loc->version || (held->version > loc->version && !is_edited(path)) ||
            held->length != loc->length)
            sim_fail(sim_of(k->w), "chunk %" PRIx64 " of %s: server %u %s", loc->chunk, path, loc->replicas[i].server,
                     held ? "holds another version or length" : "does not hold it");
    }
    if (there < 2)
        sim_fail(sim_of(k->w), "chunk %" PRIx64 " of %s has %u replicas", loc->chunk, path, there);
}

static void walk_file(struct walk *k, const char *path)
{
    struct arena a;
    arena_init(&a, WIRE_ARENA_MAX);
    struct msg req = {.type = MSG_TYPE_locate, .locate = {.dir = ROOT_INO, .path = str_of(path), .limit = 4096}}, reply;
    int err = meta_read(k->meta, &req, &reply, &a);
    if (err)
        sim_fail(sim_of(k->w), "locate %s: %s", path, dfs_errname(err));
    for (uint32_t i = 0; !err && i < reply.locate_reply.n_chunks; i++)
        walk_chunk(k, path, &reply.locate_reply.chunks[i]);
    k->files++;
    arena_close(&a);
}

static void walk_directory(struct walk *k, const char *path)
{
    struct arena a;
    arena_init(&a, WIRE_ARENA_MAX);
    struct msg req = {.type = MSG_TYPE_readdir,
                      .readdir = {.dir = ROOT_INO, .path = str_of(path), .limit = 4096, .attrs = 1}},
               reply;
    int err = meta_read(k->meta, &req, &reply, &a);
    if (err)
        sim_fail(sim_of(k->w), "readdir of '%s': %s", path, dfs_errname(err));
    for (uint32_t i = 0; !err && i < reply.readdir_reply.n_entries; i++) {
        const struct wire_dirent *e = &reply.readdir_reply.entries[i];
        char child[2 * SIM_PATH_MAX];
        snprintf(child, sizeof child, "%s/%.*s", path, STR_ARG(e->name));
        uint64_t words[] = {e->attr.ino,  e->attr.generation, e->attr.size, (uint64_t)e->attr.mtime_ns,
                            e->attr.mode, e->attr.type};
        mix_bytes(k, child, strlen(child));
        if (!is_edited(child))
            mix_bytes(k, words, sizeof words);
        if (e->attr.type == INODE_DIRECTORY)
            walk_directory(k, child);
        else if (e->attr.type == INODE_FILE)
            walk_file(k, child);
    }
    arena_close(&a);
}

static void holdings_take(struct cluster *c, struct holding *h)
{
    for (uint32_t i = 0; i < c->n_servers; i++) {
        h[i].n = 0;
        ss_each_chunk(cluster_ss(c, i)->ss, on_chunk, &h[i]);
    }
}

static void holdings_free(struct holding *h)
{
    for (uint32_t i = 0; i < CLUSTER_SERVERS; i++)
        free(h[i].v);
}

/* Every chunk has as many copies as its goal says and there are servers for; each server holds what the map says. */
struct goals {
    struct cluster *c;
    const struct meta *meta;
    struct holding *holdings;
    bool bytes; /* are looked at, too */
    bool restored;
    char why[160];
};

/* The checksum of a chunk's bytes as they are on this server's disks. */
static uint32_t crc_on_disk(struct node *n, uint64_t chunk)
{
    const struct chunk *c = index_find(&n->ss->index, chunk);
    uint32_t length = c ? chunk_length(c) : 0;
    uint8_t *bytes = xcalloc(length + 1, 1);
    for (uint32_t i = 0; c && i < c->n; i++) {
        struct extent e = chunk_extent(c, i);
        const struct segment *s = segment_at(n->ss, e.segment);
        struct record_layout l = record_layout(s->header.class, e.position, e.rec_off, e.rec_len);
        char name[DISK_NAME_MAX + 1];
        size_t got = 0;
        segment_name(name, sizeof name, s->header.id);
        if (!e.hole && n->disks[c->disk]->ops->read(n->disks[c->disk], name, l.payload + (e.off - e.rec_off),
                                                    bytes + e.off, e.len, &got) != 0)
            sim_say(n->cluster->sim, n->name, "a segment cannot be read");
    }
    uint32_t crc = crc32c(0, bytes, length);
    free(bytes);
    return crc;
}

static bool on_mapped(void *arg, const struct meta_chunk_info *i)
{
    struct goals *g = arg;
    struct meta_placement p;
    if (i->removed || i->open || !meta_placement_get(g->meta, i->placement, &p))
        return true;
    if (p.live != min_u64(p.goal, g->c->n_servers) || p.n > p.goal) { /* where servers are too few, one that is lost is not replaced */
        snprintf(g->why, sizeof g->why, "chunk %" PRIx64 " has %u copies on %u servers, goal %u", i->chunk, p.live, p.n,
                 p.goal);
        g->restored = false;
    }
    for (uint32_t s = 0; s < p.n && g->restored; s++) {
        uint32_t at = cluster_server(g->c, p.servers[s]);
        if (at == g->c->n_servers)
            continue; /* lost: of those that are there all hold it, as p.live says */
        const struct held *held = held_find(&g->holdings[at], i->chunk);
        bool fits = held && held->length == i->length; /* what began a version that was never logged holds the same */
        struct node *n = cluster_ss(g->c, at);
        bool looked_at = g->bytes && n != g->c->rotten; /* a wrong bit may not have been found yet: nobody is given it */
        if (fits && held->version >= i->version && (!looked_at || crc_on_disk(n, i->chunk) == i->crc))
            continue;
        snprintf(g->why, sizeof g->why,
                 "chunk %" PRIx64 " on server %u is at version %u with %u bytes, in the map at %u with %u%s", i->chunk,
                 p.servers[s], held ? held->version : 0, held ? held->length : 0, i->version, i->length,
                 g->bytes ? ", or has other bytes" : "");
        g->restored = false;
    }
    return g->restored;
}

static bool goals_restored(struct cluster *c, bool bytes, char *why, size_t len)
{
    struct holding h[CLUSTER_SERVERS] = {0};
    struct goals g = {
        .c = c, .holdings = h, .bytes = bytes, .restored = cluster_whole(c), .why = "a server is not there"};
    uint64_t cursor = 0;
    if (g.restored) {
        g.meta = nm_meta(cluster_nm(c)->nm);
        holdings_take(c, h);
        while (meta_chunk_scan(g.meta, &cursor, 1u << 20, on_mapped, &g) && g.restored)
            ;
    }
    holdings_free(h);
    snprintf(why, len, "%s", g.why);
    return g.restored;
}

void audit_goals(struct work *w)
{
    struct sim *s = sim_of(w);
    char why[160] = "";
    for (uint64_t end = s->now + GOALS_LIMIT; !goals_restored(w->cluster, false, why, sizeof why) && !s->failed;) {
        if (s->now > end)
            sim_fail(s, "%d s were not enough to restore all goals: %s", (int)(GOALS_LIMIT / NS_PER_SEC), why);
        for (uint64_t next = s->now + NS_PER_SEC / 2; s->now < next && sim_step(s);)
            ;
    }
    if (!s->failed && !goals_restored(w->cluster, true, why, sizeof why))
        sim_fail(s, "a copy that counts has other bytes: %s", why);
}

static uint64_t walk_all(struct work *w, struct holding *holdings)
{
    struct walk k = {.w = w, .meta = nm_meta(cluster_nm(w->cluster)->nm), .holdings = holdings};
    walk_directory(&k, "");
    return k.hash;
}

void audit_tables(struct work *w)
{
    struct holding h[CLUSTER_SERVERS] = {0};
    char why[256] = "";
    audit_goals(w);
    int err = meta_verify(nm_meta(cluster_nm(w->cluster)->nm), why, sizeof why);
    if (err)
        sim_fail(sim_of(w), "the NameServer's tables do not fit: %s", why);
    holdings_take(w->cluster, h);
    (void)walk_all(w, h);
    holdings_free(h);
}

/* --- orphans --- */

/* Grants live for 8 s here, and the horizon follows within as much again. */
#define GRANTS_OVER (40 * NS_PER_SEC)

static bool orphan_free(struct work *w)
{
    struct cluster *c = w->cluster;
    struct holding h[CLUSTER_SERVERS] = {0};
    bool found = false;
    if (!cluster_whole(c))
        return false;
    holdings_take(c, h);
    for (uint32_t i = 0; i < c->n_servers; i++)
        for (uint32_t k = 0; k < h[i].n && !found; k++)
            found = !meta_knows_chunk(nm_meta(cluster_nm(c)->nm), h[i].v[k].chunk);
    holdings_free(h);
    return !found;
}

static bool orphans_go(struct work *w, uint64_t limit)
{
    struct sim *s = sim_of(w);
    for (uint64_t end = s->now + limit; !orphan_free(w);) {
        if (s->now >= end || s->failed)
            return false;
        for (uint64_t next = s->now + NS_PER_SEC; s->now < next && sim_step(s);)
            ;
    }
    return true;
}

void audit_orphans(struct work *w)
{
    if (orphans_go(w, GRANTS_OVER))
        return;
    /* a server reports what it holds when it starts, and every 10 minutes */
    for (uint32_t i = 0; i < w->cluster->n_servers; i++)
        node_crash(cluster_ss(w->cluster, i), false, 0);
    if (!orphans_go(w, 60 * NS_PER_SEC))
        sim_fail(sim_of(w), "chunks that no file maps are still there long after their grants ended");
}

/* --- restart --- */

static bool whole(struct work *w) { return cluster_whole(w->cluster); }

void audit_restart(struct work *w)
{
    struct cluster *c = w->cluster;
    uint64_t before = walk_all(w, NULL);
    cluster_check_states(c);
    for (uint32_t i = 0; i < cluster_no_clients(c); i++)
        node_crash(&c->nodes[i], true, 0);
    if (!run_until(w, whole, 60 * NS_PER_SEC, "the restarted cluster"))
        return;
    if (walk_all(w, NULL) != before)
        sim_fail(sim_of(w), "after a restart the name space is another");
    audit_tables(w);
}
