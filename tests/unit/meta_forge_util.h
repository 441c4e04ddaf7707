/* SPDX-License-Identifier: MIT */
/* Snapshots with other bytes in them than were saved: for the tests of what is loaded. */
#ifndef TESTS_UNIT_META_FORGE_UTIL_H
#define TESTS_UNIT_META_FORGE_UTIL_H

#include "base/crc.h"
#include "meta/snapshot.h"
#include "test_meta_util.h"

static inline void fix_crc(struct bytes *b) /* of a stream of one block */
{
    uint32_t len = get_u32(b->p), crc = crc32c(0, b->p + SNAPSHOT_BLOCK_HEAD, len);
    put_u32(b->p + 4, crc);
    put_u32(b->p + SNAPSHOT_BLOCK_HEAD + len + 4, crc);
}

#endif
