/* SPDX-License-Identifier: MIT */
#include "store/tool.h"

#include <stdlib.h>

#include "base/crc.h"
#include "store/impl.h"
#include "store/scan.h"

struct file {
    uint64_t id, size;
};

struct folder {
    struct disk *disk;
    struct file *v;
    uint32_t n, cap;
    struct identity identity;
};

static void on_file(void *arg, const char *name, uint64_t size)
{
    struct folder *f = arg;
    uint64_t id;
    if (!segment_parse_name(name, &id))
        return;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->v = xrealloc(f->v, f->cap, sizeof *f->v);
    }
    f->v[f->n++] = (struct file){id, size};
}

static int by_id(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int folder_open(struct folder *f, struct disk *d, char *why, size_t why_len)
{
    uint8_t p[2 * IDENTITY_SLOT] = {0};
    size_t got;
    *f = (struct folder){.disk = d};
    int err = d->ops->read(d, IDENTITY_NAME, 0, p, sizeof p, &got);
    if (!err)
        err = identity_parse(p, &f->identity);
    if (!err)
        err = d->ops->list(d, on_file, f);
    if (err)
        snprintf(why, why_len, "file \"%s\": %s", IDENTITY_NAME,
                 err == DFS_ENOENT ? "is missing: not a data folder of a StorageServer" : dfs_strerror(err));
    if (f->n)
        qsort(f->v, f->n, sizeof *f->v, by_id);
    return err;
}

static int folder_scan(const struct folder *f, uint32_t i, char *name, size_t name_len, struct scan *sc)
{
    *sc = (struct scan){.header = {.cluster_hi = f->identity.cluster_hi,
                                   .cluster_lo = f->identity.cluster_lo,
                                   .uuid_hi = f->identity.uuid_hi,
                                   .uuid_lo = f->identity.uuid_lo}};
    segment_name(name, name_len, f->v[i].id);
    return segment_scan(f->disk, name, f->v[i].id, f->v[i].size, sc);
}

/* --- dump --- */

static const char *kind_name(uint8_t kind)
{
    switch (kind) {
    case RECORD_DATA:
        return "data";
    case RECORD_DELETE:
        return "delete";
    case RECORD_TRUNCATE:
        return "truncate";
    case RECORD_PUNCH:
        return "punch";
    case RECORD_SEAL:
        return "seal";
    case RECORD_WRITER:
        return "writer";
    default:
        return "unknown";
    }
}

static void dump_record(FILE *out, const struct record *r, bool json, bool first)
{
    const char *format = json ? "%s{\"position\":%u,\"kind\":\"%s\",\"chunk\":%" PRIu64
                                ",\"version\":%u,\"sequence\":%" PRIu64 ",\"copy\":%" PRIu64
                                ",\"offset\":%u,\"length\":%u,\"file\":%" PRIu64 ",\"index\":%u}"
                              : "%s  %10u %-6s chunk=%" PRIu64 " version=%u sequence=%" PRIu64 " copy=%" PRIu64
                                " offset=%u length=%u file=%" PRIu64 " index=%u\n";
    fprintf(out, format, json && !first ? "," : "", r->position, kind_name(r->kind), r->chunk, r->version, r->sequence,
            r->copy, r->offset, r->length, r->file, r->index);
}

static void dump_segment(FILE *out, const char *name, const struct scan *sc, int err, bool json, bool first)
{
    const char *state = err ? "unreadable" : sc->empty ? "empty" : sc->closed ? "sealed" : "open";
    const char *class = sc->header.class == CLASS_LARGE ? "large" : "small";
    if (json)
        fprintf(out,
                "%s{\"file\":\"%s\",\"state\":\"%s\",\"class\":\"%s\",\"size\":%" PRIu64
                ",\"end\":%u,\"damaged\":%u,\"torn\":%u,\"records\":[",
                first ? "" : ",", name, state, class, sc->size, sc->end, sc->n_damage, sc->torn ? 1U : 0U);
    else
        fprintf(out, "%s %s %s size=%" PRIu64 " end=%u records=%u damaged=%u torn=%u\n", name, state, class, sc->size,
                sc->end, sc->n_records, sc->n_damage, sc->torn ? 1U : 0U);
    for (uint32_t i = 0; i < sc->n_records; i++)
        dump_record(out, &sc->records[i], json, i == 0);
    if (json)
        fputs("]}", out);
}

int tool_dump(struct disk *d, FILE *out, bool json, char *why, size_t why_len)
{
    struct folder f;
    int err = folder_open(&f, d, why, why_len);
    const struct identity *id = &f.identity;
    const char *format = json ? "{\"server\":%u,\"cluster\":\"%016" PRIx64 "%016" PRIx64 "\",\"uuid\":\"%016" PRIx64
                                "%016" PRIx64 "\",\"epoch\":%" PRIu64 ",\"segments\":["
                              : "server=%u cluster=%016" PRIx64 "%016" PRIx64 " uuid=%016" PRIx64 "%016" PRIx64
                                " epoch=%" PRIu64 "\n";
    if (!err)
        fprintf(out, format, id->server, id->cluster_hi, id->cluster_lo, id->uuid_hi, id->uuid_lo, id->epoch);
    for (uint32_t i = 0; i < f.n && !err; i++) {
        char name[DISK_NAME_MAX + 1];
        struct scan sc;
        int bad = folder_scan(&f, i, name, sizeof name, &sc);
        dump_segment(out, name, &sc, bad, json, i == 0);
        scan_free(&sc);
    }
    if (json && !err)
        fputs("]}\n", out);
    free(f.v);
    return err;
}

/* --- check --- */

struct check {
    struct ss *ss;
    FILE *out;
    bool json;
    uint64_t damage, bytes;
    uint32_t slot;
    uint8_t *buf;
};

static void found(struct check *k, const char *name, uint64_t position, uint64_t chunk, const char *what)
{
    fprintf(k->out,
            k->json ? "%s{\"file\":\"%s\",\"offset\":%" PRIu64 ",\"chunk\":%" PRIu64 ",\"what\":\"%s\"}"
                    : "%sfile=%s offset=%" PRIu64 " chunk=%" PRIu64 " what=\"%s\"\n",
            k->json && k->damage ? "," : "", name, position, chunk, what);
    k->damage++;
}

static bool runs_good(struct check *k, const struct record *r, const struct runs *runs, const struct record_layout *l)
{
    const uint8_t *crcs = k->buf + RECORD_HEADER;
    for (uint32_t i = 0; i < runs->n; i++) {
        struct range g = run_range(r, &runs->v[i]);
        struct payload p = payload_of(slice_copy(k->buf + (l->payload - r->position) + g.off, g.len));
        bool good = crcs_match(&p, r->offset + g.off, crcs + 4ULL * runs->v[i].first);
        payload_drop(&p);
        k->bytes += g.len;
        if (!good)
            return false;
    }
    return true;
}

/* Every record of which something is live is read and verified. */
static int check_records(struct check *k, const struct segment *s, const struct scan *sc, const char *name)
{
    struct disk *d = k->ss->stores[0].disk;
    struct runs runs = {0};
    int err = 0;
    for (uint32_t i = 0; i < sc->n_records && !err; i++) {
        const struct record *r = &sc->records[i];
        struct record_layout l = record_layout(s->header.class, r->position, r->offset, r->length);
        size_t got = 0, len = l.payload + r->length - r->position;
        if (r->kind != RECORD_DATA)
            continue;
        record_live(k->ss, s->slot, r, &runs);
        if (!runs.n || len > CLEAN_WINDOW)
            continue;
        err = d->ops->read(d, name, r->position, k->buf, len, &got);
        if (err == DFS_EIO) {
            found(k, name, r->position, r->chunk, "cannot be read");
            err = 0;
        } else if (!err && (got < len || !runs_good(k, r, &runs, &l))) {
            found(k, name, r->position, r->chunk, "data do not fit their checksums");
        }
    }
    free(runs.v);
    return err;
}

#define NOTHING_READ "nothing of it can be read"

static int check_segment(struct check *k, const struct folder *f, uint32_t i)
{
    char name[DISK_NAME_MAX + 1];
    struct scan sc;
    int err = folder_scan(f, i, name, sizeof name, &sc);
    if (err == DFS_ECORRUPT) {
        found(k, name, 0, 0, NOTHING_READ);
        scan_free(&sc);
        return 0;
    }
    struct segment *s = segment_at(k->ss, k->slot++); /* recovery took them in the same order, and left out the same */
    for (uint32_t n = 0; !err && n < sc.n_damage; n++)
        found(k, name, sc.damage[n].position, sc.damage[n].known ? sc.damage[n].chunk : 0, "a record is damaged");
    if (!err && sc.header_damaged)
        found(k, name, 0, 0, "the segment's header is damaged");
    if (!err && !sc.empty && s)
        err = check_records(k, s, &sc, name);
    scan_free(&sc);
    return err;
}

int tool_check(struct disk *d, FILE *out, bool json, uint64_t *damage, char *why, size_t why_len)
{
    struct folder f;
    struct check k = {.out = out, .json = json, .buf = malloc(CLEAN_WINDOW)};
    int err = folder_open(&f, d, why, why_len);
    if (!err)
        err = k.buf ? ss_look(d, &k.ss, why, why_len) : DFS_ENOMEM;
    if (!err && json)
        fputs("{\"damage\":[", out);
    for (uint32_t i = 0; i < f.n && !err; i++)
        err = check_segment(&k, &f, i);
    if (err && !why[0])
        snprintf(why, why_len, "%s", dfs_strerror(err));
    if (!err)
        fprintf(out,
                json ? "],\"segments\":%u,\"chunks\":%u,\"live_bytes\":%" PRIu64 ",\"damaged\":%" PRIu64 "}\n"
                     : "segments=%u chunks=%u live_bytes=%" PRIu64 " damaged=%" PRIu64 "\n",
                f.n, k.ss->index.n, k.bytes, k.damage);
    *damage = k.damage;
    ss_close(k.ss);
    free(k.buf);
    free(f.v);
    return err;
}

/* --- rebuild --- */

#define REWRITES 16u /* summaries written at a time: their flushes cost little more than that of one */

struct rewrite { /* a segment that gets its summary anew */
    char name[DISK_NAME_MAX + 1];
    uint32_t end, position, len;
    struct buf *buf;
};

static int rewrite_prepare(struct rewrite *w, const char *name, const struct scan *sc)
{
    struct segment s = {.header = sc->header, .seed = segment_seed(&sc->header), .end = sc->end};
    for (uint32_t i = 0; i < sc->n_records; i++) {
        segment_note(&s, &sc->records[i]);
        s.last = sc->records[i].position;
        s.last_chunk = sc->records[i].chunk;
    }
    uint64_t size = round_up(s.end, RECORD_ALIGN) + summary_size(s.n_records);
    snprintf(w->name, sizeof w->name, "%s", name);
    w->end = s.end;
    w->buf = size > UINT32_MAX ? NULL : segment_summary(&s, (uint32_t)size, &w->position, &w->len);
    free(s.entries);
    return w->buf ? 0 : DFS_ENOMEM;
}

/* All that is done to one of them is durable before the next is done to any. */
static int rewrite_all(struct disk *d, struct rewrite *v, uint32_t n, const char **name)
{
    int err = 0;
    for (uint32_t step = 0; step < 4; step++)
        for (uint32_t i = 0; i < n && !err; i++) {
            *name = v[i].name;
            if (step == 0)
                err = d->ops->truncate(d, v[i].name, v[i].end);
            else if (step == 2)
                err = d->ops->write(d, v[i].name, v[i].position, v[i].buf->data, v[i].len);
            else /* first before anything says that it ends here */
                err = d->ops->sync(d, v[i].name);
        }
    for (uint32_t i = 0; i < n; i++)
        buf_unref(v[i].buf);
    return err;
}

int tool_rebuild(struct disk *d, FILE *out, uint64_t *damage, char *why, size_t why_len)
{
    struct folder f;
    struct rewrite todo[REWRITES];
    uint32_t n = 0, written = 0, open = 0;
    int err = folder_open(&f, d, why, why_len);
    *damage = 0;
    for (uint32_t i = 0; i < f.n && !err; i++) {
        char name[DISK_NAME_MAX + 1];
        struct scan sc;
        err = folder_scan(&f, i, name, sizeof name, &sc);
        if (err == DFS_ECORRUPT) {
            fprintf(out, "file=%s what=\"" NOTHING_READ "; left as it is\"\n", name);
            *damage += 1;
            sc.empty = true; /* nothing to do */
            err = 0;
        }
        bool sealed = !err && !sc.empty && (sc.closed || round_up(sc.size, RECORD_ALIGN) <= sc.end);
        if (!err && (sc.n_damage || sc.header_damaged)) {
            fprintf(out, "file=%s damaged=%u what=\"left as it is\"\n", name, sc.n_damage);
            *damage += sc.n_damage + sc.header_damaged;
        } else if (sealed && !(err = rewrite_prepare(&todo[n], name, &sc))) {
            n++;
        } else if (!err && !sc.empty) {
            open++; /* a start of the server ends it */
        }
        scan_free(&sc);
        const char *at = name;
        if (n == REWRITES || i + 1 == f.n || err) {
            int failed = rewrite_all(d, todo, n, &at);
            err = err ? err : failed;
            written += failed ? 0 : n;
            n = 0;
        }
        if (err)
            snprintf(why, why_len, "file \"%s\": %s", at, dfs_strerror(err));
    }
    if (!err)
        fprintf(out, "segments=%u rebuilt=%u open=%u damaged=%" PRIu64 "\n", f.n, written, open, *damage);
    free(f.v);
    return err;
}
