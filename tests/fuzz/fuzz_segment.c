/* SPDX-License-Identifier: MIT */
/* A StorageServer opened on a segment of any bytes, its chunks read. No fuzzer guesses a CRC: the segment header is
 * made whole, and the first byte of the input says whether what starts like a record header gets a fitting CRC as
 * well. */
#include <stdlib.h>

#include "base/crc.h"
#include "store/format.h"
#include "support/ss_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORD_MAGIC 0x52534644u
#define NAME "seg-0000000000000001.log"

static void mend(uint8_t *p, size_t size, struct segment_header *h, bool records)
{
    uint32_t seed = segment_seed(h);
    uint8_t page[SEGMENT_HEADER];
    segment_put_header(page, h);
    memcpy(p, page, size < sizeof page ? size : sizeof page);
    for (size_t at = SEGMENT_HEADER; records && at + RECORD_HEADER <= size; at += RECORD_ALIGN) {
        if (get_u32(p + at) != RECORD_MAGIC)
            continue;
        put_u64(p + at + 8, h->id);
        put_u32(p + at + 16, h->generation);
        put_u32(p + at + 20, (uint32_t)at);
        put_u32(p + at + 4, crc32c(seed, p + at + 8, RECORD_HEADER - 8));
    }
}

struct chunk_list {
    uint64_t v[16];
    uint32_t n;
};

static void on_chunk(void *arg, uint64_t chunk, uint32_t version, uint32_t length)
{
    struct chunk_list *l = arg;
    (void)version, (void)length;
    if (l->n < ARRAY_LEN(l->v))
        l->v[l->n++] = chunk;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t back[100000];
    char why[256];
    if (size < 2)
        return 0;
    struct segment_header h = {.cluster_hi = 77,
                               .cluster_lo = 1,
                               .uuid_hi = 9,
                               .uuid_lo = 100,
                               .id = 1,
                               .generation = 1,
                               .class = data[0] >> 1 & 1,
                               .size = 128 * 1024};
    struct identity id = {
        .writes = 1, .cluster_hi = 77, .cluster_lo = 1, .uuid_hi = 9, .uuid_lo = 100, .server = 1, .epoch = 5};
    uint8_t slot[IDENTITY_SLOT], *copy = malloc(size - 1);
    struct rig *rig = malloc(sizeof *rig);
    struct chunk_list chunks = {.n = 0};
    if (!rig || !copy)
        abort();
    rig_init(rig, 1, 1, 1, 64 * MIB);
    struct disk *d = rig->disks[0][0];
    memcpy(copy, data + 1, size - 1);
    if (!(data[0] & 4))
        mend(copy, size - 1, &h, data[0] & 1);
    identity_put(slot, &id);
    for (uint32_t i = 0; i < 2; i++)
        if (d->ops->write(d, IDENTITY_NAME, i * IDENTITY_SLOT, slot, sizeof slot))
            abort();
    if (d->ops->write(d, NAME, 0, copy, size - 1) || d->ops->sync(d, NAME) || d->ops->sync(d, NULL))
        abort();
    if (rig_open(rig, 0, why, sizeof why) == 0) {
        ss_each_chunk(rig->ss[0], on_chunk, &chunks);
        for (uint32_t i = 0; i < chunks.n; i++) {
            (void)rig_read(rig, 0, chunks.v[i], 0, sizeof back, back, NULL);
            (void)rig_read(rig, 0, chunks.v[i], 4095, 2, back, NULL);
        }
    }
    rig_close(rig);
    free(rig);
    free(copy);
    return 0;
}
