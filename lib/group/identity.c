/* SPDX-License-Identifier: MIT */
#include "group/identity.h"

#include "base/crc.h"

#define IDENTITY_MAGIC 0x5444494d4e534644ULL /* "DFSNMIDT" */
#define VOTE_MAGIC 0x544f564d4e534644ULL     /* "DFSNMVOT" */
#define FORMAT_VERSION 1u
#define RECORD 64u
#define RECORD_CRC 60u

static void record_seal(uint8_t p[RECORD], uint64_t magic, uint32_t word)
{
    put_u64(p, magic);
    put_u32(p + 8, FORMAT_VERSION);
    put_u32(p + 12, word);
    put_u32(p + RECORD_CRC, crc32c(0, p, RECORD_CRC));
}

static bool record_valid(const uint8_t p[RECORD], uint64_t magic)
{
    return get_u64(p) == magic && get_u32(p + 8) == FORMAT_VERSION &&
           get_u32(p + RECORD_CRC) == crc32c(0, p, RECORD_CRC);
}

/* Writes and flushes. */
static int put_durably(struct disk *disk, const char *name, uint64_t off, const uint8_t p[RECORD])
{
    int err = disk->ops->write(disk, name, off, p, RECORD);

    return err != 0 ? err : disk->ops->sync(disk, name);
}

int identity_begin(struct disk *disk, const struct identity *id)
{
    uint8_t p[RECORD] = {0};
    int err;

    put_u64(p + 16, id->cluster_hi);
    put_u64(p + 24, id->cluster_lo);
    put_u64(p + 32, id->uuid_hi);
    put_u64(p + 40, id->uuid_lo);
    record_seal(p, IDENTITY_MAGIC, id->raft_id);
    err = put_durably(disk, IDENTITY_NEW, 0, p);
    return err != 0 ? err : disk->ops->sync(disk, NULL);
}

int identity_finish(struct disk *disk) { return disk->ops->rename(disk, IDENTITY_NEW, IDENTITY_FILE); }

static int load(struct disk *disk, const char *name, struct identity *id)
{
    uint8_t p[RECORD];
    size_t got;
    int err = disk->ops->read(disk, name, 0, p, sizeof p, &got);

    if (err != 0)
        return err;
    if (got != sizeof p || !record_valid(p, IDENTITY_MAGIC))
        return DFS_ECORRUPT;
    *id = (struct identity){.raft_id = get_u32(p + 12),
                            .cluster_hi = get_u64(p + 16),
                            .cluster_lo = get_u64(p + 24),
                            .uuid_hi = get_u64(p + 32),
                            .uuid_lo = get_u64(p + 40)};
    return 0;
}

bool identity_begun(struct disk *disk, struct identity *id)
{
    return load(disk, IDENTITY_NEW, id) == 0 && (id->uuid_hi | id->uuid_lo) != 0;
}

int identity_load(struct disk *disk, struct identity *id)
{
    int err = load(disk, IDENTITY_FILE, id);

    return err == 0 && id->raft_id == 0 ? DFS_ECORRUPT : err;
}

uint32_t identity_salt(const struct identity *id)
{
    uint64_t v[4] = {id->uuid_hi, id->uuid_lo, id->cluster_hi, id->cluster_lo};

    return crc32c(0, v, sizeof v);
}

void vote_encode(const struct vote *v, uint8_t out[VOTE_SLOT])
{
    memset(out, 0, VOTE_SLOT);
    put_u64(out + 16, v->number);
    put_u64(out + 24, v->term);
    put_u64(out + 32, v->voted_for);
    record_seal(out, VOTE_MAGIC, 0);
}

int vote_save(struct disk *disk, const struct vote *v)
{
    uint8_t p[VOTE_SLOT];
    int err;

    vote_encode(v, p);
    err = put_durably(disk, VOTE_FILE, 0, p);
    if (err == 0)
        err = put_durably(disk, VOTE_FILE, VOTE_SLOT_SPACING, p);
    return err != 0 ? err : disk->ops->sync(disk, NULL);
}

static int slot_load(struct disk *disk, uint64_t off, struct vote *v, bool *good)
{
    uint8_t p[VOTE_SLOT];
    size_t got;
    int err = disk->ops->read(disk, VOTE_FILE, off, p, sizeof p, &got);

    *good = err == 0 && got == sizeof p && record_valid(p, VOTE_MAGIC);
    if (*good)
        *v = (struct vote){.number = get_u64(p + 16), .term = get_u64(p + 24), .voted_for = get_u64(p + 32)};
    return err;
}

int vote_load(struct disk *disk, struct vote *v, bool *both)
{
    struct vote a = {0}, b = {0};
    bool a_good, b_good;
    int err = slot_load(disk, 0, &a, &a_good);

    if (err == 0)
        err = slot_load(disk, VOTE_SLOT_SPACING, &b, &b_good);
    if (err != 0)
        return err;
    if (!a_good && !b_good)
        return DFS_ECORRUPT;
    *v = a_good && (!b_good || a.number >= b.number) ? a : b;
    *both = a_good && b_good && a.number == b.number;
    return 0;
}
