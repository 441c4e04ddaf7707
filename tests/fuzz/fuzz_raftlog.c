/* SPDX-License-Identifier: MIT */
/* A NameServer's data folder with hostile files: the first byte says which file the rest becomes. Opening it must end in
 * an error or in a NameServer that starts. Checksums are put right first, so that what is behind them is reached.
 *   0 log segment, checksums put right   1 log segment as it is   2 snapshot   3 vote   4 identity */
#include <stdlib.h>

#include "base/crc.h"
#include "group/identity.h"
#include "group/logformat.h"
#include "group/nm.h"
#include "support/memdisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct identity who = {.cluster_hi = 1, .cluster_lo = 2, .uuid_hi = 3, .uuid_lo = 4, .raft_id = 1};

static void put(struct disk *d, const char *name, const void *p, size_t len)
{
    if (d->ops->write(d, name, 0, p, len) != 0)
        abort();
}

/* Makes headers and checksums of a segment good, wherever its lengths lead. */
static void put_right(uint8_t *p, size_t size)
{
    uint32_t salt = identity_salt(&who);
    struct log_segment_header seg = {.cluster_hi = 1, .cluster_lo = 2, .first_index = 1};
    uint64_t previous = 0, index = 1;
    uint32_t chain = 0;

    if (size < LOG_SEGMENT_HEADER)
        return;
    log_segment_put(p, &seg, salt);
    for (size_t off = LOG_SEGMENT_HEADER; off + LOG_RECORD_HEADER <= size; index++) {
        struct log_record_header r = {.len = get_u32(p + off + 4) % 4096,
                                      .index = index,
                                      .term = 1 + get_u64(p + off + 16) % 2,
                                      .type = p[off + 52],
                                      .position = off,
                                      .previous = previous,
                                      .flushed = off,
                                      .chain = chain};

        if (off + log_record_size(r.len) > size)
            return;
        r.body_crc = log_body_crc(p + off + LOG_RECORD_HEADER, r.len);
        log_record_put(p + off, &r, salt);
        chain = r.crc;
        previous = off;
        off += (size_t)log_record_size(r.len);
    }
}

static void try_open(struct disk *d)
{
    struct nm_config cfg = {.address = "127.0.0.1:1", .seed = 1, .log_segment_bytes = 65536};
    struct now now = {.mono = NS_PER_SEC, .wall = 1};
    struct nm *nm;
    char why[512] = "";
    int err = nm_open(&cfg, d, now, &nm, why, sizeof why);

    if (err != 0 && why[0] == '\0')
        abort(); /* an error without a reason helps nobody */
    if (err == 0) {
        struct effects fx;

        fx_init(&fx);
        nm_turn(nm, now, &fx);
        fx_reset(&fx);
        fx_close(&fx);
        nm_close(nm);
    }
}

/* What a good folder holds where the fuzzed file does not replace it. */
static const char *const files[] = {IDENTITY_FILE, VOTE_FILE, "log-0000000000000001"};
static struct bytes good[ARRAY_LEN(files)];

static void make_good(void)
{
    struct nm_config cfg = {.address = "127.0.0.1:1",
                            .init = true,
                            .cluster_hi = 1,
                            .cluster_lo = 2,
                            .uuid_hi = 3,
                            .uuid_lo = 4,
                            .seed = 1,
                            .log_segment_bytes = 4096};
    struct now now = {.mono = NS_PER_SEC, .wall = 1};
    struct disk *d = memdisk_new(1, 16 * MIB);
    struct nm *nm;
    char why[512];

    if (nm_open(&cfg, d, now, &nm, why, sizeof why) != 0)
        abort();
    nm_close(nm);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        uint64_t size;
        const uint8_t *p = memdisk_peek(d, files[i], &size);
        bytes_init(&good[i], MIB);
        if (p == NULL || bytes_add(&good[i], p, size) != 0)
            abort();
    }
    memdisk_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct disk *d;
    uint8_t *p;

    if (size < 1 || size > 256 * KIB)
        return 0;
    if (good[0].len == 0)
        make_good(); /* once: it is half of the time of an input */
    d = memdisk_new(1, 16 * MIB);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        put(d, files[i], good[i].p, good[i].len);
    p = malloc(size);
    if (p == NULL)
        abort();
    memcpy(p, data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        put_right(p, size - 1);
        /* fall through */
    case 1:
        if (d->ops->truncate(d, "log-0000000000000001", 0) != 0)
            abort();
        put(d, "log-0000000000000001", p, size - 1);
        break;
    case 2:
        put(d, "snap-0000000000000001-1", p, size - 1);
        break;
    case 3:
        put(d, VOTE_FILE, p, size - 1);
        break;
    default:
        put(d, IDENTITY_FILE, p, size - 1);
    }
    free(p);
    try_open(d);
    memdisk_free(d);
    return 0;
}
