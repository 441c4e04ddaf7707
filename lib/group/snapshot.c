/* SPDX-License-Identifier: MIT */
#include "group/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"

#define MAGIC 0x504e534d4e534644ULL /* "DFSNMSNP" */
#define FORMAT_VERSION 1u
#define HEADER 64u
#define BLOCK_HEADER 12u
#define TRAILER 20u
#define MARK 20u

void snapshot_name(uint64_t index, uint64_t term, char *out)
{
    snprintf(out, DISK_NAME_MAX + 1, "snap-%016" PRIx64 "-%" PRIu64, index, term);
}

bool snapshot_parse(const char *name, uint64_t *index, uint64_t *term)
{
    char again[DISK_NAME_MAX + 1];

    if (sscanf(name, "snap-%16" SCNx64 "-%" SCNu64, index, term) != 2)
        return false;
    snapshot_name(*index, *term, again);
    return strcmp(name, again) == 0;
}

/* --- writing --- */

struct writer {
    struct disk *disk;
    uint64_t off;   /* in the file */
    uint64_t total; /* of the stream */
    uint32_t blocks;
    uint32_t len;   /* gathered in block */
    uint8_t *block; /* BLOCK_HEADER, then data */
};

static int put(struct writer *w, const void *p, size_t len)
{
    int err = w->disk->ops->write(w->disk, SNAPSHOT_TMP, w->off, p, len);

    w->off += len;
    return err;
}

static int block_flush(struct writer *w)
{
    if (w->len == 0)
        return 0;
    put_u32(w->block, w->len);
    put_u32(w->block + 4, w->blocks++);
    put_u32(w->block + 8, crc32c(crc32c(0, w->block, 8), w->block + BLOCK_HEADER, w->len));
    w->total += w->len;
    size_t size = BLOCK_HEADER + w->len;

    w->len = 0;
    return put(w, w->block, size);
}

static int on_bytes(void *arg, const void *p, size_t len)
{
    struct writer *w = arg;
    const uint8_t *from = p;

    while (len > 0) {
        size_t n = (size_t)min_u64(len, SNAPSHOT_BLOCK - w->len);

        memcpy(w->block + BLOCK_HEADER + w->len, from, n);
        w->len += (uint32_t)n;
        from += n;
        len -= n;
        if (w->len == SNAPSHOT_BLOCK) {
            int err = block_flush(w);

            if (err != 0)
                return err;
        }
    }
    return 0;
}

static int put_head(struct writer *w, const struct snapshot_info *info, const void *conf, uint32_t conf_len)
{
    uint8_t h[HEADER] = {0}, pad[8] = {0};
    int err;

    put_u64(h, MAGIC);
    put_u32(h + 8, FORMAT_VERSION);
    put_u32(h + 12, conf_len);
    put_u64(h + 16, info->cluster_hi);
    put_u64(h + 24, info->cluster_lo);
    put_u64(h + 32, info->index);
    put_u64(h + 40, info->term);
    put_u64(h + 48, info->conf_index);
    put_u32(h + 56, crc32c(0, conf, conf_len));
    put_u32(h + 60, crc32c(0, h, 60));
    err = put(w, h, sizeof h);
    if (err == 0)
        err = put(w, conf, conf_len);
    if (err == 0 && conf_len % 8 != 0)
        err = put(w, pad, 8 - conf_len % 8);
    return err;
}

static int put_trailer(struct writer *w)
{
    uint8_t t[TRAILER] = {0};

    put_u32(t + 4, w->blocks);
    put_u64(t + 8, w->total);
    put_u32(t + 16, crc32c(0, t, 16));
    return put(w, t, sizeof t);
}

/* An empty snap.tmp, whatever was there before. */
static int start_file(struct disk *disk)
{
    int err = disk->ops->write(disk, SNAPSHOT_TMP, 0, "", 0);

    return err != 0 ? err : disk->ops->truncate(disk, SNAPSHOT_TMP, 0);
}

int snapshot_write(struct disk *disk, const struct snapshot_info *info, const void *conf, uint32_t conf_len,
                   const struct meta *m)
{
    struct writer w = {.disk = disk, .block = xcalloc(1, BLOCK_HEADER + SNAPSHOT_BLOCK)};
    char name[DISK_NAME_MAX + 1];
    int err = start_file(disk);

    if (err == 0)
        err = put_head(&w, info, conf, conf_len);
    if (err == 0)
        err = meta_save(m, on_bytes, &w);
    if (err == 0)
        err = block_flush(&w);
    if (err == 0)
        err = put_trailer(&w);
    if (err == 0)
        err = disk->ops->sync(disk, SNAPSHOT_TMP);
    snapshot_name(info->index, info->term, name);
    if (err == 0)
        err = disk->ops->rename(disk, SNAPSHOT_TMP, name);
    free(w.block);
    return err;
}

struct sought {
    const char *name;
    uint64_t size;
};

static void on_file(void *arg, const char *name, uint64_t size)
{
    struct sought *s = arg;

    if (strcmp(name, s->name) == 0)
        s->size = size;
}

uint64_t snapshot_size(struct disk *disk, struct snapshot_ref ref)
{
    char name[DISK_NAME_MAX + 1];
    struct sought s = {.name = name};

    snapshot_name(ref.index, ref.term, name);
    return disk->ops->list(disk, on_file, &s) == 0 ? s.size : 0;
}

/* --- loading --- */

struct reader {
    struct disk *disk;
    const char *name;
    uint64_t off;
    uint64_t total;
    uint32_t blocks;
    uint32_t len, used; /* of block */
    uint8_t *block;
    uint32_t version;    /* of the format */
    bool foreign, ended; /* it does not begin like one; it ends too early */
};

static int get(struct reader *r, void *p, size_t len)
{
    size_t got = 0;
    int err = r->disk->ops->read(r->disk, r->name, r->off, p, len, &got);

    r->off += len;
    if (err != 0)
        return err;
    r->ended = got < len;
    return got == len ? 0 : DFS_ECORRUPT;
}

static int block_next(struct reader *r)
{
    uint8_t h[BLOCK_HEADER];
    int err = get(r, h, sizeof h);
    uint32_t len = get_u32(h);

    if (err != 0)
        return err;
    if (len == 0 || len > SNAPSHOT_BLOCK || get_u32(h + 4) != r->blocks)
        return DFS_ECORRUPT;
    err = get(r, r->block, len);
    if (err != 0)
        return err;
    if (crc32c(crc32c(0, h, 8), r->block, len) != get_u32(h + 8))
        return DFS_ECORRUPT;
    r->blocks++;
    r->total += len;
    r->len = len;
    r->used = 0;
    return 0;
}

static int on_want(void *arg, void *p, size_t len)
{
    struct reader *r = arg;
    uint8_t *to = p;

    while (len > 0) {
        size_t n;

        if (r->used == r->len) {
            int err = block_next(r);

            if (err != 0)
                return err;
        }
        n = (size_t)min_u64(len, r->len - r->used);
        memcpy(to, r->block + r->used, n);
        r->used += (uint32_t)n;
        to += n;
        len -= n;
    }
    return 0;
}

static int get_head(struct reader *r, struct snapshot_info *info, struct slice *conf)
{
    uint8_t h[HEADER] = {0};
    uint32_t conf_len;
    int err = get(r, h, sizeof h);

    r->foreign = get_u64(h) != MAGIC;
    if (err != 0)
        return err;
    if (r->foreign || get_u32(h + 60) != crc32c(0, h, 60))
        return DFS_ECORRUPT;
    r->version = get_u32(h + 8);
    if (r->version != FORMAT_VERSION)
        return DFS_EVERSION;
    conf_len = get_u32(h + 12);
    *info = (struct snapshot_info){.cluster_hi = get_u64(h + 16),
                                   .cluster_lo = get_u64(h + 24),
                                   .index = get_u64(h + 32),
                                   .term = get_u64(h + 40),
                                   .conf_index = get_u64(h + 48)};
    if (conf_len == 0 || conf_len > SNAPSHOT_CONF_MAX)
        return DFS_ECORRUPT;
    struct buf *b = buf_new(conf_len + 8);

    if (b == NULL)
        return DFS_ENOMEM;
    *conf = slice_take(b, 0, conf_len);
    err = get(r, b->data, (size_t)round_up(conf_len, 8));
    if (err != 0)
        return err;
    for (uint32_t i = conf_len; i < round_up(conf_len, 8); i++)
        if (b->data[i] != 0)
            return DFS_ECORRUPT;
    return crc32c(0, b->data, conf_len) == get_u32(h + 56) ? 0 : DFS_ECORRUPT;
}

static int get_trailer(struct reader *r)
{
    uint8_t t[TRAILER + 1];
    size_t got = 0;
    int err;

    if (r->used != r->len)
        return DFS_ECORRUPT;
    err = r->disk->ops->read(r->disk, r->name, r->off, t, sizeof t, &got);
    r->off += got;
    r->ended = got < TRAILER;
    if (err != 0)
        return err;
    return got == TRAILER && get_u32(t) == 0 && get_u32(t + 4) == r->blocks && get_u64(t + 8) == r->total &&
                   get_u32(t + 16) == crc32c(0, t, 16)
               ? 0
               : DFS_ECORRUPT;
}

/* Through all blocks, without a look at what they hold. */
static int skip_blocks(struct reader *r)
{
    for (;;) {
        uint8_t len[4];
        int err = get(r, len, sizeof len);

        if (err != 0)
            return err;
        r->off -= sizeof len;
        r->used = r->len;
        if (get_u32(len) == 0)
            return 0;
        err = block_next(r);
        if (err != 0)
            return err;
    }
}

static int load(struct reader *r, struct snapshot_info *info, struct slice *conf, struct meta **m)
{
    int err;

    *conf = (struct slice){0};
    if (m != NULL)
        *m = NULL;
    err = get_head(r, info, conf);
    if (err == 0 && m != NULL) {
        *m = meta_new();
        err = *m != NULL ? meta_load(*m, on_want, r) : DFS_ENOMEM;
    } else if (err == 0) {
        err = skip_blocks(r);
    }
    if (err == 0)
        err = get_trailer(r);
    if (err != 0) {
        slice_drop(conf);
        if (m != NULL && *m != NULL)
            meta_free(*m);
        if (m != NULL)
            *m = NULL;
    }
    return err;
}

int snapshot_load(struct disk *disk, const char *name, struct snapshot_info *info, struct slice *conf, struct meta **m)
{
    struct reader r = {.disk = disk, .name = name, .block = xcalloc(1, SNAPSHOT_BLOCK)};
    uint64_t index, term;
    int err = load(&r, info, conf, m);

    free(r.block);
    if (err == 0 && (!snapshot_parse(name, &index, &term) || info->index != index || info->term != term)) {
        slice_drop(conf);
        meta_free(*m);
        *m = NULL;
        err = DFS_ECORRUPT;
    }
    return err;
}

int snapshot_load_any(struct disk *disk, const char *name, struct snapshot_info *info, struct slice *conf,
                      struct meta **m, char *why, size_t why_len)
{
    struct reader r = {.disk = disk, .name = name, .block = xcalloc(1, SNAPSHOT_BLOCK)};
    int err = load(&r, info, conf, m);

    free(r.block);
    if (err == DFS_EVERSION)
        snprintf(why, why_len, "it has format version %u; this release reads version %u", r.version, FORMAT_VERSION);
    else if (err == DFS_ECORRUPT && r.foreign)
        snprintf(why, why_len, "it is no backup of a NameServer");
    else if (err == DFS_ECORRUPT && r.ended)
        snprintf(why, why_len, "it is cut short: it ends before byte %" PRIu64, r.off);
    else if (err == DFS_ECORRUPT)
        snprintf(why, why_len, "it is damaged before byte %" PRIu64, r.off);
    else if (err != 0)
        snprintf(why, why_len, "%s", dfs_strerror(err));
    return err;
}

/* --- a snapshot from another --- */

int install_begin(struct disk *disk, uint64_t index, uint64_t term)
{
    uint8_t p[MARK];
    int err;

    put_u64(p, index);
    put_u64(p + 8, term);
    put_u32(p + 16, crc32c(0, p, 16));
    err = disk->ops->write(disk, INSTALL_MARK, 0, p, sizeof p);
    if (err == 0)
        err = disk->ops->sync(disk, INSTALL_MARK);
    return err != 0 ? err : disk->ops->sync(disk, NULL);
}

bool install_marked(struct disk *disk, uint64_t *index, uint64_t *term)
{
    uint8_t p[MARK];
    size_t got = 0;

    if (disk->ops->read(disk, INSTALL_MARK, 0, p, sizeof p, &got) != 0 || got != sizeof p ||
        get_u32(p + 16) != crc32c(0, p, 16))
        return false;
    *index = get_u64(p);
    *term = get_u64(p + 8);
    return true;
}

int install_end(struct disk *disk) { return disk->ops->unlink(disk, INSTALL_MARK); }
