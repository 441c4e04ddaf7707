/* SPDX-License-Identifier: MIT */
/* Loads arbitrary bytes as a saved NameServer state. The input is the stream without its blocks, which are put around
 * it here with right CRCs, so that the fields themselves are reached. What loads must hold together and save to the very
 * bytes it was loaded from: there is one encoding of each state. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc.h"
#include "meta/snapshot.h"

#define FUZZ_MAX (4u * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
    const uint8_t *p;
    size_t len;
};

static int read_source(void *arg, void *p, size_t len)
{
    struct source *s = arg;
    if (len > s->len)
        return DFS_EIO;
    memcpy(p, s->p, len);
    s->p += len;
    s->len -= len;
    return 0;
}

static int write_bytes(void *arg, const void *p, size_t len) { return bytes_add(arg, p, len); }

static void must(bool fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "fuzz_meta_load: %s\n", what);
    abort();
}

static void add_block(struct bytes *b, const uint8_t *p, size_t len, uint32_t *crc)
{
    uint8_t head[SNAPSHOT_BLOCK_HEAD];
    *crc = len > 0 ? crc32c(*crc, p, len) : *crc;
    put_u32(head, (uint32_t)len);
    put_u32(head + 4, *crc);
    must(bytes_add(b, head, sizeof head) == 0 && bytes_add(b, p, len) == 0, "out of memory");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in, out;
    uint32_t crc = 0;
    char why[200] = "";
    if (size > FUZZ_MAX / 2)
        return 0;
    bytes_init(&in, FUZZ_MAX);
    bytes_init(&out, FUZZ_MAX);
    for (size_t at = 0; at < size; at += SNAPSHOT_BLOCK)
        add_block(&in, data + at, min_u64(SNAPSHOT_BLOCK, size - at), &crc);
    add_block(&in, (const uint8_t *)"", 0, &crc);
    struct source s = {in.p, in.len};
    struct meta *m = meta_new();
    if (meta_load(m, read_source, &s) == 0) {
        must(meta_verify(m, why, sizeof why) == 0, why);
        must(meta_save(m, write_bytes, &out) == 0, "save failed");
        must(out.len == in.len && memcmp(out.p, in.p, in.len) == 0, "saved bytes differ from those loaded");
    }
    meta_free(m);
    bytes_close(&in);
    bytes_close(&out);
    return 0;
}
